"""A Dask cluster: a real scheduler and real workers, on loopback."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from functools import partial

import psutil
import pytest
from conftest import ROOT
from support import faulty_workers
from support.batches import train as batch
from support.configs import read_config
from support.events import read, reader
from support.processes import GUARD, TELLING, count_training, start, wait_for
from test_workers import QUICK, numbers

from wineexp import runtime
from wineexp.execution import dask_cluster, dask_worker
from wineexp.execution.dask_cluster import DaskCluster
from wineexp.execution.executor import Task
from wineexp.execution.observer import Observer
from wineexp.runs.run import find_runs
from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@contextlib.contextmanager
def dask(*arguments, cwd):
    """A scheduler's or a worker's process, and the address that it tells."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])  # of what workers train with
    settings = {
        "DASK_DISTRIBUTED__DASHBOARD__LINK": "",
        "DASK_DISTRIBUTED__WORKER__DAEMON": "False",
        "PYTHONPATH": paths,
    }
    log = cwd / f"{arguments[0]}-{time.monotonic_ns()}.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=cwd,
            stdout=file,
            stderr=file,
            env={**os.environ, **settings},
        )
    try:
        yield process, log
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)] if process.poll() is None else []
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


def worker_of(nanny):
    """The worker process that a nanny looks after."""
    for child in psutil.Process(nanny.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended since
            if "spawn_main" in " ".join(child.cmdline()):
                return child
    return None


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """The address of a scheduler for two workers, and the workers' nanny processes."""
    folder = tmp_path_factory.mktemp("dask")
    with contextlib.ExitStack() as stack:
        _, log = stack.enter_context(
            dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", cwd=folder)
        )
        wait_for(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text()))
        address = re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())[1]
        nannies = [
            stack.enter_context(
                dask("worker", address, "--nthreads", "1", "--host", "127.0.0.1", "--no-dashboard", cwd=folder)
            )[0]
            for _ in range(2)
        ]
        yield address, nannies


@pytest.fixture
def cluster(processes, monkeypatch):
    """The same once both workers are there, again where one was killed."""
    from distributed import Client

    address, nannies = processes
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", GUARD)
    with Client(address, timeout=GUARD, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=GUARD)
    wait_for(lambda: all(worker_of(nanny) for nanny in nannies))
    return address, nannies


@pytest.fixture
def study(tmp_path):
    def write(**changes):
        config = {"defaults": {**QUICK, "bn": "after"}, "seeds": 6, "grid": {"dropout": [0.0, 0.3]}, **changes}
        (tmp_path / "c.yaml").write_text(json.dumps(config))
        return tmp_path / "c.yaml"

    return write


@pytest.mark.slow
def test_a_study_on_dask_gives_the_bytes_of_one_process_and_survives_a_killed_worker(
    cluster, study, cli, small_csv, small_table, tmp_path, tensorflow
):
    address, nannies = cluster
    config = study()
    code, _, err = cli("batch", config, "--data", small_csv, "--out", tmp_path / "plain", "--jobs", 0)
    assert code == 0, err
    code, _, err = cli("batch", config, "--data", small_csv, "--out", tmp_path / "whole", "--dask", address)
    assert code == 0, err
    trained = numbers(tmp_path / "plain")
    assert numbers(tmp_path / "whole") == trained
    assert all(run.model_path.exists() for run in find_runs(tmp_path / "whole"))
    for where in (["--out", tmp_path / "plain", "--jobs", 0], ["--out", tmp_path / "whole", "--dask", address]):
        code, _, err = cli("batch", config, "--set", "mc_passes=4", "--data", small_csv, *where)
        assert code == 0, err
    assert numbers(tmp_path / "whole") == numbers(tmp_path / "plain"), "amended on the cluster too"
    assert {run.spec.mc_passes for run in find_runs(tmp_path / "whole")} == {4}

    begun, killed = set(), []

    class Killer(Observer):
        def epoch(self, spec, epoch, loss, val_loss):
            begun.add(spec)
            if len(begun) == 2 and not killed:  # one on each worker, which waits in it
                killed.append(worker_of(nannies[0]))
                killed[0].kill()
                (tmp_path / "go on").touch()

    waiting = DaskCluster(address, train=partial(faulty_workers.waits_for, path=tmp_path / "go on"))
    batch(read_config(config).specs, small_table, tmp_path / "killed", waiting, Killer())
    assert killed
    assert [run.status for run in find_runs(tmp_path / "killed")] == ["done"] * 12
    assert numbers(tmp_path / "killed") == trained


@pytest.mark.slow
def test_a_timeout_and_a_divergence_on_dask_have_their_reasons(cluster, cli, small_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "DaskCluster", partial(DaskCluster, train=faulty_workers.ages))
    runs = [
        {"name": "good"},
        {"name": "long", "epochs": 10**6},
        {"name": "bad", "optimizer": "sgd", "learning_rate": 1e6, "loss": "mse"},
    ]
    config = tmp_path / "faulty_workers.yaml"
    config.write_text(json.dumps({"defaults": {**QUICK, "epochs": 60}, "runs": runs}))
    code, _, err = cli(
        "batch", config, "--data", small_csv, "--out", tmp_path / "out", "--dask", cluster[0], "--timeout", 3600
    )  # fmt: skip
    assert code == 1, err
    ended = {run.record.label: (run.status, run.record.reason) for run in find_runs(tmp_path / "out")}
    assert ended == {"good": ("done", None), "long": ("failed", "timeout"), "bad": ("failed", "diverged")}


