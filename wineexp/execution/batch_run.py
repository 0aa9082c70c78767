"""Many runs: plan them, skip what is done, execute, and record each the moment it ends."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from wineexp.data.split import split_table
from wineexp.data.table import Table
from wineexp.execution.executor import Executor, Task
from wineexp.runs.directory import Run, check_writable, find_runs
from wineexp.runs.result import RunResult
from wineexp.runs.writer import record
from wineexp.specs.run_spec import RunSpec

__all__ = ["Observer", "Planned", "check_table", "execute", "plan"]


@dataclass(frozen=True)
class Planned:
    """One run of a plan.

    Attributes
    ----------
    spec : RunSpec
    names : tuple of str
        Every name that a config gives this spec.
    before : Run or None
        The run that stands for it already, whatever became of it.
    train : bool
        Whether it is to be trained now.
    """

    spec: RunSpec
    names: tuple[str, ...]
    before: Run | None
    train: bool


class Observer:
    """Hears what happens; this one says nothing."""

    def started(self, plan: Sequence[Planned]) -> None:
        """Training is about to begin."""

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        """``spec`` has finished an epoch."""

    def ended(self, run: Run) -> None:
        """A run has ended and stands recorded."""

    def close(self) -> None:
        """Nothing more will happen; called too when a command ends early."""


def plan(
    specs: Sequence[RunSpec], fingerprint: str, out: Path, *, force: bool = False, skip_failed: bool = False
) -> list[Planned]:
    """One entry for each signature among ``specs``, in their order, with what stands in ``out`` already."""
    before: dict[str, Run] = {}
    for run in find_runs(out):
        if run.signature not in before or run.status == "done":
            before[run.signature] = run
    together: dict[str, list[RunSpec]] = {}
    for spec in specs:
        together.setdefault(spec.signature(fingerprint), []).append(spec)
    planned = []
    for signature, same in together.items():
        found = before.get(signature)
        skipped = found is not None and (found.status == "done" or (skip_failed and found.status == "failed"))
        names = tuple(dict.fromkeys(spec.name for spec in same if spec.name))
        planned.append(Planned(same[0], names, found, force or not skipped))
    return planned


def check_table(specs: Sequence[RunSpec], table: Table) -> None:
    """Raise ``DataError`` where a spec cannot be trained on ``table``, before anything is."""
    # Which rows a seed draws makes no difference to that.
    for kind in {(spec.target, spec.split, spec.train_fraction): spec for spec in specs}.values():
        split_table(table, kind)


def execute(
    planned: Sequence[Planned], table: Table, out: Path, executor: Executor, observer: Observer | None = None,
    *, fail_fast: bool = False,
) -> list[Run]:  # fmt: skip
    """Train what is to be trained; return a run for each entry that has one now, in the plan's order.

    Each run is recorded the moment it ends. After a Ctrl-C fewer come back than were planned, and the
    last may be ``interrupted``; with ``fail_fast``, nothing more is started after a failure.

    Raises
    ------
    RunError
        When ``out`` cannot be written, before anything is trained.
    """
    observer = observer or Observer()
    runs: dict[int, Run] = {i: entry.before for i, entry in enumerate(planned) if entry.before and not entry.train}
    tasks = [Task(i, entry.spec) for i, entry in enumerate(planned) if entry.train]
    if tasks:
        check_writable(out)
    observer.started(planned)
    results = executor.run(tasks, table, lambda task, *numbers: observer.epoch(task.spec, *numbers))
    with contextlib.closing(results):
        step: Callable[[], tuple[Task, RunResult]] = partial(next, results)
        while True:
            try:
                task, result = step()
            except StopIteration:
                break
            entry, step = planned[task.number], partial(next, results)
            if result.status == "interrupted" and entry.before and entry.before.status == "done":
                continue  # half a run is no reason to lose a whole one
            try:
                with _uninterrupted():
                    runs[task.number] = record(result, out, names=entry.names)
                observer.ended(runs[task.number])
            except KeyboardInterrupt:  # it came while a result was written; the executor is to hear of it
                step = partial(results.throw, KeyboardInterrupt)
            if fail_fast and result.status == "failed":
                break
    return [runs[number] for number in sorted(runs)]


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back for the moment that a result is written, then let it through."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda number, _: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
    if caught:
        raise KeyboardInterrupt
