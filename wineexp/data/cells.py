"""The numbers of a CSV: read at once by pandas if the file is plain, else cell by cell."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.csv_source import CsvSource
from wineexp.data.dialect import Dialect, check_separator, find_dialect
from wineexp.data.rewriting import MAX_CELLS, Hole, Parsed, Survey, parse, rewrite, row_lines, survey, unnamed
from wineexp.errors import DataError, nearest
from wineexp.text import some_of

__all__ = ["Cells", "CsvFile", "counting", "has_merged", "open_csv"]

#: float64 has every whole number up to this one.
MOST_EXACT = 2**53


@dataclass(frozen=True)
class Cells:
    """The columns that were read.

    Attributes
    ----------
    numbers : pandas.DataFrame, shape (rows, columns), dtype float64
        Finite, or NaN in a hole; columns in file order, index 0 to rows - 1; those without a value are left out.
    empty : tuple of str
        Names of wanted columns without a value.
    carried : dict of str to list of str
        The cells, unchanged, of columns that were to be carried, are not numbers, or have holes (unless these are
        too many).
    notes : tuple of str
        Which cells were dropped, or could be read in another way.
    faults : dict of str to str
        For each column that is not numbers in every row: its first fault, with line and column.
    lines : list of int or None
        The line of each row; None if all columns are numbers without holes.
    holes : dict of str to Hole
        For each column of numbers in which some rows have none.
    """

    numbers: pd.DataFrame
    empty: tuple[str, ...]
    carried: dict[str, list[str]]
    notes: tuple[str, ...]
    faults: dict[str, str]
    lines: list[int] | None
    holes: dict[str, Hole]


@dataclass(frozen=True)
class CsvFile:
    """A CSV whose dialect is known."""

    source: CsvSource
    form: Dialect

    @property
    def names(self) -> list[str]:
        """The names in the header."""
        return [name for name in self.form.names if name.strip()]

    def read(self, only: Collection[str], carry: Sequence[str] = (), *, holes: bool = False) -> Cells:
        """Read the numbers of some columns; the content and names of others do not matter.

        Parameters
        ----------
        only : collection of str
            The wanted columns; the file may lack some.
        carry : sequence of str
            Columns to return as text.
        holes : bool
            Whether cells may have no value.

        Raises
        ------
        DataError
            Naming file, line and column of the first thing wrong: a repeated column, a row of another length,
            text, a missing value, NaN or infinity where a number is wanted; no rows.
        """
        columns = [at for at in range(self.form.width) if self._name(at) in only]
        self._check_names([*(self._name(at) for at in columns), *carry])
        places = [self.form.names.index(name) for name in carry]
        holed = columns if holes else ()
        return self._cells(
            columns, self._plain(columns, places) or rewrite(self.source, self.form, columns, places, holed)
        )

    def read_all(self) -> Cells:
        """Read all columns: numbers, and the text of those that are not numbers in every row.

        Raises
        ------
        DataError
            As :meth:`read`, but not for a column's content; for a column without a name, unless it is empty or
            counts the rows.
        """
        columns = list(range(self.form.width))
        self._check_names([name for at in columns if (name := self._name(at))])
        if parsed := self._plain(columns, ()):
            return self._cells(columns, parsed)
        kinds = survey(self.source, self.form)
        columns = [at for at in columns if at not in kinds.faults]
        carried = list(kinds.faults)
        if len(kinds.lines) * (len(carried) + len(kinds.holes)) <= MAX_CELLS:
            carried += kinds.holes
        return self._cells(columns, rewrite(self.source, self.form, columns, carried, kinds.holes), kinds)

    def place(self, row: int) -> str:
        """A row's file and line, for an error."""
        return f"{self.source.path}:{row_lines(self.source, self.form)[row]}"

    def _cells(self, columns: Sequence[int], parsed: Parsed, kinds: Survey | None = None) -> Cells:
        values = parsed.values
        if not len(values):
            raise DataError(f"{self.source.path}: expected rows of numbers below the header, found none")
        full = np.asarray(~np.isnan(values).all(axis=0))
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
            faults={self._name(at): fault for at, fault in kinds.faults.items()} if kinds else {},
            lines=kinds.lines if kinds and (kinds.faults or kinds.holes) else None,
            holes={self._name(at): hole for at, hole in kinds.holes.items()} if kinds else {},
        )

    def _name(self, at: int) -> str:
        """The column's name; an empty text if it has none."""
        name = self.form.names[at] if at < len(self.form.names) else ""
        return name if name.strip() else ""

    def _check_names(self, wanted: Sequence[str]) -> None:
        where = f"{self.source.path}:{self.form.line}"
        for name in wanted:
            if name not in self.form.names:
                raise DataError(f"{where}: no column {name!r}{nearest(name, self.names)}")
            if self.form.names.count(name) > 1:
                raise DataError(f"{where}: column {name!r} occurs twice in the header")

    def _plain(self, columns: Sequence[int], carry: Sequence[int]) -> Parsed | None:
        """The columns as pandas reads them directly; None if the cells must be looked at one by one."""
        form, blank, text_columns = self.form, 0, dict.fromkeys(carry, str)
        for skip in (False, True):
            options = {"decimal": form.decimal, "dtype": text_columns, "skip_blank_lines": skip}
            with self.source.text(skip=form.skip) as text:
                frame = parse(text, range(form.width), form.separator, **options)
            if frame is None:
                return None
            if (values := self._values(frame, columns)) is not None:
                carried = {at: frame[at].fillna("").tolist() for at in carry}
                return Parsed(values, carried, blank, form.decimal == ",")
            if not (blank := int(frame.isna().all(axis=1).sum())):
                return None
            # again, without blank lines: beside one, pandas reads whole numbers as floats
        return None

    def _values(self, frame: pd.DataFrame, columns: Sequence[int]) -> npt.NDArray[np.float64] | None:
        """The frame's numbers; None unless each column is finite or empty, and no row is too short."""
        if frame[self.form.needed - 1].isna().any():  # a short row ends in nothing
            return None
        wanted = frame if len(columns) == self.form.width else frame[list(columns)]
        if len(frame) and any(kind.kind not in "iuf" for kind in wanted.dtypes):  # text, True, more than 64 bits
            return None
        if any(has_merged(wanted[at].to_numpy()) for at in wanted.columns):
            return None
        values = wanted.to_numpy(np.float64)
        finite = np.isfinite(values)
        return values if finite.all() or (finite.all(axis=0) | np.isnan(values).all(axis=0)).all() else None

    def _notes(self, parsed: Parsed, columns: Sequence[int], full: npt.NDArray[np.bool_]) -> Iterator[str]:
        """Notes on what was dropped; raise ``DataError`` for an unnamed column of values that is no index."""
        if parsed.commas:
            yield "numbers have decimal commas: 7,5 is read as 7.5"
        if parsed.blank:
            yield f"dropped {parsed.blank} empty line{'s' if parsed.blank > 1 else ''}"
        empty = [self._name(at) for at, has in zip(columns, full, strict=True) if not has]
        if without := empty.count("") + parsed.beyond:
            yield f"dropped {without} unnamed empty column{'s' if without > 1 else ''}"
        if named := [repr(name)[:60] for name in empty if name]:
            yield f"dropped empty column{'s' if len(named) > 1 else ''}: {some_of(named)}"
        for place, at in enumerate(columns):
            if full[place] and not self._name(at):
                if not counting(parsed.values[:, [place]]):
                    raise unnamed(self.source, self.form, at)
                yield "dropped an unnamed column of row numbers"


