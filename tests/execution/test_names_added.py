"""A name that a finished run is asked for under later: added to its record, said, and nothing is trained."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from support import fabricate
from support.batches import plan

from wineexp.execution.batch_run import execute
from wineexp.execution.executor import InProcess
from wineexp.execution.observer import Observer
from wineexp.specs.run_spec import RunSpec


class Heard(Observer):
    """Keeps what it is told of names."""

    def __init__(self):
        self.added, self.refused = [], []

    def named(self, run, names):
        self.added.append((run.path.name, tuple(names)))

    def not_named(self, run, names, problem):
        self.refused.append((run.path.name, tuple(names), problem))


def asked(out, table, run, *names):
    """Ask for a run under these names; what was heard of it."""
    heard = Heard()
    specs = [RunSpec.parse({**run.spec.settings(), "name": name}) for name in names]
    (found,) = execute(plan(specs, table, out), InProcess(1), heard).runs
    assert found.path == run.path, "it is the same run"
    return heard


def names(run):
    return json.loads((run.path / "run.json").read_text())["names"]


def content(run):
    return {path.name: path.read_bytes() for path in run.path.iterdir() if path.name != "run.json"}


def test_a_later_name_is_added_once_and_all_else_stays(tmp_path, small_table):
    run = fabricate.save(tmp_path, small_table, name="first")
    before = content(run)
    assert asked(tmp_path, small_table, run, "first").added == []
    assert asked(tmp_path, small_table, run, "second", "third").added == [(run.path.name, ("second", "third"))]
    assert asked(tmp_path, small_table, run, "third", "fourth").added == [(run.path.name, ("fourth",))]
    assert asked(tmp_path, small_table, run, "second", "fourth").added == [], "twice is once"
    assert names(run) == ["first", "second", "third", "fourth"]
    assert content(run) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "no claim is left"


def test_a_run_that_another_process_trains_again_is_not_named_and_that_is_told(tmp_path, small_table):
    run = fabricate.save(tmp_path, small_table)
    code = (
        "import sys, time; from pathlib import Path; from wineexp.execution.claims import Claims;"
        "claims = Claims(Path(sys.argv[1])); print(claims.take(sys.argv[2]), flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, run.signature], stdout=subprocess.PIPE, text=True
    )
    try:
        assert owner.stdout.readline() == "True\n"
        heard = asked(tmp_path, small_table, run, "later")
    finally:
        owner.kill()
        owner.communicate()
    assert heard.added == []
    ((_, refused, problem),) = heard.refused
    assert refused == ("later",)
    assert f"process {owner.pid} on " in problem
    assert names(run) == []
    assert asked(tmp_path, small_table, run, "later").added == [(run.path.name, ("later",))]


def test_where_it_cannot_be_written_the_run_is_there_all_the_same(tmp_path, small_table, monkeypatch):
    run = fabricate.save(tmp_path, small_table)

    def refuse(path, *_, **__):
        raise PermissionError(13, "Permission denied")

    later = RunSpec.parse({**run.spec.settings(), "name": "later"})
    monkeypatch.setattr("os.fsync", refuse)
    with pytest.warns(UserWarning, match="name 'later' not added: .*Permission denied"):
        execute(plan([later], small_table, tmp_path), InProcess(1))
    monkeypatch.undo()
    assert names(run) == []
    assert sorted(path.name for path in run.path.iterdir()) == [
        "curves.png", "history.csv", "predictions.csv", "run.json", "spec.yaml",
    ]  # fmt: skip


def test_a_name_given_meanwhile_is_no_training_of_another_process(tmp_path, small_table):
    """Whoever planned to train it again by force still does."""
    from wineexp.execution.batch_run import _written_since

    run = fabricate.save(tmp_path, small_table)
    forced = plan([run.spec], small_table, tmp_path, force=True)
    asked(tmp_path, small_table, run, "meanwhile")
    assert _written_since(forced.entries[0]) is None


def test_a_command_says_it(cli, small_table, small_csv, tmp_path):
    run = fabricate.save(tmp_path, small_table)
    flags = ["--widths", "8", "--epochs", 6, "--data", small_csv, "--out", tmp_path, "--name", "my first model"]
    code, _, err = cli("train", *flags)
    assert code == 0
    assert f"note: name 'my first model' added to {run.path}, which is already done" in err
    assert "added" not in cli("train", *flags)[2]
    code, out, _ = cli("show", "my first model", "--out", tmp_path)
    assert code == 0
    assert "names\n  my first model\n" in out
