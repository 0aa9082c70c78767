"""Is the difference between two variants real? Seeds and rows are both samples, so the interval covers both.

**The same seeds in both variants.** Differences of absolute errors, paired seed with seed and row with row, are a
two-way table ``D[s, r]`` without repetition: two-way crossed random effects (Searle, Casella and McCulloch,
*Variance Components*, 1992, chapter 4). With the mean squares of seeds, rows and rest, the variance of its mean is
``(MS_seed + MS_row - MS_rest) / (S * R)``.

With few seeds the usual interval (Satterthwaite's degrees of freedom for that sum) is too narrow whenever the
seeds happen to agree: it covered the simulated truth in 92.9 % with 3 seeds that differ much. Here the sum is
split, each part is multiplied by the quantile of its own degrees of freedom, and the two are added in quadrature,
as Cochran (Biometrics 20, 1964) does for two unequal variances. The rest, which is in the means of both seeds and
rows, goes to the seeds to the extent that the rows have no effect of their own (share ``w = MS_rest / MS_row``):

    (MS_seed - (1 - w) MS_rest) / (S R)   with S - 1 degrees,   (MS_row - w MS_rest) / (S R)   with R - 1.

Without an effect of rows this is the exact interval over seeds; without an effect of seeds, it is nearly the exact
one over rows. What is subtracted from the seeds' part is multiplied by at most its quantile at 97.5 %. Otherwise
seeds that agree by chance would have no part left far out in the tail: with 3 seeds, p < 0.001 came up 2 to 7
times too often. With 2 seeds nothing is subtracted: ``MS_seed`` with 1 degree, ``MS_row - MS_rest`` with R - 1.

**Rows that belong together.** R is the number of clusters, and the mean squares are those of :mod:`.clusters`.

**Other seeds in each, or some in common.** Rows are paired. Of C seeds in common, each gives the difference
``(C / S_a) x_s - (C / S_b) y_s`` of its two means over rows; the others of each variant are a sample of their own.
The seeds' part is the sum of the variances of these means, with Satterthwaite's degrees of freedom (Welch's where
no seeds are in common), kept from ``S_min - 1`` to ``2 (S_min - 1)``, or from ``C - 1`` to ``S_max - 1``: pooling
the variances would be wrong where they differ by 4. The rows' part is the variance of the difference of all means,
less the rest's share in it. With 2 seeds, and with unequal numbers below 4 or more than twice each other, each
variance is multiplied by the quantile of its own degrees instead: Welch's would miss 6.7 % with 3 against 10.
Fewer than 3 seeds in common are taken as none. Which of these is used never depends on the outcome.

**Where few rows decide.** All of that takes means of rows as normal. Where single rows weigh so much that they are
not, intervals miss the truth in 10 to 26 % (30 to 480 rows, lognormal with a standard deviation of 1.5). The
skewness of the difference's own distribution shows it, ``|sum u^3| / (R^3 V^1.5)`` with the rows' (or clusters')
deviations u and the whole variance V; above :data:`SKEWED` an interval is widened by ``1 + 6`` times it.

``benchmarks/verdict.py`` and ``promises.py`` measure how often all of this is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from wineexp.comparison.clusters import FEWEST_CLUSTERS, Clusters
from wineexp.comparison.estimate import Estimate, Scenarios, chi_squares, likely_squares
from wineexp.text import count_of

__all__ = [
    "FIXED",
    "SKEWED",
    "Difference",
    "Errors",
    "Seeds",
    "UnpairedDifference",
    "compare_errors",
    "compare_seeds",
    "compare_unpaired",
    "mean_squares",
]

Floats = npt.NDArray[np.floating[Any]]

#: Above this skewness of a difference, a few rows decide it. Of 6,000 pairs of real runs 1 has more; of normal
#: rows 3 % of tables with 30 rows, none with 60.
SKEWED = 0.15

#: By how much of it an interval is widened then: measured, so that misses stay at 6 %.
WIDENING = 6.0

#: Seeds in common below which a pair is taken as having none.
FEWEST_COMMON = 3


class _OverRows(Estimate):
    """What both kinds of differences have of their rows.

    Attributes
    ----------
    rows : int
    row_variance : float
        Of one cluster's effect; may be below 0.
    clusters : int
        0 if every row is one of its own.
    row_degrees : float
        Degrees of freedom of the rows' part; 0 for one less than the rows.
    third : float
        The third moment of the mean over rows, at least 0: ``|sum u^3| / R^3``.
    """

    rows: int
    row_variance: float
    clusters: int
    row_degrees: float
    third: float

    @property
    def skewness(self) -> float:
        """Of the difference's own distribution, as far as rows make it."""
        variance = sum(self.parts().values())
        return float(self.third / variance**1.5) if variance > 0 else 0.0

    @property
    def widening(self) -> float:
        """The factor by which its interval is wider than it would be if no rows weighed more than others."""
        return 1 + WIDENING * self.skewness if self.skewness > SKEWED else 1.0

    @property
    def units(self) -> int:
        """The clusters, or the rows where each is one of its own."""
        return self.clusters or self.rows

    @property
    def degrees(self) -> float:
        return self.row_degrees or self.rows - 1

    @property
    def untold(self) -> str:
        return f"{count_of(self.clusters, 'cluster')} of rows" if self.has_few_clusters else "one seed"

    @property
    def has_few_clusters(self) -> bool:
        return 0 < self.clusters < FEWEST_CLUSTERS

    @property
    def tells(self) -> bool:
        return self.fewest > 1 and not self.has_few_clusters


