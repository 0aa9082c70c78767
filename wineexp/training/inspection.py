"""The output of a saved run's layers on rows, and whether its moving averages fit the rows. Loads TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from wineexp.errors import RunError
from wineexp.runs.inspection import Activations, LayerInside, Normalization, Summary
from wineexp.training.epoch import INFERENCE_ROWS
from wineexp.training.model import derive_seed, keras_defaults
from wineexp.training.trainer import before_activation, shuffled

__all__ = ["inspect_model", "predict_by_batch"]

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class _Moments:
    """Mean, variance and number of zeros of each unit, over rows that come part by part; in float64.

    Parts are joined by Chan, Golub and LeVeque's formula (*Updating formulae and a pairwise algorithm for
    computing sample variances*, 1979): sums of squares would lose the variance of values far from zero.
    """

    def __init__(self, units: int) -> None:
        self.rows = 0
        self.mean = np.zeros(units)
        self.zeros = np.zeros(units, np.int64)
        self._squares = np.zeros(units)

    def add(self, values: npt.NDArray[np.floating[Any]]) -> None:
        """Add more rows, shape (rows, units)."""
        for at in range(0, len(values), INFERENCE_ROWS):
            part = values[at : at + INFERENCE_ROWS].astype(np.float64)
            mean, rows = part.mean(axis=0), self.rows + len(part)
            moved = mean - self.mean
            self._squares += ((part - mean) ** 2).sum(axis=0) + moved**2 * self.rows * len(part) / rows
            self.mean += moved * len(part) / rows
            self.zeros += (part == 0).sum(axis=0)
            self.rows = rows

    @property
    def variance(self) -> Doubles:
        """Variance of each unit over the rows; divides by their number."""
        return self._squares / self.rows

    def activations(self) -> Activations:
        """The figures of all rows and units together."""
        return Activations(
            mean=float(self.mean.mean()),
            sd=float(np.sqrt(self.variance.mean() + self.mean.var())),
            zeros=float(self.zeros.mean() / self.rows),
            dead=float((self.zeros == self.rows).mean()),
        )


class _Modes:
    """A layer's output in inference mode, in training mode, and the difference between them on the same rows."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.inference, self.training, self._difference = _Moments(units), _Moments(units), _Moments(units)

    def add(self, inference: Floats, training: Floats) -> None:
        self.inference.add(inference)
        self.training.add(training)
        for at in range(0, len(inference), INFERENCE_ROWS):
            rows = slice(at, at + INFERENCE_ROWS)
            self._difference.add(training[rows].astype(np.float64) - inference[rows])

    def inside(self, name: str, kind: str, normalization: Normalization | None = None) -> LayerInside:
        signal, noise = (float(np.sqrt(moments.variance.mean())) for moments in (self.inference, self._difference))
        modes = self.inference.activations(), self.training.activations()
        return LayerInside(name, kind, self.units, *modes, signal, noise, normalization)


@keras_defaults()
def inspect_model(model: keras.Sequential, x: Floats, *, batch_size: int, seed: int) -> list[LayerInside]:
    """Run the rows through the layers in both modes, and compare each batch normalization with its input.

    Parameters
    ----------
    model : keras.Sequential
        Not changed: neither its moving averages nor its dropout seeds move on.
    x : float32 array, shape (rows, features)
        Scaled as the model expects them.
    batch_size : int
        Rows per batch in training mode, where batch normalization uses the batch's statistics.
    seed : int
        The run's seed. The order of the rows comes from it, as in the run's first epoch; dropout's masks come
        from the seeds in the model. So the result is reproducible.

    Returns
    -------
    list of LayerInside
        The input, then the layers in order.

    Raises
    ------
    RunError
        When a layer's output is not finite.
    """
    order = shuffled(len(x), derive_seed(seed, 0, "order"))(0)
    states: list[Sequence[Any]] = [
        [variable.value for variable in layer.non_trainable_variables] for layer in model.layers
    ]
    modes = [_Modes(x.shape[1]), *(_Modes(int(layer.output.shape[-1])) for layer in model.layers)]
    for at in range(0, len(x), batch_size):
        rows = order[at : at + batch_size]
        inference = training = x[rows]
        modes[0].add(inference, training)
        for number, layer in enumerate(model.layers):
            inference = np.asarray(layer(inference, training=False))
            training, states[number] = _train(layer, training, states[number])
            _check(layer.name, rows, inference, training)
            modes[number + 1].add(inference, training)
    layers = [modes[0].inside("input", "Input")]
    for layer, before, after in zip(model.layers, modes, modes[1:], strict=False):
        is_normalization = isinstance(layer, keras.layers.BatchNormalization)
        normalization = _normalization(layer, before) if is_normalization else None
        layers.append(after.inside(layer.name, type(layer).__name__, normalization))
    return layers


