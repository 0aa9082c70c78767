"""The metrics of a finished run and of always predicting one constant, and what early stopping did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.facts import TableFacts
from wineexp.data.split import Split
from wineexp.runs.probabilities import (
    LEAST,
    MOST,
    as_passes,
    auc,
    codes_of,
    constant_errors,
    has_probabilities,
    probabilities,
    row_errors,
)
from wineexp.runs.record import Metrics
from wineexp.specs.fields import CLASS_SCORES
from wineexp.specs.run_spec import CLASS_LOSSES, RunSpec
from wineexp.text import count_of, epoch_number

__all__ = [
    "Stopping",
    "baseline_loss",
    "baselines",
    "best_constant",
    "measure",
    "measure_classes",
    "of_classes",
    "of_history",
    "of_passes",
    "of_predictions",
    "of_test",
    "stopping",
]

Array = npt.NDArray[np.floating[Any]]


def measure(
    constants: Mapping[str, float],
    history: pd.DataFrame,
    train: tuple[Array, Array],
    valid: tuple[Array, Array],
    twins: npt.NDArray[np.bool_],
    test: tuple[Array, Array] | None = None,
) -> Metrics:
    """The metrics of a finished run.

    Parameters
    ----------
    constants : mapping of str to float
        As :func:`baselines` returns them.
    history : pandas.DataFrame
        ``epoch, loss, val_loss``.
    train, valid : pairs of arrays of shape (rows,)
        Actual and predicted targets, in inference mode, in the target's own units.
    twins : bool array, shape (validation rows,)
    test : pair of arrays of shape (test rows,), optional
        As ``train`` and ``valid``, if there are test rows.

    Returns
    -------
    Metrics
        ``val_mae_se`` is the standard deviation of the absolute errors over the square root of the rows;
        ``baseline_mae`` the validation MAE of always predicting the training median, ``baseline_rmse`` the
        validation RMSE of always predicting the training mean; ``skill`` is ``1 - val_mae /
        baseline_mae``, None if the baseline is perfect.
    """
    return Metrics.of(
        {
            "train_mae": float(np.abs(train[0].astype(np.float64) - train[1]).mean()),
            "train_rmse": float(np.sqrt(((train[0].astype(np.float64) - train[1]) ** 2).mean())),
            **constants,
            **of_history({name: history[name].to_numpy() for name in ("epoch", "loss", "val_loss")}),
            **of_predictions(valid, twins, constants["baseline_mae"]),
            **(of_test(test) if test is not None else {}),
        }
    )


def measure_classes(
    history: pd.DataFrame,
    train: pd.DataFrame,
    valid: pd.DataFrame,
    test: pd.DataFrame | None,
    data: TableFacts,
    baseline_loss: float,
) -> Metrics:
    """The metrics of a finished run that predicts classes.

    Parameters
    ----------
    history : DataFrame
        ``epoch, loss, val_loss, ...``
    train, valid : DataFrame
        ``actual``, ``predicted`` and the probability of each label; of validation and test rows also ``twin``.
    test : DataFrame or None
        If there are test rows.
    data : TableFacts
        With the labels and their shares.
    baseline_loss : float
        The validation loss of always predicting these.
    """
    columns = {name: history[name].to_numpy() for name in ("epoch", "loss", "val_loss")}
    scores = {f"train_{name}": float(row_errors(train, name).mean()) for name in CLASS_SCORES}
    return Metrics.of(
        {**scores, "baseline_loss": baseline_loss, **of_history(columns), **of_classes(valid, data)}
        | ({} if test is None else of_classes(test, data, "test"))
    )


def of_classes(table: pd.DataFrame, data: TableFacts, side: str = "val") -> dict[str, float | None]:
    """The metrics of one side's predicted classes, with those of the constant for validation rows."""
    scores = {name: row_errors(table, name) for name in CLASS_SCORES}
    losses = scores["log_loss"]
    found: dict[str, float | None] = {f"{side}_{name}": float(errors.mean()) for name, errors in scores.items()}
    found |= {
        f"{side}_log_loss_se": float(losses.std(ddof=1) / np.sqrt(len(losses))) if len(losses) > 1 else None,
        f"{side}_accuracy": 1.0 - float(scores["error_rate"].mean()),
        f"{side}_auc": auc(codes_of(table), probabilities(table)),
    }
    if has_probabilities(table, passes=True):
        found |= _of_mean_passes(table, side)
    if side != "val":
        return found
    baselines = {name: float(constant_errors(table, name, data.shares).mean()) for name in CLASS_SCORES}
    twins, baseline = table["twin"].to_numpy(bool), baselines["log_loss"]
    return (
        found
        | {f"baseline_{name}": value for name, value in baselines.items()}
        | {
            "skill": 1 - float(losses.mean()) / baseline if baseline else None,
            "val_log_loss_twins": float(losses[twins].mean()) if twins.any() else None,
            "val_log_loss_unseen": float(losses[~twins].mean()) if not twins.all() else None,
        }
    )


def _of_mean_passes(table: pd.DataFrame, side: str) -> dict[str, float]:
    """The scores of one side's mean of passes."""
    means = as_passes(table)
    return {f"{side}_{name}_mc": float(row_errors(means, name).mean()) for name in CLASS_SCORES}


