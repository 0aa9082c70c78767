"""What every estimate of a difference offers: an interval, a probability, and the detectable difference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts load at their first use: training needs none of them

from wineexp.text import count_of

__all__ = ["ALPHA", "Estimate", "Scenarios", "chi_squares", "likely_squares"]

Floats = npt.NDArray[np.floating[Any]]

#: A two-sided probability below this is called real; with several comparisons, it holds for all together.
ALPHA = 0.05

#: The share of samples in which a true difference of the detectable size is found.
POWER = 0.8

#: Evenly probable values that stand for a distribution.
DRAWS = 40

#: No tail below this is computed: towards 0 the half-width of an interval grows without bound.
LEAST = 1e-12


@dataclass(frozen=True)
class Scenarios:
    """Equally probable outcomes of a new study, for equally probable true variances of seeds.

    Attributes
    ----------
    halves : array of shape (true variances, outcomes)
        Half-widths that the study may have.
    spreads : array of shape (true variances,)
        The true standard deviation of its mean.
    """

    halves: Floats
    spreads: Floats


class Estimate(ABC):
    """A mean difference over seeds and rows with an interval at any level, and so a probability.

    Attributes
    ----------
    mean : float
        In the errors' unit; below 0 the first variant errs less.
    rows : int
    clusters : int
        Of these rows; 0 if each is one of its own.
    """

    mean: float
    rows: int

    clusters: int

    #: More of these would make the estimate more precise.
    unit = "seeds"

    @property
    def untold(self) -> str:
        """Why nothing can be concluded, unless it :attr:`tells`."""
        return "one seed"

    @property
    def tells(self) -> bool:
        """Whether anything can be concluded: there are enough seeds, and clusters of rows."""
        return self.fewest > 1

    @property
    def clusters_told(self) -> str:
        """``, 456 clusters of 480 rows``; empty if each row is one of its own."""
        return f", {count_of(self.clusters, 'cluster')} of {self.rows} rows" if self.clusters else ""

    @property
    @abstractmethod
    def fewest(self) -> int:
        """The smaller of the two variants' numbers of seeds; with 1, nothing is known of how seeds differ."""

    @property
    @abstractmethod
    def seeds_told(self) -> str:
        """The seeds in words: ``5 seeds``."""

    @abstractmethod
    def half(self, quantile: float) -> float:
        """Half the width of the interval whose upper end is at ``quantile``, from 0.5 to 1."""

    @abstractmethod
    def scenarios(self, quantile: float, seeds: int | None) -> Scenarios:
        """What a new study may find, with the quantile of :meth:`half`; with ``seeds`` in each, and the same rows.

        Neither this study's variances nor those of the new one are the true ones. Both mean squares of seeds vary
        as chi-squared; the rows' mean square, with many degrees, is taken at its expectation.
        """

    @abstractmethod
    def parts(self) -> dict[str, float]:
        """The parts of the variance of the mean by their source; each at least 0.

        ``both``: effects of a seed on single rows.
        """

    def shares(self) -> dict[str, float]:
        """:meth:`parts` as shares of their sum; empty if nothing varies."""
        parts = self.parts()
        total = sum(parts.values())
        return {name: part / total for name, part in parts.items()} if total > 0 else {}

    def interval(self, level: float = 1 - ALPHA) -> tuple[float, float]:
        """The interval that holds the true difference with probability ``level``."""
        half = self.half((1 + level) / 2)
        return self.mean - half, self.mean + half

    @property
    def p(self) -> float:
        """Two-sided probability of a mean at least this far from 0 if there is no difference; never quite 0."""
        return min(1.0, 2 * self._tail(abs(self.mean)))

    def same_p(self, margin: float) -> float:
        """The probability of a mean at least this near to 0 if the difference is as large as ``margin``.

        The larger of two one-sided tests (Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987):
        below 0.05 exactly if the 90 % interval lies inside the margin.
        """
        return self._tail(margin - abs(self.mean)) if abs(self.mean) < margin else 1.0

    def _tail(self, size: float) -> float:
        """The share beyond ``size`` on one side: where half an interval is that wide; from 1e-12 to 0.5."""
        if size <= self.half(0.5 + LEAST):
            return 0.5
        if size >= self.half(1 - LEAST):
            return LEAST
        tail: float = scipy.optimize.brentq(lambda q: self.half(1 - q) - size, LEAST, 0.5, xtol=1e-14)
        return tail

    def detectable(self, seeds: int | None = None, alpha: float = ALPHA) -> float | None:
        """The true difference that a new study would call real, with p below ``alpha``, in 80 % of samples.

        With ``seeds``: for that many in each variant, and the same rows. How well the variances are known counts:
        a study that took them for the true ones would find such a difference in 60 to 77 %. None with 2 seeds or
        fewer, from which next to nothing is known of them.
        """
        if self.fewest < 3:
            return None
        found = self.scenarios(1 - alpha / 2, seeds)
        half, spread = found.halves, found.spreads[:, None]
        if not spread.any():
            return 0.0
        with np.errstate(divide="ignore", invalid="ignore"):

            def lack(size: float) -> float:
                told = scipy.special.ndtr((size - half) / spread) + scipy.special.ndtr((-size - half) / spread)
                return float(np.nanmean(told)) - POWER

            largest = float(half.max()) + 5 * float(spread.max())
            size: float = scipy.optimize.brentq(lack, 0.0, largest, xtol=1e-6 * largest)
        return size

    def seeds_needed(self, size: float, alpha: float = ALPHA, most: int = 1000) -> int | None:
        """How many seeds would detect a true difference of ``size``; None if ``most`` would not.

        Also None with 2 seeds or fewer: then too little is known of how seeds differ.
        """

        def detects(seeds: int) -> bool:
            found = self.detectable(seeds, alpha)
            return found is not None and found <= size

        if not detects(most):
            return None
        low, high = 1, most  # the detectable size falls with the seeds
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if detects(middle) else (middle, high)
        return high


@lru_cache(maxsize=1024)
def chi_squares(degrees: float, count: int = DRAWS) -> Floats:
    """Evenly probable values of a mean square over its expectation; with at least one degree of freedom."""
    degrees = max(1.0, degrees)
    values: Floats = scipy.special.chdtri(degrees, 1 - (np.arange(count) + 0.5) / count) / degrees
    return values


def likely_squares(found: float, degrees: float, least: float) -> Floats:
    """Evenly probable true values of a mean square that was found with some degrees of freedom, ``least`` or more.

    The true one is the found one over chi-squared per degree; it cannot be below the mean square of the rest.
    """
    values: Floats = np.maximum(least, found / chi_squares(degrees))
    return values
