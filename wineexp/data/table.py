"""The table: columns of finite numbers, or of text, with its fingerprint."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.cells import Cells, counting, has_merged, open_csv
from wineexp.data.facts import RED_WINE_COLUMNS, RED_WINE_FINGERPRINT, Kind, TableFacts, headings, table_identity
from wineexp.data.rewriting import UNMERGED, Hole
from wineexp.errors import DataError, nearest
from wineexp.text import one_line, visible

__all__ = [
    "RED_WINE_SHA256",
    "SIDES",
    "Table",
    "check_target",
    "check_varies",
    "find_target",
    "fingerprint",
    "is_recorded",
    "read_splits",
    "read_table",
    "table_of_frame",
    "with_columns",
]

#: SHA-256 of ``winequality-red.csv`` as UCI serves it (data set 186; 84,199 bytes).
RED_WINE_SHA256 = "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e"

#: The words of a split column: a column with no others is one, and never a feature.
SIDES = ("train", "valid", "test")

#: The name that pandas gives a column without one.
_UNNAMED = re.compile(r"Unnamed: \d+")


@dataclass(frozen=True)
class Table:
    """A table and where it came from.

    Attributes
    ----------
    frame : pandas.DataFrame, shape (rows, columns)
        Columns in file order, index 0 to rows - 1. Each is float64 and finite but for its holes, which are NaN,
        or, if it is not numbers, text (dtype object) without the spaces around it, which may be empty.
    source : str
        The path, address or program that the table came from, for messages.
    kind : {"red-wine", "simulated", "custom"}
        The real red-wine table, its stand-in, or any other file.
    notes : tuple of str
        Facts that a reader must know: which cells were dropped, or could be read in another way.
    empty : tuple of str
        Names of columns that were dropped because they are empty.
    faults : mapping of str to str
        For each column of text: its first cell that is no number, with its place.
    lines : list of int or None
        The file's line of each row, if known.
    holes : mapping of str to Hole
        For each column of numbers in which some rows have none: how many, and the first.
    splits : mapping of str to int8 array, shape (rows,)
        The split columns, which are no part of ``frame``: each row's side, by its number in :data:`SIDES`.
    earlier : str or None
        The fingerprint of a table with holes as earlier versions made it, to which such columns were text.
    """

    frame: pd.DataFrame
    source: str
    kind: Kind
    notes: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    faults: Mapping[str, str] = field(default_factory=dict)
    lines: list[int] | None = None
    holes: Mapping[str, Hole] = field(default_factory=dict)
    splits: Mapping[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    earlier: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """See :func:`fingerprint`."""
        return fingerprint(self.frame)

    @cached_property
    def identity(self) -> str:
        """A hash that no other table has: see :func:`~wineexp.data.facts.table_identity`."""
        return table_identity(self.fingerprint, self.frame.columns)

    @cached_property
    def counts(self) -> frozenset[str]:
        """Columns that count the rows, from 0 or 1."""
        numbers = [name for name in self.frame.columns if name not in self.faults]
        return frozenset(numbers[at] for at in counting(self.frame[numbers].to_numpy(np.float64)))

    @cached_property
    def index_like(self) -> frozenset[str]:
        """Columns that count the rows, or whose name pandas gives to an index that was written and read."""
        return self.counts | {name for name in self.frame.columns if _UNNAMED.fullmatch(name)}

    @cached_property
    def category_counts(self) -> dict[str, int]:
        """Number of different texts in each column of text."""
        return {name: self.frame[name].nunique() for name in self.faults}

    @cached_property
    def distinct(self) -> frozenset[str]:
        """Columns with a different value in every row, as an index or an ID has."""
        return frozenset(name for name in self.frame.columns if self.frame[name].is_unique)

    def same_rows(self, columns: Sequence[str]) -> npt.NDArray[np.int64]:
        """The number of each row among the different rows in these columns, by first appearance: shape (rows,).

        Found once for these columns: on many rows it takes as long as reading them.
        """
        key = tuple(columns)
        if key not in self._same_rows:
            numbers = self.frame.groupby(list(columns), sort=False, dropna=False).ngroup()
            self._same_rows[key] = np.asarray(numbers, dtype=np.int64)
        return self._same_rows[key]

    @cached_property
    def _same_rows(self) -> dict[tuple[str, ...], npt.NDArray[np.int64]]:
        return {}

    def place(self, row: int) -> str:
        """A row's source and line, for an error."""
        if self.lines is None:
            return f"{self.source}: row {row}, counted from 0"
        return f"{self.source}:{self.lines[row]}"

    def check_numbers(self, names: Iterable[str] | None = None) -> None:
        """Raise ``DataError`` if one of these columns, by default all, is not numbers in every row."""
        for name in self.frame.columns if names is None else names:
            if name in self.faults:
                raise DataError(self.faults[name])
            if name in self.holes:
                place = self.place(self.holes[name].row)
                raise DataError(f"{place}: column {name!r}: expected a number, found nothing")


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 of the values, column by column; separators and the spelling of numbers don't count.

    Numbers are hashed as little-endian float64. A column of text is hashed as ``text``, then each cell in UTF-8
    with the number of its bytes in front, in eight bytes, little-endian. A hole is hashed as NaN.
    """
    digest = hashlib.sha256()
    for at in range(len(frame.columns)):
        column = frame.iloc[:, at]
        if column.dtype.kind in "iuf":
            values = column.to_numpy("<f8") + 0.0  # -0.0 equals 0.0
            values[np.isnan(values)] = np.nan  # of which there are many
            digest.update(values.data)
            continue
        digest.update(b"text")
        for cell in column:
            content = cell.encode("utf-8", "surrogatepass")  # a DataFrame may hold halves of characters
            digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


def read_table(path: str | os.PathLike[str], source: str | None = None, *, sep: str | None = None) -> Table:
    """Read a CSV with a header, in any dialect that docs/formats.md lists.

    A column's content is refused only where it is used: see :meth:`Table.check_numbers`.

    Parameters
    ----------
    path : path-like
        UTF-8 text, with or without a byte-order mark; gzip is known by its bytes.
    source : str, optional
        Shown in messages instead of the path.
    sep : str, optional
        The separator; by default ``,``, ``;``, tab or ``|``, found from the content.

    Raises
    ------
    DataError
        Naming file, line and column of the first fault: no file, no header, a repeated column, a row of another
        length.
    """
    file = open_csv(Path(path), sep)
    cells, splits = _without_splits(file.read_all())
    frame = _whole(cells, file.names)
    if not len(frame.columns):
        raise DataError(f"{path}: expected numbers below the header, found empty columns")
    shown = visible(source or str(path))
    earlier = None
    if cells.holes and cells.holes.keys() <= cells.carried.keys():
        earlier = fingerprint(_whole(cells, file.names, as_text=True))
    return Table(
        frame,
        shown,
        _kind(frame),
        cells.notes,
        cells.empty,
        cells.faults,
        cells.lines,
        cells.holes,
        splits,
        earlier,
    )


def read_splits(path: Path) -> dict[str, npt.NDArray[np.int8]]:
    """The split columns of a CSV, whose other columns may hold anything; raises as :func:`read_table`."""
    return _without_splits(open_csv(path, None).read_all())[1]


def _without_splits(cells: Cells) -> tuple[Cells, dict[str, npt.NDArray[np.int8]]]:
    """The columns but for split columns, and these."""
    splits = {}
    for name in cells.faults:
        texts = [cell.strip() for cell in cells.carried[name]]
        if set(texts) <= set(SIDES):
            splits[name] = np.array([SIDES.index(text) for text in texts], np.int8)
    if not splits:
        return cells, splits
    carried = {name: column for name, column in cells.carried.items() if name not in splits}
    faults = {name: fault for name, fault in cells.faults.items() if name not in splits}
    return replace(cells, carried=carried, faults=faults), splits


def _whole(cells: Cells, names: list[str], *, as_text: bool = False) -> pd.DataFrame:
    """Numbers and text in the order of the file; with ``as_text`` numbers with holes too are text."""
    if not cells.faults and not as_text:
        return cells.numbers
    columns = {name: cells.numbers[name] for name in cells.numbers.columns}
    for name, column in cells.carried.items():
        if as_text or name not in cells.holes:
            columns[name] = pd.Series([cell.strip() for cell in column], dtype=object)
    return pd.DataFrame({name: columns[name] for name in names if name in columns})


def table_of_frame(frame: pd.DataFrame) -> Table:
    """Make a table of a DataFrame's values; its index is not used.

    Columns that are not finite numbers in every row become text, as in a CSV of it: see :class:`Table`.

    Raises
    ------
    DataError
        If a column's name is not text or is repeated, naming the first; if there are no rows.
    """
    where = "the DataFrame"
    if not len(frame) or not len(frame.columns):
        raise DataError(f"{where}: expected rows of numbers, found shape {frame.shape}")
    columns: dict[str, pd.Series] = {}
    faults: dict[str, str] = {}
    holes: dict[str, Hole] = {}
    splits: dict[str, npt.NDArray[np.int8]] = {}
    for at, name in enumerate(frame.columns):
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where}: expected text as a column's name, found {name!r}")
        if name in columns or name in splits:
            raise DataError(f"{where}: column {name!r} occurs twice")
        columns[name] = _numbers(frame.iloc[:, at])
        missing = columns[name].isna().to_numpy()
        if missing.any() and not missing.all() and columns[name].dtype.kind in "iuf":
            holes[name] = Hole(int(missing.sum()), int(missing.argmax()))
        if (sides := _sides(columns[name])) is not None:
            splits[name] = sides
            del columns[name]
            continue
        if fault := _fault(columns[name]):
            columns[name], faults[name] = _text(columns[name]), f"{where}: column {name!r}: {fault}"
            holes.pop(name, None)
    if not columns:
        raise DataError(f"{where}: expected columns of numbers, found split columns alone")
    if not faults and not holes and not splits:
        values = frame.astype("float64").reset_index(drop=True)
    else:
        numbers = {
            name: column.to_numpy(np.float64, na_value=np.nan)
            for name, column in columns.items()
            if name not in faults
        }
        values = pd.DataFrame({name: numbers.get(name, column) for name, column in columns.items()})
        values = values.reset_index(drop=True)
    texts = {name: _text(frame[name]) for name in holes}  # as a CSV of it would have
    earlier = fingerprint(with_columns(values, texts)) if holes else None
    return Table(values, "a DataFrame", _kind(values), faults=faults, holes=holes, splits=splits, earlier=earlier)


def with_columns(frame: pd.DataFrame, columns: Mapping[str, Any]) -> pd.DataFrame:
    """A frame with these columns in place of its own; ``assign`` would fail for one that is called ``self``."""
    changed = frame.copy(deep=False)
    for name, values in columns.items():
        changed[name] = np.asarray(values)
    return changed


def _sides(column: pd.Series) -> npt.NDArray[np.int8] | None:
    """A split column's sides; None for any other column."""
    if column.dtype.kind in "iufb" or column.isna().any():
        return None
    cells = [cell.strip() if isinstance(cell, str) else cell for cell in column]
    if not all(cell in SIDES for cell in cells):
        return None
    return np.array([SIDES.index(cell) for cell in cells], np.int8)


