"""Where runs execute. One small interface: tasks go in, results come out as they end, epochs are reported."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from wineexp import runtime, signals
from wineexp.data.encoding import most_features
from wineexp.data.table import Table
from wineexp.runs.reader import read_result
from wineexp.runs.record import Reason
from wineexp.runs.result import RunResult, history_frame, unfinished
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec, shape_of
from wineexp.text import count_of

if TYPE_CHECKING:
    from wineexp.training.trainer_cache import TrainerCache  # whose module loads TensorFlow

__all__ = [
    "OPERATIONS_A_SECOND",
    "Begin",
    "Executor",
    "InProcess",
    "OnTaskEpoch",
    "Place",
    "Placed",
    "Results",
    "Task",
    "TaskAttempt",
    "TaskQueue",
    "Train",
    "always",
    "by_shape",
    "longest_first",
    "operations",
    "train_run",
]

#: Called with (task, epoch, loss, val_loss) while a task trains, in the parent process; with ``eval_train`` the
#: third loss is train_loss.
OnTaskEpoch = Callable[["Task", int, *tuple[float, ...]], None]

#: Called before a task is begun; if it returns False, the task is skipped: another process has it.
Begin = Callable[["Task"], bool]

#: Each task with its result as it ends, in any order. A ``KeyboardInterrupt`` raised in it, or thrown into it,
#: stops the running tasks, yields them as interrupted, and ends it; closing it stops them and yields nothing more.
Results = Generator[tuple["Task", RunResult], None, None]

#: The function that trains one run where TensorFlow is set up: :func:`train_run`, or a test's substitute. It is
#: sent to other processes by name, so it must be at the top level of a module.
Train = Callable[..., RunResult]

#: What a training process does first.
_UNTIL_FIRST_EPOCH = "loading TensorFlow, compiling the first epoch"

#: The cost of a training step besides its products, in floating-point operations: 1 ms of one core, AMD EPYC.
BESIDES = 40e6


def always(task: Task) -> bool:
    """Begin every task."""
    return True


def train_run(spec: RunSpec, table: Table, **options: Any) -> RunResult:
    """Train one run: :func:`wineexp.training.experiment.guarded_run`, whose module loads TensorFlow."""
    from wineexp.training.experiment import guarded_run

    return guarded_run(spec, table, **options)


@dataclass(frozen=True)
class Task:
    """One run to train: its spec, and its number in the plan.

    Attributes
    ----------
    number : int
    spec : RunSpec
    amends : Run or None
        A finished run that only lacks what the spec records of the model: it is not trained again.
    """

    number: int
    spec: RunSpec
    amends: Run | None = None

    def options(self) -> dict[str, Any]:
        """What :data:`Train` takes besides the spec, the table and what every task gets; read when it is begun."""
        return {} if self.amends is None else {"base": read_result(self.amends)}


class Executor(Protocol):
    """A place to run."""

    def run(
        self, tasks: Sequence[Task], table: Table, on_epoch: OnTaskEpoch, begin: Begin = always
    ) -> Results: ...


@dataclass(frozen=True)
class Place:
    """Where runs train, in words.

    Attributes
    ----------
    words : str
        ``on 2 workers``, ``in this process``.
    starting : str
        The activity until the first epoch: ``starting 2 workers``.
    """

    words: str
    starting: str

    @classmethod
    def of_workers(cls, count: int) -> Place:
        """This number of worker processes."""
        workers = count_of(count, "worker")
        return cls(f"on {workers}", f"starting {workers}: {_UNTIL_FIRST_EPOCH}")


@runtime_checkable
class Placed(Protocol):
    """An executor that says where its runs train."""

    def place(self, runs: int) -> Place:
        """Where this number of runs trains."""


@dataclass
class TaskAttempt:
    """A task in progress, with its epochs so far.

    Attributes
    ----------
    tries : int
        The number of earlier starts.
    seen : list of (loss, val_loss), or (loss, val_loss, train_loss)
    deadline : float or None
        The time at which it is stopped, by the executor's clock.
    """

    task: Task
    tries: int = 0
    seen: list[tuple[float, ...]] = field(default_factory=list)
    deadline: float | None = None

    def ended(self, table: Table, reason: Reason | None = None, error: str | None = None) -> RunResult:
        """The result of a task that was ended from outside, in a worker of one thread."""
        history = history_frame(self.seen, self.task.spec)
        return unfinished(self.task.spec, table, reason, error, history=history, threads=1)

    def timed_out(self, table: Table, seconds: float | None) -> RunResult:
        """The result of a task that was stopped for taking longer than ``seconds``."""
        error = f"stopped after {seconds:g} s, {len(self.seen)} of {self.task.spec.epochs} epochs done"
        return self.ended(table, "timeout", error)


class TaskQueue:
    """The waiting tasks by shape: a worker that trained one gets the next of its shape, which is half compiled."""

    def __init__(self, tasks: Iterable[Task], begin: Begin = always) -> None:
        self._begin = begin
        self._queues: dict[RunSpec, deque[TaskAttempt]] = {}
        for task in tasks:
            self._queues.setdefault(shape_of(task.spec), deque()).append(TaskAttempt(task))

    def __bool__(self) -> bool:
        return bool(self._queues)

    def take(self, last: RunSpec | None, elsewhere: Collection[RunSpec | None]) -> TaskAttempt | None:
        """The next attempt for a worker that trained shape ``last``, avoiding those of others if possible.

        Tasks that may not begin are dropped; None if no task is left.
        """
        while self._queues:
            attempt = self._pop(last, elsewhere)
            if self._begin(attempt.task):
                return attempt
        return None

    def _pop(self, last: RunSpec | None, elsewhere: Collection[RunSpec | None]) -> TaskAttempt:
        fresh = (shape for shape in self._queues if shape not in elsewhere)
        shape = last if last in self._queues else next(fresh, next(iter(self._queues)))
        assert shape is not None
        queue = self._queues[shape]
        attempt = queue.popleft()
        if not queue:
            del self._queues[shape]
        return attempt

    def put_back(self, attempt: TaskAttempt) -> None:
        """Put a task back, to be tried once more."""
        queue = self._queues.setdefault(shape_of(attempt.task.spec), deque())
        queue.appendleft(TaskAttempt(attempt.task, attempt.tries + 1))


def longest_first(tasks: Sequence[Task], table: Table) -> list[Task]:
    """The longest trainings first, so that no core idles at the end; within a factor of two as planned."""

    def work(task: Task) -> int:
        parameters = task.spec.parameter_count(most_features(table, task.spec))
        return math.frexp(operations(task.spec, len(table.frame), parameters))[1]

    return sorted(tasks, key=work, reverse=True)


#: Slow for one core today: see ``OPERATIONS_PER_CALL`` in training/epoch.py.
OPERATIONS_A_SECOND = 40e9


def operations(spec: RunSpec, rows: int, parameters: int) -> float:
    """The cost of training a spec on a table with that many rows, in floating-point operations of one core."""
    train = rows * spec.train_fraction
    products = 6 * train * parameters  # see training/epoch.py
    return spec.epochs * (products + BESIDES * math.ceil(train / spec.batch_size))


def by_shape(tasks: Sequence[Task]) -> list[Task]:
    """Group tasks of one shape, in the order of each shape's first task: each shape is compiled once."""
    first: dict[RunSpec, int] = {}
    for number, task in enumerate(tasks):
        first.setdefault(shape_of(task.spec), number)
    return sorted(tasks, key=lambda task: first[shape_of(task.spec)])


