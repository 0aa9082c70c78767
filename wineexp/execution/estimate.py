"""How long runs will take, estimated from earlier runs of similar size on this machine."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from wineexp import runtime
from wineexp.runs.record import Environment
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

__all__ = ["Speed", "estimate_seconds", "measured_speeds"]

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


def measured_speeds(runs: Iterable[Run], threads: int) -> list[Speed]:
    """The speeds of finished runs on this kind of machine with this many threads."""
    here = Environment(**runtime.environment(threads))
    speeds = []
    for run in runs:
        record = run.record
        timing, there = record.timing, record.environment
        alike = all(getattr(there, key) == getattr(here, key) for key in MACHINE)
        epoch = timing.epoch_seconds
        if run.status == "done" and alike and epoch is not None and timing.epochs and timing.run_seconds:
            parameters = record.spec.parameter_count(len(record.data.features))
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
