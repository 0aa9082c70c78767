"""The run directory: whole or absent, its files, and what recording puts in them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from wineexp.errors import RunError
from wineexp.runs.directory import Run, directory_name, done_runs, find_runs
from wineexp.runs.record import Metrics
from wineexp.runs.result import RunResult, history_frame, unfinished
from wineexp.runs.writer import write_run
from wineexp.specs.config import read_config
from wineexp.specs.run_spec import RunSpec


def result(table, **fields) -> RunResult:
    """A finished run with made-up numbers."""
    base = unfinished(
        RunSpec.parse(fields), table, "interrupted", history=history_frame([(1.5, 1.25), (0.1, 1 / 3)]), threads=1
    )
    rows = pd.DataFrame(
        {"row": [4, 7], "actual": np.float32([5, 6]), "predicted": np.float32([5.1, 5.9]), "twin": [True, False]}
    )
    values = {**base.__dict__, "status": "done", "predictions": rows, "model": b"zip"}
    return RunResult(**values)


def test_a_recorded_run_has_the_contracts_files(small_table, tmp_path):
    done = result(small_table, widths="8", dropout=0.3, bn="after", seed=3)
    run = write_run(done, tmp_path / "outputs")
    signature = done.spec.signature(small_table.fingerprint)
    assert run.path == tmp_path / "outputs" / f"8x1-dropout0.3-bn_after-s3-{signature}"
    assert sorted(p.name for p in run.path.iterdir()) == [
        "curves.png", "history.csv", "model.keras", "predictions.csv", "run.json", "spec.yaml",
    ]  # fmt: skip
    assert run.history_path.read_text() == "epoch,loss,val_loss\n0,1.5,1.25\n1,0.1,0.3333333333333333\n"
    assert run.predictions_path.read_text() == "row,actual,predicted,twin\n4,5.0,5.1,1\n7,6.0,5.9,0\n"
    assert read_config(run.spec_path).specs == (done.spec,)
    assert run.spec == done.spec
    assert run.record.signature == signature
    assert run.record.environment.threads == 1


def test_a_failed_run_has_its_error_and_no_model(small_table, tmp_path):
    failed = unfinished(
        RunSpec(widths="8"), small_table, "failed", "diverged", "the loss turned NaN",
        history=history_frame([(1.0, float("inf"))]), threads=1,
    )  # fmt: skip
    run = write_run(failed, tmp_path)
    assert run.error_path.read_text() == "diverged: the loss turned NaN"
    assert run.record.reason == "diverged"
    assert not run.model_path.exists()
    assert run.history_path.read_text().endswith("0,1.0,inf\n")
    assert done_runs(tmp_path) == {}


def test_what_stands_there_is_replaced_and_nothing_is_left_beside_it(small_table, tmp_path):
    first = write_run(result(small_table), tmp_path)
    before = first.path.stat().st_ino
    write_run(result(small_table), tmp_path)
    assert first.path.stat().st_ino != before
    assert [p.name for p in tmp_path.iterdir()] == [first.path.name]


@pytest.mark.parametrize(
    ("name", "directory"),
    [
        ("my run", "my_run"), ("../../etc/passwd", "etc_passwd"), ("$$", "run"), ("a" * 200, "a" * 120),
        ("<script>", "script"), ("été", "été"), ("🍷" * 9, "run"), (".hidden", "hidden"), ("CON/aux", "CON_aux"),
    ],
)  # fmt: skip
def test_any_name_makes_a_safe_directory(name, directory):
    spec = RunSpec(name=name)
    assert directory_name(spec, "t", simulated=False) == f"{directory}-s0-{spec.signature('t')}"
    assert directory_name(spec, "t", simulated=True).startswith(f"simulated-{directory}-s0-")


def test_damaged_and_foreign_directories_are_passed_over_or_named(small_table, tmp_path):
    write_run(result(small_table), tmp_path)
    for name, content in [("broken", b"{"), ("foreign", b"[]"), ("other", b'{"status": 1}')]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(content)
        with pytest.raises(RunError, match=r"run\.json"):
            Run(tmp_path / name).record  # noqa: B018
    (tmp_path / "empty").mkdir()
    assert len(list(find_runs(tmp_path))) == 1
    with pytest.raises(RunError, match="no run here"):
        Run(tmp_path / "empty").record  # noqa: B018
    assert list(find_runs(tmp_path / "nowhere")) == []


def test_the_record_is_strict_json(small_table, tmp_path):
    done = replace(result(small_table), metrics=Metrics.of({"skill": float("nan"), "val_mae": float("inf")}))
    text = (write_run(done, tmp_path).path / "run.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["metrics"]["skill"] is None
