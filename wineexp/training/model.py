"""Layer plan -> ``keras.Sequential``, explicitly seeded layer by layer. Loads TensorFlow."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import keras
import numpy as np

from wineexp import imports
from wineexp.specs.layers import Layer
from wineexp.specs.run_spec import RunSpec
from wineexp.training.keras_internals import saved_model

__all__ = [
    "WEIGHTS",
    "build_model",
    "build_optimizer",
    "derive_seed",
    "keras_defaults",
    "model_bytes",
    "restore_weights",
]

#: The weights within a ``.keras`` file.
WEIGHTS = "model.weights.h5"

#: Bytes that a model's weights may take beyond their own: names, an index.
SLACK = 1_000_000

#: The purposes of a layer's seeds; the position is part of the seed, so append only.
PURPOSES = ("kernel", "dropout", "order", "passes")


def derive_seed(seed: int, layer: int, purpose: str) -> int:
    """A 31-bit seed made of (run seed, layer index, purpose), the same on every machine.

    The layer's index counts hidden layers, not entries of the Sequential: so two variants with the same seed
    and widths start from the same weights, whatever dropout or normalization is between their layers.
    """
    entropy = (seed, layer, PURPOSES.index(purpose))
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0]) >> 1


@contextlib.contextmanager
def keras_defaults() -> Iterator[None]:
    """Set Keras's global settings to its defaults, and back afterwards; meanwhile no warning is an error.

    The learning rate's type, for example, comes from them: a user's own settings, in keras.json or set by a
    program, must not change what a spec means.
    """
    before = keras.config.floatx(), keras.config.epsilon(), keras.config.dtype_policy()
    try:
        keras.config.set_floatx("float32")
        keras.config.set_epsilon(1e-7)
        keras.config.set_dtype_policy("float32")
        with imports.showing_warnings():
            yield
    finally:
        keras.config.set_floatx(before[0])
        keras.config.set_epsilon(before[1])
        keras.config.set_dtype_policy(before[2])


def build_model(spec: RunSpec, features: int, labels: int = 0) -> keras.Sequential:
    """Return the spec's model for inputs of shape (rows, features), float32, with its initial weights.

    Only stock layers, so anyone can load the saved model with ``keras.models.load_model`` alone. The
    dtype is given layer by layer: a user's Keras settings must not change what a spec means. The names are given
    too, as in a fresh process: Keras numbers layers by what the process built before. ``labels`` is the number of
    the target's, 0 for a target of numbers.
    """
    plan = spec.layer_plan(labels)
    layers = [_layer(entry, spec.seed, name) for entry, name in zip(plan, _names(plan), strict=True)]
    inputs = keras.Input((features,), dtype="float32", name="input_layer")
    return keras.Sequential([inputs, *layers], name="wineexp")


def _names(plan: Sequence[Layer]) -> list[str]:
    """``dense, dropout, dense_1, ...``"""
    names = {"Dense": "dense", "BatchNormalization": "batch_normalization", "Activation": "activation"}
    count: Counter[str] = Counter()
    numbered = []
    for kind, _, _ in plan:
        name = names.get(kind, "dropout")
        numbered.append(f"{name}_{count[name]}" if count[name] else name)
        count[name] += 1
    return numbered


def _layer(entry: Layer, seed: int, name: str) -> keras.layers.Layer:
    kind, index, setting = entry
    if kind == "Dense":
        units, activation = setting
        kernel = keras.initializers.GlorotUniform(derive_seed(seed, index, "kernel"))
        return keras.layers.Dense(
            units, activation=activation, kernel_initializer=kernel, dtype="float32", name=name
        )
    if kind == "BatchNormalization":
        return keras.layers.BatchNormalization(momentum=setting, dtype="float32", name=name)
    if kind == "Activation":
        return keras.layers.Activation(setting, dtype="float32", name=name)
    return keras.layers.Dropout(setting, seed=derive_seed(seed, index, "dropout"), dtype="float32", name=name)


def build_optimizer(name: str, learning_rate: float, weight_decay: float = 0.0) -> keras.optimizers.Optimizer:
    """Return Keras's optimizer of that name; its weight decay applies to kernels alone.

    Loshchilov and Hutter, *Decoupled weight decay regularization* (2019): each step takes off
    ``learning_rate * weight_decay`` of a weight. Biases and batch normalization's gamma and beta do not decay.
    """
    decay = (
        weight_decay if weight_decay or name == "adamw" else None
    )  # AdamW needs a number; the others need None for 0
    config = {"learning_rate": learning_rate, "weight_decay": decay}
    optimizer = keras.optimizers.get({"class_name": name, "config": config})
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def model_bytes(model: keras.Sequential) -> bytes:
    """The bytes of the model's ``.keras`` file, as if never compiled: no optimizer, no loss."""
    with _uncompiled(model):
        return saved_model(model)


def restore_weights(model: keras.Sequential, path: Path, features: int) -> None:
    """Give a model, built anew, the weights of a ``.keras`` file; raise ``ValueError`` if they cannot be its own.

    Nothing else of the file is used, so no config in it can have an effect.
    """
    # 4 bytes each; a dropout layer also stores the two numbers of its seed, a scaling layer two per feature
    _check_size(path, 4 * (model.count_params() + 2 * len(model.layers) + 4 * features))
    model.load_weights(path)


def _check_size(path: Path, expected: int) -> None:
    """Raise ``ValueError`` if a model's weights would unpack to more bytes than expected; nothing is unpacked."""
    with zipfile.ZipFile(path) as archive:
        packed = archive.getinfo(WEIGHTS)
        if packed.file_size > 2 * expected + SLACK:
            raise ValueError(f"expected weights of {expected:,} bytes, found {packed.file_size:,}")
        with h5py.File(io.BytesIO(archive.read(packed)), "r") as weights:
            sizes: list[int] = []
            weights.visititems(lambda _, item: sizes.append(getattr(item, "nbytes", 0)))  # groups have none
    if sum(sizes) > expected + SLACK:
        raise ValueError(f"expected weights of {expected:,} bytes, found {sum(sizes):,}, compressed")


@contextlib.contextmanager
def _uncompiled(model: keras.Sequential) -> Iterator[None]:
    """Remove a model's optimizer temporarily; with it, the saved file would be three times as large."""
    if not model.compiled:
        yield
        return
    optimizer = model.optimizer
    model.compiled, model.optimizer = False, None
    try:
        yield
    finally:
        model.compiled, model.optimizer = True, optimizer
