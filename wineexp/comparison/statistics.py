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

**Other seeds in each.** Rows are paired, seeds are not. The differences of the variants' row means contain the
rows' effect and a share of each variant's rest, which is subtracted; each variant's seeds have their own mean
square and degrees.

``benchmarks/verdict.py`` measures how often all of this is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from wineexp.comparison.estimate import Estimate, chi_squares

__all__ = [
    "Difference",
    "Seeds",
    "UnpairedDifference",
    "compare_errors",
    "compare_unpaired",
    "holm",
    "letters",
    "mean_squares",
]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Difference(Estimate):
    """A mean difference, the same seeds in both variants, with its variance components.

    Attributes
    ----------
    mean : float
    seeds, rows : int
    seed_variance, row_variance, rest_variance : float
        Estimated variance of one seed's effect, of one row's, and of the rest; the first two may be below 0.
        With one seed the first is 0 and the second holds the rest: they cannot be separated.
    """

    mean: float
    seeds: int
    rows: int
    seed_variance: float
    row_variance: float
    rest_variance: float

    @property
    def fewest(self) -> int:
        return self.seeds

    @property
    def seeds_told(self) -> str:
        return f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"

    def half(self, quantile: float) -> float:
        by_seed = np.array(self.rows * self.seed_variance + self.rest_variance)
        return math.sqrt(self._squares(by_seed, quantile, self.seeds))

    def halves(self, quantile: float, seeds: int | None) -> Floats:
        count = seeds or self.seeds
        expected = self.rows * max(0.0, self.seed_variance) + self.rest_variance
        found: Floats = np.sqrt(self._squares(chi_squares(count) * expected, quantile, count))
        return found

    def parts(self) -> dict[str, float]:
        return {
            "seeds": max(0.0, self.seed_variance) / self.seeds,
            "rows": max(0.0, self.row_variance) / self.rows,
            "both": self.rest_variance / (self.seeds * self.rows),
        }

    def spread(self, seeds: int | None) -> float:
        count = seeds or self.seeds
        by_row = max(0.0, self.row_variance) / self.rows + self.rest_variance / (count * self.rows)
        return math.sqrt(by_row + max(0.0, self.seed_variance) / count)

    def _squares(self, seed_square: Floats, quantile: float, seeds: int) -> Any:
        """The sum of both squared parts, each with its own quantile, for mean squares of seeds."""
        by_row = _t(quantile, self.rows - 1)
        if seeds == 1 or self.seeds == 1:
            alone = max(0.0, self.row_variance) + self.rest_variance / seeds
            return alone / self.rows * by_row**2 * np.ones_like(seed_square)
        by_seed = _t(quantile, seeds - 1)
        row_square = seeds * self.row_variance + self.rest_variance
        if seeds == 2:
            row_part = max(0.0, row_square - self.rest_variance)
            return (row_part * by_row**2 + seed_square * by_seed**2) / (seeds * self.rows)
        share = min(1.0, self.rest_variance / row_square) if row_square > 0 else 1.0
        row_part = max(0.0, row_square - share * self.rest_variance)
        taken = (1 - share) * self.rest_variance * min(by_seed, _t(0.975, seeds - 1)) ** 2
        seed_part = np.maximum(0.0, seed_square * by_seed**2 - taken)
        return (row_part * by_row**2 + seed_part) / (seeds * self.rows)


@dataclass(frozen=True)
class Seeds:
    """The seeds of one variant: their number, the variance of a seed's effect (may be below 0) and of the rest."""

    count: int
    seed_variance: float
    rest_variance: float


@dataclass(frozen=True)
class UnpairedDifference(Estimate):
    """A mean difference of two variants with different seeds; rows are paired.

    Attributes
    ----------
    mean : float
    rows : int
    row_variance : float
        Estimated variance of one row's effect on the difference; may be below 0. If a variant has one seed, it
        includes that variant's rest, which cannot be separated.
    groups : tuple of two Seeds
    """

    mean: float
    rows: int
    row_variance: float
    groups: tuple[Seeds, Seeds]

    @property
    def fewest(self) -> int:
        return min(group.count for group in self.groups)

    @property
    def seeds_told(self) -> str:
        one, other = (group.count for group in self.groups)
        return f"{one} seeds each" if one == other else f"{one} and {other} seeds"

    def half(self, quantile: float) -> float:
        squares = [self.rows * group.seed_variance + group.rest_variance for group in self.groups]
        counts = [group.count for group in self.groups]
        return math.sqrt(self._squares(np.array([squares]), quantile, counts)[0])

    def halves(self, quantile: float, seeds: int | None) -> Floats:
        counts = [seeds or group.count for group in self.groups]
        expected = [self.rows * max(0.0, g.seed_variance) + g.rest_variance for g in self.groups]
        one, other = (chi_squares(count, 30) * square for count, square in zip(counts, expected, strict=True))
        drawn = np.stack(np.meshgrid(one, other), axis=-1).reshape(-1, 2)
        found: Floats = np.sqrt(self._squares(drawn, quantile, counts))
        return found

    def parts(self) -> dict[str, float]:
        return {
            "seeds": sum(max(0.0, group.seed_variance) / group.count for group in self.groups),
            "rows": max(0.0, self.row_variance) / self.rows,
            "both": sum(group.rest_variance / (group.count * self.rows) for group in self.groups),
        }

    def spread(self, seeds: int | None) -> float:
        parts = [
            (max(0.0, group.seed_variance) + group.rest_variance / self.rows) / (seeds or group.count)
            for group in self.groups
        ]
        return math.sqrt(max(0.0, self.row_variance) / self.rows + sum(parts))

    def _squares(self, seed_squares: Floats, quantile: float, counts: list[int]) -> Floats:
        """As :meth:`Difference._squares`; ``seed_squares`` has both mean squares of seeds, shape (draws, 2)."""
        squares = max(0.0, self.row_variance) / self.rows * _t(quantile, self.rows - 1) ** 2
        factors = [_t(quantile, count - 1) ** 2 / (count * self.rows) if count > 1 else 0.0 for count in counts]
        found: Floats = squares + seed_squares @ np.array(factors)
        return found


