"""What figures of many runs share: a variant's lines, its colour, and the legend's words."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from wineexp.comparison.effects import Effect
from wineexp.comparison.forest import draw_verdicts, forest_height
from wineexp.comparison.scale import Scale, Style, alone, seed_mean
from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import Verdict
from wineexp.runs.curves import (
    COLOURS,
    LINES,
    Drawing,
    LossAxis,
    axis_key,
    loss_words,
    mark_constant,
    watermark,
)
from wineexp.text import epoch_number

__all__ = [
    "GREY",
    "MARKERS",
    "MIN_BAND",
    "WRAP",
    "Judged",
    "above_verdicts",
    "add_legend",
    "colour_numbers",
    "draw_variant",
    "has_dropout",
    "key",
    "legend_height",
    "legend_label",
    "prepare",
    "shared_settings",
    "value_name",
]

Floats = npt.NDArray[np.floating[Any]]

GREY = "#AAAAAA"
MARKERS = "osD^vPX<>*"

#: With fewer seeds, each is drawn: the interval of two may span the figure.
MIN_BAND = 4

#: Inches of a legend's line, and its characters in a figure with two legends side by side.
LINE, WRAP = 0.19, 68


@dataclass(frozen=True)
class Judged:
    """What is drawn below the curves: verdicts, effects, and the letters of variants that cannot be told apart."""

    verdicts: Sequence[Verdict] = ()
    effects: Sequence[Effect] = ()
    groups: Mapping[str, str] = field(default_factory=dict)


def above_verdicts(width: float, height: float, judged: Judged) -> tuple[Figure, FigureBase]:
    """A figure with ``height`` inches above the verdicts, and that upper part."""
    below = forest_height(judged.verdicts, judged.effects)
    whole = Drawing(figsize=(width, height + below), dpi=110)
    if not judged.verdicts:
        return whole, whole
    upper, lower = cast(Any, whole.subfigures(2, 1, height_ratios=(height, below)))
    draw_verdicts(lower, judged.verdicts, judged.effects, judged.groups)
    return whole, upper


def colour_numbers(variants: Sequence[Variant]) -> dict[str, int]:
    """Label -> the number of its colour: ordered by when the studies were planned, then by the settings.

    So a variant keeps its colour when another one is added later.
    """
    ranked = sorted(range(len(variants)), key=lambda number: (variants[number].planned, number))
    return {variants[number].label: rank % len(COLOURS) for rank, number in enumerate(ranked)}


def prepare(ax: Axes, scale: Scale, axis: LossAxis, inches: float) -> None:
    """Set up the axes that all panels of a figure share; ``inches`` is their height."""
    axis.set_on(ax, inches)
    mark_constant(ax, scale.epochs, scale.baseline, scale.constant_words if scale.baseline else "")
    if scale.simulated:
        watermark(ax)


def draw_variant(
    ax: Axes,
    variant: Variant,
    scale: Scale,
    axis: LossAxis,
    style: Style,
    colour: str,
    marker: str = "",
    *,
    faint: bool = False,
) -> None:
    """A variant's losses: val_loss solid, with its seeds or their band, the others broken.

    ``faint`` draws the mean of val_loss alone.
    """
    epochs = epoch_number(variant.epochs)
    columns = scale.columns(variant, style)
    for column in columns[:1] if faint else columns:
        lines = scale.values(variant, column)
        mean, half = seed_mean(lines)
        beyond = np.isnan(mean) & variant.lines[column].written.all(axis=0)  # written as NaN: drawn at the edge
        leads = column == columns[0]
        width, alpha = (1.0, 0.8) if faint else (1.8 if leads else 1.25, 1.0)
        drawn = np.where(beyond, np.inf, mean)
        if style.smooth and not faint:
            raw = f"{variant.label}: raw {column}"
            ax.plot(epochs, axis.clipped(drawn), LINES[column], color=colour, lw=0.6 * width, alpha=0.4, label=raw)
            drawn = np.where(beyond, np.inf, _smoothed(mean, style.smooth))
        if leads and not faint and 1 < len(lines) < MIN_BAND:
            for line in lines:
                ax.plot(epochs, axis.clipped(line), "-", color=colour, lw=0.7, alpha=0.45, label="_seed")
        elif leads and not faint and len(lines) > 1:
            low, high = (axis.clipped(np.maximum(end, axis.bottom)) for end in (mean - half, mean + half))
            ax.fill_between(epochs, low, high, color=colour, alpha=0.15, lw=0, label="_band")
        ax.plot(
            epochs,
            axis.clipped(drawn),
            LINES[column],
            color=colour,
            lw=width,
            alpha=alpha,
            label=f"{variant.label}: {column}{' (faint)' if faint else ''}",
            marker=marker if leads else "",
            markevery=max(1, scale.epochs // 12),
            ms=4.5,
            zorder=1.5 if faint else 2.5,
        )
        if (single := alone(axis.clipped(drawn))).any():
            fill = colour if leads else "none"
            values = axis.clipped(drawn)[single]
            ax.plot(epochs[single], values, "o", color=colour, mfc=fill, ms=3.5, clip_on=False, label="_alone")


def _smoothed(values: Floats, span: int) -> Floats:
    """The exponentially weighted mean up to each epoch, as ``pandas.Series.ewm(span=...)``."""
    smooth: Floats = pd.Series(values).ewm(span=span).mean().to_numpy()
    return np.where(np.isnan(values), np.nan, smooth)


def value_name(scale: Scale) -> str:
    return "loss / the constant predictor's loss" if scale.relative else scale.loss_name


def key(variants: Sequence[Variant], scale: Scale, axis: LossAxis, style: Style) -> list[Artist]:
    """The legend's entries for lines, bands and the axis."""
    words = loss_words(has_dropout(variants))
    drawn = {column for variant in variants for column in scale.columns(variant, style)}
    present = [column for column in LINES if column in drawn]
    found: list[Artist] = [
        Line2D([], [], color="#333333", ls=LINES[column], lw=1.4, label=words[column]) for column in present
    ]
    if style.smooth:
        found.append(
            Line2D([], [], color="#333333", lw=0.8, alpha=0.4, label=f"raw (smoothed over {style.smooth})")
        )
    seeds = {len(variant.runs) for variant in variants} if "val_loss" in present else set()
    if any(1 < count < MIN_BAND for count in seeds):
        found.append(Line2D([], [], color="#333333", lw=0.7, alpha=0.6, label="single seeds (val_loss)"))
    if any(count >= MIN_BAND for count in seeds):
        found.append(
            Line2D([], [], color="#333333", lw=6, alpha=0.15, label="95 % interval of the mean over seeds")
        )
    if scale.baseline:
        found.append(Line2D([], [], color="#444444", ls=":", lw=1.4, label=scale.constant_words))
    return [*found, *axis_key(axis)]


