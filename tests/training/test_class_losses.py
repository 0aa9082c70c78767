"""The losses of classes against Keras's own ``train_on_batch`` and ``evaluate``, step by step."""

from __future__ import annotations

import numpy as np
import pytest
from support.fits import data, fit

from wineexp.specs.run_spec import RunSpec

pytestmark = pytest.mark.usefixtures("tensorflow")

LOSSES = ("binary_crossentropy", "categorical_crossentropy")
COMPILED = [
    (False, 1e9), (False, 1),
    pytest.param(True, 1e9, marks=pytest.mark.slow), pytest.param(True, 1, marks=pytest.mark.slow),
]  # fmt: skip


def classes(loss, rows=90, seed=0):
    """Features and the targets as the loss sees them: 0 and 1, or one-hot."""
    x, y = data(rows, seed)
    if loss == "binary_crossentropy":
        return x, (y > 4).astype(np.float32)
    return x, np.eye(3, dtype=np.float32)[np.digitize(y, [3.5, 5])]


def both(loss, **fields):
    """Two equal models, the second compiled by Keras, with its accuracy."""
    import keras

    from wineexp.training.model import build_model

    spec = RunSpec.parse({"widths": "16,8", "loss": loss, **fields})
    ours, theirs = (build_model(spec, 5, 3) for _ in range(2))
    theirs.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss, metrics=["accuracy"])
    return ours, theirs


def column(y):
    return y.reshape(len(y), -1)


@pytest.mark.parametrize(("xla", "operations"), COMPILED)
@pytest.mark.parametrize("fields", [{}, {"bn": "after"}, {"widths": "none"}])
@pytest.mark.parametrize("loss", LOSSES)
def test_25_steps_losses_and_accuracies_equal_those_of_keras(loss, fields, xla, operations, monkeypatch):
    from wineexp.training import epoch
    from wineexp.training.model import build_optimizer
    from wineexp.training.trainer import shuffled

    monkeypatch.setattr(epoch, "OPERATIONS_PER_CALL", operations)
    ours, theirs = both(loss, **fields)
    (x, y), valid, order = classes(loss), classes(loss, 40, 1), shuffled(90, 3)
    fitted = fit(
        ours, build_optimizer("adam", 0.01), loss, (x, y), valid, batch_size=20, xla=xla, epochs=5, order=order
    )
    for number in range(5):
        totals = np.zeros(2)
        for at in range(0, 90, 20):  # 5 steps, the last one of 10 rows
            rows = order(number)[at : at + 20]
            theirs.reset_metrics()
            totals += np.array(theirs.train_on_batch(x[rows], column(y)[rows])) * len(rows)
        history = {name: values[number] for name, values in fitted.history.items()}
        assert history.keys() == {"loss", "val_loss", "accuracy", "val_accuracy"}
        assert [history["loss"], history["accuracy"]] == pytest.approx(totals / 90, rel=2e-5)
        evaluated = theirs.evaluate(valid[0], column(valid[1]), verbose=0)
        assert [history["val_loss"], history["val_accuracy"]] == pytest.approx(evaluated, rel=2e-5)
    for mine, plain in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), plain.numpy(), rtol=2e-4, atol=5e-6, err_msg=mine.path)


@pytest.mark.parametrize(("xla", "operations"), COMPILED)
@pytest.mark.parametrize("size", [40.0, 1e4])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_step_with_extreme_logits_equals_keras_and_stays_finite(loss, size, xla, operations, monkeypatch):
    """Half of the rows are as wrong as can be: a probability would be rounded to 0."""
    from wineexp.training import epoch
    from wineexp.training.model import build_optimizer
    from wineexp.training.trainer import shuffled

    monkeypatch.setattr(epoch, "OPERATIONS_PER_CALL", operations)
    ours, theirs = both(loss, widths="none")
    (x, y), valid, order = classes(loss), classes(loss, 40, 1), shuffled(90, 3)
    for model in (ours, theirs):
        kernel, bias = model.layers[-1].get_weights()
        kernel[:] = np.resize([size, -size, 0.0], kernel.shape[1]) * np.eye(5)[:, :1]
        model.layers[-1].set_weights([kernel, bias])
    x, valid = np.sign(x), (np.sign(valid[0]), valid[1])
    logits = x @ ours.layers[-1].get_weights()[0]
    assert np.abs(logits).max() == size
    fitted = fit(
        ours, build_optimizer("adam", 0.01), loss, (x, y), valid, batch_size=90, xla=xla, epochs=1, order=order
    )
    expected = theirs.train_on_batch(x[order(0)], column(y)[order(0)])
    assert np.isfinite(fitted.history["loss"]).all()
    assert [fitted.history[name][0] for name in ("loss", "accuracy")] == pytest.approx(expected, rel=2e-5)
    assert fitted.history["val_loss"] == pytest.approx([theirs.evaluate(valid[0], column(valid[1]), verbose=0)[0]])
    for mine, plain in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), plain.numpy(), rtol=1e-5, atol=1e-5, err_msg=mine.path)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_third_curve_is_the_loss_of_the_training_rows_with_dropout_off(loss):
    from wineexp.training.model import build_optimizer
    from wineexp.training.trainer import shuffled

    ours, theirs = both(loss, dropout=0.3)
    x, y = classes(loss)
    fitted = fit(
        ours, build_optimizer("adam", 0.01), loss, (x, y), classes(loss, 40, 1), batch_size=20, eval_train=True,
        epochs=2, order=shuffled(90, 3),
    )  # fmt: skip
    assert fitted.history.keys() == {"loss", "val_loss", "train_loss", "accuracy", "val_accuracy"}
    theirs.set_weights(ours.get_weights())
    evaluated = theirs.evaluate(x, column(y), verbose=0)[0]
    assert fitted.history["train_loss"][-1] == pytest.approx(evaluated, rel=1e-5)
