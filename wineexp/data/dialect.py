"""How a CSV is written: separator, header and decimal mark, found from its content."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TextIO

from wineexp.data.csv_source import MAX_LINE, CsvSource, RowError, is_blank, read_rows
from wineexp.errors import DataError

__all__ = ["NUMBER", "SEPARATORS", "THOUSANDS", "Dialect", "check_separator", "find_dialect"]

#: In order of preference, where the content does not decide.
SEPARATORS = (",", ";", "\t", "|")

#: Names for separators that a shell makes hard to type.
SPELLED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}

#: A number as programs and spreadsheets write it, with either decimal mark, without the spaces around it.
NUMBER = re.compile(r"[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")

#: A number that is another one where commas part thousands: 1,234 is 1.234 or 1234.
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")

#: The line that gives a spreadsheet the separator.
HINT = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)

#: Lines and characters from which the separator is chosen, and rows below the header that are looked at. A header
#: of names with line breaks takes many lines, one of 10,000 columns many characters.
SAMPLE_LINES, SAMPLE_SIZE, SAMPLE_ROWS = 200, MAX_LINE, 10


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes
    ----------
    separator : str
    decimal : {".", ","}
        By the first rows; those below may still show a comma.
    names : tuple of str
        The header's, empty ones too.
    line : int
        The header's first line, from 1.
    skip : int
        Lines down to the header's last.
    width : int
        Cells of a row: one for each name, and more where lines end in separators.
    """

    separator: str
    decimal: str
    names: tuple[str, ...]
    line: int
    skip: int
    width: int

    @property
    def needed(self) -> int:
        """Cells that each row must have: up to the last column with a name."""
        return max(at for at, name in enumerate(self.names, 1) if name.strip())


def check_separator(text: str) -> str:
    """Return the separator that ``text`` names: itself, or ``tab``, ``comma``, ``semicolon``, ``pipe``, ``space``.

    Raises
    ------
    DataError
        For more than one character, or one that occurs in numbers or quotes.
    """
    separator = SPELLED.get(text.lower(), text)
    if len(separator) != 1 or not separator.isascii() or separator.isalnum() or separator in "\"'+-._\r\n\0":
        raise DataError(
            f"sep: expected one character that cannot be in a number, such as ; or |, or tab or space; "
            f"found {text!r}"
        )
    return separator


def find_dialect(source: CsvSource, separator: str | None = None) -> Dialect:
    """Find how ``source`` is written.

    The separator is the one by which the first rows are as long as the header and hold the most numbers. (Of a
    table of numbers with two columns or more, only one can read every cell as a number.)

    Parameters
    ----------
    source : CsvSource
    separator : str, optional
        Use this one instead.

    Raises
    ------
    DataError
        Where there is no header.
    """
    with source.text() as text:
        lines = _sample(text)
    hint = HINT.fullmatch(lines[0]) if len(lines) > 1 else None
    before = 1 if hint else 0
    separator = separator or (hint[1] if hint else _separator(lines))
    names, line, skip = _header(source, separator, before)
    rows = _rows(lines[skip:], separator)
    _check_header(source, names, line, lines[skip:], rows)
    extra = [row for row in rows if len(row) > len(names) and is_blank(row[len(names) :])]
    width = max(map(len, [names, *extra]))
    return Dialect(separator, _decimal(rows), tuple(names), line, skip, width)


def _check_header(
    source: CsvSource, names: Sequence[str], line: int, below: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Raise ``DataError`` if the header is a remark, or lacks the name of a first column, as R writes it."""
    place = f"{source.path}:{line}"
    if names[0].lstrip().startswith("#") and below:
        # The separator may have been chosen by the remark.
        first = next(iter(_rows(below, _separator(below))), [])
        if len(first) > len(names):
            raise DataError(
                f"{place}: expected a header with column names, found a comment: {','.join(names).strip()[:60]}; "
                "remove the lines above the header"
            )
    wider = [len(row) == len(names) + 1 and not is_blank(row[-1:]) for row in rows]
    if len(wider) > 1 and all(wider):
        raise DataError(
            f"{place}: expected a name for each of {len(names) + 1} columns, found {len(names)}, as R writes a "
            "table with row names: write it with row.names=FALSE, or give the first column a name"
        )


def _sample(text: TextIO) -> list[str]:
    """The first lines, with their ends."""
    lines: list[str] = []
    size = 0
    for line in islice(text, SAMPLE_LINES):
        lines.append(line)
        size += len(line)
        if size >= SAMPLE_SIZE and len(lines) > 1:
            break
    return lines


def _rows(lines: Sequence[str], separator: str) -> list[list[str]]:
    """The first rows of ``lines`` that are not blank, up to one that cannot be read."""
    sample: list[list[str]] = []
    with suppress(RowError):
        for _, _, row in read_rows(lines, separator, strict=False):
            if not is_blank(row):
                sample.append(row)
            if len(sample) > SAMPLE_ROWS:
                break
    return sample


def _separator(lines: Sequence[str]) -> str:
    """The separator that reads the sample best."""
    text = "".join(lines)
    present = [separator for separator in SEPARATORS if separator in text]
    if len(present) == 1 and present[0] in lines[0]:  # most files, at once
        return present[0]
    return max(SEPARATORS, key=lambda separator: _score(lines, separator))


def _score(lines: Sequence[str], separator: str) -> tuple[bool, float, float, int]:
    """How well the separator reads the sample: several columns, rows as long as the header, numbers, columns."""
    header, *rows = _rows(lines, separator) or [[]]
    width = len(header)
    while width and not header[width - 1].strip():
        width -= 1
    fitting = [row for row in rows if width <= len(row) and is_blank(row[width:])]
    cells = [cell.strip() for row in rows for cell in row if cell.strip()]
    numbers = sum(NUMBER.fullmatch(cell) is not None for cell in cells)
    return len(header) > 1, len(fitting) / max(1, len(rows)), numbers / max(1, len(cells)), width


def _header(source: CsvSource, separator: str, before: int) -> tuple[list[str], int, int]:
    """The names, the header's first line, and its last."""
    try:
        with source.text(skip=before) as text:
            rows = read_rows(text, separator, above=before, strict=False)
            header = next((row for row in rows if not is_blank(row[2])), None)
        if header is None:
            raise DataError(f"{source.path}:1: expected a header with column names, found an empty line or file")
        first, last, names = header
        with source.text(skip=first - 1) as text:
            lines = list(islice(text, last - first + 1))
        if last > first:  # a name with a line break, or a quote that takes all that follows for one name
            list(read_rows(lines, separator, above=first - 1))
    except RowError as error:  # a name longer than csv takes, a quote that never ends
        place = f"{source.path}:{error.first}"
        raise DataError(f"{place}: expected a header with column names: {error.reason}") from None
    if any("\0" in name for name in names):
        raise DataError(f"{source.path}:{first}: expected a CSV file, found binary bytes")
    if all(NUMBER.fullmatch(name.strip()) for name in names if name.strip()):
        shown = "".join(lines).strip()[:60]
        raise DataError(f"{source.path}:{first}: expected a header with column names, found numbers: {shown}")
    return names, first, last


def _decimal(rows: Sequence[Sequence[str]]) -> str:
    """A comma if no number has a point and some comma cannot separate thousands."""
    numbers = [cell.strip() for row in rows for cell in row if NUMBER.fullmatch(cell.strip())]
    commas = any("," in cell and not THOUSANDS.fullmatch(cell) for cell in numbers)
    return "," if commas and not any("." in cell for cell in numbers) else "."
