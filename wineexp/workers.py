"""Local worker processes: spawned once, one pipe each, each loss its own.

A worker is spawned, never forked (TensorFlow hangs after a fork), loads TensorFlow once and trains run
after run with one thread. It shares no lock, queue or pipe with the others: a process killed while it
writes into a shared pipe leaves a lock taken and half a message that stop all of them, and that is how
the process pools we tried behave. When the parent dies, a pipe that it alone holds open closes, and
the workers end.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

import psutil

from wineexp import runtime
from wineexp.errors import RuntimeSetupError
from wineexp.execution import Report, Task
from wineexp.result import Reason, RunResult, Status, history_frame, unfinished
from wineexp.table import Table

__all__ = ["LocalWorkers", "affordable_jobs"]

#: Resident memory of a worker with TensorFlow loaded, and of each parameter while it trains: weight,
#: gradient, two moments, a copy in the result (measured with benchmarks/batch.py, then rounded up).
WORKER_BYTES = 900e6
BYTES_A_PARAMETER = 24

#: How long a worker may take to end when asked to, before it is killed.
GRACE_SECONDS = 1.0


def affordable_jobs(parameters: int) -> int:
    """Workers to start by default for runs of at most so many parameters: the cores, as memory allows."""
    each = WORKER_BYTES + BYTES_A_PARAMETER * parameters
    return max(1, min(runtime.available_cores(), int(psutil.virtual_memory().available * 0.8 / each)))


@dataclass
class _Attempt:
    """A task with what has been seen of it in its worker."""

    task: Task
    tries: int = 0
    seen: list[tuple[float, float]] = field(default_factory=list)
    deadline: float | None = None


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
    """

    jobs: int
    timeout: float | None = None
    retries: int = 1
    keep_model: bool = True

    def run(self, tasks: Sequence[Task], table: Table, report: Report) -> Iterator[tuple[Task, RunResult]]:
        """Yield each task with its result as it ends.

        After Ctrl-C the running ones come back as interrupted and no more is started. Closing the
        iterator, or an error in whoever consumes it, ends the workers.
        """
        waiting = deque(_Attempt(task) for task in tasks)
        crew = [_Worker(table, self.keep_model) for _ in range(min(self.jobs, len(tasks)))]
        try:
            while waiting or any(worker.attempt for worker in crew):
                for worker in crew:
                    if waiting and not worker.attempt:
                        worker.begin(waiting.popleft())
                yield from self._next_results(crew, waiting, table, report)
        except KeyboardInterrupt:
            busy = [worker.attempt for worker in crew if worker.attempt]
            for worker in crew:
                worker.end()
            for attempt in busy:
                yield attempt.task, _ended(attempt, table, "interrupted")
        finally:
            for worker in crew:
                worker.end()

    def _next_results(
        self, crew: list[_Worker], waiting: deque[_Attempt], table: Table, report: Report
    ) -> Iterator[tuple[Task, RunResult]]:
        """Wait for news; hand reports on, and yield what has ended by it."""
        deadlines = [w.attempt.deadline for w in crew if w.attempt and w.attempt.deadline is not None]
        patience = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        ready = wait([worker.pipe for worker in crew if worker.attempt], patience)
        for worker in crew:
            attempt = worker.attempt
            if attempt is None:
                continue
            if worker.pipe in ready:
                try:
                    kind, *content = worker.pipe.recv()
                except (EOFError, OSError):
                    yield from self._after_death(worker, waiting, table)
                    continue
                if kind == "epoch":
                    attempt.seen.append((content[1], content[2]))
                    report(attempt.task, *content)
                elif kind == "ready":
                    attempt.deadline = None if self.timeout is None else time.monotonic() + self.timeout
                elif kind == "result":
                    worker.attempt = None
                    yield attempt.task, content[0]
                else:
                    raise RuntimeSetupError(f"a worker could not start:\n{content[0]}")
            elif attempt.deadline is not None and time.monotonic() >= attempt.deadline:
                worker.replace()
                error = (
                    f"stopped after {self.timeout:g} s, in epoch {len(attempt.seen)} of {attempt.task.spec.epochs}"
                )
                yield attempt.task, _ended(attempt, table, "failed", "timeout", error)

    def _after_death(
        self, worker: _Worker, waiting: deque[_Attempt], table: Table
    ) -> Iterator[tuple[Task, RunResult]]:
        attempt = worker.attempt
        assert attempt is not None
        cause = worker.replace()
        if attempt.tries < self.retries:
            waiting.appendleft(_Attempt(attempt.task, attempt.tries + 1))
        else:
            tries = attempt.tries + 1
            error = (
                f"the worker process died ({cause}) in each of {tries} tries"
                if tries > 1
                else f"the worker process died ({cause})"
            )
            yield attempt.task, _ended(attempt, table, "failed", "killed", error)


def _ended(
    attempt: _Attempt, table: Table, status: Status, reason: Reason | None = None, error: str | None = None
) -> RunResult:
    return unfinished(
        attempt.task.spec, table, status, reason, error, history=history_frame(attempt.seen), threads=1
    )  # fmt: skip


class _Worker:
    """One worker process as its parent sees it: a process, a pipe, and the attempt it is busy with."""

    def __init__(self, table: Table, keep_model: bool) -> None:
        self.arguments = (table, keep_model)
        self.attempt: _Attempt | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        lifeline, self.held = context.Pipe(duplex=False)
        self.process = context.Process(target=_serve, args=(theirs, lifeline, *self.arguments), daemon=True)
        with _ignoring_ctrl_c():  # the child inherits it; the parent alone answers Ctrl-C
            self.process.start()
        theirs.close()
        lifeline.close()

    def begin(self, attempt: _Attempt) -> None:
        self.attempt = attempt
        with contextlib.suppress(OSError):  # died while idle: its pipe will say so
            self.pipe.send(attempt.task.spec)

    def replace(self) -> str:
        """End this process, start another, and say how the first one ended."""
        self.process.join(GRACE_SECONDS)
        self.end()
        code = self.process.exitcode
        self.attempt = None
        self._start()
        return _cause(code)

    def end(self) -> None:
        """End the process; nothing is lost, as only the parent writes."""
        self.held.close()
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.pipe.close()


def _cause(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        name = signal.Signals(-code).name
        return f"{name}; out of memory?" if name == "SIGKILL" else name
    return f"signal {-code}"


@contextlib.contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def _serve(pipe: Connection, lifeline: Connection, table: Table, keep_model: bool) -> None:
    """The worker: train each spec that comes down the pipe, send epochs and results up."""
    threading.Thread(target=_die_with_parent, args=(lifeline,), daemon=True).start()
    try:
        runtime.load(1)
        from wineexp import experiment  # loads TensorFlow, so only once it is set up
    except Exception:  # noqa: BLE001 - told to the parent, which stops the batch
        pipe.send(("broken", traceback.format_exc()))
        return
    while True:
        spec = pipe.recv()
        pipe.send(("ready",))

        def on_epoch(*numbers: Any) -> None:
            pipe.send(("epoch", *numbers))

        result = experiment.attempt(spec, table, threads=1, keep_model=keep_model, on_epoch=on_epoch)
        pipe.send(("result", result))


def _die_with_parent(lifeline: Connection) -> None:
    """Block until the parent's end closes, which its death does too, however it died."""
    with contextlib.suppress(EOFError, OSError):
        lifeline.recv_bytes()
    os._exit(1)
