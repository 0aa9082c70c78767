"""The fit loop: callbacks, order, dropout, divergence, beginning again, and what it leaves."""

from __future__ import annotations

import gc
import time
import weakref

import numpy as np
import pytest
from support.fits import data, train

from wineexp.errors import CallbackError
from wineexp.specs.keras_names import OPTIMIZERS
from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")


def test_early_stopping_stops_and_restores_the_best_weights():
    import keras

    from wineexp.training.trainer import predict

    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
    model, fitted = train([stopping], epochs=200, rate=0.3)
    losses = fitted.history["val_loss"]
    assert len(losses) < 200
    assert len(losses) == int(np.argmin(losses)) + 1 + 2
    x, y = data(40, 1)
    assert np.abs(predict(model, x) - y).mean() == pytest.approx(min(losses), rel=1e-5)


def test_epoch_hooks_are_called_as_keras_calls_them():
    import keras

    calls = []

    class Listener(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            assert self.params == {"verbose": 0, "epochs": 2, "steps": 3}
            calls.append("begin")

        def on_epoch_begin(self, epoch, logs=None):
            calls.append(f"epoch {epoch}")

        def on_epoch_end(self, epoch, logs=None):
            assert set(logs) == {"loss", "val_loss"}
            assert self.model.optimizer.iterations.numpy() == 3 * (epoch + 1)
            calls.append(f"end {epoch}")

        def on_train_end(self, logs=None):
            calls.append("end")

    train([Listener()], epochs=2)
    assert calls == ["begin", "epoch 0", "end 0", "epoch 1", "end 1", "end"]


def test_a_schedule_changes_the_learning_rate_between_epochs():
    import keras

    model, fitted = train([keras.callbacks.LearningRateScheduler(lambda epoch: 0.0 if epoch else 0.01)], epochs=3)
    assert float(model.optimizer.learning_rate) == 0.0
    assert fitted.history["val_loss"][1] == fitted.history["val_loss"][0] == fitted.history["val_loss"][2]


def test_tensorboards_own_callback_writes_what_its_reader_reads(tmp_path):
    import keras
    import tensorflow as tf
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, fitted = train([keras.callbacks.TensorBoard(tmp_path)], epochs=3)
    for folder, name in (("train", "loss"), ("validation", "val_loss")):
        events = EventAccumulator(str(tmp_path / folder)).Reload()
        steps = [(e.step, float(tf.make_ndarray(e.tensor_proto))) for e in events.Tensors("epoch_loss")]
        assert steps == [(epoch, pytest.approx(value)) for epoch, value in enumerate(fitted.history[name])]


def test_dropout_in_training_drops_its_share_and_scales_the_rest():
    import keras

    from wineexp.training.kernels import Mask, _dropout
    from wineexp.training.masks import Masks

    x = np.random.RandomState(0).normal(size=(256, 512)).astype(np.float32)
    for rate in (0.05, 0.3, 0.9):
        layers = [keras.layers.Dropout(rate, seed=7) for _ in range(2)]
        for layer in layers:
            keras.Sequential([keras.Input((512,)), layer])
        first, twin = (Masks([layer]) for layer in layers)

        def dropped_out(drawn):
            output, backward = _dropout(x, Mask(next(drawn.draw(256, 256)), drawn.scales[0]))
            np.testing.assert_array_equal(backward(x, {}), output)  # the gradient meets the same mask
            return output.numpy()

        masks = [dropped_out(first) for _ in range(2)]
        dropped = masks[0] == 0
        assert abs(dropped.mean() - rate) < 4 * np.sqrt(rate * (1 - rate) / dropped.size)
        assert np.abs(dropped.mean(axis=0) - rate).max() < 6 * np.sqrt(
            rate * (1 - rate) / 256
        )  # no column is special
        np.testing.assert_allclose(masks[0][~dropped], x[~dropped] / (1 - rate), rtol=1e-6)
        assert not np.array_equal(masks[0], masks[1])  # another mask each time
        np.testing.assert_array_equal(dropped_out(twin), masks[0])  # the seed decides


def test_a_callback_that_needs_batches_is_refused():
    import keras

    class Batchwise(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            """Wants every batch."""

    refused = [
        Batchwise(),
        keras.callbacks.LambdaCallback(on_train_batch_begin=print),
        keras.callbacks.ModelCheckpoint("x.keras", save_freq=10),
    ]
    for callback in refused:
        with pytest.raises(CallbackError, match="an epoch is one compiled call"):
            train([callback])


def test_terminate_on_nan_and_divergence_end_the_run_at_once():
    import keras

    _, fitted = train([keras.callbacks.TerminateOnNaN()], epochs=50, rate=1e6, optimizer="sgd", loss="mse")
    assert fitted.ended == "diverged"
    assert len(fitted.history["loss"]) < 50
    assert not np.isfinite([fitted.history["loss"][-1], fitted.history["val_loss"][-1]]).all()
    with pytest.raises(RuntimeError, match="NaN or Inf loss"):
        train([keras.callbacks.TerminateOnNaN(raise_error=True)], epochs=50, rate=1e6, optimizer="sgd", loss="mse")


@pytest.mark.parametrize("before", [{}, {"constant_folding": True}, {"disable_meta_optimizer": True}])
def test_tensorflow_optimizes_other_graphs_as_before(monkeypatch, before):
    """What was not set before is off by default: that is said, as nothing can be unset."""
    import keras
    import tensorflow as tf

    seen, options = [], tf.config.optimizer
    now = options.get_experimental_options

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(now()["disable_meta_optimizer"])

    monkeypatch.setattr(options, "get_experimental_options", lambda: before)
    train([Look()], epochs=2)
    after = now()
    options.set_experimental_options({"disable_meta_optimizer": False})
    assert seen == [True, True]
    assert {"disable_meta_optimizer": False, **before}.items() <= after.items()


def begun(xla=False):
    from wineexp.training.epoch import EpochSettings
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import Trainer

    model, optimizer = build_model(RunSpec(widths="8", dropout=0.3), 5), build_optimizer("adam", 0.001)
    return Trainer(model, optimizer, EpochSettings("mae", 20, eval_train=True, xla=xla), data(), data(40, 1))


def test_times_are_of_this_fit_and_the_first_epoch_is_in_them():
    from wineexp.training.trainer import shuffled

    trainer = begun()
    for _ in range(2):
        start = time.perf_counter()
        fitted = trainer.fit(epochs=3, order=shuffled(90, 0))
        assert 0 < fitted.first_epoch_seconds < fitted.seconds < time.perf_counter() - start


def test_what_is_closed_keeps_nothing():
    """Without waiting for the collector, which a worker would not run between two models."""
    from wineexp.training.trainer import shuffled

    trainer = begun()
    trainer.fit(epochs=1, order=shuffled(90, 0))
    epoch = trainer._epoch
    held = [weakref.ref(one) for one in (trainer.model, trainer.optimizer, trainer._masks, *epoch._graphs)]
    gc.disable()
    try:
        trainer.close()
        assert not [found for one in held if (found := one()) is not None]
    finally:
        gc.enable()


def test_no_rows_have_no_predictions():
    from wineexp.training.trainer import predict

    none = predict(begun().model, data()[0][:0])
    assert (none.shape, none.dtype) == ((0,), np.float32)


def test_the_batch_order_is_a_new_permutation_each_epoch_from_the_seed_alone():
    from wineexp.training.trainer import shuffled

    one, again, other = shuffled(50, 7), shuffled(50, 7), shuffled(50, 8)
    assert sorted(one(0)) == list(range(50))
    assert one(3).tolist() == again(3).tolist()
    assert one(0).tolist() != one(1).tolist()
    assert one(0).tolist() != other(0).tolist()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_trainer_that_begins_again_gives_the_bits_of_a_new_one(name):
    from wineexp.training.epoch import EpochSettings
    from wineexp.training.model import build_model, build_optimizer
    from wineexp.training.trainer import Trainer, shuffled

    def made(seed):
        spec = RunSpec.parse({
            "widths": "8,8", "dropout": 0.3, "dropout_input": (0.1, 0.4)[seed], "bn": "after",
            "dropout_place": "after_bn", "bn_input": True, "seed": seed,
        })  # fmt: skip
        return build_model(spec, 5), build_optimizer(name, OPTIMIZERS[name])

    kept, new = (Trainer(*made(seed), EpochSettings("mae", 32), data(), data(40, 1)) for seed in (0, 1))
    kept.fit(epochs=2, order=shuffled(90, 0))
    kept.restart(*made(1), data(), data(40, 1))
    again, fitted = (trainer.fit(epochs=3, order=shuffled(90, 1)) for trainer in (kept, new))
    assert again.history == fitted.history
    for mine, fresh in zip(kept.model.variables, new.model.variables, strict=True):
        np.testing.assert_array_equal(mine, fresh)


@pytest.mark.parametrize("scaled", [False, True])
def test_many_rows_are_predicted_with_the_bits_of_few(monkeypatch, scaled):
    """From GRAPH_ROWS on by a graph, before by the model itself."""
    from wineexp.training import trainer
    from wineexp.training.model import build_model

    model = build_model(RunSpec(widths="16,8", dropout=0.3, bn="before", bn_input=scaled, activation="gelu"), 5)
    x, _ = data(3 * trainer.INFERENCE_ROWS + 1)
    few = trainer.predict(model, x)
    monkeypatch.setattr(trainer, "GRAPH_ROWS", len(x))
    np.testing.assert_array_equal(trainer.predict(model, x), few)
