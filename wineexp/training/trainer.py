"""The fit loop: one call per epoch, inside one compiled TensorFlow function. Loads TensorFlow.

On a small in-memory table Keras's ``fit`` spends most of its time on overhead: an iterator, a function call
and a metric update for every batch. Here the table lives in tensors, and one ``tf.function`` gathers each
batch by a shuffled index, runs forward pass, backward pass and update, and validates, a whole epoch per call.
The semantics are Keras's: shuffled batches with a short last one; training loss as the sample-weighted mean
of the batch losses, dropout on; validation loss in inference mode; moving averages; callbacks by epoch.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wineexp.errors import CallbackError
from wineexp.runs.result import history_columns
from wineexp.training.epoch import INFERENCE_ROWS, Epoch, EpochSettings
from wineexp.training.keras_internals import allow_tracing_again, traces_nothing
from wineexp.training.masks import Masks

__all__ = [
    "Fit",
    "Trainer",
    "before_activation",
    "check_callback",
    "predict",
    "shuffled",
    "without_optimizing_graphs",
]

Floats = npt.NDArray[np.float32]
Order = Callable[[int], npt.NDArray[np.int32]]
#: Called with the epoch and the other columns of the history: loss, val_loss, ...
OnEpoch = Callable[[int, *tuple[float, ...]], None]

#: Hooks that Keras calls inside an epoch or around its validation; here both are compiled.
BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)

#: From so many rows on, predictions are made by a graph of the model, with the same operations and bits: it takes
#: 50 ms to build, and saves 2 ms in each pass over ``INFERENCE_ROWS`` rows (64x3; Intel Xeon, Sapphire Rapids).
GRAPH_ROWS = 2**14

#: The spec's names -> Keras's losses, for callbacks that look at the model's loss.
LOSSES = {
    "mae": keras.losses.MeanAbsoluteError,
    "mse": keras.losses.MeanSquaredError,
    "huber": keras.losses.Huber,
    "binary_crossentropy": keras.losses.BinaryCrossentropy,
    "categorical_crossentropy": keras.losses.CategoricalCrossentropy,
}


@dataclass(frozen=True)
class Fit:
    """The result of a fit, besides the trained model.

    Attributes
    ----------
    history : dict of str to list of float
        ``loss``, ``val_loss`` and, with ``eval_train``, ``train_loss`` (and what callbacks added), by epoch.
    ended : {"done", "diverged"}
        Diverged: a loss turned NaN or infinite, in the last epoch of the history.
    seconds, first_epoch_seconds : float
        Wall time of all epochs, and of the first alone, which includes the compilation.
    compiler : {"TensorFlow", "XLA"}
        The compiler of the epoch.
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


@contextlib.contextmanager
def without_optimizing_graphs() -> Iterator[None]:
    """Have TensorFlow run graphs as they are: optimizing takes 0.1 s per graph, and gains nothing in ours."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False, **before})


class Trainer:
    """A model, its optimizer and the compiled epoch on one split.

    Compiling a small model takes longer than training it, so a trainer can start again from other initial
    weights, rates and rows: models of the same shape share it.

    Parameters
    ----------
    model, optimizer
        The model with its initial weights; the optimizer unused so far.
    settings : EpochSettings
    train, valid : pairs of float32 arrays
        Features of shape (rows, features) and targets of shape (rows,), or (rows, units).
    """

    def __init__(
        self,
        model: keras.Sequential,
        optimizer: keras.optimizers.Optimizer,
        settings: EpochSettings,
        train: tuple[Floats, Floats],
        valid: tuple[Floats, Floats],
    ) -> None:
        model.compile(optimizer=optimizer, loss=LOSSES[settings.loss]())
        optimizer.build(model.trainable_variables)
        self.model, self.optimizer = model, optimizer
        self._settings = settings
        self._rows = len(train[1]), len(valid[1])
        self._set_inputs(model, train, valid)
        self._epoch = Epoch(model, optimizer, settings, *self._rows, self._masks.units)

    def _set_inputs(
        self, model: keras.Sequential, train: tuple[Floats, Floats], valid: tuple[Floats, Floats]
    ) -> None:
        self._masks = Masks([layer for layer in model.layers if type(layer) is keras.layers.Dropout])
        self._table = tuple(tf.constant(part) for x, y in (train, valid) for part in (x, y.reshape(len(y), -1)))

    def restart(
        self,
        model: keras.Sequential,
        optimizer: keras.optimizers.Optimizer,
        train: tuple[Floats, Floats],
        valid: tuple[Floats, Floats],
    ) -> None:
        """Start from a model and an optimizer that were built like this trainer's own, on as many rows.

        Dropout's rates and seeds, the learning rate and the rows may differ. Every variable is copied, so that
        the next fit gives, bit for bit, the result of a new trainer.
        """
        self._set_inputs(model, train, valid)
        for mine, new in zip(self.model.layers, model.layers, strict=True):
            if type(mine) is keras.layers.Dropout:
                mine.rate = new.rate  # for callbacks, which see this trainer's model
        optimizer.build(model.trainable_variables)
        for owner, fresh in ((self.model, model), (self.optimizer, optimizer)):
            for mine, new in zip(owner.variables, fresh.variables, strict=True):
                mine.assign(new)

    @without_optimizing_graphs()
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
            See :data:`OnEpoch`; called after each epoch.

        Raises
        ------
        CallbackError
            When a callback needs hooks inside the epoch.
        """
        for callback in callbacks:
            check_callback(callback)
        train, valid = self._rows
        hooks = keras.callbacks.CallbackList(
            list(callbacks),
            add_history=True,
            model=self.model,
            verbose=0,
            epochs=epochs,
            steps=math.ceil(train / self._settings.batch_size),
        )
        self.model.stop_training = False
        ended: Literal["done", "diverged"] = "done"
        columns = history_columns(self._settings.loss, eval_train=self._settings.eval_train)
        start = time.perf_counter()
        first = 0.0
        logs: dict[str, float] = {}
        hooks.on_train_begin()
        for epoch in range(epochs):
            hooks.on_epoch_begin(epoch)
            sums = self._epoch(self._table, order(epoch), self._masks)
            losses = _means(sums, (train, valid, train))
            logs = dict(zip(columns, losses, strict=True))
            first = first or time.perf_counter() - start
            _end_batch(callbacks, logs)
            hooks.on_epoch_end(epoch, logs)
            if on_epoch:
                on_epoch(epoch, *losses)
            if not all(map(math.isfinite, losses)):
                ended = "diverged"
                break
            if self.model.stop_training:
                break
        hooks.on_train_end(logs)
        compiler: Literal["TensorFlow", "XLA"] = "XLA" if self._settings.xla else "TensorFlow"
        return Fit(self.model.history.history, ended, time.perf_counter() - start, first, compiler)

    def close(self) -> None:
        """Free the compiled epoch and the optimizer; nothing can be trained here afterwards."""
        self._epoch.close()
        del self._epoch, self.model, self.optimizer, self._table, self._masks
        gc.collect()


