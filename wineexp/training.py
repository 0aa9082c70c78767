"""The fit loop: an epoch a call, inside one compiled TensorFlow function. Loads TensorFlow.

Keras's ``fit`` spends more time around a small in-memory table than in it: an iterator, a function call
and a metric update for every batch. Here the table lives in tensors, and one ``tf.function`` gathers each
batch by a shuffled index, runs forward, loss, gradient and update, and validates, a whole epoch per call.
The meaning is Keras's: shuffled batches with a short last one; training loss as the sample-weighted mean
of the batch losses, dropout on; validation loss in inference mode; moving averages; callbacks by epoch.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.python.framework.ops import gradient_registry

from wineexp.errors import CallbackError

__all__ = ["Fit", "fit", "predict", "shuffled"]

Floats = npt.NDArray[np.float32]
Order = Callable[[int], npt.NDArray[np.int32]]
OnEpoch = Callable[[int, float, float], None]

#: Keras's losses behind the spec's names.
LOSSES = {
    "mae": keras.losses.MeanAbsoluteError,
    "mse": keras.losses.MeanSquaredError,
    "huber": keras.losses.Huber,
}

#: A call into TensorFlow cannot be interrupted, and Ctrl-C should be answered within two seconds; so an
#: epoch of more floating-point operations than this is split into several calls. Some 40e9 a second are
#: slow for one core today. The lesson's epoch has 18e9.
OPERATIONS_A_CALL = 40e9

#: Rows of one forward pass in inference mode; bounds the memory of wide layers on large tables.
INFERENCE_ROWS = 512


@dataclass(frozen=True)
class Fit:
    """What a fit gives beside the trained model.

    Attributes
    ----------
    history : dict of str to list of float
        ``loss`` and ``val_loss`` (and what callbacks added), one value an epoch.
    ended : {"done", "diverged"}
        Diverged: a loss turned NaN or infinite, in the last epoch of the history.
    seconds, first_epoch_seconds : float
        Wall time of all epochs, and of the first, which holds the compilation.
    """

    history: dict[str, list[float]]
    ended: Literal["done", "diverged"]
    seconds: float
    first_epoch_seconds: float


def shuffled(rows: int, seed: int) -> Order:
    """Return the batch order: epoch -> a permutation of the training rows, int32, from the seed alone."""

    def order(epoch: int) -> npt.NDArray[np.int32]:
        # RandomState's streams are frozen by NumPy's policy; Generator's may change with a version.
        state = np.random.RandomState(np.random.SeedSequence((seed, epoch)).generate_state(4))
        return state.permutation(rows).astype(np.int32)

    return order


def fit(
    model: keras.Sequential,
    optimizer: keras.optimizers.Optimizer,
    loss: str,
    train: tuple[Floats, Floats],
    valid: tuple[Floats, Floats],
    *,
    batch_size: int,
    epochs: int,
    order: Order,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_epoch: OnEpoch | None = None,
) -> Fit:
    """Fit ``model`` in place and return its history.

    Parameters
    ----------
    model, optimizer
        Built, with initial weights; the optimizer unused so far.
    loss : {"mae", "mse", "huber"}
    train, valid : pairs of float32 arrays
        Features of shape (rows, features) and targets of shape (rows,).
    order : callable
        Epoch number, from 0, to the order of the training rows; see :func:`shuffled`.
    callbacks : sequence of keras.callbacks.Callback
        Called at the start and end of training and of each epoch.
    on_epoch : callable, optional
        Called with epoch, loss and val_loss after each epoch.

    Raises
    ------
    CallbackError
        When a callback needs hooks inside the epoch.
    """
    for callback in callbacks:
        _check_callback(callback)
    model.compile(optimizer=optimizer, loss=LOSSES[loss]())
    optimizer.build(model.trainable_variables)
    run_part = _compile_part(model, optimizer, loss, train, valid, batch_size)
    parts = _parts(model.count_params(), len(train[1]), len(valid[1]), batch_size)
    hooks = keras.callbacks.CallbackList(
        list(callbacks), add_history=True, model=model, verbose=0, epochs=epochs,
        steps=math.ceil(len(train[1]) / batch_size),
    )  # fmt: skip
    model.stop_training = False
    ended: Literal["done", "diverged"] = "done"
    start = time.perf_counter()
    first = 0.0
    logs: dict[str, float] = {}
    hooks.on_train_begin()
    for epoch in range(epochs):
        hooks.on_epoch_begin(epoch)
        rows = order(epoch)
        sums = np.zeros(2)
        for a, b, c, d in parts:
            with _forgetting_gradients():
                sums += run_part(tf.constant(rows[a:b]), tf.constant(c), tf.constant(d)).numpy()
        logs = {"loss": float(sums[0] / len(train[1])), "val_loss": float(sums[1] / len(valid[1]))}
        first = first or time.perf_counter() - start
        _end_batch(callbacks, logs)
        hooks.on_epoch_end(epoch, logs)
        if on_epoch:
            on_epoch(epoch, logs["loss"], logs["val_loss"])
        if not (math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"])):
            ended = "diverged"
            break
        if model.stop_training:
            break
    hooks.on_train_end(logs)
    return Fit(model.history.history, ended, time.perf_counter() - start, first)


def _compile_part(
    model: keras.Sequential,
    optimizer: keras.optimizers.Optimizer,
    loss: str,
    train: tuple[Floats, Floats],
    valid: tuple[Floats, Floats],
    batch_size: int,
) -> Callable[..., tf.Tensor]:
    """The compiled epoch: trains on the rows it is given, then validates on rows ``start`` to ``stop``.

    Returns the sums of the losses over the training and the validation rows, float64, shape (2,).
    """
    x, y, x_valid, y_valid = (tf.constant(a) for a in (train[0], train[1][:, None], valid[0], valid[1][:, None]))
    loss_of = LOSSES[loss]()
    weights = model.trainable_variables
    inference = max(batch_size, INFERENCE_ROWS)

    def summed(value: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
        return tf.cast(value, tf.float64) * tf.cast(tf.shape(rows)[0], tf.float64)

    def part(rows: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        count = tf.shape(rows)[0]

        def train_batch(at: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = rows[at : tf.minimum(at + batch_size, count)]
            target = tf.gather(y, batch)
            with tf.GradientTape() as tape:
                value = loss_of(target, _forward(model, tf.gather(x, batch)))
            optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
            return at + batch_size, total + summed(value, batch)

        def valid_batch(at: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            end = tf.minimum(at + inference, stop)
            value = loss_of(y_valid[at:end], model(x_valid[at:end], training=False))
            return at + inference, total + summed(value, y_valid[at:end])

        zero = tf.constant(0.0, tf.float64)
        # One after the other: batches depend on each other through the weights.
        _, loss_sum = tf.while_loop(lambda at, _: at < count, train_batch, (0, zero), parallel_iterations=1)
        _, valid_sum = tf.while_loop(lambda at, _: at < stop, valid_batch, (start, zero), parallel_iterations=1)
        return tf.stack([loss_sum, valid_sum])

    whole, at = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
    compiled: Callable[..., tf.Tensor] = tf.function(part, autograph=False, input_signature=[whole, at, at])
    return compiled


def _forward(model: keras.Sequential, x: tf.Tensor) -> tf.Tensor:
    """The model in training mode, with quicker kernels for the layers that take the time.

    Keras builds dropout and batch normalization of a dozen small operations each, and TensorFlow's
    gradient of a matrix product takes half as long again as the product; with the kernels below the
    lesson's epoch takes a fifth less. The tests hold them against Keras's own steps.
    """
    for layer in model.layers:
        if type(layer) is keras.layers.Dense:
            x = layer.activation(_matmul(x, layer.kernel.value) + layer.bias.value)
        elif type(layer) is keras.layers.Dropout:
            x = _dropout(layer, x)
        elif type(layer) is keras.layers.BatchNormalization:
            x = _batch_normalization(layer, x)
        else:
            x = layer(x, training=True)
    return x


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _matmul(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
    """``x @ kernel``, whose gradient for ``x`` goes through the batched kernel.

    For ``dy @ kernel.T`` TensorFlow's plain product took 4.2 ms at 256 x 1024 x 1024 on 2 cores, the
    batched one (which einsum calls) 2.9 ms.
    """

    def gradient(dy: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.einsum("ro,io->ri", dy, kernel), tf.matmul(x, dy, transpose_a=True)

    return tf.matmul(x, kernel), gradient


def _dropout(layer: keras.layers.Dropout, x: tf.Tensor) -> tf.Tensor:
    """Zero each value with probability ``rate`` and scale the rest by ``1 / (1 - rate)``.

    Random bits against a threshold: the rate is met to 2**-32, without making floats of the bits.
    """
    seed = tf.cast(layer.seed_generator.next(), tf.int32)
    bits = tf.random.stateless_uniform(tf.shape(x), seed, minval=None, maxval=None, dtype=tf.int32)
    kept = tf.cast(bits >= int(layer.rate * 2**32) - 2**31, x.dtype)
    return x * (kept * (1 / (1 - layer.rate)))


def _batch_normalization(layer: keras.layers.BatchNormalization, x: tf.Tensor) -> tf.Tensor:
    """Normalize over the batch and update the moving averages: Ioffe and Szegedy (2015), algorithm 1."""
    normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x[:, None, None, :],
        scale=layer.gamma.value,
        offset=layer.beta.value,
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=layer.epsilon,
        exponential_avg_factor=1.0,
        is_training=True,
    )
    rows = tf.cast(tf.shape(x)[0], x.dtype)
    # The kernel gives the unbiased variance; Keras averages the biased one.
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance * (rows - 1) / rows)):
        average.assign(average.value * layer.momentum + value * (1 - layer.momentum))
    return normalized[:, 0, 0, :]


@contextlib.contextmanager
def _forgetting_gradients() -> Iterator[None]:
    """Take back what tracing enters into TensorFlow's table of gradients.

    Each custom gradient that a trace meets (``_matmul``'s and some of Keras's own) stays in that table
    for good, and its graph and variables with it: 6 MB a run for three layers of 64. Once the epoch is
    traced nobody differentiates it again.
    """
    known = gradient_registry._registry
    before = set(known)
    try:
        yield
    finally:
        for name in [name for name in known.keys() - before if name.startswith("CustomGradient")]:
            del known[name]


def _parts(parameters: int, train: int, valid: int, batch_size: int) -> list[tuple[int, int, int, int]]:
    """The calls of an epoch: training rows from a to b, then validation rows from c to d.

    One call where the table is small. Forward and backward pass cost about six operations a parameter
    and row, the forward pass alone two.
    """
    if (6 * train + 2 * valid) * parameters <= OPERATIONS_A_CALL:
        return [(0, train, 0, valid)]
    rows = max(1, int(OPERATIONS_A_CALL / (6 * parameters * batch_size))) * batch_size
    parts = [(at, min(at + rows, train), 0, 0) for at in range(0, train, rows)]
    return parts + [(0, 0, at, min(at + 3 * rows, valid)) for at in range(0, valid, 3 * rows)]


#: Hooks that Keras calls inside an epoch or around its validation; here both are compiled.
BATCH_HOOKS = (
    "on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end",
    "on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end",
)  # fmt: skip


def _check_callback(callback: keras.callbacks.Callback) -> None:
    needed = [
        hook for hook in BATCH_HOOKS
        if getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
    ]  # fmt: skip
    if needed and not _content_with_epochs(callback):
        raise CallbackError(
            f"{type(callback).__name__} needs {', '.join(needed)}, but an epoch is one compiled call here: "
            "expected a callback with hooks at the start and end of training and of epochs alone"
        )


def _content_with_epochs(callback: keras.callbacks.Callback) -> bool:
    """Whether a stock callback that has batch hooks does nothing in them as it is set up."""
    stock = keras.callbacks
    if type(callback) is stock.TerminateOnNaN:
        return True  # the epoch's mean is NaN or infinite when a batch's loss is; see _end_batch
    if type(callback) in (stock.ModelCheckpoint, stock.BackupAndRestore):
        return getattr(callback, "save_freq", None) == "epoch"
    if type(callback) is stock.TensorBoard:
        return (
            callback.update_freq == "epoch" and not callback.write_steps_per_second and not callback._should_trace
        )
    return False


def _end_batch(callbacks: Sequence[keras.callbacks.Callback], logs: dict[str, float]) -> None:
    """TerminateOnNaN looks at batches; the epoch's last one speaks for all."""
    for callback in callbacks:
        if type(callback) is keras.callbacks.TerminateOnNaN:
            callback.on_batch_end(-1, logs)


def predict(model: keras.Model, x: Floats, *, training: bool = False) -> Floats:
    """Return the predictions, float32, shape (rows,), for features of shape (rows, features)."""
    starts = range(0, len(x), INFERENCE_ROWS)
    parts = [model(x[at : at + INFERENCE_ROWS], training=training).numpy()[:, 0] for at in starts]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
