"""One epoch as one compiled TensorFlow function: batches in order, then validation. Loads TensorFlow."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from wineexp import compiled, runtime
from wineexp.training.keras_internals import allow_tracing_again, dismantle, forgetting_gradients, numbering
from wineexp.training.kernels import LOSSES, TENSORFLOW, XLA, Batch, Mask, loss_sum, train_batch
from wineexp.training.masks import Masks, MasksAhead

__all__ = ["INFERENCE_ROWS", "Epoch", "EpochSettings", "epoch_calls"]

Row: TypeAlias = tf.Tensor | int  # a row's index, or a number of rows
Body: TypeAlias = Callable[[Row, Row, Row, tf.Tensor | None], tf.Tensor]  # see Epoch._over_batches

#: A call into TensorFlow cannot be interrupted, and Ctrl-C should be answered within two seconds; so an
#: epoch of more floating-point operations than this is split into several calls. 40e9 per second
#: is slow for one core today. The lesson's epoch has 18e9.
OPERATIONS_PER_CALL = 40e9

#: Limit of dropout's mask values in one call. The masks of a call are drawn at once, while the call before runs:
#: at this limit they take 16 MB for each of the two calls, and the random bits of a layer 64 MB.
MASKED_VALUES_PER_CALL = 2**24

#: Numbers of this process's epochs that another process finds compiled: no two functions may share a name.
_NUMBERS: set[int] = set()

#: Rows of one forward pass in inference mode; bounds the memory of wide layers on large tables.
INFERENCE_ROWS = 512


@dataclass(frozen=True)
class EpochSettings:
    """What an epoch is compiled from, besides the model and the number of rows.

    Attributes
    ----------
    loss : str
        By the spec's name.
    batch_size : int
    eval_train : bool
        Whether the training rows are evaluated too, in inference mode, after the training on them.
    xla : bool
        Whether XLA compiles the epoch into machine code for this model and processor, which takes a second more.
        It rounds differently.
    precision : {"float32", "mixed_bfloat16"}
        Precision of the products between hidden layers in training, see
        :func:`~wineexp.training.kernels.train_batch`; ``mixed_bfloat16`` only without ``xla``.
    number : int, optional
        Number of the program, the same for identical programs: by it XLA's work in another process is found.
    """

    loss: str
    batch_size: int
    eval_train: bool = False
    xla: bool = False
    precision: str = "float32"
    number: int | None = None


class Epoch:
    """Trains a model on every batch and validates it; compiled at the first call.

    Parameters
    ----------
    model, optimizer
        Both are built already; they are updated in place.
    settings : EpochSettings
    rows, valid_rows : int
        Rows of training and of validation; the same at each call.
    units : sequence of int
        Width of each dropout layer.
    """

    def __init__(
        self,
        model: keras.Sequential,
        optimizer: keras.optimizers.Optimizer,
        settings: EpochSettings,
        rows: int,
        valid_rows: int,
        units: Sequence[int],
    ) -> None:
        self._model, self._optimizer, self._settings = model, optimizer, settings
        self._rows, self._units = rows, units
        self._operations = XLA if settings.xla else TENSORFLOW
        #: The shape of what one step sums up.
        self._summed = () if LOSSES[settings.loss].is_right is None else (2,)
        self._taken: int | None = None
        evaluated = (valid_rows, rows) if settings.eval_train else (valid_rows,)
        self._parts = epoch_calls(model.count_params(), rows, evaluated, settings.batch_size, sum(units))
        #: Whether short batches are filled up, see :meth:`_over_equal_batches`.
        self._fills_up = settings.xla and len(self._parts) > 1
        self._longest = self._filled_up(max(stop - start for (start, stop), *_ in self._parts))
        self._graphs: list[Any] = []
        self._function: Any = None
        self._ahead: MasksAhead[tf.Tensor] | None = None

    def __call__(
        self, table: Sequence[tf.Tensor], order: npt.NDArray[np.int32], masks: Masks
    ) -> npt.NDArray[np.float64]:
        """Run the epoch and return the sums of the losses: training, validation and, with ``eval_train``, a third.

        Of classes, shape (2 or 3, 2): each sum and how many rows are right.

        Parameters
        ----------
        table : four float32 tensors
            Features of the training rows, their targets of shape (rows, units), and the same for the validation
            rows.
        order : int32 array, shape (rows,)
            The training rows in the order of this epoch.
        masks : Masks
            The masks of this run.
        """
        # What fills up the short last batch does not count, but must be as sound as its rows: they come again.
        filled_up = np.pad(order, (0, self._filled_up(len(order)) - len(order)), "edge")
        sums, rows = np.zeros((len(self._parts[0]), *self._summed)), tf.constant(filled_up)
        scales = tf.constant(masks.scales)
        drawn = self._drawn_from(masks) if self._units else itertools.repeat(())
        for part in self._parts:
            bounds = tf.constant(part, tf.int32)
            sums += self._run(table, rows, bounds, scales, *next(drawn)).numpy()
        return sums

    def _filled_up(self, rows: int) -> int:
        """Rows of the batches that ``rows`` rows take."""
        size = min(self._settings.batch_size, self._rows)
        return -(-rows // size) * size if self._fills_up else rows

    def _drawn_from(self, masks: Masks) -> Iterator[Sequence[tf.Tensor]]:
        """The masks of this run, call by call; the drawing for another run ends."""
        if self._ahead is None or self._ahead.masks is not masks:
            if self._ahead is not None:
                self._ahead.close()
            calls = [stop - start for (start, stop), *_ in self._parts]
            self._ahead = MasksAhead(masks, calls, self._longest, tf.constant)
        return self._ahead

    def _run(self, table: Sequence[tf.Tensor], *rest: tf.Tensor) -> tf.Tensor:
        if self._function is not None:
            return self._function(*table, *rest)

        def compile_and_run() -> tf.Tensor:
            self._function = self._compile(table)
            return self._function(*table, *rest)

        if not self._settings.xla:
            return compile_and_run()
        result = compiled.first_call(compile_and_run, tf.errors.OpError)
        runtime.give_back_memory()
        return result

    def close(self) -> None:
        """Free the graphs; the epoch cannot be called afterwards."""
        if self._ahead is not None:
            self._ahead.close()
        del self._function, self._model, self._optimizer, self._ahead
        for graph in self._graphs:
            dismantle(graph)
        self._graphs.clear()
        if self._taken is not None:
            _NUMBERS.remove(self._taken)

    def _compile(self, table: Sequence[tf.Tensor]) -> Any:
        """The function compiled to take a flat list of tensors: the form that is fastest to call."""
        function = tf.function(self._part, autograph=False, jit_compile=self._settings.xla)
        allow_tracing_again(function)
        shapes = [tf.TensorSpec.from_tensor(part) for part in table]
        order = tf.TensorSpec([self._filled_up(self._rows)], tf.int32)
        bounds = tf.TensorSpec([len(self._parts[0]), 2], tf.int32)
        scales = tf.TensorSpec([len(self._units)], tf.float32)
        masks = [tf.TensorSpec([self._longest, units], tf.bool) for units in self._units]
        with forgetting_gradients(), self._numbering():
            return function.get_concrete_function(*shapes, order, bounds, scales, *masks)

    def _numbering(self) -> contextlib.AbstractContextManager[None]:
        if self._settings.number is None or self._settings.number in _NUMBERS:
            return contextlib.nullcontext()
        _NUMBERS.add(self._settings.number)
        self._taken = self._settings.number
        return numbering(self._settings.number)

    def _part(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        x_valid: tf.Tensor,
        y_valid: tf.Tensor,
        order: tf.Tensor,
        bounds: tf.Tensor,
        scales: tf.Tensor,
        *kept: tf.Tensor,
    ) -> tf.Tensor:
        """Train on some of the rows in ``order``, then evaluate some; compiled.

        ``bounds`` has a pair (first row, row after the last) for ``order``, for the validation rows and, with
        ``eval_train``, for the training rows. ``kept`` has each dropout layer's mask for the rows that are
        trained on. Returns the sum of the losses for each pair, float64; see :meth:`__call__`.
        """
        # A single call covers all rows, so the bounds are constants: XLA then has no branches to translate.
        pairs = self._parts[0] if len(self._parts) == 1 else [tf.unstack(pair) for pair in tf.unstack(bounds)]

        def train(at: Row, place: Row, count: Row, counted: tf.Tensor | None = None) -> tf.Tensor:
            rows = tf.slice(order, [at], [count])
            masks = [
                Mask(tf.slice(mask, [place, 0], [count, mask.shape[1]]), scales[i]) for i, mask in enumerate(kept)
            ]
            return train_batch(
                self._model,
                self._optimizer,
                self._settings.loss,
                Batch(tf.gather(x, rows), tf.gather(y, rows), masks, counted),
                precision=self._settings.precision,
                operations=self._operations,
            )

        def evaluate(features: tf.Tensor, targets: tf.Tensor) -> Body:
            def body(at: Row, _: Row, count: Row, counted: tf.Tensor | None = None) -> tf.Tensor:
                rows = [tf.slice(part, [at, 0], [count, part.shape[1]]) for part in (features, targets)]
                return loss_sum(
                    self._model, self._settings.loss, *rows, counted=counted, operations=self._operations
                )

            return body

        inference = _inference_rows(self._settings.batch_size)
        bodies: list[tuple[Body, int, int]] = [
            (train, self._settings.batch_size, order.shape[0]),
            (evaluate(x_valid, y_valid), inference, x_valid.shape[0]),
            (evaluate(x, y), inference, x.shape[0]),
        ]
        over_batches = self._over_equal_batches if self._fills_up else self._over_batches
        return tf.stack([over_batches(*body, *pair) for body, pair in zip(bodies, pairs, strict=False)])

    def _over_batches(self, body: Body, size: int, rows: int, start: Row, stop: Row) -> tf.Tensor:
        """The sum of ``body(row, place, count, None)`` over the batches from ``start`` to ``stop``.

        ``rows`` is their number in all calls; ``place`` counts from the first row of the call.

        XLA must know every shape, so it gets the short last batch as a second body. TensorFlow's own graph does
        not need a second body, and would take longer to build with it.
        """

        def step(at: Row, total: tf.Tensor, count: Row) -> tf.Tensor:
            self._graphs.append(total.graph)
            return total + body(at, at - start, count, None)

        def loop(end: Row, count: Callable[[tf.Tensor], Row]) -> tf.Tensor:
            return tf.while_loop(
                lambda at, _: at < end,
                lambda at, total: (at + size, step(at, total, count(at))),
                (start, tf.zeros(self._summed, tf.float64)),
                parallel_iterations=1,  # batches depend on each other through the weights
            )[1]

        if not self._settings.xla:
            return loop(stop, lambda at: tf.minimum(size, stop - at))
        rest, total = rows % size, tf.zeros(self._summed, tf.float64)
        if rows >= size:
            total = loop(rows - rest, lambda _: size)
        return step(rows - rest, total, rest) if rest else total

    def _over_equal_batches(self, body: Body, size: int, rows: int, start: Row, stop: Row) -> tf.Tensor:
        """The same of ``body(row, place, size, counted)``, for XLA and bounds that differ between the calls.

        ``counted`` is 1 for the rows of a batch and 0 for those that fill it up: float32, shape (size, 1).

        One program serves all calls. XLA compiles a program anew for each value that the start of a slice is
        computed from, except for variables of a loop; so ``place`` is one. And it would take as long again for a
        short last batch; so the last batch begins earlier, where it has all its rows, and the first do not count.
        """
        size = min(size, rows)

        def step(at: tf.Tensor, total: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, ...]:
            self._graphs.append(total.graph)
            first = tf.minimum(at, rows - size)
            index = first + tf.range(size)
            counted = tf.cast((index >= at) & (index < stop), tf.float32)[:, None]
            return at + size, total + body(first, place, size, counted), place + size

        return tf.while_loop(
            lambda at, *_: at < stop,
            step,
            (start, tf.zeros(self._summed, tf.float64), tf.constant(0)),
            parallel_iterations=1,
        )[1]


def epoch_calls(
    parameters: int, train: int, evaluated: Sequence[int], batch_size: int, masked: int = 0
) -> list[list[tuple[int, int]]]:
    """The calls of an epoch: for each, the rows (first, after the last) to train on and to evaluate in each table.

    One call if the tables are small. Forward and backward pass cost about six operations per parameter
    and row, the forward pass alone two. ``evaluated`` is the number of rows of each evaluated table, ``masked``
    the number of values per row that dropout sees.
    """
    operations = (6 * train + 2 * sum(evaluated)) * parameters
    if operations <= OPERATIONS_PER_CALL and train * masked <= MASKED_VALUES_PER_CALL:
        return [[(0, rows) for rows in (train, *evaluated)]]
    most = min(OPERATIONS_PER_CALL / (6 * parameters), MASKED_VALUES_PER_CALL / max(1, masked))
    rows = max(1, int(most / batch_size)) * batch_size
    inference = _inference_rows(batch_size)
    rows_evaluated = max(1, int(OPERATIONS_PER_CALL / (2 * parameters * inference))) * inference
    calls = []
    for table, (count, step) in enumerate([(train, rows), *((count, rows_evaluated) for count in evaluated)]):
        for at in range(0, count, step):
            part = [(0, 0)] * (1 + len(evaluated))
            part[table] = (at, min(at + step, count))
            calls.append(part)
    return calls


def _inference_rows(batch_size: int) -> int:
    return max(batch_size, INFERENCE_ROWS)
