"""Training steps written out by hand: forward pass, backward pass, Adam. Loads TensorFlow.

Keras builds dropout, batch normalization, loss and update from a dozen small operations each, and TensorFlow's
gradient adds as many. Written out, a step has a fourth of the operations: on an AMD EPYC (Zen 4, 2 cores) the
graph of three layers of 64 is ready in half the time, and an epoch takes a third less. The tests compare all of it
with Keras's own ``train_on_batch``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import keras
import tensorflow as tf

from wineexp.training.keras_internals import adam_moments, bfloat16_product

__all__ = ["TENSORFLOW", "XLA", "Batch", "Mask", "Operations", "loss_sum", "train_batch"]

Unary = Callable[[tf.Tensor], tf.Tensor]


class Operations(NamedTuple):
    """A few operations in the form that is cheapest for one compiler. All take and return float32 tensors.

    TensorFlow translates ``Relu``, ``Abs`` and some others for XLA by a pipeline of compiler passes for each one
    in a graph: 4 ms (AMD EPYC, Zen 4), a quarter of a second for three layers, in every process that trains them.
    Their replacements are translated in 0.1 ms and give the same bits.

    Attributes
    ----------
    relu : callable
    relu_gradient : callable
        (gradient of the output, output) -> gradient of the input.
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
    sign=lambda x: tf.where(x > 0.0, 1.0, tf.where(x < 0.0, -1.0, x)),  # 0 and NaN stay what they are
)


#: ``id`` of a Keras variable -> its gradient.
Gradients = dict[int, tf.Tensor]

#: Takes the gradient of a layer's output, stores the gradients of its variables, returns that of its input.
Backward = Callable[[tf.Tensor, Gradients], tf.Tensor]

#: Takes something made of outputs and targets, and the compiler's operations.
Function = Callable[[tf.Tensor, Operations], tf.Tensor]


class Loss(NamedTuple):
    """A loss as in ``keras.losses``, of the model's outputs before the last activation.

    Attributes
    ----------
    of : callable
        (outputs, targets), each of shape (rows, units) -> what the next two take, the same shape.
    values : callable
        The loss of each row, shape (rows, 1).
    derivative : callable
        Of that by the outputs, shape (rows, units).
    is_right : callable, optional
        Of a loss of classes: (outputs, targets) -> 1 for each row whose most probable label is its own, shape
        (rows, 1).
    """

    of: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    values: Function
    derivative: Function
    is_right: Callable[[tf.Tensor, tf.Tensor], tf.Tensor] | None = None


