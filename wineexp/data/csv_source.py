"""A CSV file's text, packed or not, checked before a parser sees it: what hurts a parser is refused."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from wineexp.errors import DataError

__all__ = ["LITTLE", "MAX_LINE", "CsvSource", "check_lines", "open_source"]

#: Bytes of a line in a table; a table of 10,000 columns needs a tenth.
MAX_LINE = 1 << 20

#: Bytes that any gzip file may unpack to, what a larger may for each byte of its own, and what none may exceed.
#: Tables of numbers unpack to 3 to 20 times their size, what repeats to a thousand: that could take all memory.
LITTLE, MOST_FOLD, MAX_UNPACKED = 1 << 24, 100, 1 << 28

GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class CsvSource:
    """A file that can be read several times.

    Attributes
    ----------
    path : Path
    unpacked : bytes or None
        What a gzip file holds; None where the file is read as it is.
    """

    path: Path
    unpacked: bytes | None

    @contextmanager
    def binary(self) -> Iterator[BinaryIO]:
        """Its bytes. Raises ``DataError`` where they cannot be read."""
        try:
            with self.path.open("rb") if self.unpacked is None else io.BytesIO(self.unpacked) as file:
                yield file
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such file") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    @contextmanager
    def text(self, skip: int = 0) -> Iterator[TextIO]:
        """Its text below the first ``skip`` lines. Raises ``DataError`` where it cannot be read or is no UTF-8."""
        try:
            with self.binary() as file, io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
                for _ in range(skip):
                    text.readline()
                yield text
        except UnicodeDecodeError:
            found = f"other bytes{self._undecodable()}; save it as UTF-8"
            raise DataError(f"{self.path}: expected a CSV file in UTF-8, found {found}") from None

    def _undecodable(self) -> str:
        """Where the first line is that cannot be decoded."""
        with self.binary() as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return f" in line {number}: {error.object[error.start : error.end]!r}"
        return ""


def open_source(path: Path) -> CsvSource:
    """The file, once its lines are known to be bounded; gzip is known by its first bytes, not by its name.

    Raises
    ------
    DataError
        For no file, a directory, a line of more than ``MAX_LINE`` bytes, a gzip file that
        is damaged or unpacks to far more than tables do.
    """
    if path.is_dir():
        raise DataError(f"{path}: expected a CSV file, found a directory")
    source = CsvSource(path, None)
    try:
        with source.binary() as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            if not packed:
                check_lines(file)
                return source
            content = _unpack(path, file)
        check_lines(io.BytesIO(content))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    return CsvSource(path, content)


def check_lines(file: BinaryIO) -> None:
    """Raise ``ValueError`` for a line of more than ``MAX_LINE`` bytes; a parser would take hours or all memory."""
    length = 0
    while chunk := file.read(MAX_LINE):
        ends = [at for at in (chunk.find(b"\n"), chunk.find(b"\r")) if at >= 0]
        if length + min(ends, default=len(chunk)) > MAX_LINE:
            raise ValueError(f"expected lines of at most {MAX_LINE:,} bytes, found a longer one")
        last = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
        length = len(chunk) - last - 1 if ends else length + len(chunk)


def _unpack(path: Path, file: BinaryIO) -> bytes:
    size = path.stat().st_size
    most = min(max(LITTLE, MOST_FOLD * size), MAX_UNPACKED)
    try:
        with gzip.GzipFile(fileobj=file) as packed:
            content = packed.read(most + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: expected a whole gzip file, found a damaged one: {error}") from None
    if len(content) > most:
        expected = f"at most {most:,} bytes in a gzip file of {size:,}"
        raise DataError(f"{path}: expected {expected}, found more; unpack it first")
    return content
