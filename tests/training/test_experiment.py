"""One run: what it gives, that it repeats, and what becomes of one that fails."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.processor import multiplying_bfloat16

from wineexp.specs.keras_names import ACTIVATIONS
from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")


QUICK = {"widths": "8,8", "epochs": 4, "batch_size": 32}


def run(table, **fields):
    from wineexp.training import experiment

    return experiment.guarded_run(RunSpec.parse({**QUICK, **fields}), table, threads=1)


def test_a_run_gives_history_predictions_and_metrics(small_table):
    result = run(small_table, dropout=0.2, bn="after")
    assert result.status == "done"
    assert list(result.history.columns) == ["epoch", "loss", "val_loss"]
    assert result.history["epoch"].tolist() == [0, 1, 2, 3]
    error = (result.predictions["actual"] - result.predictions["predicted"]).abs().astype(float)
    metrics = result.metrics
    assert metrics.val_mae == pytest.approx(error.mean(), rel=1e-6)
    assert metrics.val_mae == pytest.approx(metrics.val_loss, rel=1e-5)
    assert metrics.val_mae_se == pytest.approx(error.sem(), rel=1e-6)
    assert metrics.val_rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)
    assert metrics.skill == pytest.approx(1 - metrics.val_mae / metrics.baseline_mae)
    assert metrics.best_val_loss == result.history["val_loss"].min()
    assert result.data.train_rows == 84


def test_a_run_repeats_bit_for_bit_whatever_ran_before(small_table, tmp_path):
    spec = {"dropout": 0.3, "bn": "before", "seed": 5}
    first = run(small_table, **spec)
    run(small_table, widths="16", optimizer="sgd")
    again = run(small_table, **spec)
    assert first.history.to_csv() == again.history.to_csv()
    assert first.predictions.to_csv() == again.predictions.to_csv()
    small_table.frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["--widths", "8,8", "--epochs", "4", "--batch-size", "32", "--dropout", "0.3", "--bn", "before"]
    subprocess.run(
        [sys.executable, "-m", "wineexp", "train", *arguments, "--seed", "5", "--data", "t.csv", "--threads", "1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (directory,) = (tmp_path / "outputs").iterdir()
    written = pd.read_csv(directory / "history.csv")
    pd.testing.assert_frame_equal(written, first.history, check_exact=True)


def test_a_run_builds_its_model_once_also_where_its_variant_is_compiled_already(small_table, monkeypatch):
    import keras

    from wineexp.training import experiment
    from wineexp.training.trainer_cache import TrainerCache

    built = []
    real = keras.Sequential.__init__
    monkeypatch.setattr(
        keras.Sequential, "__init__", lambda self, *a, **k: (built.append(1), real(self, *a, **k))[1]
    )
    cache, counts = TrainerCache(), []
    for seed in range(3):
        experiment.run(RunSpec.parse({**QUICK, "seed": seed}), small_table, threads=1, cache=cache)
        counts.append(len(built))
        built.clear()
    cache.close()
    assert counts == [1, 1, 1]


def test_the_three_bn_settings_and_dropout_see_the_same_batches(small_table, monkeypatch):
    from wineexp.training import experiment

    seen = {}
    real = experiment.shuffled

    def listen(rows, seed):
        seen.setdefault("orders", []).append([real(rows, seed)(epoch).tolist() for epoch in range(3)])
        return real(rows, seed)

    monkeypatch.setattr(experiment, "shuffled", listen)
    for fields in ({}, {"dropout": 0.3}, {"bn": "before"}, {"bn": "after"}, {"dropout_input": 0.2}):
        run(small_table, epochs=1, **fields)
    assert all(order == seen["orders"][0] for order in seen["orders"])


def test_a_run_that_diverges_is_failed_with_its_history(small_table):
    result = run(small_table, optimizer="sgd", learning_rate=1e6, loss="mse", epochs=50)
    assert (result.status, result.reason) == ("failed", "diverged")
    assert 1 <= len(result.history) < 50
    assert "lower learning rate" in result.error
    assert result.predictions is None


def test_a_run_that_raises_is_failed_with_the_traceback_and_the_history_so_far(small_table, monkeypatch):
    from wineexp.training import experiment

    def burst(epoch, loss, val_loss):
        if epoch == 1:
            raise MemoryError("out of memory")

    spec = RunSpec.parse(QUICK)
    result = experiment.guarded_run(spec, small_table, threads=1, on_epoch=burst)
    assert (result.status, result.reason) == ("failed", "error")
    assert result.error.startswith("error: MemoryError: out of memory")
    assert "Traceback" in result.error
    assert len(result.history) == 2


def test_ctrl_c_in_training_keeps_the_history_so_far(small_table):
    from wineexp.training import experiment

    def stop(epoch, loss, val_loss):
        if epoch == 2:
            raise KeyboardInterrupt

    result = experiment.guarded_run(RunSpec.parse(QUICK), small_table, threads=1, on_epoch=stop)
    assert result.status == "interrupted"
    assert result.reason is None
    assert len(result.history) == 3
    assert result.metrics.baseline_loss > 0


def test_a_finished_run_leaves_nothing_behind_in_the_process(small_table):
    def objects(**fields):
        run(small_table, epochs=1, dropout=0.3, bn="after", **fields)
        gc.collect()
        return len(gc.get_objects())

    objects()
    first = objects(seed=1)
    assert objects(seed=3) - first < 500, "a traced epoch has some 9,000 objects"


@pytest.mark.slow
@multiplying_bfloat16
@pytest.mark.parametrize("threads", [1, 2])
def test_mixed_bfloat16_repeats_and_says_so(small_table, tmp_path, threads):
    """Each in a process of its own, where the count of threads can be chosen."""
    small_table.frame.to_csv(tmp_path / "t.csv", index=False)
    command = [sys.executable, "-m", "wineexp", "train", "--widths", "256x2", "--epochs", "3", "--dropout", "0.3"]
    command += ["--precision", "mixed_bfloat16", "--data", "t.csv", "--threads", str(threads)]
    for out in ("one", "two"):
        subprocess.run([*command, "--out", out], cwd=tmp_path, check=True, capture_output=True)
    first, again = (next((tmp_path / out).iterdir()) for out in ("one", "two"))
    assert (first / "history.csv").read_bytes() == (again / "history.csv").read_bytes()
    assert first.name.startswith("256x2-dropout0.3-precision_mixed_bfloat16-epochs3-s0-")
    made = json.loads((first / "run.json").read_text())
    assert made["environment"]["compiler"] == "TensorFlow"
    assert made["spec"]["precision"] == "mixed_bfloat16"


def test_mixed_bfloat16_is_refused_before_training_where_it_would_be_slower(small_table, monkeypatch, tmp_path):
    import wineexp
    from wineexp import runtime
    from wineexp.errors import RuntimeSetupError

    monkeypatch.setattr(runtime, "BFLOAT16_FLAGS", {"no such instruction"})
    spec = {"widths": "256x2", "epochs": 2, "precision": "mixed_bfloat16"}
    calls = [
        lambda: wineexp.train(spec, data=small_table.frame, out=tmp_path / "o"),
        lambda: wineexp.batch({"runs": [spec]}, data=small_table.frame, out=tmp_path / "o"),
        lambda: run(small_table, **spec),  # a worker on a machine of another kind
    ]
    for call in calls:
        with pytest.raises(RuntimeSetupError, match="expected float32, since this processor shows no bfloat16"):
            call()
    assert not (tmp_path / "o").exists()


def test_early_stopping_ends_with_the_best_epochs_weights(small_table):
    result = run(small_table, epochs=300, patience=5, learning_rate=0.1)
    assert len(result.history) < 300
    assert result.metrics.val_mae == pytest.approx(result.metrics.best_val_loss, rel=1e-5)
    other = run(small_table, epochs=300, patience=5, learning_rate=0.1, restore_best=False)
    assert other.metrics.val_mae == pytest.approx(other.metrics.val_loss, rel=1e-5)


@pytest.mark.slow
def test_the_published_lesson(red_wine_path: Path, tmp_path):
    """Two seeds of the lesson: its published loss and val_loss, first epoch and last ten."""
    command = [sys.executable, "-m", "wineexp", "train", "--dropout", "0.3", "--bn", "after", "--seeds", "2"]
    subprocess.run(
        [*command, "--data", red_wine_path, "--no-model"], cwd=tmp_path, check=True, capture_output=True
    )
    histories = [pd.read_csv(path) for path in sorted((tmp_path / "outputs").glob("*/history.csv"))]
    assert len(histories) == 2
    for history in histories:
        assert len(history) == 100
        assert 5.3 <= history["loss"][0] <= 5.7
        assert 0.65 <= history["loss"].tail(10).mean() <= 0.85
        assert 0.53 <= history["val_loss"].tail(10).mean() <= 0.70


@pytest.mark.slow
def test_the_published_early_stopping_result(red_wine):
    result = run(
        red_wine, widths="512x3", scale="minmax", patience=20, min_delta=0.001, epochs=500, batch_size=256
    )  # fmt: skip
    assert len(result.history) < 500
    assert 0.45 <= result.metrics.best_val_loss <= 0.49


def test_what_compiled_a_run_and_which_kernels_it_used_are_recorded(small_table, monkeypatch):
    from wineexp.training import trainer_cache

    done = run(small_table, widths="8", epochs=2)
    assert (done.environment.compiler, done.environment.onednn) == ("TensorFlow", False)
    diverged = run(small_table, widths="8", epochs=50, optimizer="sgd", learning_rate=1e6, loss="mse")
    assert (diverged.reason, diverged.environment.compiler) == ("diverged", "TensorFlow")
    monkeypatch.setattr(trainer_cache, "xla_repays", lambda *_: True)
    assert run(small_table, widths="8", epochs=2).environment.compiler == "XLA"


def test_xla_compiles_what_repays_it_by_spec_and_rows_alone():
    from wineexp.training.trainer_cache import xla_repays

    lesson = RunSpec.parse({"dropout": 0.3, "bn": "after"})
    assert xla_repays(lesson, 1119)
    assert not xla_repays(RunSpec.parse({"epochs": 10}), 1119), "too short"
    assert not xla_repays(RunSpec.parse({"widths": "64x3"}), 1119), "too small"
    assert xla_repays(RunSpec.parse({"widths": "64x3", "epochs": 2000}), 1119)
    assert xla_repays(RunSpec.parse({"widths": "64x3"}), 10**6)
    assert not xla_repays(RunSpec.parse({"widths": "1024x6"}), 1119), "compiling would hold up a Ctrl-C"
    short = RunSpec.parse({"epochs": 9})
    assert not xla_repays(short, 5000)
    assert xla_repays(short, 5000, 3), "of several calls it compiles fewer kernels"


@pytest.mark.slow
def test_kernels_are_recorded_as_they_are_where_tensorflow_was_there_first():
    code = (
        "import os; os.environ.pop('TF_ENABLE_ONEDNN_OPTS', None); import tensorflow;"
        "from tensorflow.python.util import _pywrap_util_port as port;"
        "import wineexp, tempfile;"
        "run = wineexp.train(widths='8', epochs=1, data='simulated', out=tempfile.mkdtemp());"
        "assert run.record.environment.onednn is port.IsMklEnabled(), run.record.environment"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": "1"})


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_run_that_xla_compiles_trains_with_every_activation(small_table, monkeypatch, activation):
    """The epoch's number was too large for a C long: the lesson with elu, or any but relu, did not train."""
    from wineexp.training import experiment, trainer_cache

    fields = {"bn": "before", "dropout": 0.1, "optimizer": "sgd", "learning_rate": 0.01}
    spec = RunSpec.parse({"widths": "4,4", "epochs": 2, "activation": activation, **fields})
    losses = {}
    for xla in (True, False):
        monkeypatch.setattr(trainer_cache, "xla_repays", lambda *_, xla=xla: xla)
        result = experiment.guarded_run(spec, small_table, threads=1)
        assert (result.status, result.error) == ("done", None)
        losses[xla] = result.history["loss"].to_numpy()
    np.testing.assert_allclose(losses[True], losses[False], rtol=1e-4)
