"""Which differences are real: each variant against the reference, all against all, and seeds that stand out."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from wineexp.comparison.clusters import Clusters
from wineexp.comparison.crossing import SplitErrors, compare_splits
from wineexp.comparison.estimate import ALPHA, Estimate
from wineexp.comparison.learnt import Lead, State, lead
from wineexp.comparison.multiple import holm, letters
from wineexp.comparison.statistics import FIXED, Errors, compare_seeds
from wineexp.comparison.variants import Variant, score_rank
from wineexp.comparison.verdict import Look, OtherWay, Verdict
from wineexp.runs.score import VAL_MAE, Score
from wineexp.specs.looks import Looks

__all__ = ["MOST_GROUPED", "judge_both_ways", "judge_errors", "judge_groups", "judge_variants", "outlying_seeds"]

Floats = npt.NDArray[np.floating[Any]]

#: With more variants than this, not all pairs are compared: these are 435 already, and Holm leaves little to find.
MOST_GROUPED = 30

#: A seed is named as outlying if its distance is less probable than ``OUTLYING`` (one-sided, for all seeds of its
#: variant together) and its error exceeds the others' mean by the share ``FAILED``. If seeds agree closely, even a
#: small distance is improbable.
OUTLYING, FAILED = 0.02, 0.2


def judge_variants(
    judged: Sequence[Variant], reference: Variant, margin: float | None = None, looks: Looks | None = None
) -> tuple[Verdict, ...]:
    """Every other variant against the reference; see :func:`judge_errors`. Across splits, over splits and rows."""
    identical = [one.label for one in judged if one is not reference and one.predicts_as(reference)]
    if reference.across_splits:
        others = [variant for variant in judged if variant is not reference]
        looked = {variant.label: (Look(_difference_of(variant, reference)),) for variant in others}
        paired = dict.fromkeys(looked, True)
        found = _verdicts(looked, reference.label, margin, None, paired, identical, reference.judged_score)
    else:
        errors = {variant.label: variant.errors for variant in judged}
        ended = {variant.label: variant.ended for variant in judged}
        clusters = _clusters(reference, *judged)
        found = judge_errors(errors, reference.label, margin, looks, ended, identical, reference.score, clusters)
    return tuple(replace(verdict, metric=reference.metric) for verdict in found)


def judge_both_ways(
    judged: Sequence[Variant], reference: Variant, margin: float | None = None, looks: Looks | None = None
) -> tuple[Verdict, ...]:
    """As :func:`judge_variants`, with what shows that a variant has not learnt, and the other way to predict.

    The other way is with dropout left on, or off. It is judged for pairs of which a variant has dropout, and whose
    runs with dropout have all recorded as many passes. These verdicts are a family of their own.
    """
    states = {variant.label: variant.state for variant in judged}
    found = judge_variants(judged, reference, margin, looks)
    verdicts = [replace(verdict, lead=_lead(verdict, states)) for verdict in found]
    own = reference.passes
    passes = {variant.label: variant.passes | own for variant in judged}
    both = {label for label, counts in passes.items() if len(counts) == 1 and 0 not in counts}
    others = [one for one in judged if one is reference or one.label in both]
    others = [replace(variant, score=variant.score.other_way) for variant in others]
    others = [variant for variant in others if variant.judged]
    if not both - {reference.label} or reference.label not in {one.label for one in others} or len(others) < 2:
        return tuple(verdicts)
    base = next(other for other in others if other.label == reference.label)
    ways = {
        other.variant_label: OtherWay(other, max(passes[other.variant_label]), base.score.of_passes)
        for other in judge_variants(others, base, margin, looks)
    }
    return tuple(replace(verdict, other_way=ways.get(verdict.variant_label)) for verdict in verdicts)


def _lead(verdict: Verdict, states: Mapping[str, State]) -> Lead | None:
    ours, theirs = (states[label] for label in (verdict.variant_label, verdict.reference_label))
    return lead(verdict.variant_label, ours, verdict.reference_label, theirs)


def judge_errors(
    errors: Mapping[str, Errors],
    reference: str,
    margin: float | None = None,
    looks: Looks | None = None,
    ended: Mapping[str, Collection[int]] | None = None,
    identical: Collection[str] = (),
    score: Score = VAL_MAE,
    clusters: Clusters | None = None,
) -> tuple[Verdict, ...]:
    """Every other label against the reference, with Holm's correction over those that can be judged.

    With one seed in either variant it is unknown how seeds differ, so such a pair is not judged. With planned
    looks, each look uses only the seeds planned for it, and is taken once all of them have ended: so the results
    do not depend on when the study was stopped and resumed.

    Parameters
    ----------
    errors : mapping of label to (mapping of seed to array of shape (rows,))
        Errors on the same rows, as ``score`` has them.
    reference : str
    margin : float, optional
        In the unit of the score.
    looks : Looks, optional
    ended : mapping of label to seeds, optional
        The seeds that have ended, failed ones too; by default those with errors.
    identical : collection of labels
        Variants whose predictions all equal the reference's, bit for bit: they are not counted as comparisons.
    score : Score, optional
    clusters : Clusters, optional
        Rows that belong together; by default each is one of its own.
    """
    theirs, ended = errors[reference], ended or errors
    looked = {
        label: _looked(ours, theirs, looks, set(ended[label]) & set(ended[reference]), score, clusters)
        for label, ours in errors.items()
        if label != reference
    }
    fixed = {label for label, found in errors.items() if FIXED in found}
    paired = {
        label: looks is not None or bool({label, reference} & fixed) or errors[label].keys() == theirs.keys()
        for label in looked
    }
    error = score.of_errors(float(np.mean([values.mean() for values in theirs.values()])))
    return _verdicts(looked, reference, margin, looks, paired, identical, error)


def _verdicts(
    looked: Mapping[str, tuple[Look, ...]],
    reference: str,
    margin: float | None,
    looks: Looks | None,
    paired: Mapping[str, bool],
    identical: Collection[str],
    error: float | None,
) -> tuple[Verdict, ...]:
    judged = {label: found for label, found in looked.items() if label not in identical}
    told = [label for label, found in judged.items() if any(look.told for look in found)]
    corrected = dict(zip(told, holm([min(look.p for look in looked[label]) for label in told]), strict=True))
    near = [] if margin is None else [min(look.same_p(margin) for look in looked[label]) for label in told]
    same = dict(zip(told, holm(near), strict=False))
    count = max(1, len(told))
    return tuple(
        Verdict(
            label,
            reference,
            found,
            corrected.get(label),
            count,
            margin,
            paired[label],
            looks,
            reference_error=error,
            identical=label in identical,
            same_p=same.get(label),
        )
        for label, found in looked.items()
    )


def _looked(
    ours: Errors,
    theirs: Errors,
    looks: Looks | None,
    ended: Collection[int],
    score: Score,
    clusters: Clusters | None,
) -> tuple[Look, ...]:
    """Each look that both have reached, with the seeds left in it; look 0 if there is none yet."""
    if looks is None:
        return (Look(_difference(ours, theirs, score, clusters)),)
    found = []
    for number, weight in enumerate(looks.weights, 1):
        seeds = looks.at(number)
        one, other = ({seed: errors[seed] for seed in seeds if seed in errors} for errors in (ours, theirs))
        if not all(seed in ended for seed in seeds) or not (one and other):
            break
        found.append(Look(_difference(one, other, score, clusters), weight, number))
    return tuple(found) or (Look(_difference(ours, theirs, score, clusters), looks.weights[0], 0),)


def judge_groups(judged: Sequence[Variant]) -> dict[str, str]:
    """Label -> letters: variants that share a letter cannot be told apart, over all pairs (Holm).

    Letters are in the order of the score. Empty for fewer than three variants, for more than :data:`MOST_GROUPED`,
    or if one has a single seed.
    """
    if not 3 <= len(judged) <= MOST_GROUPED:
        return {}
    ordered = sorted(judged, key=score_rank)
    pairs = list(itertools.combinations(range(len(ordered)), 2))
    if any(len(_shared_splits(ordered[one], ordered[other])) < 2 for one, other in pairs):
        return {}
    differences = [_difference_of(ordered[one], ordered[other]) for one, other in pairs]
    if not all(difference.tells for difference in differences):
        return {}
    corrected = holm([difference.p for difference in differences])
    apart = [pair for pair, p in zip(pairs, corrected, strict=True) if p < ALPHA]
    return dict(zip([variant.label for variant in ordered], letters(len(ordered), apart), strict=True))


def outlying_seeds(variant: Variant) -> list[int]:
    """The seed that is so much worse than its variant's others that it failed rather than fell behind.

    Grubbs' test (Technometrics 11, 1969) of the highest score: its distance from the mean of the others, over
    the standard deviation that another of them would have, follows Student's distribution with two degrees fewer
    than there are seeds. The probability is multiplied by the number of seeds, as the highest was picked. With
    three seeds nothing can stand out.
    """
    if variant.across_splits or len(variant.errors) < 4:
        return []
    errors = {seed: variant.score.of_errors(float(values.mean())) for seed, values in variant.errors.items()}
    worst = max(errors, key=lambda seed: errors[seed])
    rest = np.array([value for seed, value in errors.items() if seed != worst])
    distance, spread = errors[worst] - rest.mean(), rest.std(ddof=1) * np.sqrt(1 + 1 / len(rest))
    probability = (
        float(scipy.special.stdtr(len(rest) - 1, -distance / spread)) if spread > 0 else float(distance <= 0)
    )
    failed = distance > FAILED * rest.mean() and probability * len(errors) < OUTLYING
    return [worst] if failed else []


def _difference(ours: Errors, theirs: Errors, score: Score, clusters: Clusters | None) -> Estimate:
    """The difference of scores, paired by the seeds that both have."""
    unit = score.unit(*(np.stack(list(errors.values())) for errors in (ours, theirs)))
    one, other = ({seed: unit * values for seed, values in errors.items()} for errors in (ours, theirs))
    return compare_seeds(one, other, clusters)


def _difference_of(variant: Variant, reference: Variant) -> Estimate:
    """The difference of two variants: over seeds and rows of one split, or over the splits that both have.

    On a split where their seeds differ, the means over the seeds are compared.
    """
    if not variant.across_splits:
        return _difference(variant.errors, reference.errors, variant.score, _clusters(variant, reference))
    ours, theirs = variant.split_errors, reference.split_errors
    shared = _shared_splits(variant, reference)
    unit = variant.score.unit(*(_all_errors(splits, shared) for splits in (ours, theirs)))
    found = {}
    for split in shared:
        one, other = ours[split], theirs[split]
        if FIXED in one or FIXED in other:
            seeds = [seed for seed in (*one, *other) if seed != FIXED] or [-1 - split]
            found[split] = {
                seed: unit * (one[FIXED if FIXED in one else seed] - other[FIXED if FIXED in other else seed])
                for seed in seeds
            }
        elif one.keys() == other.keys():
            found[split] = {seed: unit * (errors - other[seed]) for seed, errors in one.items()}
        else:  # this split's own seed, unless other splits have it too
            seed = -1 if any(_repeats(side) for side in (ours, theirs)) else -1 - split
            found[split] = {seed: unit * (_seed_mean(one) - _seed_mean(other))}
    return compare_splits(found, variant.train_rows, _labels(variant, reference))


def _labels(*variants: Variant) -> pd.Series | None:
    """The clusters of the judged rows, from the first variant that knows them; runs before what others say."""
    ordered = sorted(variants, key=lambda variant: variant.spec is None)
    return next((one.clusters for one in ordered if one.clusters is not None), None)


def _clusters(*variants: Variant) -> Clusters | None:
    """:func:`_labels` of one split; None too if every row is one of its own."""
    labels = _labels(*variants)
    return None if labels is None else Clusters.of(labels.to_numpy())


def _all_errors(splits: SplitErrors, shared: Sequence[int]) -> Floats:
    """The errors of these splits, those of a row's seeds as their mean."""
    return np.concatenate([_seed_mean(splits[split]).to_numpy() for split in shared])


def _shared_splits(variant: Variant, reference: Variant) -> list[int]:
    """The splits that both have; with one split, two placeholders."""
    if not variant.across_splits:
        return [0, 1]
    return [split for split in variant.split_errors if split in reference.split_errors]


def _repeats(splits: SplitErrors) -> bool:
    """Whether a seed is used on several splits."""
    seeds = [seed for found in splits.values() for seed in found if seed != FIXED]
    return len(set(seeds)) < len(seeds)


def _seed_mean(seeds: Mapping[int, pd.Series]) -> pd.Series:
    return pd.concat(list(seeds.values()), axis=1).mean(axis=1)
