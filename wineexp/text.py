"""Text for people: made safe, with numbers and columns as people read them. A leaf that all output shares."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

__all__ = [
    "align",
    "count_of",
    "csv_cell",
    "csv_text",
    "epoch_number",
    "format_bytes",
    "format_duration",
    "format_interval",
    "format_number",
    "indent",
    "json_text",
    "json_visible",
    "largest",
    "one_line",
    "short_path",
    "short_source",
    "shortened",
    "some_of",
    "telling_size",
    "visible",
]

#: Characters that a terminal obeys instead of showing (C0 and C1 controls, DEL), that reverse the text around them
#: (Unicode's bidirectional controls, its report 9) or break lines (separators), and surrogates, which no encoding
#: has. Tabs and line ends are left.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

#: Range of the powers of ten that are written without an exponent.
LEAST_POWER, MOST_POWER = -5, 6

#: First characters of a cell that a spreadsheet runs as a formula (OWASP, CSV injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def count_of(count: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def epoch_number(epoch: Any) -> Any:
    """An epoch, or an array of them, counted from 1 like Keras's bar; files count from 0, like its CSVLogger."""
    return epoch + 1


def visible(text: str) -> str:
    """``text`` with escapes in place of what must not reach a terminal, page or table: ``\\x1b``, ``\\u202e``."""
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def one_line(text: str) -> str:
    """Like :func:`visible`, but line ends and tabs too: a name cannot look like several lines."""
    return text if text.isprintable() else visible(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(value: Any, *, plain: bool = False) -> str:
    """``value`` as JSON, safe to show; with ``plain``, in ASCII. ``ValueError`` for NaN, which JSON lacks."""
    return json_visible(json.dumps(value, indent=2, ensure_ascii=plain, allow_nan=False)) + "\n"


def json_visible(text: str) -> str:
    """JSON text of the same value, safe to show."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """``rows``, which all have the same keys, as CSV; unknown values are empty.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers are left as they are.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if rows:
        writer.writerow(map(csv_cell, rows[0]))
    writer.writerows([map(csv_cell, row.values()) for row in rows])
    return stream.getvalue()


def csv_cell(value: Any) -> Any:
    """A value as a cell: text is made safe to show, and gets an apostrophe if a spreadsheet would run it."""
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.startswith(_FORMULA) else visible(value)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """``rows``, all of the same length, as aligned columns; those numbered in ``right`` are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if number in right else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join(map(line, rows))


def indent(text: str) -> str:
    """Each line indented by two spaces."""
    return "\n".join(f"  {line}" for line in text.splitlines())


def format_number(value: float, form: str = ".4f", size: float | None = None) -> str:
    """A number with significant digits, whatever its unit: ``0.6313``, ``2.0134e-07``, ``1.6627e+09``.

    Parameters
    ----------
    value : float
    form : str
        Decimals, and a ``+`` for the sign, for numbers of about 1: ``.4f``, ``+.3f``.
    size : float, optional
        Size of the numbers shown beside it, which all get the same decimals; by default its own size.
    """
    size = abs(value) if size is None else abs(size)
    if not math.isfinite(value) or not math.isfinite(size) or size == 0:
        return format(value, form)
    sign, digits = form.partition(".")[0], int(form.partition(".")[2].removesuffix("f"))
    power = math.floor(math.log10(size))
    if LEAST_POWER <= power <= MOST_POWER:
        decimals = max(0, digits + max(0, -2 - power) - max(0, power - 3))
        return f"{value:{sign}.{decimals}f}"
    return f"{value / 10.0**power:{sign}.{digits}f}e{power:+03d}"


def largest(values: Iterable[float | None]) -> float | None:
    """The size of the largest of the numbers that are known and finite; None if there is none."""
    return max((abs(value) for value in values if value is not None and math.isfinite(value)), default=None)


def telling_size(size: float | None, interval: tuple[float, float]) -> float | None:
    """``size``; or, if the interval's end nearest to 0 would be shown as 0 but is not, the size of that end."""
    nearest = min(map(abs, interval))
    hidden = nearest > 0 and not float(format_number(nearest, ".3f", size))
    return nearest if hidden else size


def format_interval(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    form: str = ".4f",
    size: float | None = None,
) -> str:
    """``0.5083 [0.4629, 0.5537]``, as far as known; ``form`` and ``size`` as in :func:`format_number`."""
    if value is None:
        return ""
    size = largest((value, low, high)) if size is None else size
    text = format_number(value, form, size)
    if low is None or high is None:
        return text
    return f"{text} [{format_number(low, form, size)}, {format_number(high, form, size)}]"


def format_duration(seconds: float) -> str:
    """Seconds as a person says them: ``42 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def format_bytes(count: int) -> str:
    """Bytes as a person says them: ``812 B``, ``14 kB``, ``2.3 MB``."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} B"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first of ``names``, separated by ``;``, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more


def shortened(names: Sequence[str], width: int) -> dict[str, str]:
    """Each of ``names`` in at most ``width`` characters, so that different names never look alike.

    The parts in which they differ are kept: the beginning and the end that all share are cut first. If two
    would still look alike, each ends in its number among ``names``, ``#3``.
    """
    distinct = list(dict.fromkeys(names))
    if max(map(len, distinct), default=0) <= width:
        return {name: name for name in distinct}
    start = _in_common(distinct)
    end = _in_common([name[start:][::-1] for name in distinct])
    found = {name: _without_middle(name, start, len(name) - end, width) for name in distinct}
    times = Counter(found.values())
    for number, name in enumerate(distinct, 1):
        if times[found[name]] > 1:
            mark = f"…#{number}"
            found[name] = name[: max(0, width - len(mark))] + mark
    return found


def _in_common(names: Sequence[str]) -> int:
    """The length of the beginning that several names share; 0 for a single name."""
    alike = (len(set(characters)) == 1 for characters in zip(*names, strict=False))
    return sum(itertools.takewhile(bool, alike)) if len(names) > 1 else 0


def _without_middle(name: str, start: int, end: int, width: int) -> str:
    """``name`` in ``width`` characters, with all characters from ``start`` to ``end`` if they fit."""
    if len(name) <= width:
        return name
    if (left := width - end - 1) >= 0:
        return name[:end] + "…" + name[len(name) - left :]
    if (left := width - (end - start) - 2) >= 0:
        return name[:left] + "…" + name[start:end] + "…"
    half = (width - 1) // 2
    inner = name[start:end]
    return inner[: width - 1 - half] + "…" + inner[len(inner) - half :]


def short_path(path: Path) -> str:
    """A path below the current directory, relative to it; of any other path the name alone."""
    try:
        here, home = Path.cwd(), Path.home()
    except (OSError, RuntimeError):  # the current directory was removed, or nobody lives here
        return path.name
    full = Path(os.path.abspath(path))  # not resolved: a link keeps the name that the reader knows
    inside = full.is_relative_to(here) and full != here
    above_home = here != home and home.is_relative_to(here)  # there, the path would name the user
    return str(full.relative_to(here)) if inside and not above_home else full.name


def short_source(source: str) -> str:
    """A table's source without the folders above it; an address and words stay as they are."""
    place, bracket, origin = source.partition(" (from ")
    if PurePosixPath(place).is_absolute() or place.startswith(("../", "~")):
        place = short_path(Path(place))
    elif PureWindowsPath(place).is_absolute():
        place = PureWindowsPath(place).name
    return place + bracket + origin
