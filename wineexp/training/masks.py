"""Dropout's masks, drawn by NumPy outside the compiled epoch. Needs no TensorFlow itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import keras

__all__ = ["BITS", "Mask", "Masks", "MasksAhead"]

Mask = npt.NDArray[np.bool_]
_T = TypeVar("_T")

#: Random bits per value. The real rate is within 2**-32 of the requested one.
BITS = 32


class Masks:
    """The dropout layers of a model: their rates, and a stream of random bits for each.

    TensorFlow's own generator takes 6 ns per value (AMD EPYC, Zen 4), which was a fifth of an epoch of three
    layers of 64, and a tenth with layers of 1024. SFC64 (Doty-Humphrey's Small Fast Counting generator) gives two
    values in 1 ns; NumPy keeps the streams of its bit generators the same in every version (NEP 19).

    Parameters
    ----------
    layers : sequence of keras.layers.Dropout
    seeds : sequence of int, optional
        A seed for each layer; by default the layer's own.

    Attributes
    ----------
    scales : float32 array, shape (dropout layers,)
        1 / (share of values kept), so that the expectation is the value itself.
    units : tuple of int
        Width of each layer.
    """

    def __init__(self, layers: Sequence[keras.layers.Dropout], seeds: Sequence[int] | None = None) -> None:
        rates = np.array([layer.rate for layer in layers], np.float64)
        # The rate times 2**32: a value is dropped if its bits are below.
        self._thresholds = np.minimum(np.round(rates * 2**BITS), 2**BITS - 1).astype(np.uint32)
        self.scales = (2**BITS / (2**BITS - self._thresholds.astype(np.float64))).astype(np.float32)
        self.units = tuple(int(layer.output.shape[-1]) for layer in layers)
        if seeds is None:
            # Keras's seed generator moves on: a second fit of the same model sees other masks.
            states = [np.asarray(layer.seed_generator.next()).astype(np.uint32) for layer in layers]
            entropies = [list(map(int, state)) for state in states]
        else:
            entropies = [[seed] for seed in seeds]
        self._streams = [np.random.SFC64(np.random.SeedSequence(entropy)) for entropy in entropies]

    def draw(self, rows: int, length: int) -> Iterator[Mask]:
        """Each layer's mask, true where a value is kept: shape (length, units); only ``rows`` rows are drawn.

        One byte per value: the epoch stores and reads a fourth of the random bits that the value was drawn from.
        """
        for stream, units, threshold in zip(self._streams, self.units, self._thresholds, strict=True):
            count = rows * units
            bits = stream.random_raw(-(-count * BITS // 64)).view(np.uint32)
            kept = np.zeros((length, units), np.bool_)
            np.greater_equal(bits[:count], threshold, out=kept.reshape(-1)[:count])
            yield kept


class MasksAhead(Generic[_T]):
    """The masks of call after call; a thread draws the masks of the next call while this one trains.

    Drawing and copying them takes a twentieth of an epoch of three layers of 1024 (AMD EPYC, Zen 4, 2 threads),
    and no core would do anything else in that time.

    Parameters
    ----------
    masks : Masks
    calls : sequence of int
        Rows of each call of an epoch; the calls of the next epoch follow.
    length : int
        See :meth:`Masks.draw`.
    convert : callable
        A layer's array -> the type that the call takes.
    """

    def __init__(self, masks: Masks, calls: Sequence[int], length: int, convert: Callable[[Mask], _T]) -> None:
        self.masks = masks
        self._calls, self._length, self._convert = itertools.cycle(calls), length, convert
        self._thread = ThreadPoolExecutor(1, "dropout")
        self._next = self._begin()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> list[_T]:
        drawn = self._next.result()
        self._next = self._begin()
        return drawn

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _begin(self) -> Future[list[_T]]:
        return self._thread.submit(self._draw, next(self._calls))

    def _draw(self, rows: int) -> list[_T]:
        return [self._convert(drawn) for drawn in self.masks.draw(rows, self._length)]
