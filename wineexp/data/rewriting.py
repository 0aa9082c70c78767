"""A CSV read cell by cell, to name each number that cannot be read, or to write all of them plainly.

A dialect that pandas cannot read directly (rows of separators alone, ``20000000000000000000``, a no-break
space before a digit) becomes text that it can read, so that one parser makes every number of every dialect.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.csv_source import CsvSource, RowError, is_blank, read_rows
from wineexp.data.dialect import NUMBER, THOUSANDS, Dialect
from wineexp.errors import DataError

__all__ = ["MISSING", "UNMERGED", "Hole", "Parsed", "Survey", "parse", "rewrite", "row_lines", "survey", "unnamed"]

#: Cells without a value in a column of numbers: as pandas has them, and the question mark of UCI's tables. In a
#: column of text only an empty one is: NA may be a name.
MISSING = frozenset(
    ("", "?", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A",
     "NA", "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip

#: Limits for all columns that are not numbers: as much as fits into memory beside a model. Such columns are kept,
#: since only a spec says whether they are used.
MAX_CELLS, MAX_TEXT = 5_000_000, 1 << 28

#: The words for a legal whole number: float64 lacks some numbers beyond 2^53, and two IDs would become one value.
UNMERGED = "a whole number that float64 can hold exactly, as all up to 2^53 = 9007199254740992"


@dataclass(frozen=True)
class Parsed:
    """The wanted columns, and what was dropped.

    Attributes
    ----------
    values : float64, shape (rows, columns)
        Each column has finite numbers in every row, or NaN in every row; with holes both.
    carried : dict of int to list of str
        The cells of each column to carry, unchanged.
    blank : int
        Number of empty rows, which are left out.
    commas : bool
        Whether numbers had decimal commas.
    beyond : int
        Number of empty columns at the end of some rows, after those of the dialect.
    """

    values: npt.NDArray[np.float64]
    carried: dict[int, list[str]]
    blank: int
    commas: bool
    beyond: int = 0


@dataclass(frozen=True)
class Hole:
    """The rows of a column of numbers that have none.

    Attributes
    ----------
    count : int
    row : int
        The first, from 0.
    """

    count: int
    row: int


@dataclass(frozen=True)
class Survey:
    """The kinds of a file's columns.

    Attributes
    ----------
    faults : dict of int to str
        For each column that is not numbers in every row: the fault of its first such cell, with line and column.
    lines : list of int
        The first line of each row that is not empty.
    holes : dict of int to Hole
        For each column that is numbers but for some cells without a value.
    """

    faults: dict[int, str]
    lines: list[int]
    holes: dict[int, Hole]


def survey(source: CsvSource, form: Dialect) -> Survey:
    """Find the columns that are not numbers.

    Raises
    ------
    DataError
        With line and column: for a row of another length, for values in a column without a name, and for more than
        ``MAX_CELLS`` cells or ``MAX_TEXT`` characters of text.
    """
    walk = _Walk(source, form, list(range(form.width)))
    faults: dict[int, str] = {}
    holes: dict[int, Hole] = {}
    words: dict[int, tuple[int, str]] = {}  # column -> line and form of its first hole that is not an empty cell
    lines: list[int] = []
    size = rows = 0
    for line, row in walk.rows():
        rows += 1
        if rows <= MAX_CELLS:
            lines.append(line)
        size += sum(len(row[at]) for at in faults)
        for at in walk.wanted:
            if at in faults:
                continue
            if (cell := row[at].strip()) in MISSING:
                first = holes.get(at, Hole(0, rows - 1))
                holes[at] = Hole(first.count + 1, first.row)
                if cell:
                    words.setdefault(at, (line, cell))
                continue
            try:
                walk.checked(line, at, row[at])
            except DataError as fault:
                _check_named(form, at, fault)
                faults[at] = str(fault)
        if faults and (size > MAX_TEXT or rows * len(faults) > MAX_CELLS):
            limit = f"more than {MAX_CELLS:,} cells or {MAX_TEXT:,} characters of text"
            raise DataError(
                f"{next(iter(faults.values()))}; {limit} cannot be kept: leave such columns out of the table"
            )
    for at, (line, cell) in words.items():
        if at not in faults and holes[at].count == rows:  # words alone are text
            faults[at] = str(walk.fault(line, at, f"expected a {_kind(cell)}number, found {cell!r}"))
    partly = {at: hole for at, hole in holes.items() if at not in faults and hole.count < rows}
    for at, hole in partly.items():
        _check_named(form, at, walk.fault(lines[hole.row], at, "expected a number, found nothing"))
    return Survey(faults, lines, partly)


def _check_named(form: Dialect, at: int, fault: DataError) -> None:
    """Raise the fault of a column without a name: nobody can leave it out."""
    if at >= len(form.names) or not form.names[at].strip():
        raise fault


def row_lines(source: CsvSource, form: Dialect) -> list[int]:
    """The first line of each row that is not empty; raise ``DataError`` for a row of another length."""
    return [line for line, _ in _Walk(source, form, []).rows()]


def rewrite(
    source: CsvSource, form: Dialect, wanted: Collection[int], carry: Collection[int], holes: Collection[int] = ()
) -> Parsed:
    """Write the numbers of the columns ``wanted`` plainly and parse them; keep the text of the columns ``carry``.

    Cells without a value are NaN in the columns ``holes``.

    Raises
    ------
    DataError
        With line and column of the first cell that is no finite number, or whose row has another length.
    """
    walk = _Walk(source, form, sorted(wanted))
    text = io.BytesIO()  # takes a quarter of StringIO's memory
    carried: dict[int, list[str]] = {at: [] for at in carry}
    for line, row in walk.rows():
        numbers = [
            "" if at in holes and row[at].strip() in MISSING else walk.number(line, at, row[at])
            for at in walk.wanted
        ]
        text.write((",".join(numbers) + "\n").encode())
        for at, cells in carried.items():
            cells.append(row[at])
    walk.check_commas()
    text.seek(0)
    values = np.empty((len(next(iter(carried.values()), [])), 0))
    if wanted:
        frame = parse(text, walk.wanted, ",", skip_blank_lines=False)
        assert frame is not None
        values = frame.to_numpy(np.float64)
    return Parsed(values, carried, walk.blank, "," in walk.marks, walk.beyond)


def parse(text: TextIO | BinaryIO, names: Sequence[int], separator: str, **options: Any) -> pd.DataFrame | None:
    """``text`` without a header as pandas reads it; None if it would not read the rows as they are written."""
    try:
        with warnings.catch_warnings():
            # pandas only warns of rows longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: pd.DataFrame = pd.read_csv(
                text,
                sep=separator,
                header=None,
                names=list(names),
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                low_memory=False,
                **options,
            )
            return frame
    except UnicodeDecodeError:
        raise
    except (ValueError, pd.errors.ParserError, pd.errors.ParserWarning):
        return None


@dataclass
class _Walk:
    """A walk through the cells, with the facts known so far."""

    source: CsvSource
    form: Dialect
    wanted: list[int]
    blank: int = 0
    beyond: int = 0
    #: Decimal mark -> line and text of the first number that has it.
    marks: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: The error for the first number whose comma may separate thousands.
    unsure: DataError | None = None
    #: The decimal mark, once a number cannot be read in another way.
    settled: str | None = None
    #: Column -> the line of its first empty cell, as long as all its cells are empty.
    empty: dict[int, int] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row that is not empty, with its line; as long as the header, or longer by empty cells."""
        form = self.form
        with self.source.text(skip=form.skip) as text:
            try:
                for line, _, row in read_rows(text, form.separator, above=form.skip):
                    if is_blank(row):
                        self.blank += 1
                        continue
                    if len(row) < form.needed or not is_blank(row[len(form.names) :]):
                        raise self._wrong_length(line, len(row))
                    self.beyond = max(self.beyond, len(row) - form.width)
                    yield line, row + [""] * (form.width - len(row))
            except RowError as error:
                # A quote within a cell that its writer did not double, or cells separated by spaces.
                raise DataError(
                    f"{self.source.path}:{error.first}: expected a row of a CSV: {error.reason}; read with "
                    f"{form.separator!r} between cells; --sep gives another, such as space"
                ) from None

    def number(self, line: int, at: int, cell: str) -> str:
        """The cell's number with a decimal point; an empty text if its column is empty so far."""
        text = self.checked(line, at, cell)
        mark = "," if "," in text else "." if "." in text else ""
        if mark and mark != self.settled:
            self._note_mark(line, at, text, mark)
        return text.replace(",", ".") if mark == "," else text

    def checked(self, line: int, at: int, cell: str) -> str:
        """The cell without the spaces around it: a finite number, or nothing if its column is empty so far."""
        text = cell.strip()
        if not text and at not in self.filled:
            self.empty.setdefault(at, line)
            return ""
        if not text or at in self.empty:
            raise self.fault(self.empty.get(at, line), at, "expected a number, found nothing")
        self.filled.add(at)
        if not NUMBER.fullmatch(text):
            raise self.fault(line, at, f"expected a {_kind(text)}number, found {cell[:60]!r}")
        if not math.isfinite(float(text.replace(",", "."))):
            raise self.fault(line, at, f"expected a finite number, found {cell[:60]!r}")
        if _is_merged(text):
            raise self.fault(line, at, f"expected {UNMERGED}, found {cell[:60]!r}")
        return text

    def _note_mark(self, line: int, at: int, text: str, mark: str) -> None:
        """Remember a decimal mark; raise ``DataError`` if the other one was found before."""
        other_mark = "." if mark == "," else ","
        self.marks.setdefault(mark, (line, text))
        if other_mark in self.marks:
            before, other_number = self.marks[other_mark]
            both = f"found {text[:60]!r}, and {other_number[:60]!r} in line {before}"
            raise self.fault(line, at, f"expected one decimal mark in the whole file, {both}")
        if mark == "." or not THOUSANDS.fullmatch(text):
            self.settled = mark
        elif self.unsure is None:
            either = f"which is {text.replace(',', '.')} or {text.replace(',', '')}: write it without the comma"
            self.unsure = self.fault(line, at, f"expected a number, found {text!r}, {either}")

    def check_commas(self) -> None:
        """Raise ``DataError`` if every comma may separate thousands."""
        if self.unsure and self.settled is None and self.form.decimal != ",":
            raise self.unsure

    def _wrong_length(self, line: int, length: int) -> DataError:
        return DataError(f"{self.source.path}:{line}: expected {self.form.needed} values, found {length}")

    def fault(self, line: int, at: int, message: str) -> DataError:
        """The error for a cell."""
        names = self.form.names
        if at >= len(names) or not names[at].strip():
            return unnamed(self.source, self.form, at)
        return DataError(f"{self.source.path}:{line}: column {names[at]!r}: {message}")


def unnamed(source: CsvSource, form: Dialect, at: int) -> DataError:
    """The error for a header that has no name for a column of values."""
    where = f"{source.path}:{form.line}"
    return DataError(f"{where}: expected a name for every column, found an empty one for column {at + 1}")


def _is_merged(text: str) -> bool:
    """Whether a whole number, written as such, becomes another one in float64."""
    digits = text.lstrip("+-").lstrip("0")
    return len(digits) > 15 and digits.isdigit() and int(digits) != int(float(digits))


def _kind(text: str) -> str:
    """``finite `` for text that Python reads as infinity or NaN; else empty."""
    try:
        return "" if math.isfinite(float(text)) else "finite "
    except ValueError:
        return ""
