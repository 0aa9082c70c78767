"""Predictions as the mean of passes with dropout on. Loads TensorFlow.

Gal and Ghahramani, *Dropout as a Bayesian Approximation* (2016). Dropout with its layers off predicts with weights
that were trained beside dropped ones; for a regression that may be far off, and the mean of passes is not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from wineexp.data.split import Split, split_table
from wineexp.data.table import Table
from wineexp.runs.metrics import of_passes
from wineexp.runs.probabilities import probabilities, probability_columns
from wineexp.runs.record import Metrics
from wineexp.runs.result import RunResult
from wineexp.specs.run_spec import RunSpec
from wineexp.training.epoch import INFERENCE_ROWS
from wineexp.training.keras_internals import allow_tracing_again
from wineexp.training.masks import Masks
from wineexp.training.model import build_model, derive_seed, keras_defaults, restore_weights
from wineexp.training.trainer import before_activation, predict, without_optimizing_graphs

__all__ = ["Passes", "amend", "drop_passes", "mean_of_passes", "with_passes"]

#: Values of a layer in one forward pass: narrow models take several passes at once, as calling a layer costs as
#: much as its product with 500 rows of 64 values.
VALUES = 2**19

Floats = npt.NDArray[np.float32]


class Passes(NamedTuple):
    """The mean over passes and their standard deviation, both of a pass's shape and dtype."""

    mean: npt.NDArray[np.floating[Any]]
    sd: npt.NDArray[np.floating[Any]]


