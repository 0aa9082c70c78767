"""Two runs on the terminal: settings that differ, circumstances that differ, metrics."""

from __future__ import annotations

from wineexp.runs.difference import NO_SETTING, Difference
from wineexp.text import align, one_line

__all__ = ["side_by_side"]


def side_by_side(found: Difference) -> str:
    """The whole difference as text, with a blank line between the parts."""
    parts = [align([["first", one_line(str(found.first))], ["second", one_line(str(found.second))]])]
    if not found.part("setting"):
        parts.append(NO_SETTING)
    for heads, rows in found.tables():
        body = [list(map(one_line, row)) for row in (heads, *rows)]
        parts.append(align(body, right=(1, 2, 3) if heads[0] == "metric" else ()))
    return "\n\n".join(parts)
