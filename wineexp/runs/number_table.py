"""CSV tables of numbers, read exactly: every cell as Python reads it."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.csv_source import check_lines, is_blank, read_rows
from wineexp.text import some_of

__all__ = ["Columns", "as_frame", "read_columns"]

#: Name -> numbers, shape (rows,), int64 or float64.
Columns = dict[str, npt.NDArray[Any]]

#: All characters of numbers in a run's table.
_WRITTEN = b"0123456789.+-einfa,\n"


def as_frame(columns: Columns) -> pd.DataFrame:
    """The table of these columns, without copying them."""
    # pandas takes longer for the names than for the table, so all runs share theirs.
    frame = pd.DataFrame(dict(enumerate(columns.values())), copy=False)
    frame.columns = _names(tuple(columns))
    return frame


@functools.lru_cache(maxsize=16)
def _names(names: tuple[str, ...]) -> pd.Index:
    return pd.Index(names)


def read_columns(
    content: bytes,
    columns: Sequence[str],
    whole: Sequence[str],
    optional: Sequence[str] = (),
    texts: Mapping[str, Mapping[str, int]] | None = None,
) -> Columns:
    """Read columns of a CSV table: int64 if they are ``whole``, else float64; ``optional`` ones if present.

    ``texts``: columns of text, each with the number that stands for each legal cell.

    pandas takes ten times as long, and the last digit of a number depends on its version.

    Raises
    ------
    ValueError
        If a column is missing, a row has more or fewer cells than the first, a line is too long, or a cell is not
        a number.
    """
    check_lines(io.BytesIO(content))
    if not texts and (table := _as_written(content, columns, whole, optional)) is not None:
        return {name: np.ascontiguousarray(table[name]) for name in table.dtype.names or ()}
    rows = _rows(content.decode("utf-8-sig"))
    header = next(rows, [])
    if any(name not in header for name in columns):
        raise ValueError(f"expected columns {', '.join(columns)}; found {', '.join(header) or 'none'}")
    cells = list(zip(*rows, strict=True)) or [()] * len(header)
    numbers: Columns = {}
    for name in (*columns, *(name for name in optional if name in header)):
        column = cells[header.index(name)]
        if texts and name in texts:
            numbers[name] = _numbered(name, column, texts[name])
            continue
        if "_" in "".join(column):
            raise ValueError(f"expected numbers in {name}, found '_', which Python alone takes in them")
        kind, dtype = (int, np.int64) if name in whole else (float, np.float64)
        numbers[name] = np.fromiter(map(kind, column), dtype)
    return numbers


def _numbered(name: str, column: Sequence[str], legal: Mapping[str, int]) -> npt.NDArray[np.int64]:
    if wrong := next((cell for cell in column if cell not in legal), None):
        raise ValueError(f"expected one of {some_of(list(legal))} in {name}, found {wrong[:60]!r}")
    return np.fromiter(map(legal.__getitem__, column), np.int64)


def _as_written(
    content: bytes, columns: Sequence[str], whole: Sequence[str], optional: Sequence[str]
) -> npt.NDArray[np.void] | None:
    """The table if it has the form in which runs are written, else None; this takes a quarter of the time.

    NumPy parses a number with the same function as Python. They differ in the characters allowed around it, and a
    table of this form has none of those. For a faulty table, the other reader raises the error.
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
    """The rows, each as long as the first; blank lines are skipped."""
    width = None
    for _, line, row in read_rows(io.StringIO(text, newline="")):
        if len(row) > 1 or not is_blank(row):
            width = width or len(row)
            if len(row) != width:
                raise ValueError(f"expected {width} cells in line {line}, found {len(row)}")
            yield row
