"""The inside of a run's model: plain figures of each layer, and the tables that show them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wineexp.listing import Column, Listing, number
from wineexp.notebook.card import Card, to_html
from wineexp.text import one_line, short_source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        from wineexp.runs.inspection_figure import figure  # matplotlib is loaded only where something is drawn

        return figure(self.layers, self.title, self.where)

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
            rows.append((f"mean {self.target}", f"{self.actual:.4g} of these rows"))
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
        from wineexp.runs.curves import save  # matplotlib is loaded only where something is drawn

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
        Column(name, f"{heading}\noff", f"{meaning}, as when it predicts: dropout off", off, number(form)),
        Column(f"{name}_training", "\non", f"{meaning}, as in training: dropout on", on, number(form)),
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
_NOISE = "standard deviation over the rows of what training changes in a unit; root mean square over the units"
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
    _normalized("distance.high", "\n95 %", f"below it lie 95 % of the units in {_MOVING_MEAN}"),
    _normalized("distance.most", "\nmost", f"largest {_MOVING_MEAN}"),
    _normalized("ratio.median", "ratio off\nmedian", f"median over the units of {_MOVING_VARIANCE}"),
    _normalized("ratio.least", "\nleast", f"least {_MOVING_VARIANCE}"),
    _normalized("ratio.low", "\n5 %", f"below it lie 5 % of the units in {_MOVING_VARIANCE}"),
    _normalized("ratio.high", "\n95 %", f"below it lie 95 % of the units in {_MOVING_VARIANCE}"),
    _normalized("ratio.most", "\nmost", f"largest {_MOVING_VARIANCE}"),
    _normalized(
        "training_ratio.median", "ratio on\nmedian", f"{_MOVING_VARIANCE} as in training; median over the units"
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
    "activations; off: dropout off, as when it predicts; on: as in training; dead: units that are 0 on every\n"
    "row; noise/signal: what training changes in a unit, beside what it tells one row from another by"
)
AVERAGES_TOLD = (
    "batch normalization, moving averages; distance: |moving mean - mean| of the input in standard\n"
    "deviations, dropout off; ratio: moving variance / variance of the input, dropout off and on"
)
