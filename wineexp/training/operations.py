"""A few operations in the form that costs least: TensorFlow's own kernels, or what XLA takes as it is.

TensorFlow translates ``Relu``, ``Abs`` and some others for XLA by a pipeline of compiler passes for each one in a
graph: 4 ms (AMD EPYC, Zen 4), a quarter of a second for three layers, in every process that trains them. What
replaces them is translated in 0.1 ms and gives the same bits. Loads TensorFlow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

__all__ = ["TENSORFLOW", "XLA", "Operations"]

Unary = Callable[[tf.Tensor], tf.Tensor]


class Operations(NamedTuple):
    """What a step needs, for one compiler. All take and return float32 tensors.

    Attributes
    ----------
    relu : callable
    relu_gradient : callable
        Gradient for the output, and the output -> gradient for the input.
    column_sums : callable
        Shape (rows, units) -> (units,).
    absolute, sign : callable
    """

    relu: Unary
    relu_gradient: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    column_sums: Unary
    absolute: Unary
    sign: Unary


TENSORFLOW = Operations(
    relu=tf.nn.relu,
    relu_gradient=lambda dy, y: tf.raw_ops.ReluGrad(gradients=dy, features=y),
    column_sums=lambda x: tf.raw_ops.BiasAddGrad(out_backprop=x),
    absolute=tf.abs,
    sign=tf.sign,
)

XLA = Operations(
    relu=lambda x: tf.maximum(x, 0.0),
    relu_gradient=lambda dy, y: tf.where(y > 0.0, dy, 0.0),
    column_sums=lambda x: tf.reduce_sum(x, 0),
    absolute=lambda x: tf.maximum(x, -x),
    sign=lambda x: tf.where(x > 0.0, 1.0, tf.where(x < 0.0, -1.0, x)),  # 0 and NaN stay
)
