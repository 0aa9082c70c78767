"""Differences with their intervals as rows of a table: text that fits on any screen, with a bar beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.ticker import MaxNLocator

from wineexp.comparison.comparison import Comparison
from wineexp.comparison.effects import Effect, effect_sections
from wineexp.comparison.verdict import Kind, format_p
from wineexp.text import format_interval

__all__ = ["effect_bars", "verdict_bars"]


@dataclass(frozen=True)
class _Row:
    """A difference; ``interval`` is None if there is one seed."""

    label: str
    kind: Kind
    word: str
    mean: float
    interval: tuple[float, float] | None
    p: float | None = None
    size: float | None = None


def verdict_bars(comparison: Comparison) -> dict[str, Any] | None:
    """The verdicts, lowest error first, and the margin; None if there are no verdicts."""
    if not comparison.verdicts:
        return None
    ordered = sorted(comparison.verdicts, key=lambda verdict: verdict.difference.mean)
    rows = [
        _Row(one.variant_label, one.kind, one.word, one.difference.mean, one.interval, one.p, one.size)
        for one in ordered
    ]
    return _placed(rows, comparison.verdicts[0].margin)


def effect_bars(effects: Sequence[Effect]) -> list[dict[str, Any]]:
    """Each section of the effects with its heading; all on one axis, so that sections can be compared."""
    sections = [
        (
            heading,
            [_Row(e.change, e.outcome, e.word, e.difference.mean, e.interval, e.p, e.size) for e in section],
        )
        for heading, section in effect_sections(effects)
    ]
    every = [row for _, rows in sections for row in rows]
    placed = []
    for heading, rows in sections:
        placed.append({"heading": heading[0].upper() + heading[1:], **_placed(rows, None, every)})
    return placed


def _placed(rows: Sequence[_Row], margin: float | None, scaled_by: Sequence[_Row] = ()) -> dict[str, Any]:
    """The rows with their bars in per cent of an axis that holds 0, the margin and all of ``scaled_by``."""
    ends = [end for row in scaled_by or rows for end in (row.mean, *(row.interval or ()))]
    ends += [0.0] if margin is None else [-margin, margin]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.04 * (high - low) or 1.0
    low, high = low - room, high + room

    def at(value: float) -> float:
        return float(round(100 * (value - low) / (high - low), 3))

    ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low < tick < high]
    return {
        "zero": at(0.0),
        "ticks": [{"at": at(tick), "text": f"{tick if abs(tick) > 1e-9 * room else 0.0:g}"} for tick in ticks],
        "margin": None if margin is None else {"start": at(-margin), "width": round(at(margin) - at(-margin), 3)},
        "rows": [_drawn(row, at) for row in rows],
    }


def _drawn(row: _Row, at: Any) -> dict[str, Any]:
    figures = format_interval(row.mean, *(row.interval or (None, None)), form="+.3f", size=row.size)
    bar = None
    if row.interval is not None:
        low, high = row.interval
        bar = {"start": at(low), "width": round(at(high) - at(low), 3)}
    return {
        "label": row.label,
        "kind": row.kind.replace(" ", "-"),
        "word": row.word,
        "figures": figures,
        "bar": bar,
        "mean": at(row.mean),
        "p": "" if row.p is None else format_p(row.p),
    }
