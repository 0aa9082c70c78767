"""Several processes and people at one folder: each run has one owner, and what is not ours is never removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
from execution.test_batch_run import SPECS, Fake
from support.batches import plan, train
from support.clock import Clock
from support.processes import GUARD, children, start, texts, wait_for

from wineexp.errors import RunError
from wineexp.execution import batch_run, claims
from wineexp.execution.batch_run import execute
from wineexp.execution.claims import Claims
from wineexp.execution.observer import Observer
from wineexp.runs.run import find_runs


def planted(kind, path):
    """Something of another's at a run's path."""
    if kind == "folder":
        path.mkdir(parents=True)
        (path / "notes.txt").write_text("mine")
    elif kind == "folder with our names":
        path.mkdir(parents=True)
        (path / "history.csv").write_text("epoch,loss,val_loss\n")
    elif kind == "file":
        path.write_text("mine")
    elif kind == "symlink to a folder":
        (path.parent / "elsewhere").mkdir()
        path.symlink_to(path.parent / "elsewhere")
    else:
        path.symlink_to(path.parent / "nowhere")
    return path


@pytest.mark.parametrize(
    "kind", ["folder", "folder with our names", "file", "symlink to a folder", "dangling symlink"]
)
@pytest.mark.parametrize("force", [False, True])
def test_what_is_not_ours_at_a_runs_path_is_refused_before_training(small_table, tmp_path, kind, force):
    (run, *_) = train(SPECS[:1], small_table, tmp_path / "first", Fake())
    path = tmp_path / "out" / run.path.name
    path.parent.mkdir()
    planted(kind, path)
    before = sorted(str(entry) for entry in tmp_path.rglob("*"))
    executor = Fake()
    with pytest.raises(RunError, match=r"expected a free place for a run, found a .*; move it away"):
        execute(plan(SPECS[:1], small_table, tmp_path / "out", force=force), executor)
    assert executor.begun == []
    assert sorted(str(entry) for entry in tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["model.keras", "curves.png"])
def test_a_folder_in_place_of_a_runs_file_is_refused(small_table, tmp_path, name):
    (run,) = train(SPECS[:1], small_table, tmp_path, Fake())
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).mkdir()
    with pytest.raises(RunError, match=f"whose {name} is not a file"):
        execute(plan(SPECS[:1], small_table, tmp_path, force=True), Fake())


def test_an_empty_folder_is_taken(small_table, tmp_path):
    (run,) = train(SPECS[:1], small_table, tmp_path / "first", Fake())
    (tmp_path / "out" / run.path.name).mkdir(parents=True)
    (run,) = train(SPECS[:1], small_table, tmp_path / "out", Fake())
    assert run.status == "done"


def test_notes_beside_a_run_stay_when_it_is_trained_again(small_table, tmp_path):
    (run,) = train(SPECS[:1], small_table, tmp_path, Fake(bad=[0]))
    (run.path / "notes.txt").write_text("mine")
    (run.path / "figures").mkdir()
    (run.path / "figures" / "a.png").write_bytes(b"mine too")
    inside = (run.path / "notes.txt").stat().st_ino
    assert run.error_path.exists()
    (again,) = train(SPECS[:1], small_table, tmp_path, Fake())
    assert again.status == "done"
    assert not again.error_path.exists(), "a file of the failed run that the new one does not have"
    assert (run.path / "notes.txt").stat().st_ino == inside, "no copy"
    assert (run.path / "figures" / "a.png").read_bytes() == b"mine too"
    assert not list(tmp_path.glob(".*"))


def test_a_run_that_cannot_be_replaced_stays_whole(small_table, tmp_path, monkeypatch):
    (run,) = train(SPECS[:1], small_table, tmp_path, Fake())
    (run.path / "notes.txt").write_text("mine")
    replace = type(run.path).replace

    def fails_at_the_record(path, target):
        if target.name == "run.json":
            raise OSError(5, "Input/output error")
        return replace(path, target)

    monkeypatch.setattr(type(run.path), "replace", fails_at_the_record)
    with pytest.raises(RunError, match="Input/output error"):
        execute(plan(SPECS[:1], small_table, tmp_path, force=True), Fake(losses=(1.5, 0.5)))
    monkeypatch.undo()
    planned = plan(SPECS[:1], small_table, tmp_path)
    assert not planned.damaged
    assert [entry.train for entry in planned.entries] == [False]
    assert (run.path / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == [run.path.name]


class Telling(Observer):
    def __init__(self):
        self.waited, self.deleted = [], []

    def waiting(self, count, owner, folder):
        self.waited.append((count, owner))

    def gone(self, path):
        self.deleted.append(path)


def test_runs_of_another_process_are_waited_for_and_trained_if_it_leaves_them(small_table, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_run, "LOOK_SECONDS", 0.01)
    signatures = [spec.signature(small_table.identity) for spec in SPECS]
    other = Claims(tmp_path)
    for signature in signatures[:2]:
        assert other.take(signature)

    class Leaving(Telling):
        def waiting(self, count, owner, folder):
            super().waiting(count, owner, folder)
            train(SPECS[:1], small_table, tmp_path / "aside", Fake())
            (run,) = find_runs(tmp_path / "aside")
            run.path.rename(tmp_path / run.path.name)  # the other has done its first, and leaves the second
            other.close()

    executor, observer = Fake(), Leaving()
    runs = train(SPECS, small_table, tmp_path, executor, observer)
    assert executor.begun == [2, 3, 1]
    assert [run.status for run in runs] == ["done"] * 4
    assert observer.waited == [(2, f"process {os.getpid()} on {socket.gethostname()}")]
    assert not list(tmp_path.glob(".*.claim"))


@pytest.mark.parametrize("force", [False, True])
def test_a_run_that_is_there_under_two_names_is_trained_again(small_table, tmp_path, force):
    """It was there before; only what another process wrote meanwhile is taken for this training."""
    named = [SPECS[0].model_copy(update={"name": name}) for name in ("x", "y")]
    for spec in named:
        train([spec], small_table, tmp_path / spec.name, Fake(bad=[] if force else [0]))
        (run,) = find_runs(tmp_path / spec.name)
        (tmp_path / "out").mkdir(exist_ok=True)
        run.path.rename(tmp_path / "out" / run.path.name)
    executor = Fake()
    execute(plan(named[1:], small_table, tmp_path / "out", force=force), executor)
    assert executor.begun == [0]


def test_a_failure_of_another_process_ends_a_batch_that_is_to_end_at_the_first(small_table, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_run, "LOOK_SECONDS", 0.01)
    planned = plan(SPECS, small_table, tmp_path / "out")
    train(SPECS[:1], small_table, tmp_path / "out", Fake(bad=[0]))
    executor = Fake()
    runs = execute(planned, executor, fail_fast=True).runs
    assert executor.begun == []
    assert [run.status for run in runs] == ["failed"]


def test_an_interrupt_before_a_run_is_begun_ends_the_batch(small_table, tmp_path):
    """The executor yields nothing for it; what other processes have is then not waited for."""

    class Interrupted(Fake):
        def run(self, tasks, table, on_epoch, begin):
            begin(tasks[0])
            yield from ()

    other = Claims(tmp_path)
    assert other.take(SPECS[0].signature(small_table.identity))
    assert train(SPECS, small_table, tmp_path, Interrupted()) == []
    other.close()


RECORD = "filelock/2\npid=1\nhost=far\nmode={}\ntoken=" + "0" * 32 + "\nduration={}\n"
CLAIMS = {
    "of another version": RECORD.format("lease", 30.0),
    "for ever": RECORD.format("exclusive", 60.0),
    "of a later kind": RECORD.format("later", 60.0),
    "with control characters": RECORD.format("lease", 60.0).replace("far", "\x1b[31mfar"),
    "of 5 MB": "x" * 5_000_000,
    "empty": "",
}


@pytest.mark.parametrize("text", CLAIMS.values(), ids=CLAIMS)
def test_a_file_in_place_of_a_claim_is_waited_for_and_named(small_table, tmp_path, text, monkeypatch):
    monkeypatch.setattr(batch_run, "LOOK_SECONDS", 0.01)
    path = tmp_path / f".{SPECS[0].signature(small_table.identity)}.claim"
    path.write_text(text)

    class Removing(Telling):
        def waiting(self, count, owner, claim):
            super().waiting(count, owner, claim)
            assert claim == path
            claim.unlink()

    observer, executor = Removing(), Fake()
    assert [run.status for run in train(SPECS[:1], small_table, tmp_path, executor, observer)] == ["done"]
    assert executor.begun == [0]
    assert len(observer.waited) == 1


def test_a_folder_in_place_of_a_claim_is_one_line(small_table, tmp_path):
    path = tmp_path / f".{SPECS[0].signature(small_table.identity)}.claim"
    path.mkdir()
    with pytest.raises(RunError, match=r"\.claim: cannot be written: Is a directory"):
        train(SPECS[:1], small_table, tmp_path, Fake())


def test_without_a_listener_waiting_is_a_warning_that_says_what_to_do(tmp_path):
    with pytest.warns(
        UserWarning, match=r"waiting for 2 runs that process 1 on far is training.*delete .*x\.claim"
    ):
        Observer().waiting(2, "process 1 on far", tmp_path / "x.claim")


def test_a_claim_that_nobody_renews_is_taken_over(small_table, tmp_path, monkeypatch):
    """As another machine's that lost its power: its process cannot be asked for from here."""
    monkeypatch.setattr(batch_run, "LOOK_SECONDS", 0.05)
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)

    class Patient(Telling):
        def waiting(self, count, owner, folder):
            super().waiting(count, owner, folder)
            clock.ahead += claims.LEASE_SECONDS

    signature = SPECS[0].signature(small_table.identity)
    left = RECORD.format("lease", claims.LEASE_SECONDS).replace("far", "far-away")
    (tmp_path / f".{signature}.claim").write_text(left)
    executor, observer = Fake(), Patient()
    train(SPECS[:1], small_table, tmp_path, executor, observer)
    assert executor.begun == [0]
    assert observer.waited == [(1, "process 1 on far-away")]