def _means(sums: npt.NDArray[np.float64], rows: Sequence[int]) -> list[float]:
    """The mean losses, and with classes the share of right rows in training and validation behind them."""
    by_row = [total / count for total, count in zip(sums, rows, strict=False)]
    if sums.ndim == 1:
        return list(map(float, by_row))
    return [float(mean[0]) for mean in by_row] + [float(mean[1]) for mean in by_row[:2]]


@without_optimizing_graphs()
def predict(model: keras.Sequential, x: Floats, *, training: bool = False) -> Floats:
    """Return the outputs before the last activation, float32, for features of shape (rows, features).

    Shape (rows,) of one unit: for a target of numbers, the predictions; else (rows, units). See
    :meth:`.Classes.inverse`.
    """
    last = model.layers[-1]

    def forward(part: Floats | tf.Tensor) -> tf.Tensor:
        if last.activation is keras.activations.linear:
            return model(part, training=training)
        values = tf.convert_to_tensor(part)
        for layer in model.layers[:-1]:
            values = layer(values, training=training)
        return before_activation(last, values)

    whole = forward
    if len(x) >= GRAPH_ROWS:
        function = tf.function(forward, autograph=False)
        allow_tracing_again(function)
        whole = function.get_concrete_function(tf.TensorSpec([INFERENCE_ROWS, *x.shape[1:]], x.dtype))
    parts = [x[at : at + INFERENCE_ROWS] for at in range(0, len(x), INFERENCE_ROWS)]
    outputs = [(whole(tf.constant(part)) if len(part) == INFERENCE_ROWS else forward(part)) for part in parts]
    if not parts:
        return np.zeros(0, np.float32)
    found: Floats = np.concatenate([output.numpy() for output in outputs])
    return found[:, 0] if found.shape[1] == 1 else found


def before_activation(layer: keras.layers.Dense, values: tf.Tensor) -> tf.Tensor:
    """A layer's output before its activation: of classes, the logits."""
    if layer.activation is keras.activations.linear:
        return layer(values)  # as ever: the product written out rounds differently
    return tf.nn.bias_add(tf.matmul(values, layer.kernel.value), layer.bias.value)


def check_callback(callback: keras.callbacks.Callback) -> None:
    """Raise ``CallbackError`` if a callback needs hooks inside an epoch."""
    needed = [
        hook
        for hook in BATCH_HOOKS
        if getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
    ]
    if needed and not _content_with_epochs(callback):
        raise CallbackError(
            f"{type(callback).__name__} needs {', '.join(needed)}, but an epoch is one compiled call here: "
            "expected a callback with hooks only at the start and end of training and of epochs"
        )


def _content_with_epochs(callback: keras.callbacks.Callback) -> bool:
    """Whether a stock callback that has batch hooks does nothing in them with its settings."""
    stock = keras.callbacks
    if type(callback) is stock.TerminateOnNaN:
        return True  # the epoch's mean is NaN or infinite if a batch's loss is; see _end_batch
    if type(callback) in (stock.ModelCheckpoint, stock.BackupAndRestore):
        return getattr(callback, "save_freq", None) == "epoch"
    if type(callback) is stock.TensorBoard:
        return callback.update_freq == "epoch" and not callback.write_steps_per_second and traces_nothing(callback)
    return False


def _end_batch(callbacks: Sequence[keras.callbacks.Callback], logs: dict[str, float]) -> None:
    """Call TerminateOnNaN, which looks at batches, once per epoch."""
    for callback in callbacks:
        if type(callback) is keras.callbacks.TerminateOnNaN:
            callback.on_batch_end(-1, logs)
