"""Figures of many runs on shared axes: one overlay, or a panel for each variant."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from wineexp.comparison.effects import Effect
from wineexp.comparison.forest import draw_verdicts, forest_height
from wineexp.comparison.scale import Scale, Style, alone, seed_mean, shared_scale
from wineexp.comparison.variants import Variant, val_mae
from wineexp.comparison.verdict import Verdict
from wineexp.errors import SelectionError
from wineexp.runs.curves import COLOURS, LOSS_NAMES, mark_above, set_axes, write_title

__all__ = ["MAX_COLOURED", "MAX_PANELS", "grid", "overlay"]

Floats = npt.NDArray[np.floating[Any]]

#: At most this many variants are coloured in one overlay: the reference and the best; others are grey.
MAX_COLOURED = 10
MAX_PANELS = 36
GREY = "#AAAAAA"
MARKERS = "osD^vPX<>*"
LINES = {"val_loss": "-", "loss": "--"}
TEXT = {"val_loss": "val_loss", "loss": "loss (training, dropout on)"}


def overlay(
    variants: Sequence[Variant],
    reference: Variant | None,
    style: Style,
    title: str,
    verdicts: Sequence[Verdict] = (),
    effects: Sequence[Effect] = (),
    groups: Mapping[str, str] | None = None,
) -> Figure:
    """All variants in one figure: one colour each, val_loss solid and loss dashed, seeds as mean and band.

    Parameters
    ----------
    variants : sequence of Variant
        Those without a finished run are left out.
    reference : Variant or None
        Marked in the legend.
    style : Style
    title : str
    verdicts, effects, groups
        See :mod:`wineexp.comparison.forest`; drawn below the curves, which keep their size and place.
    """
    shown = [variant for variant in variants if variant.runs]
    scale = shared_scale(shown)
    below = forest_height(verdicts, effects)
    whole = Figure(figsize=(11, 6 + below), dpi=110)
    fig: FigureBase = whole
    if verdicts:
        fig, lower = cast(Any, whole.subfigures(2, 1, height_ratios=(6, below)))
        draw_verdicts(lower, verdicts, effects, groups or {})
    ax = fig.add_axes((0.065, 0.09, 0.6, 0.77))
    coloured = _coloured(shown, reference)
    set_axes(ax, scale.epochs, scale.loss, scale.baseline, full_range=style.full_range)
    for variant in [variant for variant in shown if variant.label not in coloured]:
        _draw(ax, variant, scale, Style("val_loss", None, style.full_range), GREY, "", faint=True)
    handles = []
    for number, variant in enumerate(v for v in shown if v.label in coloured):
        colour, marker = COLOURS[number], MARKERS[number]
        _draw(ax, variant, scale, style, colour, marker)
        handles.append(
            Line2D([], [], color=colour, marker=marker, ms=5, lw=1.8, label=_legend_label(variant, reference))
        )
    if len(coloured) < len(shown):
        handles.append(Line2D([], [], color=GREY, lw=1, label=f"{len(shown) - len(coloured)} others (val_loss)"))
    _finish(ax, scale, style)
    _legend(fig, handles + _key(shown, scale, style))
    write_title(ax, title, _common(shown))
    return whole


def grid(variants: Sequence[Variant], reference: Variant | None, style: Style, title: str) -> Figure:
    """A panel for each variant on shared axes, laid out by two factors where the variants cross two.

    Raises
    ------
    SelectionError
        When there are more than ``MAX_PANELS`` variants.
    """
    shown = [variant for variant in variants if variant.runs]
    if len(shown) > MAX_PANELS:
        raise SelectionError(
            f"{len(shown)} variants are too many for a grid of panels (at most {MAX_PANELS}); "
            "choose some with --where, such as --where dropout=0.3, or use --layout overlay"
        )
    scale = shared_scale(shown)
    places, rows, columns = _places(shown)
    fig = Figure(figsize=(2.2 + 3.2 * columns, 1.5 + 2.4 * rows), dpi=110)
    axes = fig.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    top = 1 - 0.85 / fig.get_figheight()
    fig.subplots_adjust(
        left=0.75 / fig.get_figwidth(),
        right=1 - 0.15 / fig.get_figwidth(),
        top=top,
        bottom=0.9 / fig.get_figheight(),
        hspace=0.36,
        wspace=0.08,
    )
    for ax in axes.flat:
        ax.set_visible(False)
    for number, variant in enumerate(shown):
        ax = axes[places[variant.label]]
        ax.set_visible(True)
        set_axes(ax, scale.epochs, scale.loss, scale.baseline, full_range=style.full_range)
        if reference is not None and variant is not reference:
            _draw(ax, reference, scale, Style("val_loss", None, style.full_range), GREY, "", faint=True)
        _draw(ax, variant, scale, style, COLOURS[number % len(COLOURS)], "")
        ax.set_title(
            textwrap.fill(_legend_label(variant, reference), 44, max_lines=2),
            parse_math=False,
            fontsize=9,
            loc="left",
        )
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel(_value_name(scale), fontsize=9)
    for ax in axes[-1, :]:
        ax.set_xlabel("epoch", fontsize=9)
    left = 0.75 / fig.get_figwidth()
    fig.text(left, 1 - 0.3 / fig.get_figheight(), textwrap.shorten(title, 100), fontsize=12, parse_math=False)
    fig.text(
        left,
        1 - 0.5 / fig.get_figheight(),
        textwrap.shorten(_common(shown), 30 + 40 * columns),
        fontsize=8.5,
        color="#555555",
        parse_math=False,
    )
    keys = _key(shown, scale, style)
    if reference is not None:
        keys.append(Line2D([], [], color=GREY, lw=1.2, label="the reference's val_loss"))
    for key in keys:
        if key.get_color() == "black":
            key.set_color("#333333")
    fig.legend(handles=keys, loc="lower center", ncols=min(len(keys), 1 + columns), frameon=False, fontsize=8.5)
    return fig


def _coloured(variants: Sequence[Variant], reference: Variant | None) -> set[str]:
    """Labels of the coloured variants: all if they are few, else the reference and the best."""
    ranked = sorted(variants, key=lambda variant: (variant is not reference, val_mae(variant)))
    return {variant.label for variant in ranked[:MAX_COLOURED]}


def _draw(
    ax: Axes, variant: Variant, scale: Scale, style: Style, colour: str, marker: str, *, faint: bool = False
) -> None:
    epochs = scale.epochs_of(variant)
    columns = scale.columns(variant, style)
    for column in columns:
        lines = scale.values(variant, column)
        mean, half = seed_mean(lines)
        width, alpha = (1.0, 0.8) if faint else (1.8, 1.0)
        if style.smooth:
            raw = width * 0.6
            ax.plot(
                epochs,
                mean,
                LINES[column],
                color=colour,
                lw=raw,
                alpha=0.4,
                label=f"{variant.label}: raw {column}",
            )
            drawn = _smoothed(mean, style.smooth)
        else:
            drawn = mean
        if len(lines) > 1 and not faint:
            for line in lines if column == "val_loss" else []:
                ax.plot(epochs, line, "-", color=colour, lw=0.5, alpha=0.2, label="_seed")
            if column == "val_loss":
                ax.fill_between(epochs, mean - half, mean + half, color=colour, alpha=0.12, lw=0, label="_band")
        ax.plot(
            epochs,
            drawn,
            LINES[column],
            color=colour,
            lw=width if column == "val_loss" else width * 0.7,
            alpha=alpha,
            label=f"{variant.label}: {column}{' (faint)' if faint else ''}",
            marker=marker if column == columns[0] else "",
            markevery=max(1, scale.epochs // 12),
            ms=4.5,
            zorder=1.5 if faint else 2.5,
        )
        if (single := alone(drawn)).any():
            fill = colour if column == "val_loss" else "none"
            ax.plot(epochs[single], drawn[single], "o", color=colour, mfc=fill, ms=3.5, label="_alone")
        if not faint:
            there = scale.written(variant, column)
            mark_above(ax, epochs[there], drawn[there], colour)


def _smoothed(values: Floats, span: int) -> Floats:
    """The exponentially weighted mean of what came before, as ``pandas.Series.ewm(span=...)``."""
    smooth: Floats = pd.Series(values).ewm(span=span).mean().to_numpy()
    return np.where(np.isnan(values), np.nan, smooth)


def _finish(ax: Axes, scale: Scale, style: Style) -> None:
    ax.set_xlabel("epoch")
    ax.set_ylabel(_value_name(scale))
    if style.full_range:
        ax.relim()
        ax.autoscale(axis="y")
        ax.set_ylim(bottom=0)


def _value_name(scale: Scale) -> str:
    return "loss / the constant predictor's loss" if scale.relative else LOSS_NAMES.get(scale.loss, "loss")


def _key(variants: Sequence[Variant], scale: Scale, style: Style) -> list[Line2D]:
    """What the line styles stand for."""
    drawn = {column for variant in variants for column in scale.columns(variant, style)}
    found = [
        Line2D([], [], color="black", ls=LINES[column], lw=1.4, label=TEXT[column])
        for column in LINES
        if column in drawn
    ]
    if style.smooth:
        found.append(Line2D([], [], color="black", lw=0.8, alpha=0.4, label=f"raw (smoothed over {style.smooth})"))
    if any(len(variant.runs) > 1 for variant in variants):
        found.append(Line2D([], [], color="black", lw=6, alpha=0.15, label="95 % interval of the mean over seeds"))
    if scale.baseline:
        label = f"{scale.constant_name}: {scale.baseline:.3f}"
        found.append(Line2D([], [], color="#444444", ls=":", lw=1.4, label=label))
    return found


def _legend(fig: FigureBase, handles: Sequence[Line2D]) -> None:
    labels = [textwrap.fill(str(handle.get_label()), 40, max_lines=6) for handle in handles]
    legend = fig.legend(
        handles,
        labels,
        loc="upper left",
        bbox_to_anchor=(0.68, 0.87),
        frameon=False,
        fontsize=8.5,
        labelspacing=0.7,
        handlelength=2.6,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _legend_label(variant: Variant, reference: Variant | None) -> str:
    count = len(variant.runs)
    several = f"{count} runs" if variant.across_splits else f"{count} seeds"
    seeds = f", {several}" if count > 1 else ""
    return f"{variant.label}{seeds}{' (reference)' if variant is reference else ''}"


def _common(variants: Sequence[Variant]) -> str:
    """The settings that all variants share, in a line."""
    first = next((variant for variant in variants if variant.spec), None)
    if first is None or first.spec is None:
        return ""
    return "all: " + first.spec.describe(without={*first.settings, "seed"})


def _places(variants: Sequence[Variant]) -> tuple[dict[str, tuple[int, int]], int, int]:
    """The position of each variant's panel: by two crossed factors, else one after the other."""
    fields = list(variants[0].settings)
    if len(fields) == 2 and all(variant.spec for variant in variants):
        down, across = (list(dict.fromkeys(variant.settings[field] for variant in variants)) for field in fields)
        if len(down) * len(across) == len(variants):
            places = {
                variant.label: (down.index(variant.settings[fields[0]]), across.index(variant.settings[fields[1]]))
                for variant in variants
            }
            return places, len(down), len(across)
    columns = min(4, math.ceil(math.sqrt(len(variants))))
    places = {variant.label: divmod(number, columns) for number, variant in enumerate(variants)}
    return places, math.ceil(len(variants) / columns), columns
