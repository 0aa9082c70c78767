"""What shows a fault of a run: its plain facts, and each fault's figures in words, None where it has none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wineexp.runs.learning import Learning, learning
from wineexp.runs.metrics import Stopping, stopping
from wineexp.runs.probabilities import codes_of, has_probabilities, probabilities
from wineexp.runs.record import Metrics
from wineexp.runs.run import Run
from wineexp.runs.score import own_score
from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of, epoch_number, format_number, one_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "HELD",
    "Facts",
    "ModelFacts",
    "averages_lag",
    "below_by_dropout",
    "below_by_moving",
    "best_past",
    "constant_predictions",
    "cut",
    "dead_units",
    "diverged",
    "dropout_shifts",
    "feature_scale",
    "features_are_far",
    "few_rows",
    "loses_to_constant",
    "spikes",
    "still_falling",
    "target_scale",
    "twins",
    "watched",
]

Floats = npt.NDArray[np.floating[Any]]

# Thresholds are chosen on the runs of tests/support/troubled.py: 40 healthy ones on five tables, and five for each
# fault.

#: Another way to predict (the mean of passes, each batch's statistics) is better by this factor of the MAE.
#: Healthy runs have at most 1.06 (passes) and 0.98 (batches); planted ones at least 1.65 and 1.9.
BETTER = 1.25

#: Without the model: the loss on the training rows with dropout off, over that of training (roots, for mse).
#: Healthy runs have at most 1.02, overfitting ones without dropout 1.21; planted ones 1.73 and more.
BETTER_IN_TRAINING = 1.4

#: How far dropout moves the mean prediction, in standard deviations of the target. Healthy: at most 0.11;
#: planted: at least 1.
SHIFT = 0.3

#: The share of the moving averages' first values that is still in them. Healthy: at most 1e-7; planted: 0.14 to
#: 0.98.
HELD = 0.05

#: The share of a hidden layer's units that are 0 on every validation row. Healthy: at most 0.22; three layers of
#: 1024 on unscaled features, which learn well, 0.83; planted: at least 0.95.
DEAD = 0.9

#: val_loss over the last five epochs, over the best epoch's. Healthy: at most 1.05; planted: at least 1.26.
PAST = 1.15

#: The validation rows' MAE over that of the training rows, if these are learnt by heart. Where val_loss rises for
#: another reason it is at most 1.37; planted: at least 2.7.
BY_HEART = 1.5

#: A loss over the median of the ten epochs around it. Healthy: at most 1.24; planted: at least 1.6.
SPIKE = 1.5

#: Epochs on each side of one that might be a spike. In the first fifth losses fall too fast to have any.
AROUND = 5

#: The largest absolute value of an unscaled feature. On a made-up table (64x2, 60 epochs) skill is 0.62 up to 10,
#: 0.55 at 34, -0.06 at 100, -1.9 at 336.
LARGE_FEATURE = 30.0

#: Rows in a batch from which batch normalization's statistics are of use. On a made-up table (64x2) skill is 0.32,
#: 0.44 and 0.50 with 2, 3 and 4 rows, 0.55 to 0.63 with more; without batch normalization 0.65 with any.
FEW_ROWS = 5

#: The training loss over the constant's of a run that has not begun to learn. Where nothing can be learnt it is
#: about 1 at first, and falls as rows are learnt by heart; planted: at least 3.
NOT_BEGUN = 1.2

#: The MAE on twins over that on the others, where it is said: healthy runs on the red-wine table have 0.6 to 0.85.
TWINS = 0.9


@dataclass(frozen=True)
class ModelFacts:
    """What only the model can tell, with the run's table.

    Attributes
    ----------
    passes_error, passes_mean : float or None
        The score (MAE, log loss) of the mean of passes with dropout on, over the validation rows, and the mean of
        what is :func:`watched` in it; None without dropout.
    batches_error : float or None
        The score on the training rows with dropout off and each batch's statistics; None without batch norm.
    dead : tuple of (str, float)
        For each hidden layer the share of units that are 0 on every validation row.
    """

    passes_error: float | None = None
    passes_mean: float | None = None
    batches_error: float | None = None
    dead: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Facts:
    """The plain facts of a run that was trained to its end, or diverged.

    Attributes
    ----------
    path : Path
        Its directory.
    spec : RunSpec
    metrics : Metrics
    learning : Learning
    loss, val_loss : float arrays, shape (epochs,)
    actual, predicted : float arrays, shape (validation rows,), or None
        What is :func:`watched` of the predictions.
    train_rows : int
    features : tuple of (str, float)
        Each feature with its largest absolute value in the training rows.
    loss_unit : float or None
        How many of the target's units are one of the loss's; None if they are no multiple of each other.
    model : ModelFacts or None
    """

    path: Path
    spec: RunSpec
    metrics: Metrics
    learning: Learning
    loss: Floats
    val_loss: Floats
    actual: Floats | None
    predicted: Floats | None
    train_rows: int
    features: tuple[tuple[str, float], ...]
    loss_unit: float | None
    model: ModelFacts | None = None

    @classmethod
    def of(cls, run: Run, model: ModelFacts | None = None) -> Facts:
        """The facts of a run; raise ``RunError`` if its files are damaged."""
        data, spec, table = run.record.data, run.spec, run.predictions
        score = own_score(spec)
        actual, predicted = (None, None) if table is None else watched(table)
        passes = score.other_way.predictions(run) if spec.mc_passes else None
        if passes is not None and spec.has_dropout():
            error, mean = float(score.errors(passes).mean()), float(watched(passes)[1].mean())
            model = replace(model or ModelFacts(), passes_error=error, passes_mean=mean)
        fitted, history = data.target_scaling, run.history
        return cls(
            path=run.path,
            spec=spec,
            metrics=run.record.metrics,
            learning=learning(run, score),
            loss=history["loss"].to_numpy(float),
            val_loss=history["val_loss"].to_numpy(float),
            actual=actual,
            predicted=predicted,
            train_rows=data.train_rows,
            features=tuple(
                (name, max(map(abs, ends))) for name, ends in zip(data.features, data.ranges, strict=False)
            ),
            loss_unit=None if spec.scale_target == "log" else fitted.scale if fitted else 1.0,
            model=model,
        )

    @cached_property
    def stopped(self) -> Stopping | None:
        """What early stopping did."""
        return stopping(self.spec, self.val_loss.tolist())

    @property
    def kept(self) -> int:
        """The epoch whose weights the model has."""
        return self.stopped.best if self.stopped and self.stopped.restored else len(self.loss) - 1

    @property
    def normalizes(self) -> bool:
        """Whether there is any batch normalization."""
        return self.spec.normalizes()

    @property
    def held(self) -> float:
        """The share of the moving averages' first values that is still in them: momentum to the power of steps."""
        batches = -(-self.train_rows // self.spec.batch_size)
        return float(self.spec.bn_momentum ** ((self.kept + 1) * batches))

    @property
    def in_training(self) -> tuple[float, float] | None:
        """The error on the training rows as the model predicts, and as in its training, in the loss's units.

        For ``mse`` the roots; None where the loss is no such error.
        """
        metrics, unit, loss = self.metrics, self.loss_unit, float(self.loss[self.kept])
        kinds = {"mae": metrics.train_mae, "mse": metrics.train_rmse}
        error = metrics.train_log_loss if self.spec.has_classes else kinds.get(self.spec.loss)
        if error is None or unit is None:
            return None
        return error / unit, loss**0.5 if self.spec.loss == "mse" else loss

    @property
    def error(self) -> float | None:
        """The score on the validation rows."""
        return self._scored(self.learning.score.key)

    @property
    def train_error(self) -> float | None:
        """The score on the training rows, dropout off."""
        return self._scored(self.learning.score.train_key)

    def _scored(self, key: str) -> float | None:
        value: float | None = getattr(self.metrics, key)
        return value

    def say(self, side: str) -> str:
        """``val MAE``, ``train log loss``."""
        return f"{side} {self.learning.score.measure}"


def watched(table: pd.DataFrame) -> tuple[Floats, Floats]:
    """Actual and predicted numbers; of classes, of the commonest label: 1 for its rows, and its probability."""
    if not has_probabilities(table):
        return table["actual"].to_numpy(float), table["predicted"].to_numpy(float)
    codes = codes_of(table)
    label = int(np.bincount(codes).argmax())
    return (codes == label).astype(float), probabilities(table)[:, label]


def _number(value: float) -> str:
    return format_number(value, ".3f")


def diverged(facts: Facts) -> str | None:
    if not facts.learning.diverged:
        return None
    last = f", loss {_number(facts.loss[-1])} in the last" if len(facts.loss) else ""
    return f"a number was not finite after {count_of(len(facts.loss), 'epoch')}{last}"


def dropout_shifts(facts: Facts) -> str | None:
    if not facts.spec.has_dropout() or facts.actual is None or facts.predicted is None:
        return None
    model, off, sd = facts.model, float(facts.predicted.mean()), float(facts.actual.std())
    mean = f"mean {one_line(facts.spec.target)}"
    if facts.spec.has_classes:
        mean = "share of the commonest label"
    target = f"mean prediction {_number(off)}, {mean} {_number(facts.actual.mean())}"
    if model is not None and model.passes_error is not None and model.passes_mean is not None:
        off_error = float(np.abs(facts.actual - facts.predicted).mean())
        error = facts.error if facts.spec.has_classes else off_error
        if error is None or error <= BETTER * model.passes_error or abs(off - model.passes_mean) <= SHIFT * sd:
            return None
        on = f"{_number(model.passes_error)} as the mean of passes with it on"
        return f"{facts.say('val')} {_number(error)} with dropout off, {on}; {target}"
    both = None if facts.normalizes else facts.in_training
    if both is None or both[0] <= BETTER_IN_TRAINING * both[1]:
        return None
    off_and_on = f"{_number(both[0])} with dropout off, {_number(both[1])} as they were trained"
    return f"the training rows' error is {off_and_on}; {target}"


def averages_lag(facts: Facts) -> str | None:
    if not facts.normalizes or facts.spec.batch_size < FEW_ROWS:
        return None
    held = f"; after training they still hold {facts.held:.0%} of their first values" if facts.held > HELD else ""
    own, by_batch = facts.train_error, facts.model.batches_error if facts.model else None
    if own is not None and by_batch is not None:
        if own <= BETTER * by_batch:
            return None
        statistics = f"{_number(by_batch)} with each batch's statistics{held}"
        return f"{facts.say('train')} {_number(own)} with them, {statistics}"
    both = None if facts.spec.has_dropout() else facts.in_training
    if both is None or both[0] <= BETTER_IN_TRAINING * both[1]:
        return None
    return (
        f"the training rows' error is {_number(both[0])} with them, {_number(both[1])} as they were trained{held}"
    )


def dead_units(facts: Facts) -> str | None:
    worst = max(facts.model.dead if facts.model else (), key=lambda layer: layer[1], default=None)
    if worst is None or worst[1] < DEAD:
        return None
    return f"{worst[1]:.0%} of the units of {worst[0]} are 0 on every validation row"


def constant_predictions(facts: Facts) -> str | None:
    if not facts.learning.constant_predictions or facts.predicted is None or facts.actual is None:
        return None
    of = "probabilities of the commonest label " if facts.spec.has_classes else ""
    has = "its indicator" if facts.spec.has_classes else one_line(facts.spec.target)
    return (
        f"{of}all about {_number(facts.predicted.mean())}, with sd {facts.predicted.std():.2g} where "
        f"{has} has {facts.actual.std():.2g}"
    )


def loses_to_constant(facts: Facts) -> str | None:
    figures, score = facts.learning.figures, facts.learning.score
    if not facts.learning.loses_to_constant or figures.score is None or figures.constant is None:
        return None
    return (
        f"{score.name} {_number(figures.score)}, always predicting {score.constant_words} gives "
        f"{_number(figures.constant)}"
    )


def still_falling(facts: Facts) -> str | None:
    if not facts.learning.still_falling or facts.learning.falls is None or best_past(facts):
        return None
    return (
        f"val_loss {_number(facts.val_loss[-1])} in the last of {count_of(len(facts.val_loss), 'epoch')}; at its "
        f"pace another {min(facts.learning.falls, 1):.0%} lower after half as many again"
    )


def best_past(facts: Facts) -> str | None:
    losses, train, valid = facts.val_loss, facts.train_error, facts.error
    if train is None or valid is None or valid <= BY_HEART * train:
        return None
    if facts.kept != len(losses) - 1 or len(losses) < 2 * AROUND:
        return None
    best, last = int(np.argmin(losses)), float(losses[-AROUND:].mean())
    if best >= len(losses) / 2 or last <= PAST * losses[best]:
        return None
    return (
        f"val_loss was lowest in epoch {epoch_number(best)} of {len(losses)}, {_number(losses[best])}, and is "
        f"{_number(last)} over the last {AROUND}; {facts.say('train')} {_number(train)}, {facts.say('val')} "
        f"{_number(valid)}"
    )


def spikes(facts: Facts) -> str | None:
    lags = averages_lag(facts) is not None  # then val_loss jumps with the moving averages
    for name, losses in (("loss", facts.loss), *([] if lags else [("val_loss", facts.val_loss)])):
        start = max(AROUND, len(losses) // 5 + 1)
        ratios = {epoch: _over_neighbours(losses, epoch) for epoch in range(start, len(losses) - 1)}
        high = [epoch for epoch, ratio in ratios.items() if ratio > SPIKE]
        if high:
            worst = max(high, key=ratios.__getitem__)
            others = f"; {len(high) - 1} more are as high" if len(high) > 2 else ""
            return (
                f"epoch {epoch_number(worst)} has a {name} of {_number(losses[worst])}, {ratios[worst]:.1f} times "
                f"that of the epochs around it{others}"
            )
    return None


def _over_neighbours(losses: Floats, epoch: int) -> float:
    around = np.concatenate([losses[epoch - AROUND : epoch], losses[epoch + 1 : epoch + 1 + AROUND]])
    median = float(np.median(around))
    return float(losses[epoch] / median) if median > 0 else 0.0


def target_scale(facts: Facts) -> str | None:
    scale = facts.learning.target_scale
    return scale.words if scale is not None and not facts.learning.has_learnt else None


def feature_scale(facts: Facts) -> str | None:
    if not features_are_far(facts) or not any(shows(facts) for shows in _OF_SCALE):
        return None
    name, size = max(facts.features, key=lambda feature: feature[1])
    return f"{one_line(name)} has values of up to {size:.4g}, and scale is none"


def features_are_far(facts: Facts) -> bool:
    raw = facts.spec.scale == "none" and not facts.spec.bn_input
    return raw and max((size for _, size in facts.features), default=0.0) > LARGE_FEATURE


def few_rows(facts: Facts) -> str | None:
    rows = min(facts.spec.batch_size, facts.train_rows)
    if not facts.normalizes or rows >= FEW_ROWS:
        return None
    return f"each mean and variance in training is of {count_of(rows, 'row')}"


def cut(facts: Facts) -> str | None:
    stopped, constant = facts.stopped, facts.metrics.baseline_loss
    if stopped is None or not stopped.ran_out or stopped.epochs >= stopped.planned or constant is None:
        return None
    best, loss = float(facts.val_loss.min()), float(facts.loss[-1])
    lags = facts.normalizes and facts.held > HELD
    if best < constant or not (lags or loss > NOT_BEGUN * constant):
        return None
    return (
        f"it ended after epoch {stopped.epochs} of {stopped.planned}, with a best val_loss of {_number(best)}; a "
        f"constant has {_number(constant)}"
    )


def _below(facts: Facts, how: str) -> str | None:
    """val_loss lies below loss, and the training rows would too, measured as the validation rows are."""
    both = facts.in_training
    loss, val_loss = float(facts.loss[-10:].mean()), float(facts.val_loss[-10:].mean())
    if val_loss >= loss or both is None or both[0] >= both[1]:
        return None
    error = "root mean squared error" if facts.spec.loss == "mse" else "loss"
    last = f"the last {count_of(min(10, len(facts.loss)), 'epoch')}"
    return (
        f"loss {_number(loss)} and val_loss {_number(val_loss)} over {last}; {how} the training rows' {error} is "
        f"{_number(both[0])}, not {_number(both[1])}"
    )


def below_by_dropout(facts: Facts) -> str | None:
    return _below(facts, "with dropout off") if facts.spec.has_dropout() else None


def below_by_moving(facts: Facts) -> str | None:
    return None if facts.spec.has_dropout() else _below(facts, "after the epoch")


def twins(facts: Facts) -> str | None:
    key = facts.learning.score.key
    twins, unseen = (getattr(facts.metrics, f"{key}_{part}") for part in ("twins", "unseen"))
    if twins is None or unseen is None or twins >= TWINS * unseen:
        return None
    if facts.learning.loses_to_constant:
        return None  # nothing was learnt, so nothing by heart
    return (
        f"{facts.say('val')} {_number(twins)} on rows that were also trained on, {_number(unseen)} on the others"
    )


#: The faults that values far from 1 can cause.
_OF_SCALE = (
    *(diverged, dropout_shifts, averages_lag, dead_units, constant_predictions),
    *(loses_to_constant, still_falling, spikes),
)
