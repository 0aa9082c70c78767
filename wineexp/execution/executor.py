"""Where runs execute. One small interface: tasks go in, results come out as they end, epochs are reported."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from wineexp import runtime
from wineexp.data.table import Table
from wineexp.runs.result import Reason, RunResult, Status, history_frame, unfinished
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.varying import without_seed

if TYPE_CHECKING:
    from wineexp.training.experiment import Bench

__all__ = ["Attempt", "Executor", "InProcess", "Report", "Results", "Task", "Waiting"]

#: Called with (task, epoch, loss, val_loss) while a task trains, in the parent process.
Report = Callable[["Task", int, float, float], None]

#: Each task with its result as it ends, in any order. A ``KeyboardInterrupt`` within, or thrown in, stops
#: what runs, yields it as interrupted, and ends; closing it stops what runs and yields no more.
Results = Generator[tuple["Task", RunResult], None, None]


@dataclass(frozen=True)
class Task:
    """One run to train: its spec, and its number in the plan."""

    number: int
    spec: RunSpec


class Executor(Protocol):
    """A place to run."""

    def run(self, tasks: Sequence[Task], table: Table, report: Report) -> Results: ...


@dataclass
class Attempt:
    """A task under way, with what has been seen of it.

    Attributes
    ----------
    tries : int
        How often it was begun before.
    seen : list of (loss, val_loss)
    deadline : float or None
        When it is stopped, by the executor's clock.
    """

    task: Task
    tries: int = 0
    seen: list[tuple[float, float]] = field(default_factory=list)
    deadline: float | None = None

    def ended(
        self, table: Table, status: Status, reason: Reason | None = None, error: str | None = None
    ) -> RunResult:
        """The result of a task that was ended from outside, in a worker of one thread."""
        return unfinished(
            self.task.spec, table, status, reason, error, history=history_frame(self.seen), threads=1
        )  # fmt: skip

    def timed_out(self, table: Table, seconds: float | None) -> RunResult:
        """The result of a task that was stopped for taking longer than ``seconds``."""
        error = f"stopped after {seconds:g} s, {len(self.seen)} of {self.task.spec.epochs} epochs done"
        return self.ended(table, "failed", "timeout", error)


class Waiting:
    """The tasks that wait, variant by variant: who trained one seed is given the next, which is half compiled."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._queues: dict[RunSpec, deque[Attempt]] = {}
        for task in tasks:
            self._queues.setdefault(without_seed(task.spec), deque()).append(Attempt(task))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def take(self, last: RunSpec | None, elsewhere: Collection[RunSpec | None]) -> Attempt:
        """The next attempt for who trained variant ``last``, leaving alone what others train if possible."""
        fresh = (variant for variant in self._queues if variant not in elsewhere)
        variant = last if last in self._queues else next(fresh, next(iter(self._queues)))
        assert variant is not None
        queue = self._queues[variant]
        attempt = queue.popleft()
        if not queue:
            del self._queues[variant]
        return attempt

    def again(self, attempt: Attempt) -> None:
        """Put a task back, to be tried once more."""
        queue = self._queues.setdefault(without_seed(attempt.task.spec), deque())
        queue.appendleft(Attempt(attempt.task, attempt.tries + 1))


@dataclass(frozen=True)
class InProcess:
    """This process, one run after the other."""

    threads: int
    keep_model: bool = True

    def run(self, tasks: Sequence[Task], table: Table, report: Report) -> Results:
        """Yield each result; after Ctrl-C the current run's, as interrupted, and no more."""
        begun = None
        try:
            begun = tasks[0] if tasks else None
            runtime.load(self.threads)
            from wineexp.training import experiment  # loads TensorFlow, so only once it is set up

            with closing(experiment.Bench()) as bench:
                for begun in tasks:
                    result = self._attempt(begun, table, report, bench)
                    done, begun = begun, None
                    yield done, result
                    if result.status == "interrupted":
                        return
        except KeyboardInterrupt:  # while TensorFlow loads, or between two runs
            if begun is not None:
                yield (
                    begun,
                    unfinished(begun.spec, table, "interrupted", history=history_frame([]), threads=self.threads),
                )

    def _attempt(self, task: Task, table: Table, report: Report, bench: Bench) -> RunResult:
        from wineexp.training import experiment

        return experiment.attempt(
            task.spec, table, threads=self.threads, keep_model=self.keep_model, bench=bench,
            on_epoch=lambda *numbers: report(task, *numbers),
        )  # fmt: skip
