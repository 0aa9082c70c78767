"""The inside of a run as a figure: a row per layer, dropout off and on side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from wineexp.runs.curves import COLOURS, Drawing
from wineexp.runs.inspection import Activations, LayerInside

__all__ = ["figure"]

#: Inches per layer, and above and below all layers.
ROW, ABOVE, BELOW = 0.27, 0.95, 0.75

#: Inches: a panel's width, the gap between two, and the space for the layers' names on the left.
PANEL, GAP, NAMES = 2.0, 0.28, 2.0

OFF, ON, GREY = COLOURS[0], COLOURS[1], "#AAAAAA"

#: The markers of both modes; the hollow one leaves the other visible behind it.
FILLED: dict[str, Any] = {"marker": "o", "color": OFF, "ms": 4.5, "ls": "", "zorder": 2}
HOLLOW: dict[str, Any] = {"marker": "D", "color": ON, "mfc": "none", "mew": 1.5, "ms": 7, "ls": "", "zorder": 3}

#: A range whose upper end is more than this many times the lower one is drawn on a logarithmic axis.
WIDE = 10


def figure(layers: Sequence[LayerInside], title: str, where: str) -> Figure:
    """Spread, zeros, dead units and mean of each layer, dropout off and on; moving variances, if there are any."""
    panels: list[Callable[[Axes, Sequence[LayerInside]], None]] = [_spread, _zeros, _dead, _mean]
    normalized = any(layer.normalization for layer in layers)
    if normalized:
        panels.append(_variances)
    height = ABOVE + ROW * len(layers) + BELOW
    width = NAMES + len(panels) * (PANEL + GAP)
    fig = Drawing(figsize=(width, height), dpi=110)
    for number, draw in enumerate(panels):
        left = (NAMES + number * (PANEL + GAP)) / width
        ax = fig.add_axes((left, BELOW / height, PANEL / width, 1 - (ABOVE + BELOW) / height))
        ax.set_ylim(len(layers) - 0.4, -0.6)
        ax.set_yticks(range(len(layers)), [layer.name for layer in layers] if number == 0 else [])
        ax.tick_params(labelsize=8)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.grid(alpha=0.25)
        draw(ax, layers)
    fig.text(0.15 / width, 1 - 0.3 / height, _cut(title, 90), fontsize=12, parse_math=False)
    fig.text(0.15 / width, 1 - 0.52 / height, _cut(where, 130), fontsize=8.5, color="#555555", parse_math=False)
    _legend(fig, normalized)
    return fig


def _spread(ax: Axes, layers: Sequence[LayerInside]) -> None:
    _widen(ax, _draw_pairs(ax, layers, lambda one: one.sd))
    ax.set_title("spread over rows and units", fontsize=9, loc="left")


def _zeros(ax: Axes, layers: Sequence[LayerInside]) -> None:
    _draw_pairs(ax, layers, lambda one: one.zeros)
    _percent(ax, "values that are 0")


def _dead(ax: Axes, layers: Sequence[LayerInside]) -> None:
    _draw_pairs(ax, layers, lambda one: one.dead)
    _percent(ax, "units that are 0 on every row")


def _mean(ax: Axes, layers: Sequence[LayerInside]) -> None:
    _draw_pairs(ax, layers, lambda one: one.mean)
    ax.set_title("mean", fontsize=9, loc="left")


def _variances(ax: Axes, layers: Sequence[LayerInside]) -> None:
    """The medians of moving variance / variance, with a bar for the range of 90 % of the units."""
    drawn: list[float] = []
    for place, layer in enumerate(layers):
        normalization = layer.normalization
        if normalization is None:
            continue
        for summary, mark, shift in (
            (normalization.ratio, FILLED, -0.15),
            (normalization.training_ratio, HOLLOW, 0.15),
        ):
            if summary is not None:
                ends = [summary.low, summary.high]
                ax.plot(ends, [place + shift] * 2, color=mark["color"], lw=2, alpha=0.35, solid_capstyle="butt")
                ax.plot([summary.median], [place + shift], **mark)
                drawn += ends
    ax.axvline(1, color="#444444", lw=1.2, ls=":")
    _widen(ax, [1.0, *drawn])
    ax.set_title("moving variance / variance", fontsize=9, loc="left")


def _draw_pairs(ax: Axes, layers: Sequence[LayerInside], value: Callable[[Activations], float]) -> list[float]:
    """Both modes of each layer, joined by a line; return all values that were drawn."""
    off, on = [value(layer.inference) for layer in layers], [value(layer.training) for layer in layers]
    places = range(len(layers))
    ax.hlines(places, off, on, color=GREY, lw=1.6, zorder=1)
    ax.plot(on, places, label="on", **HOLLOW)
    ax.plot(off, places, label="off", **FILLED)
    return [*off, *on]


def _widen(ax: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis for a wide range, unless it contains 0."""
    if min(values) > 0 and max(values) > WIDE * min(values):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())


def _percent(ax: Axes, title: str) -> None:
    ax.set_xlim(-0.06, 1.06)
    ax.set_xticks([0, 0.5, 1])
    ax.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    ax.set_title(title, fontsize=9, loc="left")


def _legend(fig: Figure, normalized: bool) -> None:
    by_batch = ", batch normalization by each batch's own statistics" if normalized else ""
    keys = [
        Line2D([], [], label="dropout off, as when it predicts", **FILLED),
        Line2D([], [], label=f"as in training: dropout on{by_batch}", **HOLLOW),
    ]
    if normalized:
        keys.append(Line2D([], [], color=GREY, lw=2, label="bar: 90 % of the units"))
    fig.legend(handles=keys, loc="lower left", ncols=len(keys), frameon=False, fontsize=8.5)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 4]} ..."
