"""The fit loop: one call per epoch, inside one compiled TensorFlow function. Loads TensorFlow.

On a small in-memory table Keras's ``fit`` spends most of its time on overhead: an iterator, a function call
and a metric update for every batch. Here the table lives in tensors, and one ``tf.function`` gathers each
batch by a shuffled index, runs forward pass, backward pass and update, and validates, a whole epoch per call.
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
from wineexp.training.kernels import Mask, loss_sum, train_batch
from wineexp.training.masks import Masks

__all__ = ["Fit", "Trainer", "predict", "shuffled"]

Floats = npt.NDArray[np.float32]
Sums = tuple[tf.Tensor, tf.Tensor]  # where the next batch begins, and the total so far
Order = Callable[[int], npt.NDArray[np.int32]]
OnEpoch = Callable[[int, float, float], None]

#: Keras's losses behind the spec's names, for callbacks that look at the model's.
LOSSES = {
    "mae": keras.losses.MeanAbsoluteError,
    "mse": keras.losses.MeanSquaredError,
    "huber": keras.losses.Huber,
}

#: A call into TensorFlow cannot be interrupted, and Ctrl-C should be answered within two seconds; so an
#: epoch of more floating-point operations than this is split into several calls. Some 40e9 per second
#: is slow for one core today. The lesson's epoch has 18e9.
OPERATIONS_PER_CALL = 40e9

#: Dropout's random bits are drawn for a call at once; this many take 64 MB.
MASKED_VALUES_PER_CALL = 2**25

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
    compiler : {"TensorFlow", "XLA"}
        What compiled the epoch.
    """

    history: dict[str, list[float]]
    ended: Literal["done", "diverged"]
    seconds: float
    first_epoch_seconds: float
    compiler: Literal["TensorFlow", "XLA"]


def shuffled(rows: int, seed: int) -> Order:
    """Return the batch order: epoch -> a permutation of the training rows, int32, from the seed alone."""

    def order(epoch: int) -> npt.NDArray[np.int32]:
        # RandomState's streams are frozen by NumPy's policy; Generator's may change with a version.
        state = np.random.RandomState(np.random.SeedSequence((seed, epoch)).generate_state(4))
        return state.permutation(rows).astype(np.int32)

    return order


