"""The table: columns of finite numbers, with its fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wineexp.data.cells import counting, open_csv
from wineexp.data.facts import Kind
from wineexp.errors import DataError, nearest
from wineexp.text import one_line, visible

__all__ = [
    "RED_WINE_SHA256",
    "Table",
    "check_target",
    "fingerprint",
    "read_table",
    "table_of_frame",
]

#: SHA-256 of ``winequality-red.csv`` as UCI serves it (data set 186; 84,199 bytes).
RED_WINE_SHA256 = "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e"

#: :func:`fingerprint` of that file's values; a ``,`` copy of it has the same one.
RED_WINE_FINGERPRINT = "b5664dbe786986a1b3838a92884cc19d31bec1404f3975952f5f17c71999665c"


@dataclass(frozen=True)
class Table:
    """A numeric table and where it came from.

    Attributes
    ----------
    frame : pandas.DataFrame, shape (rows, columns), dtype float64
        The values, finite, columns in file order, index 0 to rows - 1.
    source : str
        For people: the path, address or program that gave the table.
    kind : {"red-wine", "simulated", "custom"}
        The real red-wine table, its stand-in, or any other file.
    notes : tuple of str
        What a reader must know of it: what was dropped, what looks like an index.
    empty : tuple of str
        Names of columns that were dropped, as they hold nothing.
    """

    frame: pd.DataFrame
    source: str
    kind: Kind
    notes: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """See :func:`fingerprint`."""
        return fingerprint(self.frame)

    @property
    def feature_count(self) -> int:
        """Columns beside the target."""
        return len(self.frame.columns) - 1


def fingerprint(frame: pd.DataFrame) -> str:
    """SHA-256 of the values in column order as little-endian float64; separators and spelling don't count."""
    digest = hashlib.sha256()
    for column in frame.to_numpy("<f8").T:
        digest.update((column + 0.0).data)  # + 0.0: -0.0 equals 0.0
    return digest.hexdigest()


def read_table(path: str | os.PathLike[str], source: str | None = None, *, sep: str | None = None) -> Table:
    """Read a CSV of numbers with a header, in whatever dialect: docs/formats.md has the table.

    Parameters
    ----------
    path : path-like
        UTF-8 text, with or without a byte-order mark; gzip is known by its bytes.
    source : str, optional
        What to show instead of the path in messages.
    sep : str, optional
        The separator; by default ``,``, ``;``, tab or ``|``, as the content tells.

    Raises
    ------
    DataError
        Naming file, line and column of the first thing wrong: no file, no header, a repeated column,
        a row of another length, text, a missing value, NaN or infinity in a number column.
    """
    found = open_csv(Path(path), sep).read()
    if not len(found.numbers.columns):
        raise DataError(f"{path}: expected numbers below the header, found empty columns")
    notes = (*found.notes, *_index_notes(found.numbers, str(path)))
    return Table(found.numbers, visible(source or str(path)), _kind(found.numbers), notes, found.empty)


def table_of_frame(frame: pd.DataFrame) -> Table:
    """A table of a DataFrame's values; its index is not used.

    Raises
    ------
    DataError
        Naming the first column that does not hold finite numbers, or whose name is not text or is repeated.
    """
    where = "the DataFrame"
    if not len(frame) or not len(frame.columns):
        raise DataError(f"{where}: expected rows of numbers, found shape {frame.shape}")
    for name in frame.columns:
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"{where}: expected text as a column's name, found {name!r}")
        if list(frame.columns).count(name) > 1:
            raise DataError(f"{where}: column {name!r} occurs twice")
        if frame[name].dtype.kind not in "iuf":
            raise DataError(f"{where}: column {name!r}: expected numbers, found {frame[name].dtype}")
        if not np.isfinite(frame[name].to_numpy(np.float64)).all():
            raise DataError(f"{where}: column {name!r}: expected finite numbers, found missing or infinite ones")
    values = frame.astype("float64").reset_index(drop=True)
    return Table(values, "a DataFrame", _kind(values), tuple(_index_notes(values, where)))


def _index_notes(frame: pd.DataFrame, where: str) -> Iterator[str]:
    """What of the table may be an index."""
    for at in counting(frame.to_numpy()):
        name = frame.columns[at]
        yield f"{where}: column {name!r} counts the rows; if it is an index, leave it out of the table"


def _kind(frame: pd.DataFrame) -> Kind:
    return "red-wine" if fingerprint(frame) == RED_WINE_FINGERPRINT else "custom"


def check_target(table: Table, target: str) -> None:
    """Raise ``DataError`` unless ``target`` is a column that varies and there are others to predict it from."""
    columns = list(table.frame.columns)
    if target not in columns:
        if target in table.empty:
            raise DataError(f"{table.source}: column {target!r}: expected numbers, found nothing in every row")
        has = ", ".join(map(one_line, columns))
        raise DataError(f"{table.source}: no column {target!r}{nearest(target, columns)}; it has: {has}")
    if len(columns) < 2:
        raise DataError(f"{table.source}: expected features beside the target {target!r}, found none")
    values = table.frame[target].to_numpy()
    if (values == values[0]).all():
        raise DataError(
            f"{table.source}: column {target!r}: expected a target that varies, found {values[0]:g} in every row"
        )
