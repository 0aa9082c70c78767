"""Figures of learning curves. All runs on one table share their axes, so figures can be compared side by side."""

from __future__ import annotations

import io
import textwrap
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from wineexp.runs.record import Record
from wineexp.text import visible

__all__ = [
    "COLOURS",
    "CONSTANT_NAMES",
    "LOSS_NAMES",
    "Curve",
    "figure",
    "mark_above",
    "save",
    "set_axes",
    "write_title",
]

#: Okabe and Ito's colours (2008), told apart with every common colour blindness; black is left for text.
#: The last four are Paul Tol's (2021); their yellow is too faint on white for a line.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#7A4419",
    "#332288",
    "#882255",
    "#999933",
)

LOSS_NAMES = {"mae": "mean absolute error", "mse": "mean squared error", "huber": "Huber loss"}

#: What the dotted line represents: the constant with the least loss on the training rows.
CONSTANT_NAMES = {
    "mae": "always predicting the training median",
    "mse": "always predicting the training mean",
    "huber": "always predicting the best constant",
}


@dataclass(frozen=True)
class Curve:
    """One run's learning curves and what is needed to draw and to compare them.

    Attributes
    ----------
    label, title : str
        The variant for a legend; the spec in one line.
    record : Record
        What is known of the run; a picture carries it without timing and environment.
    history : pandas.DataFrame
        ``epoch, loss, val_loss``.
    """

    label: str
    title: str
    record: Record
    history: pd.DataFrame

    @property
    def baseline(self) -> float | None:
        """The validation loss of the best constant; None if the run did not get that far."""
        return self.record.metrics.baseline_loss


def figure(curve: Curve, *, full_range: bool = False) -> Figure:
    """Return one run's figure: loss and val_loss by epoch, the constant predictor's loss dotted."""
    fig = Figure(figsize=(8, 5), dpi=110)
    # Fixed margins: two figures laid over each other match to the pixel, and no layout has to be solved.
    ax = fig.add_axes((0.085, 0.105, 0.88, 0.755))
    spec = curve.record.spec
    loss_name = LOSS_NAMES[spec.loss]
    lines = (
        ("val_loss", f"val_loss (validation {loss_name})", "-", COLOURS[0]),
        ("loss", "loss (training, dropout on)", "--", COLOURS[1]),
    )
    for column, label, style, colour in lines:
        ax.plot(curve.history["epoch"], curve.history[column], style, color=colour, label=label, lw=1.8)
    set_axes(ax, spec.epochs, spec.loss, curve.baseline, full_range=full_range)
    for column, _, _, colour in lines:
        mark_above(ax, curve.history["epoch"], curve.history[column], colour)
    ax.set_xlabel("epoch")
    ax.set_ylabel(loss_name)
    write_title(ax, curve.label, curve.title)
    ax.legend(frameon=False, loc="upper right")
    return fig


def write_title(ax: Axes, title: str, description: str) -> None:
    """A title above ``ax`` with a description under it, as plain text, two lines each at most."""
    below = textwrap.fill(description, 120, max_lines=2)
    ax.set_title(
        textwrap.fill(title, 80, max_lines=2),
        parse_math=False,
        fontsize=12,
        loc="left",
        pad=10 + 11 * len(below.splitlines()),
    )
    ax.annotate(
        below,
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        fontsize=8.5,
        color="#555555",
        parse_math=False,
        va="bottom",
    )


def set_axes(ax: Axes, epochs: int, loss: str, baseline: float | None, *, full_range: bool = False) -> None:
    """The axes that all runs on one table share: 0 to the epochs, 0 to twice the constant's loss."""
    ax.set_xlim(0, epochs)
    if baseline:
        ax.axhline(baseline, ls=":", color="#444444", lw=1.4, label=f"{CONSTANT_NAMES[loss]}: {baseline:.3f}")
        if not full_range:
            ax.set_ylim(0, 2 * baseline)
    if full_range or not baseline:
        ax.set_ylim(bottom=0)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def mark_above(ax: Axes, epochs: npt.ArrayLike, values: npt.ArrayLike, colour: str) -> None:
    """Mark values above the range, or that are not a number, with triangles at the upper edge."""
    top = ax.get_ylim()[1]
    above = ~(np.asarray(values) <= top)
    if above.any():
        ax.plot(
            np.asarray(epochs)[above],
            np.full(int(above.sum()), top),
            "^",
            color=colour,
            ms=5,
            clip_on=False,
            label="_above",
            zorder=3,
        )


def save(fig: Figure, form: str, **options: Any) -> bytes:
    """The figure as a file of the format ``form``: png, svg or pdf."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # A name may hold any character; one the font lacks is drawn as a box, and that is no fault.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for text in fig.findobj(Text):
            text.set_text(visible(text.get_text()))
        fig.savefig(stream, format=form, **options)
    return stream.getvalue()