def of_history(history: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
    """The metrics that a finished run's history gives: ``epoch, loss, val_loss``, at least one epoch."""
    val_losses = history["val_loss"]
    best = int(np.nanargmin(val_losses))
    return {
        "loss": float(history["loss"][-1]),
        "val_loss": float(val_losses[-1]),
        "best_val_loss": float(val_losses[best]),
        "best_epoch": int(history["epoch"][best]),
        "last10_val_loss": float(val_losses[-10:].mean()),
    }


def of_predictions(
    valid: tuple[Array, Array], twins: npt.NDArray[np.bool_], baseline: float | None
) -> dict[str, float | None]:
    """The metrics of validation rows, actual and predicted; ``baseline`` is the constant's MAE on them."""
    error = np.abs(valid[0].astype(np.float64) - valid[1])
    val_mae = float(error.mean())
    return {
        "val_mae": val_mae,
        "val_mae_se": float(error.std(ddof=1) / np.sqrt(len(error))),
        "val_rmse": float(np.sqrt((error**2).mean())),
        "skill": 1 - val_mae / baseline if baseline else None,
        "val_mae_twins": float(error[twins].mean()) if twins.any() else None,
        "val_mae_unseen": float(error[~twins].mean()) if not twins.all() else None,
    }


def of_test(test: tuple[Array, Array]) -> dict[str, float]:
    """The metrics of test rows, actual and predicted."""
    error = np.abs(test[0].astype(np.float64) - test[1])
    return {
        "test_mae": float(error.mean()),
        "test_mae_se": float(error.std(ddof=1) / np.sqrt(len(error))),
        "test_rmse": float(np.sqrt((error**2).mean())),
    }


def of_passes(valid: pd.DataFrame, test: pd.DataFrame | None) -> dict[str, float]:
    """The metrics of the means of passes: of tables with ``actual`` and ``predicted_mc``, or ``p_mc_<label>``."""
    found: dict[str, float] = {}
    for side, table in (("val", valid), ("test", test)):
        if table is not None and has_probabilities(table, passes=True):
            found |= _of_mean_passes(table, side)
        elif table is not None:
            # In float32, like the run's own: a CSV's text of it is another float64.
            actual, predicted = (table[name].to_numpy(np.float32) for name in ("actual", "predicted_mc"))
            error = actual.astype(np.float64) - predicted
            found[f"{side}_mae_mc"] = float(np.abs(error).mean())
            found[f"{side}_rmse_mc"] = float(np.sqrt((error**2).mean()))
    return found


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


def baselines(loss: str, split: Split) -> dict[str, float]:
    """The error of always predicting one constant on the validation rows, as MAE, RMSE and in the run's loss.

    For classes in the loss alone.
    """
    if split.labels:
        return {"baseline_loss": baseline_loss(loss, split.loss_train, split.loss_valid)}
    return {
        "baseline_mae": baseline_loss("mae", split.y_train, split.y_valid),
        "baseline_rmse": float(np.sqrt(baseline_loss("mse", split.y_train, split.y_valid))),
        "baseline_loss": baseline_loss(loss, split.loss_train, split.loss_valid),
    }


def baseline_loss(loss: str, y_train: Array, y_valid: Array) -> float:
    """Validation loss of always predicting the training rows' best constant; targets as the loss sees them.

    The best constant of a cross-entropy is the share of each label, here clipped as in the log loss: it may be 0.
    """
    if loss in CLASS_LOSSES:
        sides = [y.astype(np.float64) for y in (y_train, y_valid)]
        if loss == "binary_crossentropy":
            sides = [np.stack([1 - y, y], axis=1) for y in sides]
        shares = np.clip(sides[0].mean(axis=0), LEAST, MOST)
        return float(-(sides[1] * np.log(shares)).sum(axis=1).mean())
    error = np.abs(y_valid.astype(np.float64) - best_constant(loss, y_train))
    if loss == "mae":
        return float(error.mean())
    if loss == "mse":
        return float((error**2).mean())
    return float(np.where(error <= 1, error**2 / 2, error - 0.5).mean())  # Keras's Huber, delta 1


@dataclass(frozen=True)
class Stopping:
    """How a run with early stopping ended; epochs are counted from 0.

    Attributes
    ----------
    epochs, planned : int
        The number of epochs trained, and the number planned.
    best : int
        The best epoch according to early stopping: a later one only counts as better if its val_loss is lower by
        ``min_delta``.
    restored : bool
        Whether that epoch's weights were kept, not the last one's.
    ran_out : bool
        Whether ``patience`` epochs passed without a better one.
    """

    epochs: int
    planned: int
    best: int
    restored: bool
    ran_out: bool

    @property
    def words(self) -> str:
        """``stopped after epoch 82 of 400; weights of epoch 77 kept``."""
        if self.epochs < self.planned:
            ended = f"{'stopped' if self.ran_out else 'ended'} after epoch {self.epochs} of {self.planned}"
        elif self.ran_out:
            ended = f"patience ran out in the last of {count_of(self.planned, 'epoch')}"
        else:
            ended = f"patience did not run out in {count_of(self.planned, 'epoch')}"
        return f"{ended}; {self.kept}"

    @property
    def kept(self) -> str:
        """``weights of epoch 77 kept``, or ``weights of the last epoch kept``."""
        which = f"epoch {epoch_number(self.best)}" if self.restored else "the last epoch"
        return f"weights of {which} kept"


def stopping(spec: RunSpec, val_losses: Sequence[float]) -> Stopping | None:
    """What early stopping did, from the epochs' val_loss; None for a spec without it.

    It follows Keras's ``EarlyStopping``: in float32, with ``min_delta`` subtracted from the best so far.
    """
    if spec.patience is None or not len(val_losses):
        return None
    best, waited, ran_out = 0, 0, False
    for epoch, loss in enumerate(val_losses):
        if epoch == 0 or np.float32(loss + spec.min_delta) < np.float32(val_losses[best]):
            best, waited = epoch, 0
        else:
            waited += 1
            ran_out = waited >= spec.patience
    return Stopping(len(val_losses), spec.epochs, best, spec.restore_best, ran_out)
