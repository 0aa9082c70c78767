"""The page's charts: their data, and SVG by Matplotlib that takes the page's colours and needs no script."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import markupsafe
import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wineexp.comparison.comparison import Comparison
from wineexp.comparison.drawing import MIN_BAND, colour_numbers
from wineexp.comparison.scale import Scale, Style, alone, loss_axis_of, seed_mean, shared_scale
from wineexp.comparison.variants import Variant
from wineexp.listing import Column, Listing
from wineexp.runs.curves import COLOURS, LINES, save, whole_ticks
from wineexp.text import epoch_number, format_number

__all__ = [
    "MARGINS",
    "SCREENS",
    "drawn_rows",
    "errors_charts",
    "judged_variants",
    "overlay_chart",
    "payload",
    "residuals",
]

#: The curves' colours (see :data:`wineexp.runs.curves.COLOURS`), lightened for a dark background.
DARK_COLOURS = (
    "#5AAEE8",
    "#FF8B3D",
    "#2FC998",
    "#E79CCB",
    "#9AD7F7",
    "#FFC34F",
    "#CC9166",
    "#A395F5",
    "#E56AA3",
    "#D3D35F",
)

#: Up to this many different actual values, residuals are shown as one box per value.
MAX_BOXES = 20


def payload(
    comparison: Comparison, shown: Sequence[Variant], judged: Sequence[dict[str, Any]], target: str
) -> dict[str, Any]:
    """All values to draw, JSON-ready; values that are not finite are None."""
    curves = [variant for variant in shown if variant.has_curves]
    scale, numbers = shared_scale(curves), colour_numbers(shown)
    return {
        "variants": [_lines(scale, variant) for variant in curves],
        "colours": {
            scheme: [colours[number] for number in numbers.values()]
            for scheme, colours in (("light", COLOURS), ("dark", DARK_COLOURS))
        },
        "baseline": scale.baseline,
        "axis": loss_axis_of(curves, scale, Style()),
        "epochs": scale.epochs,
        "loss_name": "loss / the constant's" if scale.relative else scale.loss_name,
        "judged": judged,
        "grouped": len({value for variant in judged for value in variant["actual"]}) <= MAX_BOXES,
        "ends": _ends(judged),
        "target": target,
    }


def _lines(scale: Scale, variant: Variant) -> dict[str, Any]:
    lines = scale.values(variant, "val_loss")
    mean, half = seed_mean(lines)
    several = len(lines) >= MIN_BAND
    other_losses = [name for name in scale.columns(variant, Style()) if name != "val_loss"]
    return {
        "label": variant.label,
        "epochs": epoch_number(variant.epochs).tolist(),
        "val_loss": _plain(mean),
        **{name: _plain(seed_mean(scale.values(variant, name))[0]) for name in other_losses},
        "seeds": [_plain(line) for line in lines] if 1 < len(lines) < MIN_BAND else [],
        "low": _plain(mean - half) if several else None,
        "high": _plain(mean + half) if several else None,
    }


def _plain(values: npt.NDArray[Any]) -> list[float | None]:
    return [float(f"{value:.7g}") if math.isfinite(value) else None for value in values]


def judged_variants(comparison: Comparison, shown: Sequence[Variant]) -> list[dict[str, Any]]:
    """Actual values and mean predictions of the variant with the lowest error, and of the reference."""
    lowest = f"lowest {comparison.metric}"
    roles: dict[str, tuple[str, Variant]] = {}
    for role, variant in ((lowest, comparison.best), ("reference", comparison.reference)):
        if variant is not None and variant.judged:
            before = roles.get(variant.label)
            roles[variant.label] = (f"{before[0]} and {role}" if before else role, variant)
    return [_errors(role, variant, list(shown).index(variant)) for role, variant in roles.values()]


def _errors(role: str, variant: Variant, number: int) -> dict[str, Any]:
    predictions = map(variant.score.predictions, variant.runs)
    tables = [table for table in predictions if table is not None]
    by_row = pd.concat(tables).groupby("row")[["actual", "predicted"]].mean()  # over seeds, and splits
    actual, predicted = (by_row[column].to_numpy(np.float64) for column in by_row)
    # The golden ratio spreads the points evenly without randomness, so that a page is reproducible.
    spread = (np.arange(len(actual)) * 0.61803398875) % 1 - 0.5
    step = np.diff(np.unique(actual)).min() if len(np.unique(actual)) > 1 else 1.0
    return {
        "role": role,
        "number": number,
        "label": variant.label,
        "actual": _plain(actual),
        "jittered": _plain(actual + 0.5 * step * spread),
        "predicted": _plain(predicted),
        "residual": _plain(predicted - actual),
    }


def _ends(judged: Sequence[dict[str, Any]]) -> list[float]:
    values = [value for variant in judged for value in variant["actual"]]
    return [min(values), max(values)] if values else []


def residuals(judged: Sequence[dict[str, Any]], target: str) -> Listing | None:
    """Mean residual of each judged variant by actual value, or by tenth of the values; None if none is judged."""
    if not judged:
        return None
    size = float(np.abs([value for one in judged for value in one["residual"]]).mean())
    actual = np.array(judged[0]["actual"])
    values = np.unique(actual)
    groups = [(f"{value:g}", actual == value) for value in values]
    if len(values) > MAX_BOXES:
        edges = np.quantile(actual, np.linspace(0, 1, 11))
        groups = [
            (f"{low:g} to {high:g}", (actual >= low) & (actual <= high)) for low, high in itertools.pairwise(edges)
        ]

    def mean_text(residual: float) -> str:
        return format_number(residual, "+.3f", size)

    columns = (
        Column("actual", f"actual {target}", "", str),
        Column("rows", "rows", "", str),
        *(Column(one["label"], f"mean residual, {one['label']}", "", str, mean_text) for one in judged),
    )
    rows = [
        {"actual": name, "rows": int(mask.sum())}
        | {one["label"]: float(np.array(one["residual"])[mask].mean()) for one in judged}
        for name, mask in groups
        if mask.any()
    ]
    return Listing(columns, tuple(rows))


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
        for variant in judged:
            colour = _colour(variant["number"], payload)
            points: dict[str, Any] = {"ms": 2.6, "mew": 0, "alpha": 0.5, "color": colour}
            ax.plot(variant["jittered"][::step], variant["predicted"][::step], "o", **points)
        ax.plot(payload["ends"], payload["ends"], ":", color=SOFT, lw=1.4)
        ax.set_ylabel("predicted")

    def residuals(ax: Axes) -> None:
        values = sorted({value for variant in judged for value in variant["actual"]})
        apart = min(np.diff(values), default=1.0)
        for place, variant in enumerate(judged):
            colour, errors = _colour(variant["number"], payload), np.array(variant["residual"])
            if not payload["grouped"]:
                ax.plot(variant["actual"][::step], errors[::step], "o", ms=2.6, mew=0, alpha=0.5, color=colour)
                continue
            width = 0.7 * apart / len(judged)
            shift = width * (place - (len(judged) - 1) / 2)
            occurring = [value for value in values if value in variant["actual"]]
            line = {"color": colour, "lw": 1.1}
            ax.boxplot(
                [errors[np.array(variant["actual"]) == value] for value in occurring],
                positions=[value + shift for value in occurring],
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
    return math.ceil(max((len(variant["actual"]) for variant in judged), default=1) / MOST_POINTS)


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
