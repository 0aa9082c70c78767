"""Local worker processes: started once, one pipe each, so that losing one does not affect the others.

A worker is a new process, never a fork (TensorFlow hangs after a fork), loads TensorFlow once and trains run after
run with one thread. It shares no lock, queue or pipe with the others: a process killed while it writes into a
shared pipe leaves a taken lock and half a message behind. Known process pools share theirs. In three batches in
pebble's pool (5.2), with 9 MB results and one worker killed at random, all three stopped for good after it; hence
our own. If the parent dies, a pipe that only it holds open closes, and the workers end.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import wait

from wineexp import runtime, signals
from wineexp.data.table import Table
from wineexp.errors import WorkerError
from wineexp.execution.executor import (
    Begin,
    OnTaskEpoch,
    Place,
    Results,
    Task,
    TaskAttempt,
    TaskQueue,
    Train,
    always,
    longest_first,
    train_run,
)
from wineexp.runs.result import RunResult
from wineexp.specs.run_spec import RunSpec, shape_of

__all__ = ["START_SECONDS", "LocalWorkers", "affordable_jobs"]

#: Resident memory of a worker with TensorFlow loaded and all that XLA may have compiled, and of each parameter
#: while it trains: weight, gradient, two moments, a copy in the result (benchmarks/batch.py, rounded up).
WORKER_BYTES = 1.5e9
BYTES_PER_PARAMETER = 24

#: Seconds for a process that closed its pipe to end, so that its exit code can be reported.
GRACE_SECONDS = 1.0

#: Seconds for a worker to start; loading TensorFlow takes 3 to 10 s on an otherwise idle machine.
START_SECONDS = 120.0

#: The start of a worker process: the parent's module path, then the ends of its two pipes. Nothing that is loaded
#: at the start becomes garbage, so the collector is off meanwhile.
_BEGIN = """import gc, json, sys
gc.disable()
sys.path[:] = json.loads(sys.argv[1])
try:
    from wineexp.execution.worker_main import serve
except (ImportError, MemoryError) as error:
    from multiprocessing.connection import Connection
    Connection(int(sys.argv[2])).send(("broken", f"{type(error).__name__}: {error}"))
    sys.exit(1)
