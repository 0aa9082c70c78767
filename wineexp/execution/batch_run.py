"""Many runs: execute a plan and record each run the moment it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from wineexp import files, signals
from wineexp.errors import RunError
from wineexp.execution.executor import Executor, Results, Task
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.runs.directory import Run
from wineexp.runs.result import RunResult
from wineexp.runs.writer import write_run

__all__ = ["execute"]


def execute(
    plan: Plan, executor: Executor, observer: Observer | None = None, *, fail_fast: bool = False
) -> list[Run]:
    """Train what is to be trained; return a run for each entry that has one now, in the plan's order.

    Each run is recorded the moment it ends. After a Ctrl-C fewer are returned than were planned, and the
    last may be ``interrupted``; with ``fail_fast``, nothing more is started after a failure.

    Raises
    ------
    RunError
        When ``plan.out`` cannot be written, before anything is trained.
    """
    observer = observer or Observer()
    entries = plan.entries
    runs = {number: entry.done for number, entry in enumerate(entries) if entry.done}
    tasks = [Task(number, entry.spec) for number, entry in enumerate(entries) if entry.train]
    if tasks:
        files.check_writable(plan.out, error=RunError)
    observer.started(plan)
    results = executor.run(tasks, plan.table, lambda task, *numbers: observer.epoch(task.spec, *numbers))
    with contextlib.closing(_Outcomes(results)) as outcomes:
        for task, result in outcomes:
            entry = entries[task.number]
            if result.status == "interrupted" and entry.before and entry.before.status == "done":
                continue  # an interrupted run does not replace a finished one
            try:
                with signals.held():
                    runs[task.number] = write_run(result, plan.out, names=entry.names)
                observer.ended(runs[task.number])
            except KeyboardInterrupt:
                outcomes.interrupt()
            if fail_fast and result.status == "failed":
                break
    return [runs[number] for number in sorted(runs)]


class _Outcomes:
    """An executor's results, which can be notified of a Ctrl-C that came while one of them was written."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._interrupted = False

    def __iter__(self) -> Iterator[tuple[Task, RunResult]]:
        return self

    def __next__(self) -> tuple[Task, RunResult]:
        if self._interrupted:
            self._interrupted = False
            return self._results.throw(KeyboardInterrupt)
        return next(self._results)

    def interrupt(self) -> None:
        """Stop what runs: what follows are the interrupted runs."""
        self._interrupted = True

    def close(self) -> None:
        self._results.close()
