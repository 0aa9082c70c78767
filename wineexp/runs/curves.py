"""Figures of learning curves. All runs on one table share their axes, so figures can be compared side by side."""

from __future__ import annotations

import io
import math
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
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from wineexp.runs.metrics import stopping
from wineexp.runs.record import Record
from wineexp.runs.result import ACCURACY_COLUMNS
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import say, worded
from wineexp.text import epoch_number, format_number, visible

__all__ = [
    "COLOURS",
    "LINES",
    "Drawing",
    "LossAxis",
    "axis_key",
    "constant_name",
    "description",
    "figure",
    "loss_axis",
    "loss_name",
    "loss_words",
    "mark_constant",
    "save",
    "watermark",
    "whole_ticks",
    "write_title",
]

Floats = npt.NDArray[np.floating[Any]]

#: The upper ends of the linear part and of the axis, in losses of the best constant. A model that learns anything
#: ends below the first; early epochs on unscaled features reach forty times the constant's loss.
KNEE, TOP = 1.25, 50.0

#: The linear part's share of the height.
LINEAR = 0.72

#: Height of a label in inches.
LABEL = 0.17

#: Without a known constant, the linear part shows a curve after this share of its epochs.
SETTLED = 0.25


@dataclass(frozen=True)
class LossAxis:
    """From ``bottom``, linear up to ``knee``, logarithmic up to ``top``; all linear if they are equal.

    All runs on one table with one loss share it: it depends on the constant predictor's loss alone.
    """

    bottom: float
    knee: float
    top: float

    @classmethod
    def of_curves(cls, curves: Iterable[npt.ArrayLike], *, linear: bool = False) -> LossAxis:
        """An axis that fits these curves, if no constant is known; all of it linear on request."""
        whole = [np.asarray(curve, np.float64) for curve in curves]
        finite = np.concatenate([curve[np.isfinite(curve)] for curve in whole] or [np.zeros(0)])
        if not len(finite):
            return cls(0.0, 1.0, 1.0)
        bottom, top = min(0.0, 1.05 * float(finite.min())), 1.05 * float(finite.max()) or 1.0
        later = np.concatenate([curve[int(SETTLED * len(curve)) :] for curve in whole])
        settled = 1.1 * float(np.max(later, initial=0.0, where=np.isfinite(later)))
        if linear or settled <= 0 or top < 2 * settled:
            return cls(bottom, max(top, 0.0), max(top, 0.0))
        return cls(bottom, settled, top)

    @property
    def is_broken(self) -> bool:
        """Whether it has a logarithmic part."""
        return self.top > self.knee

    @property
    def words(self) -> str:
        """The axis in words, for a legend."""
        return f"above {_text(self.knee)} the axis is logarithmic"

    def clipped(self, values: npt.ArrayLike) -> Floats:
        """The values as they are drawn: those above the axis, infinite ones too, at its upper edge."""
        found: Floats = np.minimum(np.asarray(values, np.float64), self.top)
        return found

    def set_on(self, ax: Axes, inches: float = 4.0) -> None:
        """Give ``ax``, ``inches`` high, this axis, with its logarithmic part on a faint ground."""
        if not self.is_broken:
            ax.set_ylim(self.bottom, self.top)
            return
        ax.set_yscale("function", functions=(self._place, self._value))
        ax.set_ylim(self.bottom, self.top)
        ax.yaxis.set_major_locator(FixedLocator(self._ticks(inches)))
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _text(value)))
        ax.axhspan(self.knee, self.top, color="#888888", alpha=0.09, lw=0, zorder=0.5, label="_logarithmic")

    def _place(self, values: npt.ArrayLike) -> Floats:
        """Value -> height, 1 at the top."""
        values = np.asarray(values, np.float64)
        beyond = np.log(np.maximum(values, self.knee) / self.knee) / math.log(self.top / self.knee)
        return np.where(values <= self.knee, LINEAR * values / self.knee, LINEAR + (1 - LINEAR) * beyond)

    def _value(self, places: npt.ArrayLike) -> Floats:
        """Height -> value, the inverse."""
        places = np.asarray(places, np.float64)
        beyond = (np.maximum(places, LINEAR) - LINEAR) / (1 - LINEAR)
        return np.where(
            places <= LINEAR, places * self.knee / LINEAR, self.knee * (self.top / self.knee) ** beyond
        )

    def _ticks(self, inches: float) -> list[float]:
        """The positions of labels: apart from each other, powers of ten before others."""
        linear = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(self.bottom, self.knee)
        found = [float(value) for value in linear if self.bottom <= value <= self.knee]
        decades = range(math.floor(math.log10(self.knee)), math.ceil(math.log10(self.top)) + 1)
        for value in (factor * 10.0**power for factor in (1, 5, 2) for power in decades):
            apart = np.abs(self._place(found) - self._place([value]))
            if self.knee < value <= self.top and inches * apart.min(initial=1.0) >= LABEL:
                found.append(value)
        return sorted(found)


