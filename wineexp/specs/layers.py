"""The layer plan: a spec's Keras layers in order, as plain tuples. Keras is not needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Layer", "LayerSize", "layer_plan", "layer_sizes"]


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


def layer_plan(
    widths: Sequence[int],
    rates: Sequence[float],
    *,
    activation: str,
    bn: str,
    bn_input: bool,
    bn_momentum: float,
) -> tuple[Layer, ...]:
    """The layers in order.

    ``bn`` none: Dense, Dropout. ``bn`` after: Dense, Dropout, BatchNormalization, as in the lesson. ``bn`` before:
    Dense, BatchNormalization, Activation, Dropout. There are Dropout layers only where the rate is above 0.
    """
    plan: list[Layer] = []
    if bn_input:
        plan.append(Layer("BatchNormalization", 0, bn_momentum))
    for number, (width, rate) in enumerate(zip(widths, rates, strict=True), start=1):
        drop = [Layer("Dropout", number, rate)] if rate > 0 else []
        norm = Layer("BatchNormalization", number, bn_momentum)
        if bn == "before":
            plan += [
                Layer("Dense", number, (width, "linear")),
                norm,
                Layer("Activation", number, activation),
                *drop,
            ]
        else:
            plan += [Layer("Dense", number, (width, activation)), *drop]
            plan += [norm] if bn == "after" else []
    plan.append(Layer("Dense", len(widths) + 1, (1, "linear")))
    return tuple(plan)


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
