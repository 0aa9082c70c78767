"""``wineexp batch`` on the command line: plan, output, exit codes, the live view."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.terminal import shown_on_a_terminal

from wineexp.runs.run import find_runs

CONFIG = """\
name: two
defaults: {widths: 8, epochs: 2, batch_size: 32}
seeds: 2
grid: {dropout: [0, 0.3]}
"""


@pytest.fixture
def batch(cli, small_csv, tmp_path, tensorflow):
    (tmp_path / "two.yaml").write_text(CONFIG)
    where = ["--data", small_csv, "--out", tmp_path / "out"]
    return lambda *arguments: cli("batch", tmp_path / "two.yaml", *where, *arguments)


def test_the_plan_lists_what_differs_what_is_done_and_trains_nothing(batch, tmp_path):
    code, out, err = batch("--dry-run")
    assert code == 0
    header, *rows = out.splitlines()
    assert header.split() == ["run", "dropout", "seed", "parameters", "before", "train"]
    assert [row.split()[1:3] for row in rows] == [["0", "0"], ["0", "1"], ["0.3", "0"], ["0.3", "1"]]
    assert "4 to train" in err
    assert "no earlier run of similar size on this machine" in err
    assert not (tmp_path / "out").exists()
    batch("--jobs", 0, "--set", "dropout=0")
    _, out, err = batch("--dry-run", "--csv")
    assert [row["before"] for row in csv.DictReader(io.StringIO(out))] == ["done", "done", "new", "new"]
    assert "2 of them done or skipped, 2 to train" in err
    assert "estimated from earlier runs" in err


def test_a_batch_trains_all_and_then_nothing(batch, tmp_path):
    code, out, err = batch("--jobs", 0)
    assert (code, out) == (0, "")
    assert "[4/4] done" in err
    assert "two: 4 runs: 4 done (0 of them before), 0 failed, 0 not finished" in err
    code, out, err = batch("--jobs", 0, "--json")
    assert code == 0
    assert "4 of 4 runs are already done" in err
    assert [row["seed"] for row in json.loads(out)] == [0, 1, 0, 1]
    assert all(row["status"] == "done" and row["val_mae"] > 0 for row in json.loads(out))


def test_a_field_on_the_command_line_stands_over_the_config(batch, tmp_path):
    code, _, err = batch("--jobs", 0, "--set", "dropout=0.1", "--set", "epochs=1")
    assert code == 0
    assert "2 runs: 2 done" in err  # both points of the grid are one variant now
    assert {(run.spec.dropout, run.spec.epochs) for run in find_runs(tmp_path / "out")} == {(0.1, 1)}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--set", "dropuot=0.3"], "unknown field 'dropuot' (did you mean 'dropout'?)"),
        (["--set", "dropout"], "expected field=value, found 'dropout'"),
        (["--set", "dropout=1"], "dropout: expected a rate from 0 to below 1"),
        (["--jobs", "-1"], "--jobs"),
        (["--jobs", "1", "--dask", "tcp://127.0.0.1:1"], "jobs and dask: expected only one of them"),
        (["--jobs", "0", "--timeout", "3"], "timeout: needs a worker process"),
        (["--timeout", "0"], "--timeout"),
        (["--data", "nowhere.csv"], "nowhere.csv"),
        (["--set", "target=taste"], "no column 'taste'"),
    ],
)
def test_bad_input_is_one_line_with_exit_2_and_nothing_written(batch, tmp_path, arguments, says):
    code, out, err = batch(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_the_stand_in_must_be_asked_for(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.yaml").write_text(CONFIG)
    code, _, err = cli("batch", "two.yaml", "--jobs", 0)
    assert code == 2
    assert "--data simulated" in err


@pytest.mark.slow
def test_on_a_terminal_a_line_for_all_and_one_for_each_run_is_shown(tmp_path, small_csv):
    (tmp_path / "two.yaml").write_text(CONFIG.replace("epochs: 2", "epochs: 300"))
    text = shown_on_a_terminal(["batch", "two.yaml", "--data", small_csv, "--jobs", 2], tmp_path)
    assert "all runs" in text
    assert "4 of 4 done" in text
    assert "seed 1" in text
    assert "val_loss" in text
    assert text.count("done         ") == 4
