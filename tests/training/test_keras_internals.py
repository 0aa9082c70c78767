"""Every private name that is used is there in the installed releases, and training is right without it."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_every_private_name_is_there():
    from wineexp.training import keras_internals

    assert len(keras_internals.PRIVATE_NAMES) == 19
    assert keras_internals.missing() == []


def test_a_name_that_went_is_named(monkeypatch):
    from wineexp.training import keras_internals

    gone = {
        ("tensorflow.python.framework.func_graph", "no_such_name"): "nothing",
        ("no.such.module", "x"): "nothing",
    }
    monkeypatch.setattr(keras_internals, "PRIVATE_NAMES", gone)
    assert keras_internals.missing() == [
        "tensorflow.python.framework.func_graph.no_such_name",
        "no.such.module.x",
    ]


def test_training_is_the_same_without_the_private_names(small_table, monkeypatch):
    """Adam then takes Keras's own step: the same to rounding."""
    from wineexp.training import experiment, keras_internals, kernels

    spec = RunSpec.parse({"widths": "8,8", "epochs": 3, "batch_size": 32, "bn": "after"})
    whole = experiment.run(spec, small_table, threads=1)
    monkeypatch.setattr(kernels, "adam_moments", lambda optimizer, weights: None)
    monkeypatch.setattr(keras_internals, "_dismantle_func_graph", None)
    monkeypatch.setattr(keras_internals, "_gradients", None)
    monkeypatch.setattr(keras_internals, "_ops", None)
    without = experiment.run(spec, small_table, threads=1)
    np.testing.assert_allclose(without.history["val_loss"], whole.history["val_loss"], rtol=1e-4)
    assert without.metrics.val_mae == pytest.approx(whole.metrics.val_mae, rel=1e-4)


@pytest.mark.parametrize("private", [True, False], ids=["in memory", "with a temporary file"])
def test_a_saved_model_is_what_keras_saves(tmp_path, monkeypatch, private):
    from wineexp.training import keras_internals
    from wineexp.training.model import build_model

    model = build_model(RunSpec.parse({"widths": "8,4", "dropout": 0.3, "bn": "before", "bn_input": True}), 3)
    if not private:
        monkeypatch.setattr(keras_internals, "_save_state", None)
    (tmp_path / "ours.keras").write_bytes(keras_internals.saved_model(model))
    model.save(tmp_path / "theirs.keras")
    with zipfile.ZipFile(tmp_path / "ours.keras") as ours, zipfile.ZipFile(tmp_path / "theirs.keras") as theirs:
        assert ours.namelist() == theirs.namelist()
        for name in ("config.json", "model.weights.h5"):
            assert ours.read(name) == theirs.read(name)
        assert json.loads(ours.read("metadata.json")).keys() == json.loads(theirs.read("metadata.json")).keys()
