"""What wineexp 0.1.0 wrote is still read, compared, predicted from, and not trained again.

``support/runs-0.1.0`` was written by that version from the table of ``small_table``; the figures are its own.
"""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from conftest import ROOT

from wineexp import batch, compare, load_runs, predict, train
from wineexp.runs.run import Run, find_runs
from wineexp.specs.run_spec import RunSpec

SAVED = ROOT / "tests" / "support" / "runs-0.1.0"


@pytest.fixture
def saved(tmp_path):
    """A copy of its runs, for a test that may write there."""
    shutil.copytree(SAVED, tmp_path / "outputs")
    return tmp_path / "outputs"


@pytest.mark.parametrize(
    ("fields", "signature", "variant"),
    [
        ({}, "e71d7757", "15c3f8fa"),
        ({"dropout": 0.3, "bn": "after"}, "01f33189", "3c865870"),
        (
            {"widths": "64,32", "dropout": [0.1, 0.2], "optimizer": "sgd", "patience": 5, "scale": "minmax"}
            | {"seed": 7},
            "77e3a14e",
            "449a2f07",
        ),
        (
            {"bn_input": True, "split": "grouped", "learning_rate": 0.01, "target": "pH", "name": "x"},
            "9a579a9d",
            "a6aac738",
        ),
    ],
)  # fmt: skip
def test_signatures_are_those_of_0_1_0(fields, signature, variant):
    spec = RunSpec.parse(fields)
    assert (spec.signature("t"), spec.variant_signature("t")) == (signature, variant)


def test_records_are_read_as_of_schema_1_and_lose_nothing():
    runs = list(find_runs(SAVED, damaged=pytest.fail))
    assert [run.status for run in runs] == ["failed", "done", "done", "done"]
    for run in runs:
        assert run.record.schema_version == 1
        saved = json.loads((run.path / "run.json").read_text())
        # Fields that came later are written out, at the default that means what the spec always meant.
        assert run.record.as_json() == {
            **saved,
            "spec": {
                **saved["spec"],
                **{"test_fraction": 0.0, "weight_decay": 0.0, "eval_train": False, "precision": "float32"},
                **{"features": None, "drop": None, "encode": "none", "group": None},
                **{"dropout_input": 0.0, "dropout_place": "before_bn", "scale_target": "none"},
                "mc_passes": 0,
                "positive": None,
                "missing": "refuse",
                **{"split_column": None, "splits": None},
            },
        }


def test_runs_are_compared_with_the_figures_that_0_1_0_gave_but_for_its_mistakes():
    found = compare(SAVED)
    plain, dropped = found.rows()
    assert (plain["variant"], plain["reference"]) == ("plain (batch_size 32, epochs 4)", True)
    assert plain["val_mae"] == pytest.approx(4.511765090955628, abs=1e-12)
    # Too narrow with two seeds: 0.1.0 gave 4.2000 to 4.8235.
    assert (plain["low"], plain["high"]) == pytest.approx((4.187140218484015, 4.836389978774316))
    # It has one seed, which 0.1.0 compared with the first of the two, and called worse with p = 5e-7.
    assert dropped["difference"] == pytest.approx(dropped["val_mae"] - plain["val_mae"])
    assert (dropped["verdict"], dropped["p"], dropped["detectable"]) == ("one seed: cannot tell", None, None)
    assert [run.record.outcome for run in found.unfinished] == ["failed (diverged)"]
    pictures = compare(sorted(SAVED.glob("*/curves.png")))
    assert [variant.label for variant in pictures.variants] == [variant.label for variant in found.variants]


def test_its_models_predict_what_it_recorded(small_csv, tensorflow):
    run = Run(next(SAVED.glob("dropped*")))
    found = predict(run, small_csv)
    recorded = pd.read_csv(run.predictions_path)
    assert found.table["predicted"][recorded["row"]].to_numpy() == pytest.approx(recorded["predicted"], rel=1e-4)
    assert found.metrics["mae"] == pytest.approx(4.9060, abs=1e-3)


def test_what_it_trained_is_not_trained_again(saved, small_csv, tensorflow):
    stamps = {run.path: (run.path / "run.json").stat().st_mtime_ns for run in find_runs(saved)}
    runs = batch(saved / "before.yaml", data=small_csv, out=saved, jobs=0)
    assert [run.status for run in runs] == ["done"] * 4, "one seed was missing and is trained now"
    assert train(next(saved.glob("plain-s0*")) / "spec.yaml", data=small_csv, out=saved).path in stamps
    for path, stamp in stamps.items():
        assert (path / "run.json").stat().st_mtime_ns == stamp
    assert len(load_runs(saved)) == 5
