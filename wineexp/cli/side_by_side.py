"""Two runs on the terminal: settings that differ, circumstances that differ, metrics."""

from __future__ import annotations

from wineexp.runs.columns import COLUMNS, plain
from wineexp.runs.difference import Difference, Pair
from wineexp.runs.record import Metrics
from wineexp.text import align, one_line

__all__ = ["side_by_side"]


def side_by_side(found: Difference) -> str:
    """The whole difference as text, with a blank line between the parts."""
    parts = [align([["first", one_line(str(found.first))], ["second", one_line(str(found.second))]])]
    if not found.part("setting"):
        parts.append("no setting differs")
    parts += [
        align([[part, "first", "second"], *map(_told, found.part(part))])
        for part in ("setting", "circumstance")
        if found.part(part)
    ]
    if metrics := found.part("metric"):
        body = [[*_told(pair), _change(pair)] for pair in metrics]
        parts.append(align([["metric", "first", "second", "second - first"], *body], right=(1, 2, 3)))
    return "\n\n".join(parts)


def _told(pair: Pair) -> list[str]:
    column = COLUMNS.get(pair.key)
    text = column.text if column else plain
    name = column.heading if column else pair.key
    return [name, one_line(text(pair.first)), one_line(text(pair.second))]


def _change(pair: Pair) -> str:
    """A metric's difference in the metric's own format, with its sign."""
    form = str(Metrics.model_fields[pair.key].json_schema_extra["form"])  # type: ignore[index]
    return "" if pair.difference is None else format(pair.difference, f"+{form.removeprefix('+')}")
