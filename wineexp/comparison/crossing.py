"""Runs on several splits of one table: is a difference one of tables like this, or of one cut of it?

A split decides which rows train and which judge. ``D[k, r]`` is the difference of absolute errors on split k and
validation row r, a mean over seeds; each row is a validation row in some splits only. Let ``E`` be those
differences minus the mean of all, T their number, J the splits and n the rows:

    V_split = J / (J - 1) sum_k (sum_r E)^2 / T^2,   V_row = sum_r (sum_k E)^2 / T^2,   V_cell = sum E^2 / T^2,

Rows that belong together are one cluster: with ``C[k, g]`` the sum of E over the rows of cluster g on split k,

    V_row - V_cell = sum c_g [(sum_k C)^2 - sum_k C^2] / T^2,   c_g = 1 / (1 - T_g / T),

``T_g`` the number of E in cluster g. Their degrees of freedom are ``(sum v)^2 / sum v^2 - 1`` with ``v = T_g^2``;
n - 1 where each row is one of its own.

The squared half-width is ``max(0, V_row - V_cell) t^2(n - 1) + V_split t^2(J - 1)``: two-way clustered errors
(Cameron, Gelbach and Miller, Journal of Business & Economic Statistics 29, 2011) with Cochran's sum of parts. The
t-test over splits treats splits as independent, though they share most training rows: its 95 % intervals covered
86 to 91 %. Nadeau and Bengio's corrected variance (Machine Learning 52, 2003), ``(1/J + n_valid/n_train) S^2``,
covered 99 to 100 %, nearly twice as wide; it is offered as the cautious figure.

If splits share their S seeds, none of these contains the effect of a seed that is common to all splits: on the
red-wine table the mean squares of seeds were 2.4 to 4.5 times those of the rest. Then ``max(0, MS_seed - MS_rest)
t^2(S - 1) / (J S)`` is added, from the table of means with shape (splits, seeds). If every split has its own
seeds, the splits' part contains that effect, and the interval is half as wide.

``benchmarks/verdict.py`` measures all of this.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from wineexp.comparison.clusters import FEWEST_CLUSTERS, Clusters
from wineexp.comparison.estimate import Estimate, Scenarios, chi_squares, likely_squares
from wineexp.comparison.statistics import mean_squares
from wineexp.specs.fields import MIN_SPLITS
from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of

__all__ = ["SplitDifference", "SplitErrors", "compare_splits", "crosses_splits", "share_splits"]

Floats = npt.NDArray[np.floating[Any]]
Labels = npt.NDArray[np.int64]

#: Split -> seed -> errors, or their differences, by row of the table.
SplitErrors = Mapping[int, Mapping[int, pd.Series]]


@dataclass(frozen=True)
class SplitDifference(Estimate):
    """A mean difference over splits and rows, and over the seeds that splits share.

    Attributes
    ----------
    mean : float
    rows, splits : int
        Distinct rows that were judged in any split, and splits.
    clusters : int
        Of these rows; 0 if each is one of its own.
    row_degrees : float
        Degrees of freedom of the rows' part.
    seeds : int
        Per split, at least.
    shared_seeds : int
        The number of seeds that all splits have; 0 if every split has its own.
    split_variance, row_variance, seed_variance : float
        The splits' part of the variance of the mean, the rows' part, and the shared seeds' part. The latter two
        may be below 0.
    cautious_variance : float
        Nadeau and Bengio's variance of the mean; NaN if the number of training rows is not known.
    """

    mean: float
    rows: int
    splits: int
    seeds: int
    shared_seeds: int
    split_variance: float
    row_variance: float
    seed_variance: float
    cautious_variance: float
    clusters: int
    row_degrees: float

    unit = "splits"

    @property
    def untold(self) -> str:
        few = 0 < self.clusters < FEWEST_CLUSTERS and self.fewest > 1
        return f"{count_of(self.clusters, 'cluster')} of rows" if few else "one seed in all splits"

    @property
    def tells(self) -> bool:
        return self.fewest > 1 and not 0 < self.clusters < FEWEST_CLUSTERS

    @property
    def fewest(self) -> int:
        """The number of splits, but 1 if all splits have one seed: then it is unknown how seeds differ."""
        return 1 if self.shared_seeds == 1 else self.splits

    @property
    def seeds_told(self) -> str:
        return f"{self.splits} splits of {self.seeds} seed{'s' if self.seeds > 1 else ''}"

    def half(self, quantile: float) -> float:
        return math.sqrt(self._squares(np.array(self.split_variance), quantile, self.splits))

    def scenarios(self, quantile: float, seeds: int | None) -> Scenarios:
        """As :meth:`Estimate.scenarios`, with ``seeds`` the number of splits."""
        splits = seeds or self.splits
        true = likely_squares(self.split_variance, self.splits - 1, 0.0) * self.splits / splits
        drawn = self._squares(chi_squares(splits - 1)[None, :] * true[:, None], quantile, splits)
        spread = np.sqrt(max(0.0, self.row_variance) + max(0.0, self.seed_variance) + true)
        return Scenarios(np.sqrt(drawn), spread)

    def parts(self) -> dict[str, float]:
        return {
            "splits": self.split_variance,
            "seeds": max(0.0, self.seed_variance),
            "rows": max(0.0, self.row_variance),
        }

    def cautious(self, level: float) -> tuple[float, float]:
        """Nadeau and Bengio's interval."""
        half = math.sqrt(self.cautious_variance) * float(scipy.special.stdtrit(self.splits - 1, (1 + level) / 2))
        return self.mean - half, self.mean + half

    def _squares(self, by_split: Floats, quantile: float, splits: int) -> Any:
        degrees = (self.row_degrees, max(1, splits - 1), max(1, self.shared_seeds - 1))
        rows, across, seeds = (scipy.special.stdtrit(number, quantile) ** 2 for number in degrees)
        return max(0.0, self.row_variance) * rows + max(0.0, self.seed_variance) * seeds + by_split * across


