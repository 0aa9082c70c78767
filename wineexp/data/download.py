"""The real table in the user's cache: downloaded, bounded in time and size, or added; checked by SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
import time
import zipfile
import zlib
from pathlib import Path

import pooch
import requests

from wineexp import files
from wineexp.data.csv_source import CsvSource
from wineexp.data.facts import RED_WINE_FINGERPRINT
from wineexp.data.red_wine import FILE_NAME, MAX_BYTES, difference, served_bytes
from wineexp.data.table import RED_WINE_SHA256, read_table
from wineexp.errors import DataError, DownloadError, OutputError, first_line

__all__ = ["ADDRESSES", "ZIP", "add_table", "cached", "cached_path", "fetch", "is_served", "unzipped"]

#: Where the real table is served: UCI's zip, its older CSV address, then a mirror of the same bytes.
ADDRESSES = (
    "https://archive.ics.uci.edu/static/public/186/wine+quality.zip",
    "https://archive.ics.uci.edu/ml/machine-learning-databases/wine-quality/winequality-red.csv",
    "https://raw.githubusercontent.com/mlflow/mlflow/master/tests/datasets/winequality-red.csv",
)

SECONDS_PER_ADDRESS = 15.0

#: The first bytes of a zip.
ZIP = b"PK"

#: Remedies: for a table that cannot be fetched; for a cache that cannot be written, however the table comes.
ADD_IT = f"download {ADDRESSES[0]} in a browser, then: wineexp data add {ADDRESSES[0].rpartition('/')[2]}"
LAY_IT_HERE = f"unpack {ADDRESSES[0]} in this folder: {FILE_NAME} is found there"


def cached_path() -> Path:
    """The path of the fetched table in the user's cache; raise ``DownloadError`` if the user has no home."""
    try:
        return Path(pooch.os_cache("wineexp")) / FILE_NAME
    except RuntimeError:  # a container's user without an entry in its list of users
        remedy = f"set HOME or XDG_CACHE_HOME; or {LAY_IT_HERE}"
        raise DownloadError("there is no home directory to keep it in", remedy) from None


def cached() -> bool:
    """Whether the cache holds the real table, byte for byte."""
    path = cached_path()
    return path.is_file() and is_served(path.read_bytes())


def is_served(content: bytes) -> bool:
    """Whether these are the table's bytes as UCI serves them."""
    return _sha256(content) == RED_WINE_SHA256


def fetch(addresses: tuple[str, ...] | None = None, *, seconds: float = SECONDS_PER_ADDRESS) -> tuple[Path, str]:
    """Fetch the real table into the cache; return its path and the address that gave it.

    Each address is tried once, for at most ``seconds`` and 2 MB; only bytes with the pinned SHA-256
    reach the cache. ``$WINEEXP_ADDRESSES`` (separated by spaces) replaces the list; if it is empty,
    nothing is fetched.

    Raises
    ------
    DownloadError
        If the cache cannot be written, before any address is tried; else with one reason per address. Its message
        includes the remedy.
    """
    if addresses is None:
        given = os.environ.get("WINEEXP_ADDRESSES")
        addresses = ADDRESSES if given is None else tuple(given.split())
    path, reasons = cached_path(), {}
    if addresses:
        _check_cache(path.parent)
    for address in addresses:
        try:
            content = _download(address, seconds)
        except (DownloadError, requests.RequestException, OSError) as error:
            reasons[address] = _reason(error)
            continue
        if is_served(content):
            files.write_file(path, content, error=DownloadError)
            return path, address
        reasons[address] = f"wrong checksum (SHA-256 {_sha256(content)[:12]}...)"
    summary = "; ".join(dict.fromkeys(reasons.values())) or "no address to fetch from"
    raise DownloadError(summary, ADD_IT, [f"{address}: {reason}" for address, reason in reasons.items()])


def unzipped(content: bytes) -> bytes:
    """The table's bytes from a zip; raise ``DownloadError`` if it has no table, or too many bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open(FILE_NAME) as member:
            return _bounded(member.read(MAX_BYTES + 1))
    except KeyError:
        raise DownloadError(f"the zip holds no {FILE_NAME}") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:  # also encrypted, or packed unusually
        raise DownloadError(first_line(error)) from None


def _check_cache(folder: Path) -> None:
    try:
        files.check_writable(folder, error=DownloadError)
    except DownloadError as error:
        raise DownloadError(str(error), LAY_IT_HERE) from None


def _download(address: str, seconds: float) -> bytes:
    """The table's bytes from one address, unpacked if it gives a zip."""
    pooch.get_logger().setLevel("WARNING")  # wineexp itself reports downloads
    with tempfile.TemporaryDirectory() as folder:
        # The caller checks the hash of the CSV: UCI gives none for its zip.
        name = pooch.retrieve(
            address, known_hash=None, fname="download", path=folder, downloader=_Bounded(seconds)
        )
        content = Path(name).read_bytes()
    return unzipped(content) if content.startswith(ZIP) else content


class _Bounded:
    """A pooch downloader with a limit on time and size, which pooch's own lacks."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        end = time.monotonic() + self.seconds
        with requests.get(url, stream=True, timeout=(5, min(5, self.seconds))) as response:
            response.raise_for_status()
            content = b""
            # read1 returns the bytes that have come so far, so the limit also holds for a slow server.
            while chunk := response.raw.read1(1 << 16, decode_content=True):
                content = _bounded(content + chunk)
                if time.monotonic() > end:
                    raise DownloadError(f"took more than {self.seconds:g} s")
        Path(output_file).write_bytes(content)


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_BYTES:
        raise DownloadError(f"holds more than {MAX_BYTES:,} bytes")
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)


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
    content = _of_zip(path, start) if start.startswith(ZIP) else _of_csv(path, sep)
    kept = cached_path()
    try:
        files.write_file(kept, content)
    except OutputError as error:
        raise OutputError(f"{error}; a {FILE_NAME} in the working directory is found without it") from None
    return kept


def _of_zip(path: Path, packed: bytes) -> bytes:
    try:
        content = unzipped(packed)
    except DownloadError as error:
        raise DataError(f"{path}: expected UCI's zip of the red-wine table: {error}") from None
    if not is_served(content):
        raise DataError(f"{path}: expected UCI's table in it, found other bytes; unpack it and add its CSV")
    return content


def _of_csv(path: Path, sep: str | None) -> bytes:
    table = read_table(path, sep=sep)
    table.check_numbers()
    if table.fingerprint != RED_WINE_FINGERPRINT:  # the cache gets UCI's headings, whatever the copy's are
        raise DataError(
            f"{path}: expected the red-wine table, the only one kept in the cache, found {difference(table)}; "
            f"to train on this one: --data {path}, or $WINEEXP_DATA"
        )
    return served_bytes(table.frame)
