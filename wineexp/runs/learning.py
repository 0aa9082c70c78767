"""Whether a run has learnt anything, from its record, history and predictions: asked before any verdict on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wineexp.runs.metrics import stopping
from wineexp.runs.probabilities import codes_of, has_probabilities, probabilities
from wineexp.runs.score import VAL_MAE, Figures, Score
from wineexp.text import format_number, one_line

if TYPE_CHECKING:
    import pandas as pd

    from wineexp.runs.run import Run

__all__ = ["Learning", "TargetScale", "fall", "learning"]

#: A line through the last third of the val_losses that falls by more than this share of its last value, in half
#: as many epochs again, is still falling. Of 120 healthy runs (tests/support/troubled.py) one is.
FALLING = 0.05

#: Standard errors by which the slope is below 0, or else it may be the curve's noise: the lesson's model has
#: a fall of 0.11 and 1.9 of them, healthy runs have up to 3.7, runs that were stopped too early at least 8.
CERTAIN = 5.0

#: Fewer epochs than this say nothing about a line.
FEWEST_EPOCHS = 6

#: Predictions that vary less than this share of the target's standard deviation are a constant.
CONSTANT = 0.01

#: The target's spread, its mean, and its mean in units of its spread, beyond which a network that starts near 0
#: has a long way to go. Measured on 400 rows of a made-up table, 64x2, 100 epochs of two steps; skill is 0.66 with
#: a standardized target. Spread 0.1: 0.47, 0.03: -0.18; 20: 0.68, 50: 0.68 and still falling. Spread 1, mean 5:
#: -0.03, 10: -1.06. Spread 0.1, mean 5: -8.4. The red-wine table's quality, mean 5.6 and spread 0.8, is learnt.
LEAST_SPREAD, MOST_SPREAD, MOST_MEAN, MOST_RATIO = 0.1, 30.0, 9.0, 20.0

#: What helps a target of another scale.
SCALE_TARGET = "--scale-target standard"


@dataclass(frozen=True)
class TargetScale:
    """A target whose scale is far from 1, and which the loss sees as it is."""

    name: str
    mean: float
    sd: float

    @property
    def words(self) -> str:
        """``price has mean 203,114 and sd 80,240, and the loss sees it as it is``."""
        shown = " and ".join(f"{what} {value:.4g}" for what, value in (("mean", self.mean), ("sd", self.sd)))
        return f"{one_line(self.name)} has {shown}, and the loss sees it as it is"


@dataclass(frozen=True)
class Learning:
    """What shows that a run has not learnt, or not yet. Each is None if it cannot be known.

    Attributes
    ----------
    score : Score
        What is judged.
    figures : Figures
        Of the run, on the judged rows.
    loses_to_constant : bool or None
        Whether its score is not below the best constant's.
    falls : float or None
        By what share of its last value the line through the last third of the val_losses would fall in half as
        many epochs again, 0 if that may be noise; None after fewer than 6 epochs in that third, or where patience
        ran out.
    constant_predictions : bool or None
        Whether its predictions of the validation rows are nearly equal.
    diverged : bool
    target_scale : TargetScale or None
        If the target's scale is far from 1, and the loss sees it as it is.
    """

    score: Score
    figures: Figures
    loses_to_constant: bool | None
    falls: float | None
    constant_predictions: bool | None
    diverged: bool
    target_scale: TargetScale | None

    @property
    def still_falling(self) -> bool | None:
        """Whether val_loss falls fast enough at the end that more epochs would lower it."""
        return None if self.falls is None else self.falls > FALLING

    @property
    def has_learnt(self) -> bool:
        """Whether nothing shows that it has not."""
        return not any(
            (self.loses_to_constant, self.still_falling, self.constant_predictions, self.diverged),
        )

    @property
    def remedy(self) -> str | None:
        """The one flag that helps a run that has not learnt, where the target's scale is far from 1."""
        return None if self.has_learnt or self.target_scale is None else SCALE_TARGET

    @property
    def words(self) -> tuple[str, ...]:
        """What shows that it has not learnt, each with its figures; worst first, empty if nothing does."""
        return tuple(self._words())

    def _words(self) -> Iterator[str]:
        score, constant = self.figures.score, self.figures.constant
        if self.diverged:
            yield "diverged: the loss or a prediction was not finite"
        if self.constant_predictions:
            yield "predicts a constant: its predictions of the validation rows are all but equal"
        if self.loses_to_constant and score is not None and constant is not None:
            yield (
                f"loses to the constant: {self.score.name} {format_number(score, '.3f')}, always predicting "
                f"{self.score.constant_words} {format_number(constant, '.3f')}"
            )
        if self.still_falling and self.falls is not None:
            yield f"still falling: val_loss would fall by another {self.falls:.0%} in half as many epochs again"


def learning(run: Run, score: Score = VAL_MAE) -> Learning:
    """Whether a run has learnt, judged by ``score``; of a lone picture or history, what can be known."""
    figures = score.figures(run)
    known = figures.score is not None and figures.constant is not None
    predictions = run.predictions
    diverged = run.is_recorded and run.status == "failed" and run.record.reason == "diverged"
    return Learning(
        score,
        figures,
        figures.score >= figures.constant if known else None,  # type: ignore[operator]
        _falls(run),
        None if predictions is None else _is_constant(predictions),
        diverged,
        None if predictions is None else _target_scale(run, predictions),
    )


def fall(losses: npt.NDArray[np.floating[Any]]) -> float | None:
    """By what share of its last value the line through the last third falls in half as many epochs again.

    0 if its slope is not below 0 by :data:`CERTAIN` standard errors; None if there are too few finite losses.
    """
    third = losses[len(losses) - len(losses) // 3 :]
    epochs, known = np.arange(len(third)), np.isfinite(third)
    if known.sum() < FEWEST_EPOCHS:
        return None
    (slope, start), covariance = np.polyfit(epochs[known], third[known], 1, cov=True)
    last = start + slope * (len(third) - 1)
    if slope >= -CERTAIN * np.sqrt(covariance[0, 0]):
        return 0.0
    return float(-slope * len(losses) / 2 / last) if last > 0 else None


def _falls(run: Run) -> float | None:
    if run.status != "done":
        return None
    losses = run.history["val_loss"].to_numpy(float)
    stopped = stopping(run.spec, losses.tolist()) if run.is_recorded else None
    return None if stopped and stopped.ran_out else fall(losses)


def _is_constant(predictions: pd.DataFrame) -> bool:
    if has_probabilities(predictions):
        p = probabilities(predictions)
        actual, predicted = np.eye(p.shape[1])[codes_of(predictions)].std(axis=0), p.std(axis=0)
        return bool(actual.max() > 0 and predicted.max() < CONSTANT * actual.max())
    if predictions["actual"].dtype.kind not in "iuf":
        return False  # labels of another tool, without probabilities
    actual, predicted = (predictions[name].to_numpy(np.float64) for name in ("actual", "predicted"))
    return bool(actual.std() > 0 and predicted.std() < CONSTANT * actual.std())


def _target_scale(run: Run, predictions: pd.DataFrame) -> TargetScale | None:
    if not run.is_recorded or run.spec.scale_target != "none" or run.spec.has_classes:
        return None
    actual = predictions["actual"].to_numpy(np.float64)
    mean, sd = float(actual.mean()), float(actual.std())
    is_far = abs(mean) > min(MOST_MEAN, MOST_RATIO * sd) or not LEAST_SPREAD <= sd <= MOST_SPREAD
    return TargetScale(run.spec.target, mean, sd) if is_far else None
