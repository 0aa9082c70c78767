"""The numbers of a CSV: read at once by pandas where it is plain, else cell by cell."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.csv_source import CsvSource, open_source
from wineexp.data.dialect import Dialect, check_separator, find_dialect
from wineexp.data.rewriting import Survey, rewrite, row_lines, survey, unnamed
from wineexp.errors import DataError, nearest
from wineexp.text import some_of

__all__ = ["Cells", "CsvFile", "counting", "has_merged", "open_csv"]

#: Up to here float64 has every whole number.
MOST_EXACT = 2**53


@dataclass(frozen=True)
class Cells:
    """What was read.

    Attributes
    ----------
    numbers : pandas.DataFrame, shape (rows, columns), dtype float64
        Finite, columns in file order, index 0 to rows - 1; columns without a value are left out.
    empty : tuple of str
        Names of columns that were to be read and have no value.
    carried : dict of str to list of str
        The cells of columns that were to be carried, or are not numbers, as they are.
    notes : tuple of str
        What was dropped, and what could be read in another way.
    faults : dict of str to str
        Why columns are not numbers, with line and column.
    lines : list of int or None
        The line of each row; None unless a column is not numbers.
    """

    numbers: pd.DataFrame
    empty: tuple[str, ...]
    carried: dict[str, list[str]]
    notes: tuple[str, ...]
    faults: dict[str, str]
    lines: list[int] | None


@dataclass(frozen=True)
class _Parsed:
    """The columns wanted, float64, shape (rows, columns), each full or empty, and what was passed over."""

    values: npt.NDArray[np.float64]
    carried: dict[int, list[str]]
    blank: int
    commas: bool
    beyond: int = 0


@dataclass(frozen=True)
class CsvFile:
    """A CSV whose dialect is known."""

    source: CsvSource
    form: Dialect

    @property
    def names(self) -> list[str]:
        """The names in the header."""
        return [name for name in self.form.names if name.strip()]

    def read(self, only: Collection[str], carry: Sequence[str] = ()) -> Cells:
        """Read the numbers of some columns; others may hold anything and have any name.

        Parameters
        ----------
        only : collection of str
            The columns that are wanted, where the file has them.
        carry : sequence of str
            Columns to return as text.

        Raises
        ------
        DataError
            Naming file, line and column of the first thing wrong: a repeated column, a row of another length,
            text, a missing value, NaN or infinity where a number is wanted; no rows.
        """
        columns = [at for at in range(self.form.width) if self._name(at) in only]
        self._check_names([*(self._name(at) for at in columns), *carry])
        places = [self.form.names.index(name) for name in carry]
        return self._cells(columns, self._plain(columns, places) or self._rewritten(columns, places))

    def read_all(self) -> Cells:
        """Read all columns: numbers, and the text of those that are not numbers in every row.

        Raises
        ------
        DataError
            As :meth:`read`, but not for what a column holds; for a column without a name, unless it is empty or
            counts the rows.
        """
        columns = list(range(self.form.width))
        self._check_names([name for at in columns if (name := self._name(at))])
        if parsed := self._plain(columns, ()):
            return self._cells(columns, parsed)
        found = survey(self.source, self.form)
        columns = [at for at in columns if at not in found.faults]
        return self._cells(columns, self._rewritten(columns, list(found.faults)), found)

    def place(self, row: int) -> str:
        """Where a row is, for an error."""
        return f"{self.source.path}:{row_lines(self.source, self.form)[row]}"

    def _cells(self, columns: Sequence[int], parsed: _Parsed, found: Survey | None = None) -> Cells:
        values = parsed.values
        if not len(values):
            raise DataError(f"{self.source.path}: expected rows of numbers below the header, found none")
        full = ~np.isnan(values[0])
        notes = tuple(f"{self.source.path}: {note}" for note in self._notes(parsed, columns, full))
        names = [self._name(at) for at in columns]
        kept = [at for at, name in enumerate(names) if name and full[at]]
        return Cells(
            numbers=pd.DataFrame(
                values if len(kept) == len(names) else values[:, kept],
                columns=[names[at] for at in kept],
                copy=False,
            ),
            empty=tuple(name for at, name in enumerate(names) if name and not full[at]),
            carried={self._name(at): cells for at, cells in parsed.carried.items()},
            notes=notes,
            faults={self._name(at): fault for at, fault in found.faults.items()} if found else {},
            lines=found.lines if found and found.faults else None,
        )

    def _name(self, at: int) -> str:
        """The column's name; an empty text where it has none."""
        name = self.form.names[at] if at < len(self.form.names) else ""
        return name if name.strip() else ""

    def _check_names(self, wanted: Sequence[str]) -> None:
        where = f"{self.source.path}:{self.form.line}"
        for name in wanted:
            if name not in self.form.names:
                raise DataError(f"{where}: no column {name!r}{nearest(name, self.names)}")
            if self.form.names.count(name) > 1:
                raise DataError(f"{where}: column {name!r} occurs twice in the header")

    def _plain(self, columns: Sequence[int], carry: Sequence[int]) -> _Parsed | None:
        """What pandas reads of the file as it stands; None where its cells must be looked at one by one."""
        frame, blank = self._attempt(carry, skip_blank_lines=False), 0
        values = self._values(frame, columns)
        if frame is not None and values is None and (empty := frame.isna().all(axis=1)).any():
            # read anew: whole numbers beside a row of nothing are not what they are without it
            blank = int(empty.sum())
            frame = self._attempt(carry, skip_blank_lines=True)
            values = self._values(frame, columns)
        if frame is None or values is None:
            return None
        carried = {at: frame[at].fillna("").tolist() for at in carry}
        return _Parsed(values, carried, blank, self.form.decimal == ",")

    def _attempt(self, carry: Sequence[int], *, skip_blank_lines: bool) -> pd.DataFrame | None:
        with self.source.text(skip=self.form.skip) as text:
            return _parse(
                text,
                range(self.form.width),
                sep=self.form.separator,
                decimal=self.form.decimal,
                dtype=dict.fromkeys(carry, str),
                skip_blank_lines=skip_blank_lines,
            )

    def _values(self, frame: pd.DataFrame | None, columns: Sequence[int]) -> npt.NDArray[np.float64] | None:
        """The frame's numbers; None unless each column is finite ones, or nothing, and no row is too short."""
        if frame is None or frame[self.form.needed - 1].isna().any():  # a short row ends in nothing
            return None
        wanted = frame if len(columns) == self.form.width else frame[list(columns)]
        if len(frame) and any(kind.kind not in "iuf" for kind in wanted.dtypes):  # text, True, more than 64 bits
            return None
        if any(has_merged(wanted[at].to_numpy()) for at in wanted.columns):
            return None
        values = wanted.to_numpy(np.float64)
        finite = np.isfinite(values)
        return values if finite.all() or (finite.all(axis=0) | np.isnan(values).all(axis=0)).all() else None

    def _rewritten(self, columns: Sequence[int], carry: Sequence[int]) -> _Parsed:
        """The file read cell by cell, then by pandas as it is written plainly."""
        found = rewrite(self.source, self.form, columns, carry)
        if not columns:
            rows = len(next(iter(found.carried.values()), []))
            return _Parsed(np.empty((rows, 0)), found.carried, found.blank, found.commas, found.beyond)
        frame = _parse(found.text, columns, sep=",", decimal=".", dtype=None, skip_blank_lines=False)
        assert frame is not None
        return _Parsed(frame.to_numpy(np.float64), found.carried, found.blank, found.commas, found.beyond)

    def _notes(self, parsed: _Parsed, columns: Sequence[int], full: npt.NDArray[np.bool_]) -> Iterator[str]:
        """What was passed over. Raises ``DataError`` where a column without a name holds something."""
        if parsed.commas:
            yield "decimal commas are read as such: 7,5 is 7.5"
        if parsed.blank:
            yield f"dropped {parsed.blank} empty line{'s' if parsed.blank > 1 else ''}"
        empty = [self._name(at) for at, has in zip(columns, full, strict=True) if not has]
        if without := empty.count("") + parsed.beyond:
            yield f"dropped {without} empty column{'s' if without > 1 else ''} without a name"
        if named := [repr(name)[:60] for name in empty if name]:
            yield f"dropped, as nothing is in {'them' if len(named) > 1 else 'it'}: {some_of(named)}"
        for place, at in enumerate(columns):
            if full[place] and not self._name(at):
                if not counting(parsed.values[:, [place]]):
                    raise unnamed(self.source, self.form, at)
                yield "dropped a column without a name that counts the rows"