def _t(quantile: float, degrees: int) -> float:
    return float(scipy.special.stdtrit(degrees, quantile))  # stats.t.ppf calls this, at a hundred times its cost


def compare_errors(difference: Floats) -> Difference:
    """Return the mean of paired differences with its variance components.

    Parameters
    ----------
    difference : array of shape (seeds, rows)
        Absolute error of one variant minus the other's, for the same seed and row.

    Returns
    -------
    Difference
        Components by the analysis of variance, ``(MS_seed - MS_rest) / rows`` and ``(MS_row - MS_rest) /
        seeds``; either may be below 0.

    Raises
    ------
    ValueError
        If the array does not have two dimensions with at least one seed and two rows, or is not finite.
    """
    table = _checked(difference)
    seeds, rows = table.shape
    mean = float(table.mean())
    if seeds == 1:
        return Difference(mean, 1, rows, 0.0, float(table.var(ddof=1)), 0.0)
    ms_seed, ms_row, ms_rest = mean_squares(table)
    return Difference(mean, seeds, rows, (ms_seed - ms_rest) / rows, (ms_row - ms_rest) / seeds, ms_rest)


def compare_unpaired(errors: Floats, reference: Floats) -> UnpairedDifference:
    """Return the mean difference of two variants with different seeds, with its variance components.

    Parameters
    ----------
    errors, reference : arrays of shape (seeds, rows), each with its own number of seeds
        Absolute errors of each variant on the same rows.

    Raises
    ------
    ValueError
        As :func:`compare_errors`, or if the numbers of rows differ.
    """
    tables = _checked(errors), _checked(reference)
    rows = tables[0].shape[1]
    if tables[1].shape[1] != rows:
        raise ValueError(f"expected errors on the same rows, found {rows} and {tables[1].shape[1]}")
    groups, rest = [], 0.0
    for table in tables:
        if len(table) == 1:
            groups.append(Seeds(1, 0.0, 0.0))
            continue
        ms_seed, _, ms_rest = mean_squares(table)
        groups.append(Seeds(len(table), (ms_seed - ms_rest) / rows, ms_rest))
        rest += ms_rest / len(table)
    by_row = tables[0].mean(axis=0) - tables[1].mean(axis=0)
    return UnpairedDifference(float(by_row.mean()), rows, float(by_row.var(ddof=1)) - rest, (groups[0], groups[1]))


def _checked(values: Floats) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite differences of shape (seeds, at least 2 rows), found {table.shape}")
    return table


def mean_squares(table: Floats) -> tuple[float, float, float]:
    """The mean squares of seeds, rows and rest of a table of shape (seeds, rows), at least 2 of each."""
    seeds, rows = table.shape
    by_seed, by_row = table.mean(axis=1), table.mean(axis=0)
    rest = table - by_seed[:, None] - by_row[None, :] + table.mean()
    ms_rest = float((rest**2).sum()) / ((seeds - 1) * (rows - 1))
    return rows * float(by_seed.var(ddof=1)), seeds * float(by_row.var(ddof=1)), ms_rest


def holm(p: Sequence[float]) -> list[float]:
    """Probabilities corrected for several comparisons: Holm (Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def letters(count: int, apart: Collection[tuple[int, int]]) -> list[str]:
    """Letters for ``count`` variants: two share a letter exactly if they cannot be told apart.

    Insert and absorb (Piepho, Journal of Computational and Graphical Statistics 13, 2004): each letter is a column
    of members. Every pair that is told apart splits the columns that hold both, and a column that another one
    contains is dropped. Pairs that are not told apart stay together in some column, as a split takes one member of
    its pair out of each copy.

    Parameters
    ----------
    count : int
    apart : collection of pairs of int
        Pairs of places that are told apart.

    Returns
    -------
    list of str
        ``a`` for those that share the first variant's letter, and so on, in the order of the variants; after ``z``
        come ``aa``, ``ab``, and the letters are then separated by commas.
    """
    columns = [frozenset(range(count))] if count else []
    for one, other in apart:
        split = []
        for column in columns:
            both = one in column and other in column
            split += [column - {one}, column - {other}] if both else [column]
        columns = [
            column
            for place, column in enumerate(split)
            if not any(column < rest or (column == rest and place > at) for at, rest in enumerate(split))
        ]
    columns.sort(key=sorted)
    names = [_name(number) for number in range(len(columns))]
    separator = "," if len(columns) > 26 else ""
    return [
        separator.join(name for name, column in zip(names, columns, strict=True) if place in column)
        for place in range(count)
    ]


def _name(number: int) -> str:
    name = chr(ord("a") + number % 26)
    return name if number < 26 else _name(number // 26 - 1) + name
