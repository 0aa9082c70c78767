"""Workers that hang or die while they start: replaced, and after the retries the batch ends and says so."""

from __future__ import annotations

import contextlib
import signal
import threading
import time

import psutil
import pytest
from support.batches import train as batch
from support.processes import children

from wineexp.errors import RuntimeSetupError
from wineexp.execution.executor import always
from wineexp.execution.workers import LocalWorkers
from wineexp.runs.directory import find_runs
from wineexp.specs.run_spec import RunSpec

SPECS = [RunSpec.parse({"widths": "8", "epochs": 2, "seed": seed}) for seed in range(2)]


@contextlib.contextmanager
def signalling(number, times):
    """Send ``number`` to so many worker processes, each the moment that it is there."""
    over, met = threading.Event(), []

    def look():
        while not over.is_set() and len(met) < times:
            for child in children(psutil.Process()):
                if child not in met and len(met) < times:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.send_signal(number)
                        met.append(child)
            time.sleep(0.01)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield met
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGSTOP, "a worker process did not start within 2 s in each of 2 tries"),
        (
            signal.SIGKILL,
            r"a worker process died while it started \(SIGKILL; out of memory\?\) in each of 2 tries",
        ),
    ],
    ids=["hangs", "dies"],
)
def test_a_worker_that_never_starts_ends_the_batch_after_the_retries(small_table, tmp_path, number, says):
    with signalling(number, 10) as met, pytest.raises(RuntimeSetupError, match=says):
        batch(SPECS, small_table, tmp_path, LocalWorkers(1, start_timeout=2))
    assert len(met) == 2
    assert not children(psutil.Process())
    assert list(find_runs(tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "dies"])
def test_a_worker_that_does_not_start_once_is_replaced(small_table, tmp_path, number):
    with signalling(number, 1) as met:
        runs = batch(SPECS, small_table, tmp_path, LocalWorkers(1, start_timeout=40))
    assert len(met) == 1
    assert [run.status for run in runs] == ["done", "done"]


@pytest.mark.slow
def test_a_worker_that_hangs_in_training_is_stopped_by_its_timeout(small_table, tmp_path):
    long = RunSpec.parse({"widths": "8", "epochs": 10**6})
    stopped = []

    def stop():
        for child in children(psutil.Process()):
            child.send_signal(signal.SIGSTOP)
            stopped.append(child)

    class Watcher:
        def run(self, tasks, table, on_epoch, begin=always):
            def watch(task, epoch, *numbers):
                if epoch == 3 and not stopped:
                    stop()
                on_epoch(task, epoch, *numbers)

            return LocalWorkers(1, timeout=3).run(tasks, table, watch, begin)

    (run,) = batch([long], small_table, tmp_path, Watcher())
    assert (run.status, run.record.reason) == ("failed", "timeout")
    assert not [child for child in stopped if child.is_running()]


@pytest.mark.slow
def test_a_worker_that_never_starts_beside_one_that_trains_loses_nothing(small_table, tmp_path):
    """Of two workers the second dies as often as it starts; the first does all the work."""
    over, spared, met = threading.Event(), [], []

    def kill_all_but_the_first():
        while not over.is_set():
            for child in children(psutil.Process()):
                if not spared:
                    spared.append(child)
                elif child not in spared:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        child.kill()
                        met.append(child)
            time.sleep(0.02)

    thread = threading.Thread(target=kill_all_but_the_first)
    thread.start()
    try:
        wanted = [RunSpec.parse({"widths": "8", "epochs": 300, "seed": seed}) for seed in range(4)]
        runs = batch(wanted, small_table, tmp_path, LocalWorkers(2, retries=1))
    finally:
        over.set()
        thread.join()
    assert len(set(met)) == 2, "tried, tried once more, then done without"
    assert [run.status for run in runs] == ["done"] * 4
    assert not children(psutil.Process())
