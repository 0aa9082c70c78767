"""One run, told from start to end: spec and table in, result out. Start reading here. Loads TensorFlow."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from contextlib import closing, nullcontext
from typing import Any

import keras
import pandas as pd

from wineexp import runtime
from wineexp.data.split import Split, describe, split_table
from wineexp.data.table import Table
from wineexp.errors import WineexpError
from wineexp.runs.result import RunResult, history_frame, measure, unfinished
from wineexp.specs.run_spec import RunSpec
from wineexp.training.model import build_model, build_optimizer, derive_seed, model_bytes
from wineexp.training.trainer import OnEpoch, Trainer, predict, shuffled

__all__ = ["Bench", "attempt", "run"]


#: TensorFlow keeps a kernel for every variable that was ever made, 2 MB a run for three layers of 64.
#: Clearing them makes the next run slower by 0.2 s, so it is done after so many runs.
RUNS_BETWEEN_CLEARING = 16


class Bench:
    """Keeps the last variant's trainer, so that its next seed need not be compiled again."""

    def __init__(self) -> None:
        self._variant: str | None = None
        self._trainer: Trainer | None = None
        self._runs = 0

    def trainer(self, spec: RunSpec, table: Table, split: Split, model: keras.Sequential) -> Trainer:
        """A trainer that begins as ``model`` does, a copy of it; it is the bench's until the next call."""
        assert spec.learning_rate is not None  # resolved by RunSpec
        optimizer = build_optimizer(spec.optimizer, spec.learning_rate)
        variant = spec.variant(table.fingerprint)
        self._runs += 1
        if self._runs % RUNS_BETWEEN_CLEARING == 0:
            keras.utils.clear_session(free_memory=False)
        if self._trainer is not None and self._variant == variant:
            self._trainer.restart(model, optimizer)
            return self._trainer
        self._drop()
        self._trainer = Trainer(
            build_model(spec, len(split.features)), optimizer, spec.loss, (split.x_train, split.y_train),
            (split.x_valid, split.y_valid), batch_size=spec.batch_size,
        )  # fmt: skip
        self._variant = variant
        return self._trainer

    def close(self) -> None:
        """Free what is kept."""
        self._drop()
        keras.utils.clear_session(free_memory=False)

    def _drop(self) -> None:
        if self._trainer is not None:
            self._trainer.close()
        self._variant = self._trainer = None


def run(
    spec: RunSpec,
    table: Table,
    *,
    threads: int,
    keep_model: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_epoch: OnEpoch | None = None,
    bench: Bench | None = None,
) -> RunResult:
    """Train ``spec`` once on ``table`` and return its result; nothing is written.

    ``threads`` is the count that :func:`wineexp.runtime.load` set. A loss that is NaN or infinite ends
    the run as failed. The same spec, table, threads and versions on the same machine give the same
    history and predictions, bit for bit, with a bench or without.
    """
    start = time.perf_counter()
    split = split_table(table, spec)
    model = build_model(spec, len(split.features))
    with nullcontext(bench) if bench else closing(Bench()) as bench:
        trainer = bench.trainer(spec, table, split, model)
        fitted = trainer.fit(
            epochs=spec.epochs,
            order=shuffled(len(split.y_train), derive_seed(spec.seed, 0, "order")),
            callbacks=[*_early_stopping(spec), *callbacks],
            on_epoch=on_epoch,
        )
        # What is saved has neither optimizer, loss nor compiled functions.
        model.set_weights(trainer.model.get_weights())
        del trainer
    history = history_frame(zip(fitted.history["loss"], fitted.history["val_loss"], strict=True))
    timing = {
        "epochs": len(history),
        "fit_seconds": fitted.seconds,
        "first_epoch_seconds": fitted.first_epoch_seconds,
    }
    if fitted.ended == "diverged":
        error = f"the loss turned NaN or infinite in epoch {len(history) - 1}; try a lower learning rate"
        return unfinished(
            spec, table, "failed", "diverged", error, history=history, timing=timing, threads=threads
        )
    predicted = predict(model, split.x_valid)
    metrics = measure(
        spec.loss,
        history,
        (split.y_train, predict(model, split.x_train)),
        (split.y_valid, predicted),
        split.twins,
    )
    return RunResult(
        spec=spec,
        status="done",
        fingerprint=table.fingerprint,
        history=history,
        predictions=pd.DataFrame(
            {"row": split.valid_rows, "actual": split.y_valid, "predicted": predicted, "twin": split.twins}
        ),
        metrics=metrics,
        data=describe(table, split),
        timing={**timing, "run_seconds": time.perf_counter() - start},
        environment=runtime.environment(threads),
        model=model_bytes(model) if keep_model else None,
    )


def attempt(
    spec: RunSpec, table: Table, *, threads: int, on_epoch: OnEpoch | None = None, **options: Any
) -> RunResult:
    """As :func:`run`, but Ctrl-C and exceptions inside become a result with the history so far."""
    seen: list[tuple[float, float]] = []

    def listen(epoch: int, loss: float, val_loss: float) -> None:
        seen.append((loss, val_loss))
        if on_epoch:
            on_epoch(epoch, loss, val_loss)

    try:
        return run(spec, table, threads=threads, on_epoch=listen, **options)
    except WineexpError:
        raise  # a wrong table or callback: the caller's to mend, and no training has begun
    except KeyboardInterrupt:
        return unfinished(spec, table, "interrupted", history=history_frame(seen), threads=threads)
    except Exception as error:  # noqa: BLE001 - whatever Keras or TensorFlow raises belongs in error.txt
        text = f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        return unfinished(spec, table, "failed", "error", text, history=history_frame(seen), threads=threads)


def _early_stopping(spec: RunSpec) -> list[keras.callbacks.Callback]:
    if spec.patience is None:
        return []
    return [
        keras.callbacks.EarlyStopping(
            monitor="val_loss", mode="min", patience=spec.patience, min_delta=spec.min_delta,
            restore_best_weights=spec.restore_best,
        )
    ]  # fmt: skip
