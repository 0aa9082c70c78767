"""A run's tables: its history and predictions, read strictly and compared with its record and each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.errors import RunError
from wineexp.runs.directory import HISTORY, PREDICTIONS, TEST_PREDICTIONS, read_bounded, read_recorded
from wineexp.runs.number_table import Columns, as_frame, read_columns
from wineexp.runs.probabilities import SUM_TOLERANCE, probability_columns
from wineexp.runs.record import Record
from wineexp.runs.result import ACCURACY_COLUMNS, LOSS_COLUMNS, history_columns
from wineexp.runs.verification import check_metrics
from wineexp.specs.run_spec import RunSpec
from wineexp.text import csv_cell

__all__ = ["Tables", "read_history_alone", "read_tables", "recorded_targets"]

_HISTORY_COLUMNS = ("epoch", *LOSS_COLUMNS[:2])
_PREDICTION_COLUMNS = ("row", "actual", "predicted", "twin")
_PASSES_COLUMNS = ("predicted_mc", "predicted_mc_sd")

#: Earlier versions did not write it.
_CLUSTER = "cluster"


class Tables(NamedTuple):
    """The content of a run's CSVs.

    Attributes
    ----------
    history : pandas.DataFrame
        ``epoch`` and the :func:`~wineexp.runs.result.history_columns` of its spec.
    predictions, test_predictions : pandas.DataFrame or None
        ``row, actual, predicted, twin, cluster`` (not in earlier runs) and, with ``mc_passes``, ``predicted_mc,
        predicted_mc_sd``; of classes, see :mod:`wineexp.runs.probabilities`. None unless the run is done and has
        such rows.
    """

    history: pd.DataFrame
    predictions: pd.DataFrame | None = None
    test_predictions: pd.DataFrame | None = None


def read_tables(folder: Path, record: Record) -> Tables:
    """Read the tables of a run directory; raise ``RunError`` if one is damaged or contradicts the record."""
    path = folder / HISTORY
    losses = _read(path, _HISTORY_COLUMNS, read_recorded(path, record))
    epochs = len(losses["epoch"])
    if not np.array_equal(losses["epoch"], np.arange(epochs)):
        raise RunError(f"{path}: is damaged: expected epochs 0, 1, 2, ... in their order")
    due = history_columns(record.spec.loss, eval_train=record.spec.eval_train)
    if epochs and tuple(losses)[1:] != due:
        raise RunError(f"{path}: is damaged: expected columns epoch, {', '.join(due)}, by its spec")
    if record.timing.epochs is not None and record.timing.epochs != epochs:
        expected = f"expected {record.timing.epochs} epochs, as recorded, found {epochs}"
        raise RunError(f"{path}: is damaged: {expected}")
    history = as_frame(losses)
    if record.status != "done":
        return Tables(history)
    if not epochs:
        raise RunError(f"{path}: is damaged: expected the epochs of a finished run, found none")
    data = record.data
    predictions = _predictions(folder / PREDICTIONS, record, data.valid_rows, data.twins)
    test = None
    if data.test_rows:
        test = _predictions(folder / TEST_PREDICTIONS, record, data.test_rows)
        if np.isin(test["row"], predictions["row"]).any():
            raise RunError(f"{folder / TEST_PREDICTIONS}: is damaged: a test row is a validation row too")
    if problem := check_metrics(record, losses, predictions, test):
        raise RunError(f"{folder}: is damaged: {problem}")
    labels = data.labels
    return Tables(history, _framed(predictions, labels), None if test is None else _framed(test, labels))


def _framed(predictions: Columns, labels: Sequence[str]) -> pd.DataFrame:
    """The table, with its labels in words."""
    frame = as_frame(predictions)
    if not labels:
        return frame
    named = np.array(labels, dtype=object)
    return frame.assign(**{name: named[predictions[name]] for name in ("actual", "predicted")})


def read_history_alone(path: Path) -> pd.DataFrame:
    """The history of a run directory by itself, without any comparison."""
    return as_frame(_read(path, _HISTORY_COLUMNS, read_bounded(path)))


def recorded_targets(path: Path, record: Record) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Rows and their targets of a run's predictions, which need not match its record."""
    predictions = _read(path, _PREDICTION_COLUMNS, read_recorded(path, record))
    return predictions["row"].astype(np.int64), predictions["actual"].astype(np.float32)


