"""How the real table is known: its shape and figures, where a file is another's, and the bytes that UCI serves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from wineexp.data.facts import RED_WINE_COLUMNS, RED_WINE_FINGERPRINT
from wineexp.data.simulated import LEVELS, QUANTILES, ROWS
from wineexp.data.table import Table, read_table
from wineexp.errors import DataError
from wineexp.text import format_bytes

__all__ = ["FILE_NAME", "MAX_BYTES", "difference", "read_red_wine", "served_bytes"]

#: The table's name at UCI, and in the cache.
FILE_NAME = "winequality-red.csv"

#: No file that holds the table is larger: UCI's zip has about 100 kB, its CSV 84 kB.
MAX_BYTES = 2_000_000

#: The one number that UCI writes with a zero that it does not need: row, column, text.
_LONG = (151, "sulphates", "2.0")


def read_red_wine(path: Path) -> Table:
    """Read a file that nobody named but that may hold the real table, as its name says.

    Raises
    ------
    DataError
        Where it is no such file, or holds another table: then with what to do to train on it.
    """
    if not path.is_file():
        raise DataError(f"{path}: expected a file, found a directory or a device")
    if (size := path.stat().st_size) > MAX_BYTES:
        found = f"{format_bytes(size)}, too much for it"
    else:
        table = read_table(path)
        table.check_numbers()
        found = difference(table) or ""
        if not found:
            return table
    raise DataError(f"{path}: expected the red-wine table, found {found}; to train on it: --data ./{path}")


def difference(table: Table) -> str | None:
    """What a table has that is not the real table's, in words; None where nothing differs."""
    names = list(table.frame.columns)
    if table.kind == "red-wine":
        return None
    if table.fingerprint == RED_WINE_FINGERPRINT:
        return "its values under other column names"
    shape = f"{len(table.frame):,} rows of {len(names)} columns"
    if missing := [name for name in RED_WINE_COLUMNS if name not in names]:
        return f"{shape}, without {_some(missing)}"
    if len(names) > len(RED_WINE_COLUMNS):
        return f"{shape}, which are more than its {len(RED_WINE_COLUMNS)}"
    if names != list(RED_WINE_COLUMNS):
        found, expected = next(pair for pair in zip(names, RED_WINE_COLUMNS, strict=True) if len(set(pair)) > 1)
        return f"{shape}, of which {repr(found)[:60]} stands where {expected!r} is expected"
    if len(table.frame) != ROWS:
        return f"{shape} instead of {ROWS:,}"
    quantiles = np.quantile(table.frame.to_numpy(), LEVELS, axis=0).T
    same = np.isclose(quantiles, QUANTILES, rtol=1e-5).all(axis=1)
    if other := [name for name, equal in zip(names, same, strict=True) if not equal]:
        return f"other values in {_some(other)}"
    return "its rows in another order, or some values changed"


def served_bytes(frame: pd.DataFrame) -> bytes:
    """The file as UCI serves it, made of the real table's values: the same bytes for every copy of it."""
    lines = [[f'"{name}"' for name in RED_WINE_COLUMNS]]
    lines += [[repr(value + 0.0).removesuffix(".0") for value in row] for row in frame.to_numpy().tolist()]
    row, name, text = _LONG
    lines[row + 1][list(RED_WINE_COLUMNS).index(name)] = text
    return "".join(f"{';'.join(line)}\n" for line in lines).encode()


def _some(columns: list[str]) -> str:
    more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return f"{columns[0]!r}{more}"
