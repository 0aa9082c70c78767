"""Keeps the last variant's compiled epoch, so that its next seed need not be compiled again. Loads TensorFlow."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import keras

from wineexp.data.split import Split
from wineexp.specs.run_spec import RunSpec
from wineexp.training.model import build_optimizer
from wineexp.training.trainer import Fit, OnEpoch, Order, Trainer

__all__ = ["TrainerCache"]

#: TensorFlow keeps a kernel for every variable ever created, 2 MB per run for three layers of 64.
#: Clearing them slows down the next run by 0.2 s, so it is done only once in this many runs.
RUNS_BETWEEN_CLEARING = 16


class TrainerCache:
    """Fits models; those of one variant and table, one after the other, share a compiled epoch.

    The first model of a variant becomes its trainer's own. A later one lends it its initial weights and gets
    the trained ones back: two copies (20 ms for three layers of 64) instead of a compilation (0.5 s).
    """

    def __init__(self) -> None:
        self._variant: str | None = None
        self._trainer: Trainer | None = None
        self._runs = 0

    def fit(
        self,
        model: keras.Sequential,
        spec: RunSpec,
        split: Split,
        fingerprint: str,
        *,
        order: Order,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        on_epoch: OnEpoch | None = None,
    ) -> Fit:
        """Fit ``model``, freshly built of ``spec``, in place: bit for bit as a new :class:`Trainer` would."""
        self._runs += 1
        if self._runs % RUNS_BETWEEN_CLEARING == 0:
            keras.utils.clear_session(free_memory=False)
        assert spec.learning_rate is not None  # resolved by RunSpec
        optimizer = build_optimizer(spec.optimizer, spec.learning_rate)
        variant = spec.variant_signature(fingerprint)
        if self._trainer is None or self._variant != variant:
            self._drop()
            self._trainer = Trainer(
                model,
                optimizer,
                spec.loss,
                (split.x_train, split.y_train),
                (split.x_valid, split.y_valid),
                batch_size=spec.batch_size,
            )
            self._variant = variant
        else:
            self._trainer.restart(model, optimizer)
        trainer = self._trainer
        fitted = trainer.fit(epochs=spec.epochs, order=order, callbacks=callbacks, on_epoch=on_epoch)
        if trainer.model is not model:
            model.set_weights(trainer.model.get_weights())
        return fitted

    def close(self) -> None:
        """Free what is kept."""
        self._drop()
        with contextlib.suppress(Exception):  # memory alone is lost; the runs are done
            keras.utils.clear_session(free_memory=False)

    def _drop(self) -> None:
        if self._trainer is not None:
            with contextlib.suppress(Exception):  # the same
                self._trainer.close()
        self._variant = self._trainer = None
