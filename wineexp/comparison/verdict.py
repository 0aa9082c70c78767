"""Which differences are real: each variant against the reference, and the effects of crossed factors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from wineexp.comparison.statistics import Difference, compare_errors, factorial_contrasts, holm
from wineexp.comparison.variants import Variant, order
from wineexp.specs.run_spec import format_value
from wineexp.specs.varying import varying

__all__ = ["ALPHA", "Effect", "Verdict", "effect_sentences", "effects", "format_p", "verdicts"]

Floats = npt.NDArray[np.floating[Any]]

#: Two-sided probability, after Holm's correction, below which a difference is called real.
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """One variant against the reference.

    Attributes
    ----------
    variant, reference : str
        Labels.
    word : {"better", "worse", "cannot tell"}
    difference : wineexp.stats.Difference
        Of absolute errors, variant less reference: below 0 the variant errs less.
    p : float
        Two-sided probability, corrected for the pairs shown (Holm).
    paired : bool
        Whether both have the same seeds; otherwise seeds stand side by side in their order.
    """

    variant: str
    reference: str
    word: str
    difference: Difference
    p: float
    paired: bool = True

    def sentence(self) -> str:
        """The verdict in words, with the figures."""
        low, high = self.difference.interval()
        figures = f"val MAE {self.difference.mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        if self.word != "cannot tell":
            return f"{self.variant} is {self.word} than {self.reference}: {figures}, p {format_p(self.p)}"
        seeds = self.difference.seeds
        text = (
            f"{self.variant} against {self.reference}: cannot tell; {figures}, p {format_p(self.p)}. {seeds} "
            f"seed{'s' if seeds > 1 else ''} would show a difference of {self.difference.detectable():.3f} "
            "four times in five"
        )
        return text if self.needed is None else f"{text}; the one seen would need about {self.needed} seeds"

    @cached_property
    def needed(self) -> int | None:
        """Seeds that would tell a difference as large as the one seen, where that can be said."""
        return self.difference.seeds_needed() if self.word == "cannot tell" else None


@dataclass(frozen=True)
class Effect:
    """One effect of a full cross: ``levels`` (field to value) against ``base`` (field to value)."""

    levels: dict[str, str]
    base: dict[str, str]
    difference: Difference
    p: float

    @property
    def real(self) -> bool:
        return self.p < ALPHA

    @property
    def label(self) -> str:
        return " and ".join(f"{field} {value}" for field, value in self.levels.items())


def verdicts(judged: Sequence[Variant], reference: Variant) -> tuple[Verdict, ...]:
    """Every other variant against the reference, with Holm's correction over all of them."""
    others = [variant for variant in judged if variant is not reference]
    paired = [_pair(variant, reference) for variant in others]
    differences = [compare_errors(ours - theirs) for ours, theirs, _ in paired]
    corrected = holm([difference.p for difference in differences])
    return tuple(
        Verdict(variant.label, reference.label, _word(difference, p), difference, p, same)
        for variant, difference, p, (_, _, same) in zip(others, differences, corrected, paired, strict=True)
    )


def _word(difference: Difference, p: float) -> str:
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


def effects(judged: Sequence[Variant], reference: Variant) -> tuple[Effect, ...]:
    """Main effects and two-factor interactions; empty unless the variants fully cross two fields or more.

    They rest on the seeds that all variants have. A field's first level is the reference's.
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


def effect_sentences(effects: Sequence[Effect]) -> list[str]:
    """One sentence for each main effect, with the interactions that are real."""
    sentences = []
    for effect in (effect for effect in effects if len(effect.levels) == 1):
        ((field, value),) = effect.levels.items()
        low, high = effect.difference.interval()
        text = (
            f"{field} {value} instead of {effect.base[field]} changes val MAE by {effect.difference.mean:+.3f} "
            f"[{low:+.3f}, {high:+.3f}] on average over the rest"
        )
        if not effect.real:
            text += ", too little to tell from nothing"
        parts = [
            f"{_signed(other.difference.mean)} with {_rest(other, field)}"
            for other in effects
            if len(other.levels) == 2 and other.levels.get(field) == value and other.real
        ]
        sentences.append(f"{text}; {' and '.join(parts)}" if parts else text)
    return sentences


def _signed(change: float) -> str:
    return f"{abs(change):.3f} {'higher' if change > 0 else 'lower'}"


def _rest(effect: Effect, field: str) -> str:
    ((name, value),) = [(name, value) for name, value in effect.levels.items() if name != field]
    return f"{name} {value} than with {name} {effect.base[name]}"


def format_p(p: float) -> str:
    """A probability for people."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
