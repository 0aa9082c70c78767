"""What one run gives, in memory: plain data that crosses processes and machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp import runtime
from wineexp.data.split import describe, split_table
from wineexp.data.table import Table
from wineexp.specs.run_spec import RunSpec

__all__ = ["RunResult", "baseline_loss", "best_constant", "history_frame", "measure", "unfinished"]

Array = npt.NDArray[np.floating[Any]]
Status = Literal["done", "failed", "interrupted"]
Reason = Literal["diverged", "error", "timeout", "killed"]


@dataclass(frozen=True)
class RunResult:
    """One run's result.

    Attributes
    ----------
    spec : RunSpec
    status, reason
        ``failed`` has a reason; the others have none.
    fingerprint : str
        The table's.
    history : pandas.DataFrame
        ``epoch`` (int, from 0), ``loss``, ``val_loss`` (float).
    predictions : pandas.DataFrame or None
        ``row, actual, predicted, twin`` of each validation row; None unless done.
    metrics, data, timing, environment : dict
        JSON-ready, as in run.json. Seconds are wall time.
    model : bytes or None
        The ``.keras`` file.
    error : str or None
        Reason and traceback of a failed run.
    """

    spec: RunSpec
    status: Status
    fingerprint: str
    history: pd.DataFrame
    reason: Reason | None = None
    predictions: pd.DataFrame | None = None
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    model: bytes | None = None
    error: str | None = None


def history_frame(rows: Iterable[tuple[float, float]]) -> pd.DataFrame:
    """``epoch, loss, val_loss`` of (loss, val_loss) pairs, epochs from 0."""
    frame = pd.DataFrame(list(rows), columns=["loss", "val_loss"], dtype=float)
    frame.insert(0, "epoch", range(len(frame)))
    return frame


def unfinished(
    spec: RunSpec, table: Table, status: Status, reason: Reason | None = None, error: str | None = None, *,
    history: pd.DataFrame, threads: int, timing: dict[str, float] | None = None,
) -> RunResult:  # fmt: skip
    """The result of a run that did not come to its end: what is known of it, and why."""
    split = split_table(table, spec)
    return RunResult(
        spec=spec,
        status=status,
        fingerprint=table.fingerprint,
        history=history,
        reason=reason,
        metrics=baselines(spec.loss, split.y_train, split.y_valid),  # the curves' axes hang on them
        data=describe(table, split),
        timing=timing or {},
        environment=runtime.environment(threads),
        error=f"{reason}: {error}" if error else None,
    )


def measure(
    loss: str, history: pd.DataFrame, train: tuple[Array, Array], valid: tuple[Array, Array],
    twins: npt.NDArray[np.bool_],
) -> dict[str, float | int | None]:  # fmt: skip
    """The metrics of a finished run.

    Parameters
    ----------
    loss : {"mae", "mse", "huber"}
    history : pandas.DataFrame
        ``epoch, loss, val_loss``.
    train, valid : pairs of arrays of shape (rows,)
        Actual and predicted targets, in inference mode.
    twins : bool array, shape (validation rows,)

    Returns
    -------
    dict
        ``val_mae_se`` is the standard deviation of the absolute errors over the square root of the rows;
        ``baseline_mae`` the validation MAE of always saying the training median; ``skill`` is
        ``1 - val_mae / baseline_mae``, None where the baseline is perfect.
    """
    error = np.abs(valid[0].astype(np.float64) - valid[1])
    constants = baselines(loss, train[0], valid[0])
    baseline = constants["baseline_mae"]
    val_mae = float(error.mean())
    best = int(np.nanargmin(history["val_loss"].to_numpy()))
    return {
        "loss": float(history["loss"].iloc[-1]),
        "val_loss": float(history["val_loss"].iloc[-1]),
        "best_val_loss": float(history["val_loss"].iloc[best]),
        "best_epoch": int(history["epoch"].iloc[best]),
        "last10_val_loss": float(history["val_loss"].tail(10).mean()),
        "train_mae": float(np.abs(train[0].astype(np.float64) - train[1]).mean()),
        "val_mae": val_mae,
        "val_mae_se": float(error.std(ddof=1) / np.sqrt(len(error))),
        "val_rmse": float(np.sqrt((error**2).mean())),
        **constants,
        "skill": 1 - val_mae / baseline if baseline > 0 else None,
        "val_mae_twins": float(error[twins].mean()) if twins.any() else None,
        "val_mae_unseen": float(error[~twins].mean()) if not twins.all() else None,
    }


def best_constant(loss: str, y: Array) -> float:
    """The constant with the least loss on ``y``: median for mae, mean for mse, between them for huber."""
    y = y.astype(np.float64)
    if loss == "mae":
        return float(np.median(y))
    if loss == "mse":
        return float(y.mean())
    low, high = float(y.min()), float(y.max())
    for _ in range(100):  # bisection: the Huber loss is convex and its slope is the mean clipped residual
        middle = (low + high) / 2
        low, high = (middle, high) if np.clip(y - middle, -1, 1).mean() > 0 else (low, middle)
    return (low + high) / 2


def baselines(loss: str, y_train: Array, y_valid: Array) -> dict[str, float]:
    """What always predicting one constant gives on the validation rows, as MAE and in the run's loss."""
    return {
        "baseline_mae": baseline_loss("mae", y_train, y_valid),
        "baseline_loss": baseline_loss(loss, y_train, y_valid),
    }


def baseline_loss(loss: str, y_train: Array, y_valid: Array) -> float:
    """Validation loss of always predicting the training rows' best constant."""
    error = np.abs(y_valid.astype(np.float64) - best_constant(loss, y_train))
    if loss == "mae":
        return float(error.mean())
    if loss == "mse":
        return float((error**2).mean())
    return float(np.where(error <= 1, error**2 / 2, error - 0.5).mean())  # Keras's Huber, delta 1
