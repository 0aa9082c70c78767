"""What is wrong with a run: each fault and explanation declared once, with what it means and what to try."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wineexp.notebook.card import Card, to_html
from wineexp.runs import symptoms
from wineexp.runs.directory import SPEC
from wineexp.runs.learning import SCALE_TARGET
from wineexp.runs.run import Run
from wineexp.runs.symptoms import HELD, Facts
from wineexp.specs.run_spec import optimizer_defaults
from wineexp.specs.wording import format_value
from wineexp.text import count_of, indent, one_line

__all__ = ["EXPLANATIONS", "FAULTS", "Diagnosis", "Finding", "diagnose", "first_fault", "unfinished"]


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

    def as_text(self, *, told: bool = False) -> str:
        """The sentence, and below it what it means and, unless that was told before, what to try."""
        below = indent(self.meaning if told else f"{self.meaning}\ntry: {self.command}")
        return f"{self.sentence}\n{below}"


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
    return "--scale standard" if symptoms.features_are_far(facts) else None


def _steadier(facts: Facts) -> str:
    """For units that died: a rate that is not above the usual, scaled features, an activation without a zero."""
    if _is_fast(facts):
        return _slower(facts)
    return _scaled(facts) or ("--activation elu" if facts.spec.activation != "elu" else _longer(facts))


def _less_dropout(facts: Facts) -> str:
    if symptoms.features_are_far(facts):
        return "--scale standard"
    rates = [rate / 2 for rate in facts.spec.rates()]
    if not any(rates):
        return f"--dropout-input {facts.spec.dropout_input / 2:g}"
    return f"--dropout {format_value(rates[0] if len(set(rates)) == 1 else rates)}"


def _quicker_averages(facts: Facts) -> str:
    if facts.held <= HELD:
        return (
            "--scale standard" if symptoms.features_are_far(facts) else f"--batch-size {4 * facts.spec.batch_size}"
        )
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
    return _patience(facts) if symptoms.best_past(facts) else _longer(facts)


def _patience(facts: Facts) -> str:
    return f"--patience {max(5, facts.spec.epochs // 10)}"


def _third_curve(facts: Facts) -> str:
    """A third curve; where it is there, a look inside."""
    return f"wineexp inspect {shlex.quote(str(facts.path))}" if facts.spec.eval_train else "--eval-train"


_BELOW = "val_loss lies below loss, which is no fault"

_DIVERGED = Cause("diverged", "It diverged", "Its steps are too large for this table.", symptoms.diverged, _slower)
_DROPOUT = Cause(
    "dropout", "Dropout shifts the predictions",
    "The weights were trained to be right with units dropped; with all of them the sums are others.",
    symptoms.dropout_shifts, _less_dropout,
)  # fmt: skip
_AVERAGES = Cause(
    "moving_averages", "Batch norm's moving averages do not fit",
    "Predictions use them in place of each batch's own mean and variance.",
    symptoms.averages_lag, _quicker_averages,
)  # fmt: skip
_DEAD = Cause(
    "dead_units",
    "Units are dead",
    "They pass nothing on, and no gradient comes back to revive them.",
    symptoms.dead_units,
    _steadier,
)
_CONSTANT = Cause(
    "constant",
    "It predicts a constant",
    "The features have no influence on what it predicts.",
    symptoms.constant_predictions,
    _steadier,
)
_LOSES = Cause(
    "loses",
    "It loses to a constant",
    "It has learnt nothing yet that a single number would not say.",
    symptoms.loses_to_constant,
    _better,
)
_FALLING = Cause(
    "still_falling", "Its val_loss is still falling", "It was stopped before it had learnt what it can.",
    symptoms.still_falling, lambda facts: SCALE_TARGET if facts.learning.target_scale else _longer(facts),
)  # fmt: skip
_SPIKES = Cause(
    "spikes", "The loss has spikes", "Single steps undo what many have learnt.", symptoms.spikes, _slower
)

#: What can be wrong with a run, worst first.
FAULTS = (
    _DIVERGED, _DROPOUT, _AVERAGES, _DEAD, _CONSTANT, _LOSES, _FALLING,
    Cause(
        "best_past", "Its best epoch is long past", "Since then it has learnt the training rows by heart.",
        symptoms.best_past, _patience,
    ),
    _SPIKES,
    Cause(
        "target_scale", "The target is far from unit scale",
        "A network starts near 0 and takes steps of the learning rate's size, whatever the target's.",
        symptoms.target_scale, lambda _: SCALE_TARGET,
    ),
    Cause(
        "feature_scale", "The features are far from unit scale",
        "The largest of them decide what the first layer gives, and how far a step goes.",
        symptoms.feature_scale, lambda _: "--scale standard",
    ),
    Cause(
        "few_rows", "Batch norm has batches of few rows",
        "Such means and variances are mostly noise, and unlike the moving averages that predict.",
        symptoms.few_rows, lambda _: "--batch-size 32",
    ),
    Cause(
        "cut", "Early stopping cut a slow start", "Patience ran out before it had begun to learn.",
        symptoms.cut, lambda facts: f"--patience {max(20, 5 * (facts.spec.patience or 1))}",
    ),
)  # fmt: skip

#: What looks like a fault and is none.
EXPLANATIONS = (
    Cause(
        "val_loss_below", _BELOW, "Dropout is on while loss is measured, and off for val_loss.",
        symptoms.below_by_dropout, _third_curve,
    ),
    Cause(
        "val_loss_below", _BELOW, "loss is the mean over an epoch in which the weights still improve.",
        symptoms.below_by_moving, _third_curve,
    ),
    Cause(
        "twins", "Rows seen in training score better",
        "Validation rows that equal a training row are remembered, not predicted.",
        symptoms.twins, lambda _: "--split grouped",
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


def unfinished(run: Run) -> Finding:
    """All that can be said of a run that was interrupted, or failed for another reason than its numbers."""
    epochs, record = len(run.history), run.record
    error = f": {one_line(record.error)}" if record.error else ""
    return Finding(
        "unfinished",
        "It has not finished",
        f"{record.outcome} after {count_of(epochs, 'epoch')} of {run.spec.epochs}{error}",
        "What a run that was cut short looks like says little about its settings.",
        f"wineexp train {shlex.quote(str(run.path / SPEC))}",
    )


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
        parts = [one_line(self.title) if self.faults else f"{one_line(self.title)}\nNothing stands out."]
        told: set[str] = set()  # what helps against one fault often helps against the next
        for finding in (*self.faults, *self.explanations):
            parts.append(finding.as_text(told=finding.command in told))
            told.add(finding.command)
        return parts

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
