"""A Dask cluster as the place to run: ``wineexp[dask]``.

The table travels with the work and results come back as bytes, so no disk is shared. The cluster's
workers must have the same wineexp, TensorFlow, Keras, NumPy and pandas as this process.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from wineexp import runtime
from wineexp.data.table import Table
from wineexp.errors import RuntimeSetupError
from wineexp.execution.dask_worker import Errand, train_on_worker
from wineexp.execution.executor import (
    Begin,
    OnTaskEpoch,
    Place,
    Results,
    Task,
    TaskAttempt,
    Train,
    always,
    by_shape,
    longest_first,
    train_run,
)
from wineexp.extras import require
from wineexp.runs.result import RunResult

#: distributed's classes, whose methods have no types.
Client = Any
Future = Any

__all__ = ["DaskCluster"]

CONNECT_SECONDS = 10
WORKERS_SECONDS = 30


@dataclass(frozen=True)
class DaskCluster:
    """The workers of a Dask scheduler, one run at a time in each process, one thread each.

    Attributes
    ----------
    address : str
        The scheduler's, such as ``tcp://host:8786``.
    timeout : float or None
        Limit for a run's seconds; checked after each epoch.
    retries : int
        How often a run is submitted again after Dask gave it up. Dask itself retries a run whose worker died
        (``distributed.scheduler.allowed-failures``, by default three times).
    keep_model : bool
        Whether results contain the model.
    train : callable
        See :data:`wineexp.execution.executor.Train`.

    Raises
    ------
    MissingExtraError
        If ``distributed`` is not installed.
    """

    address: str
    timeout: float | None = None
    retries: int = 1
    keep_model: bool = True
    train: Train = train_run

    def __post_init__(self) -> None:
        require("dask", "--dask")

    def place(self, runs: int) -> Place:
        """Where this number of runs trains, in words."""
        return Place(f"on the Dask cluster at {self.address}", f"waiting for the Dask cluster at {self.address}")

    def run(self, tasks: Sequence[Task], table: Table, on_epoch: OnTaskEpoch, begin: Begin = always) -> Results:
        """Yield each task with its result as it ends; see :data:`wineexp.execution.executor.Results`.

        Raises
        ------
        RuntimeSetupError
            If no scheduler or worker answers, or workers have other versions; each is named.
        """
        client = _connect(self.address)
        try:
            _check_workers(client)
            yield from _Batch(client, self, table, on_epoch).results(tasks, begin)
        finally:
            client.close()


@dataclass(frozen=True)
class _Epochs:
    """A run's new epochs: (epoch, loss, val_loss) of each, with ``eval_train`` train_loss too."""

    number: int
    epochs: Sequence[tuple[int, *tuple[float, ...]]]


@dataclass(frozen=True)
class _Ended:
    """A run's future is done."""

    number: int
    future: Future