def has_dropout(variants: Sequence[Variant]) -> bool:
    """Whether any of them has dropout, and all of them have a known spec."""
    specs = [variant.spec for variant in variants]
    return None not in specs and any(spec.has_dropout() for spec in specs if spec)


def legend_label(variant: Variant, reference: Variant | None) -> str:
    """A variant for a legend, in words, with its number of runs."""
    count = len(variant.runs)
    several = f"{count} runs" if variant.across_splits else f"{count} seeds"
    return f"{variant.title}{f', {several}' if count > 1 else ''}{' (reference)' if variant is reference else ''}"


def add_legend(fig: FigureBase, handles: Sequence[Artist], place: tuple[float, float], width: int) -> None:
    """A legend with its upper left corner at ``place``, in parts of the figure; ``width`` is in characters."""
    labels = [textwrap.fill(str(handle.get_label()), width) for handle in handles]
    legend = fig.legend(
        handles, labels, loc="upper left", bbox_to_anchor=place, frameon=False, fontsize=8.5, labelspacing=0.4,
        handlelength=2.8, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def legend_height(handles: Sequence[Artist], width: int) -> float:
    """Height of such a legend in inches."""
    return LINE * sum(len(textwrap.wrap(str(handle.get_label()), width)) for handle in handles)


def shared_settings(variants: Sequence[Variant]) -> str:
    """The settings that all variants share, in a line; empty if any variant's are not known."""
    if not variants or not all(variant.spec for variant in variants):
        return ""
    first = variants[0]
    assert first.spec is not None
    return "all: " + first.spec.describe(without={*first.settings, "seed"})
