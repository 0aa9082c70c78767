"""The verdicts as a figure: differences with their intervals, effects below, and the sources of uncertainty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from wineexp.comparison.effects import Effect, effect_sections
from wineexp.comparison.estimate import Estimate
from wineexp.comparison.verdict import Kind, Verdict
from wineexp.runs.curves import COLOURS, Drawing
from wineexp.text import format_interval

__all__ = ["MAX_ROWS", "draw_verdicts", "forest", "forest_height"]

#: At most this many differences and effects are drawn; the others are counted.
MAX_ROWS = 40

#: Inches per row, and for the frame above and below all rows.
ROW, FRAME = 0.27, 1.05

GREY = "#777777"
INK: dict[Kind, str] = {
    "better": COLOURS[2],
    "worse": COLOURS[1],
    "same": COLOURS[0],
    "identical": COLOURS[0],
    "cannot tell": GREY,
    "one seed": GREY,
}

#: Colours of the parts of the uncertainty.
PARTS = {"seeds": "#4C78A8", "splits": "#72B7B2", "rows": "#C9B458", "both": "#BBBBBB"}


@dataclass(frozen=True)
class _Row:
    """A line of the figure; without an estimate it is a heading."""

    text: str
    estimate: Estimate | None = None
    interval: tuple[float, float] | None = None
    word: str = ""
    colour: str = GREY
    size: float | None = None
    beside: str = ""


def forest(
    verdicts: Sequence[Verdict], effects: Sequence[Effect], title: str, groups: Mapping[str, str]
) -> Figure:
    """The verdicts alone, best first, and the effects; see :func:`draw_verdicts`."""
    fig = Drawing(figsize=(11, forest_height(verdicts, effects)), dpi=110)
    draw_verdicts(fig, verdicts, effects, groups, title)
    return fig


def forest_height(verdicts: Sequence[Verdict], effects: Sequence[Effect]) -> float:
    """Height of the verdicts in inches; 0 if there are none."""
    return FRAME + ROW * len(_rows(verdicts, effects, {})) if verdicts else 0.0


def draw_verdicts(
    fig: FigureBase,
    verdicts: Sequence[Verdict],
    effects: Sequence[Effect],
    groups: Mapping[str, str],
    title: str | None = None,
) -> None:
    """Draw differences with their intervals, a band for the margin, and bars for the sources of uncertainty.

    Parameters
    ----------
    fig : Figure or SubFigure
        11 inches wide and :func:`forest_height` high.
    verdicts : sequence of Verdict
        At least one.
    effects : sequence of Effect
    groups : mapping of str to str
        Variant label to letters; variants that share a letter cannot be told apart.
    title : str, optional
    """
    rows = _rows(verdicts, effects, groups)
    height = forest_height(verdicts, effects)
    bottom, top = 0.5 / height, 1 - 0.45 / height
    ax = fig.add_axes((0.3, bottom, 0.36, top - bottom))
    shares = fig.add_axes((0.9, bottom, 0.08, top - bottom), sharey=ax)
    for place, row in enumerate(rows):
        _draw_row(ax, shares, place, row)
    margin = verdicts[0].margin
    if margin is not None:
        ax.axvspan(-margin, margin, color=COLOURS[0], alpha=0.1, lw=0, label=f"within {margin:g}")
    ax.axvline(0, color="#444444", lw=1, ls=":")
    ax.set_ylim(len(rows) - 0.4, -0.6)
    reference = verdicts[0].reference_label
    letters = f" (group {groups[reference]})" if reference in groups else ""
    _finish(ax, shares, f"{verdicts[0].metric} less that of", reference, letters)
    if title:
        fig.text(0.02, 1 - 0.22 / height, _cut(title, 110), fontsize=12, va="center", parse_math=False)


def _rows(verdicts: Sequence[Verdict], effects: Sequence[Effect], groups: Mapping[str, str]) -> list[_Row]:
    letters = {label: f"; group {group}" for label, group in groups.items()}
    rows = [
        _Row(
            one.variant_label,
            one.difference,
            one.interval,
            one.word + letters.get(one.variant_label, ""),
            INK[one.kind],
            one.size,
            one.beside,
        )
        for one in sorted(verdicts, key=lambda verdict: verdict.difference.mean)
    ]
    claimed = any(one.kind in ("better", "worse") for one in verdicts)
    for heading, found in effect_sections(effects):
        rows.append(_Row(heading if claimed else f"exploring, no claims: {heading}"))
        rows += [
            _Row(
                one.change,
                one.difference,
                one.interval,
                one.word,
                COLOURS[4] if one.real and claimed else GREY,
                one.size,
            )
            for one in found
        ]
    if len(rows) > MAX_ROWS:
        rows = [*rows[:MAX_ROWS], _Row(f"... and {len(rows) - MAX_ROWS} more: see the table")]
    return rows


def _draw_row(ax: Axes, shares: Axes, place: int, row: _Row) -> None:
    beside = ax.get_yaxis_transform()  # x in parts of the axes
    label = _cut(row.text, 58 if row.estimate else 100)
    if row.estimate is None:
        ax.text(-0.8, place, label, transform=beside, fontsize=8.5, color="#555555", va="center", parse_math=False)
        return
    at_left: dict[str, Any] = {"transform": beside, "va": "center", "ha": "right", "parse_math": False}
    ax.text(-0.02, place - (0.16 if row.beside else 0.0), label, fontsize=8.5, **at_left)
    ax.text(-0.02, place + 0.26, row.beside, fontsize=7, color="#555555", **at_left)
    mean = row.estimate.mean
    told = format_interval(mean, *(row.interval or (None, None)), form="+.3f", size=row.size)
    if row.interval is not None:
        low, high = row.interval
        ax.plot([low, high], [place, place], color=row.colour, lw=2, solid_capstyle="butt")
        _draw_shares(shares, place, row.estimate.shares())
    hollow = row.interval is None
    ax.plot([mean], [place], "o", color=row.colour, ms=6, mfc="white" if hollow else row.colour)
    ax.text(1.02, place - 0.16, told, transform=beside, fontsize=8, va="center", family="monospace")
    ax.text(1.02, place + 0.26, row.word, transform=beside, fontsize=7, va="center", color=row.colour)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 4]} ..."


def _draw_shares(ax: Axes, place: int, shares: dict[str, float]) -> None:
    left = 0.0
    for part, share in shares.items():
        if share == 0:
            continue
        ax.barh(place, share, left=left, height=0.5, color=PARTS[part], lw=0)
        left += share


def _finish(ax: Axes, shares: Axes, what: str, reference: str, letters: str) -> None:
    name = _cut(reference, 60)
    ax.set_xlabel(f"{what} {name}{letters}: left of 0 is better", fontsize=9, parse_math=False)
    ax.tick_params(labelsize=8)
    ax.set_yticks([])
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
        shares.spines[side].set_visible(False)
    shares.spines["bottom"].set_visible(False)
    shares.set_xlim(0, 1)
    shares.tick_params(left=False, labelleft=False, bottom=False, labelbottom=False)
    drawn = {tuple(bar.get_facecolor()[:3]) for bar in shares.patches}
    if drawn:
        shares.set_title("uncertainty from", fontsize=8, pad=4)
        keys = [shares.barh(0, 0, color=colour, label=part) for part, colour in PARTS.items()]
        present = [key for key in keys if tuple(key.patches[0].get_facecolor()[:3]) in drawn]
        shares.legend(
            handles=present, loc="upper center", bbox_to_anchor=(0.5, -0.02), fontsize=7, frameon=False, ncols=2,
            handlelength=0.8, columnspacing=0.6,
        )  # fmt: skip