def _hear(on_epoch: OnTaskEpoch, task: Task, epoch: int, *losses: float) -> None:
    signals.check()
    on_epoch(task, epoch, *losses)


@dataclass(frozen=True)
class InProcess:
    """This process, one run after the other.

    Attributes
    ----------
    threads : int
    keep_model : bool
        Whether results contain the model.
    train : callable
        See :data:`Train`.
    """

    threads: int
    keep_model: bool = True
    train: Train = train_run

    def place(self, runs: int) -> Place:
        """Where this number of runs trains, in words."""
        return Place(f"in this process, {count_of(self.threads, 'thread')}", _UNTIL_FIRST_EPOCH)

    def run(self, tasks: Sequence[Task], table: Table, on_epoch: OnTaskEpoch, begin: Begin = always) -> Results:
        """Yield each result; after Ctrl-C the current run's, as interrupted, and nothing more."""
        begun: Task | None = None
        cache: TrainerCache | None = None
        try:
            for task in by_shape(tasks):
                signals.check()
                if not begin(task):
                    continue
                begun = task
                if cache is None:
                    cache = self._load()
                with runtime.LOCK:  # one run at a time in a process, from any thread
                    result = self.train(
                        task.spec,
                        table,
                        threads=self.threads,
                        keep_model=self.keep_model,
                        on_epoch=partial(_hear, on_epoch, task),
                        cache=cache,
                        **task.options(),
                    )
                begun = None
                yield task, result
                if result.status == "interrupted":
                    return
        except KeyboardInterrupt:  # while TensorFlow loads, or between two runs
            if begun is not None:
                history = history_frame([], begun.spec)
                yield begun, unfinished(begun.spec, table, history=history, threads=self.threads)
        finally:
            if cache is not None:
                with runtime.LOCK:
                    cache.close()

    def _load(self) -> TrainerCache:
        """Load TensorFlow, once there is something to train."""
        with runtime.LOCK:
            runtime.load(self.threads)
            from wineexp.training.trainer_cache import TrainerCache

            return TrainerCache()
