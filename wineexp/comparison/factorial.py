"""Effects of crossed factors: which cells of the cross are weighed against which."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Contrast", "factorial_contrasts", "simple_contrasts"]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Contrast:
    """One effect of a full cross of factors.

    Attributes
    ----------
    levels : mapping of int to int
        Factor (its axis) -> the level that is compared with that factor's level 0: one entry for a main
        effect, two for an interaction.
    weights : array of the factors' shape
        What the cells are multiplied with; they sum to 0.
    at : mapping of int to int
        For an effect at one level of another factor: that factor and its level.
    """

    levels: dict[int, int]
    weights: Floats
    at: dict[int, int] = field(default_factory=dict)

    def of(self, errors: Floats) -> Floats:
        """The effect on ``errors``, shape (*factors, ...), of shape (...)."""
        found: Floats = np.tensordot(self.weights, errors, axes=self.weights.ndim)
        return found


def factorial_contrasts(shape: Sequence[int]) -> list[Contrast]:
    """Main effects, then two-factor interactions, of a full cross with ``shape`` levels per factor.

    A main effect is the mean over the other factors of a level minus level 0. An interaction is how much
    the effect of one factor's level differs between another factor's level and its level 0, again as a mean
    over what remains (Montgomery, *Design and Analysis of Experiments*, chapter 5, with treatment coding).
    """
    factors = range(len(shape))
    main = [{factor: level} for factor in factors for level in range(1, shape[factor])]
    pairs = [one | other for one, other in itertools.combinations(main, 2) if one.keys() != other.keys()]
    return [Contrast(levels, _weights(shape, levels)) for levels in main + pairs]


def simple_contrasts(shape: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[Contrast]:
    """For each pair of factors, the effects of either at every level of the other, as means over what remains."""
    return [
        Contrast({factor: level}, _weights(shape, {factor: level}, {other: at}), {other: at})
        for pair in pairs
        for factor, other in (pair, pair[::-1])
        for level in range(1, shape[factor])
        for at in range(shape[other])
    ]


def _weights(shape: Sequence[int], levels: dict[int, int], at: dict[int, int] | None = None) -> Floats:
    weights: Floats = np.ones(())
    for factor, count in enumerate(shape):
        axis = np.full(count, 1 / count)
        if factor in levels:
            axis = np.zeros(count)
            axis[levels[factor]], axis[0] = 1, -1
        elif at and factor in at:
            axis = np.zeros(count)
            axis[at[factor]] = 1
        weights = np.multiply.outer(weights, axis)
    return weights