@pytest.mark.slow
def test_epochs_are_reported_while_a_run_trains_on_the_cluster(cluster, small_table, tmp_path):
    """The worker waits in its run until the report has come here."""
    seen = []

    def hear(task, epoch, *losses):
        seen.append((epoch, *losses))
        (tmp_path / str(epoch)).touch()

    spec = RunSpec.parse({**QUICK, "epochs": 8})
    train = partial(faulty_workers.heard_of, folder=tmp_path)
    ((task, result),) = DaskCluster(cluster[0], train=train).run([Task(7, spec)], small_table, hear)
    assert (task.number, result.status) == (7, "done")
    assert len(seen) >= 7
    assert [epoch for epoch, *_ in seen] == list(range(len(seen))), "each has all epochs since the one before"
    history = result.history
    assert all(
        (loss, val_loss) == tuple(history.loc[epoch, ["loss", "val_loss"]]) for epoch, loss, val_loss in seen
    )


@pytest.mark.slow
def test_tensorboard_has_the_epochs_while_a_run_trains_on_the_cluster(cluster, small_csv, tmp_path, tensorflow):
    (tmp_path / "c.yaml").write_text(json.dumps({**QUICK, "epochs": 10**6}))
    flags = ["--data", small_csv, "--dask", cluster[0], "--tensorboard", "tb"]
    process = start(["batch", "c.yaml", *flags], tmp_path)
    wait_for(lambda: list(tmp_path.glob("tb/*/*")))
    (folder,) = (tmp_path / "tb").iterdir()
    events = reader(folder)
    wait_for(lambda: len(read(events)[0]) > 100)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=GUARD)
    (history,) = tmp_path.glob("outputs/*/history.csv")
    assert read(events)[0] == list(range(len(history.read_text().splitlines()) - 1))


@pytest.mark.slow
def test_ctrl_c_stops_the_runs_on_the_cluster(cluster, small_csv, tmp_path):
    from distributed import Client

    config = tmp_path / "endless.yaml"
    config.write_text(json.dumps({"defaults": {**QUICK, "epochs": 10**6}, "seeds": 3}))
    flags = ["--data", small_csv, "--out", tmp_path / "out", "--dask", cluster[0]]
    process = start(["batch", config, *flags], tmp_path, code=TELLING)
    wait_for(lambda: count_training(tmp_path) >= 2)

    def trains():  # sent by value, as it is within another
        return dask_worker._TRAINING.locked()

    with Client(cluster[0], timeout=GUARD, set_as_default=False) as client:
        assert all(client.run(trains).values())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=GUARD)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        assert {run.status for run in find_runs(tmp_path / "out")} == {"interrupted"}
        wait_for(lambda: not any(client.run(trains).values()))


@pytest.mark.slow
def test_workers_with_other_versions_are_named(cluster, study, cli, small_csv, tmp_path, monkeypatch):
    real = runtime.versions()
    monkeypatch.setattr(runtime, "versions", lambda: {**real, "wineexp": "9.9"})
    code, _, err = cli("batch", study(), "--data", small_csv, "--out", tmp_path / "out", "--dask", cluster[0])
    assert code == 2
    assert err.count(f"wineexp {real['wineexp']} instead of 9.9") == 2
    assert "tensorflow" not in err
    assert not list((tmp_path / "out").glob("*"))


def test_a_scheduler_that_does_not_answer_is_one_line(cli, study, small_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    for address in ("tcp://127.0.0.1:9", "no address"):
        code, _, err = cli("batch", study(), "--data", small_csv, "--out", tmp_path / "out", "--dask", address)
        assert code == 2
        assert f"no Dask scheduler answers at {address}" in err


def test_a_client_that_could_not_connect_is_closed_at_once(small_table, monkeypatch):
    from distributed import Client

    from wineexp.errors import RuntimeSetupError

    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", 1)
    gc.collect()  # what earlier tests left
    left = []
    real_del = Client.__del__
    monkeypatch.setattr(Client, "__del__", lambda self: (left.append(self.status), real_del(self)))
    before = set(threading.enumerate())
    for address in ("tcp://127.0.0.1:9", "no address", "ftp://127.0.0.1:9"):
        with pytest.raises(RuntimeSetupError):
            next(DaskCluster(address).run([Task(0, RunSpec())], small_table, print))
        assert set(threading.enumerate()) <= before, "its event loop's thread has ended"
    gc.collect()
    assert left == ["closed"] * 3, "the garbage collector has nothing to close"


def test_a_scheduler_without_workers_is_one_line(small_table, tmp_path, monkeypatch):
    from wineexp.errors import RuntimeSetupError

    monkeypatch.setattr(dask_cluster, "WORKERS_SECONDS", 1)
    monkeypatch.setattr(dask_cluster, "CONNECT_SECONDS", GUARD)
    with dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", cwd=tmp_path) as (_, log):
        wait_for(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text()))
        address = re.search(r"Scheduler at:\s+(tcp://\S+)", log.read_text())[1]
        results = DaskCluster(address).run([Task(0, RunSpec())], small_table, print)
        with pytest.raises(RuntimeSetupError, match="has no workers; start one with `dask worker"):
            next(results)
