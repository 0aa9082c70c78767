"""The state of a plan while it trains: ended runs, the losses of each, an estimate of the remaining time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from wineexp import runtime
from wineexp.data.split import split_table
from wineexp.execution.executor import operations
from wineexp.execution.plan import Plan
from wineexp.runs.metrics import baseline_loss
from wineexp.runs.record import Environment
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec, deciding

__all__ = ["LossesSoFar", "Speed", "Standing", "estimate_seconds", "measured_speeds"]


@dataclass
class LossesSoFar:
    """The losses of a run while it trains.

    Attributes
    ----------
    epochs : int
        Epochs done.
    loss, val_loss, best : float
        The last epoch's; the lowest val_loss so far, infinite if there is none.
    """

    epochs: int = 0
    loss: float = math.nan
    val_loss: float = math.nan
    best: float = math.inf

    def hear(self, epoch: int, loss: float, val_loss: float) -> None:
        """Add the losses of an epoch, counted from 0; a retried run begins anew."""
        before = self.best if epoch else math.inf
        self.best = val_loss if val_loss < before else before
        self.epochs, self.loss, self.val_loss = epoch + 1, loss, val_loss


#: A training step costs as much as so many passes forward.
PASSES_A_STEP = 3


class Standing:
    """The counts of a plan's runs that are to be trained.

    Attributes
    ----------
    planned, done, failed, interrupted : int
        An interrupted run is still to be trained, so it is no progress.
    amended : set of RunSpec
        Those whose finished runs only get their passes.
    running : dict of RunSpec to LossesSoFar
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.specs = plan.waiting
        self.amended = {entry.spec for entry in plan.entries if entry.train and entry.amends is not None}
        self.planned = len(self.specs)
        self.done = self.failed = self.interrupted = 0
        self.running: dict[RunSpec, LossesSoFar] = {}
        self._work = sum(map(self._work_of, self.specs))
        self._work_ended = 0.0
        self._constants: dict[Sequence[object], float] = {}
        self.began = time.monotonic()
        self._first_epoch: float | None = None

    @property
    def left(self) -> int:
        """The number of runs still to be trained, including those in training."""
        return self.planned - self.done - self.failed

    @property
    def is_training(self) -> bool:
        """Whether any epoch was reported, or a run has ended."""
        return self._first_epoch is not None or self.left < self.planned

    @property
    def fraction(self) -> float:
        """The part of the work that is done: the epochs of all runs, weighted by their cost."""
        under_way = sum(self._work_of(spec) * one.epochs / spec.epochs for spec, one in list(self.running.items()))
        return min(1.0, (self._work_ended + under_way) / self._work) if self._work else 1.0

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace since the first epoch; None if there is no basis for one."""
        passed = time.monotonic() - (self.began if self._first_epoch is None else self._first_epoch)
        fraction = self.fraction
        return passed * (1 / fraction - 1) if fraction else None

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        """A run has finished an epoch, counted from 0."""
        if self._first_epoch is None:
            self._first_epoch = time.monotonic()
        self.running.setdefault(spec, LossesSoFar()).hear(epoch, loss, val_loss)

    def ended(self, run: Run) -> None:
        """A run has ended."""
        self.running.pop(run.spec, None)
        if run.status == "interrupted":
            self.interrupted += 1
            return
        self.done += run.status == "done"
        self.failed += run.status == "failed"
        self._work_ended += self._work_of(run.spec)

    def constant(self, spec: RunSpec) -> float:
        """The validation loss of always predicting the training rows' best constant."""
        key = tuple(getattr(spec, name) for name in deciding("constant"))
        if key not in self._constants:
            split = split_table(self._plan.table, spec)
            self._constants[key] = baseline_loss(spec.loss, split.loss_train, split.loss_valid)
        return self._constants[key]

    def _work_of(self, spec: RunSpec) -> float:
        training = operations(spec, len(self._plan.table.frame), self._plan.parameters(spec))
        if spec not in self.amended:
            return training
        return training * spec.mc_passes / (PASSES_A_STEP * spec.epochs + spec.mc_passes)


#: Runs are similar if their parameters differ at most by this factor; beyond it the time per parameter changes.
SIMILAR = 3.0


#: Facts that must be equal for an earlier run to show the speed of this machine.
MACHINE = ("platform", "processor", "cores", "threads")

#: Seconds in which processes and TensorFlow start, on 2 cores; little compared with a batch worth an estimate.
START_SECONDS = 5.0


@dataclass(frozen=True)
class Speed:
    """The durations of one earlier run: seconds besides its epochs, and seconds per epoch."""

    parameters: int
    outside: float
    epoch: float


def measured_speeds(runs: Iterable[Run]) -> list[Speed]:
    """The speeds of finished runs on this kind of machine with one thread, as workers have."""
    here = Environment(**runtime.environment(1))
    speeds = []
    for run in runs:
        record = run.record
        timing, there = record.timing, record.environment
        alike = all(getattr(there, key) == getattr(here, key) for key in MACHINE)
        epoch = timing.epoch_seconds
        if run.status == "done" and alike and epoch is not None and timing.epochs and timing.run_seconds:
            parameters = record.spec.parameter_count(len(record.data.features), len(record.data.labels))
            speeds.append(Speed(parameters, timing.run_seconds - epoch * timing.epochs, epoch))
    return speeds


def estimate_seconds(
    specs: Sequence[RunSpec], count: Callable[[RunSpec], int], speeds: Sequence[Speed], jobs: int
) -> float | None:
    """Wall seconds to train ``specs`` with ``jobs`` workers; None if one of them has no similar earlier run.

    ``count`` returns a spec's parameters. All epochs are counted: early stopping can only make it shorter.
    """
    total = 0.0
    for spec in specs:
        parameters = count(spec)
        similar = [s for s in speeds if abs(math.log(s.parameters / parameters)) <= math.log(SIMILAR)]
        if not similar:
            return None
        epoch = statistics.median(s.epoch * parameters / s.parameters for s in similar)
        total += statistics.median(s.outside for s in similar) + epoch * spec.epochs
    return START_SECONDS + total / max(1, min(jobs, len(specs)))
