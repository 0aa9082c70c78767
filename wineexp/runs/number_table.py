"""CSV tables of numbers, read exactly: every cell as Python reads it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

__all__ = ["read_numbers"]


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
