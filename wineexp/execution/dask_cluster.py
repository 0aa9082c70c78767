"""A Dask cluster as the place to run: ``wineexp[dask]``.

The table travels with the work and results come back as bytes, so no disk is shared. The cluster's
workers must have the same wineexp, TensorFlow, Keras, NumPy and pandas as this process.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from wineexp import runtime
from wineexp.data.table import Table
from wineexp.errors import RuntimeSetupError
from wineexp.execution.executor import Attempt, Report, Results, Task
from wineexp.extras import require
from wineexp.runs.result import RunResult
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:
    from wineexp.training.experiment import Bench

#: distributed's classes, whose methods carry no types.
Client = Any
Future = Any

__all__ = ["DaskCluster"]

CONNECT_SECONDS = 10
WORKERS_SECONDS = 30

#: A run reports its epochs at most so often; the scheduler passes every message on.
REPORT_SECONDS = 0.25


@dataclass(frozen=True)
class DaskCluster:
    """The workers of a Dask scheduler, one run at a time in each process, one thread each.

    Attributes
    ----------
    address : str
        The scheduler's, ``tcp://host:8786``.
    timeout : float or None
        Seconds a run may take; it is looked at after each epoch.
    retries : int
        How often a run is given back after Dask gave it up: Dask itself tries a run whose worker died
        again (``distributed.scheduler.allowed-failures``, by default three times).
    keep_model : bool
        Whether results hold the model.

    Raises
    ------
    MissingExtraError
        Where ``distributed`` is not installed.
    """

    address: str
    timeout: float | None = None
    retries: int = 1
    keep_model: bool = True

    def __post_init__(self) -> None:
        require("dask", "--dask")

    def run(self, tasks: Sequence[Task], table: Table, report: Report) -> Results:
        """Yield each task with its result as it ends; see :data:`wineexp.execution.executor.Results`.

        Raises
        ------
        RuntimeSetupError
            No scheduler or worker answers, or workers have other versions; each is named.
        """
        client = _connect(self.address)
        try:
            _check_workers(client)
            yield from _Batch(client, self, table, report).results(tasks)
        finally:
            client.close()


class _Batch:
    """One batch on a cluster: futures, and one queue of what is heard of them."""

    def __init__(self, client: Client, settings: DaskCluster, table: Table, report: Report) -> None:
        self.client, self.settings, self.table, self.report = client, settings, table, report
        self.name = f"wineexp-{uuid.uuid4().hex[:12]}"
        #: A run's number with its new epochs, a tuple (as messages arrive), or with its future, which is done.
        self.news: SimpleQueue[tuple[int, Any]] = SimpleQueue()
        self.futures: dict[int, Future] = {}
        self.versions = runtime.versions()
        # A task, not scattered data: Dask makes it again when the worker that held it dies.
        self.sent_table = client.submit(_same, table, key=f"{self.name}-table")

    def results(self, tasks: Sequence[Task]) -> Results:
        attempts = {task.number: Attempt(task) for task in tasks}
        self.client.subscribe_topic(self.name, lambda event: self.news.put(event[1]))
        try:
            for attempt in attempts.values():
                self._submit(attempt)
            while attempts:
                number, what = self.news.get()
                if number in attempts and isinstance(what, tuple):
                    self._report(attempts[number], what)
                elif number in attempts and what is self.futures[number]:
                    yield from self._ended(attempts, number)
        except KeyboardInterrupt:
            begun = [attempt for attempt in attempts.values() if attempt.seen]
            self._cancel()
            for attempt in begun:
                yield attempt.task, attempt.ended(self.table, "interrupted")
        finally:
            self._cancel()

    def _submit(self, attempt: Attempt) -> None:
        number, key = attempt.task.number, f"{self.name}-{attempt.task.number}-{attempt.tries}"
        future = self.client.submit(
            _train, attempt.task.spec, self.sent_table, number=number, topic=self.name, key=key,
            task_key=key, timeout=self.settings.timeout, keep_model=self.settings.keep_model,
            versions=self.versions, pure=False,
        )  # fmt: skip
        self.futures[number] = future
        future.add_done_callback(lambda done: self.news.put((number, done)))

    def _report(self, attempt: Attempt, epochs: tuple[tuple[int, float, float], ...]) -> None:
        for epoch, loss, val_loss in epochs:
            del attempt.seen[epoch:]  # begun anew elsewhere
            attempt.seen.append((loss, val_loss))
        self.report(attempt.task, *epochs[-1])

    def _ended(self, attempts: dict[int, Attempt], number: int) -> Iterator[tuple[Task, RunResult]]:
        from distributed import KilledWorker

        attempt, future = attempts.pop(number), self.futures.pop(number)
        try:
            result = future.result()
        except KilledWorker as error:
            if attempt.tries < self.settings.retries:
                attempts[number] = Attempt(attempt.task, attempt.tries + 1)
                self._submit(attempts[number])
                return
            result = attempt.ended(self.table, "failed", "killed", f"its workers died: {error}")
        except Exception as error:  # noqa: BLE001 - one bad run, or one bad worker, never stops the others
            result = attempt.ended(self.table, "failed", "error", f"{type(error).__name__}: {error}")
        future.release()
        yield attempt.task, result

    def _cancel(self) -> None:
        self.client.cancel(list(self.futures.values()), force=True)
        self.futures.clear()
        self.client.unsubscribe_topic(self.name)


def _connect(address: str) -> Client:
    import distributed

    base: Any = distributed.Client

    # distributed leaves a client that could not connect to the garbage collector, whose call may come in the
    # next client's thread while that one starts; each then waits for the other, and an assertion fails.
    class Closing(base):  # type: ignore[misc]
        def start(self, **settings: Any) -> None:
            try:
                super().start(**settings)
            except BaseException:
                self.close()
                self._loop_runner.stop()  # close() leaves it where the client has closed itself
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
        # Sent by value, being a local function: a worker without wineexp can run it too.
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
        raise RuntimeSetupError("Dask workers with other versions than this process: " + "; ".join(problems))


# -- on the worker --------------------------------------------------------------------------------


class _Stopped(BaseException):
    """Leaves the fit loop past every handler of exceptions; ``args[0]`` is why."""


class _Process:
    """What one worker process keeps: the right to train, one run at a time, and its bench."""

    lock = threading.Lock()
    bench: Bench | None = None


def _same(table: Table) -> Table:
    return table


def _train(
    spec: RunSpec, table: Table, *, number: int, topic: str, task_key: str, timeout: float | None,
    keep_model: bool, versions: dict[str, str],
) -> RunResult:  # fmt: skip
    """Train one run in a Dask worker's thread."""
    from distributed import get_worker

    if runtime.versions() != versions:  # a worker that joined after the check
        raise RuntimeSetupError(f"this worker has {runtime.versions()}, the client {versions}")
    worker = get_worker()
    attempt = Attempt(Task(number, spec))
    unsent: list[tuple[int, float, float]] = []
    with _Process.lock:
        start = sent = time.monotonic()

        def on_epoch(epoch: int, loss: float, val_loss: float) -> None:
            nonlocal sent
            attempt.seen.append((loss, val_loss))
            unsent.append((epoch, loss, val_loss))
            now = time.monotonic()
            if epoch == 0 or now - sent >= REPORT_SECONDS:
                worker.log_event(topic, (number, list(unsent)))
                unsent.clear()
                sent = now
            if timeout is not None and now - start > timeout:
                raise _Stopped("timeout")
            known = worker.state.tasks.get(task_key)
            if known is None or known.state == "cancelled":  # by Ctrl-C, or because the client is gone
                raise _Stopped("cancelled")

        runtime.load(1)
        from wineexp.training import experiment  # loads TensorFlow, so only once it is set up

        bench = _Process.bench = _Process.bench or experiment.Bench()
        start = time.monotonic()
        try:
            return experiment.attempt(
                spec, table, threads=1, keep_model=keep_model, on_epoch=on_epoch, bench=bench
            )
        except _Stopped as stopped:
            if stopped.args[0] == "cancelled":
                return attempt.ended(table, "interrupted")
            return attempt.timed_out(table, timeout)
