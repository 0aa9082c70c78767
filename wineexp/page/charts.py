"""The page's charts, drawn with Matplotlib as SVG that takes the page's colours and needs no script."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import markupsafe
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wineexp.comparison.scale import alone
from wineexp.runs.curves import LINES, save, whole_ticks

__all__ = ["MARGINS", "SCREENS", "drawn_rows", "errors_charts", "overlay_chart"]

#: Screen -> width and height in inches of 72 points. Each screen has its own drawing, so that text keeps its size.
SCREENS = {"wide": (11.0, 4.4), "narrow": (5.0, 3.6)}

#: Margins around the axes in a drawing: left, bottom, right, top, in points.
MARGINS = (46.0, 38.0, 10.0, 8.0)

#: Limit of a variant's points in a scatter plot; of more rows every nth is drawn, so that a page can be mailed.
MOST_POINTS = 2000

#: Placeholder colours, replaced by the page's variables, which follow the reader's light or dark scheme.
TEXT, SOFT, LINE = "#010101", "#010102", "#010103"
_VARIABLES = {TEXT: "--text", SOFT: "--soft", LINE: "--line"}

Draw = Callable[[Axes], None]


def overlay_chart(payload: dict[str, Any], screen: str) -> markupsafe.Markup:
    """All variants: val_loss solid with its seeds or their band, other losses broken, the constant dotted.

    Everything that belongs to variant n is in groups of class ``variant-n``, which a script may hide.
    """

    axis = payload["axis"]

    def draw(ax: Axes) -> None:
        axis.set_on(ax, SCREENS[screen][1] - (MARGINS[1] + MARGINS[3]) / 72)
        for number, variant in enumerate(payload["variants"]):
            colour, epochs = _colour(number, payload), variant["epochs"]
            marked: dict[str, Any] = {"gid": f"variant-{number}", "color": colour}
            if variant["low"]:
                low, high = (axis.clipped(np.array(variant[end], float)) for end in ("low", "high"))
                ax.fill_between(epochs, np.maximum(low, axis.bottom), high, alpha=0.16, lw=0, **marked)
            for line in variant["seeds"]:
                ax.plot(epochs, axis.clipped(np.array(line, float)), lw=0.6, alpha=0.45, **marked)
            for name in reversed(LINES):
                if name in variant:
                    width = 1.8 if name == "val_loss" else 1.1
                    values = axis.clipped(np.array(variant[name], float))
                    dots = np.flatnonzero(alone(values)).tolist()
                    ax.plot(
                        epochs,
                        values,
                        LINES[name],
                        lw=width,
                        marker="o" if dots else "",
                        markevery=dots,
                        clip_on=not dots,  # the last epoch is on the edge
                        ms=3,
                        mfc=colour if name == "val_loss" else "none",
                        **marked,
                    )
        if payload["baseline"] is not None:
            ax.axhline(payload["baseline"], ls=":", color=SOFT, lw=1.4)
        ax.set_xlim(0, payload["epochs"])
        whole_ticks(ax)
        ax.set_xlabel("epoch")
        ax.set_ylabel(payload["loss_name"])

    return _svg(draw, f"overlay-{screen}", SCREENS[screen])


def errors_charts(payload: dict[str, Any]) -> dict[str, markupsafe.Markup]:
    """Predicted against actual, and residuals by actual value, of the judged variants."""
    judged, step = payload["judged"], drawn_rows(payload["judged"])

    def actual(ax: Axes) -> None:
        for one in judged:
            points: dict[str, Any] = {"ms": 2.6, "mew": 0, "alpha": 0.5, "color": _colour(one["number"], payload)}
            ax.plot(one["jittered"][::step], one["predicted"][::step], "o", **points)
        ax.plot(payload["ends"], payload["ends"], ":", color=SOFT, lw=1.4)
        ax.set_ylabel("predicted")

    def residuals(ax: Axes) -> None:
        values = sorted({value for one in judged for value in one["actual"]})
        apart = min(np.diff(values), default=1.0)
        for place, one in enumerate(judged):
            colour, found = _colour(one["number"], payload), np.array(one["residual"])
            if not payload["grouped"]:
                ax.plot(one["actual"][::step], found[::step], "o", ms=2.6, mew=0, alpha=0.5, color=colour)
                continue
            width = 0.7 * apart / len(judged)
            shift = width * (place - (len(judged) - 1) / 2)
            there = [value for value in values if value in one["actual"]]
            line = {"color": colour, "lw": 1.1}
            ax.boxplot(
                [found[np.array(one["actual"]) == value] for value in there],
                positions=[value + shift for value in there],
                widths=0.85 * width,
                boxprops=line, whiskerprops=line, capprops=line, medianprops=line,
                flierprops={"marker": "o", "ms": 2, "mew": 0, "markerfacecolor": colour},
                showfliers=step == 1,
                manage_ticks=False,
            )  # fmt: skip
        ax.axhline(0, ls=":", color=SOFT, lw=1.2)
        ax.set_ylabel("predicted minus actual")

    def both(draw: Draw) -> Draw:
        def drawn(ax: Axes) -> None:
            draw(ax)
            ax.set_xlabel(f"actual {payload['target']}", parse_math=False)

        return drawn

    size = SCREENS["narrow"]
    return {name: _svg(both(draw), name, size) for name, draw in (("actual", actual), ("residuals", residuals))}


def drawn_rows(judged: Sequence[dict[str, Any]]) -> int:
    """The step n of the scatter plots, which show every nth row."""
    return math.ceil(max((len(one["actual"]) for one in judged), default=1) / MOST_POINTS)


def _colour(number: int, payload: dict[str, Any]) -> str:
    """A placeholder for the colour of variant ``number``, which differs by scheme."""
    return f"#0102{number % len(payload['colours']['light']):02x}"


def _svg(draw: Draw, name: str, size: tuple[float, float]) -> markupsafe.Markup:
    """The drawing as an ``svg`` element without size and metadata, with identifiers that no other drawing has."""
    left, bottom, right, top = MARGINS
    width, height = 72 * size[0], 72 * size[1]
    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 10,
        "text.color": TEXT, "axes.labelcolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT,
        "axes.edgecolor": LINE, "grid.color": LINE,
    }  # fmt: skip
    with mpl.rc_context(style):
        fig = Figure(figsize=size)
        place = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
        ax = fig.add_axes(place, facecolor="none")
        ax.grid(lw=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        draw(ax)
        text = save(fig, "svg", transparent=True).decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.S)
    text = re.sub(r' width="[^"]*" height="[^"]*"', "", text, count=1)  # it fills its place on the page
    return markupsafe.Markup(re.sub("<[^<>]*>", lambda tag: _fitted(tag[0], name), text))


def _fitted(tag: str, name: str) -> str:
    """A tag with its drawing's name before identifiers, and the page's variables for colours; text stays as is."""
    tag = re.sub(r'\bid="variant-(\d+)"', r'class="variant-\1"', tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    for drawn, variable in _VARIABLES.items():
        tag = tag.replace(drawn, f"var({variable})")
    return re.sub(r"#0102([0-9a-f]{2})\b", lambda found: f"var(--variant-{int(found[1], 16)})", tag)
