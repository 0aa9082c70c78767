"""Workers that hang or die while they start: replaced, and after the retries the batch ends and says so."""

from __future__ import annotations

import signal
from functools import partial

import psutil
import pytest
from support import faulty_workers
from support.batches import train as batch
from support.clock import Clock
from support.processes import children

from wineexp.errors import RuntimeSetupError
from wineexp.execution import workers
from wineexp.execution.executor import always
from wineexp.execution.workers import LocalWorkers
from wineexp.runs.run import find_runs
from wineexp.specs.run_spec import RunSpec

SPECS = [RunSpec.parse({"widths": "8", "epochs": 2, "seed": seed}) for seed in range(2)]


#: More than a worker needs to start or to train, on any machine.
LONG = 3600


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(workers, "time", clock)
    return clock


@pytest.fixture
def signalling(monkeypatch, clock):
    """Send ``number`` to so many worker processes before they load anything; who is stopped is late at once."""

    def begin(number, times):
        met = []

        def meet(worker):
            if worker.process not in met and len(met) < times:
                worker.process.send_signal(number)
                met.append(worker.process)
            if worker.process in met and number == signal.SIGSTOP:
                clock.ahead += LONG + 1

        for name in ("_start", "set_up"):  # it may have told that it is there before it is stopped
            plain = getattr(workers._Worker, name)
            monkeypatch.setattr(workers._Worker, name, lambda worker, plain=plain: (plain(worker), meet(worker)))
        return met

    return begin


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "says"),
    [
        (signal.SIGSTOP, "a worker process did not start within 3600 s in each of 2 tries"),
        (
            signal.SIGKILL,
            r"a worker process died while it started \(SIGKILL; out of memory\?\) in each of 2 tries",
        ),
    ],
    ids=["hangs", "dies"],
)
def test_a_worker_that_never_starts_ends_the_batch_after_the_retries(
    small_table, tmp_path, signalling, number, says
):
    met = signalling(number, 10)
    with pytest.raises(RuntimeSetupError, match=says):
        batch(SPECS, small_table, tmp_path, LocalWorkers(1, start_timeout=LONG))
    assert len(met) == 2
    assert not children(psutil.Process())
    assert list(find_runs(tmp_path)) == []


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 1])
def test_a_worker_that_dies_while_it_starts_is_a_failure_and_no_wrong_usage(
    cli, small_csv, tmp_path, signalling, retries
):
    (tmp_path / "c.yaml").write_text("{widths: 8, epochs: 2}\n")
    met = signalling(signal.SIGKILL, 10)
    where = ("--data", small_csv, "--out", tmp_path / "out")
    code, _, err = cli("batch", tmp_path / "c.yaml", *where, "--jobs", 1, "--retries", retries, "--quiet")
    assert (code, err.count("\n")) == (1, 1)
    assert "died while it started" in err
    assert len(met) == 1 + retries


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGKILL], ids=["hangs", "dies"])
def test_a_worker_that_does_not_start_once_is_replaced(small_table, tmp_path, signalling, number):
    met = signalling(number, 1)
    runs = batch(SPECS, small_table, tmp_path, LocalWorkers(1, start_timeout=LONG))
    assert len(met) == 1
    assert [run.status for run in runs] == ["done", "done"]


@pytest.mark.slow
def test_a_worker_that_hangs_in_training_is_stopped_by_its_timeout(small_table, tmp_path, clock):
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
                    clock.ahead += LONG + 1
                on_epoch(task, epoch, *numbers)

            return LocalWorkers(1, timeout=LONG).run(tasks, table, watch, begin)

    (run,) = batch([long], small_table, tmp_path, Watcher())
    assert (run.status, run.record.reason) == ("failed", "timeout")
    assert not [child for child in stopped if child.is_running()]


@pytest.mark.slow
def test_a_worker_that_never_starts_beside_one_that_trains_loses_nothing(small_table, tmp_path, monkeypatch):
    """Of two workers the second dies as often as it starts; the first does all the work."""
    spared, met, plain = [], [], workers._Worker._start

    def start(worker):
        plain(worker)
        if worker in spared or not spared:
            spared.append(worker)
        else:
            worker.process.kill()
            met.append(worker.process.pid)

    class Crew(LocalWorkers):
        def _start_again(self, worker, crew, problem):
            super()._start_again(worker, crew, problem)
            if worker not in crew:
                (tmp_path / "given up").touch()

    monkeypatch.setattr(workers._Worker, "_start", start)
    train = partial(faulty_workers.waits_for, path=tmp_path / "given up")
    wanted = [RunSpec.parse({"widths": "8", "epochs": 3, "seed": seed}) for seed in range(4)]
    runs = batch(wanted, small_table, tmp_path / "out", Crew(2, retries=1, train=train))
    assert len(spared) == 1
    assert len(met) == 2, "tried, tried once more, then done without"
    assert [run.status for run in runs] == ["done"] * 4
    assert not children(psutil.Process())
