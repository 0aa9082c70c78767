"""Notifications during training: progress bars, commands and exporters are observers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from wineexp.execution.executor import Place
from wineexp.execution.plan import Plan
from wineexp.runs.run import Run
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec

__all__ = ["Observer", "Observers", "names_text", "not_named_text", "waiting_text"]


def waiting_text(count: int, owner: str, claim: Path) -> str:
    """Which process is waited for, and what the user can do."""
    runs, them = (f"{count} runs", "them") if count > 1 else ("a run", "it")
    return (
        f"waiting for {runs} that {owner} is training. If it dies, this process trains {them} within a minute. "
        f"If nothing is training there any more, delete {claim}"
    )


def not_named_text(run: Run, names: Sequence[str], problem: str) -> str:
    """Which names were not added to a run, and why."""
    return f"{run.path}: {names_text(names)} not added: {problem}"


def names_text(names: Sequence[str]) -> str:
    """``name 'x'`` or ``names 'x', 'y'``."""
    return f"name{'s' if len(names) > 1 else ''} {', '.join(map(repr, names))}"


class Observer:
    """Notified of events. This one is silent, but warns of problems outside the training."""

    def started(self, plan: Plan) -> None:
        """Training is about to begin."""

    def placed(self, place: Place, count: int) -> None:
        """``count`` runs begin to train at ``place``; not called if there is nothing to train."""

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        """``spec`` has finished an epoch, counted from 0."""

    def losses(self, spec: RunSpec, epoch: int, losses: Sequence[float]) -> None:
        """As :meth:`epoch`, which it calls, with all losses: with ``eval_train`` the third is train_loss."""
        self.epoch(spec, epoch, losses[0], losses[1])

    def waiting(self, count: int, owner: str, claim: Path) -> None:
        """``count`` runs are waited for: another process, ``owner``, has them; ``claim`` is the first's file."""
        warnings.warn(waiting_text(count, owner, claim), stacklevel=2)

    def gone(self, path: Path) -> None:
        """A finished run was deleted by someone else before the others had ended."""
        warnings.warn(f"{path}: was deleted while other runs were training", stacklevel=2)

    def ended(self, run: Run) -> None:
        """A run has ended and is recorded, by this process or another that trained it meanwhile."""

    def named(self, run: Run, names: Sequence[str]) -> None:
        """A finished run was requested under these names, which are new to it: they are added to its record."""

    def not_named(self, run: Run, names: Sequence[str], problem: str) -> None:
        """As :meth:`named`, but they could not be added; everything else goes on."""
        warnings.warn(not_named_text(run, names, problem), stacklevel=2)

    def looked(self, number: int, looks: Looks, told: Sequence[str], still_open: Sequence[str]) -> None:
        """Look ``number`` of ``looks``: variants ``told`` differ from the reference, the others are still open."""

    def sent(self, text: str) -> None:
        """How many runs were sent on to one place; called once, at the end."""

    def not_sent(self, problem: str) -> None:
        """A finished run could not be sent on; training goes on."""
        warnings.warn(problem, stacklevel=2)

    def close(self) -> None:
        """Nothing more will happen; also called if a command ends early."""


class Observers(Observer):
    """Several observers as one: each is notified of every event, but only the first reports problems."""

    def __init__(self, *observers: Observer) -> None:
        self.observers = observers

    def close(self) -> None:
        for observer in reversed(self.observers):  # the last may have something to report to the first
            observer.close()


#: Events that :class:`Observer` itself reports, as a warning; once is enough.
PROBLEMS = {"waiting", "gone", "not_named", "not_sent"}


def _forwarding(event: str) -> Callable[..., None]:
    def notify(self: Observers, *facts: Any) -> None:
        for observer in self.observers[: 1 if event in PROBLEMS else None]:
            getattr(observer, event)(*facts)

    return notify


for _event in [name for name in vars(Observer) if not name.startswith("_") and name not in vars(Observers)]:
    setattr(Observers, _event, _forwarding(_event))