class Trainer:
    """A model, its optimizer and the compiled epoch on one split.

    Compiling a small model takes longer than training it, so a trainer can start again from other initial
    weights, rates and rows: models of one shape share it.

    Parameters
    ----------
    model, optimizer
        The model with its initial weights; the optimizer unused so far.
    loss : {"mae", "mse", "huber"}
    train, valid : pairs of float32 arrays
        Features of shape (rows, features) and targets of shape (rows,).
    batch_size : int
    xla : bool
        Whether XLA compiles the epoch: machine code made for this model and processor, which takes a second more.
        It rounds differently.
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
        xla: bool = False,
    ) -> None:
        model.compile(optimizer=optimizer, loss=LOSSES[loss]())
        optimizer.build(model.trainable_variables)
        self.model, self.optimizer = model, optimizer
        self._loss, self._batch_size, self._xla = loss, batch_size, xla
        self._rows = len(train[1]), len(valid[1])
        self._set_inputs(model, train, valid)
        self._graphs: list[Any] = []
        self._run_part = tf.function(self._part, autograph=False, jit_compile=xla)
        allow_tracing_again(self._run_part)

    def _set_inputs(
        self, model: keras.Sequential, train: tuple[Floats, Floats], valid: tuple[Floats, Floats]
    ) -> None:
        self._masks = Masks([layer for layer in model.layers if type(layer) is keras.layers.Dropout])
        self._table = tuple(tf.constant(part) for x, y in (train, valid) for part in (x, y[:, None]))

    def restart(
        self,
        model: keras.Sequential,
        optimizer: keras.optimizers.Optimizer,
        train: tuple[Floats, Floats],
        valid: tuple[Floats, Floats],
    ) -> None:
        """Start from a model and an optimizer that were built like this trainer's own, on as many rows.

        Dropout's rates and seeds, the learning rate and the rows may be others. Every variable is copied, so that
        what follows is bit for bit what a new trainer would do.
        """
        self._set_inputs(model, train, valid)
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
        parts = _parts(self.model.count_params(), train, valid, self._batch_size, sum(self._masks.units))
        longest = max(b - a for a, b, _, _ in parts)
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
        rates = tf.constant(self._masks.thresholds), tf.constant(self._masks.scales)
        start = time.perf_counter()
        first = 0.0
        logs: dict[str, float] = {}
        hooks.on_train_begin()
        for epoch in range(epochs):
            hooks.on_epoch_begin(epoch)
            rows = order(epoch)
            sums = np.zeros(2)
            for part in parts:
                bits = self._masks.draw(longest)
                with forgetting_gradients():
                    sums += self._run_part(self._table, rows, np.array(part, np.int32), (bits, rates)).numpy()
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
        compiler: Literal["TensorFlow", "XLA"] = "XLA" if self._xla else "TensorFlow"
        return Fit(self.model.history.history, ended, time.perf_counter() - start, first, compiler)

    def close(self) -> None:
        """Free the compiled epoch and the optimizer; nothing can be trained here afterwards."""
        del self._run_part, self.model, self.optimizer, self._table, self._masks
        gc.collect()
        for graph in self._graphs:
            dismantle(graph)
        self._graphs.clear()

    def _part(
        self,
        table: Sequence[tf.Tensor],
        order: tf.Tensor,
        bounds: tf.Tensor,
        dropout: tuple[Sequence[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    ) -> tf.Tensor:
        """Train on the rows ``order[a:b]``, then validate on the validation rows from c to d; compiled.

        ``table`` has features and targets of the training rows, then of the validation rows; ``bounds`` a, b,
        c, d; ``dropout`` the random bits of each dropout layer for the rows, then all thresholds and all scales.
        Returns the sums of the losses over these training and validation rows, float64, shape (2,).
        """
        x, y, x_valid, y_valid = table
        start, stop, valid_start, valid_stop = tf.unstack(bounds)
        bits, (thresholds, scales) = dropout

        def train(at: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
            rows = tf.slice(order, [at], [count])
            masks = [
                Mask(tf.slice(drawn, [at - start, 0], [count, drawn.shape[1]]), thresholds[i], scales[i])
                for i, drawn in enumerate(bits)
            ]
            features, targets = tf.gather(x, rows), tf.gather(y, rows)
            return train_batch(self.model, self.optimizer, self._loss, features, targets, masks)

        def validate(at: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
            features, targets = (tf.slice(part, [at, 0], [count, part.shape[1]]) for part in (x_valid, y_valid))
            return loss_sum(self.model, self._loss, features, targets)

        loss = self._over_batches(train, self._batch_size, self._rows[0], start, stop)
        inference = _inference_rows(self._batch_size)
        return tf.stack([loss, self._over_batches(validate, inference, self._rows[1], valid_start, valid_stop)])

    def _over_batches(
        self,
        body: Callable[[tf.Tensor, tf.Tensor | int], tf.Tensor],
        size: int,
        rows: int,
        start: tf.Tensor,
        stop: tf.Tensor,
    ) -> tf.Tensor:
        """The sum of ``body(first row, count)`` over the batches from ``start`` to ``stop``, out of all ``rows``.

        XLA must know every shape, so it gets the short last batch as a second body. TensorFlow's own graph does
        not need it, and would take longer to build.
        """

        def step(at: tf.Tensor, total: tf.Tensor, count: tf.Tensor | int) -> Sums:
            self._graphs.append(tf.compat.v1.get_default_graph())
            return at + size, total + body(at, count)

        def loop(last: tf.Tensor, count: Callable[[tf.Tensor], tf.Tensor | int]) -> Sums:
            # One after the other: batches depend on each other through the weights.
            looped: Sums = tf.while_loop(
                lambda at, _: at < last,
                lambda at, total: step(at, total, count(at)),
                (start, tf.constant(0.0, tf.float64)),
                parallel_iterations=1,
            )
            return looped

        if not self._xla:
            return loop(stop, lambda at: tf.minimum(size, stop - at))[1]
        rest = rows % size
        at, total = start, tf.constant(0.0, tf.float64)
        if rows >= size:
            at, total = loop(tf.minimum(stop, rows - rest), lambda _: size)
        if not rest:
            return total
        return tf.cond(stop > rows - rest, lambda: step(at, total, rest)[1], lambda: tf.identity(total))


def _parts(
    parameters: int, train: int, valid: int, batch_size: int, masked: int = 0
) -> list[tuple[int, int, int, int]]:
    """The calls of an epoch: training rows from a to b, then validation rows from c to d.

    One call if the table is small. Forward and backward pass cost about six operations per parameter
    and row, the forward pass alone two. ``masked`` is the number of values of a row that dropout sees.
    """
    operations = (6 * train + 2 * valid) * parameters
    if operations <= OPERATIONS_PER_CALL and train * masked <= MASKED_VALUES_PER_CALL:
        return [(0, train, 0, valid)]
    most = min(OPERATIONS_PER_CALL / (6 * parameters), MASKED_VALUES_PER_CALL / max(1, masked))
    rows = max(1, int(most / batch_size)) * batch_size
    inference = _inference_rows(batch_size)
    valid_rows = max(1, int(OPERATIONS_PER_CALL / (2 * parameters * inference))) * inference
    parts = [(at, min(at + rows, train), 0, 0) for at in range(0, train, rows)]
    return parts + [(0, 0, at, min(at + valid_rows, valid)) for at in range(0, valid, valid_rows)]


def _inference_rows(batch_size: int) -> int:
    return max(batch_size, INFERENCE_ROWS)


def predict(model: keras.Model, x: Floats, *, training: bool = False) -> Floats:
    """Return the predictions, float32, shape (rows,), for features of shape (rows, features)."""
    starts = range(0, len(x), INFERENCE_ROWS)
    parts = [model(x[at : at + INFERENCE_ROWS], training=training).numpy()[:, 0] for at in starts]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)
