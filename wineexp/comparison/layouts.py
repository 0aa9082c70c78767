"""The curves of a comparison: all variants in one figure, or a panel for each on shared axes."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from wineexp.comparison import drawing
from wineexp.comparison.drawing import GREY, MARKERS, WRAP, Judged
from wineexp.comparison.scale import Style, loss_axis_of, shared_scale
from wineexp.comparison.variants import Variant, score_rank
from wineexp.errors import SelectionError
from wineexp.runs.curves import COLOURS, write_title

__all__ = ["MAX_COLOURED", "MAX_PANELS", "grid", "overlay"]

#: At most this many variants are coloured in an overlay: the reference and the best; others are grey.
MAX_COLOURED = 10

MAX_PANELS = 36

#: Inches: the figure's least width; the space for the epochs' numbers below the axes.
WIDTH, TICKS = 11.0, 0.62

#: Inches of an overlay: above the axes, the axes.
TITLE, AXES = 0.8, 4.7

#: Inches of a grid: a panel's width and height; the space above all panels, and left of them.
PANEL, HEIGHT, ABOVE, LEFT = 3.2, 2.1, 0.75, 0.75

#: Height of a line of a panel's title in inches, and its characters per inch.
LINE, BY_INCH = 0.16, 13.0

Place = tuple[int, int]


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
    ranked = sorted(variants, key=lambda variant: (variant is not reference, score_rank(variant)))
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


def grid(
    variants: Sequence[Variant], reference: Variant | None, style: Style, title: str, judged: Judged
) -> Figure:
    """A panel for each variant, laid out by two factors where variants cross two; see :func:`overlay`.

    Raises
    ------
    SelectionError
        For more than ``MAX_PANELS`` variants.
    """
    shown = [variant for variant in variants if variant.runs]
    if len(shown) > MAX_PANELS:
        raise SelectionError(
            f"{len(shown)} variants are too many for a grid of panels (at most {MAX_PANELS}); "
            "choose some with --where, such as --where dropout=0.3, or use --layout overlay"
        )
    scale = shared_scale(shown)
    axis = loss_axis_of(shown, scale, style)
    places, rows, columns = _places(shown)
    width = max(WIDTH, LEFT + 0.15 + PANEL * columns)
    wrap = int(BY_INCH * (width - LEFT) / columns)
    titles = {one.label: textwrap.wrap(drawing.legend_label(one, reference), wrap) for one in shown}
    gap = 0.34 + LINE * max(len(lines) for lines in titles.values())
    keys = drawing.key(shown, scale, axis, style)
    if reference is not None and len(shown) > 1:
        keys.append(Line2D([], [], color=GREY, lw=1.2, label="the reference's val_loss"))
    half = math.ceil(len(keys) / 2)
    legend = max(drawing.legend_height(part, WRAP) for part in (keys[:half], keys[half:])) + 0.15
    height = ABOVE + rows * (HEIGHT + gap) + TICKS - 0.34 + legend
    whole, fig = drawing.above_verdicts(width, height, judged)
    axes = fig.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    fig.subplots_adjust(
        left=LEFT / width,
        right=1 - 0.15 / width,
        top=1 - (ABOVE + gap - 0.34) / height,
        bottom=(TICKS + legend) / height,
        hspace=gap / HEIGHT,
        wspace=0.1,
    )
    for ax in axes.flat:
        ax.set_visible(False)
    colours = drawing.colour_numbers(shown)
    for variant in shown:
        ax = axes[places[variant.label]]
        ax.set_visible(True)
        drawing.prepare(ax, scale, axis, HEIGHT)
        if reference is not None and variant is not reference:
            drawing.draw_variant(ax, reference, scale, axis, style, GREY, faint=True)
        drawing.draw_variant(ax, variant, scale, axis, style, COLOURS[colours[variant.label]])
        ax.set_title("\n".join(titles[variant.label]), parse_math=False, fontsize=9, loc="left")
        ax.tick_params(labelbottom=True)
    for ax in axes[:, 0]:
        ax.set_ylabel(drawing.value_name(scale), fontsize=9)
    for column in range(columns):
        last = [axes[row, column] for row in range(rows) if axes[row, column].get_visible()]
        if last:
            last[-1].set_xlabel("epoch", fontsize=9)
    _write(fig, title, drawing.shared_settings(shown), width, height)
    drawing.add_legend(fig, keys[:half], (LEFT / width, legend / height), WRAP)
    drawing.add_legend(fig, keys[half:], (0.53, legend / height), WRAP)
    return whole


def _write(fig: FigureBase, title: str, description: str, width: float, height: float) -> None:
    """Title and description above all panels: at most two lines, the title first."""
    texts = ((title, 0.3, 12, "black", 10), (description, 0.52, 8.5, "#555555", 15))
    for text, below, size, colour, by_inch in texts:
        shown = textwrap.shorten(text, int(by_inch * width))
        place = LEFT / width, 1 - below / height
        fig.text(*place, shown, fontsize=size, color=colour, parse_math=False)


def _places(shown: Sequence[Variant]) -> tuple[dict[str, Place], int, int]:
    """Each variant's row and column, and the number of rows and columns.

    The largest full cross of two fields is laid out by them; the other variants follow in rows below.
    """
    crossed = max((_cross(shown, *pair) for pair in _pairs(shown)), key=len, default={})
    rest = [variant for variant in shown if variant.label not in crossed]
    if not crossed:
        columns = min(4, math.ceil(math.sqrt(len(rest))))
        return (
            {one.label: divmod(number, columns) for number, one in enumerate(rest)},
            -(-len(rest) // columns),
            columns,
        )
    rows, columns = (1 + max(place[side] for place in crossed.values()) for side in (0, 1))
    below = {one.label: (rows + number // columns, number % columns) for number, one in enumerate(rest)}
    return crossed | below, rows + math.ceil(len(rest) / columns), columns


def _pairs(shown: Sequence[Variant]) -> list[tuple[str, str]]:
    fields = next((list(variant.settings) for variant in shown if variant.spec), [])
    return list(itertools.combinations(fields, 2))


def _cross(shown: Sequence[Variant], down: str, across: str) -> dict[str, Place]:
    """The places in the largest full cross of two fields, among variants that are alike in all other fields."""
    alike: dict[tuple[str, ...], list[Variant]] = {}
    for variant in shown:
        if variant.spec:
            others = tuple(value for field, value in variant.settings.items() if field not in (down, across))
            alike.setdefault(others, []).append(variant)
    best: dict[str, Place] = {}
    for same in alike.values():
        values = [list(dict.fromkeys(one.settings[field] for one in same)) for field in (down, across)]
        is_full = len(same) == len(values[0]) * len(values[1]) and min(map(len, values)) > 1
        if is_full and len(same) > len(best):
            best = {
                one.label: (values[0].index(one.settings[down]), values[1].index(one.settings[across]))
                for one in same
            }
    return best
