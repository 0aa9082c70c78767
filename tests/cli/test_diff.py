"""``wineexp diff``: two runs side by side, held against a computation by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support import fabricate, records

import wineexp
from wineexp.errors import RunError


@pytest.fixture
def runs(tmp_path, monkeypatch, small_table):
    monkeypatch.chdir(tmp_path)
    first = fabricate.save(Path("outputs"), small_table, error=0.3)
    second = fabricate.save(Path("outputs"), small_table, error=0.5, dropout=0.3, bn="after", name="other")
    return first, second


def mae(run):
    """The mean absolute error of what the run saved."""
    saved = pd.read_csv(run.predictions_path)
    return np.abs(saved["predicted"] - saved["actual"]).mean()


def test_settings_that_differ_and_metrics_as_computed_by_hand(cli, runs):
    first, second = runs
    code, out, err = cli("diff", first.signature, "other", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["first"], found["second"]) == (str(first.path), str(second.path))
    settings = {
        row["key"]: (row["first"], row["second"]) for row in found["differences"] if row["part"] == "setting"
    }
    assert settings == {"dropout": (0.0, 0.3), "bn": ("none", "after"), "name": (None, "other")}
    metrics = {row["key"]: row for row in found["differences"] if row["part"] == "metric"}
    assert metrics["val_mae"]["first"] == pytest.approx(mae(first), rel=1e-6)
    assert metrics["val_mae"]["difference"] == pytest.approx(mae(second) - mae(first), rel=1e-6)
    histories = [pd.read_csv(run.history_path)["val_loss"] for run in runs]
    assert metrics["val_loss"]["difference"] == pytest.approx(histories[1].iloc[-1] - histories[0].iloc[-1])
    assert metrics["best_epoch"]["difference"] == histories[1].idxmin() - histories[0].idxmin()
    assert "two runs give no verdict" in err
    assert found["notes"] == [line.removeprefix("note: ") for line in err.splitlines()]


def test_the_three_forms_say_the_same(cli, runs):
    first, second = runs
    rows = json.loads(cli("diff", first.path, second.path, "--json")[1])["differences"]
    table = list(csv.DictReader(io.StringIO(cli("diff", first.path, second.path, "--csv")[1])))
    plain = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
    assert table == plain
    _, text, _ = cli("diff", first.path, second.path)
    val_mae = next(row for row in rows if row["key"] == "val_mae")
    line = next(line for line in text.splitlines() if line.startswith("val MAE  "))
    assert line.split()[2:] == [
        f"{val_mae['first']:.4f}", f"{val_mae['second']:.4f}", f"{val_mae['difference']:+.4f}",
    ]  # fmt: skip
    assert [line.split() for line in text.splitlines() if line.startswith(("dropout", "bn "))] == [
        ["dropout", "0", "0.3"], ["bn", "none", "after"],
    ]  # fmt: skip
    assert wineexp.diff(first, second).rows() == rows


def test_the_other_way_round_has_the_opposite_sign(runs):
    there, back = wineexp.diff(*runs), wineexp.diff(*reversed(runs))
    assert [pair.difference for pair in there.part("metric")] == [
        None if pair.difference is None else -pair.difference for pair in back.part("metric")
    ]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"seed": 1}, "two seeds of one variant: any difference between them is chance"),
        ({"split_seed": 1}, "they differ in split_seed: their metrics are on different rows or targets"),
        ({"dropout": 0.5}, "two runs give no verdict"),
    ],
)
def test_what_a_reader_must_know_is_noted(runs, small_table, fields, says):
    other = fabricate.save(Path("outputs"), small_table, **fields)
    assert any(note.startswith(says) for note in wineexp.diff(runs[0], other).notes)


def test_the_same_spec_elsewhere_differs_in_circumstances_alone(cli, runs, small_table):
    other = fabricate.save(Path("copy"), small_table, error=0.3)
    records.rewrite(other.path, lambda record: record["environment"].update(threads=2), sealed=True)
    code, out, err = cli("diff", runs[0].path, other.path)
    assert code == 0
    assert "no setting differs" in out
    assert ["threads", "1", "2"] in [line.split() for line in out.splitlines()]
    assert "same spec and table: any difference in metrics comes from the environment" in err


def test_a_run_that_failed_has_no_metrics_and_says_so(cli, runs, small_table):
    failed = fabricate.fail(Path("outputs"), small_table, dropout=0.9)
    code, out, err = cli("diff", runs[0].path, failed.path)
    assert code == 0
    assert f"note: {failed.path} is failed (diverged): its metrics are unknown" in err
    assert ["status", "done", "failed"] in [line.split() for line in out.splitlines()]


def test_a_damaged_run_is_refused(runs):
    runs[1].history_path.write_text("epoch\n")
    with pytest.raises(RunError, match="is damaged"):
        wineexp.diff(*runs)