def _text(value: float) -> str:
    return f"{float(f'{value:.3g}'):.10g}" if value < 1e5 else f"{value:.0e}"


#: Okabe and Ito's colours (2008), distinct with every common colour blindness; black is left for text. The last
#: four are Paul Tol's (2021); their yellow is too faint on white for a line.
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

#: Each loss's line style; the constant's is dotted.
LINES = {"val_loss": "-", "loss": "--", "train_loss": "-."}

_LOSS_NAMES = {
    "mae": "mean absolute error",
    "mse": "mean squared error",
    "huber": "Huber loss",
    "binary_crossentropy": "binary cross-entropy",
    "categorical_crossentropy": "categorical cross-entropy",
}

#: Names of the dotted line: the constant with the least loss on the training rows.
_CONSTANT_NAMES = {
    "mae": "always predicting the training median",
    "mse": "always predicting the training mean",
    "huber": "always predicting the best constant",
    "binary_crossentropy": "always predicting the training rows' shares",
    "categorical_crossentropy": "always predicting the training rows' shares",
}


def loss_name(loss: str, scale_target: str = "none") -> str:
    """A loss in words, with the target it is of if that is scaled; ``loss`` if it is not known."""
    target = worded("scale_target", scale_target)
    return _LOSS_NAMES.get(loss, "loss") + (f" of the {target}" if target else "")


def constant_name(loss: str, scale_target: str = "none") -> str:
    """The constant with the least loss on the training rows, in words."""
    geometric = loss == "mse" and scale_target == "log"
    return "always predicting the training rows' geometric mean" if geometric else _CONSTANT_NAMES[loss]


class Drawing(Figure):
    """A figure that a notebook shows, whether or not pyplot was ever imported there."""

    def _repr_png_(self) -> bytes:
        return save(self, "png")


def figure(record: Record, history: pd.DataFrame, *, full_range: bool = False) -> Figure:
    """Return one run's figure: its losses by epoch, the constant predictor's loss dotted.

    Parameters
    ----------
    record : Record
        The run's; the part of it that a picture carries is enough.
    history : pandas.DataFrame
        ``epoch, loss, val_loss`` and, with ``eval_train``, ``train_loss``.
    full_range : bool
        Show all losses on a linear axis.
    """
    fig = Drawing(figsize=(8, 5), dpi=110)
    # Fixed margins: two figures laid over each other match to the pixel, and no layout has to be computed.
    shared = [name for name in ACCURACY_COLUMNS if name in history]
    ax = fig.add_axes((0.085, 0.345, 0.88, 0.515) if shared else (0.085, 0.105, 0.88, 0.755))
    spec, baseline = record.spec, record.metrics.baseline_loss
    drawn = [name for name in LINES if name in history]
    axis = loss_axis(baseline, [history[name] for name in drawn], full_range=full_range)
    axis.set_on(ax)
    words = loss_words(spec.has_dropout())
    epochs = epoch_number(history["epoch"])
    for number, name in enumerate(drawn):
        values = axis.clipped(history[name].fillna(np.inf))  # of a run that diverged
        ax.plot(epochs, values, LINES[name], color=COLOURS[number], label=words[name], lw=1.8)
    constant = "" if baseline is None else format_number(baseline, ".3f")
    mark_constant(ax, spec.epochs, baseline, f"{constant_name(spec.loss, spec.scale_target)}: {constant}")
    if record.status == "done":
        _mark_stopping(ax, spec, history["val_loss"], axis)
    if shared:
        _draw_accuracy(fig.add_axes((0.085, 0.105, 0.88, 0.19)), history, spec.epochs)
        ax.tick_params(labelbottom=False)
    else:
        ax.set_xlabel("epoch")
    ax.set_ylabel(loss_name(spec.loss, spec.scale_target))
    write_title(ax, _heading(record), description(record))
    if record.simulated:
        watermark(ax)
    handles = ax.get_legend_handles_labels()[0] + axis_key(axis)
    # A cross-entropy may come near 0, where the other losses leave room, or stay above.
    ax.legend(handles=handles, frameon=False, loc="best" if shared else "lower left", fontsize=9)
    return fig


