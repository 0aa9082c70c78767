"""Predictions of classes: the table that holds them, and their scores.

A row has its label as ``actual``, the most probable one as ``predicted``, and each label's probability as
``p_<label>``; with passes, the mean over these as ``p_mc_<label>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LEAST",
    "MOST",
    "P_MC",
    "SUM_TOLERANCE",
    "P",
    "as_passes",
    "auc",
    "briers",
    "codes_of",
    "constant_errors",
    "has_probabilities",
    "labels_in",
    "log_losses",
    "of_labels",
    "probabilities",
    "probability_columns",
    "row_errors",
]

#: How far the sum of a row's probabilities may be from 1, by rounding.
SUM_TOLERANCE = 1e-6

#: What the columns' names begin with: of the predictions, and of the mean of passes.
P, P_MC = "p_", "p_mc_"

#: The least and the most that a probability counts as, so that one mistake is not infinite: Keras's epsilon.
LEAST, MOST = 1e-7, 1 - 1e-7

Doubles = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def probability_columns(labels: Iterable[str], *, passes: bool = False) -> list[str]:
    """The columns of the labels' probabilities, in their order."""
    return [f"{P_MC if passes else P}{label}" for label in labels]


def labels_in(columns: Iterable[str]) -> tuple[str, ...]:
    """The labels that a table's columns have a probability of, in their order."""
    names = [name.removeprefix(P) for name in columns if name.startswith(P)]
    return tuple(name for name in names if not (name.startswith("mc_") and name.removeprefix("mc_") in names))


def has_probabilities(table: pd.DataFrame, *, passes: bool = False) -> bool:
    """Whether a table has the probability of each label, or the mean of passes."""
    labels = labels_in(table.columns)
    return bool(labels) and all(name in table for name in probability_columns(labels, passes=passes))


def of_labels(
    labels: Sequence[str], likely: Labels, values: npt.NDArray[Any], actual: npt.NDArray[Any] | None
) -> dict[str, Any]:
    """The columns ``actual`` and ``predicted`` of a table, and those of probabilities, shape (rows, labels)."""
    named = np.array(labels, dtype=object)
    found = dict(zip(probability_columns(labels), values.T, strict=True))
    return {"actual": actual, "predicted": named[likely], **found}


def probabilities(table: pd.DataFrame, *, passes: bool = False) -> Doubles:
    """The probability of each label, shape (rows, labels)."""
    return table[probability_columns(labels_in(table.columns), passes=passes)].to_numpy(np.float64)


def as_passes(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the mean of passes in place of the predictions."""
    labels, means = labels_in(table.columns), probabilities(table, passes=True)
    likely = np.array(labels, dtype=object)[means.argmax(axis=1)]
    return table.assign(predicted=likely, **dict(zip(probability_columns(labels), means.T, strict=True)))


def codes_of(table: pd.DataFrame) -> Labels:
    """The number of each row's own label among those of the table, shape (rows,)."""
    numbers = {label: number for number, label in enumerate(labels_in(table.columns))}
    return np.fromiter((numbers[label] for label in table["actual"]), np.int64, len(table))


def _clipped(p: Doubles) -> Doubles:
    """Probabilities between LEAST and MOST, of more than two labels with a sum of 1, as scikit-learn did."""
    clipped = np.clip(p, LEAST, MOST)
    return clipped / clipped.sum(axis=1, keepdims=True) if p.shape[1] > 2 else clipped


def log_losses(codes: Labels, p: Doubles) -> Doubles:
    """Minus the logarithm of each row's own label's probability, shape (rows,)."""
    losses: Doubles = -np.log(_clipped(p)[np.arange(len(codes)), codes])
    return losses


def briers(codes: Labels, p: Doubles) -> Doubles:
    """The squared errors of the probabilities, shape (rows,): of the last of two labels, of more the sum over all.

    Brier, *Verification of forecasts expressed in terms of probability* (1950).
    """
    errors = (p - np.eye(p.shape[1])[codes]) ** 2
    found: Doubles = errors[:, -1] if p.shape[1] == 2 else errors.sum(axis=1)
    return found


def row_errors(table: pd.DataFrame, score: str) -> Doubles:
    """What ``log_loss``, ``error_rate`` or ``brier`` is the mean of, shape (rows,)."""
    if score == "error_rate":
        return (table["actual"] != table["predicted"]).to_numpy().astype(np.float64)
    return (log_losses if score == "log_loss" else briers)(codes_of(table), probabilities(table))


def constant_errors(table: pd.DataFrame, score: str, shares: Sequence[float]) -> Doubles:
    """As :func:`row_errors`, of always predicting these shares of the labels, or the commonest label."""
    labels = labels_in(table.columns)
    always = dict(zip(probability_columns(labels), shares, strict=True))
    return row_errors(table.assign(predicted=labels[int(np.argmax(shares))], **always), score)


def auc(codes: Labels, p: Doubles) -> float | None:
    """The area under the ROC curve; of more than two labels the mean over each against the rest.

    By ranks: the share of pairs of a row of the label and another one in which the first has the higher
    probability, equal ones counted half (Hanley and McNeil, 1982). None if a label has no row, or all have one.
    """
    labels = range(1, 2) if p.shape[1] == 2 else range(p.shape[1])
    areas = []
    for label in labels:
        own = codes == label
        if own.all() or not own.any():
            return None
        _, place, counts = np.unique(p[:, label], return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
        positive = int(own.sum())
        area = (ranks[own].sum() - positive * (positive + 1) / 2) / (positive * (len(own) - positive))
        areas.append(float(area))
    return float(np.mean(areas))