def drop_passes(model: keras.Sequential, spec: RunSpec, x: Floats, count: int) -> Iterator[Floats]:
    """Yield the outputs, as :func:`.trainer.predict` gives them, of each of ``count`` passes.

    Dropout is on, everything else as in inference: batch normalization uses its moving averages. The masks come
    from the spec's seed alone, so that the same model and rows give the same passes, bit for bit.

    Parameters
    ----------
    model : keras.Sequential
        Built from ``spec``.
    spec : RunSpec
    x : float32 array, shape (rows, features)
        Scaled, as the model expects them.
    count : int
    """
    layers = [layer for layer in model.layers if type(layer) is keras.layers.Dropout]
    numbers = [layer.number for layer in spec.layer_plan() if layer.kind == "Dropout"]
    masks = Masks(layers, [derive_seed(spec.seed, number, "passes") for number in numbers])
    forward = _compiled(model, x.shape[1], masks)
    widest = max(x.shape[1], *masks.units)
    together, most_rows = max(1, VALUES // (len(x) * widest)), max(INFERENCE_ROWS, VALUES // widest)
    rows = np.tile(x, (together, 1))
    for start in range(0, count, together):
        predicted = []
        for at in range(0, len(rows), most_rows):
            part = rows[at : at + most_rows]
            kept = [tf.constant(mask) for mask in masks.draw(len(part), len(part))]
            predicted.append(forward(tf.constant(part), *kept).numpy())
        # The last call makes as many passes as the others: the first passes must not depend on how many follow.
        whole = np.concatenate(predicted)
        yield from whole.reshape(together, len(x), *whole.shape[1:])[: count - start]


def _compiled(model: keras.Sequential, features: int, masks: Masks) -> Callable[..., tf.Tensor]:
    """The forward pass with dropout on, as a graph: it takes the features and each dropout layer's mask.

    A graph needs half the time of the same operations one by one (1024x3, Intel Xeon, Sapphire Rapids).
    """

    def forward(x: tf.Tensor, *kept: tf.Tensor) -> tf.Tensor:
        values, drawn = x, zip(kept, masks.scales, strict=True)
        for layer in model.layers[:-1]:
            if type(layer) is keras.layers.Dropout:
                mask, scale = next(drawn)
                values = values * (tf.cast(mask, tf.float32) * scale)
            else:
                values = layer(values, training=False)
        values = before_activation(model.layers[-1], values)
        return values[:, 0] if values.shape[1] == 1 else values

    function = tf.function(forward, autograph=False)
    allow_tracing_again(function)
    shapes = [tf.TensorSpec([None, units], tf.bool) for units in masks.units]
    with without_optimizing_graphs():
        compiled: Callable[..., tf.Tensor] = function.get_concrete_function(
            tf.TensorSpec([None, features], tf.float32), *shapes
        )
    return compiled


def mean_of_passes(passes: Iterator[npt.NDArray[np.floating[Any]]]) -> Passes:
    """The mean of passes, at least one, and their standard deviation, which is NaN for a single pass."""
    first, count = next(passes), 1
    mean = first.astype(np.float64)
    squares = np.zeros_like(mean)
    # Welford's sums (Technometrics 4, 1962): thousands of passes over a large table need not be kept.
    for values in passes:
        count += 1
        distance = values - mean
        mean += distance / count
        squares += distance * (values - mean)
    sd = np.sqrt(squares / (count - 1)) if count > 1 else np.full_like(mean, np.nan)
    return Passes(mean.astype(first.dtype), sd.astype(first.dtype))


def with_passes(result: RunResult, model: keras.Sequential | None, split: Split) -> RunResult:
    """A finished run's result with its spec's ``mc_passes``: ``predicted_mc``, its sd, and their metrics.

    Of classes: ``p_mc_<label>``, the mean probability of each label. Without dropout every pass is the prediction
    itself, and no model is needed; unchanged if there are to be none.
    """
    if not result.spec.mc_passes:
        return result

    def passed(table: pd.DataFrame, x: Floats) -> pd.DataFrame:
        if not result.spec.has_dropout():
            return table.assign(**_columns(table["predicted"], 0.0, probabilities(table), split.labels))
        assert model is not None
        passes = drop_passes(model, result.spec, x, result.spec.mc_passes)
        mean, sd = mean_of_passes(map(split.target.inverse, passes))
        return table.assign(**_columns(mean, sd, mean, split.labels))

    assert result.predictions is not None
    valid, test = passed(result.predictions, split.x_valid), result.test_predictions
    if test is not None:
        test = passed(test, split.x_test)
    metrics = Metrics.of(result.metrics.model_dump(exclude_unset=True) | of_passes(valid, test))
    return replace(result, predictions=valid, test_predictions=test, metrics=metrics)


def _columns(mean: Any, sd: Any, means: npt.NDArray[Any], labels: Sequence[str]) -> dict[str, Any]:
    """The columns of the mean of passes; of ``labels``, those of their mean probabilities."""
    if not labels:
        return {"predicted_mc": mean, "predicted_mc_sd": sd}
    return dict(zip(probability_columns(labels, passes=True), means.T, strict=True))


def _check_predictions(model: keras.Sequential, result: RunResult, split: Split) -> None:
    """Raise ``ValueError`` unless the model predicts, but for rounding, what its run recorded."""
    assert result.predictions is not None
    table = result.predictions
    recorded = probabilities(table) if split.labels else table["predicted"].to_numpy()
    predicted = split.target.inverse(predict(model, split.x_valid))
    if not np.allclose(predicted, recorded, rtol=1e-2, atol=1e-2 * float(np.abs(recorded).max())):
        raise ValueError("its model does not reproduce its recorded predictions")


@keras_defaults()
def amend(result: RunResult, spec: RunSpec, table: Table) -> RunResult:
    """A finished run's result, as read back, with the ``mc_passes`` of ``spec``, which trains the same.

    Nothing is trained: the model is built anew, with the weights of its file.
    """
    split = split_table(table, spec)
    model = None
    if spec.has_dropout():
        assert result.model is not None  # else the run is trained again
        model = build_model(spec, len(split.features), len(split.labels))
        with tempfile.NamedTemporaryFile(suffix=".keras") as file:
            file.write(result.model)
            file.flush()
            restore_weights(model, Path(file.name), len(split.features))
        _check_predictions(model, result, split)
    amended = replace(result, spec=result.spec.model_copy(update={"mc_passes": spec.mc_passes}))
    return with_passes(amended, model, split)
