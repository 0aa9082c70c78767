"""How the real table is recognized, how another table differs from it, and the bytes that UCI serves."""

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

#: Limit for a file with the table: UCI's zip has about 100 kB, its CSV 84 kB.
MAX_BYTES = 2_000_000

#: The only number that UCI writes with a superfluous zero: row, column, text.
_LONG = (151, "sulphates", "2.0")


def read_red_wine(path: Path) -> Table:
    """Read a file that the user did not name, but whose name says that it may be the real table.

    Raises
    ------
    DataError
        When it is no file, or holds another table; the message says how to train on that.
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
    """How a table differs from the real one, in words; None if it does not."""
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
        return f"{shape}, with {repr(found)[:60]} where {expected!r} is expected"
    if len(table.frame) != ROWS:
        return f"{shape} instead of {ROWS:,}"
    quantiles = np.quantile(table.frame.to_numpy(), LEVELS, axis=0).T
    same = np.isclose(quantiles, QUANTILES, rtol=1e-5).all(axis=1)
    if changed := [name for name, equal in zip(names, same, strict=True) if not equal]:
        return f"other values in {_some(changed)}"
    return "its rows in another order, or some values changed"


def served_bytes(frame: pd.DataFrame) -> bytes:
    """The file as UCI serves it, made from the real table's values: the same bytes for every copy of the table."""
    lines = [[f'"{name}"' for name in RED_WINE_COLUMNS]]
    lines += [[repr(value + 0.0).removesuffix(".0") for value in row] for row in frame.to_numpy().tolist()]
    row, name, text = _LONG
    lines[row + 1][list(RED_WINE_COLUMNS).index(name)] = text
    return "".join(f"{';'.join(line)}\n" for line in lines).encode()


def _some(columns: list[str]) -> str:
    more = f" and {len(columns) - 1} more" if len(columns) > 1 else ""
    return f"{columns[0]!r}{more}"
