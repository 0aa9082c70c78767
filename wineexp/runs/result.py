"""The result of one run, in memory: plain data that can be sent between processes and machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pandas as pd

from wineexp import runtime
from wineexp.data.facts import TableFacts
from wineexp.data.split import Split, split_table, table_facts
from wineexp.data.table import Table
from wineexp.runs.metrics import baselines
from wineexp.runs.record import Environment, Metrics, Reason, Status, Timing
from wineexp.specs.run_spec import RunSpec

__all__ = ["LOSS_COLUMNS", "RunResult", "history_frame", "predictions_frame", "unfinished"]

Array = npt.NDArray[Any]

#: A history's losses; the third only with ``eval_train``.
LOSS_COLUMNS = ("loss", "val_loss", "train_loss")


@dataclass(frozen=True)
class RunResult:
    """One run's result.

    Attributes
    ----------
    spec : RunSpec
    status, reason
        ``failed`` has a reason; the others have none.
    history : pandas.DataFrame
        ``epoch`` (int, from 0), ``loss``, ``val_loss`` and, with ``eval_train``, ``train_loss`` (float).
    data, metrics, timing, environment
        As in run.json; see :mod:`wineexp.runs.record`.
    predictions : pandas.DataFrame or None
        ``row, actual, predicted, twin, cluster`` of each validation row; None unless done.
    test_predictions : pandas.DataFrame or None
        The same of each test row; None if there are none.
    model : bytes or None
        The ``.keras`` file.
    error : str or None
        Reason and traceback of a failed run.
    """

    spec: RunSpec
    status: Status
    history: pd.DataFrame
    data: TableFacts
    metrics: Metrics
    timing: Timing
    environment: Environment
    reason: Reason | None = None
    predictions: pd.DataFrame | None = None
    test_predictions: pd.DataFrame | None = None
    model: bytes | None = None
    error: str | None = None


def predictions_frame(split: Split, predicted: Array, *, test: bool = False) -> pd.DataFrame:
    """``row, actual, predicted, twin, cluster`` of each validation row, or test row, in the table's order."""
    if test:
        rows, actual, twins = split.test_rows, split.y_test, split.test_twins
    else:
        rows, actual, twins = split.valid_rows, split.y_valid, split.twins
    columns = {"row": rows, "actual": actual, "predicted": predicted, "twin": twins}
    return pd.DataFrame({**columns, "cluster": split.clusters[rows]})


def history_frame(rows: Iterable[Sequence[float]]) -> pd.DataFrame:
    """``epoch, loss, val_loss`` and, if the rows have a third value, ``train_loss``; epochs from 0."""
    rows = list(rows)
    columns = LOSS_COLUMNS[: len(rows[0]) if rows else 2]
    frame = pd.DataFrame(rows, columns=list(columns), dtype=float)
    frame.insert(0, "epoch", range(len(frame)))
    return frame


def unfinished(
    spec: RunSpec,
    table: Table,
    reason: Reason | None = None,
    error: str | None = None,
    *,
    history: pd.DataFrame,
    threads: int,
    timing: Timing | None = None,
    made: Mapping[str, Any] | None = None,
) -> RunResult:
    """The result of a run that failed for a reason or, without one, was interrupted.

    ``made`` is the known part of its environment besides :func:`wineexp.runtime.environment`.
    """
    split = split_table(table, spec)
    return RunResult(
        spec=spec,
        status="failed" if reason else "interrupted",
        history=history,
        data=table_facts(table, split),
        metrics=Metrics.of(baselines(spec.loss, split)),  # the curves' axes need them
        timing=timing or Timing(),
        environment=Environment(**runtime.environment(threads), **(made or {})),
        reason=reason,
        error=f"{reason}: {error}" if error else None,
    )