def _predictions(path: Path, record: Record, rows: int, twins: int | None = None) -> Columns:
    """Predictions of the rows that the record has; raise ``RunError`` otherwise."""
    predictions = _read(path, _PREDICTION_COLUMNS, read_recorded(path, record), record.data.labels)
    problem = _contradiction(predictions, rows, record.data.rows, twins) or (
        _wrong_probabilities(predictions, record)
        if record.spec.has_classes
        else _lacking(predictions, record.spec)
    )
    if problem:
        raise RunError(f"{path}: is damaged: {problem}")
    return predictions


def _contradiction(predictions: Columns, rows: int, table_rows: int, twins: int | None) -> str | None:
    """The first contradiction between a finished run's predictions and its record."""
    row, actual, predicted, twin = (predictions[name] for name in _PREDICTION_COLUMNS)
    if not (np.isfinite(actual).all() and np.isfinite(predicted).all()):
        return "expected finite numbers, found others"
    if len(row) != rows or not rows or row.min() < 0 or row.max() >= table_rows:
        return f"expected {rows} rows of the table's {table_rows}, found {len(row)}"
    if len(np.unique(row)) < len(row):
        return "a row occurs twice"
    cluster = predictions.get(_CLUSTER, row)
    if cluster.min() < 0 or (cluster > row).any():
        return "expected clusters by the first of their rows"
    found = int(twin.sum())
    if not ((twin == 0) | (twin == 1)).all() or (twins is not None and found != twins):
        return f"expected {'0 or 1' if twins is None else f'{twins} twins, as recorded'}, found {found}"
    return None


def _lacking(predictions: Columns, spec: RunSpec) -> str | None:
    """Why the means of passes are not those of a spec, in words."""
    found = [name for name in _PASSES_COLUMNS if name in predictions]
    if len(found) != len(_PASSES_COLUMNS) * bool(spec.mc_passes):
        return f"expected {'' if spec.mc_passes else 'no '}columns {', '.join(_PASSES_COLUMNS)}, by its spec"
    if not all(np.isfinite(predictions[name]).all() for name in found):
        return "expected finite numbers, found others"
    if found and (predictions["predicted_mc_sd"] < 0).any():
        return "expected standard deviations of at least 0"
    return None


def _wrong_probabilities(predictions: Columns, record: Record) -> str | None:
    """Why probabilities are not those of a run of classes, in words."""
    labels, passes = record.data.labels, bool(record.spec.mc_passes)
    for due, names in ((True, probability_columns(labels)), (passes, probability_columns(labels, passes=True))):
        found = [name for name in names if name in predictions]
        if len(found) != len(names) * due:
            return f"expected {'' if due else 'no '}columns {', '.join(names)[:200]}, by its spec and its labels"
        if not found:
            continue
        p = np.stack([predictions[name] for name in names], axis=1)
        if not ((p >= 0) & (p <= 1)).all() or (np.abs(p.sum(axis=1) - 1) > SUM_TOLERANCE).any():
            return "expected probabilities from 0 to 1, with a sum of 1 in every row"
    return None


def _read(path: Path, columns: tuple[str, ...], content: bytes, labels: Sequence[str] = ()) -> Columns:
    if columns is _HISTORY_COLUMNS:
        optional = (*LOSS_COLUMNS[2:], *ACCURACY_COLUMNS)
    else:
        passes = probability_columns(labels, passes=True) if labels else _PASSES_COLUMNS
        optional = (_CLUSTER, *probability_columns(labels), *passes)
    cells = {csv_cell(label): number for number, label in enumerate(labels)}
    texts = dict.fromkeys(("actual", "predicted"), cells) if labels else None
    try:
        return read_columns(content, columns, ("epoch", "row", "twin", _CLUSTER), optional, texts)
    except (ValueError, OverflowError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: cannot be read: {text}") from None
