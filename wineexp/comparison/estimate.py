"""What every estimate of a difference can say: its interval, its probability, and what it would have found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts load at their first use: training needs none of them

__all__ = ["ALPHA", "Estimate", "chi_squares"]

Floats = npt.NDArray[np.floating[Any]]

#: Two-sided probability below which a difference is called real; that of all comparisons together, if several.
ALPHA = 0.05

#: Share of true differences of the detectable size that are detected.
POWER = 0.8

#: The tail beyond which nothing is computed: the half-width of an interval grows without bound towards it.
LEAST = 1e-12


class Estimate(ABC):
    """A mean difference over seeds and rows that has an interval at any level, and so a probability.

    Attributes
    ----------
    mean : float
        In the unit of the errors; below 0 the first variant errs less.
    rows : int
    """

    mean: float
    rows: int

    #: What more of would make the estimate more precise.
    unit = "seeds"

    #: Why nothing can be told where :attr:`fewest` is 1.
    untold = "one seed"

    @property
    @abstractmethod
    def fewest(self) -> int:
        """The seeds of the variant that has fewer; with 1 nothing is known of how seeds differ."""

    @property
    @abstractmethod
    def seeds_told(self) -> str:
        """The seeds in words: ``5 seeds``."""

    @abstractmethod
    def half(self, quantile: float) -> float:
        """Half the width of the interval whose upper end is at ``quantile``, from 0.5 to 1."""

    @abstractmethod
    def halves(self, quantile: float, seeds: int | None) -> Floats:
        """Such half-widths as they may turn out, equally probable, if the estimated variances are the true ones.

        The mean squares of the seeds that were drawn vary as chi-squared; that of the rows, with many degrees, is
        taken at its expectation. With ``seeds``, as they would be with that many in each variant, the same rows.
        """

    @abstractmethod
    def spread(self, seeds: int | None) -> float:
        """Standard deviation of the mean, with ``seeds`` as in :meth:`halves`; variances below 0 count as 0."""

    @abstractmethod
    def parts(self) -> dict[str, float]:
        """What adds to the variance of the mean, by where it comes from; each at least 0.

        ``both``: what a seed does on one row and not on others.
        """

    def shares(self) -> dict[str, float]:
        """:meth:`parts` as shares of their sum; empty where nothing varies."""
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
        size = abs(self.mean)
        if size <= self.half(0.5 + LEAST):
            return 1.0
        if size >= self.half(1 - LEAST):
            return 2 * LEAST
        tail: float = scipy.optimize.brentq(lambda q: self.half(1 - q) - size, LEAST, 0.5, xtol=1e-14)
        return min(1.0, 2 * tail)

    def detectable(self, seeds: int | None = None, alpha: float = ALPHA) -> float:
        """The smallest true difference that would be called real, with p below ``alpha``, in 80 % of samples.

        With ``seeds``, as it would be with that many in each variant and the same rows.
        """
        half, spread = self.halves(1 - alpha / 2, seeds), self.spread(seeds)
        if spread == 0:
            return 0.0

        def lack(size: float) -> float:
            found = scipy.special.ndtr((size - half) / spread) + scipy.special.ndtr((-size - half) / spread)
            return float(np.mean(found)) - POWER

        largest = float(half.max()) + 5 * spread
        found: float = scipy.optimize.brentq(lack, 0.0, largest, xtol=1e-6 * largest)
        return found

    def seeds_needed(self, size: float, alpha: float = ALPHA, most: int = 1000) -> int | None:
        """How many seeds would detect a true difference of ``size``; None if ``most`` would not.

        Also None with one seed, which tells nothing of how seeds differ.
        """
        if self.fewest < 2 or self.detectable(most, alpha) > size:
            return None
        low, high = 1, most  # what is detectable falls with the seeds
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.detectable(middle, alpha) <= size else (middle, high)
        return high


@lru_cache(maxsize=1024)
def chi_squares(seeds: int, count: int = 200) -> Floats:
    """Evenly probable values of a mean square over its expectation, with ``seeds - 1`` degrees."""
    degrees = max(1, seeds - 1)
    values: Floats = scipy.special.chdtri(degrees, 1 - (np.arange(count) + 0.5) / count) / degrees
    return values