def open_csv(path: Path, separator: str | None = None) -> CsvFile:
    """Open a CSV and find its dialect.

    Parameters
    ----------
    path : Path
        Text in UTF-8, with or without a byte-order mark, as it is or packed by gzip.
    separator : str, optional
        One character, or a name such as ``tab`` or ``space``; by default it is found from the content.

    Raises
    ------
    DataError
        If it cannot be read or has no header, or ``separator`` is none.
    """
    chosen = None if separator is None else check_separator(separator)
    source = CsvSource.open(path)
    return CsvFile(source, find_dialect(source, chosen))


def counting(values: npt.NDArray[np.float64]) -> list[int]:
    """Columns that count three rows or more from 0 or 1, as an index; ``values`` has shape (rows, columns)."""
    if len(values) < 3:
        return []
    likely = np.flatnonzero(((values[0] == 0) | (values[0] == 1)) & (values[1] == values[0] + 1))
    return [int(at) for at in likely if np.array_equal(values[:, at], values[0, at] + np.arange(len(values)))]


def has_merged(values: npt.NDArray[Any]) -> bool:
    """Whether float64 merges a whole number among ``values`` with another; of floats: whether it may have."""
    beyond = values[(values > MOST_EXACT) | (values < -MOST_EXACT)]
    if values.dtype.kind == "f":
        return bool(np.isfinite(beyond).any())
    return any(int(float(value)) != value for value in beyond.tolist())
