"""The fit loop: one call per epoch, inside one compiled TensorFlow function. Loads TensorFlow.

On a small in-memory table Keras's ``fit`` spends most of its time on overhead: an iterator, a function call
and a metric update for every batch. Here the table lives in tensors, and one ``tf.function`` gathers each
batch by a shuffled index, runs forward, loss, gradient and update, and validates, a whole epoch per call.
The semantics are Keras's: shuffled batches with a short last one; training loss as the sample-weighted mean
of the batch losses, dropout on; validation loss in inference mode; moving averages; callbacks by epoch.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wineexp.training.callbacks import check_callback, end_batch
from wineexp.training.keras_internals import allow_tracing_again, dismantle, forgetting_gradients
from wineexp.training.kernels import forward

__all__ = ["Fit", "Trainer", "predict", "shuffled"]

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
#: epoch of more floating-point operations than this is split into several calls. Some 40e9 per second
#: is slow for one core today. The lesson's epoch has 18e9.
OPERATIONS_PER_CALL = 40e9

#: Rows of one forward pass in inference mode; bounds the memory of wide layers on large tables.
INFERENCE_ROWS = 512


@dataclass(frozen=True)
class Fit:
    """The result of a fit, besides the trained model.

    Attributes
    ----------
    history : dict of str to list of float
        ``loss`` and ``val_loss`` (and what callbacks added), one value per epoch.
    ended : {"done", "diverged"}
        Diverged: a loss turned NaN or infinite, in the last epoch of the history.
    seconds, first_epoch_seconds : float
        Wall time of all epochs, and of the first, which includes the compilation.
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