def _towards(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Logits that are above 0 where they speak for the label."""
    return outputs * (2.0 * targets - 1.0)


def _log_sum_exp(distances: tf.Tensor) -> tf.Tensor:
    return tf.math.log(tf.reduce_sum(tf.exp(distances), 1, keepdims=True))


class _Softmax(NamedTuple):
    """Logits minus the largest of their row, and the one-hot targets."""

    distances: tf.Tensor
    targets: tf.Tensor

    @classmethod
    def of(cls, outputs: tf.Tensor, targets: tf.Tensor) -> _Softmax:
        return cls(outputs - tf.reduce_max(outputs, 1, keepdims=True), targets)


#: The losses by the spec's names; Huber's delta is 1. Those of classes are computed from logits: no probability is
#: rounded to 0 or 1, so nothing is infinite.
LOSSES: dict[str, Loss] = {
    "mae": Loss(tf.subtract, lambda error, op: op.absolute(error), lambda error, op: op.sign(error)),
    "mse": Loss(tf.subtract, lambda error, _: tf.square(error), lambda error, _: 2.0 * error),
    "huber": Loss(
        tf.subtract,
        lambda error, op: tf.where(op.absolute(error) <= 1.0, 0.5 * tf.square(error), op.absolute(error) - 0.5),
        lambda error, _: tf.clip_by_value(error, -1.0, 1.0),
    ),
    "binary_crossentropy": Loss(
        lambda outputs, targets: (outputs, targets),
        lambda both, op: op.relu(-_towards(*both)) + tf.math.log1p(tf.exp(-op.absolute(both[0]))),
        lambda both, _: tf.sigmoid(both[0]) - both[1],
        lambda outputs, targets: tf.cast(tf.equal(outputs > 0.0, targets > 0.5), tf.float32),
    ),
    "categorical_crossentropy": Loss(
        _Softmax.of,
        lambda both, _: (
            _log_sum_exp(both.distances) - tf.reduce_sum(both.targets * both.distances, 1, keepdims=True)
        ),
        lambda both, _: tf.exp(both.distances - _log_sum_exp(both.distances)) - both.targets,
        lambda outputs, targets: tf.cast(tf.equal(tf.argmax(outputs, 1), tf.argmax(targets, 1)), tf.float32)[
            :, None
        ],
    ),
}


class Mask(NamedTuple):
    """One dropout layer's inputs of the graph for a batch.

    Attributes
    ----------
    kept : bool tensor, shape (rows, units)
    scale : float32 tensor, scalar
        ``1 / (1 - rate)``, for the rate that the mask really has.
    """

    kept: tf.Tensor
    scale: tf.Tensor


@dataclass(frozen=True)
class Batch:
    """One batch's inputs of the graph, and which of the rows are the batch.

    Attributes
    ----------
    x, y : float32 tensors, shape (rows, features) and (rows, units)
    masks : sequence of Mask
        One for each dropout layer.
    counted : float32 tensor, shape (rows, 1), optional
        1 for the rows that are the batch, 0 for others, which change nothing; None if there are no others.
    """

    x: tf.Tensor
    y: tf.Tensor
    masks: Sequence[Mask]
    counted: tf.Tensor | None = None

    @cached_property
    def rows(self) -> tf.Tensor:
        """How many rows the batch has: float32, scalar."""
        return tf.cast(tf.shape(self.x)[0], self.x.dtype) if self.counted is None else tf.reduce_sum(self.counted)

    def only(self, values: tf.Tensor) -> tf.Tensor:
        """``values`` with zeros in the other rows."""
        return values if self.counted is None else values * self.counted

    def mean(self, values: tf.Tensor) -> tf.Tensor:
        """The mean of each column."""
        if self.counted is None:
            return tf.reduce_mean(values, 0)
        return tf.reduce_sum(self.only(values), 0) / self.rows


def train_batch(
    model: keras.Sequential,
    optimizer: keras.optimizers.Optimizer,
    loss: str,
    batch: Batch,
    *,
    precision: str = "float32",
    operations: Operations = TENSORFLOW,
) -> tf.Tensor:
    """Update ``model`` by one batch, and return the sum of the losses over its rows, float64; see :func:`_sums`.

    With ``mixed_bfloat16`` the products between hidden layers, of forward and backward pass, are in bfloat16, as
    under Keras's policy of that name. That policy rounds more; here the features, the predictions and all sums
    stay in float32.
    """
    rows = batch.rows
    inner = [layer for layer in model.layers if type(layer) is keras.layers.Dense][1:-1]
    rounded = inner if precision == "mixed_bfloat16" else []
    predicted, passes = _forward(model, batch, rounded, operations)
    by, of = LOSSES[loss], LOSSES[loss].of(predicted, batch.y)
    gradient, gradients = batch.only(by.derivative(of, operations)) / rows, Gradients()
    for backward in reversed(passes):
        gradient = backward(gradient, gradients)
    weights = model.trainable_variables
    _apply(optimizer, [gradients[id(weight)] for weight in weights], weights)
    losses = batch.only(by.values(of, operations))
    return _sums(losses, by.is_right and batch.only(by.is_right(predicted, batch.y)))


def loss_sum(
    model: keras.Sequential,
    loss: str,
    x: tf.Tensor,
    y: tf.Tensor,
    *,
    counted: tf.Tensor | None = None,
    operations: Operations = TENSORFLOW,
) -> tf.Tensor:
    """As :func:`_sums`, over the rows in inference mode; ``counted`` as in :class:`Batch`."""

    def activated(function: Callable[..., tf.Tensor], z: tf.Tensor) -> tf.Tensor:
        return operations.relu(z) if function is keras.activations.relu else function(z)

    last = model.layers[-1]
    for layer in model.layers:
        if type(layer) is keras.layers.Dense:
            z = tf.nn.bias_add(tf.matmul(x, layer.kernel.value), layer.bias.value)
            x = z if layer is last else activated(layer.activation, z)
        elif type(layer) is keras.layers.BatchNormalization:
            scale = layer.gamma.value * tf.math.rsqrt(layer.moving_variance.value + layer.epsilon)
            x = x * scale + (layer.beta.value - layer.moving_mean.value * scale)
        elif type(layer) is keras.layers.Activation:
            x = activated(layer.activation, x)
    by = LOSSES[loss]
    losses, right = by.values(by.of(x, y), operations), by.is_right and by.is_right(x, y)
    if counted is not None:
        losses, right = losses * counted, None if right is None else right * counted
    return _sums(losses, right)


def _sums(losses: tf.Tensor, right: tf.Tensor | None) -> tf.Tensor:
    """The sum of the losses, float64, scalar; with classes, shape (2,), also how many rows are right."""
    total = tf.cast(tf.reduce_sum(losses), tf.float64)
    return total if right is None else tf.stack([total, tf.cast(tf.reduce_sum(right), tf.float64)])


def _forward(
    model: keras.Sequential, batch: Batch, rounded: Sequence[object], operations: Operations
) -> tuple[tf.Tensor, list[Backward]]:
    """The output in training mode, before the last activation, and the backward pass of each layer that learns.

    The first that learns comes first. ``rounded`` layers multiply in bfloat16.
    """
    x, masks = batch.x, iter(batch.masks)
    passes: list[Backward] = []
    for layer in model.layers:
        if type(layer) is keras.layers.Dense:
            product = bfloat16_product if layer in rounded else tf.matmul
            activation = keras.activations.linear if layer is model.layers[-1] else layer.activation
            x, backward = _dense(layer, activation, x, product, operations, is_first=not passes)
        elif type(layer) is keras.layers.Dropout:
            x, backward = _dropout(x, next(masks))
        elif type(layer) is keras.layers.BatchNormalization:
            x, backward = _batch_normalization(layer, x, batch)
        else:
            assert type(layer) is keras.layers.Activation, layer  # a plan has no other layers
            x, derivative = _activation(layer.activation, x, operations)
            backward = _without_variables(derivative)
        if passes or layer.weights:  # no gradient is needed before the first layer that learns
            passes.append(backward)
    return x, passes


def _dense(
    layer: keras.layers.Dense,
    activation: Callable[..., tf.Tensor],
    x: tf.Tensor,
    product: Callable[..., tf.Tensor],
    operations: Operations,
    *,
    is_first: bool,
) -> tuple[tf.Tensor, Backward]:
    kernel = layer.kernel.value
    z = tf.nn.bias_add(product(x, kernel), layer.bias.value)
    y, derivative = _activation(activation, z, operations)

    def backward(dy: tf.Tensor, gradients: Gradients) -> tf.Tensor:
        dz = derivative(dy)
        gradients[id(layer.bias)] = operations.column_sums(dz)
        gradients[id(layer.kernel)] = product(x, dz, transpose_a=True)
        return dz if is_first else product(dz, kernel, transpose_b=True)  # nothing learns before the first

    return y, backward


def _activation(
    function: Callable[..., tf.Tensor], z: tf.Tensor, operations: Operations
) -> tuple[tf.Tensor, Callable[..., tf.Tensor]]:
    """``function(z)``, and its derivative: gradient of the output -> gradient of ``z``."""
    if function is keras.activations.linear:
        return z, lambda dy: dy
    if function is keras.activations.relu:
        y = operations.relu(z)
        return y, lambda dy: operations.relu_gradient(dy, y)
    with tf.GradientTape() as tape:
        tape.watch(z)
        y = function(z)
    return y, lambda dy: tape.gradient(y, z, dy)


def _dropout(x: tf.Tensor, mask: Mask) -> tuple[tf.Tensor, Backward]:
    """Zero each value with probability ``rate``, to within 2**-32, and scale the rest by ``1 / (1 - rate)``."""
    kept = tf.cast(mask.kept, x.dtype) * mask.scale
    return x * kept, _without_variables(lambda dy: dy * kept)


def _without_variables(derivative: Callable[[tf.Tensor], tf.Tensor]) -> Backward:
    return lambda dy, _: derivative(dy)


def _batch_normalization(
    layer: keras.layers.BatchNormalization, x: tf.Tensor, batch: Batch
) -> tuple[tf.Tensor, Backward]:
    """Normalize over the batch and update the moving averages: Ioffe and Szegedy (2015), algorithm 1.

    The values are centred before they are squared: XLA's own kernel takes the mean of squares minus the square of
    the mean, which loses all digits of a feature of mean 10,000 and standard deviation 1.
    """
    mean = batch.mean(x)
    centred = batch.only(x - mean)
    variance = batch.mean(tf.square(centred))
    scale = tf.math.rsqrt(variance + layer.epsilon)
    normalized, gamma = centred * scale, layer.gamma.value
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        average.value.assign_sub((average.value - value) * (1 - layer.momentum), read_value=False)

    def backward(dy: tf.Tensor, gradients: Gradients) -> tf.Tensor:
        beta_gradient, gamma_gradient = tf.reduce_sum(dy, 0), tf.reduce_sum(dy * normalized, 0)
        gradients[id(layer.beta)], gradients[id(layer.gamma)] = beta_gradient, gamma_gradient
        return batch.only((gamma * scale) * (dy - (beta_gradient + normalized * gamma_gradient) / batch.rows))

    return normalized * gamma + layer.beta.value, backward


def _apply(
    optimizer: keras.optimizers.Optimizer, gradients: Sequence[tf.Tensor], weights: Sequence[keras.Variable]
) -> None:
    """Update the weights: Adam in one pass over them instead of a dozen, any other optimizer as Keras does.

    TensorFlow's ``ResourceApplyAdam`` computes what ``keras.optimizers.Adam.update_step`` does: Kingma and Ba,
    *Adam* (2015), in the reordered form at the end of its section 2.
    """
    moments = adam_moments(optimizer, weights)
    if moments is None:
        optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return
    step = tf.cast(optimizer.iterations.value + 1, tf.float32)
    # Made once for all weights: each operation of a graph takes a quarter of a millisecond to trace.
    rate = tf.identity(optimizer.learning_rate.value)
    decays = tf.constant(optimizer.beta_1), tf.constant(optimizer.beta_2)
    powers, epsilon = [tf.pow(decay, step) for decay in decays], tf.constant(optimizer.epsilon)
    for gradient, weight, (first, second) in zip(gradients, weights, moments, strict=True):
        tf.raw_ops.ResourceApplyAdam(
            var=weight.value.handle,
            m=first.value.handle,
            v=second.value.handle,
            beta1_power=powers[0],
            beta2_power=powers[1],
            lr=rate,
            beta1=decays[0],
            beta2=decays[1],
            epsilon=epsilon,
            grad=gradient,
        )
    optimizer.iterations.assign_add(1)
