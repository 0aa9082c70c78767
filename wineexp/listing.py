"""A table for people: columns declared once, rows from anything, shown as text, Markdown, HTML or data.

HTML is made by the macro of the same name in ``notebook/templates``, of :attr:`Listing.heads` and
:meth:`Listing.cells`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from wineexp.text import align, format_number, largest, one_line

__all__ = [
    "TARGET",
    "Column",
    "Head",
    "Listing",
    "Part",
    "Row",
    "as_markdown",
    "as_text",
    "has_content",
    "marked",
    "number",
    "plain",
    "row_texts",
    "sized",
]

Source = TypeVar("Source")

#: Column key -> plain value: number, text, boolean, list, a tuple of a number and its interval, or None.
Row = dict[str, Any]

#: The unit of a number that is measured in the predicted column's unit.
TARGET = "target"

#: Characters that Markdown would read as its own.
_MARKED = re.compile(r"[\\|`*~]|<(?=[\w/!?])|&(?=[\w#])|\](?=[(\[])|(?<![^\W_])_|_(?![^\W_])")


def plain(value: Any) -> str:
    """A value for people: empty for None, yes or no for booleans, else as text."""
    if value is None:
        return ""
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def number(form: str) -> Callable[[Any], str]:
    """A function that shows a number in that format, and nothing for None."""
    return lambda value: "" if value is None else format(value, form)


def sized(form: str) -> Callable[..., str]:
    """As :func:`number`, with the decimals that suit a size: see :func:`~wineexp.text.format_number`."""
    return lambda value, size=None: "" if value is None else format_number(value, form, size)


@dataclass(frozen=True)
class Column(Generic[Source]):
    """One column of a table.

    Attributes
    ----------
    key : str
        Its name in CSV and JSON, in ``--where`` and ``--sort``.
    heading : str
        Its heading for people, perhaps of several lines.
    meaning : str
        One line for the docs.
    value : callable
        The plain value of a row's source.
    text : callable
        A value as people read it; in a column with a ``measure`` it also takes the size of the row's values of
        that measure.
    listed : int
        Its place among the columns shown by default; 0: not among them.
    unit : str
        Its unit, if neither heading nor format shows it; ``TARGET`` for the predicted column's.
    measure : str
        What it measures: numbers of one measure have the same decimals in a row: ``target`` or ``loss``.
    right : bool or None
        Whether its cells are flush right; None: if all of them are numbers.
    """

    key: str
    heading: str
    meaning: str
    value: Callable[[Source], Any]
    text: Callable[..., str] = plain
    listed: int = 0
    unit: str = ""
    measure: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class Head:
    """The head of a column as HTML shows it."""

    key: str
    text: str
    unit: str
    meaning: str
    right: bool


@dataclass(frozen=True)
class Listing:
    """A table.

    Attributes
    ----------
    columns : tuple of Column
    rows : tuple of dict
        Plain values by column key; a cell is empty if its row lacks the key.
    footer : tuple of tuple of str
        Rows below, already as text.
    caption : str
    target : str
        The unit of errors: the name of the column that is predicted.
    total : int or None
        How many rows there are, if only the first of them are given.
    """

    columns: tuple[Column[Any], ...]
    rows: tuple[Row, ...]
    footer: tuple[tuple[str, ...], ...] = field(default=(), kw_only=True)
    caption: str = field(default="", kw_only=True)
    target: str = field(default=TARGET, kw_only=True)
    total: int | None = field(default=None, kw_only=True)

    @classmethod
    def of(cls, columns: Iterable[Column[Source]], sources: Iterable[Source], **options: Any) -> Listing:
        """The table of these columns with a row for each source."""
        columns = tuple(columns)
        rows = tuple({column.key: column.value(source) for column in columns} for source in sources)
        return cls(columns, rows, **options)

    def filled(self, *keys: str) -> Listing:
        """The table without its empty columns, or without those of ``keys`` that are empty."""
        keys = keys or tuple(column.key for column in self.columns)
        return self.without(*(key for key in keys if not any(has_content(row.get(key)) for row in self.rows)))

    def without(self, *keys: str) -> Listing:
        """The table without these columns."""
        return replace(self, columns=tuple(column for column in self.columns if column.key not in keys))

    @property
    def heads(self) -> list[Head]:
        """The columns' heads; an error's unit is the target's name."""
        return [
            Head(
                column.key,
                column.heading,
                self.target if column.unit == TARGET else column.unit,
                column.meaning,
                self._is_right(column),
            )
            for column in self.columns
        ]

    def cells(self) -> list[list[str]]:
        """Rows and footer as people read them."""
        return [*map(self._texts, self.rows), *map(list, self.footer)]

    @property
    def rest(self) -> str:
        """How many of the rows these are, in words; empty if these are all."""
        return "" if self.total in (None, len(self.rows)) else f"the first {len(self.rows)} of {self.total:,} rows"

    def data(self) -> list[Row]:
        """Each row's plain values, for JSON and CSV; None if a row lacks a column."""
        return [{column.key: row.get(column.key) for column in self.columns} for row in self.rows]

    def _texts(self, row: Row) -> list[str]:
        sizes = _sizes(
            (column, row[column.key]) for column in self.columns if column.measure and column.key in row
        )
        return [_text(column, row[column.key], sizes) if column.key in row else "" for column in self.columns]

    def _is_right(self, column: Column[Any]) -> bool:
        if column.right is not None:
            return column.right
        return all(_is_number(row.get(column.key)) for row in self.rows)


