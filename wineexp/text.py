"""Numbers and columns as text for people: a leaf that terminal, page and figures share."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["align", "format_duration", "format_interval", "indent", "some_of"]


def align(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """``rows``, all of one length, as aligned columns; those numbered in ``right`` are right-aligned."""
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


def format_interval(value: float | None, low: float | None, high: float | None, *, sign: str = "") -> str:
    """``0.5083 [0.4629, 0.5537]``, as much of it as is known."""
    if value is None:
        return ""
    if low is None or high is None:
        return f"{value:{sign}.4f}"
    return f"{value:{sign}.4f} [{low:{sign}.4f}, {high:{sign}.4f}]"


def format_duration(seconds: float) -> str:
    """Seconds as a person says them: ``42 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def some_of(names: Sequence[str], most: int = 5) -> str:
    """The first of ``names``, separated by ``;``, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more
