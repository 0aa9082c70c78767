"""What is drawn of each variant, and the axes that all of them share: for the figures and the page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy

from wineexp.comparison.variants import Variant
from wineexp.runs.curves import CONSTANT_NAMES, LINES, loss_axis
from wineexp.runs.loss_axis import LossAxis

__all__ = ["Metric", "Scale", "Style", "alone", "loss_axis_of", "seed_mean", "shared_scale"]

Floats = npt.NDArray[np.floating[Any]]
Metric = Literal["both", "val_loss", "loss"]


@dataclass(frozen=True)
class Style:
    """What is drawn of each variant, and how.

    Attributes
    ----------
    metric : {"both", "val_loss", "loss"}
        ``both``: all there are, train_loss too.
    smooth : int or None
        Span, in epochs, of an exponentially weighted mean that is drawn beside the raw line.
    full_range : bool
        Whether the axis is linear all the way.
    """

    metric: Metric = "both"
    smooth: int | None = None
    full_range: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(LINES) if self.metric == "both" else (self.metric,)


@dataclass(frozen=True)
class Scale:
    """The axes that all variants share.

    Attributes
    ----------
    epochs : int
    baseline : float or None
        The constant's loss.
    relative : bool
        Whether losses differ, so each is divided by its constant's.
    loss : str
        Empty where only CSVs are drawn, which do not tell theirs.
    simulated : bool
        Whether the runs were trained on the simulated table.
    """

    epochs: int
    baseline: float | None
    relative: bool
    loss: str
    simulated: bool = False

    @property
    def constant_name(self) -> str:
        """What the dotted line represents."""
        return "always predicting each loss's best constant" if self.relative else CONSTANT_NAMES[self.loss]

    def columns(self, variant: Variant, style: Style) -> list[str]:
        """The losses that are drawn of it: those of the style, or what it has where it has none of them."""
        lines = variant.lines
        there = [name for name in LINES if name in lines and lines[name].written.any()]
        return [name for name in style.columns if name in there] or there

    def values(self, variant: Variant, column: str) -> Floats:
        """A loss of each finished seed, shape (seeds, epochs), as in ``variant.lines``, over its constant's."""
        lines = variant.lines[column].values
        if self.relative:
            lines = lines / np.array([[run.metrics.baseline_loss or 1.0] for run in variant.runs])
        return lines


def seed_mean(lines: Floats | Sequence[Floats]) -> tuple[Floats, Floats]:
    """Mean over the seeds and half-width of its 95 % interval, by epoch.

    Parameters
    ----------
    lines : array of shape (seeds, epochs)
        An epoch that not every seed reached has no mean.

    Returns
    -------
    mean, half : arrays of shape (epochs,)
        ``half`` is Student's quantile times the standard error; NaN with one seed.
    """
    table = np.asarray(lines)
    mean: Floats = table.mean(axis=0)
    if len(lines) == 1:
        return mean, np.full_like(mean, np.nan)
    factor = float(scipy.special.stdtrit(len(lines) - 1, 0.975)) / math.sqrt(len(lines))
    return mean, factor * table.std(axis=0, ddof=1)


def alone(values: Floats) -> npt.NDArray[np.bool_]:
    """Where a value has none beside it: a line shows nothing of it, so it needs a dot."""
    there = np.pad(np.isfinite(values), 1)
    single: npt.NDArray[np.bool_] = there[1:-1] & ~there[:-2] & ~there[2:]
    return single


def shared_scale(variants: Sequence[Variant]) -> Scale:
    """The axes for these variants, each with a finished run."""
    runs = [run for variant in variants for run in variant.runs]
    losses = {run.spec.loss for run in runs if run.spec}
    known = [run.metrics.baseline_loss for run in runs if run.metrics.baseline_loss]
    relative = len(losses) > 1
    epochs = max((run.spec.epochs if run.spec else int(run.history["epoch"].max()) + 1 for run in runs), default=1)
    simulated = any(run.record.simulated for run in runs if run.record)
    baseline = 1.0 if relative else max(known, default=None)
    return Scale(epochs, baseline, relative, min(losses, default=""), simulated)


def loss_axis_of(variants: Sequence[Variant], scale: Scale, style: Style) -> LossAxis:
    """The axis of the losses that are drawn of these variants."""
    drawn = (
        line for one in variants for column in scale.columns(one, style) for line in scale.values(one, column)
    )
    return loss_axis(scale.baseline, drawn, full_range=style.full_range)
