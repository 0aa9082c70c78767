"""One run, told from start to end: spec and table in, result out. Start reading here. Loads TensorFlow."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Sequence
from typing import Any

import keras
import pandas as pd

from wineexp import runtime
from wineexp.errors import WineexpError
from wineexp.model import build_model, build_optimizer, derive_seed, model_bytes, without_optimizer
from wineexp.result import RunResult, history_frame, measure, unfinished
from wineexp.spec import RunSpec
from wineexp.split import describe, split_table
from wineexp.table import Table
from wineexp.training import OnEpoch, fit, predict, shuffled

__all__ = ["attempt", "run"]


def run(
    spec: RunSpec,
    table: Table,
    *,
    threads: int,
    keep_model: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_epoch: OnEpoch | None = None,
) -> RunResult:
    """Train ``spec`` once on ``table`` and return its result; nothing is written.

    ``threads`` is the count that :func:`wineexp.runtime.load` set. A loss that is NaN or infinite ends
    the run as failed. The same spec, table, threads
    and versions on the same machine give the same history and predictions, bit for bit.
    """
    start = time.perf_counter()
    split = split_table(table, spec)
    model = build_model(spec, len(split.features))
    assert spec.learning_rate is not None  # resolved by RunSpec
    fitted = fit(
        model,
        build_optimizer(spec.optimizer, spec.learning_rate),
        spec.loss,
        (split.x_train, split.y_train),
        (split.x_valid, split.y_valid),
        batch_size=spec.batch_size,
        epochs=spec.epochs,
        order=shuffled(len(split.y_train), derive_seed(spec.seed, 0, "order")),
        callbacks=[*_early_stopping(spec), *callbacks],
        on_epoch=on_epoch,
    )
    history = history_frame(zip(fitted.history["loss"], fitted.history["val_loss"], strict=True))
    timing = {"fit_seconds": fitted.seconds, "first_epoch_seconds": fitted.first_epoch_seconds}
    if fitted.ended == "diverged":
        error = f"the loss turned NaN or infinite in epoch {len(history) - 1}; try a lower learning rate"
        return unfinished(
            spec, table, "failed", "diverged", error, history=history, timing=timing, threads=threads
        )
    model = without_optimizer(model)
    gc.collect()  # the optimizer's moments and the compiled epoch: twice the model's size and more
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