@keras_defaults()
def predict_by_batch(model: keras.Sequential, x: Floats, *, batch_size: int, seed: int) -> Floats:
    """Predictions with dropout off and batch normalization as in training, by the statistics of each batch.

    What they differ by from the model's usual predictions is due to moving averages alone.

    Parameters
    ----------
    model, x, batch_size, seed
        As for :func:`inspect_model`.

    Returns
    -------
    float32 array, shape (rows,) or (rows, units)
        As :func:`.trainer.predict` gives them.
    """
    units = int(model.layers[-1].units)
    predicted = np.empty((len(x), units), np.float32)
    order = shuffled(len(x), derive_seed(seed, 0, "order"))(0)
    for at in range(0, len(x), batch_size):
        rows = order[at : at + batch_size]
        values = x[rows]
        for layer in model.layers[:-1]:
            if isinstance(layer, keras.layers.BatchNormalization):
                state = [variable.value for variable in layer.non_trainable_variables]
                values, _ = _train(layer, values, state)
            else:
                values = np.asarray(layer(values, training=False))
        predicted[rows] = np.asarray(before_activation(model.layers[-1], values))
    return predicted[:, 0] if units == 1 else predicted


def _train(layer: keras.layers.Layer, values: Floats, state: Sequence[Any]) -> tuple[Floats, Sequence[Any]]:
    """The layer's output in training mode, and its next state, which is not stored in the layer."""
    if not state:  # such a layer does the same in both modes
        return np.asarray(layer(values)), state
    weights = [variable.value for variable in layer.trainable_variables]
    output, after = layer.stateless_call(weights, state, values, training=True)
    return np.asarray(output), after


def _check(name: str, rows: npt.NDArray[np.int32], *outputs: Floats) -> None:
    for output in outputs:
        bad = np.flatnonzero(~np.isfinite(output).all(axis=1))
        if len(bad):
            raise RunError(
                f"row {rows[bad].min()}, counted from 0: expected finite activations, found infinite ones or NaN "
                f"in layer {name}; a feature of this row is too large for the model"
            )


def _normalization(layer: keras.layers.BatchNormalization, before: _Modes) -> Normalization:
    """The layer's weights, and its moving averages compared with its input, ``before``."""
    gamma, beta, moving_mean, moving_variance = (
        np.asarray(variable).astype(np.float64)
        for variable in (layer.gamma, layer.beta, layer.moving_mean, layer.moving_variance)
    )
    mean, variance, in_training = before.inference.mean, before.inference.variance, before.training.variance
    varies = variance > 0
    distance = np.abs(moving_mean - mean)[varies] / np.sqrt(variance[varies])
    return Normalization(
        gamma=_summary(gamma),
        beta=_summary(beta),
        constant=float(1 - varies.mean()),
        distance=_summary(distance) if varies.any() else None,
        ratio=_ratio(moving_variance, variance),
        training_ratio=_ratio(moving_variance, in_training),
    )


def _ratio(moving: Doubles, variance: Doubles) -> Summary | None:
    """Moving / real variance of the units that vary; None if no unit varies."""
    varies = variance > 0
    return _summary(moving[varies] / variance[varies]) if varies.any() else None


def _summary(values: Doubles) -> Summary:
    least, low, median, high, most = map(float, np.quantile(values, (0.0, 0.05, 0.5, 0.95, 1.0)))
    return Summary(least, low, median, float(values.mean()), high, most)
