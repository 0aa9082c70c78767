"""Planned looks: the points at which a study may stop adding seeds while keeping its error rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wineexp.errors import SpecError

__all__ = ["MAX_LOOKS", "Looks", "make_looks"]

#: With more looks, each would have little of the error rate.
MAX_LOOKS = 10

MAX_SEEDS = 10_000

#: Each look's share of the error rate, by the number of looks. Late looks have the most seeds and the largest
#: share; the first has enough to find a large difference. Measured for 5, 10, 20 seeds: docs/studies.md.
DEFAULT_WEIGHTS = {1: (1.0,), 2: (0.4, 0.6), 3: (0.2, 0.3, 0.5), 4: (0.05, 0.15, 0.3, 0.5)}


@dataclass(frozen=True)
class Looks:
    """When a study looks, and how much of the error rate each look may use.

    Attributes
    ----------
    counts : tuple of int
        Seeds at each look, rising.
    weights : tuple of float
        Each look's share of the error rate; they sum to 1.
    seeds : tuple of int
        The seeds in the order in which they are added, as many as at the last look.
    """

    counts: tuple[int, ...]
    weights: tuple[float, ...]
    seeds: tuple[int, ...]

    def at(self, number: int) -> tuple[int, ...]:
        """The seeds at look ``number``, from 1."""
        return self.seeds[: self.counts[number - 1]]

    def added(self, number: int) -> tuple[int, ...]:
        """The seeds that look ``number``, from 1, adds to the one before."""
        before = self.counts[number - 2] if number > 1 else 0
        return self.seeds[before : self.counts[number - 1]]

    def __str__(self) -> str:
        return ", ".join(map(str, self.counts))


def make_looks(counts: Any, weights: Any = None, seeds: Sequence[int] | None = None) -> Looks:
    """The looks that a config, or a caller, asks for.

    Parameters
    ----------
    counts : sequence of int
        Seeds at each look, at least 2 and rising.
    weights : sequence of float, optional
        As many as there are looks, above 0, with a sum of 1.
    seeds : sequence of int, optional
        The order of the seeds; by default 0, 1, 2, ...

    Raises
    ------
    SpecError
        With the wrong key: ``looks``, ``look_weights`` or ``seeds``.
    """
    counts = list(counts) if isinstance(counts, (list, tuple)) else []
    if not _rising(counts) or not 1 <= len(counts) <= MAX_LOOKS or not 2 <= counts[0] <= counts[-1] <= MAX_SEEDS:
        expected = f"expected 1 to {MAX_LOOKS} rising numbers of seeds, from 2 to {MAX_SEEDS}, such as [5, 10, 20]"
        raise SpecError([("looks", f"{expected}; found {counts}" if counts else expected)])
    if weights is None:
        weights = DEFAULT_WEIGHTS.get(len(counts)) or _rising_shares(len(counts))
    shares = list(weights) if isinstance(weights, (list, tuple)) else []
    if len(shares) != len(counts) or not all(_is_share(share) for share in shares):
        expected = f"expected {len(counts)} numbers above 0, one for each look"
        raise SpecError([("look_weights", f"{expected}; found {weights!r}")])
    if not math.isclose(sum(shares), 1.0, abs_tol=1e-9):
        raise SpecError([("look_weights", f"expected numbers with a sum of 1, found a sum of {sum(shares):g}")])
    if seeds is not None and len(seeds) < counts[-1]:
        expected = f"expected at least {counts[-1]} seeds, for the last look"
        raise SpecError([("seeds", f"{expected}; found {len(seeds)}")])
    order = range(counts[-1]) if seeds is None else seeds[: counts[-1]]
    return Looks(tuple(counts), tuple(float(share) for share in shares), tuple(order))


def _rising(values: Sequence[Any]) -> bool:
    """Whether they are whole numbers, each larger than the one before."""
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in values)
    return whole and all(value < larger for value, larger in itertools.pairwise(values))


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= 1


def _rising_shares(count: int) -> tuple[float, ...]:
    """Shares in proportion to the look's number."""
    return tuple(2 * number / (count * (count + 1)) for number in range(1, count + 1))
