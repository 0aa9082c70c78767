"""Local worker processes: real ones, killed, hung, interrupted."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT
from support import faulty_workers
from support.batches import train as batch
from support.clock import Clock
from support.processes import GUARD, TELLING, check_gone, children, count_training, start, wait_for

from wineexp.execution import workers
from wineexp.execution.executor import Task, always
from wineexp.execution.observer import Observer
from wineexp.execution.workers import LocalWorkers, affordable_jobs
from wineexp.runs.directory import HISTORY, PREDICTIONS
from wineexp.runs.run import find_runs
from wineexp.specs.run_spec import RunSpec

#: More than a run needs, on any machine.
LONG = 3600

FULL = os.environ.get("WINEEXP_FAULTS") == "full"
QUICK = {"widths": "8,8", "epochs": 4, "batch_size": 32}


def specs(count=4, **fields):
    return [RunSpec.parse({**QUICK, **fields, "seed": seed}) for seed in range(count)]


def numbers(folder: Path):
    """Directory name -> the bytes of its two tables."""
    return {run.path.name: [(run.path / name).read_bytes() for name in (HISTORY, PREDICTIONS)]
            for run in find_runs(folder)}  # fmt: skip


@pytest.fixture(scope="session")
def undisturbed(small_table, tmp_path_factory, tensorflow):
    """12 runs, trained in this process with one thread, and their tables."""
    out = tmp_path_factory.mktemp("undisturbed")
    wanted = [*specs(6), *specs(6, dropout=0.3, bn="after", eval_train=True)]
    batch(wanted, small_table, out)
    return wanted, numbers(out)


@pytest.mark.parametrize("jobs", [1, 2])
def test_workers_give_the_bytes_of_this_process(jobs, undisturbed, small_table, tmp_path):
    wanted, expected = undisturbed
    seen = []

    class Listener(Observer):
        def epoch(self, spec, epoch, loss, val_loss):
            seen.append((wanted.index(spec), epoch))

    runs = batch(wanted, small_table, tmp_path, LocalWorkers(jobs), Listener())
    assert {run.status for run in runs} == {"done"}
    assert numbers(tmp_path) == expected
    assert sorted(seen) == [(n, e) for n in range(12) for e in range(4)]


@pytest.mark.parametrize(("seeds", "begun"), [([0, 1, 2], [0, 1]), ([faulty_workers.RAISES, 1, 2], [101])])
def test_a_worker_is_at_its_next_run_before_the_last_is_recorded_unless_that_failed(seeds, begun, small_table):
    """Recording takes a fifth of a small run's time; with --fail-fast nothing begins after a failure."""
    tasks = [Task(number, spec) for number, spec in enumerate(RunSpec.parse({**QUICK, "seed": s}) for s in seeds)]
    seen = []

    def begin(task):
        seen.append(task.spec.seed)
        return True

    results = LocalWorkers(1, train=faulty_workers.train).run(tasks, small_table, lambda *_: None, begin)
    next(results)
    assert seen == begun
    results.close()