@dataclass(frozen=True)
class Difference(_OverRows):
    """A mean difference, the same seeds in both variants, with its variance components.

    Attributes
    ----------
    mean : float
    seeds, rows : int
    seed_variance, row_variance, rest_variance : float
        Estimated variance of one seed's effect, of one row's (or cluster's), and of the rest; the first two may be
        below 0. With one seed the first is 0 and the second holds the rest: they cannot be separated.
    clusters, row_degrees
        See :class:`_OverRows`.
    is_fixed : bool
        Whether training either again would change nothing: then rows alone tell.
    """

    mean: float
    seeds: int
    rows: int
    seed_variance: float
    row_variance: float
    rest_variance: float
    clusters: int = 0
    row_degrees: float = 0.0
    third: float = 0.0
    is_fixed: bool = False

    @property
    def fewest(self) -> int:
        return self.seeds

    @property
    def tells(self) -> bool:
        return (self.is_fixed or self.fewest > 1) and not self.has_few_clusters

    @property
    def seeds_told(self) -> str:
        if self.is_fixed:
            return "both deterministic"
        return f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"

    def half(self, quantile: float) -> float:
        by_seed = np.array(max(0.0, self.units * self.seed_variance + self.rest_variance))  # 0 but for rounding
        return self.widening * math.sqrt(self._squares(by_seed, quantile, self.seeds))

    def scenarios(self, quantile: float, seeds: int | None) -> Scenarios:
        count = seeds or self.seeds
        found = self.units * self.seed_variance + self.rest_variance
        true = likely_squares(found, self.seeds - 1, self.rest_variance)
        drawn = self._squares(chi_squares(count - 1)[None, :] * true[:, None], quantile, count)
        by_row = max(0.0, self.row_variance) / self.units + self.rest_variance / (count * self.units)
        spread = np.sqrt(by_row + (true - self.rest_variance) / self.units / count)
        return Scenarios(self.widening * np.sqrt(drawn), spread)

    def parts(self) -> dict[str, float]:
        return {
            "seeds": max(0.0, self.seed_variance) / self.seeds,
            "rows": max(0.0, self.row_variance) / self.units,
            "both": self.rest_variance / (self.seeds * self.units),
        }

    def _squares(self, seed_square: Floats, quantile: float, seeds: int) -> Any:
        """The sum of both squared parts, each with its own quantile, for mean squares of seeds."""
        by_row = _t(quantile, self.degrees)
        if seeds == 1 or self.seeds == 1:
            alone = max(0.0, self.row_variance) + self.rest_variance / seeds
            return alone / self.units * by_row**2 * np.ones_like(seed_square)
        by_seed = _t(quantile, seeds - 1)
        row_square = seeds * self.row_variance + self.rest_variance
        if seeds == 2:
            row_part = max(0.0, row_square - self.rest_variance)
            return (row_part * by_row**2 + seed_square * by_seed**2) / (seeds * self.units)
        share = min(1.0, self.rest_variance / row_square) if row_square > 0 else 1.0
        row_part = max(0.0, row_square - share * self.rest_variance)
        taken = (1 - share) * self.rest_variance * min(by_seed, _t(0.975, seeds - 1)) ** 2
        seed_part = np.maximum(0.0, seed_square * by_seed**2 - taken)
        return (row_part * by_row**2 + seed_part) / (seeds * self.units)