#: A part of an answer: lines of text, or a table.
Part = str | Listing


def row_texts(columns: Sequence[Column[Any]], values: Sequence[Any]) -> list[str]:
    """A row's values as people read them; those of one measure with the same decimals."""
    sizes = _sizes(zip(columns, values, strict=True))
    return [_text(column, value, sizes) for column, value in zip(columns, values, strict=True)]


def _sizes(cells: Iterable[tuple[Column[Any], Any]]) -> dict[str, float | None]:
    """The size of a row's values of each measure."""
    numbers: dict[str, list[float | None]] = {}
    for column, value in cells:
        numbers.setdefault(column.measure, []).extend(value if isinstance(value, tuple) else [value])
    return {measure: largest(measured) for measure, measured in numbers.items() if measure}


def _text(column: Column[Any], value: Any, sizes: Mapping[str, float | None]) -> str:
    return column.text(value, sizes[column.measure]) if column.measure else column.text(value)


def has_content(value: Any) -> bool:
    """Whether a cell shows anything: a tuple does if one of its parts does."""
    return any(map(has_content, value)) if isinstance(value, tuple) else value not in (None, "", [])


def _is_number(value: Any) -> bool:
    """Whether it is a number, a number with its interval, or nothing."""
    if isinstance(value, tuple):
        return all(map(_is_number, value))
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def as_text(listing: Listing) -> str:
    """The table as aligned text: headings of as many lines as the longest, numbers flush right."""
    heads = listing.heads
    headings = [head.text.split("\n") for head in heads]
    depth = max(map(len, headings), default=1)
    lines = zip(*([""] * (depth - len(heading)) + heading for heading in headings), strict=True)
    body = [list(map(one_line, row)) for row in listing.cells()]
    right = [number for number, head in enumerate(heads) if head.right]
    table = align([*map(list, lines), *body], right=right)
    return "\n".join(part for part in (listing.caption, table, listing.rest) if part)


def as_markdown(listing: Listing) -> str:
    """The table in GitHub's Markdown."""
    heads = listing.heads
    headings = [marked(" ".join(head.text.split())) for head in heads]
    rules = ["---:" if head.right else "---" for head in heads]
    body = [[marked(cell) for cell in row] for row in listing.cells()]
    lines = [f"| {' | '.join(cells)} |" for cells in (headings, rules, *body)]
    caption = [marked(" ".join(listing.caption.split())), ""] if listing.caption else []
    return "\n".join([*caption, *lines, *(["", listing.rest] if listing.rest else [])])


def marked(text: str) -> str:
    """A line of text as Markdown that shows it, whatever names it has."""
    return _MARKED.sub(lambda match: f"\\{match[0]}", one_line(text))
