"""The inside of a run's model: plain figures of each layer, and the tables that show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from wineexp.listing import Column, Listing, number
from wineexp.notebook.card import Card, to_html
from wineexp.runs.curves import COLOURS, Drawing, save
from wineexp.text import one_line, short_source

__all__ = [
    "ACTIVATIONS",
    "AVERAGES",
    "COLUMNS",
    "WEIGHTS",
    "Activations",
    "Inspection",
    "LayerInside",
    "Normalization",
    "Summary",
]


@dataclass(frozen=True)
class Activations:
    """The output of a layer, over all rows and units.

    Attributes
    ----------
    mean, sd : float
        ``sd`` divides by the number of values.
    zeros : float
        The share of values that are exactly 0.
    dead : float
        The share of units that are 0 on every row.
    """

    mean: float
    sd: float
    zeros: float
    dead: float


@dataclass(frozen=True)
class Summary:
    """A value over many units: minimum, maximum, mean, median, and the 5 % and 95 % quantiles."""

    least: float
    low: float
    median: float
    mean: float
    high: float
    most: float


@dataclass(frozen=True)
class Normalization:
    """A batch normalization's weights and moving averages, compared with its actual input on these rows.

    Attributes
    ----------
    gamma, beta : Summary
    constant : float
        The share of units whose input is the same on every row in inference mode; the next two exclude them.
    distance : Summary or None
        ``|moving mean - mean|`` in standard deviations of the input; None if no unit varies.
    ratio : Summary or None
        ``moving variance / variance``, with the variance in inference mode.
    training_ratio : Summary or None
        The same with the variance in training mode.
    """

    gamma: Summary
    beta: Summary
    constant: float
    distance: Summary | None
    ratio: Summary | None
    training_ratio: Summary | None


@dataclass(frozen=True)
class LayerInside:
    """One layer; the features that the model takes count as the first, ``input``.

    Attributes
    ----------
    name, kind : str
        As in the Keras model, such as ``dense_1`` and ``Dense``; an activation is part of its Dense.
    units : int
    inference, training : Activations
        With dropout off and moving averages, and as in training: dropout on, statistics of each batch.
    signal : float
        How much a unit varies from row to row in inference mode: the standard deviation within a unit, root mean
        square over the units.
    noise : float
        How much training mode changes a unit on a single row, beyond the change on all rows: the standard
        deviation of the difference, root mean square over the units.
    normalization : Normalization or None
        For a BatchNormalization.
    """

    name: str
    kind: str
    units: int
    inference: Activations
    training: Activations
    signal: float
    noise: float
    normalization: Normalization | None = None

    @property
    def noise_ratio(self) -> float | None:
        """Noise / signal; None if nothing varies from row to row."""
        return self.noise / self.signal if self.signal else None


@dataclass(frozen=True)
class Inspection:
    """The result of :func:`wineexp.inspect`.

    Attributes
    ----------
    run : Path
        The run's directory.
    title : str
        The run in a few words.
    source : str
        Which rows were used.
    rows : int
    layers : tuple of LayerInside
    target : str
    actual : float or None
        The target's mean over these rows, if they have it.
    notes : tuple of str
        Caveats for the reader.
    """

    run: Path
    title: str
    source: str
    rows: int
    layers: tuple[LayerInside, ...]
    target: str
    actual: float | None
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """How many rows, and which; for a figure that is passed on, so without folders."""
        return f"{self.rows} rows, {short_source(self.source)}"

    @property
    def normalizations(self) -> tuple[LayerInside, ...]:
        """The layers that are a BatchNormalization."""
        return tuple(layer for layer in self.layers if layer.normalization)

    @property
    def figure(self) -> Figure:
        """Spread, zeros and means by layer, with and without dropout; moving variances, if there are any."""
        return draw(self.layers, self.title, self.where)

    def listings(self) -> tuple[Listing, ...]:
        """The tables for people, each with an explanation of its words."""
        tables = [Listing.of(ACTIVATIONS, self.layers, caption=ACTIVATIONS_TOLD)]
        if self.normalizations:
            tables.append(Listing.of(WEIGHTS, self.normalizations, caption="batch normalization, weights"))
            tables.append(Listing.of(AVERAGES, self.normalizations, caption=AVERAGES_TOLD))
        return tuple(tables)

    @property
    def output(self) -> list[tuple[str, str]]:
        """The model's output, and the target it should match."""
        last = self.layers[-1]
        rows = [("mean prediction", f"{last.inference.mean:.4g} off, {last.training.mean:.4g} on")]
        if self.actual is not None:
            rows.append((f"mean {self.target}", f"{self.actual:.4g} on these rows"))
        return rows

    def table(self) -> list[dict[str, Any]]:
        """A dict per layer, by the keys of ``COLUMNS``; numbers are plain, and None if a column does not apply."""
        return [{key: column.value(layer) for key, column in COLUMNS.items()} for layer in self.layers]

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        return {
            "run": str(self.run),
            "source": self.source,
            "rows": self.rows,
            "target": self.target,
            "actual_mean": self.actual,
            "layers": self.table(),
            "notes": list(self.notes),
        }

    def __repr__(self) -> str:
        return one_line(f"Inspection({self.title}: {len(self.layers)} layers, {self.where})")

    def _repr_html_(self) -> str:
        card = Card(
            f"{self.title}: {self.where}",
            facts=tuple(self.output),
            figure=save(self.figure, "png"),
            alt="Spread, zeros and means by layer, as in the tables below.",
            tables=tuple(listing.filled() for listing in self.listings()),
            notes=self.notes,
        )
        return to_html(card)


