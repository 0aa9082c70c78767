"""A verdict and an effect, and their wording as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from wineexp.comparison.statistics import Difference

__all__ = ["ALPHA", "Effect", "Verdict", "Word", "effect_sentences", "format_p"]

Word = Literal["better", "worse", "cannot tell"]

#: Two-sided probability, after Holm's correction, below which a difference is called real.
ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """One variant against the reference.

    Attributes
    ----------
    variant_label, reference_label : str
    word : {"better", "worse", "cannot tell"}
    difference : wineexp.comparison.statistics.Difference
        Of absolute errors, variant minus reference: below 0 the variant has the smaller error.
    p : float
        Two-sided probability, corrected for the pairs shown (Holm).
    paired : bool
        Whether both have the same seeds; otherwise the common ones, or seeds in their order, are paired.
    """

    variant_label: str
    reference_label: str
    word: Word
    difference: Difference
    p: float
    paired: bool = True

    def sentence(self) -> str:
        """The verdict in words, with the figures."""
        low, high = self.difference.interval()
        figures = f"val MAE {self.difference.mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        if self.word != "cannot tell":
            return (
                f"{self.variant_label} is {self.word} than {self.reference_label}: {figures}, p {format_p(self.p)}"
            )
        count = self.difference.seeds
        seeds = f"{count} seed{'s' if count > 1 else ''}"
        text = (
            f"{self.variant_label} against {self.reference_label}: cannot tell; {figures}, p {format_p(self.p)}. "
            f"With {seeds}, a difference of {self.difference.detectable():.3f} would be detected 80 % of the time"
        )
        return text if self.needed is None else f"{text}; the one seen would need about {self.needed} seeds"

    @cached_property
    def needed(self) -> int | None:
        """Seeds that would detect a difference as large as the one seen, if that can be estimated."""
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
        """``dropout 0.3 and bn after``."""
        return " and ".join(f"{field} {value}" for field, value in self.levels.items())

    @property
    def base_label(self) -> str:
        """What it is compared with, as :attr:`label`."""
        return " and ".join(f"{field} {value}" for field, value in self.base.items())

    def as_json(self) -> dict[str, Any]:
        """The effect as plain values."""
        low, high = self.difference.interval()
        return {
            "effect": self.levels,
            "against": self.base,
            "difference": self.difference.mean,
            "low": low,
            "high": high,
            "p": self.p,
            "seeds": self.difference.seeds,
        }


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
            text += ", which cannot be distinguished from no change"
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
