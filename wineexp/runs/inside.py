"""The inside of a run's model as plain numbers, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Activations", "LayerInside", "Normalization", "Summary"]


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
