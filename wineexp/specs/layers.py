"""The layer plan: a spec's Keras layers in order, as plain tuples. Keras is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Layer", "LayerSize", "hidden_layers", "layer_sizes"]


class Layer(NamedTuple):
    """One layer of the plan.

    Attributes
    ----------
    kind : str
        Keras's class name.
    number : int
        Its hidden layer: 1 is the first, 0 stands for the input, the last number for the output.
    setting
        Its one setting: units and activation of a Dense, momentum of a BatchNormalization, name of an
        Activation, rate of a Dropout.
    """

    kind: str
    number: int
    setting: Any


class LayerSize(NamedTuple):
    """A layer with its output width and its number of parameters, moving averages included."""

    layer: Layer
    width: int
    parameters: int


def hidden_layers(
    widths: Sequence[int],
    rates: Sequence[float],
    *,
    activation: str,
    dropout_input: float,
    dropout_place: str,
    bn: str,
    bn_input: bool,
    bn_momentum: float,
) -> list[Layer]:
    """The layers before the last, in order.

    ``bn`` none: Dense, Dropout. ``bn`` after: Dense, Dropout, BatchNormalization, as in the lesson, or with
    ``dropout_place`` after_bn Dense, BatchNormalization, Dropout. ``bn`` before: Dense, BatchNormalization,
    Activation, Dropout. There are Dropout layers only where the rate is above 0. The features go through
    ``bn_input``'s BatchNormalization first, then through ``dropout_input``'s Dropout.
    """
    plan: list[Layer] = []
    if bn_input:
        plan.append(Layer("BatchNormalization", 0, bn_momentum))
    if dropout_input > 0:
        plan.append(Layer("Dropout", 0, dropout_input))
    for number, (width, rate) in enumerate(zip(widths, rates, strict=True), start=1):
        dense = Layer("Dense", number, (width, "linear" if bn == "before" else activation))
        norm = Layer("BatchNormalization", number, bn_momentum)
        drop = [Layer("Dropout", number, rate)] if rate > 0 else []
        if bn == "none":
            plan += [dense, *drop]
        elif bn == "before":
            plan += [dense, norm, Layer("Activation", number, activation), *drop]
        elif dropout_place == "before_bn":
            plan += [dense, *drop, norm]
        else:
            plan += [dense, norm, *drop]
    return plan


def layer_sizes(plan: Iterable[Layer], features: int) -> list[LayerSize]:
    """Each layer of the plan with its size, for this many features."""
    sizes, width = [], features
    for layer in plan:
        count = 0
        if layer.kind == "Dense":
            count = (width + 1) * layer.setting[0]
            width = layer.setting[0]
        elif layer.kind == "BatchNormalization":
            count = 4 * width  # gamma, beta, moving mean, moving variance
        sizes.append(LayerSize(layer, width, count))
    return sizes
