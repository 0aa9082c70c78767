"""CSV tables of numbers, read exactly: every cell as Python reads it."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["read_numbers"]

#: All that numbers are written with in a table of a run.
_WRITTEN = b"0123456789.+-einfa,\n"


def read_numbers(
    content: bytes, columns: Sequence[str], whole: Sequence[str], optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Those columns of a CSV table, int64 where they are ``whole``, else float64; ``optional`` ones where there.

    pandas reads the same in ten times as long, and rounds by what its version makes of a number's text.

    Raises
    ------
    ValueError
        Where a column is missing, a row has more or fewer cells than the first line, or a cell is no number.
    """
    written = _as_written(content, columns, whole, optional)
    if written is not None:
        return pd.DataFrame({name: written[name] for name in written.dtype.names or ()})
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
    return pd.DataFrame(found)


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
