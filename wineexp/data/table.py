"""The table: a CSV of numbers, read strictly, with its fingerprint."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from wineexp.data.facts import Kind
from wineexp.errors import DataError, nearest
from wineexp.text import visible

__all__ = [
    "RED_WINE_SHA256",
    "Table",
    "check_lines",
    "check_target",
    "column_names",
    "fingerprint",
    "read_table",
    "table_of_frame",
]

#: SHA-256 of ``winequality-red.csv`` as UCI serves it (data set 186; 84,199 bytes).
RED_WINE_SHA256 = "4a402cf041b025d4566d954c3b9ba8635a3a8a01e039005d97d6a710278cf05e"

#: :func:`fingerprint` of that file's values; a ``,`` copy of it has the same one.
RED_WINE_FINGERPRINT = "b5664dbe786986a1b3838a92884cc19d31bec1404f3975952f5f17c71999665c"


#: Bytes of a line in a table; a table of 10,000 columns needs a tenth.
MAX_LINE = 1 << 20


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
    """

    frame: pd.DataFrame
    source: str
    kind: Kind

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
    for name in frame.columns:
        digest.update((frame[name].to_numpy("<f8") + 0.0).tobytes())  # + 0.0: -0.0 equals 0.0
    return digest.hexdigest()


def read_table(
    path: str | os.PathLike[str], source: str | None = None, *, only: Collection[str] | None = None
) -> Table:
    """Read a CSV of numbers with a header, separated by ``,`` or ``;``.

    Parameters
    ----------
    path : path-like
        UTF-8 text, with or without a byte-order mark.
    source : str, optional
        What to show instead of the path in messages.
    only : collection of str, optional
        The columns that are needed; others are dropped, whatever they hold.

    Raises
    ------
    DataError
        Naming file, line and column of the first thing wrong: no file, no header, a repeated column,
        a row of another length, text, a missing value, NaN or infinity in a number column.
    """
    path = Path(path)
    if path.is_dir():
        raise DataError(f"{path}: expected a CSV file, found a directory")
    _check_lines_of(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            separator, columns = _header(path, file.readline(MAX_LINE))
        with warnings.catch_warnings():
            # pandas only warns of rows longer than the header
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(
                path,
                sep=separator,
                index_col=False,
                encoding="utf-8-sig",
                keep_default_na=False,
                na_values=[""],
                low_memory=False,
            )
        if only is not None:
            frame = frame[[name for name in frame.columns if name in only]]
        if len(frame) and any(kind.kind not in "iuf" for kind in frame.dtypes):  # text, or True and False
            raise ValueError("a column is not numeric")
        frame = frame.astype("float64")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: expected a CSV file in UTF-8, found other bytes") from None
    except (ValueError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise _first_fault(path, separator, columns, only) or DataError(f"{path}: {error}") from None
    if not np.isfinite(frame.to_numpy()).all():
        raise _first_fault(path, separator, columns, only) or DataError(f"{path}: a value is not finite")
    if not len(frame):
        raise DataError(f"{path}: expected rows of numbers below the header, found none")
    return Table(frame, visible(source or str(path)), _kind(frame))


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
    return Table(values, "a DataFrame", _kind(values))


def _kind(frame: pd.DataFrame) -> Kind:
    return "red-wine" if fingerprint(frame) == RED_WINE_FINGERPRINT else "custom"


def check_lines(file: BinaryIO) -> None:
    """Raise ``ValueError`` for a line of more than ``MAX_LINE`` bytes; a parser would take hours or all memory."""
    length = 0
    while chunk := file.read(MAX_LINE):
        ends = [at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0]
        if length + min(ends, default=len(chunk)) > MAX_LINE:
            raise ValueError(f"expected lines of at most {MAX_LINE:,} bytes, found a longer one")
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        length = len(chunk) - last - 1 if ends else length + len(chunk)


def column_names(path: str | os.PathLike[str]) -> list[str]:
    """The names in a CSV's header; empty where there is no file. Raises ``DataError`` for what is no header."""
    path = Path(path)
    if not path.is_file():
        return []
    _check_lines_of(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _header(path, file.readline(MAX_LINE))[1]
    except (OSError, UnicodeDecodeError):
        return []  # read_table says it better


def _check_lines_of(path: Path) -> None:
    try:
        with path.open("rb") as file:
            check_lines(file)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    except OSError:
        return  # what reads it says it better


def _header(path: Path, line: str) -> tuple[str, list[str]]:
    if not line.strip():
        raise DataError(f"{path}:1: expected a header with column names, found an empty line or file")
    if "\0" in line:
        raise DataError(f"{path}:1: expected a CSV file, found binary bytes")
    separator = ";" if line.count(";") > line.count(",") else ","
    try:
        columns = next(csv.reader([line], delimiter=separator))
    except csv.Error as error:  # a name longer than csv takes, a quote that never ends
        raise DataError(f"{path}:1: expected a header with column names: {error}") from None
    if all(_is_number(name) for name in columns):
        raise DataError(f"{path}:1: expected a header with column names, found numbers: {line.strip()[:60]}")
    for name in columns:
        if not name.strip():
            raise DataError(f"{path}:1: expected a name for every column, found an empty one")
        if columns.count(name) > 1:
            raise DataError(f"{path}:1: column {name!r} occurs twice in the header")
    return separator, columns


def _first_fault(
    path: Path, separator: str, columns: list[str], only: Collection[str] | None = None
) -> DataError | None:
    """Walk the file once more, slowly, to say exactly where the first fault is."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator)
        next(reader)
        try:
            for row in reader:
                where = f"{path}:{reader.line_num}"
                if row and len(row) != len(columns):
                    return DataError(f"{where}: expected {len(columns)} values, found {len(row)}")
                for name, text in zip(columns, row, strict=False):
                    if only is not None and name not in only:
                        continue
                    if not text.strip():
                        return DataError(f"{where}: column {name!r}: expected a number, found nothing")
                    if not _is_number(text):
                        return DataError(f"{where}: column {name!r}: expected a number, found {text[:60]!r}")
                    if not math.isfinite(float(text)):
                        return DataError(f"{where}: column {name!r}: expected a finite number, found {text!r}")
        except csv.Error as error:
            return DataError(f"{path}:{reader.line_num}: {error}")
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text  # Python reads 1_000; a CSV has no such numbers


def check_target(table: Table, target: str) -> None:
    """Raise ``DataError`` unless ``target`` is a column that varies and there are others to predict it from."""
    columns = list(table.frame.columns)
    if target not in columns:
        raise DataError(
            f"{table.source}: no column {target!r}{nearest(target, columns)}; it has: {', '.join(columns)}"
        )
    if len(columns) < 2:
        raise DataError(f"{table.source}: expected features beside the target {target!r}, found none")
    values = table.frame[target].to_numpy()
    if (values == values[0]).all():
        raise DataError(
            f"{table.source}: column {target!r}: expected a target that varies, found {values[0]:g} in every row"
        )
