"""One epoch as one compiled TensorFlow function: batches in order, then validation. Loads TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wineexp.training.keras_internals import allow_tracing_again, dismantle, forgetting_gradients
from wineexp.training.kernels import Mask, loss_sum, train_batch
from wineexp.training.masks import Masks

__all__ = ["INFERENCE_ROWS", "Epoch"]

Sums = tuple[tf.Tensor, tf.Tensor]  # where the next batch begins, and the total so far

#: A call into TensorFlow cannot be interrupted, and Ctrl-C should be answered within two seconds; so an
#: epoch of more floating-point operations than this is split into several calls. Some 40e9 per second
#: is slow for one core today. The lesson's epoch has 18e9.
OPERATIONS_PER_CALL = 40e9

#: Dropout's random bits are drawn for a call at once; this many take 64 MB.
MASKED_VALUES_PER_CALL = 2**24

#: Rows of one forward pass in inference mode; bounds the memory of wide layers on large tables.
INFERENCE_ROWS = 512


class Epoch:
    """Trains a model on every batch and validates it; compiled at the first call.

    Parameters
    ----------
    model, optimizer
        Both built; they are updated in place.
    loss : {"mae", "mse", "huber"}
    rows, valid_rows : int
        Of training and of validation, always as many.
    batch_size : int
    units : sequence of int
        Width of each dropout layer.
    xla : bool
        Whether XLA compiles it.
    """

    def __init__(
        self,
        model: keras.Sequential,
        optimizer: keras.optimizers.Optimizer,
        loss: str,
        rows: int,
        valid_rows: int,
        *,
        batch_size: int,
        units: Sequence[int],
        xla: bool,
    ) -> None:
        self._model, self._optimizer, self._loss = model, optimizer, loss
        self._rows, self._valid_rows, self._batch_size, self._units, self._xla = (
            rows, valid_rows, batch_size, units, xla
        )  # fmt: skip
        self._parts = _parts(model.count_params(), rows, valid_rows, batch_size, sum(units))
        self._longest = max(stop - start for start, stop, _, _ in self._parts)
        self._graphs: list[Any] = []
        self._function: Any = None

    def __call__(
        self, table: Sequence[tf.Tensor], order: npt.NDArray[np.int32], masks: Masks
    ) -> npt.NDArray[np.float64]:
        """The sums of the losses over all training and all validation rows.

        Parameters
        ----------
        table : four float32 tensors
            Features of the training rows, targets of shape (rows, 1), and the same of the validation rows.
        order : int32 array, shape (rows,)
            The training rows in the order of this epoch.
        masks : Masks
            What dropout draws its bits from.
        """
        self._function = self._function or self._compile(table)
        sums, rows = np.zeros(2), tf.constant(order)
        rates = tf.constant(masks.thresholds), tf.constant(masks.scales)
        for start, stop, *valid in self._parts:
            bits = [tf.constant(drawn) for drawn in masks.draw(stop - start, self._longest)]
            bounds = [tf.constant(bound) for bound in (start, stop, *valid)]
            sums += self._function(*table, rows, *bounds, *rates, *bits).numpy()
        return sums

    def close(self) -> None:
        """Free the graphs; it cannot be called any more."""
        del self._function, self._model, self._optimizer
        for graph in self._graphs:
            dismantle(graph)
        self._graphs.clear()

    def _compile(self, table: Sequence[tf.Tensor]) -> Any:
        """The function of a flat list of tensors: the form that takes the least time to call."""
        function = tf.function(self._part, autograph=False, jit_compile=self._xla)
        allow_tracing_again(function)
        shapes = [tf.TensorSpec.from_tensor(part) for part in table]
        order, bound = tf.TensorSpec([self._rows], tf.int32), tf.TensorSpec([], tf.int32)
        rates = [tf.TensorSpec([len(self._units)], kind) for kind in (tf.uint32, tf.float32)]
        bits = [tf.TensorSpec([self._longest, units], tf.uint32) for units in self._units]
        with forgetting_gradients():
            return function.get_concrete_function(*shapes, order, *[bound] * 4, *rates, *bits)

    def _part(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        x_valid: tf.Tensor,
        y_valid: tf.Tensor,
        order: tf.Tensor,
        start: tf.Tensor,
        stop: tf.Tensor,
        valid_start: tf.Tensor,
        valid_stop: tf.Tensor,
        thresholds: tf.Tensor,
        scales: tf.Tensor,
        *bits: tf.Tensor,
    ) -> tf.Tensor:
        """Train on the rows ``order[start:stop]``, then validate on so many validation rows; compiled.

        ``bits`` are the random bits of each dropout layer for the training rows. Returns the sums of the losses
        over these training and validation rows, float64, shape (2,).
        """

        def train(at: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
            rows = tf.slice(order, [at], [count])
            masks = [
                Mask(tf.slice(drawn, [at - start, 0], [count, drawn.shape[1]]), thresholds[i], scales[i])
                for i, drawn in enumerate(bits)
            ]
            features, targets = tf.gather(x, rows), tf.gather(y, rows)
            return train_batch(self._model, self._optimizer, self._loss, features, targets, masks)

        def validate(at: tf.Tensor, count: tf.Tensor | int) -> tf.Tensor:
            features, targets = (tf.slice(part, [at, 0], [count, part.shape[1]]) for part in (x_valid, y_valid))
            return loss_sum(self._model, self._loss, features, targets)

        loss = self._over_batches(train, self._batch_size, self._rows, start, stop)
        inference = _inference_rows(self._batch_size)
        return tf.stack([loss, self._over_batches(validate, inference, self._valid_rows, valid_start, valid_stop)])

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
