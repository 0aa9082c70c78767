"""Test rows: seen by nothing until the end, and what judges where early stopping chose the epoch."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from support import fabricate, records
from support.batches import train

from wineexp.comparison.comparison import compare_runs
from wineexp.data.table import Table
from wineexp.errors import RunError, SelectionError, SpecError
from wineexp.runs.reader import load
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

SPEC = {"widths": "8", "epochs": 12, "batch_size": 32, "patience": 2, "test_fraction": 0.15}


@pytest.fixture(scope="module")
def run(small_table, tmp_path_factory, tensorflow):
    (run,) = train([RunSpec.parse(SPEC)], small_table, tmp_path_factory.mktemp("held-out"))
    return run


def test_metrics_on_test_rows_are_those_of_the_saved_predictions(run, small_table):
    assert run.status == "done"
    found = pd.read_csv(run.path / "test_predictions.csv")
    assert list(found) == ["row", "actual", "predicted", "twin", "cluster"]
    data, metrics = run.record.data, run.record.metrics
    assert (data.train_rows, data.valid_rows, data.test_rows) == (84, 18, 18)
    error = (found["actual"] - found["predicted"]).abs()
    assert metrics.test_mae == pytest.approx(error.mean(), rel=1e-6)
    assert metrics.test_mae_se == pytest.approx(error.std() / 18**0.5, rel=1e-6)
    assert metrics.test_rmse == pytest.approx((error**2).mean() ** 0.5, rel=1e-6)
    np.testing.assert_allclose(found["actual"], small_table.frame["quality"][found["row"]], rtol=1e-6)
    validated = pd.read_csv(run.path / "predictions.csv")["row"]
    assert not set(found["row"]) & set(validated)


def test_they_are_the_saved_models_predictions_and_had_no_say(run, small_table, tmp_path, tensorflow):
    """Other values in the test rows' targets change no weight, no epoch and no prediction."""
    found = pd.read_csv(run.path / "test_predictions.csv")
    frame = small_table.frame.copy()
    frame.loc[found["row"], "quality"] = 99.0
    (other,) = train([RunSpec.parse(SPEC)], Table(frame, "small", "custom"), tmp_path)
    pd.testing.assert_frame_equal(*(pd.read_csv(one.path / "history.csv") for one in (run, other)))
    again = pd.read_csv(other.path / "test_predictions.csv")
    np.testing.assert_array_equal(found["predicted"], again["predicted"])
    assert other.record.metrics.test_mae > 50


def test_without_test_rows_nothing_is_added(small_table, tmp_path, tensorflow):
    (plain,) = train([RunSpec.parse({**SPEC, "test_fraction": 0.0})], small_table, tmp_path)
    record = json.loads((plain.path / "run.json").read_text())
    assert not (plain.path / "test_predictions.csv").exists()
    assert "test_rows" not in record["data"]
    assert not [key for key in record["metrics"] if key.startswith("test")]
    assert RunSpec.parse({}).signature("t") == RunSpec.parse({"test_fraction": 0.0}).signature("t")
    assert RunSpec.parse({}).signature("t") != RunSpec.parse({"test_fraction": 0.1}).signature("t")


def test_rows_must_be_left_to_validate():
    with pytest.raises(
        SpecError, match=r"test_fraction: expected less than 1 - train_fraction, 0.3, .* found 0.3"
    ):
        RunSpec.parse({"test_fraction": 0.3})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda table: table[:-1], "expected 18 rows of the table's 120, found 17"),
        (lambda table: table.assign(predicted=table["predicted"] + 1), "metrics.test_mae: expected"),
        (lambda table: table.assign(twin=3), "expected 0 or 1, found"),
        (lambda table: table.assign(row=[*table["row"][1:], table["row"].iloc[1]]), "a row occurs twice"),
    ],
)
def test_test_predictions_are_checked(small_table, tmp_path, change, says):
    run = fabricate.save(tmp_path, small_table, test_fraction=0.15)
    path = run.path / "test_predictions.csv"
    change(pd.read_csv(path)).to_csv(path, index=False)
    records.rewrite(run.path, lambda record: record.pop("files"))  # as one without checksums
    with pytest.raises(RunError) as error:
        Run(run.path).read_tables()
    assert f"is damaged: {says}" in str(error.value)


def test_with_early_stopping_test_rows_judge_and_it_is_said(small_table, tmp_path):
    for seed in range(3):
        for dropout, error in ((0, 0.3), (0.3, 0.4)):
            fabricate.save(
                tmp_path, small_table, seed=seed, error=error, dropout=dropout, patience=3, test_fraction=0.15
            )
    found = compare_runs(load([tmp_path]))
    (verdict,) = found.verdicts
    means = [np.mean([run.record.metrics.test_mae for run in variant.runs]) for variant in found.variants]
    assert verdict.difference.mean == pytest.approx(means[1] - means[0])
    assert verdict.difference.rows == 18
    assert "is worse than dropout 0: test MAE +0." in verdict.sentence()
    assert found.notes[0] == (
        "judged on 18 test rows, which neither trained nor chose anything; early stopping chose the epoch on "
        "validation rows"
    )
    row = found.rows()[0]
    assert row["low"] < row["test_mae"] < row["high"]
    assert found.metric == "test MAE"


def test_early_stopping_without_test_rows_says_what_would_do(small_table, tmp_path):
    for seed in range(2):
        fabricate.save(tmp_path, small_table, seed=seed, patience=3)
        fabricate.save(tmp_path, small_table, seed=seed)
    (note,) = compare_runs(load([tmp_path])).notes
    assert (
        "somewhat too low, and not equally in all variants; with test_fraction, rows that did not choose" in note
    )


def test_runs_with_other_test_rows_are_not_compared(small_table, tmp_path):
    fabricate.save(tmp_path, small_table)
    fabricate.save(tmp_path, small_table, test_fraction=0.15)
    with pytest.raises(SelectionError, match="different splits cannot be compared: test_fraction is 0 in"):
        compare_runs(load([tmp_path]))
