"""What every estimate of a difference offers: an interval, a probability, and the detectable difference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy  # its parts load at their first use: training needs none of them

__all__ = ["ALPHA", "Estimate", "chi_squares"]

Floats = npt.NDArray[np.floating[Any]]

#: A two-sided probability below this is called real; with several comparisons, it holds for all together.
ALPHA = 0.05

#: The share of samples in which a true difference of the detectable size is found.
POWER = 0.8

#: No tail below this is computed: towards 0 the half-width of an interval grows without bound.
LEAST = 1e-12


class Estimate(ABC):
    """A mean difference over seeds and rows with an interval at any level, and so a probability.

    Attributes
    ----------
    mean : float
        In the errors' unit; below 0 the first variant errs less.
    rows : int
    """

    mean: float
    rows: int

    #: More of these would make the estimate more precise.
    unit = "seeds"

    #: Why nothing can be concluded if :attr:`fewest` is 1.
    untold = "one seed"

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
    def halves(self, quantile: float, seeds: int | None) -> Floats:
        """Possible half-widths, equally probable, if the estimated variances are the true ones.

        The mean squares of seeds vary as chi-squared; the rows' mean square, with many degrees, is taken at its
        expectation. With ``seeds``: for that many in each variant, and the same rows.
        """

    @abstractmethod
    def spread(self, seeds: int | None) -> float:
        """Standard deviation of the mean, with ``seeds`` as in :meth:`halves`; variances below 0 count as 0."""

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
        size = abs(self.mean)
        if size <= self.half(0.5 + LEAST):
            return 1.0
        if size >= self.half(1 - LEAST):
            return 2 * LEAST
        tail: float = scipy.optimize.brentq(lambda q: self.half(1 - q) - size, LEAST, 0.5, xtol=1e-14)
        return min(1.0, 2 * tail)

    def detectable(self, seeds: int | None = None, alpha: float = ALPHA) -> float:
        """The smallest true difference that would be called real, with p below ``alpha``, in 80 % of samples.

        With ``seeds``: for that many in each variant, and the same rows.
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

        Also None with one seed: then it is unknown how seeds differ.
        """
        if self.fewest < 2 or self.detectable(most, alpha) > size:
            return None
        low, high = 1, most  # the detectable size falls with the seeds
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
