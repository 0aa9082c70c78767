"""The fit loop against Keras's own ``train_on_batch``, ``evaluate`` and policies, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from support.fits import data, fit
from support.processor import multiplying_bfloat16

from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS
from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")


VARIANTS = [
    {"bn": "none"}, {"bn": "before"}, {"bn": "after"}, {"bn": "none", "bn_input": True},
]  # fmt: skip
LINEAR = [{"bn": "none", "widths": "none", "bn_input": bn_input} for bn_input in (False, True)]


def optimizers():
    import keras

    from wineexp.training.model import build_optimizer

    return {
        "adam": (lambda: build_optimizer("adam", 0.001), lambda: keras.optimizers.Adam(0.001)),
        "sgd with momentum": (lambda: keras.optimizers.SGD(0.01, momentum=0.9),) * 2,
        "rmsprop": (lambda: build_optimizer("rmsprop", 0.001), lambda: keras.optimizers.RMSprop(0.001)),
    }


@pytest.mark.parametrize(
    ("optimizer", "loss", "xla", "operations"),
    [
        ("adam", "mae", False, 1e9),
        ("adam", "mse", False, 1e9),
        ("adam", "huber", False, 1e9),
        ("sgd with momentum", "mae", False, 1e9),
        ("rmsprop", "mae", False, 1e9),
        pytest.param("adam", "mae", True, 1e9, marks=pytest.mark.slow),
        pytest.param("sgd with momentum", "huber", True, 1e9, marks=pytest.mark.slow),
        # Several calls an epoch, in which XLA fills up the last batch with rows that do not count.
        pytest.param("adam", "mae", True, 1, marks=pytest.mark.slow),
        pytest.param("sgd with momentum", "huber", True, 1, marks=pytest.mark.slow),
        pytest.param("rmsprop", "mse", True, 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("variant", [*VARIANTS, *LINEAR])
def test_25_steps_equal_those_of_train_on_batch(variant, optimizer, loss, xla, operations, monkeypatch):
    import keras

    from wineexp.training import epoch
    from wineexp.training.model import build_model
    from wineexp.training.trainer import shuffled

    monkeypatch.setattr(epoch, "OPERATIONS_PER_CALL", operations)
    spec = RunSpec.parse({"widths": "16,8", **variant})
    ours, theirs = build_model(spec, 5), build_model(spec, 5)
    if variant["bn"] == "before":
        # A bias right before batch normalization cancels out: its gradient is rounding alone, which Adam
        # and RMSprop scale up to full steps of either sign. It stays at 0 in both models here.
        for model in (ours, theirs):
            for layer in model.layers[:-1]:
                if isinstance(layer, keras.layers.Dense):
                    layer.bias.trainable = False
    make_ours, make_theirs = optimizers()[optimizer]
    names = {"mae": "mae", "mse": "mse", "huber": keras.losses.Huber()}
    theirs.compile(optimizer=make_theirs(), loss=names[loss])
    (x, y), valid, order = data(), data(40, 1), shuffled(90, 3)
    fitted = fit(ours, make_ours(), loss, (x, y), valid, batch_size=20, xla=xla, epochs=5, order=order)
    for number in range(5):
        total = 0.0
        for at in range(0, 90, 20):  # 5 steps, the last one of 10 rows
            rows = order(number)[at : at + 20]
            theirs.reset_metrics()
            total += float(theirs.train_on_batch(x[rows], y[rows, None])) * len(rows)
        assert fitted.history["loss"][number] == pytest.approx(total / 90, rel=2e-5)
        val_loss = theirs.evaluate(valid[0], valid[1][:, None], verbose=0)
        assert fitted.history["val_loss"][number] == pytest.approx(val_loss, rel=2e-5)
    for mine, plain in zip(ours.weights, theirs.weights, strict=True):  # moving averages are weights too
        np.testing.assert_allclose(mine.numpy(), plain.numpy(), rtol=1e-4, atol=2e-6, err_msg=mine.path)
    assert int(ours.optimizer.iterations) == 25


#: With dropout: after the hidden layers, in both places beside batch normalization, and on the features.
DROPOUT_VARIANTS = [
    {"dropout": 0.3, "bn": "after"},
    {"dropout": 0.3, "bn": "after", "dropout_place": "after_bn"},
    {"dropout_input": 0.2},
    {"dropout_input": 0.2, "bn_input": True},
    {"dropout_input": 0.2, "dropout": [0.3, 0.1], "bn": "after", "dropout_place": "after_bn", "bn_input": True},
]


@pytest.mark.parametrize(
    ("xla", "operations"),
    [
        (False, 1e9),
        (False, 1),
        pytest.param(True, 1e9, marks=pytest.mark.slow),
        pytest.param(True, 1, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("variant", DROPOUT_VARIANTS)
def test_25_steps_with_dropout_equal_those_of_train_on_batch_with_the_same_masks(
    variant, xla, operations, monkeypatch
):
    import keras

    from wineexp.training import epoch
    from wineexp.training.masks import Masks
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    class Masked(keras.layers.Layer):
        """In training, multiplies by the factors that it is given for the batch."""

        factors = None

        def call(self, x, training=False):
            return x * self.factors if training else x

    monkeypatch.setattr(epoch, "OPERATIONS_PER_CALL", operations)
    spec = RunSpec.parse({"widths": "16,8", **variant})
    ours, theirs = build_model(spec, 5), build_model(spec, 5)
    dropout = [layer for layer in theirs.layers if isinstance(layer, keras.layers.Dropout)]
    masks, masked = Masks(dropout), [Masked() for _ in dropout]
    replaced = dict(zip(dropout, masked, strict=True))
    theirs = keras.Sequential([keras.Input((5,)), *(replaced.get(layer, layer) for layer in theirs.layers)])
    theirs.compile(optimizer=keras.optimizers.Adam(0.001), loss="mae", run_eagerly=True)
    (x, y), valid, order = data(), data(40, 1), shuffled(90, 3)
    fitted = fit(
        ours, build_optimizer("adam", 0.001), "mae", (x, y), valid, batch_size=20, xla=xla, epochs=5, order=order
    )
    for number in range(5):
        total, drawn = 0.0, list(masks.draw(90, 90))
        for at in range(0, 90, 20):
            rows = order(number)[at : at + 20]
            for layer, mask, own in zip(masked, drawn, dropout, strict=True):
                layer.factors = mask[at : at + 20] / np.float32(1 - own.rate)
            theirs.reset_metrics()
            total += float(theirs.train_on_batch(x[rows], y[rows, None])) * len(rows)
        assert fitted.history["loss"][number] == pytest.approx(total / 90, rel=2e-5)
        val_loss = theirs.evaluate(valid[0], valid[1][:, None], verbose=0)
        assert fitted.history["val_loss"][number] == pytest.approx(val_loss, rel=2e-5)
    for mine, plain in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), plain.numpy(), rtol=1e-4, atol=2e-6, err_msg=mine.path)


#: Of each kind one: bounded, smooth, with a kink of its own, over the whole row.
QUICK_ACTIVATIONS = ("tanh", "gelu", "leaky_relu", "softmax")


@pytest.mark.parametrize("bn", ["none", "before"])
@pytest.mark.parametrize(
    "activation",
    [name if name in QUICK_ACTIVATIONS else pytest.param(name, marks=pytest.mark.slow) for name in ACTIVATIONS],
)
def test_every_activation_is_trained_as_keras_trains_it(activation, bn):
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    spec = RunSpec.parse({"widths": "16,8", "activation": activation, "bn": bn})
    ours, theirs = build_model(spec, 5), build_model(spec, 5)
    theirs.compile(optimizer=build_optimizer("sgd", 0.01), loss="mae")
    (x, y), order = data(), shuffled(90, 3)
    fit(ours, build_optimizer("sgd", 0.01), "mae", (x, y), data(40, 1), batch_size=30, epochs=2, order=order)
    for epoch in range(2):
        for rows in np.split(order(epoch), 3):
            theirs.train_on_batch(x[rows], y[rows, None])
    for mine, plain in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), plain.numpy(), rtol=1e-3, atol=1e-5, err_msg=mine.path)


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", ["mae", "huber"])
def test_train_loss_is_what_keras_evaluates_on_the_training_rows(loss, xla):
    import keras

    evaluated = []

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            x, y = data()
            evaluated.append(float(self.model.evaluate(x, y[:, None], batch_size=90, verbose=0)))

    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    spec = RunSpec.parse({"widths": "16,8", "dropout": 0.3, "bn": "after"})
    histories = []
    for eval_train in (True, False):
        fitted = fit(
            build_model(spec, 5), build_optimizer("adam", 0.01), loss, data(), data(40, 1), batch_size=20,
            xla=xla, eval_train=eval_train, epochs=4, order=shuffled(90, 3),
            callbacks=[Evaluate()] if eval_train else [],
        )  # fmt: skip
        histories.append(fitted.history)
    assert histories[0].pop("train_loss") == pytest.approx(evaluated, rel=1e-5)
    assert histories[0] == histories[1], "it is looked at, and changes nothing"


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_of_the_spec_trains(name, xla):
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    model = build_model(RunSpec(widths="8", bn="after"), 5)
    fitted = fit(
        model, build_optimizer(name, OPTIMIZERS[name]), "mae", data(), data(40, 1),
        batch_size=32, xla=xla, epochs=3, order=shuffled(90, 0),
    )  # fmt: skip
    assert np.isfinite(fitted.history["loss"]).all()
    assert fitted.history["loss"][0] != fitted.history["loss"][2]


@multiplying_bfloat16
@pytest.mark.parametrize("transposed", [{}, {"transpose_a": True}, {"transpose_b": True}])
def test_a_bfloat16_product_rounds_its_factors_and_itself_and_adds_up_in_float32(transposed):
    import tensorflow as tf

    from wineexp.training.keras_internals import bfloat16_product

    random = np.random.RandomState(0)
    a, b = (random.normal(size=(48, 48)).astype(np.float32) for _ in range(2))
    found = tf.function(lambda *pair: bfloat16_product(*pair, **transposed), autograph=False)(a, b).numpy()
    rounded = [part.astype(tf.bfloat16.as_numpy_dtype).astype(np.float64) for part in (a, b)]
    left, right = rounded[0].T if "transpose_a" in transposed else rounded[0], rounded[1]
    expected = left @ (right.T if "transpose_b" in transposed else right)
    assert found.dtype == np.float32
    # 2**-8 is half of bfloat16's last place; sums in bfloat16 would be off several times as far.
    np.testing.assert_allclose(found, expected, rtol=1.01 * 2**-8, atol=1e-4)


@multiplying_bfloat16
@pytest.mark.parametrize("variant", VARIANTS)
def test_mixed_bfloat16_trains_as_keras_does_with_that_policy_on_the_inner_layers(variant):
    import keras

    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    spec = RunSpec.parse({"widths": "32x3", **variant})
    (x, y), valid, order = data(), data(40, 1), shuffled(90, 3)
    models = [build_model(spec, 5) for _ in range(3)]
    dense = [layer for layer in models[2].layers if isinstance(layer, keras.layers.Dense)]
    for layer in dense[1:-1]:
        layer.dtype_policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    models[2].compile(optimizer=build_optimizer("adam", 0.001), loss="mae")
    losses = []
    for model, precision in zip(models[:2], ("float32", "mixed_bfloat16"), strict=True):
        fitted = fit(
            model, build_optimizer("adam", 0.001), "mae", (x, y), valid, batch_size=30, epochs=4, order=order,
            precision=precision,
        )  # fmt: skip
        losses.append(fitted.history["loss"])
    theirs = []
    for epoch in range(4):
        rows = np.split(order(epoch), 3)
        found = []
        for part in rows:
            models[2].reset_metrics()
            found.append(float(models[2].train_on_batch(x[part], y[part, None])))
        theirs.append(np.mean(found))
    assert losses[1] != losses[0], "it rounds"
    assert losses[1] == pytest.approx(theirs, rel=5e-3)
    assert {weight.dtype for weight in models[1].weights} <= {"float32", "int32"}
    assert fitted.history["val_loss"][-1] == pytest.approx(
        np.abs(models[1](valid[0]).numpy()[:, 0] - valid[1]).mean(), rel=1e-6
    ), "validated as it is saved, in float32"


def test_a_last_batch_of_one_row_is_trained_on_as_keras_does():
    import keras

    from wineexp.training.model import build_model, build_optimizer

    spec = RunSpec(widths="8", bn="after")
    ours, theirs = build_model(spec, 5), build_model(spec, 5)
    theirs.compile(optimizer=keras.optimizers.SGD(0.01), loss="mae")
    (x, y), order = data(33), np.arange(33, dtype=np.int32)
    fit(
        ours,
        build_optimizer("sgd", 0.01),
        "mae",
        (x, y),
        data(9, 1),
        batch_size=32,
        epochs=1,
        order=lambda _: order,
    )
    theirs.train_on_batch(x[:32], y[:32, None])
    theirs.train_on_batch(x[32:], y[32:, None])
    for mine, plain in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(mine, plain, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_weight_decay_is_kerass_own_on_kernels_over_25_steps(name, xla):
    import keras

    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    spec = RunSpec.parse({"widths": "16,8", "bn": "after", "weight_decay": 0.5, "optimizer": name})
    ours, theirs, without = (build_model(spec, 5) for _ in range(3))
    plain = keras.optimizers.get({"class_name": name, "config": {"learning_rate": 0.01, "weight_decay": 0.5}})
    plain.exclude_from_weight_decay(
        var_list=[weight for weight in theirs.trainable_variables if not weight.path.endswith("kernel")]
    )
    theirs.compile(optimizer=plain, loss="mae")
    (x, y), valid, order = data(), data(40, 1), shuffled(90, 3)
    for model, decay in ((ours, spec.weight_decay), (without, 0.0)):
        optimizer = build_optimizer(name, 0.01, decay)
        fit(model, optimizer, "mae", (x, y), valid, batch_size=20, xla=xla, epochs=5, order=order)
    for epoch in range(5):
        for at in range(0, 90, 20):
            rows = order(epoch)[at : at + 20]
            theirs.train_on_batch(x[rows], y[rows, None])
    for mine, plain_weight in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(
            mine.numpy(), plain_weight.numpy(), rtol=1e-3, atol=2e-5, err_msg=plain_weight.path
        )
    size, other = (np.abs(model.layers[0].kernel.numpy()).mean() for model in (ours, without))
    assert size < 0.97 * other, "it shrinks the weights"


@pytest.mark.parametrize("xla", [False, True])
def test_batch_normalization_keeps_the_spread_of_features_far_from_zero(xla):
    """A mean of 10,000 and a standard deviation of 1: squares less the squared mean would leave nothing of it."""
    import keras

    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import shuffled

    spec = RunSpec.parse({"widths": "8", "bn_input": True, "bn_momentum": 0.5})
    ours, theirs = build_model(spec, 5), build_model(spec, 5)
    theirs.compile(optimizer=keras.optimizers.SGD(0.01), loss="mae")
    (x, y), (x_valid, y_valid), order = data(), data(40, 1), shuffled(90, 3)
    far = 10_000 + x, y
    fitted = fit(
        ours, build_optimizer("sgd", 0.01), "mae", far, (10_000 + x_valid, y_valid), batch_size=20, xla=xla,
        epochs=3, order=order,
    )  # fmt: skip
    for epoch in range(3):
        for at in range(0, 90, 20):
            rows = order(epoch)[at : at + 20]
            theirs.train_on_batch(far[0][rows], y[rows, None])
    assert np.isfinite(fitted.history["val_loss"]).all()
    mine, plain = (model.layers[0].moving_variance.numpy() for model in (ours, theirs))
    np.testing.assert_allclose(mine, plain, rtol=1e-3)
    assert 0.5 < mine.mean() < 2
