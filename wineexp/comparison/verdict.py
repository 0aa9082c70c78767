"""A verdict: what is said of one variant against the reference, and the figures behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from wineexp.comparison.estimate import ALPHA, Estimate

__all__ = ["MARGIN_LEVEL", "Kind", "Verdict", "adjusted_level", "format_p", "told_p"]

Kind = Literal["better", "worse", "same", "cannot tell", "one seed"]

#: The level of the interval that lies inside the margin where two variants are the same within it: two one-sided
#: tests at 5 % each (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987).
MARGIN_LEVEL = 0.90

#: The smallest probability that is told. Further out the method has not been measured.
LEAST_TOLD = 0.001


@dataclass(frozen=True)
class Verdict:
    """One variant against the reference.

    Attributes
    ----------
    variant_label, reference_label : str
    difference : Estimate
        Of absolute errors, variant minus reference: below 0 the variant has the smaller error.
    p : float or None
        Two-sided probability, corrected for all comparisons that were judged (Holm). None where a variant has one
        seed: then nothing is known of how seeds differ.
    comparisons : int
        How many were judged together.
    margin : float or None
        The size below which a difference does not matter, in the unit of the errors.
    paired : bool
        Whether both have the same seeds.
    """

    variant_label: str
    reference_label: str
    difference: Estimate
    p: float | None
    comparisons: int = 1
    margin: float | None = None
    paired: bool = True

    @cached_property
    def kind(self) -> Kind:
        """What can be said, whatever the margin's size."""
        if self.p is None:
            return "one seed"
        if self.margin is not None:
            low, high = self.difference.interval(MARGIN_LEVEL)
            if -self.margin < low and high < self.margin:
                return "same"
        return self._direction if self._real else "cannot tell"

    @property
    def _real(self) -> bool:
        return self.p is not None and self.p < ALPHA

    @property
    def _direction(self) -> Literal["better", "worse"]:
        return "better" if self.difference.mean < 0 else "worse"

    @property
    def word(self) -> str:
        """``better``, ``worse``, ``same within 0.05``, ``cannot tell`` or ``one seed: cannot tell``."""
        if self.kind == "same":
            return f"same within {self.margin:g}"
        return "one seed: cannot tell" if self.kind == "one seed" else self.kind

    @property
    def level(self) -> float | None:
        """The level of the interval that goes with the word: it leaves out 0 exactly where the word says so."""
        if self.p is None:
            return None
        return MARGIN_LEVEL if self.kind == "same" else adjusted_level(self.difference.p, self.p)

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """That interval; None with one seed."""
        return None if self.level is None else self.difference.interval(self.level)

    @cached_property
    def detectable(self) -> float | None:
        """The true difference that would be found in 80 % of samples with these seeds, rows and comparisons."""
        return None if self.p is None else self.difference.detectable(alpha=ALPHA / self.comparisons)

    @cached_property
    def needed(self) -> int | None:
        """Seeds that would find a difference as large as the one seen, if that can be estimated, and are more."""
        if self.kind != "cannot tell":
            return None
        found = self.difference.seeds_needed(abs(self.difference.mean), ALPHA / self.comparisons)
        return found if found is not None and found > self.difference.fewest else None

    def sentence(self) -> str:
        """The verdict in words, with the figures."""
        pair = f"{self.variant_label} against {self.reference_label}"
        if self.p is None or self.interval is None or self.level is None:
            return (
                f"{pair}: one seed: cannot tell; val MAE {self.difference.mean:+.3f} on these rows, "
                "and another seed may reverse it"
            )
        figures = f"val MAE {self.difference.mean:+.3f} {_told(self.interval, self.level)}"
        if self.kind == "same":
            but = f"; {self._direction}, but by less than matters" if self._real else ""
            same = f"{self.variant_label} and {self.reference_label} are the same within {self.margin:g}"
            return f"{same}: {figures}{but}"
        figures += f", p {format_p(self.p)}"
        if self.comparisons > 1:
            figures += f" (of {self.comparisons} comparisons)"
        if self.kind != "cannot tell":
            return f"{self.variant_label} is {self.kind} than {self.reference_label}: {figures}"
        return f"{pair}: cannot tell; {figures}.{self._alone()} {self._outlook()}"

    def _alone(self) -> str:
        """What would have been said had this been the only comparison, where that differs."""
        if self.difference.p >= ALPHA:
            return ""
        told = _told(self.difference.interval(), 1 - ALPHA)
        return f" As the only comparison it would have been called {self._direction}: {told}."

    def _outlook(self) -> str:
        text = (
            f"With {self.difference.seeds_told}, a difference of {self.detectable:.3f} would be detected "
            "80 % of the time"
        )
        return text if self.needed is None else f"{text}; the one seen would need about {self.needed} seeds"


def adjusted_level(plain: float, corrected: float) -> float:
    """The level at which an interval leaves out 0 exactly where the corrected probability is below 0.05."""
    return 1 - ALPHA * plain / corrected


def _told(interval: tuple[float, float], level: float) -> str:
    text = f"[{interval[0]:+.3f}, {interval[1]:+.3f}]"
    return text if abs(level - (1 - ALPHA)) < 1e-9 else f"{text} ({100 * level:.4g} %)"


def told_p(p: float | None) -> float | None:
    """A probability as data: 0.001 stands for 0.001 or less."""
    return None if p is None else max(p, LEAST_TOLD)


def format_p(p: float) -> str:
    """A probability for people."""
    return f"< {LEAST_TOLD:g}" if p <= LEAST_TOLD else f"{p:.3f}"
