"""Split columns: which side each row of a table is on, as its author says."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wineexp.data.table import SIDES, Table, read_splits
from wineexp.errors import DataError, nearest
from wineexp.specs.run_spec import RunSpec
from wineexp.text import one_line, some_of

__all__ = ["side_of_rows", "sides_hash", "signed_table"]

Sides = npt.NDArray[np.int8]


def side_of_rows(table: Table, spec: RunSpec) -> Sides:
    """The side of each row of the table, shape (rows,): the number of its word in :data:`~.table.SIDES`.

    Raises
    ------
    DataError
        If the table, or the spec's ``splits`` file, has no such split column, or the file has another length.
    """
    name = spec.split_column
    assert name is not None  # the spec's own check
    columns: Mapping[str, Sides] = table.splits
    where = table.source
    if spec.splits is not None:
        where = spec.splits
        try:
            columns = _of_file(where, Path(where).stat().st_mtime_ns)
        except OSError as error:
            told = "no such file" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
            raise DataError(f"splits: {where}: {told}") from None
    if name not in columns:
        if name in table.frame.columns and spec.splits is None:
            cells = [str(cell).strip() for cell in table.frame[name]]
            row = next(row for row, cell in enumerate(cells) if cell not in SIDES)
            found = repr(one_line(cells[row])[:60]) if cells[row] not in ("", "nan") else "nothing"
            raise DataError(f"{table.place(row)}: column {name!r}: expected train, valid or test, found {found}")
        told = f"no column {name!r} with train, valid or test in every row{nearest(name, columns)}"
        known = f"; there are: {some_of([one_line(one) for one in columns])}" if columns else ""
        raise DataError(f"{where}: {told}{known}")
    sides = columns[name]
    if len(sides) != len(table.frame):
        raise DataError(f"{where}: expected {len(table.frame):,} rows, as the table has, found {len(sides):,}")
    return sides


@functools.lru_cache(maxsize=16)
def _of_file(path: str, _: int) -> Mapping[str, Sides]:
    """The split columns of a second file; read again if it was changed."""
    return read_splits(Path(path))


def signed_table(table: Table, spec: RunSpec) -> str:
    """What the signature has of a table: its identity, and with a split column which rows are on which side."""
    if spec.split != "column":
        return table.identity
    return f"{table.identity}+{sides_hash(side_of_rows(table, spec))}"


def sides_hash(sides: Sides) -> str:
    """16 hex characters of the SHA-256 of the sides, a byte for each row."""
    return hashlib.sha256(np.asarray(sides, np.int8).tobytes()).hexdigest()[:16]
