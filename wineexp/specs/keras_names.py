"""Keras's names of activations and optimizers, copied here so that Keras need not be loaded."""

from __future__ import annotations

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "OPTIMIZER_SLOTS", "WEIGHT_DECAYS"]

#: Keras's activation names (``keras.activations``, 3.15), less ``glu``, which halves the
#: layer's width, and ``threshold``, which has no defaults for its two settings.
ACTIVATIONS = (
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
)

#: Keras's optimizer names (``keras.optimizers``, 3.15) with their default learning rates. Left out are those that
#: wrap another optimizer, and ``schedulefreeadamw``, whose weights must be swapped around each evaluation. A test
#: compares this table with the installed Keras.
OPTIMIZERS: dict[str, float] = {
    "adadelta": 0.001,
    "adafactor": 0.001,
    "adagrad": 0.001,
    "adam": 0.001,
    "adamax": 0.001,
    "adamw": 0.001,
    "ftrl": 0.001,
    "lion": 0.001,
    "muon": 0.001,
    "nadam": 0.001,
    "rmsprop": 0.001,
    "sgd": 0.01,
}

#: The least numbers that an optimizer keeps for each weight.
OPTIMIZER_SLOTS = {
    **dict.fromkeys(("adadelta", "adam", "adamax", "adamw", "ftrl", "nadam"), 2),
    **dict.fromkeys(("adafactor", "adagrad", "lion", "muon", "rmsprop"), 1),
    "sgd": 0,
}

#: Keras's default weight decays; most optimizers have none.
WEIGHT_DECAYS = dict.fromkeys(OPTIMIZERS, 0.0) | {"adamw": 0.004, "muon": 0.004}
