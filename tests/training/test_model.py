"""The model: the design's layers, explicit seeds, and a file that Keras alone can load."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from wineexp.specs.keras_names import ACTIVATIONS
from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")

VARIANTS = [
    {},
    {"dropout": 0.3, "bn": "after"},
    {"dropout": [0.2, 0.0], "bn": "before"},
    {"bn_input": True, "dropout": 0.5},
    {"bn": "before", "bn_input": True, "activation": "tanh"},
    {"dropout": 0.3, "bn": "after", "dropout_place": "after_bn"},
    {"dropout_input": 0.2},
    {"dropout_input": 0.2, "bn_input": True, "dropout": [0.0, 0.3]},
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_model_has_the_plans_layers_and_counts(variant):
    from wineexp.training.model import build_model

    spec = RunSpec.parse({"widths": "8,4", **variant})
    model = build_model(spec, 11)
    plan = spec.layer_sizes(11)
    assert [type(layer).__name__ for layer in model.layers] == [layer[0] for layer, _, _ in plan]
    assert [layer.count_params() for layer in model.layers] == [count for _, _, count in plan]
    assert [layer.output.shape[1] for layer in model.layers] == [width for _, width, _ in plan]
    assert model.count_params() == spec.parameter_count(11)


def dense_kernels(spec, features=11):
    from wineexp.training.model import build_model

    layers = build_model(spec, features).layers
    return [layer.get_weights()[0] for layer in layers if type(layer).__name__ == "Dense"]


@pytest.mark.parametrize("variant", VARIANTS[1:])
def test_variants_with_one_seed_start_from_identical_dense_weights(variant):
    spec = RunSpec.parse({"widths": "8,4", **variant})
    for mine, plain in zip(dense_kernels(spec), dense_kernels(RunSpec(widths="8,4")), strict=True):
        np.testing.assert_array_equal(mine, plain)


@pytest.mark.parametrize("variant", [{"dropout_input": 0.2}, {"bn": "after", "dropout_place": "after_bn"}])
def test_the_masks_of_a_hidden_layer_are_the_same_whatever_is_around_it(variant):
    import keras

    from wineexp.training.masks import Masks
    from wineexp.training.model import build_model

    drawn = []
    for more in ({}, variant):
        layers = build_model(RunSpec.parse({"widths": "8,4", "dropout": 0.3, **more}), 11).layers
        masks = Masks([layer for layer in layers if isinstance(layer, keras.layers.Dropout)])
        drawn.append(list(masks.draw(50, 50)))
    on_features = drawn[1][:-2]
    assert [mask.shape for mask in on_features] == [(50, 11)] * ("dropout_input" in variant)
    for mask, other in zip(drawn[0], drawn[1][-2:], strict=True):
        np.testing.assert_array_equal(mask, other)


def test_another_seed_starts_from_other_weights_and_no_two_layers_share_theirs():
    one, other = dense_kernels(RunSpec(widths="8,8,8"), 8), dense_kernels(RunSpec(widths="8,8,8", seed=1), 8)
    kernels = [*one[:3], *other[:3]]
    assert len({kernel.tobytes() for kernel in kernels}) == 6


def test_the_initial_weights_are_glorot_uniform():
    (kernel, _) = dense_kernels(RunSpec(widths="400"), 200)
    limit = np.sqrt(6 / (200 + 400))
    assert np.abs(kernel).max() <= limit
    assert abs(float(kernel.std()) - limit / np.sqrt(3)) < 0.01 * limit


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_builds_and_predicts(activation):
    from wineexp.training.model import build_model

    model = build_model(RunSpec(widths="8", activation=activation), 3)
    assert np.isfinite(model(np.ones((2, 3), np.float32)).numpy()).all()


def test_dropout_drops_its_share_and_scales_the_rest():
    from wineexp.training.model import build_model

    model = build_model(RunSpec(widths="512", dropout=0.3, activation="exponential"), 4)
    dense, dropout = model.layers[:2]
    x = np.random.RandomState(0).normal(size=(256, 4)).astype(np.float32)
    before = dense(x).numpy()
    after = dropout(before, training=True).numpy()
    dropped = after == 0
    assert abs(dropped.mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / dropped.size)
    np.testing.assert_allclose(after[~dropped], before[~dropped] / 0.7, rtol=1e-6)
    assert (dropout(before, training=True).numpy() == 0).tolist() != dropped.tolist()  # another mask each time


def test_a_users_keras_settings_do_not_change_the_model():
    import keras

    from wineexp.training.model import build_model

    keras.config.set_floatx("float64")
    try:
        assert build_model(RunSpec(widths="4"), 3).layers[0].kernel.dtype == "float32"
    finally:
        keras.config.set_floatx("float32")


@pytest.mark.slow
def test_the_saved_model_loads_with_keras_alone_and_predicts_the_same(tmp_path):
    from wineexp.training.epoch import EpochSettings
    from wineexp.training.model import build_model, build_optimizer, model_bytes
    from wineexp.training.trainer import Trainer, predict, shuffled

    spec = RunSpec(widths="8,4", dropout=0.3, bn="before", bn_input=True)
    x = np.random.RandomState(0).normal(size=(50, 3)).astype(np.float32)
    data = (x, x[:, 0])
    trainer = Trainer(build_model(spec, 3), build_optimizer("adam", 0.01), EpochSettings("mae", 16), data, data)
    trainer.fit(epochs=2, order=shuffled(50, 0))
    model = build_model(spec, 3)
    model.set_weights(trainer.model.get_weights())
    path = tmp_path / "model.keras"
    path.write_bytes(model_bytes(model))
    with zipfile.ZipFile(path) as archive:
        assert "wineexp." not in archive.read("config.json").decode()  # no class of ours
        assert not json.loads(archive.read("config.json"))["compile_config"]
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np, keras; assert 'wineexp' not in sys.modules;"
        f"m = keras.models.load_model({str(path)!r});"
        f"np.save({str(tmp_path / 'y.npy')!r}, m.predict(np.load({str(tmp_path / 'x.npy')!r}), verbose=0)[:, 0])"
    )
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), predict(model, x), rtol=1e-5, atol=1e-6)


def test_what_a_callback_saves_loads_as_plain_adam(tmp_path):
    import keras

    from wineexp.training.epoch import EpochSettings
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import Trainer, shuffled

    model = build_model(RunSpec(widths="4"), 3)
    x = np.random.RandomState(0).normal(size=(20, 3)).astype(np.float32)
    data = (x, x[:, 0])
    checkpoint = keras.callbacks.ModelCheckpoint(str(tmp_path / "c.keras"))
    trainer = Trainer(model, build_optimizer("adam", 0.01), EpochSettings("mae", 8), data, data)
    trainer.fit(epochs=1, order=shuffled(20, 0), callbacks=[checkpoint])
    loaded = keras.models.load_model(tmp_path / "c.keras")
    assert type(loaded.optimizer) is keras.optimizers.Adam
    assert int(loaded.optimizer.iterations) == 3
