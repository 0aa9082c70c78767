"""Layer plan -> ``keras.Sequential``, explicitly seeded layer by layer. One of the rooms that load TensorFlow."""

from __future__ import annotations

import os
import tempfile
import types

import keras
import numpy as np
import tensorflow as tf

from wineexp.specs.run_spec import Layer, RunSpec

__all__ = ["build_model", "build_optimizer", "derive_seed", "model_bytes"]

#: What a layer's seed is for; the position is part of the seed, so append only.
PURPOSES = ("kernel", "dropout", "order")


def derive_seed(seed: int, layer: int, purpose: str) -> int:
    """A 31-bit seed of (run seed, layer index, purpose), the same on every machine.

    The layer's index counts hidden layers, not entries of the Sequential: so two variants with one seed
    and the same widths start from the same weights, whatever dropout or normalization stands between.
    """
    entropy = (seed, layer, PURPOSES.index(purpose))
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint32)[0]) >> 1


def build_model(spec: RunSpec, features: int) -> keras.Sequential:
    """Return the spec's model for inputs of shape (rows, features), float32, with its initial weights.

    Only stock layers, so anyone can load the saved model with ``keras.models.load_model`` alone. The
    dtype is given layer by layer: a user's Keras settings must not change what a spec means.
    """
    layers = [_layer(entry, spec.seed) for entry in spec.layer_plan()]
    return keras.Sequential([keras.Input((features,), dtype="float32"), *layers], name="wineexp")


def _layer(entry: Layer, seed: int) -> keras.layers.Layer:
    kind, index, setting = entry
    if kind == "Dense":
        units, activation = setting
        kernel = keras.initializers.GlorotUniform(derive_seed(seed, index, "kernel"))
        return keras.layers.Dense(units, activation=activation, kernel_initializer=kernel, dtype="float32")
    if kind == "BatchNormalization":
        return keras.layers.BatchNormalization(momentum=setting, dtype="float32")
    if kind == "Activation":
        return keras.layers.Activation(setting, dtype="float32")
    return keras.layers.Dropout(setting, seed=derive_seed(seed, index, "dropout"), dtype="float32")


def build_optimizer(name: str, learning_rate: float) -> keras.optimizers.Optimizer:
    """Return Keras's optimizer of that name; Adam with its update as one fused kernel."""
    optimizer = keras.optimizers.get({"class_name": name, "config": {"learning_rate": learning_rate}})
    if type(optimizer) is keras.optimizers.Adam:
        # On the instance, not in a subclass: Keras saves an optimizer under its class's name, and what a
        # callback saves must load as plain Adam where wineexp is not installed.
        optimizer.update_step = types.MethodType(_fused_adam_step, optimizer)
    return optimizer


def _fused_adam_step(
    adam: keras.optimizers.Adam, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
) -> None:
    """Update ``variable`` and its moments in place, in one pass over the weights instead of a dozen.

    TensorFlow's ``ResourceApplyAdam`` computes what ``keras.optimizers.Adam.update_step`` does: Kingma
    and Ba, *Adam* (2015), in the reordered form at the end of its section 2.
    """
    slot, dtype = adam._get_variable_index(variable), variable.dtype
    step = tf.cast(adam.iterations.value + 1, dtype)
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=adam._momentums[slot].handle,
        v=adam._velocities[slot].handle,
        beta1_power=tf.pow(tf.constant(adam.beta_1, dtype), step),
        beta2_power=tf.pow(tf.constant(adam.beta_2, dtype), step),
        lr=tf.cast(learning_rate, dtype),
        beta1=tf.constant(adam.beta_1, dtype),
        beta2=tf.constant(adam.beta_2, dtype),
        epsilon=tf.constant(adam.epsilon, dtype),
        grad=gradient,
    )


def model_bytes(model: keras.Sequential) -> bytes:
    """The model as a ``.keras`` file's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        with open(path, "rb") as file:
            return file.read()