class _Batch:
    """One batch on a cluster: futures, and one queue of news about them."""

    def __init__(self, client: Client, settings: DaskCluster, table: Table, on_epoch: OnTaskEpoch) -> None:
        self.client, self.settings, self.table, self.on_epoch = client, settings, table, on_epoch
        # One word: Dask estimates durations by it, and earlier batches say nothing about this one's.
        self.name = f"wineexp{uuid.uuid4().hex[:12]}"
        self.news: SimpleQueue[_Epochs | _Ended] = SimpleQueue()
        self.futures: dict[int, Future] = {}
        self.versions = runtime.versions()
        # A task, not scattered data: Dask computes it again if the worker that held it dies.
        self.sent_table = client.submit(_same, table, key=f"{self.name}-table")

    def results(self, tasks: Sequence[Task], begin: Begin) -> Results:
        waiting, attempts = deque(by_shape(longest_first(tasks, self.table))), dict[int, TaskAttempt]()
        self.client.subscribe_topic(self.name, lambda event: self.news.put(_Epochs(*event[1])))
        try:
            self._fill(waiting, attempts, begin)
            while attempts:
                news = self.news.get()
                if news.number not in attempts:
                    continue  # its run has ended
                if isinstance(news, _Epochs):
                    self._hear(attempts[news.number], news)
                elif news.future is self.futures[news.number]:
                    yield from self._end(attempts, news.number)
                    self._fill(waiting, attempts, begin)
        except KeyboardInterrupt:
            begun = [attempt for attempt in attempts.values() if attempt.seen]
            self._cancel()
            for attempt in begun:
                yield attempt.task, attempt.ended(self.table)
        finally:
            self._cancel()

    def _fill(self, waiting: deque[Task], attempts: dict[int, TaskAttempt], begin: Begin) -> None:
        """Submit tasks until each of the cluster's threads has one and one more is waiting for it."""
        room = 2 * max(1, sum(self.client.nthreads().values()))
        while waiting and len(attempts) < room:
            task = waiting.popleft()
            if begin(task):
                attempts[task.number] = TaskAttempt(task)
                self._submit(attempts[task.number])

    def _submit(self, attempt: TaskAttempt) -> None:
        number, key = attempt.task.number, f"{self.name}-{attempt.task.number}-{attempt.tries}"
        errand = Errand(
            number=number,
            spec=attempt.task.spec,
            options=attempt.task.options(),
            topic=self.name,
            key=key,
            versions=self.versions,
            train=self.settings.train,
            timeout=self.settings.timeout,
            keep_model=self.settings.keep_model,
        )
        future = self.client.submit(
            train_on_worker,
            errand,
            self.sent_table,
            key=key,
            pure=False,
        )
        self.futures[number] = future
        future.add_done_callback(lambda done: self.news.put(_Ended(number, done)))

    def _hear(self, attempt: TaskAttempt, news: _Epochs) -> None:
        for epoch, *losses in news.epochs:
            del attempt.seen[epoch:]  # restarted elsewhere
            attempt.seen.append(tuple(losses))
            self.on_epoch(attempt.task, epoch, *losses)

    def _end(self, attempts: dict[int, TaskAttempt], number: int) -> Iterator[tuple[Task, RunResult]]:
        from distributed import KilledWorker

        attempt, future = attempts.pop(number), self.futures.pop(number)
        try:
            result = future.result()
        except KilledWorker as error:
            if attempt.tries < self.settings.retries:
                attempts[number] = TaskAttempt(attempt.task, attempt.tries + 1)
                self._submit(attempts[number])
                return
            result = attempt.ended(self.table, "killed", f"its workers died: {error}")
        except Exception as error:  # noqa: BLE001 - one bad run, or one bad worker, never stops the others
            result = attempt.ended(self.table, "error", f"{type(error).__name__}: {error}")
        future.release()
        yield attempt.task, result

    def _cancel(self) -> None:
        self.client.cancel(list(self.futures.values()), force=True)
        self.futures.clear()
        self.client.unsubscribe_topic(self.name)


def _connect(address: str) -> Client:
    import distributed

    base: Any = distributed.Client

    # distributed leaves a client that could not connect to the garbage collector, which may close it in the next
    # client's thread while that one starts. Each then waits for the other, and an assertion fails.
    class Closing(base):  # type: ignore[misc]
        def start(self, **settings: Any) -> None:
            try:
                super().start(**settings)
            except BaseException:
                self.close()
                self._loop_runner.stop()  # private: close() leaves it if the client has closed itself
                raise

    connect: Any = Closing
    try:
        return connect(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RuntimeSetupError(f"no Dask scheduler answers at {address}: {reason}") from None


def _check_workers(client: Client) -> None:
    """Raise ``RuntimeSetupError`` unless there are workers, all with this process's versions."""
    address = client.scheduler.address
    try:
        client.wait_for_workers(1, timeout=WORKERS_SECONDS)
    except TimeoutError:
        raise RuntimeSetupError(
            f"the Dask scheduler at {address} has no workers; start one with `dask worker {address} --nthreads 1`"
        ) from None
    expected = runtime.versions()

    def probe(names: tuple[str, ...]) -> dict[str, str]:
        # Sent by value, as it is a local function: a worker without wineexp can run it too.
        from importlib.metadata import PackageNotFoundError, version

        found = {}
        for name in names:
            try:
                found[name] = version(name)
            except PackageNotFoundError:
                found[name] = "missing"
        return found

    problems = []
    for worker, found in sorted(client.run(probe, tuple(expected)).items()):
        wrong = [
            f"{name} {found[name]} instead of {expected[name]}"
            for name in expected
            if found[name] != expected[name]
        ]
        if wrong:
            problems.append(f"{worker}: {', '.join(wrong)}")
    if problems:
        raise RuntimeSetupError("Dask workers have other versions than this process: " + "; ".join(problems))


def _same(table: Table) -> Table:
    return table
