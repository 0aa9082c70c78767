"""The code that runs on a Dask worker: one run, reported epoch by epoch, stopped on timeout or cancellation."""

from __future__ import annotations

import functools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wineexp import runtime
from wineexp.data.table import Table
from wineexp.errors import WorkerError
from wineexp.execution.executor import Task, TaskAttempt, Train
from wineexp.runs.result import RunResult
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:
    from wineexp.training.trainer_cache import TrainerCache

__all__ = ["Errand", "train_on_worker"]

#: Least seconds between two reports of a run's epochs, as every message goes through the scheduler.
REPORT_SECONDS = 0.25


@dataclass(frozen=True)
class Errand:
    """The work that is sent to a worker.

    Attributes
    ----------
    number : int
        The run's number in the plan.
    options : dict
        See :meth:`~wineexp.execution.executor.Task.options`.
    topic, key : str
        The topic under which its epochs are reported, and the Dask key that shows whether it was cancelled.
    versions : dict of str
        The client's versions; the worker's must be equal.
    train, timeout, keep_model
        See :class:`wineexp.execution.dask_cluster.DaskCluster`.
    """

    number: int
    spec: RunSpec
    options: dict[str, Any]
    topic: str
    key: str
    versions: dict[str, str]
    train: Train
    timeout: float | None
    keep_model: bool


class _Stopped(BaseException):
    """Leaves the fit loop past all handlers of exceptions; ``args[0]`` is the reason."""


#: TensorFlow's threads belong to the process: whatever Dask's number of threads, one run trains at a time.
_TRAINING = threading.Lock()


@functools.cache
def _process_cache() -> TrainerCache:
    """This worker process's compiled epoch, kept from run to run."""
    from wineexp.training.trainer_cache import TrainerCache  # loads TensorFlow, which must be set up before

    return TrainerCache()


def train_on_worker(errand: Errand, table: Table) -> RunResult:
    """Train one run in a Dask worker's thread."""
    if runtime.versions() != errand.versions:  # a worker that joined after the check
        raise WorkerError(f"this worker has {runtime.versions()}, the client {errand.versions}")
    with _TRAINING:
        runtime.load(1)
        cache = _process_cache()
        reporter = _Reporter(errand)
        try:
            return errand.train(
                errand.spec,
                table,
                threads=1,
                keep_model=errand.keep_model,
                on_epoch=reporter,
                cache=cache,
                **errand.options,
            )
        except _Stopped as stopped:
            if stopped.args[0] == "cancelled":
                return reporter.attempt.ended(table)
            return reporter.attempt.timed_out(table, errand.timeout)


class _Reporter:
    """Receives each epoch on the worker, reports to the client at intervals, stops a late or cancelled run."""

    def __init__(self, errand: Errand) -> None:
        from distributed import get_worker

        self.errand, self.worker = errand, get_worker()
        self.attempt = TaskAttempt(Task(errand.number, errand.spec))
        self.unsent: list[tuple[int, *tuple[float, ...]]] = []
        self.start = self.sent = time.monotonic()

    def __call__(self, epoch: int, *losses: float) -> None:
        self.attempt.seen.append(losses)
        self.unsent.append((epoch, *losses))
        now = time.monotonic()
        if epoch == 0 or now - self.sent >= REPORT_SECONDS:
            self.worker.log_event(self.errand.topic, (self.errand.number, list(self.unsent)))
            self.unsent.clear()
            self.sent = now
        timeout = self.errand.timeout
        if timeout is not None and now - self.start > timeout:
            raise _Stopped("timeout")
        known = self.worker.state.tasks.get(self.errand.key)
        if known is None or known.state == "cancelled":  # by Ctrl-C, or the client is gone
            raise _Stopped("cancelled")
