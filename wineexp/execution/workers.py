"""Local worker processes: spawned once, one pipe each, so that losing one does not affect the others.

A worker is spawned, never forked (TensorFlow hangs after a fork), loads TensorFlow once and trains run
after run with one thread. It shares no lock, queue or pipe with the others: a process killed while it
writes into a shared pipe leaves a taken lock and half a message behind. The process pools we know share
theirs. Three out of three batches in pebble's pool (5.2), with 9 MB results and one worker killed at a random
moment, hung forever afterwards; hence these workers of our own. When the parent dies, a pipe that only it
holds open closes, and the workers end.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from wineexp import runtime
from wineexp.data.table import Table
from wineexp.errors import RuntimeSetupError, WineexpError
from wineexp.execution.executor import Attempt, OnTaskEpoch, Results, Task, TaskQueue, Train, train_run
from wineexp.runs.result import RunResult
from wineexp.specs.run_spec import RunSpec

__all__ = ["LocalWorkers", "affordable_jobs"]

#: Resident memory of a worker with TensorFlow loaded, and of each parameter while it trains: weight,
#: gradient, two moments, a copy in the result (measured with benchmarks/batch.py, then rounded up).
WORKER_BYTES = 900e6
BYTES_PER_PARAMETER = 24

#: How long a process that closed its pipe may take to end, so that its exit code can be reported.
GRACE_SECONDS = 1.0


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
        How many.
    timeout : float or None
        Seconds a run may take once its worker is ready; then it fails as ``timeout``.
    retries : int
        How often a run is tried again after its worker died; then it fails as ``killed``.
    keep_model : bool
        Whether results hold the model.
    train : callable
        See :data:`wineexp.execution.executor.Train`.
    """

    jobs: int
    timeout: float | None = None
    retries: int = 1
    keep_model: bool = True
    train: Train = train_run

    def run(self, tasks: Sequence[Task], table: Table, on_epoch: OnTaskEpoch) -> Results:
        """Yield each task with its result as it ends; see :data:`wineexp.execution.executor.Results`."""
        queue = TaskQueue(tasks)
        crew: list[_Worker] = []
        try:
            crew += [_Worker(table, self.keep_model, self.train) for _ in range(min(self.jobs, len(tasks)))]
            while queue or any(worker.attempt for worker in crew):
                for worker in crew:
                    if queue and not worker.attempt:
                        worker.begin(queue.take(worker.last, [other.last for other in crew]))
                yield from self._next_results(crew, queue, table, on_epoch)
        except KeyboardInterrupt:
            busy = [worker.attempt for worker in crew if worker.attempt]
            for worker in crew:
                worker.end()
            for attempt in busy:
                yield attempt.task, attempt.ended(table, "interrupted")
        finally:
            for worker in crew:
                worker.end()

    def _next_results(
        self, crew: list[_Worker], queue: TaskQueue, table: Table, on_epoch: OnTaskEpoch
    ) -> Iterator[tuple[Task, RunResult]]:
        """Wait for news; pass epochs on, and yield the tasks that have ended."""
        deadlines = [w.attempt.deadline for w in crew if w.attempt and w.attempt.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        ready = wait([worker.pipe for worker in crew if worker.attempt], patience)
        for worker in crew:
            attempt = worker.attempt
            if attempt is None:
                continue
            if worker.pipe in ready:
                yield from self._hear(worker, attempt, queue, table, on_epoch)
            # Looked at after a message too: quick epochs always have one ready.
            late = attempt.deadline is not None and time.monotonic() >= attempt.deadline
            if late and worker.attempt is attempt:
                worker.replace()
                yield attempt.task, attempt.timed_out(table, self.timeout)

    def _hear(
        self, worker: _Worker, attempt: Attempt, queue: TaskQueue, table: Table, on_epoch: OnTaskEpoch
    ) -> Iterator[tuple[Task, RunResult]]:
        """Take one message of a worker, or its death."""
        try:
            kind, *content = worker.pipe.recv()
        except (EOFError, OSError):
            cause = worker.replace()
            if attempt.tries < self.retries:
                queue.put_back(attempt)
                return
            tries = f" in each of {attempt.tries + 1} tries" if attempt.tries else ""
            error = f"the worker process died{tries} ({cause})"
            yield attempt.task, attempt.ended(table, "failed", "killed", error)
            return
        if kind == "ready":
            attempt.deadline = None if self.timeout is None else time.monotonic() + self.timeout
        elif kind == "epoch":
            attempt.seen.append((content[1], content[2]))
            on_epoch(attempt.task, *content)
        elif kind == "result":
            worker.attempt = None
            yield attempt.task, content[0]
        else:
            raise RuntimeSetupError(f"a worker process cannot train: {content[0]}")


class _Worker:
    """One worker process as its parent sees it: a process, a pipe, and the attempt it is busy with."""

    def __init__(self, table: Table, keep_model: bool, train: Train) -> None:
        self.arguments = (table, keep_model, train)
        self.attempt: Attempt | None = None
        self.last: RunSpec | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        lifeline, self.held = context.Pipe(duplex=False)
        self.process = context.Process(target=_serve, args=(theirs, lifeline, *self.arguments), daemon=True)
        with _ignoring_ctrl_c(), _without_main():
            self.process.start()
        theirs.close()
        lifeline.close()

    def begin(self, attempt: Attempt) -> None:
        self.attempt, self.last = attempt, attempt.task.spec.without_seed()
        with contextlib.suppress(OSError):  # died while idle: its pipe will say so
            self.pipe.send(attempt.task.spec)

    def replace(self) -> str:
        """End this process, start another, and say how the first one ended."""
        self.process.join(GRACE_SECONDS)
        self.end()
        cause = _cause(self.process.exitcode)
        self.attempt = self.last = None
        self._start()
        return cause

    def end(self) -> None:
        """End the process; nothing is lost, as only the parent writes."""
        self.held.close()
        self.process.kill()
        self.process.join()
        self.pipe.close()


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:
        return "SIGKILL; out of memory?"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a spawned child from running the caller's script again, which it does not need.

    Without this, a script that calls :func:`wineexp.batch` would need ``if __name__ == "__main__"``.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Make a child ignore Ctrl-C by inheritance; only the parent handles it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _serve(pipe: Connection, lifeline: Connection, table: Table, keep_model: bool, train: Train) -> None:
    """The worker: train each spec that comes down the pipe, send epochs and results up."""
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    try:
        runtime.load(1)
        from wineexp.training.trainer_cache import TrainerCache  # loads TensorFlow, so once it is set up
    except Exception:  # noqa: BLE001 - told to the parent, which stops the batch
        pipe.send(("broken", traceback.format_exc()))
        return
    cache = TrainerCache()
    while True:
        spec = pipe.recv()
        pipe.send(("ready",))

        def on_epoch(*numbers: Any) -> None:
            pipe.send(("epoch", *numbers))

        try:
            result = train(spec, table, threads=1, keep_model=keep_model, on_epoch=on_epoch, cache=cache)
        except WineexpError as error:
            pipe.send(("broken", str(error)))
            return
        pipe.send(("result", result))


def _die_with_parent(lifeline: Connection) -> None:
    """Block until the parent's end closes, which its death does too, however it died."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)
