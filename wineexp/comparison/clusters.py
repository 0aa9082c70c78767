"""Rows that belong together, as clusters: their sums, and the degrees of freedom that they leave.

With ``D`` of shape (seeds, rows) and clusters of ``n_g`` rows, N in all, the mean over rows stays what is
estimated; what varies is taken by cluster. ``U[s, g]`` is the sum of cluster g less ``n_g`` times the seed's mean
(so effects of seeds do not leak into it), ``u_g`` its mean over seeds, ``e = U - u``, and ``c_g = 1 / (1 - n_g /
N)`` mends what subtracting the mean took off (Bell and McCaffrey, Survey Methodology 28, 2002). Then

    MS_seed = G var(m_s),   MS_row = S G / N^2 sum c u^2,   MS_rest = G / ((S - 1) N^2) sum c e^2

take the place of the mean squares, and G that of the number of rows. The degrees of freedom of the rows' part are
Satterthwaite's, ``tr(A)^2 / tr(A^2)`` with ``A = diag(c) P diag(v) P'``, ``P = I - n 1' / N`` and the working
variances ``v_g = n_g (1 - rho) + n_g^2 rho`` (Imbens and Kolesar, Review of Economics and Statistics 98, 2016),
rho the intraclass correlation of the rows' means over seeds, at least 0. Clusters of equal size leave ``G - 1``;
single rows give what they would without clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FEWEST_CLUSTERS", "Clusters"]

Floats = npt.NDArray[np.floating[Any]]

#: With fewer clusters nothing can be told: measured, intervals then miss the truth too often.
FEWEST_CLUSTERS = 5


@dataclass(frozen=True, eq=False)
class Clusters:
    """The clusters of some rows.

    Attributes
    ----------
    codes : int64, shape (rows,)
        Each row's cluster, from 0, without gaps.
    """

    codes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, labels: npt.NDArray[Any]) -> Clusters | None:
        """The clusters of rows with these labels, shape (rows,); None if every row is one of its own."""
        found, codes = np.unique(labels, return_inverse=True)
        return cls(codes.astype(np.int64)) if len(found) < len(labels) else None

    @cached_property
    def sizes(self) -> Floats:
        """The rows of each cluster, shape (clusters,)."""
        return np.bincount(self.codes).astype(np.float64)

    @property
    def count(self) -> int:
        return len(self.sizes)

    @cached_property
    def weights(self) -> Floats:
        """``c_g``; 0 for a cluster that has all rows, of which nothing is known."""
        rest = 1 - self.sizes / len(self.codes)
        return np.divide(1, rest, out=np.zeros_like(rest), where=rest > 0)

    def deviations(self, table: Floats) -> Floats:
        """``U``: each cluster's sum less its rows times the mean; shape (..., rows) becomes (..., clusters)."""
        flat = table.reshape(-1, table.shape[-1])
        sums = np.stack([np.bincount(self.codes, values, self.count) for values in flat])
        found: Floats = sums - flat.mean(axis=1)[:, None] * self.sizes
        return found.reshape(*table.shape[:-1], self.count)

    def mean_square(self, deviations: Floats) -> float:
        """``G / N^2 sum c u^2``: for single rows, their variance; summed over all but the last axis."""
        scale = self.count / len(self.codes) ** 2
        return float(scale * (deviations**2 @ self.weights).sum())

    def degrees(self, by_row: Floats) -> float:
        """The degrees of freedom of the rows' part; ``by_row`` has the rows' means over seeds, shape (rows,)."""
        n, c, total = self.sizes, self.weights, float(len(self.codes))
        if self.count < 2:
            return 1.0
        rho = self.correlation(by_row)
        v = n * (1 - rho) + n**2 * rho
        whole = float(v.sum())
        diagonal = v - 2 * n * v / total + n**2 * whole / total**2
        # P diag(v) P' = diag(v) + W K W' with W = [n, v]: no matrix of clusters by clusters is built.
        low_rank = diagonal - v
        w = np.stack([n, v], axis=1)
        inner = np.array([[whole / total**2, -1 / total], [-1 / total, 0.0]]) @ (w.T @ (c[:, None] * w))
        squares = float((c**2 * (v**2 + 2 * v * low_rank)).sum()) + float(np.trace(inner @ inner))
        trace = float((c * diagonal).sum())
        return trace**2 / squares if squares > 0 else 1.0

    def correlation(self, by_row: Floats) -> float:
        """The intraclass correlation by the analysis of variance, at least 0."""
        n, count, total = self.sizes, self.count, len(self.codes)
        if count == total:
            return 0.0
        means = np.bincount(self.codes, by_row, count) / n
        within = float(((by_row - means[self.codes]) ** 2).sum()) / (total - count)
        between = float((n * (means - by_row.mean()) ** 2).sum()) / (count - 1)
        usual = (total - float((n**2).sum()) / total) / (count - 1)
        spread = between + (usual - 1) * within
        return max(0.0, (between - within) / spread) if spread > 0 else 0.0
