"""All variants in one figure."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wineexp.comparison import drawing
from wineexp.comparison.drawing import GREY, MARKERS, WRAP, Judged
from wineexp.comparison.scale import Style, loss_axis_of, shared_scale
from wineexp.comparison.variants import Variant, val_mae
from wineexp.runs.curves import COLOURS, write_title

__all__ = ["MAX_COLOURED", "overlay"]

#: At most this many variants are coloured in an overlay: the reference and the best; others are grey.
MAX_COLOURED = 10

#: Inches: the figure's width, above the axes, the axes, below them.
WIDTH, TITLE, AXES, TICKS = 11.0, 0.8, 4.7, 0.62


def overlay(
    variants: Sequence[Variant], reference: Variant | None, style: Style, title: str, judged: Judged
) -> Figure:
    """All variants in one figure: a colour each, val_loss solid, other losses broken, the seeds or their band.

    Parameters
    ----------
    variants : sequence of Variant
        Variants without a finished run are left out.
    reference : Variant or None
        Marked in the legend.
    style : Style
    title : str
    judged : Judged
        Drawn below the curves.
    """
    shown = [variant for variant in variants if variant.runs]
    scale = shared_scale(shown)
    axis = loss_axis_of(shown, scale, style)
    coloured, others = _coloured(shown, reference), []
    numbers = _distinct([variant for variant in shown if variant.label in coloured], shown)
    handles = []
    for variant in shown:
        if variant.label not in numbers:
            others.append(variant)
            continue
        number = numbers[variant.label]
        label = drawing.legend_label(variant, reference)
        handles.append(Line2D([], [], color=COLOURS[number], marker=MARKERS[number], ms=5, lw=1.8, label=label))
    if others:
        handles.append(Line2D([], [], color=GREY, lw=1, label=f"{len(others)} others (val_loss)"))
    keys = drawing.key(shown, scale, axis, style)
    legend = max(drawing.legend_height(part, WRAP) for part in (handles, keys)) + 0.15
    height = TITLE + AXES + TICKS + legend
    whole, fig = drawing.above_verdicts(WIDTH, height, judged)
    ax = fig.add_axes((0.065, (TICKS + legend) / height, 0.915, AXES / height))
    drawing.prepare(ax, scale, axis, AXES)
    for variant in others:
        drawing.draw_variant(ax, variant, scale, axis, style, GREY, faint=True)
    for variant in shown:
        if variant.label in numbers:
            number = numbers[variant.label]
            drawing.draw_variant(ax, variant, scale, axis, style, COLOURS[number], MARKERS[number])
    ax.set_xlabel("epoch")
    ax.set_ylabel(drawing.value_name(scale))
    drawing.add_legend(fig, handles, (0.065, legend / height), WRAP)
    drawing.add_legend(fig, keys, (0.56, legend / height), WRAP)
    write_title(ax, title, drawing.shared_settings(shown))
    return whole


def _coloured(variants: Sequence[Variant], reference: Variant | None) -> set[str]:
    """Labels of the coloured variants: all if they are few, else the reference and the best."""
    ranked = sorted(variants, key=lambda variant: (variant is not reference, val_mae(variant)))
    return {variant.label for variant in ranked[:MAX_COLOURED]}


def _distinct(coloured: Sequence[Variant], shown: Sequence[Variant]) -> dict[str, int]:
    """A different colour for each of those variants: its own if that is free."""
    own = drawing.colour_numbers(shown)
    numbers: dict[str, int] = {}
    for variant in coloured:
        taken = set(numbers.values())
        free = (number for number in range(len(COLOURS)) if number not in taken)
        numbers[variant.label] = own[variant.label] if own[variant.label] not in taken else next(free)
    return numbers
