"""Which differences are real: each variant against the reference, and the effects of crossed factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wineexp.comparison.statistics import Difference, compare_errors, factorial_contrasts, holm
from wineexp.comparison.variants import Variant, order
from wineexp.comparison.verdict import ALPHA, Effect, Verdict, Word
from wineexp.specs.run_spec import varying
from wineexp.specs.wording import format_value

__all__ = ["judge_effects", "judge_variants"]

Floats = npt.NDArray[np.floating[Any]]


def judge_variants(judged: Sequence[Variant], reference: Variant) -> tuple[Verdict, ...]:
    """Every other variant against the reference, with Holm's correction over all of them."""
    others = [variant for variant in judged if variant is not reference]
    paired = [_pair(variant, reference) for variant in others]
    differences = [compare_errors(ours - theirs) for ours, theirs, _ in paired]
    corrected = holm([difference.p for difference in differences])
    return tuple(
        Verdict(variant.label, reference.label, _word(difference, p), difference, p, same)
        for variant, difference, p, (_, _, same) in zip(others, differences, corrected, paired, strict=True)
    )


def _word(difference: Difference, p: float) -> Word:
    if p >= ALPHA:
        return "cannot tell"
    return "better" if difference.mean < 0 else "worse"


def _pair(variant: Variant, reference: Variant) -> tuple[Floats, Floats, bool]:
    """Errors of both, shape (seeds, rows), seed with seed; and whether both have the same seeds."""
    ours, theirs = variant.errors, reference.errors
    common = [seed for seed in ours if seed in theirs]
    if common:
        same = len(common) == len(ours) == len(theirs)
        return np.stack([ours[s] for s in common]), np.stack([theirs[s] for s in common]), same
    count = min(len(ours), len(theirs))
    return np.stack(list(ours.values())[:count]), np.stack(list(theirs.values())[:count]), False


def judge_effects(judged: Sequence[Variant], reference: Variant) -> tuple[Effect, ...]:
    """Main effects and two-factor interactions; empty unless the variants fully cross two fields or more.

    They use only the seeds that all variants have. A field's first level is the reference's.
    """
    if any(variant.spec is None for variant in judged):
        return ()
    fields = varying(variant.spec for variant in judged if variant.spec)
    values = [_levels(field, judged, reference) for field in fields]
    cells = {tuple(getattr(variant.spec, field) for field in fields): variant for variant in judged}
    seeds = sorted(set.intersection(*(set(variant.errors) for variant in judged)))
    full = len(cells) == len(judged) == np.prod([len(levels) for levels in values])
    if len(fields) < 2 or not full or not seeds:
        return ()
    shape = tuple(len(levels) for levels in values)
    stacked = [np.stack([cells[cell].errors[seed] for seed in seeds]) for cell in itertools.product(*values)]
    errors = np.stack(stacked).reshape(*shape, *stacked[0].shape)
    contrasts = factorial_contrasts(shape)
    differences = [contrast.estimate(errors) for contrast in contrasts]
    corrected = holm([difference.p for difference in differences])
    return tuple(
        Effect(
            {fields[axis]: format_value(values[axis][level]) for axis, level in contrast.levels.items()},
            {fields[axis]: format_value(values[axis][0]) for axis in contrast.levels},
            difference,
            p,
        )
        for contrast, difference, p in zip(contrasts, differences, corrected, strict=True)
    )


def _levels(field: str, judged: Sequence[Variant], reference: Variant) -> list[Any]:
    """A field's values, the reference's first."""
    found = {getattr(variant.spec, field) for variant in judged}
    first = getattr(reference.spec, field)
    return sorted(found, key=lambda value: (value != first, order(field, value)))
