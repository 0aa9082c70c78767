"""One run from start to end: spec and table in, result out. Start reading here. Loads TensorFlow."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp import runtime, signals
from wineexp.data.classes import Classes
from wineexp.data.facts import TableFacts
from wineexp.data.split import Split, split_table, table_facts
from wineexp.data.table import Table
from wineexp.errors import WineexpError
from wineexp.runs.metrics import baselines, measure, measure_classes
from wineexp.runs.record import Environment, Metrics, Timing
from wineexp.runs.result import (
    RunResult,
    history_columns,
    history_frame,
    predictions_frame,
    training_frame,
    unfinished,
)
from wineexp.specs.run_spec import RunSpec
from wineexp.training.keras_internals import uses_onednn
from wineexp.training.model import build_model, derive_seed, keras_defaults, model_bytes
from wineexp.training.passes import amend, with_passes
from wineexp.training.scaling_layers import carry_scaling, takes_raw
from wineexp.training.trainer import OnEpoch, predict, shuffled
from wineexp.training.trainer_cache import TrainerCache

__all__ = ["guarded_run", "run"]


@keras_defaults()
def run(
    spec: RunSpec,
    table: Table,
    *,
    threads: int,
    keep_model: bool = True,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    on_epoch: OnEpoch | None = None,
    cache: TrainerCache | None = None,
) -> RunResult:
    """Train ``spec`` once on ``table`` and return its result; nothing is written.

    ``threads`` is the count that :func:`wineexp.runtime.load` set. A loss that is NaN or infinite ends
    the run as failed. The same spec, table, threads and versions on the same machine give the same
    history and predictions, bit for bit, with a cache or without.
    """
    start = time.perf_counter()
    if spec.precision != "float32":
        runtime.check_bfloat16()  # this may be a worker on another machine
    split = split_table(table, spec)
    model = build_model(spec, len(split.features), len(split.labels))
    with nullcontext(cache) if cache else closing(TrainerCache()) as trainers:
        fitted = trainers.fit(
            model,
            spec,
            split,
            order=shuffled(len(split.y_train), derive_seed(spec.seed, 0, "order")),
            callbacks=[*_early_stopping(spec), *callbacks],
            on_epoch=on_epoch,
        )
    columns = history_columns(spec.loss, eval_train=spec.eval_train)
    history = history_frame(zip(*(fitted.history[name] for name in columns), strict=True), spec)
    timing = Timing(
        epochs=len(history), fit_seconds=fitted.seconds, first_epoch_seconds=fitted.first_epoch_seconds
    )
    diverged = functools.partial(
        unfinished, spec, table, "diverged",
        history=history, timing=timing, threads=threads, made=_made(fitted.compiler),
    )  # fmt: skip
    if fitted.ended == "diverged":
        return diverged(f"the loss turned NaN or infinite in epoch {len(history)}; try a lower learning rate")
    large = fitted.compiler == "XLA"
    if large:
        runtime.give_back_memory()  # which the epochs have freed
    in_own_terms = split.target.inverse
    predicted, fitted_values = (in_own_terms(predict(model, x)) for x in (split.x_valid, split.x_train))
    on_test = in_own_terms(predict(model, split.x_test)) if len(split.y_test) else None
    if not all(np.isfinite(values).all() for values in (predicted, on_test) if values is not None):
        return diverged(f"a prediction of {spec.target!r} is not finite; scale the features, or train longer")
    valid = predictions_frame(split, predicted)
    test = None if on_test is None else predictions_frame(split, on_test, test=True)
    data = table_facts(table, split)
    metrics = _measured(spec, split, history, data, (fitted_values, valid, test))
    saved, in_model = _saved(model, spec, split, table) if keep_model else (None, False)
    if large:
        runtime.give_back_memory()  # which saving has freed: the curves are drawn next
    result = RunResult(
        spec=spec,
        status="done",
        history=history,
        predictions=valid,
        test_predictions=test,
        data=table_facts(table, split, in_model=in_model) if in_model else data,
        metrics=metrics,
        timing=timing,
        environment=Environment(**runtime.environment(threads), **_made(fitted.compiler)),
        model=saved,
    )
    result = with_passes(result, model, split)
    return replace(result, timing=timing.model_copy(update={"run_seconds": time.perf_counter() - start}))


def _measured(
    spec: RunSpec,
    split: Split,
    history: pd.DataFrame,
    data: TableFacts,
    predicted: tuple[npt.NDArray[Any], pd.DataFrame, pd.DataFrame | None],
) -> Metrics:
    """The metrics, from the predictions of the training rows, and the tables of the others."""
    fitted, valid, test = predicted
    constants = baselines(spec.loss, split)
    if isinstance(split.target, Classes):
        train = training_frame(split, fitted)
        return measure_classes(history, train, valid, test, data, constants["baseline_loss"])
    sides = [
        None if one is None else (one["actual"].to_numpy(), one["predicted"].to_numpy()) for one in (valid, test)
    ]
    assert sides[0] is not None
    return measure(constants, history, (split.y_train, fitted), sides[0], split.twins, sides[1])


def _made(compiler: str | None = None) -> dict[str, Any]:
    """The compiler and kernels of TensorFlow that made the numbers, as far as they are known."""
    facts = {"onednn": uses_onednn(), "compiler": compiler}
    return {name: value for name, value in facts.items() if value is not None}


def _saved(model: keras.Sequential, spec: RunSpec, split: Split, table: Table) -> tuple[bytes, bool]:
    """The model's file, with its scalings as layers, and whether it begins with that of the features."""
    takes_raw_rows = spec.scale != "none" and takes_raw(split.scaling, split.encoding(table.frame.loc[split.rows]))
    fills = split.encoding.fill_values if takes_raw_rows or spec.scale == "none" else None
    whole = carry_scaling(model, split.scaling if takes_raw_rows else None, split.target, fills)
    return model_bytes(whole), takes_raw_rows


def guarded_run(
    spec: RunSpec,
    table: Table,
    *,
    threads: int,
    on_epoch: OnEpoch | None = None,
    base: RunResult | None = None,
    **options: Any,
) -> RunResult:
    """Like :func:`run`, but Ctrl-C and exceptions inside become a result with the history so far.

    With ``base``, the result of the same training, that is amended to what ``spec`` records.
    """
    seen: list[tuple[float, ...]] = []

    def listen(epoch: int, *losses: float) -> None:
        seen.append(losses)
        if on_epoch:
            on_epoch(epoch, *losses)

    try:
        if base is not None:
            return amend(base, spec, table)
        return run(spec, table, threads=threads, on_epoch=listen, **options)
    except WineexpError:
        raise  # a wrong table or callback: the caller must fix it, and no training has begun
    except KeyboardInterrupt:
        return unfinished(spec, table, history=history_frame(seen, spec), threads=threads, made=_made())
    except Exception as error:  # noqa: BLE001 - whatever Keras or TensorFlow raises belongs in error.txt
        if signals.came():  # TensorFlow turns an interrupt within its own code into an error of its own
            return unfinished(spec, table, history=history_frame(seen, spec), threads=threads, made=_made())
        text = f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        made, history = _made(), history_frame(seen, spec)
        return unfinished(spec, table, "error", text, history=history, threads=threads, made=made)


def _early_stopping(spec: RunSpec) -> list[keras.callbacks.Callback]:
    if spec.patience is None:
        return []
    return [
        keras.callbacks.EarlyStopping(
            monitor="val_loss",
            mode="min",
            patience=spec.patience,
            min_delta=spec.min_delta,
            restore_best_weights=spec.restore_best,
        )
    ]
