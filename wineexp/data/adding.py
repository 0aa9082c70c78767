"""A user's file as the table in the cache, for machines that cannot fetch it."""

from __future__ import annotations

from pathlib import Path

from wineexp import files
from wineexp.data import download
from wineexp.data.csv_source import CsvSource
from wineexp.data.facts import RED_WINE_FINGERPRINT
from wineexp.data.red_wine import FILE_NAME, MAX_BYTES, difference, served_bytes
from wineexp.data.table import read_table
from wineexp.errors import DataError, DownloadError, OutputError

__all__ = ["add_table"]


def add_table(path: Path, *, sep: str | None = None) -> Path:
    """Put a copy of the real table into the cache; return its place there.

    The cache gets the bytes that UCI serves: a copy in another dialect is written anew from its values.

    Parameters
    ----------
    path : Path
        A CSV in any dialect, packed by gzip or not, or UCI's zip.
    sep : str, optional
        The CSV's separator; by default it is found from the content.

    Raises
    ------
    DataError
        For a file that cannot be read, and for any other table, with its differences.
    OutputError
        If the cache cannot be written; it is then unchanged.
    """
    with CsvSource(path, None).binary() as file:
        start = file.read(MAX_BYTES + 1)
    content = _of_zip(path, start) if start.startswith(download.ZIP) else _of_csv(path, sep)
    kept = download.cached_path()
    try:
        files.write_file(kept, content)
    except OutputError as error:
        raise OutputError(f"{error}; a {FILE_NAME} in the folder in which you work is found without it") from None
    return kept


def _of_zip(path: Path, packed: bytes) -> bytes:
    try:
        content = download.unzipped(packed)
    except DownloadError as error:
        raise DataError(f"{path}: expected UCI's zip of the red-wine table: {error}") from None
    if not download.is_served(content):
        raise DataError(f"{path}: expected in it the bytes that UCI serves, found others; unpack it, add its CSV")
    return content


def _of_csv(path: Path, sep: str | None) -> bytes:
    table = read_table(path, sep=sep)
    table.check_numbers()
    if table.fingerprint != RED_WINE_FINGERPRINT:  # the cache gets UCI's headings, whatever the copy's are
        raise DataError(
            f"{path}: expected the red-wine table, which alone is kept in the cache, found {difference(table)}; "
            f"to train on this one: --data {path}, or $WINEEXP_DATA"
        )
    return served_bytes(table.frame)