@dataclass(frozen=True)
class Seeds:
    """A sample of seeds: those of one variant, or those in common.

    Attributes
    ----------
    count : int
    seed_variance, rest_variance : float
        Of a seed's effect (may be below 0), and of the rest.
    weight : float
        The weight of this sample's mean in the difference.
    of : int
        The seeds from which the variances are estimated; 0 for its own.
    """

    count: int
    seed_variance: float
    rest_variance: float
    weight: float = 1.0
    of: int = 0

    @property
    def degrees(self) -> int:
        return (self.of or self.count) - 1

    def variance(self, units: int) -> float:
        """Of the weighted mean, rows' effects aside; ``units`` clusters."""
        return self.weight**2 * (self.seed_variance + self.rest_variance / units) / self.count

    def rest(self, units: int) -> float:
        """The rest's share of :meth:`variance`."""
        return self.weight**2 * self.rest_variance / units / self.count


@dataclass(frozen=True)
class UnpairedDifference(_OverRows):
    """A mean difference of two variants that do not have the same seeds; rows are paired.

    Attributes
    ----------
    mean : float
    rows : int
    row_variance : float
        Estimated variance of one row's (or cluster's) effect on the difference; may be below 0. If a variant has
        one seed, it includes that variant's rest, which cannot be separated.
    groups : tuple of Seeds
        Each variant's seeds; or those in common, then the others of each.
    clusters, row_degrees
        See :class:`_OverRows`.
    counts : tuple of two ints
        Seeds of each variant, if some are in common.
    """

    mean: float
    rows: int
    row_variance: float
    groups: tuple[Seeds, ...]
    clusters: int = 0
    row_degrees: float = 0.0
    third: float = 0.0
    counts: tuple[int, ...] = ()

    @property
    def common(self) -> int:
        """Seeds in common."""
        return self.groups[0].count if self.counts else 0

    @property
    def _counts(self) -> tuple[int, ...]:
        return self.counts or tuple(group.count for group in self.groups)

    @property
    def fewest(self) -> int:
        return min(self._counts)

    @property
    def seeds_told(self) -> str:
        one, other = self._counts
        told = f"{one} seeds each" if one == other else f"{one} and {other} seeds"
        return f"{told}, {self.common} in common" if self.common else told

    @property
    def _bounds(self) -> tuple[int, int] | None:
        """The least and the most degrees of freedom of the seeds' part; None if each variance has its own."""
        low, high = min(self._counts), max(self._counts)
        if self.common:
            return self.common - 1, high - 1
        close = low == high > 2 or (low >= 4 and high <= 2 * low)
        return (low - 1, 2 * (low - 1)) if close else None

    def _seed_degrees(self) -> float:
        """Satterthwaite's degrees of freedom of the seeds' part, within :attr:`_bounds`."""
        known = [group for group in self.groups if group.degrees > 0]
        variances = np.array([group.variance(self.units) for group in known])
        squares = float((variances**2 / [group.degrees for group in known]).sum()) if known else 0.0
        low, high = self._bounds or (1, sum(group.degrees for group in known) or 1)
        return float(np.clip(variances.sum() ** 2 / squares, low, high)) if squares > 0 else float(high)

    def half(self, quantile: float) -> float:
        return self.widening * math.sqrt(self._by_row(quantile) + self._by_seed(quantile))

    def _by_row(self, quantile: float) -> float:
        return max(0.0, self.row_variance) / self.units * _t(quantile, self.degrees) ** 2

    def _by_seed(self, quantile: float) -> float:
        """The seeds' squared part, with one quantile or each with its own."""
        known = [group for group in self.groups if group.degrees > 0]
        if self._bounds is not None:
            return sum(group.variance(self.units) for group in known) * _t(quantile, self._seed_degrees()) ** 2
        return sum(group.variance(self.units) * _t(quantile, group.degrees) ** 2 for group in known)

    def scenarios(self, quantile: float, seeds: int | None) -> Scenarios:
        """With ``seeds``: as many in each, of which the same share is in common."""
        more = (seeds or self.fewest) / self.fewest
        found = sum(group.variance(self.units) for group in self.groups)
        rest = sum(group.rest(self.units) for group in self.groups)
        degrees = self._seed_degrees()
        true = likely_squares(found, degrees, rest) / more
        new = max(1.0, degrees * ((seeds or self.fewest) - 1) / max(1, self.fewest - 1))
        if self._bounds is None and more == 1 and found > 0:
            factor = self._by_seed(quantile) / found
        else:
            factor = _t(quantile, new) ** 2
        drawn = self._by_row(quantile) + chi_squares(new)[None, :] * true[:, None] * factor
        return Scenarios(self.widening * np.sqrt(drawn), np.sqrt(max(0.0, self.row_variance) / self.units + true))

    def parts(self) -> dict[str, float]:
        rest = sum(group.rest(self.units) for group in self.groups)
        return {
            "seeds": sum(max(0.0, group.seed_variance) * group.weight**2 / group.count for group in self.groups),
            "rows": max(0.0, self.row_variance) / self.units,
            "both": rest,
        }


