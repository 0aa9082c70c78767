"""Several comparisons at once: Holm's correction, and letters for what cannot be told apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["holm", "letters"]


def holm(p: Sequence[float]) -> list[float]:
    """Probabilities corrected for several comparisons: Holm (Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    corrected, largest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        corrected[i] = largest
    return corrected


def letters(count: int, apart: Collection[tuple[int, int]]) -> list[str]:
    """Letters for ``count`` variants: two share a letter exactly if they cannot be told apart.

    Insert and absorb (Piepho, Journal of Computational and Graphical Statistics 13, 2004): each letter is a column
    of members. Every pair that is told apart splits the columns that hold both, and a column that another one
    contains is dropped. Pairs that are not told apart stay together in some column, as a split takes one member of
    its pair out of each copy.

    Parameters
    ----------
    count : int
    apart : collection of pairs of int
        Pairs of places that are told apart.

    Returns
    -------
    list of str
        ``a`` for those that share the first variant's letter, and so on, in the order of the variants; after ``z``
        come ``aa``, ``ab``, and the letters are then separated by commas.
    """
    columns = [frozenset(range(count))] if count else []
    for one, other in apart:
        split = []
        for column in columns:
            both = one in column and other in column
            split += [column - {one}, column - {other}] if both else [column]
        columns = [
            column
            for place, column in enumerate(split)
            if not any(column < rest or (column == rest and place > at) for at, rest in enumerate(split))
        ]
    columns.sort(key=sorted)
    names = [_name(number) for number in range(len(columns))]
    separator = "," if len(columns) > 26 else ""
    return [
        separator.join(name for name, column in zip(names, columns, strict=True) if place in column)
        for place in range(count)
    ]


def _name(number: int) -> str:
    name = chr(ord("a") + number % 26)
    return name if number < 26 else _name(number // 26 - 1) + name
