"""What is wrong with a run, as sentences: found in plain facts, each with its figures and a command to try."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wineexp.notebook.card import Card, to_html
from wineexp.runs.directory import SPEC
from wineexp.runs.learning import SCALE_TARGET, Learning, learning
from wineexp.runs.metrics import Stopping, stopping
from wineexp.runs.record import Metrics
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec, optimizer_defaults
from wineexp.specs.wording import format_value
from wineexp.text import count_of, epoch_number, format_number, indent, one_line

__all__ = ["EXPLANATIONS", "FAULTS", "Diagnosis", "Facts", "Finding", "ModelFacts", "diagnose", "first_fault"]

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
    passes_mae, passes_mean : float or None
        Of the mean of passes with dropout on, over the validation rows; None without dropout.
    batches_mae : float or None
        MAE on the training rows with dropout off and each batch's statistics; None without batch normalization.
    dead : tuple of (str, float)
        For each hidden layer the share of units that are 0 on every validation row.
    """

    passes_mae: float | None = None
    passes_mean: float | None = None
    batches_mae: float | None = None
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
        actual, predicted = (
            None if table is None else table[name].to_numpy(float) for name in ("actual", "predicted")
        )
        if table is not None and "predicted_mc" in table:
            passes = table["predicted_mc"].to_numpy(float)
            mae, mean = float(np.abs(actual - passes).mean()), float(passes.mean())
            model = replace(model or ModelFacts(), passes_mae=mae, passes_mean=mean)
        fitted, history = data.target_scaling, run.history
        return cls(
            path=run.path,
            spec=spec,
            metrics=run.record.metrics,
            learning=learning(run),
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
        return self.spec.bn != "none" or self.spec.bn_input

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
        error = {"mae": metrics.train_mae, "mse": metrics.train_rmse}.get(self.spec.loss)
        if error is None or unit is None:
            return None
        return error / unit, loss if self.spec.loss == "mae" else loss**0.5


@dataclass(frozen=True)
class Cause:
    """A fault, or an explanation of what only looks like one.

    Attributes
    ----------
    key : str
        In JSON.
    title : str
    meaning : str
        One line.
    evidence : callable
        The figures that show it, in words; None if the facts do not show it.
    tries : callable
        What to try: flags for the run's spec, or a whole command.
    """

    key: str
    title: str
    meaning: str
    evidence: Callable[[Facts], str | None]
    tries: Callable[[Facts], str]


@dataclass(frozen=True)
class Finding:
    """One sentence about a run.

    Attributes
    ----------
    key : str
    title, evidence, meaning : str
        What it is, the figures that show it, and what that means.
    command : str
        To try.
    """

    key: str
    title: str
    evidence: str
    meaning: str
    command: str

    @property
    def sentence(self) -> str:
        """Title and evidence."""
        return f"{self.title}: {self.evidence}"

    def as_text(self) -> str:
        """The sentence, and below it what it means and what to try."""
        below = indent(f"{self.meaning}\ntry: {self.command}")
        return f"{self.sentence}\n{below}"


# -- what shows a fault ---------------------------------------------------------------------------


def _number(value: float) -> str:
    return format_number(value, ".3f")


def _diverged(facts: Facts) -> str | None:
    if not facts.learning.diverged:
        return None
    last = f", loss {_number(facts.loss[-1])} in the last" if len(facts.loss) else ""
    return f"a number was not finite after {count_of(len(facts.loss), 'epoch')}{last}"


def _dropout_shifts(facts: Facts) -> str | None:
    if not facts.spec.has_dropout() or facts.actual is None or facts.predicted is None:
        return None
    model, off, sd = facts.model, float(facts.predicted.mean()), float(facts.actual.std())
    target = f"mean prediction {_number(off)}, mean {one_line(facts.spec.target)} {_number(facts.actual.mean())}"
    if model is not None and model.passes_mae is not None and model.passes_mean is not None:
        mae = float(np.abs(facts.actual - facts.predicted).mean())
        if mae <= BETTER * model.passes_mae or abs(off - model.passes_mean) <= SHIFT * sd:
            return None
        on = f"{_number(model.passes_mae)} as the mean of passes with it on"
        return f"val MAE {_number(mae)} with dropout off, {on}; {target}"
    both = None if facts.normalizes else facts.in_training
    if both is None or both[0] <= BETTER_IN_TRAINING * both[1]:
        return None
    off_and_on = f"{_number(both[0])} with dropout off, {_number(both[1])} as they were trained"
    return f"the training rows' error is {off_and_on}; {target}"


def _averages_lag(facts: Facts) -> str | None:
    if not facts.normalizes or facts.spec.batch_size < FEW_ROWS:
        return None
    held = f"; after training they still hold {facts.held:.0%} of their first values" if facts.held > HELD else ""
    own, by_batch = facts.metrics.train_mae, facts.model.batches_mae if facts.model else None
    if own is not None and by_batch is not None:
        if own <= BETTER * by_batch:
            return None
        return f"train MAE {_number(own)} with them, {_number(by_batch)} with each batch's statistics{held}"
    both = None if facts.spec.has_dropout() else facts.in_training
    if both is None or both[0] <= BETTER_IN_TRAINING * both[1]:
        return None
    return (
        f"the training rows' error is {_number(both[0])} with them, {_number(both[1])} as they were trained{held}"
    )


def _dead(facts: Facts) -> str | None:
    worst = max(facts.model.dead if facts.model else (), key=lambda layer: layer[1], default=None)
    if worst is None or worst[1] < DEAD:
        return None
    return f"{worst[1]:.0%} of the units of {worst[0]} are 0 on every validation row"


def _constant(facts: Facts) -> str | None:
    if not facts.learning.constant_predictions or facts.predicted is None or facts.actual is None:
        return None
    return (
        f"all about {_number(facts.predicted.mean())}, with sd {facts.predicted.std():.2g} where "
        f"{one_line(facts.spec.target)} has {facts.actual.std():.2g}"
    )


def _loses(facts: Facts) -> str | None:
    figures, score = facts.learning.figures, facts.learning.score
    if not facts.learning.loses_to_constant or figures.score is None or figures.constant is None:
        return None
    return (
        f"{score.name} {_number(figures.score)}, always predicting {score.constant_words} gives "
        f"{_number(figures.constant)}"
    )


def _falling(facts: Facts) -> str | None:
    if not facts.learning.still_falling or facts.learning.falls is None or _past(facts):
        return None
    return (
        f"val_loss {_number(facts.val_loss[-1])} in the last of {count_of(len(facts.val_loss), 'epoch')}; at its "
        f"pace another {min(facts.learning.falls, 1):.0%} lower after half as many again"
    )


def _past(facts: Facts) -> str | None:
    losses, train, valid = facts.val_loss, facts.metrics.train_mae, facts.metrics.val_mae
    if train is None or valid is None or valid <= BY_HEART * train:
        return None
    if facts.kept != len(losses) - 1 or len(losses) < 2 * AROUND:
        return None
    best, last = int(np.argmin(losses)), float(losses[-AROUND:].mean())
    if best >= len(losses) / 2 or last <= PAST * losses[best]:
        return None
    return (
        f"val_loss was lowest in epoch {epoch_number(best)} of {len(losses)}, {_number(losses[best])}, and is "
        f"{_number(last)} over the last {AROUND}; train MAE {_number(train)}, val MAE {_number(valid)}"
    )


def _spikes(facts: Facts) -> str | None:
    lags = _averages_lag(facts) is not None  # then val_loss jumps with the moving averages
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


def _target_scale(facts: Facts) -> str | None:
    scale = facts.learning.target_scale
    return scale.words if scale is not None and not facts.learning.has_learnt else None


def _feature_scale(facts: Facts) -> str | None:
    if not _features_are_far(facts) or not any(cause.evidence(facts) for cause in _OF_SCALE):
        return None
    name, size = max(facts.features, key=lambda feature: feature[1])
    return f"{one_line(name)} has values of up to {size:.4g}, and scale is none"


def _features_are_far(facts: Facts) -> bool:
    raw = facts.spec.scale == "none" and not facts.spec.bn_input
    return raw and max((size for _, size in facts.features), default=0.0) > LARGE_FEATURE


def _few_rows(facts: Facts) -> str | None:
    rows = min(facts.spec.batch_size, facts.train_rows)
    if not facts.normalizes or rows >= FEW_ROWS:
        return None
    return f"each mean and variance in training is of {count_of(rows, 'row')}"


def _cut(facts: Facts) -> str | None:
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
    error = "loss" if facts.spec.loss == "mae" else "root mean squared error"
    last = f"the last {count_of(min(10, len(facts.loss)), 'epoch')}"
    return (
        f"loss {_number(loss)} and val_loss {_number(val_loss)} over {last}; {how} the training rows' {error} is "
        f"{_number(both[0])}, not {_number(both[1])}"
    )


def _below_by_dropout(facts: Facts) -> str | None:
    return _below(facts, "with dropout off") if facts.spec.has_dropout() else None


def _below_by_moving(facts: Facts) -> str | None:
    return None if facts.spec.has_dropout() else _below(facts, "after the epoch")


def _twins(facts: Facts) -> str | None:
    twins, unseen = facts.metrics.val_mae_twins, facts.metrics.val_mae_unseen
    if twins is None or unseen is None or twins >= TWINS * unseen:
        return None
    if facts.learning.loses_to_constant:
        return None  # nothing was learnt, so nothing by heart
    return f"val MAE {_number(twins)} on rows that were also trained on, {_number(unseen)} on the others"


# -- what to try ----------------------------------------------------------------------------------


def _slower(facts: Facts) -> str:
    usual = optimizer_defaults({"optimizer": facts.spec.optimizer})["learning_rate"]
    return f"--learning-rate {min(usual, (facts.spec.learning_rate or usual) / 10):.2g}"


def _longer(facts: Facts) -> str:
    return f"--epochs {2 * facts.spec.epochs}"


def _is_fast(facts: Facts) -> bool:
    usual = optimizer_defaults({"optimizer": facts.spec.optimizer})["learning_rate"]
    return facts.spec.learning_rate is not None and facts.spec.learning_rate > 2 * usual


def _scaled(facts: Facts) -> str | None:
    """Scaling the target or the features, whichever is far from 1."""
    if facts.learning.target_scale is not None:
        return SCALE_TARGET
    return "--scale standard" if _features_are_far(facts) else None


def _steadier(facts: Facts) -> str:
    """For units that died: a rate that is not above the usual, scaled features, an activation without a zero."""
    if _is_fast(facts):
        return _slower(facts)
    return _scaled(facts) or ("--activation elu" if facts.spec.activation != "elu" else _longer(facts))


def _less_dropout(facts: Facts) -> str:
    if _features_are_far(facts):
        return "--scale standard"
    rates = [rate / 2 for rate in facts.spec.rates()]
    if not any(rates):
        return f"--dropout-input {facts.spec.dropout_input / 2:g}"
    return f"--dropout {format_value(rates[0] if len(set(rates)) == 1 else rates)}"


def _quicker_averages(facts: Facts) -> str:
    if facts.held <= HELD:
        return "--scale standard" if _features_are_far(facts) else f"--batch-size {4 * facts.spec.batch_size}"
    return "--bn-momentum 0.9" if facts.spec.bn_momentum > 0.9 else _longer(facts)


def _better(facts: Facts) -> str:
    """For a run that loses to the constant, what its facts suggest first."""
    for cause in (_DROPOUT, _AVERAGES, _DEAD):
        if cause.evidence(facts):
            return cause.tries(facts)
    if _is_fast(facts):
        return _slower(facts)
    if scaled := _scaled(facts):
        return scaled
    return _patience(facts) if _past(facts) else _longer(facts)


def _patience(facts: Facts) -> str:
    return f"--patience {max(5, facts.spec.epochs // 10)}"


def _third_curve(facts: Facts) -> str:
    """A third curve; where it is there, a look inside."""
    return f"wineexp inspect {shlex.quote(str(facts.path))}" if facts.spec.eval_train else "--eval-train"


_BELOW = "val_loss lies below loss, which is no fault"

_DIVERGED = Cause("diverged", "It diverged", "Its steps are too large for this table.", _diverged, _slower)
_DROPOUT = Cause(
    "dropout", "Dropout shifts the predictions",
    "The weights were trained to be right with units dropped; with all of them the sums are others.",
    _dropout_shifts, _less_dropout,
)  # fmt: skip
_AVERAGES = Cause(
    "moving_averages", "Batch norm's moving averages do not fit",
    "Predictions use them in place of each batch's own mean and variance.",
    _averages_lag, _quicker_averages,
)  # fmt: skip
_DEAD = Cause(
    "dead_units",
    "Units are dead",
    "They pass nothing on, and no gradient comes back to revive them.",
    _dead,
    _steadier,
)
_CONSTANT = Cause(
    "constant",
    "It predicts a constant",
    "The features have no influence on what it predicts.",
    _constant,
    _steadier,
)
_LOSES = Cause(
    "loses",
    "It loses to a constant",
    "It has learnt nothing yet that a single number would not say.",
    _loses,
    _better,
)
_FALLING = Cause(
    "still_falling", "Its val_loss is still falling", "It was stopped before it had learnt what it can.",
    _falling, lambda facts: SCALE_TARGET if facts.learning.target_scale else _longer(facts),
)  # fmt: skip
_SPIKES = Cause("spikes", "The loss has spikes", "Single steps undo what many have learnt.", _spikes, _slower)

#: The faults that values far from 1 can cause.
_OF_SCALE = (_DIVERGED, _DROPOUT, _AVERAGES, _DEAD, _CONSTANT, _LOSES, _FALLING, _SPIKES)

#: What can be wrong with a run, worst first.
FAULTS = (
    _DIVERGED, _DROPOUT, _AVERAGES, _DEAD, _CONSTANT, _LOSES, _FALLING,
    Cause(
        "best_past", "Its best epoch is long past", "Since then it has learnt the training rows by heart.",
        _past, _patience,
    ),
    _SPIKES,
    Cause(
        "target_scale", "The target is far from unit scale",
        "A network starts near 0 and takes steps of the learning rate's size, whatever the target's.",
        _target_scale, lambda _: SCALE_TARGET,
    ),
    Cause(
        "feature_scale", "The features are far from unit scale",
        "The largest of them decide what the first layer gives, and how far a step goes.",
        _feature_scale, lambda _: "--scale standard",
    ),
    Cause(
        "few_rows", "Batch norm has batches of few rows",
        "Such means and variances are mostly noise, and unlike the moving averages that predict.",
        _few_rows, lambda _: "--batch-size 32",
    ),
    Cause(
        "cut", "Early stopping cut a slow start", "Patience ran out before it had begun to learn.",
        _cut, lambda facts: f"--patience {max(20, 5 * (facts.spec.patience or 1))}",
    ),
)  # fmt: skip

#: What looks like a fault and is none.
EXPLANATIONS = (
    Cause(
        "val_loss_below", _BELOW, "Dropout is on while loss is measured, and off for val_loss.",
        _below_by_dropout, _third_curve,
    ),
    Cause(
        "val_loss_below", _BELOW, "loss is the mean over an epoch in which the weights still improve.",
        _below_by_moving, _third_curve,
    ),
    Cause(
        "twins", "Rows seen in training score better",
        "Validation rows that equal a training row are remembered, not predicted.",
        _twins, lambda _: "--split grouped",
    ),
)  # fmt: skip


def diagnose(facts: Facts) -> tuple[list[Finding], list[Finding]]:
    """The faults that the facts show, worst first, and the explanations."""
    faults, explanations = (list(_found(causes, facts)) for causes in (FAULTS, EXPLANATIONS))
    return faults, [] if facts.learning.diverged else explanations


def _found(causes: tuple[Cause, ...], facts: Facts) -> Iterator[Finding]:
    for cause in causes:
        if facts.learning.diverged and cause is not _DIVERGED and cause.key != "feature_scale":
            continue  # nothing else is known of it
        evidence = cause.evidence(facts)
        if evidence is not None:
            tried = cause.tries(facts)
            if tried.startswith("--"):
                tried = f"wineexp train {shlex.quote(str(facts.path / SPEC))} {tried}"
            yield Finding(cause.key, cause.title, evidence, cause.meaning, tried)


def first_fault(run: Run) -> Finding | None:
    """The worst fault of a finished run that shows without its model."""
    return next(_found(FAULTS, Facts.of(run)), None)


@dataclass(frozen=True)
class Diagnosis:
    """The result of :func:`wineexp.why`.

    Attributes
    ----------
    run : Path
        The run's directory.
    title : str
        The run in a few words.
    faults, explanations : tuple of Finding
        What is wrong, worst first; what only looks like it.
    left_out : tuple of str
        What could not be judged, and why.
    """

    run: Path
    title: str
    faults: tuple[Finding, ...]
    explanations: tuple[Finding, ...]
    left_out: tuple[str, ...] = ()

    def parts(self) -> list[str]:
        """For people: the title, each finding, what was left out."""
        lines = [one_line(self.title) if self.faults else f"{one_line(self.title)}\nNothing stands out."]
        return [*lines, *(finding.as_text() for finding in (*self.faults, *self.explanations))]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        told = {
            name: [
                {"key": finding.key, "title": finding.title, "evidence": finding.evidence,
                 "meaning": finding.meaning, "command": finding.command}
                for finding in getattr(self, name)
            ]
            for name in ("faults", "explanations")
        }  # fmt: skip
        return {"run": str(self.run), **told, "left_out": list(self.left_out)}

    def __repr__(self) -> str:
        found = "; ".join(finding.title for finding in self.faults) or "nothing stands out"
        return one_line(f"Diagnosis({self.title}: {found})")

    def _repr_html_(self) -> str:
        lines = [line for part in self.parts()[1:] for line in part.splitlines()]
        if not self.faults:
            lines.insert(0, "Nothing stands out.")
        return to_html(Card(self.title, lines=tuple(lines), notes=self.left_out))
