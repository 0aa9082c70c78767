"""How every CSV is read: its bytes, packed or not, its text, and its rows of cells with their lines.

Tables, histories and the number tables of runs choose columns and values, and word their own errors. Files that
hurt a parser are refused here.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TextIO

from wineexp.errors import DataError

__all__ = ["LITTLE", "MAX_LINE", "CsvSource", "RowError", "check_lines", "is_blank", "open_text", "read_rows"]

#: Bytes of a line in a table; a table of 10,000 columns needs a tenth.
MAX_LINE = 1 << 20

#: Bytes that any gzip file may unpack to; how many times its own size a larger one may; the limit for all.
#: Tables of numbers unpack to 3 to 20 times their size, repeated text to a thousand: that could take all memory.
LITTLE, MOST_FOLD, MAX_UNPACKED = 1 << 24, 100, 1 << 28

GZIP = b"\x1f\x8b"


class RowError(ValueError):
    """A row that csv cannot read: its ``first`` line, the ``last`` that was read, and csv's ``reason``."""

    def __init__(self, first: int, last: int, reason: str) -> None:
        self.first, self.last, self.reason = first, last, reason
        super().__init__(f"line {last}: {reason}")


@dataclass(frozen=True)
class CsvSource:
    """A file that can be read several times.

    Attributes
    ----------
    path : Path
    unpacked : bytes or None
        The content of a gzip file; None if the file is read as it is.
    """

    path: Path
    unpacked: bytes | None

    @classmethod
    def open(cls, path: Path) -> CsvSource:
        """Open a file whose lines are bounded; gzip is known by its first bytes, not by its name.

        Raises
        ------
        DataError
            For no file, a directory, a line of more than ``MAX_LINE`` bytes, a gzip file that is damaged or
            unpacks to far more than tables do.
        """
        source = cls(path, None)
        try:
            with source.binary() as file:
                if file.read(len(GZIP)) == GZIP:
                    file.seek(0)
                    source = cls(path, _unpack(path, file))
            with source.binary() as file:
                check_lines(file)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from None
        return source

    @contextmanager
    def binary(self) -> Iterator[BinaryIO]:
        """Its bytes; raise ``DataError`` if they cannot be read."""
        try:
            with self.path.open("rb") if self.unpacked is None else io.BytesIO(self.unpacked) as file:
                yield file
        except FileNotFoundError:
            raise DataError(f"{self.path}: no such file") from None
        except IsADirectoryError:
            raise DataError(f"{self.path}: expected a CSV file, found a directory") from None
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from None

    @contextmanager
    def text(self, skip: int = 0) -> Iterator[TextIO]:
        """Its text below the first ``skip`` lines; raise ``DataError`` if it cannot be read or is not UTF-8."""
        try:
            with self.binary() as file, open_text(file) as text:
                for _ in range(skip):
                    text.readline()
                yield text
        except UnicodeDecodeError:
            place = self._undecodable()
            raise DataError(
                f"{self.path}: expected a CSV file in UTF-8, found other bytes{place}; save it as UTF-8"
            ) from None

    def _undecodable(self) -> str:
        """The place of the first line that cannot be decoded, and its bytes there."""
        with self.binary() as file:
            for number, line in enumerate(file, 1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return f" in line {number}: {error.object[error.start : error.end]!r}"
        return ""


def open_text(file: BinaryIO) -> TextIO:
    """A file's text, in UTF-8 with or without a byte-order mark; reading it may raise ``UnicodeDecodeError``."""
    return io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def read_rows(
    text: Iterable[str], separator: str = ",", *, above: int = 0, strict: bool = True
) -> Iterator[tuple[int, int, list[str]]]:
    """Read each row of a CSV, blank ones too: its first line, its last line, and its cells.

    ``above`` lines of the file stand above ``text``. ``strict`` refuses a quote that never ends or that text
    follows.

    Raises
    ------
    RowError
        At the first row that cannot be read.
    """
    reader = csv.reader(text, delimiter=separator, strict=strict)
    last = above
    try:
        for cells in reader:
            first, last = last + 1, above + reader.line_num
            yield first, last, cells
    except csv.Error as error:
        raise RowError(last + 1, above + reader.line_num, str(error)) from None


def is_blank(row: Iterable[str]) -> bool:
    """Whether all cells are empty or spaces."""
    return not "".join(row).strip()


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