def test_a_claim_of_a_process_that_died_is_taken_over_at_once(small_table, tmp_path, monkeypatch):
    monkeypatch.setattr(batch_run, "LOOK_SECONDS", 3600)
    signature = SPECS[0].signature(small_table.identity)
    code = f"""
import os, pathlib
from wineexp.execution.claims import Claims
claims = Claims(pathlib.Path({str(tmp_path)!r}))
assert claims.take({signature!r})
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / f".{signature}.claim").exists()
    executor = Fake()
    train(SPECS[:1], small_table, tmp_path, executor)
    assert executor.begun == [0]


def test_runs_that_are_deleted_meanwhile_are_counted_as_not_there(small_table, tmp_path):
    class Deleting(Telling):
        def ended(self, run):
            if run.spec.seed == 1:
                shutil.rmtree(run.path)

    observer = Deleting()
    runs = train(SPECS, small_table, tmp_path, Fake(), observer)
    assert [run.spec.seed for run in runs] == [0, 2, 3]
    assert [path.name.rpartition("-s")[2][0] for path in observer.deleted] == ["1"]
    with pytest.raises(RunError, match="deleted as soon as"):
        train(SPECS[1:2], small_table, tmp_path, Fake(), Deleting())


@pytest.mark.parametrize("command", ["batch", "study"])
def test_a_command_whose_runs_are_deleted_meanwhile_fails_and_says_which(
    cli, small_csv, tmp_path, monkeypatch, command, tensorflow
):
    from wineexp.execution.progress import BatchProgress

    def delete(self, run):
        if run.spec.seed == 1:
            shutil.rmtree(run.path)

    monkeypatch.setattr(BatchProgress, "ended", delete)
    (tmp_path / "c.yaml").write_text("defaults: {widths: 4, epochs: 2, batch_size: 32}\nseeds: 3\n")
    monkeypatch.chdir(tmp_path)
    extra = ["--no-report"] if command == "study" else []
    code, _, err = cli(command, "c.yaml", "--data", small_csv, "--jobs", 0, *extra)
    assert code == 1
    assert "was deleted while other runs were training" in err
    assert "interrupted" not in err
    if command == "batch":
        assert "3 runs: 2 done (0 of them before), 0 failed, 0 not finished, 1 deleted" in err
    else:
        assert (tmp_path / "outputs" / "c" / "compare.csv").exists(), "what is there is compared"


CONFIG = {"defaults": {"widths": 8, "epochs": 40, "batch_size": 32}, "seeds": 6}


#: The command line, which tells in a file what it trains.
COUNTING = """
import sys
from wineexp.execution import executor

