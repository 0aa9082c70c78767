"""Seeds as people ask for them: how many, or which."""

from __future__ import annotations

from typing import Any

from wineexp.specs.fields import MAX_SEED

__all__ = ["MAX_SEED_COUNT", "read_seeds"]

MAX_SEED_COUNT = 10_000


def read_seeds(value: Any, first: int = 0) -> list[int]:
    """The seeds that ``value`` stands for.

    Parameters
    ----------
    value : int or sequence of int
        How many seeds, starting at ``first``, or the seeds themselves.
    first : int

    Raises
    ------
    ValueError
        With what was expected and what was found, for a message that names the place.
    """
    if _is_whole(value) and 1 <= value <= MAX_SEED_COUNT:
        if first + value - 1 <= MAX_SEED:
            return list(range(first, first + value))
        raise ValueError(f"expected seeds up to {MAX_SEED}; found {value} of them from {first} on")
    items = list(value) if isinstance(value, (list, tuple)) else []
    if items and all(_is_whole(item) and 0 <= item <= MAX_SEED for item in items):
        if len(set(items)) == len(items):
            return items
        raise ValueError("expected different seeds, found one twice")
    told = f"expected how many (a whole number from 1 to {MAX_SEED_COUNT}) or a list of seeds"
    parts = value.split(",") if isinstance(value, str) and len(value) <= 80 else []
    meant = [int(part) for part in parts if part.strip().isdecimal()]
    hint = f" (did you mean {meant}?)" if len(meant) > 1 and len(meant) == len(parts) else ""
    raise ValueError(f"{told}, found {value!r}{hint}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
