"""The result of one run, in memory: plain data that can be sent between processes and machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import pandas as pd

from wineexp import runtime
from wineexp.data.classes import Classes
from wineexp.data.facts import TableFacts
from wineexp.data.split import Split, split_table, table_facts
from wineexp.data.table import Table
from wineexp.runs.metrics import baselines
from wineexp.runs.probabilities import of_labels
from wineexp.runs.record import Environment, Metrics, Reason, Status, Timing
from wineexp.specs.run_spec import CLASS_LOSSES, RunSpec

__all__ = [
    "ACCURACY_COLUMNS",
    "LOSS_COLUMNS",
    "RunResult",
    "history_columns",
    "history_frame",
    "predictions_frame",
    "training_frame",
    "unfinished",
]

Array = npt.NDArray[Any]

#: A history's losses; the third only with ``eval_train``.
LOSS_COLUMNS = ("loss", "val_loss", "train_loss")

#: What a history has behind them if classes are predicted.
ACCURACY_COLUMNS = ("accuracy", "val_accuracy")


@dataclass(frozen=True)
class RunResult:
    """One run's result.

    Attributes
    ----------
    spec : RunSpec
    status, reason
        ``failed`` has a reason; the others have none.
    history : pandas.DataFrame
        ``epoch`` (int, from 0), and the :func:`history_columns` (float).
    data, metrics, timing, environment
        As in run.json; see :mod:`wineexp.runs.record`.
    predictions : pandas.DataFrame or None
        ``row, actual, predicted, twin, cluster`` of each validation row, with classes also the probability of each
        label (see :mod:`wineexp.runs.probabilities`); None unless done.
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
    """``row, actual, predicted, twin, cluster`` of each validation row, or test row, in the table's order.

    ``predicted``: as :data:`~wineexp.data.classes.Target` has it in its own terms.
    """
    if test:
        rows, actual, twins = split.test_rows, split.y_test, split.test_twins
    else:
        rows, actual, twins = split.valid_rows, split.y_valid, split.twins
    found = _class_columns(split.target, actual, predicted) if isinstance(split.target, Classes) else {}
    columns = {
        "row": rows,
        "actual": actual,
        "predicted": predicted,
        "twin": twins,
        "cluster": split.clusters[rows],
    }
    return pd.DataFrame({name: found.pop(name, value) for name, value in columns.items()} | found)


def training_frame(split: Split, predicted: Array) -> pd.DataFrame:
    """``actual`` and ``predicted`` of the training rows, with classes also the probability of each label."""
    if isinstance(split.target, Classes):
        return pd.DataFrame(_class_columns(split.target, split.y_train, predicted))
    return pd.DataFrame({"actual": split.y_train, "predicted": predicted})


def _class_columns(classes: Classes, codes: Array, predicted: Array) -> dict[str, Any]:
    """``actual``, ``predicted`` and the probability of each label, shape (rows,)."""
    return of_labels(classes.labels, classes.likely(predicted), predicted, classes.named(codes))


def history_columns(loss: str, *, eval_train: bool) -> tuple[str, ...]:
    """The columns of a history behind the epoch: losses, and with classes the share of right labels."""
    return LOSS_COLUMNS[: 2 + eval_train] + (ACCURACY_COLUMNS if loss in CLASS_LOSSES else ())


def history_frame(rows: Iterable[Sequence[float]], spec: RunSpec | None = None) -> pd.DataFrame:
    """``epoch``, from 0, and the :func:`history_columns` of a spec, by default those of as many losses."""
    rows = list(rows)
    columns = LOSS_COLUMNS[: len(rows[0]) if rows else 2]
    if spec is not None:
        columns = history_columns(spec.loss, eval_train=spec.eval_train)
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