serve(int(sys.argv[2]), int(sys.argv[3]))
"""


def affordable_jobs(parameters: int) -> int:
    """Workers to start by default for runs of at most this many parameters: one per core, as memory allows."""
    each = WORKER_BYTES + BYTES_PER_PARAMETER * parameters
    return max(1, min(runtime.available_cores(), int(runtime.available_memory() * 0.8 / each)))


@dataclass(frozen=True)
class LocalWorkers:
    """Worker processes on this machine, one thread each.

    Attributes
    ----------
    jobs : int
        Their number.
    timeout : float or None
        Limit for a run's seconds; beyond it the run fails as ``timeout``.
    retries : int
        How often a run is tried again after its worker died, before it fails as ``killed``; and how often a worker
        that does not start is replaced.
    keep_model : bool
        Whether results contain the model.
    train : callable
        See :data:`wineexp.execution.executor.Train`.
    start_timeout : float
        Limit for the seconds of a worker's start.

    Raises
    ------
    WorkerError
        From :meth:`run`, if a worker cannot train, or does not start.
    """

    jobs: int
    timeout: float | None = None
    retries: int = 1
    keep_model: bool = True
    train: Train = train_run
    start_timeout: float = START_SECONDS

    def place(self, runs: int) -> Place:
        """Where this number of runs trains, in words."""
        return Place.of_workers(min(self.jobs, runs))

    def run(self, tasks: Sequence[Task], table: Table, on_epoch: OnTaskEpoch, begin: Begin = always) -> Results:
        """Yield each task with its result as it ends; see :data:`wineexp.execution.executor.Results`."""
        queue = TaskQueue(longest_first(tasks, table), begin)
        crew: list[_Worker] = []
        try:
            for _ in range(min(self.jobs, len(tasks))):
                with signals.held():  # every worker that is started is also ended
                    crew.append(_Worker(self, table))
            while True:
                for worker in crew:
                    self._hand_out(worker, crew, queue)
                if not queue and not any(worker.attempt for worker in crew):
                    return
                yield from self._next_results(crew, queue, on_epoch)
        except KeyboardInterrupt:
            busy = [worker.attempt for worker in crew if worker.attempt]
            for worker in crew:
                worker.end()
            for attempt in busy:
                yield attempt.task, attempt.ended(table)
        finally:
            for worker in crew:
                worker.end()

    def _hand_out(self, worker: _Worker, crew: list[_Worker], queue: TaskQueue) -> None:
        """Give an idle worker its next task."""
        if worker.ready and not worker.attempt:
            attempt = queue.take(worker.last, [other.last for other in crew])
            if attempt is not None:
                worker.begin(attempt)

    def _next_results(
        self, crew: list[_Worker], queue: TaskQueue, on_epoch: OnTaskEpoch
    ) -> Iterator[tuple[Task, RunResult]]:
        """Wait for messages; pass epochs on, and yield the tasks that have ended."""
        signals.check()
        awaited = [worker for worker in crew if worker.attempt or not worker.ready]
        deadline = min(worker.deadline for worker in awaited)
        patience = None if math.isinf(deadline) else max(0.0, deadline - time.monotonic())
        ready = wait([worker.pipe for worker in awaited], patience)
        for worker in awaited:
            attempt = worker.attempt
            if worker.pipe in ready:
                yield from self._hear(worker, crew, queue, on_epoch)
            # Checked after a message too: with quick epochs, there always is one.
            if time.monotonic() < worker.deadline:
                continue
            if not worker.ready:
                self._start_again(worker, crew, f"did not start within {self.start_timeout:g} s")
            elif attempt is not None and worker.attempt is attempt:
                worker.attempt = None  # cleared before the worker is replaced: a signal may come in between
                yield attempt.task, attempt.timed_out(worker.table, self.timeout)
                self._replace(worker, crew, queue)

    def _hear(
        self, worker: _Worker, crew: list[_Worker], queue: TaskQueue, on_epoch: OnTaskEpoch
    ) -> Iterator[tuple[Task, RunResult]]:
        """Handle one message of a worker, or its death."""
        attempt = worker.attempt
        try:
            kind, *content = worker.pipe.recv()
        except (EOFError, OSError):
            if not worker.ready:
                self._start_again(worker, crew, f"died while it started ({worker.cause()})")
                return
            assert attempt is not None  # a ready worker without a task is not listened to
            worker.attempt = None
            if attempt.tries < self.retries:
                queue.put_back(attempt)
            else:
                tries = f" in each of {attempt.tries + 1} tries" if attempt.tries else ""
                error = f"the worker process died{tries} ({worker.cause()})"
                yield attempt.task, attempt.ended(worker.table, "killed", error)
            self._replace(worker, crew, queue)
            return
        if kind == "started":
            worker.set_up()
        elif kind == "ready":
            worker.ready, worker.starts = True, 0
        elif kind == "epoch" and attempt is not None:
            attempt.seen.append(tuple(content[1:]))
            on_epoch(attempt.task, *content)
        elif kind == "result" and attempt is not None:
            result, last = content
            worker.attempt = None
            if result.status == "done" and not last:  # a failure may end the batch
                self._hand_out(worker, crew, queue)  # before it is recorded: a fifth of a small run's time
            yield attempt.task, result
            if last:
                self._replace(worker, crew, queue)
        else:
            assert kind == "broken"
            raise WorkerError(f"a worker process cannot train: {content[0]}")

    def _start_again(self, worker: _Worker, crew: list[_Worker], problem: str) -> None:
        """Replace a worker that did not start; after the retries do without it, if there are others."""
        if worker.starts <= self.retries:
            worker.replace()
        elif len(crew) > 1:
            worker.end()
            crew.remove(worker)
        else:
            tries = f" in each of {worker.starts} tries" if worker.starts > 1 else ""
            raise WorkerError(f"a worker process {problem}{tries}; --jobs 0 trains without workers")

    def _replace(self, worker: _Worker, crew: list[_Worker], queue: TaskQueue) -> None:
        """End a worker, and start another if tasks are waiting."""
        if queue:
            worker.replace()
        else:
            worker.end()
            crew.remove(worker)


class _Worker:
    """One worker process as its parent sees it: a process, a pipe, and its present attempt.

    Attributes
    ----------
    ready : bool
        Whether it has loaded TensorFlow and takes tasks.
    starts : int
        The number of starts since it was last ready.
    """

    def __init__(self, settings: LocalWorkers, table: Table) -> None:
        self.settings, self.table = settings, table
        self.attempt: TaskAttempt | None = None
        self.last: RunSpec | None = None
        self.starts = 0
        self._start()

    @property
    def deadline(self) -> float:
        """When its start or its task has taken too long, by ``time.monotonic``; infinite if there is no limit."""
        if not self.ready:
            return self._start_deadline
        return math.inf if self.attempt is None or self.attempt.deadline is None else self.attempt.deadline

    def _start(self) -> None:
        # Under a low limit the new process might end before it can say why: at any import, in any words.
        runtime.check_address_space(new_process=True)
        self.ready = False
        self.starts += 1
        self._start_deadline = time.monotonic() + self.settings.start_timeout
        self.pipe, theirs = Pipe()
        lifeline, self.held = Pipe(duplex=False)
        descriptors = (theirs.fileno(), lifeline.fileno())
        paths = json.dumps([os.fspath(path) for path in sys.path])
        with signals.blocked():
            self.process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN, paths, *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # only the parent prints there, and only data
            )
        theirs.close()
        lifeline.close()

    def set_up(self) -> None:
        """Send what every task needs; it is reading already, so the parent need not wait."""
        self._start_deadline = time.monotonic() + self.settings.start_timeout
        with contextlib.suppress(OSError):  # died meanwhile: its pipe will say so
            self.pipe.send((self.table, self.settings.keep_model, self.settings.train))

    def begin(self, attempt: TaskAttempt) -> None:
        self.attempt, self.last = attempt, shape_of(attempt.task.spec)
        timeout = self.settings.timeout
        attempt.deadline = None if timeout is None else time.monotonic() + timeout
        with contextlib.suppress(OSError):  # died while idle: its pipe will say so
            self.pipe.send((attempt.task.spec, attempt.task.options()))

    def replace(self) -> None:
        """End this process and start another."""
        with signals.held():
            self.end()
            self.attempt = self.last = None
            self._start()

    def cause(self) -> str:
        """How a process that closed its pipe ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(GRACE_SECONDS)
        return signals.cause_of_end(self.process.returncode)

    def end(self) -> None:
        """End the process; nothing is lost, as only the parent writes."""
        self.held.close()
        self.process.kill()
        self.process.wait()
        self.pipe.close()