def _draw_accuracy(ax: Axes, history: pd.DataFrame, epochs: int) -> None:
    """The share of right labels by epoch, below the losses."""
    places = epoch_number(history["epoch"])
    for number, name in enumerate(("val_accuracy", "accuracy")):
        style = LINES["val_loss" if number == 0 else "loss"]
        ax.plot(places, history[name], style, color=COLOURS[number], label=name, lw=1.8)
    least = float(history[list(ACCURACY_COLUMNS)].min().min())
    bottom = max(0.0, min(0.45, math.floor(10 * least) / 10 - 0.05)) if math.isfinite(least) else 0.0
    ax.set_ylim(bottom, 1.0)
    mark_constant(ax, epochs, None, "")
    ax.set_xlabel("epoch")
    ax.set_ylabel("accuracy")
    last = float(history[list(ACCURACY_COLUMNS)].tail(len(history) // 2 + 1).min().min())
    ax.legend(frameon=False, loc="upper right" if last < (bottom + 1) / 2 else "lower right", fontsize=9, ncols=2)


def description(record: Record) -> str:
    """The spec in one line, after any warning to the reader."""
    table = "SIMULATED TABLE: " if record.simulated else ""
    reason = f" ({record.reason})" if record.reason else ""
    outcome = "" if record.status == "done" else f"{record.status.upper()}{reason}: "
    return f"{outcome}{table}{record.spec.describe()}"


def _heading(record: Record) -> str:
    """The run's name, or its differences from the defaults in words, or ``plain``."""
    spec = record.spec
    if record.label != spec.label() or spec.name is not None:
        return record.label
    return ", ".join(say(field, getattr(spec, field)) for field in spec.differing()) or record.label


def _mark_stopping(ax: Axes, spec: RunSpec, losses: pd.Series, axis: LossAxis) -> None:
    """Mark early stopping's best epoch with a ring on val_loss; the label names the epoch of the kept weights."""
    found = stopping(spec, losses.tolist())
    if found is not None:
        epoch = epoch_number(found.best)
        label = found.kept if found.restored else f"best epoch {epoch}; {found.kept}"
        height = axis.clipped(losses.iloc[[found.best]])
        ax.plot([epoch], height, "o", color=COLOURS[0], mfc="white", ms=6, mew=1.6, zorder=3, label=label)


def loss_axis(baseline: float | None, curves: Iterable[npt.ArrayLike], *, full_range: bool = False) -> LossAxis:
    """The axis for a constant's loss, or one that fits the curves if it is not known or all is to be shown."""
    if baseline and not full_range:
        return LossAxis(0.0, KNEE * baseline, TOP * baseline)
    return LossAxis.of_curves([*curves, *([[baseline]] if baseline else [])], linear=full_range)


def loss_words(dropout: bool) -> dict[str, str]:
    """The losses in words, for a legend; ``dropout`` says whether there is any."""
    return {
        "val_loss": "val_loss (validation rows)",
        "loss": f"loss (training rows, {'dropout on' if dropout else 'during the epoch'})",
        "train_loss": f"train_loss (training rows, {'dropout off' if dropout else 'after the epoch'})",
    }


def mark_constant(ax: Axes, epochs: int, baseline: float | None, words: str) -> None:
    """Draw the epochs' range, the grid, and the constant's loss, if there is one, as a dotted line."""
    ax.set_xlim(0, epochs)
    whole_ticks(ax)
    if baseline:
        ax.axhline(baseline, ls=":", color="#444444", lw=1.4, label=words)
    ax.grid(alpha=0.25)
    ax.spines[["top", "right"]].set_visible(False)


def whole_ticks(ax: Axes) -> None:
    """Put ticks at whole epochs only."""
    ax.xaxis.set_major_locator(MaxNLocator(nbins="auto", steps=[1, 2, 2.5, 5, 10], integer=True))


def axis_key(axis: LossAxis) -> list[Patch]:
    """The legend's entries for an axis that changes its scale."""
    return [Patch(facecolor="#888888", alpha=0.18, label=axis.words)] if axis.is_broken else []


def watermark(ax: Axes) -> None:
    """Write across the axes that the table is simulated: a picture is passed on without its title."""
    ax.text(
        0.5, 0.45, "SIMULATED", transform=ax.transAxes, fontsize=44, color="#888888", alpha=0.22, weight="bold",
        rotation=18, ha="center", va="center", zorder=0.6,
    )  # fmt: skip


def write_title(ax: Axes, title: str, description: str) -> None:
    """A title above ``ax`` with a description under it, as plain text: three lines, for which there is room."""
    below = textwrap.fill(description, 120, max_lines=2)
    ax.set_title(
        textwrap.fill(title, 80, max_lines=3 - len(below.splitlines())),
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
        # A name may hold any character; one that the font lacks is drawn as a box, which is no fault.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        for text in fig.findobj(Text):
            text.set_text(visible(text.get_text()))
        fig.savefig(stream, format=form, **options)
    return stream.getvalue()