class Trainer:
    """A model, its optimizer and the compiled epoch on one split.

    Compiling a small model takes longer than training it, so a trainer can start again from other
    initial weights: the seeds of one variant share it.

    Parameters
    ----------
    model, optimizer
        The model with its initial weights; the optimizer unused so far.
    loss : {"mae", "mse", "huber"}
    train, valid : pairs of float32 arrays
        Features of shape (rows, features) and targets of shape (rows,).
    batch_size : int
    """

    def __init__(
        self,
        model: keras.Sequential,
        optimizer: keras.optimizers.Optimizer,
        loss: str,
        train: tuple[Floats, Floats],
        valid: tuple[Floats, Floats],
        *,
        batch_size: int,
    ) -> None:
        model.compile(optimizer=optimizer, loss=LOSSES[loss]())
        optimizer.build(model.trainable_variables)
        self.model, self.optimizer, self.loss = model, optimizer, LOSSES[loss]()
        self._train = tuple(tf.constant(part) for part in (train[0], train[1][:, None]))
        self._valid = tuple(tf.constant(part) for part in (valid[0], valid[1][:, None]))
        self._rows = len(train[1]), len(valid[1])
        self._batch_size = batch_size
        self._graphs: list[Any] = []
        whole, at = tf.TensorSpec([None], tf.int32), tf.TensorSpec([], tf.int32)
        self._run_part = tf.function(self._part, autograph=False, input_signature=[whole, at, at])
        allow_tracing_again(self._run_part)

    def restart(self, model: keras.Sequential, optimizer: keras.optimizers.Optimizer) -> None:
        """Take the state of a model and an optimizer that were built like this trainer's own.

        Every variable is copied, the dropout layers' random states too, so that what follows is bit for
        bit what a new trainer would do.
        """
        optimizer.build(model.trainable_variables)
        for owner, fresh in ((self.model, model), (self.optimizer, optimizer)):
            for mine, new in zip(owner.variables, fresh.variables, strict=True):
                mine.assign(new)

    def fit(
        self,
        *,
        epochs: int,
        order: Order,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        on_epoch: OnEpoch | None = None,
    ) -> Fit:
        """Fit the model in place and return its history.

        Parameters
        ----------
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
            check_callback(callback)
        train, valid = self._rows
        parts = _parts(self.model.count_params(), train, valid, self._batch_size)
        hooks = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            model=self.model,
            verbose=0,
            epochs=epochs,
            steps=math.ceil(train / self._batch_size),
        )
        self.model.stop_training = False
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
                with forgetting_gradients():
                    sums += self._run_part(tf.constant(rows[a:b]), tf.constant(c), tf.constant(d)).numpy()
            logs = {"loss": float(sums[0] / train), "val_loss": float(sums[1] / valid)}
            first = first or time.perf_counter() - start
            end_batch(callbacks, logs)
            hooks.on_epoch_end(epoch, logs)
            if on_epoch:
                on_epoch(epoch, logs["loss"], logs["val_loss"])
            if not (math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"])):
                ended = "diverged"
                break
            if self.model.stop_training:
                break
        hooks.on_train_end(logs)
        return Fit(self.model.history.history, ended, time.perf_counter() - start, first)

    def close(self) -> None:
        """Free the compiled epoch and the optimizer; nothing can be trained here afterwards."""
        del self._run_part, self.model, self.optimizer, self._train, self._valid
        gc.collect()
        for graph in self._graphs:
            dismantle(graph)
        self._graphs.clear()

    def _part(self, rows: tf.Tensor, start: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
        """Train on ``rows``, then validate on the validation rows from ``start`` to ``stop``; compiled.

        Returns the sums of the losses over these training and validation rows, float64, shape (2,).
        """
        (x, y), (x_valid, y_valid) = self._train, self._valid
        count, weights = tf.shape(rows)[0], self.model.trainable_variables
        inference = max(self._batch_size, INFERENCE_ROWS)

        def train_batch(at: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            self._graphs.append(tf.compat.v1.get_default_graph())
            batch = rows[at : tf.minimum(at + self._batch_size, count)]
            target = tf.gather(y, batch)
            with tf.GradientTape() as tape:
                value = self.loss(target, forward(self.model, tf.gather(x, batch)))
            gradients = tape.gradient(value, weights)
            self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
            return at + self._batch_size, total + _summed(value, batch)

        def valid_batch(at: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            self._graphs.append(tf.compat.v1.get_default_graph())
            end = tf.minimum(at + inference, stop)
            value = self.loss(y_valid[at:end], self.model(x_valid[at:end], training=False))
            return at + inference, total + _summed(value, y_valid[at:end])

        zero = tf.constant(0.0, tf.float64)
        # One after the other: batches depend on each other through the weights.
        _, loss_sum = tf.while_loop(lambda at, _: at < count, train_batch, (0, zero), parallel_iterations=1)
        _, valid_sum = tf.while_loop(lambda at, _: at < stop, valid_batch, (start, zero), parallel_iterations=1)
        return tf.stack([loss_sum, valid_sum])


def _summed(mean: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    return tf.cast(mean, tf.float64) * tf.cast(tf.shape(rows)[0], tf.float64)


def _parts(parameters: int, train: int, valid: int, batch_size: int) -> list[tuple[int, int, int, int]]:
    """The calls of an epoch: training rows from a to b, then validation rows from c to d.

    One call if the table is small. Forward and backward pass cost about six operations per parameter
    and row, the forward pass alone two.
    """
    if (6 * train + 2 * valid) * parameters <= OPERATIONS_PER_CALL:
        return [(0, train, 0, valid)]
    rows = max(1, int(OPERATIONS_PER_CALL / (6 * parameters * batch_size))) * batch_size
    parts = [(at, min(at + rows, train), 0, 0) for at in range(0, train, rows)]
    return parts + [(0, 0, at, min(at + 3 * rows, valid)) for at in range(0, valid, 3 * rows)]


def predict(model: keras.Model, x: Floats, *, training: bool = False) -> Floats:
    """Return the predictions, float32, shape (rows,), for features of shape (rows, features)."""
    starts = range(0, len(x), INFERENCE_ROWS)
    parts = [model(x[at : at + INFERENCE_ROWS], training=training).numpy()[:, 0] for at in starts]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
