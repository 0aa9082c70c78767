"""What is drawn of each variant, and the axes that all share: for the figures and the page alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import scipy

from wineexp.comparison.variants import Variant
from wineexp.runs.curves import LINES, LossAxis, constant_name, loss_axis, loss_name
from wineexp.text import format_number

__all__ = ["Metric", "Scale", "Style", "alone", "loss_axis_of", "seed_mean", "shared_scale"]

Floats = npt.NDArray[np.floating[Any]]
Metric = Literal["both", "val_loss", "loss"]


@dataclass(frozen=True)
class Style:
    """What is drawn of each variant, and how.

    Attributes
    ----------
    metric : {"both", "val_loss", "loss"}
        ``both``: all losses, train_loss too.
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
        The constant's loss; None unless it is known for every curve.
    relative : bool
        Whether the variants' losses or their units differ, so that each is divided by its constant's.
    loss : str
        Empty unless every curve is known to have the same one: a CSV does not record its loss.
    scale_target : str
        The target's scaling in all of them; ``none`` if ``loss`` is empty.
    simulated : bool
        Whether the runs were trained on the simulated table.
    across_splits : bool
        Whether there are several splits, each with its own constant.
    """

    epochs: int
    baseline: float | None
    relative: bool
    loss: str
    simulated: bool = False
    across_splits: bool = False
    scale_target: str = "none"

    @property
    def loss_name(self) -> str:
        """What the axis shows, unless it is relative."""
        return loss_name(self.loss, self.scale_target)

    @property
    def constant_words(self) -> str:
        """What the dotted line represents."""
        each = "always predicting each loss's best constant"
        name = each if self.relative else constant_name(self.loss, self.scale_target)
        mean = ", the mean over splits" if self.across_splits and not self.relative else ""
        return f"{name}: {format_number(self.baseline or 0.0, '.3f')}{mean}"

    def columns(self, variant: Variant, style: Style) -> list[str]:
        """The losses that are drawn: the style's, or the variant's own if it has none of these."""
        lines = variant.lines
        there = [name for name in LINES if name in lines and lines[name].written.any()]
        return [name for name in style.columns if name in there] or there

    def values(self, variant: Variant, column: str) -> Floats:
        """A loss of each finished seed, shape (seeds, epochs), as in ``variant.lines``, over the constant's."""
        lines = variant.lines[column].values
        if self.relative:
            lines = lines / np.array([[run.known_metrics.baseline_loss or 1.0] for run in variant.runs])
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
    """Where a value has no neighbour: a line would not show it, so it gets a dot."""
    there = np.pad(np.isfinite(values), 1)
    single: npt.NDArray[np.bool_] = there[1:-1] & ~there[:-2] & ~there[2:]
    return single


def shared_scale(variants: Sequence[Variant]) -> Scale:
    """The axes for these variants, each with a finished run."""
    runs = [run for variant in variants for run in variant.runs]
    losses = {(run.spec.loss, run.spec.scale_target) if run.is_recorded else ("", "none") for run in runs}
    constants = [run.known_metrics.baseline_loss for run in runs]
    known = [value for value in constants if value]
    complete = len(known) == len(constants) > 0 and ("", "none") not in losses
    relative = complete and len(losses) > 1
    epochs = max(
        (run.spec.epochs if run.is_recorded else int(run.history["epoch"].max()) + 1 for run in runs), default=1
    )
    simulated = any(run.record.simulated for run in runs if run.is_recorded)
    baseline = None
    if complete:
        baseline = 1.0 if relative else known[0] if len(set(known)) == 1 else float(np.mean(known))
    loss, scale_target = losses.pop() if len(losses) == 1 else ("", "none")
    across_splits = any(one.across_splits for one in variants)
    return Scale(epochs, baseline, relative, loss, simulated, across_splits, scale_target)


def loss_axis_of(variants: Sequence[Variant], scale: Scale, style: Style) -> LossAxis:
    """The axis of the losses that are drawn of these variants."""
    drawn = (
        line for one in variants for column in scale.columns(one, style) for line in scale.values(one, column)
    )
    return loss_axis(scale.baseline, drawn, full_range=style.full_range)