def _numbers(column: pd.Series) -> pd.Series:
    """A column of Python's numbers, and perhaps of nothing, as numbers with holes; any other as it is."""
    if column.dtype != object:
        return column
    there = column[~column.isna()]
    if not len(there) or not all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in there):
        return column
    whole = len(there) == len(column) and all(isinstance(one, int) for one in there)
    try:
        return column.astype("int64" if whole else "float64")
    except OverflowError:  # which is refused by name where it is used
        return column


def _fault(column: pd.Series) -> str | None:
    """Why a DataFrame's column is not finite numbers; None if it is."""
    if column.dtype.kind not in "iuf":
        return f"expected numbers, found {column.dtype}"
    known = column.dropna()
    if not len(known) or not np.isfinite(known.to_numpy(np.float64)).all():
        return "expected finite numbers, found missing or infinite ones"
    if column.dtype.kind in "iu" and has_merged(known.to_numpy()):
        merged = next(value for value in known.tolist() if int(float(value)) != value)
        return f"expected {UNMERGED}, found {merged}"
    return None


def _text(column: pd.Series) -> pd.Series:
    """A DataFrame's column as a CSV would have it."""
    missing = column.isna().to_numpy()
    cells = ["" if gone else str(cell).strip() for cell, gone in zip(column, missing, strict=True)]
    return pd.Series(cells, dtype=object)


