"""Every private name that is used is there in the installed releases, and training is right without it."""

from __future__ import annotations

import numpy as np
import pytest

from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_every_private_name_is_there():
    from wineexp.training import keras_internals

    assert len(keras_internals.PRIVATE_NAMES) == 7
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
    monkeypatch.setattr(kernels, "adam_moments", lambda adam, variable: None)
    monkeypatch.setattr(keras_internals, "_dismantle_func_graph", None)
    monkeypatch.setattr(keras_internals, "_gradients", None)
    without = experiment.run(spec, small_table, threads=1)
    np.testing.assert_allclose(without.history["val_loss"], whole.history["val_loss"], rtol=1e-4)
    assert without.metrics.val_mae == pytest.approx(whole.metrics.val_mae, rel=1e-4)
