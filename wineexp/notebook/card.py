"""What a notebook shows of a result, as plain data: its words, then a figure, then tables and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wineexp.text import align, one_line

__all__ = ["Answer", "Card", "Head", "Table"]


@dataclass(frozen=True)
class Answer:
    """A question with its answer: ``No: worse by 0.154 ...``; ``kind`` is that of the verdict."""

    question: str
    answer: str
    detail: str
    kind: str


@dataclass(frozen=True)
class Head:
    """The head of a column: a heading, perhaps of several lines, its unit and meaning; whether it has numbers."""

    text: str
    unit: str = ""
    meaning: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Table:
    """A table as text; ``count`` is how many rows there are, of which the first are shown."""

    heads: tuple[Head, ...]
    rows: tuple[tuple[str, ...], ...]
    count: int
    caption: str = ""

    @property
    def rest(self) -> str:
        """What is not shown, in words; empty where all is."""
        return "" if len(self.rows) == self.count else f"the first {len(self.rows)} of {self.count:,} rows"


@dataclass(frozen=True)
class Card:
    """One result.

    Attributes
    ----------
    title : str
    warning : str
        What must be known before anything else: that the table is simulated.
    lines : tuple of str
        A sentence or two below the title.
    answers : tuple of Answer
    facts : tuple of (str, str)
        Names with what they are.
    figure : bytes or None
        A PNG.
    alt : str
        The figure in words.
    tables : tuple of Table
    notes : tuple of str
        Caveats.
    """

    title: str
    warning: str = ""
    lines: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    figure: bytes | None = None
    alt: str = ""
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()

    def as_text(self) -> str:
        """All but the figure, for where nothing better can be shown."""
        return "\n\n".join(part for part in self._parts() if part)

    def _parts(self) -> Iterator[str]:
        yield "\n".join(map(one_line, filter(None, [self.title, self.warning, *self.lines])))
        for one in self.answers:
            yield "\n".join(map(one_line, (one.question, f"  {one.answer}", f"  {one.detail}")))
        yield align([[one_line(name), one_line(text)] for name, text in self.facts]) if self.facts else ""
        for table in self.tables:
            yield _as_text(table)
        yield "\n".join(f"note: {one_line(note)}" for note in self.notes)


def _as_text(table: Table) -> str:
    heads = [one_line(" ".join(head.text.split())) for head in table.heads]
    body = align(
        [heads, *([one_line(cell) for cell in row] for row in table.rows)],
        right=[number for number, head in enumerate(table.heads) if head.numeric],
    )
    return "\n".join(part for part in (one_line(table.caption), body, table.rest) if part)