def _t(quantile: float, degrees: float) -> float:
    return float(scipy.special.stdtrit(degrees, quantile))  # stats.t.ppf calls this, at a hundred times its cost


#: Seed -> errors, shape (rows,).
Errors = Mapping[int, Floats]

#: Stands for every seed, where training again would change nothing.
FIXED = -(2**40)


def compare_seeds(
    ours: Errors, theirs: Errors, clusters: Clusters | None = None
) -> Difference | UnpairedDifference:
    """Return the mean difference of two variants, paired by the seeds that both have.

    Parameters
    ----------
    ours, theirs : mapping of int to array of shape (rows,)
        Seed -> absolute errors on the same rows. With the one seed :data:`FIXED`, training again would change
        nothing: it stands beside every seed of the other, and has no seeds' part.
    clusters : Clusters, optional
        Rows that belong together; by default each is one of its own.

    Raises
    ------
    ValueError
        As :func:`compare_errors`.
    """
    if FIXED in ours and FIXED in theirs:
        return replace(compare_errors((ours[FIXED] - theirs[FIXED])[None, :], clusters), is_fixed=True)
    if FIXED in ours or FIXED in theirs:
        seeds = [seed for seed in (*ours, *theirs) if seed != FIXED]
        stacked = [_of_seed(ours, seed) - _of_seed(theirs, seed) for seed in seeds]
        return compare_errors(np.stack(stacked), clusters)
    if ours.keys() == theirs.keys():
        return compare_errors(np.stack([ours[seed] - theirs[seed] for seed in ours]), clusters)
    one, other = (np.stack(list(errors.values())) for errors in (ours, theirs))
    common = [seed for seed in ours if seed in theirs]
    if len(common) < FEWEST_COMMON:
        return compare_unpaired(one, other, clusters)
    shares = len(common) / len(one), len(common) / len(other)
    paired = np.stack([shares[0] * ours[seed] - shares[1] * theirs[seed] for seed in common])
    groups = [_sample(_checked(paired), clusters)]
    for errors, table in ((ours, one), (theirs, other)):
        extra = len(errors) - len(common)
        if extra:
            own = _sample(_checked(table), clusters)
            groups.append(Seeds(extra, own.seed_variance, own.rest_variance, extra / len(errors), len(errors)))
    return _unpaired(one, other, groups, clusters, (len(one), len(other)))


def _of_seed(errors: Errors, seed: int) -> Floats:
    return errors[FIXED if FIXED in errors else seed]


def compare_errors(difference: Floats, clusters: Clusters | None = None) -> Difference:
    """Return the mean of paired differences with its variance components.

    Parameters
    ----------
    difference : array of shape (seeds, rows)
        Absolute error of one variant minus the other's, for the same seed and row.
    clusters : Clusters, optional
        Rows that belong together; by default each is one of its own.

    Returns
    -------
    Difference
        Components by the analysis of variance, ``(MS_seed - MS_rest) / rows`` and ``(MS_row - MS_rest) /
        seeds``, with clusters for rows where there are any; either may be below 0.

    Raises
    ------
    ValueError
        If the array does not have two dimensions with at least one seed and two rows, or is not finite.
    """
    table = _checked(difference)
    seeds, rows = table.shape
    mean, units = float(table.mean()), rows if clusters is None else clusters.count
    by_row = table.mean(axis=0)
    of_rows = _of_rows(by_row, clusters)
    if seeds == 1:
        return Difference(mean, 1, rows, 0.0, _row_variance(by_row, clusters), 0.0, *of_rows)
    ms_seed, ms_row, ms_rest = mean_squares(table, clusters)
    ms_seed = max(ms_seed, _least(table, units))
    found = (ms_seed - ms_rest) / units, (ms_row - ms_rest) / seeds, ms_rest
    return Difference(mean, seeds, rows, *found, *of_rows)


