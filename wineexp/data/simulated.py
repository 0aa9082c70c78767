"""The stand-in table: made from summary statistics of the real one, for machines that cannot fetch it.

It has the real table's shape, columns, marginal distributions, rank correlations and share of repeated
rows, and none of its rows. Results on it are an exercise, not a finding; so its kind is
``simulated`` wherever it appears.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from wineexp.data.facts import RED_WINE_COLUMNS
from wineexp.data.table import Table

__all__ = [
    "LEVELS",
    "NOT_ABOUT_WINE",
    "QUANTILES",
    "RANK_CORRELATIONS",
    "REPEATED_SHARE",
    "ROWS",
    "simulated_table",
]

#: The warning with every result on the simulated table.
NOT_ABOUT_WINE = "these figures say nothing about wine"

# Summary figures of winequality-red.csv (P. Cortez et al., Modeling wine preferences by data mining from
# physicochemical properties, Decision Support Systems 47(4), 2009; UCI data set 186, CC BY 4.0), measured
# with NumPy and pandas; tests/data/test_simulated.py derives them again from the file.
ROWS = 1599

#: Rows that repeat an earlier row, as a share of all: 1599 rows, 1359 distinct.
REPEATED_SHARE = 240 / 1599

#: The levels of the quantiles below, from 0 to 1.
LEVELS = np.array([0, 1, 2.5, *range(5, 100, 5), 97.5, 99, 100]) / 100

#: Quantiles of each column at these levels, to 6 digits.
QUANTILES = np.array([
    [4.6, 5.2, 5.6, 6.1, 6.5, 6.8, 7, 7.1, 7.2, 7.4, 7.6, 7.7, 7.9, 8.1, 8.3, 8.6, 8.9, 9.2, 9.7, 10.2,
     10.7, 11.8, 12.5, 13.3, 15.9],
    [0.12, 0.19, 0.24, 0.27, 0.31, 0.34, 0.37, 0.39, 0.415, 0.44, 0.47, 0.5, 0.52, 0.545, 0.57, 0.59,
     0.61, 0.64, 0.66, 0.6915, 0.745, 0.84, 0.915, 1.02, 1.58],
    [0, 0, 0, 0, 0.01, 0.03, 0.07, 0.09, 0.124, 0.17, 0.21, 0.24, 0.26, 0.29, 0.32, 0.35, 0.39, 0.42,
     0.46, 0.49, 0.522, 0.6, 0.66, 0.7002, 1],
    [0.9, 1.4, 1.4, 1.59, 1.7, 1.8, 1.8, 1.9, 2, 2, 2.1, 2.1, 2.2, 2.2, 2.3, 2.4, 2.5, 2.6, 2.7, 2.965,
     3.6, 5.1, 6.3, 8.306, 15.5],
    [0.012, 0.04298, 0.048, 0.054, 0.06, 0.064, 0.067, 0.07, 0.072, 0.074, 0.076, 0.078, 0.079, 0.081,
     0.082, 0.084, 0.087, 0.09, 0.094, 0.099, 0.109, 0.1261, 0.205, 0.36016, 0.611],
    [1, 3, 3, 4, 5, 6, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 19, 21, 24, 27, 31, 35, 40.525, 50.02, 72],
    [6, 8, 10, 11, 14, 17, 19, 22, 24, 27, 30, 34, 38, 42, 45.8, 49, 55, 62, 69, 82, 93.2, 112.1, 131,
     145, 289],
    [0.99007, 0.99182, 0.992939, 0.993598, 0.994556, 0.995, 0.99534, 0.9956, 0.99586, 0.99613, 0.9963,
     0.99652, 0.99675, 0.9969, 0.997156, 0.99734, 0.9976, 0.997835, 0.998174, 0.9986, 0.99914, 1, 1.0004,
     1.00151, 1.00369],
    [2.74, 2.93, 3.0195, 3.06, 3.12, 3.16, 3.18, 3.21, 3.23, 3.26, 3.28, 3.29, 3.31, 3.33, 3.35, 3.36,
     3.38, 3.4, 3.424, 3.46, 3.51, 3.57, 3.6105, 3.7002, 4.01],
    [0.33, 0.42, 0.44, 0.47, 0.5, 0.52, 0.54, 0.55, 0.564, 0.58, 0.59, 0.6, 0.62, 0.64, 0.65, 0.67, 0.7,
     0.73, 0.76, 0.8, 0.85, 0.93, 1.08, 1.2604, 2],
    [8.4, 9, 9.1, 9.2, 9.3, 9.4, 9.5, 9.5, 9.6, 9.8, 9.9, 10, 10.2, 10.4, 10.5, 10.7, 10.9, 11.1, 11.3,
     11.6, 12, 12.5, 12.8, 13.4, 14.9],
    [3, 4, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 8, 8],
])  # fmt: skip

#: Spearman's rank correlations below the diagonal, row by row, in thousandths.
RANK_CORRELATIONS = (
    -278,
    662, -610,
    221, 32, 176,
    251, 159, 113, 213,
    -175, 21, -76, 75, 1,
    -88, 94, 9, 145, 130, 790,
    623, 25, 352, 422, 411, -41, 129,
    -707, 234, -548, -90, -234, 116, -10, -312,
    213, -326, 331, 38, 21, 46, -1, 161, -80,
    -67, -225, 96, 117, -285, -81, -258, -462, 180, 207,
    114, -381, 213, 32, -190, -57, -197, -177, -44, 377, 479,
)  # fmt: skip


def simulated_table() -> Table:
    """Return the stand-in: the same 1,599 rows at every call, on every machine.

    A Gaussian copula: normal scores with the correlations that give the wanted rank correlations,
    ``r = 2 sin(pi * rho / 6)`` (Pearson, 1907), ranked and read off each column's quantiles.
    """
    random = np.random.RandomState(186)  # RandomState's streams are frozen, Generator's are not
    correlation = np.eye(len(RED_WINE_COLUMNS))
    correlation[np.tril_indices(len(RED_WINE_COLUMNS), -1)] = 2 * np.sin(
        np.pi / 6 * np.array(RANK_CORRELATIONS) / 1000
    )
    correlation += np.tril(correlation, -1).T
    distinct = ROWS - round(ROWS * REPEATED_SHARE)
    scores = random.standard_normal((distinct, len(RED_WINE_COLUMNS))) @ np.linalg.cholesky(correlation).T
    ranks = (scores.argsort(axis=0).argsort(axis=0) + 0.5) / distinct
    values = np.empty((distinct, len(RED_WINE_COLUMNS)))
    for column, (quantiles, decimals) in enumerate(zip(QUANTILES, RED_WINE_COLUMNS.values(), strict=True)):
        values[:, column] = np.interp(ranks[:, column], LEVELS, quantiles).round(decimals)
    repeated = random.choice(distinct, ROWS - distinct)
    order = random.permutation(ROWS)
    frame = pd.DataFrame(np.concatenate([values, values[repeated]])[order], columns=list(RED_WINE_COLUMNS))
    return Table(frame, "simulated from the real table's summary figures", "simulated")