def _kind(frame: pd.DataFrame) -> Kind:
    """The kind; headings and values together make the red-wine table."""
    named = headings(frame.columns) == tuple(RED_WINE_COLUMNS)
    return "red-wine" if named and fingerprint(frame) == RED_WINE_FINGERPRINT else "custom"


def check_target(table: Table, target: str, classes: str = "") -> None:
    """Raise ``DataError`` unless ``target`` is a column of numbers that vary, and the table has others.

    ``classes``: what to say of a column of text that may be labels.
    """
    find_target(table, target)
    if target in table.faults:
        raise DataError(f"{table.faults[target]}{classes}")
    check_varies(table, target, table.frame[target].dropna())


def check_varies(table: Table, target: str, values: pd.Series) -> None:
    """Raise ``DataError`` if the target has one number in all of its rows, or of those that are used."""
    if values.nunique() == 1:
        rows = "every row" if len(values) == len(table.frame) else "every row that is used"
        raise DataError(
            f"{table.source}: column {target!r}: expected a target that varies, found {values.iloc[0]:g} in {rows}"
        )


def is_recorded(table: Table, facts: TableFacts) -> bool:
    """Whether a run's record is of this table, by its values and headings; an earlier version's too."""
    known = [table.fingerprint, *([] if table.earlier is None else [table.earlier])]
    return any(facts.is_of(fingerprint, table.frame.columns) for fingerprint in known)


def find_target(table: Table, target: str) -> None:
    """Raise ``DataError`` unless the table has a column ``target``, and others."""
    columns = list(table.frame.columns)
    if target not in columns:
        if target in table.splits:
            raise DataError(
                f"{table.source}: column {target!r}: expected other values than {', '.join(SIDES)}, which make it "
                "a split column and no target; rename them"
            )
        if target in table.empty:
            raise DataError(f"{table.source}: column {target!r}: expected numbers, found nothing in every row")
        has = ", ".join(map(one_line, columns))
        absent = f"no column {target!r}{nearest(target, columns)}"
        raise DataError(f"{table.source}: {absent}; --target names the column to predict, one of: {has}")
    if len(columns) < 2:
        raise DataError(f"{table.source}: expected features other than the target {target!r}, found none")
