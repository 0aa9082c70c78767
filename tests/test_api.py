"""The Python API: what the commands do, as functions."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support import fabricate
from support.processes import GUARD

import wineexp
from wineexp import RunSpec, WineexpError, batch, compare, load_runs, train
from wineexp.runs.run import Run

QUICK = {"widths": "8,8", "epochs": 2, "batch_size": 32}


@pytest.fixture
def here(monkeypatch, tmp_path, small_csv):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    return tmp_path


def test_progress_is_off_by_default(here, capfd, tensorflow):
    train(**QUICK)
    batch([RunSpec.parse(QUICK)], jobs=0)
    assert capfd.readouterr() == ("", "")
    train(**QUICK, force=True, progress=True)
    assert "epoch 2/2" in capfd.readouterr().err


def test_train_gives_the_run_that_the_command_saves(here, cli, tensorflow):
    run = train(**QUICK, dropout=0.3, bn="after")
    assert run.status == "done"
    assert list(run.history.columns) == ["epoch", "loss", "val_loss"]
    assert len(run.history) == 2
    assert set(run.predictions) == {"row", "actual", "predicted", "twin", "cluster"}
    assert run.metrics["val_mae"] > 0
    (ax,) = run.plot().axes
    assert ax.get_xlabel() == "epoch"
    assert "validation MAE" in run._repr_html_()
    assert "done, val_mae" in repr(run)
    code, _, err = cli(
        "train", "--widths", "8,8", "--epochs", 2, "--batch-size", 32, "--dropout", 0.3, "--bn", "after"
    )
    assert code == 0
    assert "is already done" in err, "the same spec has the same signature"
    assert train(RunSpec(**{**QUICK, "widths": (8, 8)}, dropout=0.3, bn="after")).path == run.path


def test_a_loaded_model_predicts_what_is_on_record(here, tensorflow, small_table):
    from wineexp.data.split import split_table

    run = train(**QUICK)
    split = split_table(small_table, run.spec)
    predicted = run.load_model()(split.x_valid).numpy()[:, 0]
    np.testing.assert_allclose(predicted, run.predictions["predicted"], rtol=1e-6)


def test_batch_takes_a_file_a_mapping_or_specs(here, tensorflow):
    config = {"defaults": QUICK, "seeds": 2, "grid": {"dropout": [0, 0.3]}}
    runs = batch(config, jobs=0)
    assert [(run.spec.dropout, run.spec.seed) for run in runs] == [(0, 0), (0, 1), (0.3, 0), (0.3, 1)]
    (here / "c.yaml").write_text("widths: 8,8\nepochs: 2\nbatch_size: 32\n")
    stamp = runs[0].path.stat().st_mtime_ns
    assert batch("c.yaml", jobs=0)[0].path == runs[0].path
    assert batch([runs[0].spec], jobs=0)[0].path.stat().st_mtime_ns == stamp


def test_compare_gives_a_table_verdicts_and_a_figure(here, small_table):
    for seed in range(3):
        fabricate.save(here / "outputs", small_table, error=0.3, seed=seed)
        fabricate.save(here / "outputs", small_table, error=0.5, seed=seed, dropout=0.3)
    runs = load_runs()
    found = compare(runs)
    assert isinstance(found.table, pd.DataFrame)
    assert list(found.table["variant"]) == ["dropout 0", "dropout 0.3"]
    assert [verdict.word for verdict in found.verdicts] == ["worse"]
    assert found.figure.axes
    assert "dropout 0.3" in found._repr_html_()
    worst = load_runs(where=["dropout=0.3"])
    assert len(worst) == 3
    assert compare("outputs", reference=worst[0]).reference.label == "dropout 0.3"
    assert compare(runs[0], *worst).reference is not None
    assert len(load_runs(runs[0].path)) == 1


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: train(dropuot=0.3), "dropuot: unknown field (did you mean 'dropout'?)"),
        (lambda: train(RunSpec(), dropout=0.3), "expected a spec or fields, found both: dropout"),
        (lambda: batch({"runs": [{"dropout": 2}]}), "dropout: expected a rate from 0 to below 1"),
        (lambda: batch("absent.yaml"), "absent.yaml: no such file"),
        (lambda: load_runs(where=["dropuot=1"]), "unknown column 'dropuot'"),
        (lambda: compare("absent"), "absent: no such file or directory"),
    ],
)
def test_a_mistake_is_an_error_of_ours_before_anything_trains(here, call, says):
    with pytest.raises(WineexpError) as caught:
        call()
    assert says in str(caught.value)
    assert not (here / "outputs").exists()


def test_importing_the_package_loads_nothing():
    code = (
        "import sys; before = set(sys.modules); import wineexp; dir(wineexp);"
        "print(*sorted(name for name in set(sys.modules) - before if not name.startswith('wineexp')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "keras", "pydantic", "click"} & set(done.stdout.split())


def test_the_public_names_are_there_and_no_others():
    assert sorted(wineexp.__all__) == dir(wineexp)
    for name in wineexp.__all__:
        assert getattr(wineexp, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        wineexp.nothing  # noqa: B018


@pytest.mark.slow
def test_a_script_needs_no_guard_around_a_batch_in_worker_processes(here):
    (here / "script.py").write_text(
        "from wineexp import batch\n"
        "runs = batch({'defaults': {'widths': 8, 'epochs': 1}, 'seeds': 2}, jobs=2)\n"
        "print(*(run.status for run in runs))\n"
    )
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True, timeout=GUARD)
    assert done.stdout == "done done\n"


def test_a_saved_run_is_a_run():
    assert issubclass(wineexp.SavedRun, Run)