def test_no_worker_is_started_that_could_not_load_tensorflow(small_table, monkeypatch):
    """Short of memory, a process ends in any words or, at times, never; so it is not begun."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (10**9, 10**9))
    monkeypatch.setattr(workers.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    results = LocalWorkers(1).run([Task(0, RunSpec.parse(QUICK))], small_table, lambda *_: None)
    with pytest.raises(MemoryError, match=r"TensorFlow takes about 1.6 GB, and 1 GB are left"):
        next(results)


@pytest.mark.slow
def test_each_fault_has_its_own_status_and_reason_and_the_good_runs_are_done(
    cli, small_table, small_csv, tmp_path, monkeypatch
):
    clock = Clock()

    class Faulty(LocalWorkers):
        """An hour passes once the run that hangs is all that is left."""

        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, train=faulty_workers.train, **settings)

        def run(self, tasks, table, on_epoch, begin=always):
            others, hanging = {task.number for task in tasks}, set()

            def look():
                if others == hanging:
                    clock.ahead = LONG + 1

            def hear(task, epoch, *losses):
                on_epoch(task, epoch, *losses)
                if task.spec.seed == faulty_workers.HANGS and epoch == 1:
                    hanging.add(task.number)
                    look()

            for task, result in super().run(tasks, table, hear, begin):
                yield task, result
                others.discard(task.number)
                look()

    monkeypatch.setattr(workers, "time", clock)
    monkeypatch.setattr(workers, "LocalWorkers", Faulty)
    config = {
        "defaults": QUICK,
        "runs": [
            *({"name": f"good {seed}", "seed": seed} for seed in range(3)),
            {"name": "diverges", "optimizer": "sgd", "learning_rate": 1e6, "loss": "mse", "epochs": 50},
            {"name": "raises", "seed": faulty_workers.RAISES},
            {"name": "dies", "seed": faulty_workers.DIES},
            {"name": "hangs", "seed": faulty_workers.HANGS},
        ],
    }
    (tmp_path / "mixed.yaml").write_text(json.dumps(config))
    arguments = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 2, "--timeout", LONG]
    code, out, err = cli("batch", tmp_path / "mixed.yaml", *arguments)
    assert code == 1
    ended = {run.record.label: run for run in find_runs(tmp_path / "out")}
    assert {name: (run.status, run.record.reason) for name, run in ended.items()} == {
        "good 0": ("done", None), "good 1": ("done", None), "good 2": ("done", None),
        "diverges": ("failed", "diverged"), "raises": ("failed", "error"),
        "dies": ("failed", "killed"), "hangs": ("failed", "timeout"),
    }  # fmt: skip
    assert "no room for the batch" in ended["raises"].error_path.read_text()
    assert "Traceback" in ended["raises"].error_path.read_text()
    assert "in each of 2 tries (SIGKILL; out of memory?)" in ended["dies"].error_path.read_text()
    assert "stopped after 3600 s, 2 of 4 epochs done" in ended["hangs"].error_path.read_text()
    assert len((ended["hangs"].path / HISTORY).read_text().splitlines()) == 3  # what was seen of it stays
    assert "7 runs: 3 done (0 of them before), 4 failed" in err
    for name in ("diverges", "raises", "dies", "hangs"):
        assert str(ended[name].error_path) in out
    assert "good" not in out
    code, _, err = cli("batch", tmp_path / "mixed.yaml", *arguments, "--skip-failed")
    assert code == 1
    assert "7 of 7 runs are already done or skipped" in err


def test_memory_bounds_the_workers(monkeypatch):
    monkeypatch.setattr(workers.runtime, "available_cores", lambda: 8)
    monkeypatch.setattr(workers.runtime, "available_memory", lambda: 7e9)
    assert affordable_jobs(10_000) == 3
    assert affordable_jobs(10**9) == 1
    monkeypatch.setattr(workers.runtime, "available_memory", lambda: 1e12)
    assert affordable_jobs(10_000) == 8


@pytest.mark.slow
def test_a_worker_full_of_machine_code_is_replaced(undisturbed, small_table, tmp_path, monkeypatch):
    wanted, expected = undisturbed
    monkeypatch.setenv("WINEEXP_TEST_FOLDER", str(tmp_path))
    crew = LocalWorkers(2, retries=0, train=faulty_workers.fills)
    runs = batch(wanted[:4], small_table, tmp_path / "out", crew)
    assert {run.status for run in runs} == {"done"}
    assert numbers(tmp_path / "out").items() <= expected.items()
    assert len([path for path in tmp_path.iterdir() if path.name.isdigit()]) == 4, "a process for each run"


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(20 if FULL else 3))
def test_a_worker_killed_at_any_moment_costs_nothing(undisturbed, small_table, tmp_path, monkeypatch, trial):
    """The moments are what the parent does with a worker: start it, set it up, give it a run, hear of an epoch."""
    wanted, expected = undisturbed
    dice = random.Random(trial)
    moment = dice.randrange(2 + 2 + len(wanted) * (1 + QUICK["epochs"]))
    passed, killed = [], []

    def pass_by(*_):
        passed.append(True)
        if len(passed) - 1 == moment:
            victim = dice.choice(children(psutil.Process()))
            victim.kill()
            killed.append(victim)

    for name in ("_start", "set_up", "begin"):
        plain = getattr(workers._Worker, name)
        monkeypatch.setattr(workers._Worker, name, lambda *given, plain=plain: (plain(*given), pass_by()))
    listener = Observer()
    listener.epoch = pass_by
    runs = batch(wanted, small_table, tmp_path, LocalWorkers(2), listener)
    assert len(killed) == 1
    assert [run.status for run in runs] == ["done"] * 12
    assert numbers(tmp_path) == expected


#: The command line, whose workers train so many runs as they may.
RATIONED = """
from functools import partial
from support import faulty_workers
from wineexp.cli import main
from wineexp.execution import workers

