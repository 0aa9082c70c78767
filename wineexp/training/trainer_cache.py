"""Keeps the last compiled epoch, so that the next model of its shape is not compiled again. Loads TensorFlow."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Sequence

import keras

from wineexp.data.split import Split
from wineexp.specs.run_spec import RunSpec, shape_of
from wineexp.training.epoch import EpochSettings, epoch_calls
from wineexp.training.keras_internals import forget_kernels
from wineexp.training.model import build_optimizer
from wineexp.training.trainer import Fit, OnEpoch, Order, Trainer

__all__ = ["TrainerCache", "xla_repays"]

#: TensorFlow keeps a kernel for every variable ever created, 2 MB per run for three layers of 64.
#: Clearing them slows down the next run by 0.2 s, so it is done only once in this many runs.
RUNS_BETWEEN_CLEARING = 16

#: This many shapes compiled by XLA make a process 500 MB larger for good; starting a new process takes 3 s.
XLA_SHAPES = 32

#: XLA cannot be interrupted: with more hidden layers its compilation would delay a Ctrl-C by over two seconds.
XLA_LAYERS = 5

#: Seconds that XLA's compilation takes longer than TensorFlow's, per hidden layer: of an epoch in one call, and in
#: several, which has half as many kernels. Measured: 0.36 to 0.64, and 0.19 to 0.47 (Intel Xeon, Sapphire Rapids,
#: 1 and 2 threads); on an AMD EPYC (Zen 4) the first is 0.3. It stays at 0.4, as another choice changes low bits.
XLA_SECONDS, XLA_SECONDS_SEVERAL = 0.4, 0.3

#: Seconds that XLA's code saves per batch, and per value of a hidden layer: AMD EPYC (Zen 4), between the times
#: with 1 and with 2 threads. On the Xeon their sum was 0.4 to 3.0 times what an epoch of 5,000 rows or more saved.
XLA_SAVES_PER_BATCH, XLA_SAVES_PER_VALUE = 0.2e-3, 8e-9


def xla_repays(spec: RunSpec, rows: int, calls: int = 1) -> bool:
    """Whether XLA's compilation pays off within one run on this many training rows, an epoch in so many calls.

    Decided by the spec and the table alone: XLA rounds differently, and a run must not depend on what else is
    trained, nor on how fast the machine was. Never for ``mixed_bfloat16``, which XLA would emulate.
    """
    if len(spec.widths) > XLA_LAYERS or spec.precision != "float32":
        return False
    saved = XLA_SAVES_PER_BATCH * math.ceil(rows / spec.batch_size) + XLA_SAVES_PER_VALUE * rows * sum(spec.widths)
    return spec.epochs * saved > (XLA_SECONDS if calls == 1 else XLA_SECONDS_SEVERAL) * max(1, len(spec.widths))


class TrainerCache:
    """Fits models; models of the same shape, one after the other, share a compiled epoch.

    The trainer of a shape keeps the first model. The initial weights of a later model are copied in, and the
    trained weights out: two copies (20 ms for three layers of 64) instead of a compilation (0.2 s, by XLA 1.2 s).
    """

    def __init__(self) -> None:
        self._shape: tuple[RunSpec, tuple[int, ...], bool] | None = None
        self._trainer: Trainer | None = None
        self._runs = 0
        self._compiled_by_xla = 0

    @property
    def is_full(self) -> bool:
        """Whether the process should end, if it can: TensorFlow keeps all machine code that XLA made."""
        return self._compiled_by_xla >= XLA_SHAPES

    def fit(
        self,
        model: keras.Sequential,
        spec: RunSpec,
        split: Split,
        *,
        order: Order,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        on_epoch: OnEpoch | None = None,
    ) -> Fit:
        """Fit ``model``, freshly built from ``spec``, in place: bit for bit as a new :class:`Trainer` would."""
        self._runs += 1
        if self._runs % RUNS_BETWEEN_CLEARING == 0:
            forget_kernels()
        assert spec.learning_rate is not None  # RunSpec resolves both
        assert spec.weight_decay is not None
        optimizer = build_optimizer(spec.optimizer, spec.learning_rate, spec.weight_decay)
        train, valid = (split.x_train, split.loss_train), (split.x_valid, split.loss_valid)
        rows, valid_rows = len(split.y_train), len(split.y_valid)
        sizes = spec.layer_sizes(split.x_train.shape[1], len(split.labels))
        masked = sum(size.width for size in sizes if size.layer.kind == "Dropout")
        evaluated = (valid_rows, rows) if spec.eval_train else (valid_rows,)
        calls = epoch_calls(model.count_params(), rows, evaluated, spec.batch_size, masked)
        xla = xla_repays(spec, rows, len(calls))
        shape = shape_of(spec), (*split.x_train.shape, valid_rows, *split.loss_train.shape[1:]), xla
        if self._trainer is None or self._shape != shape:
            self._drop()
            number = _number(shape) if xla else None
            settings = EpochSettings(spec.loss, spec.batch_size, spec.eval_train, xla, spec.precision, number)
            self._trainer = Trainer(model, optimizer, settings, train, valid)
            self._shape = shape
            self._compiled_by_xla += xla
        else:
            self._trainer.restart(model, optimizer, train, valid)
        trainer = self._trainer
        fitted = trainer.fit(epochs=spec.epochs, order=order, callbacks=callbacks, on_epoch=on_epoch)
        if trainer.model is not model:
            model.set_weights(trainer.model.get_weights())
        return fitted

    def close(self) -> None:
        """Free the kept epoch."""
        self._drop()
        with contextlib.suppress(Exception):  # only memory is lost; the runs are done
            forget_kernels()

    def _drop(self) -> None:
        if self._trainer is not None:
            with contextlib.suppress(Exception):  # only memory is lost
                self._trainer.close()
        self._shape = self._trainer = None


def _number(shape: object) -> int:
    """A number that is the same for a shape in every process, with room for a million after it.

    TensorFlow takes such a number for a C long, of 64 bits: 40 bits of the hash and a million need 60.
    """
    return int.from_bytes(hashlib.sha256(repr(shape).encode()).digest()[:5], "big") * 10**6