def open_csv(path: Path, separator: str | None = None) -> CsvFile:
    """Open a CSV and find its dialect.

    Parameters
    ----------
    path : Path
        Text in UTF-8, with or without a byte-order mark, as it is or packed by gzip.
    separator : str, optional
        One character, or ``tab`` or ``space``; by default the content tells.

    Raises
    ------
    DataError
        Where it cannot be read, has no header, or ``separator`` is none.
    """
    chosen = None if separator is None else check_separator(separator)
    source = open_source(path)
    return CsvFile(source, find_dialect(source, chosen))


def counting(values: npt.NDArray[np.float64]) -> list[int]:
    """Of float64 values, shape (rows, columns): columns that count three rows or more from 0 or 1, as an index."""
    if len(values) < 3:
        return []
    likely = np.flatnonzero(((values[0] == 0) | (values[0] == 1)) & (values[1] == values[0] + 1))
    return [int(at) for at in likely if np.array_equal(values[:, at], values[0, at] + np.arange(len(values)))]


def has_merged(values: npt.NDArray[Any]) -> bool:
    """Whether whole numbers are among these that float64 merges with others; of floats: may have been."""
    beyond = values[(values > MOST_EXACT) | (values < -MOST_EXACT)]
    if values.dtype.kind == "f":
        return bool(np.isfinite(beyond).any())
    return any(int(float(value)) != value for value in beyond.tolist())


def _parse(text: TextIO | BinaryIO, names: Sequence[int], **options: Any) -> pd.DataFrame | None:
    """``text`` below its header by pandas; None where it reads rows otherwise than they are written."""
    try:
        with warnings.catch_warnings():
            # pandas only warns of rows longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: pd.DataFrame = pd.read_csv(
                text,
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