def counted(spec, table, **options):
    with open("trained", "a") as file:
        file.write(f"{spec.seed}\\n")
    return executor.train_run(spec, table, **options)

executor.InProcess.__init__.__defaults__ = (True, counted)
from wineexp.cli import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(5 if os.environ.get("WINEEXP_FAULTS") == "full" else 1))
def test_eight_processes_train_each_run_once(tmp_path, small_csv, trial):
    (tmp_path / "c.yaml").write_text(json.dumps(CONFIG))
    common = ["--data", small_csv, "--out", "out"]
    batches = [["batch", "c.yaml", *common, "--jobs", 0]] * 6
    fields = ["--widths", 8, "--epochs", 40, "--batch-size", 32, "--threads", 1]
    trains = [["train", *fields, "--seed", seed, *common] for seed in (0, 5)]
    processes = [start(arguments, tmp_path, code=COUNTING) for arguments in (*batches, *trains)]
    for process in processes:
        _, err = process.communicate(timeout=GUARD)
        assert process.returncode == 0, err
        assert "Traceback" not in err
    runs = list(find_runs(tmp_path / "out", damaged=pytest.fail))
    assert [run.status for run in runs] == ["done"] * 6
    assert sorted((tmp_path / "trained").read_text().split()) == list("012345")
    assert not list((tmp_path / "out").glob(".*"))


@pytest.mark.slow
def test_a_batch_takes_over_what_a_killed_one_had_begun(tmp_path, small_csv):
    config = {"defaults": {"widths": 8, "epochs": 10**6, "batch_size": 32}, "seeds": 2}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    out = tmp_path / "outputs"
    first = start(["batch", "c.yaml", "--data", small_csv, "--jobs", 2], tmp_path)
    wait_for(lambda: len(list(out.glob(".*.claim"))) == 2)
    with (tmp_path / "said").open("w") as said:
        second = start(["batch", "c.yaml", "--data", small_csv, "--jobs", 0], tmp_path, stderr=said)
    waiting = f"waiting for 2 runs that process {first.pid} on"
    wait_for(lambda: waiting in (tmp_path / "said").read_text())
    assert not children(second)
    first.kill()
    first.communicate()
    wait_for(lambda: any(f"pid={second.pid}\n" in text for text in texts(out.glob(".*.claim"))))
    second.send_signal(signal.SIGTERM)
    assert second.wait(timeout=GUARD) == 143
    assert not list(out.glob(".*"))