def _fact(name: str, meaning: str) -> Column[LayerInside]:
    return Column(name, name, meaning, lambda layer: getattr(layer, name))


def _pair(name: str, heading: str, form: str, meaning: str) -> tuple[Column[LayerInside], Column[LayerInside]]:
    """A figure of the activations in inference mode, and the same in training mode."""
    off: Callable[[LayerInside], Any] = lambda layer: getattr(layer.inference, name)  # noqa: E731 - a pair
    on: Callable[[LayerInside], Any] = lambda layer: getattr(layer.training, name)  # noqa: E731
    return (
        Column(name, f"{heading}\noff", f"{meaning}, in inference mode: dropout off", off, number(form)),
        Column(f"{name}_training", "\non", f"{meaning}, in training mode: dropout on", on, number(form)),
    )


def _normalized(key: str, heading: str, meaning: str, form: str = ".3g") -> Column[LayerInside]:
    """A figure of a batch normalization: ``ratio.median`` is the median of its ``ratio``."""

    def value(layer: LayerInside) -> Any:
        found: Any = layer.normalization
        for part in key.split("."):
            found = None if found is None else getattr(found, part)
        return found

    return Column(key.replace(".", "_"), heading, meaning, value, number(form))


_MOVING_MEAN = "how far the moving mean is from the mean of a unit's input, in standard deviations"
_MOVING_VARIANCE = "moving variance / variance of a unit's input"
_SIGNAL = "standard deviation of a unit over the rows, dropout off; root mean square over the units"
_NOISE = "standard deviation over the rows of a unit's change in training mode; root mean square over the units"
_CONSTANT = "share of units whose input is the same on every row, dropout off; left out of distance and ratio"

_OF_ALL: tuple[Column[LayerInside], ...] = (
    _fact("name", "the layer's name in the Keras model; input: the features that it takes"),
    _fact("kind", "its Keras class"),
    _fact("units", "values per row"),
    *_pair("mean", "mean", ".3g", "mean over rows and units"),
    *_pair("sd", "spread", ".3g", "standard deviation over rows and units"),
    *_pair("zeros", "zeros", ".0%", "share of values that are exactly 0"),
    *_pair("dead", "dead", ".0%", "share of units that are 0 on every row"),
    Column("signal", "signal", _SIGNAL, lambda layer: layer.signal, number(".3g")),
    Column("noise", "noise", _NOISE, lambda layer: layer.noise, number(".3g")),
    Column("noise_ratio", "noise/\nsignal", "noise / signal", lambda layer: layer.noise_ratio, number(".2f")),
)

