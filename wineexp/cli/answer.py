"""A comparison on the terminal: its table, what did not finish, effects, and the verdicts in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wineexp.cli.tables import Part
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.effects import Effect, effect_sections
from wineexp.comparison.verdict import format_p
from wineexp.listing import Column, Listing
from wineexp.runs.display import SIMULATED
from wineexp.text import format_interval

__all__ = ["answer"]


def answer(comparison: Comparison) -> list[Part]:
    """The whole comparison: tables and text, in their order."""
    return list(_parts(comparison)) or ["no finished runs"]


def _parts(comparison: Comparison) -> Iterator[Part]:
    if comparison.entries:
        yield replace(comparison.listing, caption=SIMULATED if comparison.simulated else "")
    if comparison.unfinished:
        yield _unfinished(comparison)
    for heading, effects in effect_sections(comparison.effects):
        yield Listing.of(_effect_columns(comparison.metric), effects, caption=f"{heading}:")
    if sentences := comparison.sentences():
        yield "\n".join(sentences)


def _unfinished(comparison: Comparison) -> str:
    lines = [
        f"  {run.status:<12} {run.path}{f'  {run.record.reason}' if run.record and run.record.reason else ''}"
        for run in comparison.unfinished
    ]
    return "\n".join(["not ranked:", *lines])


def _effect_columns(metric: str) -> list[Column[Effect]]:
    return [
        Column("effect", f"effect on {metric}", "", lambda effect: effect.label),
        Column("against", "against", "", lambda effect: effect.base_label),
        Column("change", "change", "", _change),
        Column("p", "p", "", lambda effect: format_p(effect.p), right=True),
    ]


def _change(effect: Effect) -> str:
    return format_interval(effect.difference.mean, *effect.interval, form="+.4f", size=effect.size)