def compare_splits(
    differences: SplitErrors, train_rows: int | None, clusters: pd.Series | None = None
) -> SplitDifference:
    """Return the mean of differences over splits and rows, with the parts of its variance.

    Parameters
    ----------
    differences : mapping of split to (mapping of seed to Series)
        For each validation row of the split: absolute error of one variant minus that of the other.
    train_rows : int or None
        Rows that each split trains on; None if that is not known, and so Nadeau and Bengio's variance is not.
    clusters : Series, optional
        The label of each row's cluster, by row of the table; by default each row is one of its own.

    Raises
    ------
    ValueError
        For fewer than two splits, a split without seeds, or differences that are not finite.
    """
    if len(differences) < 2 or not all(differences.values()):
        raise ValueError(f"expected at least 2 splits with a seed each, found {len(differences)}")
    means = [pd.concat(list(seeds.values()), axis=1).mean(axis=1) for seeds in differences.values()]
    values = np.concatenate([one.to_numpy(np.float64) for one in means])
    if not np.isfinite(values).all():
        raise ValueError("expected finite differences")
    sizes = np.array([len(one) for one in means])
    indices = np.concatenate([one.index.to_numpy() for one in means])
    names, row = np.unique(indices, return_inverse=True)
    mean, total, count = float(values.mean()), len(values), len(means)
    rest = values - mean
    split = np.repeat(np.arange(count), sizes)
    by_split = np.bincount(split, rest)
    cluster = None if clusters is None else Clusters.of(clusters.reindex(names).to_numpy())
    if cluster is None:
        row_variance = (float((np.bincount(row, rest) ** 2).sum()) - float((rest**2).sum())) / total**2
        row_degrees = float(len(names) - 1)
    else:
        row_variance, row_degrees = _of_rows(rest, cluster.codes[row], split)
    shared, seed_variance = _shared_seeds(differences)
    return SplitDifference(
        mean,
        len(names),
        count,
        min(map(len, differences.values())),
        shared,
        count / (count - 1) * float((by_split**2).sum()) / total**2,
        row_variance,
        seed_variance,
        (1 / count + float(sizes.mean()) / (train_rows or math.nan)) * float((by_split / sizes).var(ddof=1)),
        0 if cluster is None else cluster.count,
        row_degrees,
    )


def _of_rows(rest: Floats, cluster: Labels, split: Labels) -> tuple[float, float]:
    """``V_row - V_cell`` of clusters, and its degrees of freedom.

    Parameters
    ----------
    rest : array of shape (cells,)
        Differences less their mean, one for each row on each of its splits.
    cluster, split : int64, shape (cells,)
        The cluster and the split of each, from 0.
    """
    total, sizes = len(rest), np.bincount(cluster)
    within, cell = np.unique(cluster * (int(split.max()) + 1) + split, return_inverse=True)
    of_cells = np.bincount(cell, rest)
    squares = np.bincount(within // (int(split.max()) + 1), of_cells**2, len(sizes))
    share = 1 - sizes / total
    weights = np.divide(1.0, share, out=np.zeros_like(share), where=share > 0)
    excess = np.bincount(cluster, rest, len(sizes)) ** 2 - squares
    working = sizes.astype(np.float64) ** 2
    degrees = float(working.sum() ** 2 / (working**2).sum()) - 1
    return float((weights * excess).sum()) / total**2, max(1.0, degrees)


def _shared_seeds(differences: SplitErrors) -> tuple[int, float]:
    """The number of seeds that all splits share, and their part of the variance of the mean."""
    seen = [seed for seeds in differences.values() for seed in seeds]
    if len(set(seen)) == len(seen):
        return 0, 0.0
    common = sorted(set.intersection(*(set(seeds) for seeds in differences.values())))
    if len(common) < 2:  # all splits share one seed, or a few coincide
        return int(len(set(seen)) == 1), 0.0
    table = np.array([[float(seeds[seed].mean()) for seed in common] for seeds in differences.values()])
    _, ms_seed, ms_rest = mean_squares(table)
    return len(common), (ms_seed - ms_rest) / table.size


def crosses_splits(specs: Iterable[RunSpec]) -> bool:
    """Whether specs are variants that share enough splits to be judged over them."""
    splits: dict[RunSpec, set[int]] = {}
    for spec in specs:
        splits.setdefault(spec.without_seed(across_splits=True), set()).add(spec.split_number)
    return share_splits(splits.values())


def share_splits(splits: Iterable[set[int]]) -> bool:
    """Whether variants with these splits share enough of them to be judged over them."""
    found = list(splits)
    return bool(found) and len(set.intersection(*found)) >= MIN_SPLITS
