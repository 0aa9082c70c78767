"""The run directory: whole or absent, its files, and what recording puts in them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from support import fabricate, records
from support.configs import read_config

from wineexp.errors import RunError
from wineexp.runs import directory
from wineexp.runs.directory import directory_name, run_folders
from wineexp.runs.picture import read_png
from wineexp.runs.record import Metrics
from wineexp.runs.result import RunResult, history_frame, unfinished
from wineexp.runs.run import Run, find_runs
from wineexp.runs.writer import write_run
from wineexp.specs.run_spec import RunSpec


def result(table, **fields) -> RunResult:
    """A finished run with made-up numbers."""
    base = unfinished(RunSpec.parse(fields), table, history=history_frame([(1.5, 1.25), (0.1, 1 / 3)]), threads=1)
    rows = pd.DataFrame(
        {"row": [4, 7], "actual": np.float32([5, 6]), "predicted": np.float32([5.1, 5.9]), "twin": [True, False]}
    )
    values = {**base.__dict__, "status": "done", "predictions": rows, "model": b"zip"}
    return RunResult(**values)


def test_a_recorded_run_has_the_contracts_files(small_table, tmp_path):
    done = result(small_table, widths="8", dropout=0.3, bn="after", seed=3)
    run = write_run(done, tmp_path / "outputs")
    signature = done.spec.signature(small_table.identity)
    assert run.path == tmp_path / "outputs" / f"8x1-dropout0.3-bn_after-s3-{signature}"
    assert sorted(p.name for p in run.path.iterdir()) == [
        "curves.png", "history.csv", "model.keras", "predictions.csv", "run.json", "spec.yaml",
    ]  # fmt: skip
    assert run.history_path.read_text() == "epoch,loss,val_loss\n0,1.5,1.25\n1,0.1,0.3333333333333333\n"
    assert run.predictions_path.read_text() == "row,actual,predicted,twin\n4,5.0,5.1,1\n7,6.0,5.9,0\n"
    assert read_config(run.path / "spec.yaml").specs == (done.spec,)
    assert run.spec == done.spec
    assert run.record.signature == signature
    assert run.record.environment.threads == 1


def test_the_third_loss_is_written_read_and_carried_by_the_picture(small_table, tmp_path):
    losses = [(1.5, 1.25, 1 / 3), (0.1, 0.2, 0.3)]
    run = fabricate.save(tmp_path, small_table, losses=losses, epochs=2, eval_train=True)
    assert run.history_path.read_text().splitlines()[:2] == [
        "epoch,loss,val_loss,train_loss", "0,1.5,1.25,0.3333333333333333",
    ]  # fmt: skip
    history = run.history
    assert history[["loss", "val_loss", "train_loss"]].to_numpy().tolist() == [list(row) for row in losses]
    pd.testing.assert_frame_equal(read_png(run.path / "curves.png")[1], history)
    history.drop(columns="train_loss").to_csv(run.history_path, index=False)
    records.rewrite(run.path, lambda record: record.pop("files"))
    with pytest.raises(
        RunError, match="is damaged: expected columns epoch, loss, val_loss, train_loss, by its spec"
    ):
        Run(run.path).read_tables()


def test_a_failed_run_has_its_error_and_no_model(small_table, tmp_path):
    failed = unfinished(
        RunSpec(widths="8"), small_table, "diverged", "the loss turned NaN",
        history=history_frame([(1.0, float("inf"))]), threads=1,
    )  # fmt: skip
    run = write_run(failed, tmp_path)
    assert run.error_path.read_text() == "diverged: the loss turned NaN"
    assert run.record.reason == "diverged"
    assert not run.model_path.exists()
    assert run.history_path.read_text().endswith("0,1.0,inf\n")
    assert [saved.status for saved in find_runs(tmp_path)] == ["failed"]


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


def test_a_run_knows_its_files_and_what_it_is(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, name="mine", dropout=0.3)
    assert (run.label, run.status, run.spec.dropout) == ("mine", "done", 0.3)
    assert run.path.name.endswith(f"-s0-{run.signature}")
    paths = (
        run.history_path,
        run.curves_path,
        run.predictions_path,
        run.model_path,
        run.error_path,
    )
    names = ["history.csv", "curves.png", "predictions.csv", "model.keras", "error.txt"]
    assert [path.relative_to(run.path).as_posix() for path in paths] == names
    assert run.curves_path.read_bytes().startswith(b"\x89PNG")


def test_a_file_is_read_whole_up_to_a_bound(tmp_path, monkeypatch):
    assert directory.MAX_BYTES == 2**30
    monkeypatch.setattr(directory, "MAX_BYTES", 10)
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    assert directory.read_bounded(path) == b"0123456789"
    path.write_bytes(b"0123456789A")
    with pytest.raises(RunError, match=r"file: is damaged: expected at most 10 bytes, found 11"):
        directory.read_bounded(path)


def test_a_record_that_is_there_and_cannot_be_read_is_told_as_that(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table)
    (run.path / "run.json").unlink()
    with pytest.raises(RunError, match=r"no run here: expected a directory with run\.json"):
        _ = Run(run.path).record
    (run.path / "run.json").mkdir()
    with pytest.raises(RunError, match=r"run.json: cannot be read: Is a directory"):
        _ = Run(run.path).record


def test_what_is_hidden_is_no_run_and_what_is_damaged_is_named(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed)
    one, other, third = run_folders(tmp_path)
    one.rename(tmp_path / f".{one.name}")
    (other / "run.json").write_text("{")
    named = []
    assert [run.path for run in find_runs(tmp_path, named.append)] == [third]
    (error,) = named
    assert str(other) in str(error)
    assert [run.path for run in find_runs(tmp_path)] == [third]
    assert [path.name for path in run_folders(tmp_path)] == [other.name, third.name]
    assert run_folders(tmp_path / "absent") == []