workers.LocalWorkers = partial(workers.LocalWorkers, train=faulty_workers.rationed)
main()
"""


@pytest.mark.slow
def test_the_parent_killed_at_any_moment_leaves_whole_runs_and_no_process(small_csv, tmp_path, monkeypatch):
    config = {"defaults": {**QUICK, "epochs": 40}, "seeds": 40}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    arguments = ["batch", "c.yaml", "--data", small_csv, "--jobs", 2, "--no-model"]
    dice, stamps, outputs = random.Random(1), {}, tmp_path / "outputs"
    monkeypatch.setenv("WINEEXP_TEST_FOLDER", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "tests")]))

    def finished():
        return len(list(outputs.glob("[!.]*/run.json")))

    def check():
        for path in outputs.glob("[!.]*"):
            record = path / "run.json"
            assert json.loads(record.read_text())["status"] == "done"
            stamp = record.stat().st_mtime_ns
            assert stamps.setdefault(path.name, stamp) == stamp, "a finished run was touched"

    for _ in range(10 if FULL else 2):
        before = finished()
        (tmp_path / "allowed").write_text(str(before + 2))  # so that it cannot come to its end
        process = start(arguments, tmp_path, code=RATIONED)
        wait_for(lambda before=before: finished() > before)
        time.sleep(dice.uniform(0, 0.3))  # whatever it has got to by then
        family = children(process)
        assert family
        process.kill()
        process.communicate()
        check_gone(family)
        check()
    done = start(arguments, tmp_path)
    _, err = done.communicate()
    assert done.returncode == 0, err
    check()
    assert len(stamps) == 40
    assert not list(outputs.glob(".*")), "what was left half-written is swept away"


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_the_same_command_completes_the_rest(small_csv, small_table, tmp_path):
    config = {
        "defaults": {**QUICK, "bn": "after"},
        "runs": [{"seed": 0}, {"seed": 1}, {"seed": 2, "epochs": 10**6}],
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    arguments = ["batch", "c.yaml", "--data", small_csv, "--jobs", 2]
    process = start(arguments, tmp_path, code=TELLING)
    outputs = tmp_path / "outputs"
    wait_for(lambda: len(list(outputs.glob("*/run.json"))) == 2 and count_training(tmp_path) == 1)
    family = children(process)
    assert len(family) == 2
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GUARD)
    assert process.returncode == 130
    assert "Traceback" not in err
    check_gone(family)
    states = sorted(run.status for run in find_runs(outputs))
    assert states == ["done", "done", "interrupted"]
    (stopped,) = [run for run in find_runs(outputs) if run.status == "interrupted"]
    assert len((stopped.path / HISTORY).read_text().splitlines()) > 11
    config["runs"][2]["epochs"] = 6
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    again = start(arguments, tmp_path)
    _, err = again.communicate(timeout=GUARD)
    assert again.returncode == 0, err
    assert "2 of 3 runs are already done" in err
    wanted = [
        RunSpec.parse({**QUICK, "bn": "after", "seed": 0}),
        RunSpec.parse({**QUICK, "bn": "after", "seed": 1}),
    ]
    wanted.append(RunSpec.parse({**QUICK, "bn": "after", "seed": 2, "epochs": 6}))
    batch(wanted, small_table, tmp_path / "plain", LocalWorkers(1))
    expected, found = numbers(tmp_path / "plain"), numbers_of_done(outputs)
    assert found == expected


def numbers_of_done(folder):
    done = {run.path.name for run in find_runs(folder) if run.status == "done"}
    return {run.path.name: [(run.path / name).read_bytes() for name in (HISTORY, PREDICTIONS)]
            for run in find_runs(folder) if run.path.name in done}  # fmt: skip


def test_a_run_that_is_always_heard_of_is_stopped_in_time_too(small_table, tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(workers, "time", clock)

    class Waiting(Observer):
        def epoch(self, spec, epoch, loss, val_loss):
            if epoch == 100:
                clock.ahead = LONG + 1

    wanted = [RunSpec.parse({**QUICK, "widths": "4", "batch_size": 1024, "epochs": 10**6})]
    (run,) = batch(wanted, small_table, tmp_path, LocalWorkers(1, timeout=LONG), Waiting())
    assert (run.status, run.record.reason) == ("failed", "timeout")
    assert "101 of 1000000 epochs done" in run.error_path.read_text(), "looked at after each"


def test_a_worker_that_cannot_train_is_told_in_one_line(small_table, tmp_path):
    from wineexp.errors import RuntimeSetupError

    with pytest.raises(RuntimeSetupError, match="a worker process cannot train: no TensorFlow here"):
        batch(specs(2), small_table, tmp_path, LocalWorkers(1, train=faulty_workers.cannot_train))
    assert not children(psutil.Process())
