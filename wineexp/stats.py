"""Is the difference between two variants real? Seeds and rows are both samples, so both stand in the interval.

Differences of absolute errors, paired seed with seed and row with row, are a two-way table ``D[s, r]`` without
repetition. Its mean varies with the seeds drawn, the rows drawn, and the rest; the interval is that of two-way
crossed random effects.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

__all__ = ["Difference", "compare_errors", "holm"]

Floats = npt.NDArray[np.floating[Any]]

#: Share of real differences of the minimum detectable size that are found.
POWER = 0.8


@dataclass(frozen=True)
class Difference:
    """A mean difference with what is known of it.

    Attributes
    ----------
    mean : float
        In the unit of the errors; below 0 the first variant errs less.
    standard_error : float
    degrees : float
        Degrees of freedom of the t distribution that it follows.
    seeds, rows : int
    seed_variance, row_variance, rest_variance : float
        Variance components of one seed's, one row's and the remaining effect; seed_variance is NaN with one seed.
    """

    mean: float
    standard_error: float
    degrees: float
    seeds: int
    rows: int
    seed_variance: float
    row_variance: float
    rest_variance: float

    @property
    def p(self) -> float:
        """Two-sided probability of a mean at least this far from 0 where there is no difference."""
        if self.standard_error == 0:
            return 1.0 if self.mean == 0 else 0.0
        return float(2 * stats.t.sf(abs(self.mean) / self.standard_error, self.degrees))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The t interval of the mean."""
        half = float(stats.t.ppf((1 + level) / 2, self.degrees)) * self.standard_error
        return self.mean - half, self.mean + half

    def detectable(self, seeds: int | None = None) -> float:
        """The smallest true difference that an interval at 95 % excludes 0 for in four of five samples.

        ``(t(0.975) + t(0.8)) * standard error``: Bloom, Minimum Detectable Effects (Evaluation Review 19, 1995).
        With ``seeds``, as it would be with so many seeds and the same rows.
        """
        error, degrees = self.standard_error, self.degrees
        if seeds is not None and seeds != self.seeds:
            error, degrees = self._with(seeds)
        return float(stats.t.ppf(0.975, degrees) + stats.t.ppf(POWER, degrees)) * error

    def seeds_needed(self, most: int = 1000) -> int | None:
        """How many seeds would show a difference as large as the one seen; None where ``most`` would not."""
        if self.seeds < 2 or self.mean == 0 or self.detectable(most) > abs(self.mean):
            return None
        low, high = 1, most  # it falls with the seeds: bisection
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.detectable(middle) <= abs(self.mean) else (middle, high)
        return high

    def _with(self, seeds: int) -> tuple[float, float]:
        """Standard error and degrees of freedom with another number of seeds, by the variance components."""
        seed, row, rest = (max(0.0, v) for v in (self.seed_variance, self.row_variance, self.rest_variance))
        squares = rest + self.rows * seed, rest + seeds * row, rest
        return _error(*squares, seeds, self.rows)


def compare_errors(difference: Floats) -> Difference:
    """Return the mean of paired differences and its standard error.

    Parameters
    ----------
    difference : array of shape (seeds, rows)
        Absolute error of one variant less that of the other, in the same seed and row.

    Returns
    -------
    Difference
        ``Var(mean) = (MS_seed + MS_row - MS_rest) / (seeds * rows)``, at least either part alone, with the degrees
        of freedom of Satterthwaite, An Approximate Distribution of Estimates of Variance Components (Biometrics
        Bulletin 2, 1946): Searle, Casella and McCulloch, Variance Components (1992), chapter 4. With one seed the
        rows alone: there is no seed variance to estimate.

    Raises
    ------
    ValueError
        When the array is not of two dimensions with at least one seed and two rows, or is not finite.
    """
    table = np.asarray(difference, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite differences of shape (seeds, at least 2 rows), found {table.shape}")
    seeds, rows = table.shape
    mean = float(table.mean())
    if seeds == 1:
        variance = float(table.var(ddof=1))
        return Difference(mean, math.sqrt(variance / rows), rows - 1, 1, rows, math.nan, math.nan, variance)
    by_seed, by_row = table.mean(axis=1), table.mean(axis=0)
    ms_seed = rows * float(by_seed.var(ddof=1))
    ms_row = seeds * float(by_row.var(ddof=1))
    rest = table - by_seed[:, None] - by_row[None, :] + mean
    ms_rest = float((rest**2).sum()) / ((seeds - 1) * (rows - 1))
    error, degrees = _error(ms_seed, ms_row, ms_rest, seeds, rows)
    return Difference(
        mean, error, degrees, seeds, rows, (ms_seed - ms_rest) / rows, (ms_row - ms_rest) / seeds, ms_rest
    )


def _error(ms_seed: float, ms_row: float, ms_rest: float, seeds: int, rows: int) -> tuple[float, float]:
    """Standard error of the mean and its degrees of freedom, from the mean squares."""
    whole = ms_seed + ms_row - ms_rest
    largest = max(ms_seed, ms_row)
    if whole <= largest:  # a negative component: the larger part alone, with its own degrees of freedom
        degrees = float(seeds - 1 if ms_seed >= ms_row else rows - 1)
        return math.sqrt(largest / (seeds * rows)), degrees
    spread = ms_seed**2 / (seeds - 1) + ms_row**2 / (rows - 1) + ms_rest**2 / ((seeds - 1) * (rows - 1))
    # The part taken off can push it below what the smaller of the two samples has; that much there always is.
    return math.sqrt(whole / (seeds * rows)), max(whole**2 / spread, float(min(seeds, rows) - 1))


def holm(p: Sequence[float]) -> list[float]:
    """Probabilities corrected for several comparisons: Holm (Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected
