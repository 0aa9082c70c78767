"""A run directory replaced while the disk fails or the process is killed: the old one or the new one, whole."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest
from support import batches, every_call, fabricate

import wineexp
from wineexp import files
from wineexp.runs import integrity
from wineexp.runs.directory import RUN_FILES
from wineexp.runs.record import Record
from wineexp.runs.run import find_runs
from wineexp.specs.run_spec import RunSpec

DEPTH = "full" if os.environ.get("WINEEXP_FAULTS") == "full" else "quick"


@pytest.mark.parametrize("exchange", ["exchange", "renames"])
@pytest.mark.parametrize("scenario", every_call.SCENARIOS)
def test_whichever_call_fails_or_is_the_last_the_old_or_the_new_directory_is_whole(tmp_path, scenario, exchange):
    """And what others have in it is there, and nothing of ours is left beside it."""
    command = [sys.executable, every_call.__file__, tmp_path / "folder", scenario, exchange, DEPTH]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    met = json.loads(ended.stdout)
    assert met["wrong"] == []
    assert met["calls"] > 50


@pytest.fixture(scope="module")
def dead():
    """The number of a process that has ended."""
    return int(subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True).stdout)


def hide(path, dead):
    """What is at ``path`` as a process has it in hand that was killed then."""
    hidden = path.parent / f".wineexp-{socket.gethostname()}-{dead}-0123abcd"
    hidden.mkdir()
    return path.rename(hidden / path.name)


COMMANDS = {
    "train": lambda config, table, other: wineexp.train(config["defaults"], data=table),
    "batch": lambda config, table, other: wineexp.batch(config, jobs=0, data=table),
    "study": lambda config, table, other: wineexp.study(config, jobs=0, data=table, page=False),
    "rm": lambda config, table, other: wineexp.remove(other),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_next_command_that_writes_puts_a_whole_run_back(
    small_table, small_csv, tmp_path, monkeypatch, dead, command
):
    """It is looked for only then, so it is not trained a second time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("wineexp.execution.executor.train_run", None)
    run = fabricate.save(tmp_path / "outputs", small_table, dropout=0.3)
    other = fabricate.save(tmp_path / "outputs", small_table, seed=7)
    (run.path / "notes.txt").write_text("mine")
    before = every_call.tree(run.path)
    hide(run.path, dead)
    command({"name": "x", "defaults": {"widths": 8, "epochs": 6, "dropout": 0.3}}, small_csv, other)
    assert every_call.tree(run.path) == before
    assert not list((tmp_path / "outputs").glob(".*"))


def test_a_run_that_was_removed_does_not_come_back(small_table, tmp_path, dead):
    """Not even where a killed process had replaced an earlier one of the same name, and had that one in hand."""
    run = fabricate.save(tmp_path, small_table)
    hide(run.path, dead)
    fabricate.save(tmp_path / "new", small_table).path.rename(run.path)
    wineexp.remove(run.path)
    fabricate.save(tmp_path, small_table, seed=7)
    assert [run.spec.seed for run in find_runs(tmp_path)] == [7]
    assert not list(tmp_path.glob(".*"))


def test_what_is_not_ours_goes_back_to_its_place_or_stays_but_is_never_removed(small_table, tmp_path, dead):
    run = fabricate.save(tmp_path, small_table)
    (run.path / "notes.txt").write_text("first")
    (run.path / "model.keras").mkdir()
    (run.path / "model.keras" / "own").write_text("a folder by the name of one of our files")
    hidden = hide(run.path, dead)
    fabricate.save(tmp_path / "new", small_table).path.rename(run.path)
    (run.path / "notes.txt").write_text("second")
    files.restore(tmp_path, RUN_FILES)
    assert (run.path / "model.keras" / "own").exists()
    assert (run.path / "notes.txt").read_text() == "second"
    assert every_call.tree(hidden) == {"notes.txt": b"first"}, "its place is taken"
    (run.path / "notes.txt").unlink()
    files.restore(tmp_path, RUN_FILES)
    assert (run.path / "notes.txt").read_text() == "first"
    assert not hidden.parent.exists()


def test_what_a_link_leads_to_is_not_tidied_up(small_table, tmp_path, dead):
    run = fabricate.save(tmp_path / "elsewhere", small_table)
    out = tmp_path / "out"
    out.mkdir()
    link = out / f".wineexp-{socket.gethostname()}-{dead}-0123abcd"
    link.symlink_to(run.path)
    files.restore(out, RUN_FILES)
    assert not os.path.lexists(link)
    assert wineexp.load_runs(run.path)[0].history is not None


def test_what_version_0_1_0_left_half_written_is_removed(tmp_path, dead):
    """It had the files in the hidden folder itself, which does not say where they belong."""
    left = tmp_path / f".wineexp-{socket.gethostname()}-{dead}-0123abcd"
    left.mkdir()
    for name in ("spec.yaml", "model.keras", "run.json"):
        (left / name).write_text("x")
    files.restore(tmp_path, RUN_FILES)
    assert not left.exists()


def test_what_is_put_in_place_of_a_directory_while_it_is_removed_stays(small_table, tmp_path, monkeypatch):
    run = fabricate.save(tmp_path, small_table)
    other = fabricate.save(tmp_path / "other", small_table)
    before = every_call.tree(other.path)
    unlink = os.unlink

    def once(name, **where):
        if name == "run.json":
            run.path.rename(tmp_path / "old")
            other.path.rename(run.path)
        unlink(name, **where)

    monkeypatch.setattr(os, "unlink", once)
    with pytest.raises(wineexp.RunError, match="not empty"):
        wineexp.remove(run.path)
    assert every_call.tree(run.path) == before
    assert every_call.tree(tmp_path / "old") == {}


def removed(run, table):
    wineexp.remove(run.path)


def half_removed(run, table):
    (run.path / "run.json").unlink()
    (run.path / "history.csv").unlink()


def replaced(run, table):
    fabricate.save(run.path.parent, table, seed=1, error=0.4)


MEANWHILE = pytest.mark.parametrize("meanwhile", [removed, half_removed, replaced])


@pytest.fixture
def disturbed(small_table, tmp_path, monkeypatch):
    """Three runs, with the second of which something happens each time its record was read, but not its files."""
    monkeypatch.chdir(tmp_path)
    runs = [fabricate.save(tmp_path / "outputs", small_table, seed=seed) for seed in range(3)]

    def disturb(meanwhile, times=3):
        left = [meanwhile] * times

        def read(content, file):
            record = Record.of_file(content, file)
            if left and file.parent.name == runs[1].path.name:
                happens = left.pop()
                before, left[:] = list(left), []  # what happens reads it too
                happens(runs[1], small_table)
                left[:] = before
            return record

        monkeypatch.setattr("wineexp.runs.run.Record", SimpleNamespace(of_file=read))
        return runs

    return disturb


@MEANWHILE
@pytest.mark.parametrize("command", ["runs", "runs --check", "compare outputs", "report outputs"])
def test_a_run_that_is_removed_or_replaced_while_it_is_checked_is_not_damaged(cli, disturbed, meanwhile, command):
    """It is looked at again, and what is there now is taken."""
    runs = disturbed(meanwhile)
    code, out, err = cli(*command.split())
    assert code == 0, err
    assert "damaged" not in (out + err).replace("0 damaged", "")
    if command.startswith("runs"):
        there = [run.path.name for run in runs if meanwhile is replaced or run is not runs[1]]
        assert [name in out for name in there] == [True] * len(there)
        assert out.count("-s1-") == (meanwhile is replaced)


@MEANWHILE
def test_the_same_for_python_and_for_plans(disturbed, small_table, meanwhile):
    runs = disturbed(meanwhile)
    assert len(wineexp.load_runs(where="val_mae<9")) >= 2
    specs = [RunSpec.parse({"widths": "8", "epochs": 6, "seed": seed}) for seed in range(3)]
    planned = batches.plan(specs, small_table, runs[0].path.parent)
    assert planned.damaged == ()
    assert [entry.train for entry in planned.entries] == [False, meanwhile is not replaced, False]


def test_a_run_that_is_damaged_stays_so_however_often_it_is_replaced(cli, disturbed, small_table):
    def damaged(run, table):
        replaced(run, table)
        (run.path / "history.csv").write_text("")

    disturbed(damaged, times=integrity.LOOKS + 5)
    code, _, err = cli("runs", "--check")
    assert code == 1
    assert "3 runs checked, 1 damaged" in err
