"""Figures of learning curves. All runs on one table share their axes, so figures can be compared side by side."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator

from wineexp.runs.loss_axis import LossAxis
from wineexp.runs.record import Record
from wineexp.runs.stopping import stopping
from wineexp.specs.wording import say
from wineexp.text import epoch_number, format_number, visible

__all__ = [
    "COLOURS",
    "CONSTANT_NAMES",
    "LINES",
    "LOSS_NAMES",
    "Curve",
    "Drawing",
    "axis_key",
    "figure",
    "loss_axis",
    "loss_words",
    "mark_constant",
    "save",
    "watermark",
    "whole_ticks",
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

#: Each loss's line; the constant's is dotted.
LINES = {"val_loss": "-", "loss": "--", "train_loss": "-."}

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
        ``epoch, loss, val_loss`` and, with ``eval_train``, ``train_loss``.
    """

    label: str
    title: str
    record: Record
    history: pd.DataFrame

    @property
    def heading(self) -> str:
        """Its name, or what differs from the defaults in words, or ``plain``."""
        spec = self.record.spec
        if self.label != spec.label() or spec.name is not None:
            return self.label
        return ", ".join(say(field, getattr(spec, field)) for field in spec.differing()) or self.label

    @property
    def baseline(self) -> float | None:
        """The validation loss of the best constant; None if the run did not get that far."""
        return self.record.metrics.baseline_loss


class Drawing(Figure):
    """A figure that a notebook shows, whether or not pyplot was ever imported there."""

    def _repr_png_(self) -> bytes:
        return save(self, "png")


def figure(curve: Curve, *, full_range: bool = False) -> Figure:
    """Return one run's figure: its losses by epoch, the constant predictor's loss dotted."""
    fig = Drawing(figsize=(8, 5), dpi=110)
    # Fixed margins: two figures laid over each other match to the pixel, and no layout has to be solved.
    ax = fig.add_axes((0.085, 0.105, 0.88, 0.755))
    spec, history = curve.record.spec, curve.history
    drawn = [name for name in LINES if name in history]
    axis = loss_axis(curve.baseline, [history[name] for name in drawn], full_range=full_range)
    axis.set_on(ax)
    words = loss_words(any(spec.rates()))
    epochs = epoch_number(history["epoch"])
    for number, name in enumerate(drawn):
        values = axis.clipped(history[name].fillna(np.inf))  # of a run that diverged
        ax.plot(epochs, values, LINES[name], color=COLOURS[number], label=words[name], lw=1.8)
    constant = "" if curve.baseline is None else format_number(curve.baseline, ".3f")
    mark_constant(ax, spec.epochs, curve.baseline, f"{CONSTANT_NAMES[spec.loss]}: {constant}")
    _mark_stopping(ax, curve, axis)
    ax.set_xlabel("epoch")
    ax.set_ylabel(LOSS_NAMES[spec.loss])
    write_title(ax, curve.heading, curve.title)
    if curve.record.simulated:
        watermark(ax)
    handles = ax.get_legend_handles_labels()[0] + axis_key(axis)
    ax.legend(handles=handles, frameon=False, loc="lower left", fontsize=9)
    return fig


def _mark_stopping(ax: Axes, curve: Curve, axis: LossAxis) -> None:
    """A ring on val_loss where early stopping found the best epoch, with whose weights were kept."""
    record, losses = curve.record, curve.history["val_loss"]
    found = stopping(record.spec, losses.tolist()) if record.status == "done" else None
    if found is not None:
        epoch = epoch_number(found.best)
        label = found.kept if found.restored else f"best epoch {epoch}; {found.kept}"
        height = axis.clipped(losses.iloc[[found.best]])
        ax.plot([epoch], height, "o", color=COLOURS[0], mfc="white", ms=6, mew=1.6, zorder=3, label=label)


def loss_axis(baseline: float | None, curves: Iterable[npt.ArrayLike], *, full_range: bool = False) -> LossAxis:
    """The axis for a constant's loss, or one that fits the curves where it is not known or all is to be shown."""
    if baseline and not full_range:
        return LossAxis.of_constant(baseline)
    return LossAxis.of_curves([*curves, *([[baseline]] if baseline else [])], linear=full_range)


def loss_words(dropout: bool) -> dict[str, str]:
    """What each loss is, for a legend; ``dropout`` says whether there is any."""
    return {
        "val_loss": "val_loss (validation rows)",
        "loss": f"loss (training rows, {'dropout on' if dropout else 'during the epoch'})",
        "train_loss": f"train_loss (training rows, {'dropout off' if dropout else 'after the epoch'})",
    }


def mark_constant(ax: Axes, epochs: int, baseline: float | None, words: str) -> None:
    """The epochs' range, the grid, and the constant's loss, if there is one, as a dotted line."""
    ax.set_xlim(0, epochs)
    whole_ticks(ax)
    if baseline:
        ax.axhline(baseline, ls=":", color="#444444", lw=1.4, label=words)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def whole_ticks(ax: Axes) -> None:
    """Ticks of the epochs at whole numbers, else where matplotlib puts them."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def axis_key(axis: LossAxis) -> list[Patch]:
    """What a legend says of an axis that is not the same all the way."""
    return [Patch(facecolor="#888888", alpha=0.18, label=axis.words)] if axis.is_broken else []


def watermark(ax: Axes) -> None:
    """Say across the axes that the table is simulated: a picture is passed on without its title."""
    ax.text(
        0.5, 0.45, "SIMULATED", transform=ax.transAxes, fontsize=44, color="#888888", alpha=0.22, weight="bold",
        rotation=18, ha="center", va="center", zorder=0.6,
    )  # fmt: skip


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
