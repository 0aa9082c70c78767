"""CSV tables of numbers, read exactly: every cell as Python reads it."""

from __future__ import annotations

import csv
import functools
import io
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["Columns", "as_frame", "read_columns", "read_numbers"]

#: Name -> numbers, shape (rows,), int64 or float64.
Columns = dict[str, npt.NDArray[Any]]

#: All that numbers are written with in a table of a run.
_WRITTEN = b"0123456789.+-einfa,\n"


def read_numbers(
    content: bytes, columns: Sequence[str], whole: Sequence[str], optional: Sequence[str] = ()
) -> pd.DataFrame:
    """:func:`read_columns` as a table."""
    return as_frame(read_columns(content, columns, whole, optional))


def as_frame(columns: Columns) -> pd.DataFrame:
    """The table of these columns, which it keeps and does not copy."""
    # pandas takes longer to make the names than the table: all runs share theirs.
    frame = pd.DataFrame(dict(enumerate(columns.values())), copy=False)
    frame.columns = _names(tuple(columns))
    return frame


@functools.lru_cache(maxsize=16)
def _names(names: tuple[str, ...]) -> pd.Index:
    return pd.Index(names)


def read_columns(
    content: bytes, columns: Sequence[str], whole: Sequence[str], optional: Sequence[str] = ()
) -> Columns:
    """Those columns of a CSV table, int64 where they are ``whole``, else float64; ``optional`` ones where there.

    pandas reads the same in ten times as long, and rounds by what its version makes of a number's text.

    Raises
    ------
    ValueError
        Where a column is missing, a row has more or fewer cells than the first line, or a cell is no number.
    """
    written = _as_written(content, columns, whole, optional)
    if written is not None:
        return {name: np.ascontiguousarray(written[name]) for name in written.dtype.names or ()}
    text = content.decode("utf-8-sig")
    rows = _rows(text)
    header = next(rows, [])
    missing = [name for name in columns if name not in header]
    if missing:
        raise ValueError(f"expected columns {', '.join(columns)}; found {', '.join(header) or 'none'}")
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    found = {}
    for name in (*columns, *(name for name in optional if name in header)):
        column = cells[header.index(name)]
        if "_" in "".join(column):
            raise ValueError(f"expected numbers in {name}, found '_', which Python alone takes in them")
        numbers = map(int if name in whole else float, column)
        found[name] = np.fromiter(numbers, np.int64 if name in whole else np.float64)
    return found


def _as_written(
    content: bytes, columns: Sequence[str], whole: Sequence[str], optional: Sequence[str]
) -> npt.NDArray[np.void] | None:
    """The table in the form in which runs are written, read in a quarter of the time; None for any other.

    NumPy reads a number's text with the function that Python reads it with; where they differ, in what may stand
    around it, the text has none of that. What is wrong with a table that is refused here, the other reader says.
    """
    head, _, body = content.partition(b"\n")
    names = head.decode("latin-1").split(",")
    if names != [*columns, *(name for name in optional if name in names)] or body.translate(None, _WRITTEN):
        return None
    kinds = np.dtype([(name, np.int64 if name in whole else np.float64) for name in names])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no rows; with an earlier NumPy, a whole number as 1.0
            return np.loadtxt(io.StringIO(body.decode()), kinds, comments=None, delimiter=",", ndmin=1)
    except (ValueError, Warning):
        return None


def _rows(text: str) -> Iterator[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = None
    try:
        for row in reader:
            if len(row) > 1 or "".join(row).strip():  # a blank line is none
                width = width or len(row)
                if len(row) != width:
                    raise ValueError(f"expected {width} cells in line {reader.line_num}, found {len(row)}")
                yield row
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from None
