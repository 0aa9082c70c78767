"""The fitted scalings as Keras layers: a saved model takes raw features and predicts in the target's own units.

Loads TensorFlow.

In float32, like the model: it is the only type that other backends and converters have on every device.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt

from wineexp.data.classes import Target, target_of
from wineexp.data.encoding import encoding_of
from wineexp.data.scaling import Scaling, TargetScaling
from wineexp.errors import RunError
from wineexp.runs.run import Run
from wineexp.text import count_of
from wineexp.training.model import WEIGHTS

__all__ = ["as_saved", "carry_scaling", "check_scaling", "takes_raw"]

#: The range in which a Normalization divides by a spread as it is: below, Keras puts its epsilon, 1e-7, instead;
#: far above, float32 cannot hold the square.
DIVISORS = (1e-6, 1e18)

#: Limit of float32's error in a scaled feature: relative to its spread or, beyond one spread, to the value.
MOST_ROUNDED = 1e-3

Floats = npt.NDArray[np.float32]


def _moments(scaling: Scaling) -> list[tuple[Floats, Floats]]:
    """Mean and variance of each Normalization, in order, shape (features,).

    One layer is enough unless a spread is out of its range; a second, inverted one then multiplies by the rest.
    """
    divisor = np.clip(scaling.scale, *DIVISORS)
    steps = [(scaling.center, divisor)]
    with np.errstate(over="ignore", under="ignore"):  # a model that this spoils does not take raw features
        if (divisor != scaling.scale).any():
            steps.append((np.zeros_like(divisor), divisor / scaling.scale))
        return [(mean.astype(np.float32), (sd**2).astype(np.float32)) for mean, sd in steps]


def _target_moments(target: Target | None) -> list[tuple[Floats, Floats]]:
    """Mean and variance of each inverted Normalization behind the model, in order, shape (1,).

    They take the target's scaling back: all multiply, the last one then adds the center.
    """
    if not isinstance(target, TargetScaling) or target.kind not in ("standard", "minmax"):
        return []
    factors: list[float] = []
    rest = target.scale
    while not factors or rest != 1.0:
        factors.append(float(np.clip(rest, *DIVISORS)))
        rest /= factors[-1]
    means = [0.0] * (len(factors) - 1) + [target.center]
    with np.errstate(over="ignore"):  # of a record that no run wrote: refused, as its model holds other numbers
        parts = np.array([means, np.square(factors)]).astype(np.float32)
    return [(mean, variance) for mean, variance in parts.T[:, :, None]]


def _layer(number: int, moments: tuple[Floats, Floats], *, invert: bool) -> keras.layers.Normalization:
    layer = keras.layers.Normalization(invert=invert, dtype="float32", name=_name(number))
    # Set as weights: Keras writes the constructor's numbers into the config, which wineexp never uses.
    layer.build((None, len(moments[0])))
    layer.set_weights([*moments, np.int64(0)])
    layer.finalize_state()
    return layer


def _name(number: int) -> str:
    """The layer's name, also that of its weights in the file."""
    return f"normalization_{number}" if number else "normalization"


def takes_raw(scaling: Scaling, features: npt.NDArray[np.float64]) -> bool:
    """Whether the layers, in float32, scale raw features of shape (rows, features) as the scaling does.

    They do not if float32 cannot hold the raw values or tell them apart, as with seconds since 1970 over an
    hour, nor if a spread is outside 1e-25 to 1e25.
    """
    exact = scaling.exact(features)
    with np.errstate(over="ignore", invalid="ignore"):
        values: npt.NDArray[np.floating[Any]] = features.astype(np.float32)
        for number, (mean, variance) in enumerate(_moments(scaling)):  # like the layers; calling those takes 10 ms
            sd = np.maximum(np.sqrt(variance), np.float32(keras.config.epsilon()))
            values = mean + values * sd if number else (values - mean) / sd
        lost = np.abs(values - exact)
    return bool((lost <= MOST_ROUNDED * np.maximum(np.abs(exact), 1.0)).all())  # false for NaN