def compare_unpaired(errors: Floats, reference: Floats, clusters: Clusters | None = None) -> UnpairedDifference:
    """Return the mean difference of two variants without seeds in common, with its variance components.

    Parameters
    ----------
    errors, reference : arrays of shape (seeds, rows), each with its own number of seeds
        Absolute errors of each variant on the same rows.
    clusters : Clusters, optional
        As in :func:`compare_errors`.

    Raises
    ------
    ValueError
        As :func:`compare_errors`, or if the numbers of rows differ.
    """
    one, other = _checked(errors), _checked(reference)
    if one.shape[1] != other.shape[1]:
        raise ValueError(f"expected errors on the same rows, found {one.shape[1]} and {other.shape[1]}")
    return _unpaired(one, other, [_sample(table, clusters) for table in (one, other)], clusters)


def _unpaired(
    one: Floats, other: Floats, groups: list[Seeds], clusters: Clusters | None, counts: tuple[int, ...] = ()
) -> UnpairedDifference:
    by_row = one.mean(axis=0) - other.mean(axis=0)
    rest = sum(group.weight**2 * group.rest_variance / group.count for group in groups)
    of_rows = _of_rows(by_row, clusters)
    row_variance = _row_variance(by_row, clusters) - rest
    return UnpairedDifference(float(by_row.mean()), len(by_row), row_variance, tuple(groups), *of_rows, counts)


def _of_rows(by_row: Floats, clusters: Clusters | None) -> tuple[int, float, float]:
    """Clusters, degrees of freedom and third moment of a mean over rows; ``by_row`` has shape (rows,)."""
    deviations = by_row - by_row.mean() if clusters is None else clusters.deviations(by_row)
    third = abs(float((deviations**3).sum())) / len(by_row) ** 3
    return (0, 0.0, third) if clusters is None else (clusters.count, clusters.degrees(by_row), third)


def _sample(table: Floats, clusters: Clusters | None) -> Seeds:
    """The variances of a sample of seeds, of shape (seeds, rows); both 0 with one seed."""
    if len(table) == 1:
        return Seeds(1, 0.0, 0.0)
    ms_seed, _, ms_rest = mean_squares(table, clusters)
    units = clusters.count if clusters else table.shape[1]
    return Seeds(len(table), (max(ms_seed, _least(table, units)) - ms_rest) / units, ms_rest)


def _row_variance(by_row: Floats, clusters: Clusters | None) -> float:
    """The variance of rows, or of what stands for it with clusters: their number times that of the mean."""
    if clusters is None:
        return float(by_row.var(ddof=1))
    return clusters.mean_square(clusters.deviations(by_row))


def _checked(values: Floats) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite differences of shape (seeds, at least 2 rows), found {table.shape}")
    return table


def mean_squares(table: Floats, clusters: Clusters | None = None) -> tuple[float, float, float]:
    """The mean squares of seeds, rows (or clusters) and rest of a table of (seeds, rows), at least 2 of each."""
    seeds, rows = table.shape
    by_seed, by_row = table.mean(axis=1), table.mean(axis=0)
    if clusters is not None:
        apart = clusters.deviations(table)
        mean = apart.mean(axis=0)
        ms_seed = clusters.count * float(by_seed.var(ddof=1))
        return ms_seed, seeds * clusters.mean_square(mean), clusters.mean_square(apart - mean) / (seeds - 1)
    rest = table - by_seed[:, None] - by_row[None, :] + table.mean()
    ms_rest = float((rest**2).sum()) / ((seeds - 1) * (rows - 1))
    return rows * float(by_seed.var(ddof=1)), seeds * float(by_row.var(ddof=1)), ms_rest


def _least(table: Floats, units: int) -> float:
    """The least mean square of seeds to believe: 0, but for counts, such as wrong labels, that of rounding.

    Two seeds that are wrong in as many rows agree by chance. A mean that is a whole number of steps of
    ``1 / rows`` stands for any value within half a step, of variance ``1 / (12 rows^2)`` (Sheppard's correction).
    """
    counts = table.any() and np.array_equal(table, np.rint(table))
    return units / (12 * table.shape[1] ** 2) if counts else 0.0
