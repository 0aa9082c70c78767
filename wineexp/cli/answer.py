"""A comparison on the terminal: its table, what did not finish, effects, and the verdicts in words."""

from __future__ import annotations

from wineexp.cli.tables import text_table
from wineexp.comparison.columns import TERMINAL, with_content
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.effects import effect_sections
from wineexp.comparison.verdict import format_p
from wineexp.runs.display import SIMULATED
from wineexp.text import align, format_interval

__all__ = ["answer"]


def answer(comparison: Comparison) -> str:
    """The whole comparison as text, with a blank line between the parts."""
    parts = [
        _table(comparison),
        _unfinished(comparison),
        _effects(comparison),
        "\n".join(comparison.sentences()),
    ]
    return "\n\n".join(part for part in parts if part) or "no finished runs"


def _table(comparison: Comparison) -> str:
    if not comparison.entries:
        return ""
    columns = with_content(TERMINAL, comparison.entries)
    rows = [{column.key: column.value(entry) for column in columns} for entry in comparison.entries]
    text = text_table(columns, rows)
    return f"{SIMULATED}\n{text}" if comparison.simulated else text


def _unfinished(comparison: Comparison) -> str:
    lines = [
        f"  {run.status:<12} {run.path}{f'  {run.record.reason}' if run.record and run.record.reason else ''}"
        for run in comparison.unfinished
    ]
    return "\n".join(["not ranked:", *lines]) if lines else ""


def _effects(comparison: Comparison) -> str:
    sections = []
    for heading, effects in effect_sections(comparison.effects):
        body = [
            [
                effect.label,
                effect.base_label,
                format_interval(effect.difference.mean, *effect.interval, form="+.4f", size=effect.size),
                format_p(effect.p),
            ]
            for effect in effects
        ]
        table = align([[f"effect on {comparison.metric}", "against", "change", "p"], *body], right=(3,))
        sections.append(f"{heading}:\n{table}")
    return "\n\n".join(sections)