_OF_NORMALIZATIONS = (
    _normalized("gamma.mean", "gamma\nmean", "mean gamma"),
    _normalized("gamma.least", "\nleast", "least gamma"),
    _normalized("gamma.most", "\nmost", "largest gamma"),
    _normalized("beta.mean", "beta\nmean", "mean beta"),
    _normalized("beta.least", "\nleast", "least beta"),
    _normalized("beta.most", "\nmost", "largest beta"),
    _normalized("constant", "constant\ninput", _CONSTANT, ".0%"),
    _normalized("distance.median", "distance\nmedian", f"median over the units of {_MOVING_MEAN}"),
    _normalized("distance.high", "\n95 %", f"95th percentile over the units of {_MOVING_MEAN}"),
    _normalized("distance.most", "\nmost", f"largest {_MOVING_MEAN}"),
    _normalized("ratio.median", "ratio off\nmedian", f"median over the units of {_MOVING_VARIANCE}"),
    _normalized("ratio.least", "\nleast", f"least {_MOVING_VARIANCE}"),
    _normalized("ratio.low", "\n5 %", f"5th percentile over the units of {_MOVING_VARIANCE}"),
    _normalized("ratio.high", "\n95 %", f"95th percentile over the units of {_MOVING_VARIANCE}"),
    _normalized("ratio.most", "\nmost", f"largest {_MOVING_VARIANCE}"),
    _normalized(
        "training_ratio.median", "ratio on\nmedian", f"{_MOVING_VARIANCE} in training mode; median over the units"
    ),
)

#: Key -> column: every figure of a layer.
COLUMNS: dict[str, Column[LayerInside]] = {column.key: column for column in (*_OF_ALL, *_OF_NORMALIZATIONS)}


def _without(columns: tuple[Column[LayerInside], ...], *keys: str) -> tuple[Column[LayerInside], ...]:
    return tuple(column for column in columns if column.key not in keys)


#: The terminal's columns: for every layer; weights, and moving averages, for each batch normalization.
ACTIVATIONS = _without(_OF_ALL, "kind", "signal", "noise")
WEIGHTS = (COLUMNS["name"], *_OF_NORMALIZATIONS[:6])
AVERAGES = (COLUMNS["name"], *_without(_OF_NORMALIZATIONS[6:], "ratio_least", "ratio_most"))

#: Explanations of the tables and their words.
ACTIVATIONS_TOLD = (
    "activations; off: dropout off, in inference mode; on: in training mode; dead: units that are 0 on every\n"
    "row; noise/signal: how much training mode changes a unit, relative to its spread over the rows"
)
AVERAGES_TOLD = (
    "batch normalization, moving averages; distance: |moving mean - mean| of the input in standard\n"
    "deviations, dropout off; ratio: moving variance / variance of the input, dropout off and on"
)


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


def draw(layers: Sequence[LayerInside], title: str, where: str) -> Figure:
    """Spread, zeros, dead units and mean of each layer, dropout off and on; moving variances, if there are any."""
    panels: list[Callable[[Axes, Sequence[LayerInside]], None]] = [_spread, _zeros, _dead, _mean]
    normalized = any(layer.normalization for layer in layers)
    if normalized:
        panels.append(_variances)
    height = ABOVE + ROW * len(layers) + BELOW
    width = NAMES + len(panels) * (PANEL + GAP)
    fig = Drawing(figsize=(width, height), dpi=110)
    for place, panel in enumerate(panels):
        left = (NAMES + place * (PANEL + GAP)) / width
        ax = fig.add_axes((left, BELOW / height, PANEL / width, 1 - (ABOVE + BELOW) / height))
        ax.set_ylim(len(layers) - 0.4, -0.6)
        ax.set_yticks(range(len(layers)), [layer.name for layer in layers] if place == 0 else [])
        ax.tick_params(labelsize=8)
        ax.tick_params(axis="y", length=0)
        ax.spines[["top", "right", "left"]].set_visible(False)
        ax.grid(alpha=0.25)
        panel(ax, layers)
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
