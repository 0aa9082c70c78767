"""Where runs execute. One small interface: tasks go in, results come out as they end, epochs are reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from wineexp import runtime
from wineexp.result import RunResult, history_frame, unfinished
from wineexp.spec import RunSpec
from wineexp.table import Table

__all__ = ["Executor", "InProcess", "Report", "Task"]

#: Called with (task, epoch, loss, val_loss) while a task trains, in the parent process.
Report = Callable[["Task", int, float, float], None]


@dataclass(frozen=True)
class Task:
    """One run to train: its spec, and its number in the plan."""

    number: int
    spec: RunSpec


class Executor(Protocol):
    """A place to run. ``run`` yields each task with its result when it ends, in any order."""

    def run(self, tasks: Sequence[Task], table: Table, report: Report) -> Iterator[tuple[Task, RunResult]]: ...


@dataclass(frozen=True)
class InProcess:
    """This process, one run after the other."""

    threads: int
    keep_model: bool = True

    def run(self, tasks: Sequence[Task], table: Table, report: Report) -> Iterator[tuple[Task, RunResult]]:
        """Yield each result; after Ctrl-C the current run's, as interrupted, and no more."""
        for task in tasks:
            result = self._attempt(task, table, report)
            yield task, result
            if result.status == "interrupted":
                return

    def _attempt(self, task: Task, table: Table, report: Report) -> RunResult:
        try:
            runtime.load(self.threads)
            from wineexp import experiment  # loads TensorFlow, so only once it is set up

            return experiment.attempt(
                task.spec, table, threads=self.threads, keep_model=self.keep_model,
                on_epoch=lambda *numbers: report(task, *numbers),
            )  # fmt: skip
        except KeyboardInterrupt:  # before the first epoch, while TensorFlow loaded
            return unfinished(task.spec, table, "interrupted", history=history_frame([]), threads=self.threads)
