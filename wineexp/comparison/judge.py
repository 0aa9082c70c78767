"""Which differences are real: each variant against the reference, all against all, and seeds that stand out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from wineexp.comparison.crossing import compare_splits
from wineexp.comparison.estimate import ALPHA, Estimate
from wineexp.comparison.multiple import holm, letters
from wineexp.comparison.statistics import compare_errors, compare_unpaired
from wineexp.comparison.variants import Variant, val_mae
from wineexp.comparison.verdict import Look, Verdict
from wineexp.specs.looks import Looks

__all__ = ["MOST_GROUPED", "judge_errors", "judge_groups", "judge_variants", "outlying_seeds"]

Floats = npt.NDArray[np.floating[Any]]

#: Among more variants than this, not all pairs are compared: 435 already, and Holm leaves little to be found.
MOST_GROUPED = 30

#: How improbable the worst seed must be, one-sided and for all seeds of its variant together, to be named; and by
#: which share of the others' mean it must be worse. Seeds that agree closely make a small distance improbable too.
OUTLYING, FAILED = 0.02, 0.2


#: Seed -> absolute errors, shape (rows,).
Errors = Mapping[int, Floats]


def judge_variants(
    judged: Sequence[Variant], reference: Variant, margin: float | None = None, looks: Looks | None = None
) -> tuple[Verdict, ...]:
    """Every other variant against the reference; see :func:`judge_errors`. Across splits, over these and rows."""
    if reference.across_splits:
        others = [variant for variant in judged if variant is not reference]
        looked = {variant.label: (Look(_difference_of(variant, reference)),) for variant in others}
        found = _verdicts(looked, reference.label, margin, None, dict.fromkeys(looked, True))
    else:
        errors = {variant.label: variant.errors for variant in judged}
        found = judge_errors(errors, reference.label, margin, looks)
    return tuple(replace(verdict, metric=reference.metric) for verdict in found)


def judge_errors(
    errors: Mapping[str, Errors], reference: str, margin: float | None = None, looks: Looks | None = None
) -> tuple[Verdict, ...]:
    """Every other label against the reference, with Holm's correction over those that can be judged.

    One seed of either tells nothing of how seeds differ, so such a pair is not judged. With planned looks, each
    look uses the seeds that were planned for it, whatever else there is: what is found does not depend on when the
    study was stopped and resumed.

    Parameters
    ----------
    errors : mapping of label to (mapping of seed to array of shape (rows,))
        Absolute errors on the same rows.
    reference : str
    margin : float, optional
    looks : Looks, optional
    """
    theirs = errors[reference]
    looked = {label: _looked(ours, theirs, looks) for label, ours in errors.items() if label != reference}
    paired = {label: looks is not None or errors[label].keys() == theirs.keys() for label in looked}
    return _verdicts(looked, reference, margin, looks, paired)


def _verdicts(
    looked: Mapping[str, tuple[Look, ...]],
    reference: str,
    margin: float | None,
    looks: Looks | None,
    paired: Mapping[str, bool],
) -> tuple[Verdict, ...]:
    told = [label for label, found in looked.items() if any(look.told for look in found)]
    corrected = dict(zip(told, holm([min(look.p for look in looked[label]) for label in told]), strict=True))
    count = max(1, len(told))
    return tuple(
        Verdict(label, reference, found, corrected.get(label), count, margin, paired[label], looks)
        for label, found in looked.items()
    )


def _looked(ours: Errors, theirs: Errors, looks: Looks | None) -> tuple[Look, ...]:
    """Each look that both have reached; with seeds that failed, those that are left of it."""
    if looks is None:
        return (Look(_difference(ours, theirs)),)
    found = []
    for number, weight in enumerate(looks.weights, 1):
        added = looks.added(number)
        if number > 1 and not all(any(seed in errors for seed in added) for errors in (ours, theirs)):
            break
        seeds = looks.at(number)
        parts = [{seed: errors[seed] for seed in seeds if seed in errors} for errors in (ours, theirs)]
        if not all(parts):  # none of the first look's seeds has finished
            parts = [dict(list(errors.items())[:1]) for errors in (ours, theirs)]
        found.append(Look(_difference(*parts), weight))
    return tuple(found)


def judge_groups(judged: Sequence[Variant]) -> dict[str, str]:
    """Label -> letters: variants that share one cannot be told apart, over all pairs (Holm).

    Letters are in the order of val MAE. Empty for fewer than three variants, for more than :data:`MOST_GROUPED`,
    or where one has a single seed.
    """
    if not 3 <= len(judged) <= MOST_GROUPED or any(not _enough(variant) for variant in judged):
        return {}
    ordered = sorted(judged, key=val_mae)
    pairs = list(itertools.combinations(range(len(ordered)), 2))
    corrected = holm([_difference_of(ordered[one], ordered[other]).p for one, other in pairs])
    apart = [pair for pair, p in zip(pairs, corrected, strict=True) if p < ALPHA]
    return dict(zip([variant.label for variant in ordered], letters(len(ordered), apart), strict=True))


def outlying_seeds(variant: Variant) -> list[int]:
    """The seed of a variant that is so much worse than its others that it failed rather than fell behind.

    Grubbs' test (Technometrics 11, 1969) of the highest val MAE: its distance from the mean of the others, over
    the standard deviation that another of them would have, is Student's with two degrees less than there are
    seeds; times the number of seeds, as the highest was picked. With three seeds nothing can stand out.
    """
    if variant.across_splits or len(variant.errors) < 4:
        return []
    errors = {seed: float(values.mean()) for seed, values in variant.errors.items()}
    worst = max(errors, key=lambda seed: errors[seed])
    rest = np.array([value for seed, value in errors.items() if seed != worst])
    distance, spread = errors[worst] - rest.mean(), rest.std(ddof=1) * np.sqrt(1 + 1 / len(rest))
    probability = stats.t.sf(distance / spread, len(rest) - 1) if spread > 0 else float(distance <= 0)
    failed = distance > FAILED * rest.mean() and probability * len(errors) < OUTLYING
    return [worst] if failed else []


def _difference(ours: Errors, theirs: Errors) -> Estimate:
    """Of absolute errors: paired seed with seed if both have the same seeds, else all seeds of each."""
    if ours.keys() == theirs.keys():
        return compare_errors(np.stack([ours[seed] - theirs[seed] for seed in ours]))
    return compare_unpaired(np.stack(list(ours.values())), np.stack(list(theirs.values())))


def _difference_of(variant: Variant, reference: Variant) -> Estimate:
    """Of two variants: across splits, the seeds of each split that both have."""
    if not variant.across_splits:
        return _difference(variant.errors, reference.errors)
    ours, theirs = variant.split_errors, reference.split_errors
    paired = {
        split: {seed: errors - theirs[split][seed] for seed, errors in seeds.items() if seed in theirs[split]}
        for split, seeds in ours.items()
        if split in theirs
    }
    return compare_splits({split: seeds for split, seeds in paired.items() if seeds}, variant.train_rows)


def _enough(variant: Variant) -> bool:
    """Whether it has more than one of what is sampled."""
    return variant.across_splits or len(variant.errors) > 1