def _imputation(fills: npt.NDArray[np.float64]) -> keras.Model:
    """A part of a model that puts these numbers, shape (features,), in place of NaN: Keras has no such layer."""
    values = keras.Input((len(fills),), dtype="float32", name="raw")
    filled = keras.ops.where(keras.ops.isnan(values), fills.astype(np.float32), values)
    return keras.Model(values, filled, name="imputation")


def carry_scaling(
    model: keras.Sequential,
    scaling: Scaling | None,
    target: Target | None = None,
    fills: npt.NDArray[np.float64] | None = None,
) -> keras.Sequential:
    """A model of the same layers that takes raw features and predicts in the target's own units; not compiled.

    It begins with what fills up missing values and with the features' scaling, if these are given, and ends with
    the inverse of the target's. The same model if nothing is needed.
    """
    before = [] if scaling is None else _moments(scaling)
    first: list[keras.layers.Layer] = [] if fills is None else [_imputation(fills)]
    first += [_layer(number, moments, invert=number == 1) for number, moments in enumerate(before)]
    last: list[keras.layers.Layer] = [
        _layer(number, moments, invert=True) for number, moments in enumerate(_target_moments(target), len(before))
    ]
    if isinstance(target, TargetScaling) and target.kind == "log":
        last.append(keras.layers.Activation("exponential", dtype="float32", name="exponential"))
    if not first and not last:
        return model
    inputs = keras.Input(model.input_shape[1:], dtype="float32", name="input_layer")
    return keras.Sequential([inputs, *first, *model.layers, *last], name=model.name)


def as_saved(run: Run, model: keras.Sequential) -> keras.Sequential:
    """The model that Keras loads from a run's file, made from the run's model as it was trained."""
    facts = run.record.data
    scaling = Scaling.of(facts.scaling) if facts.scaling.in_model else None
    takes_raw_rows = scaling is not None or run.spec.scale == "none"
    fills = encoding_of(facts).fill_values if takes_raw_rows else None
    whole = carry_scaling(model, scaling, target_of(facts, run.spec), fills)
    if whole is model:
        return model
    # Cloned layers, so that each has one output, as when loaded from a file.
    whole = keras.models.clone_model(whole)
    whole.load_weights(run.model_path)
    return whole


def check_scaling(run: Run) -> None:
    """Raise ``RunError`` unless the run's model has the scaling layers of its record, or none if that has none.

    The sizes within the file must have been checked before.
    """
    data = run.record.data
    of_target = _target_moments(target_of(data, run.spec))
    expected = [*(_moments(Scaling.of(data.scaling)) if data.scaling.in_model else []), *of_target]
    columns = [data.features] * (len(expected) - len(of_target)) + [(run.spec.target,)] * len(of_target)
    saved = _saved_moments(run.model_path)
    if [[part.shape for part in step] for step in saved] != [[part.shape for part in step] for step in expected]:
        layers_expected = count_of(len(expected), "scaling layer") if expected else "no scaling layer"
        raise _damaged(run, layers_expected, f"{len(saved)}, or of another size" if saved else "none")
    for names, step, saved_step in zip(columns, expected, saved, strict=True):
        for what, numbers, saved_numbers in zip(("mean", "variance"), step, saved_step, strict=True):
            for at in np.flatnonzero(numbers != saved_numbers)[:1]:
                column = f"{what} {numbers[at]:g} for column {names[at]!r} in the scaling layer"
                raise _damaged(run, column, f"{saved_numbers[at]:g}")


def _damaged(run: Run, expected: str, found: str) -> RunError:
    return RunError(f"{run.model_path}: is damaged: expected {expected}, as run.json says; found {found}")


def _saved_moments(path: Path) -> list[list[npt.NDArray[np.floating[Any]]]]:
    """Mean and variance of each Normalization in a ``.keras`` file, in order."""
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read(WEIGHTS)), "r") as weights:
        names = [_name(number) for number in range(len(weights["layers"]))]
        groups = [weights["layers"][name]["vars"] for name in names if name in weights["layers"]]
        return [[np.asarray(group[part]) for part in "01"] for group in groups]
