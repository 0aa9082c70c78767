"""The axis of losses: linear where models differ, logarithmic above, so that no curve is out of sight."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

__all__ = ["LossAxis"]

Floats = npt.NDArray[np.floating[Any]]

#: Where the linear part and the axis end, in losses of the best constant. A model that learns anything ends below
#: the first; early epochs on unscaled features reach forty times the constant's.
KNEE, TOP = 1.25, 50.0

#: Share of the height that the linear part takes.
LINEAR = 0.72

#: Inches that a label takes.
LABEL = 0.17

#: Of a curve without a known constant, what comes after so much of its epochs is what the linear part is for.
SETTLED = 0.25


@dataclass(frozen=True)
class LossAxis:
    """From ``bottom``, linear up to ``knee``, logarithmic up to ``top``; all linear where they are equal.

    All runs on one table with one loss share it: it is made of the constant predictor's loss alone.
    """

    bottom: float
    knee: float
    top: float

    @classmethod
    def of_constant(cls, loss: float) -> LossAxis:
        """The axis for the best constant's loss, a positive number."""
        return cls(0.0, KNEE * loss, TOP * loss)

    @classmethod
    def of_curves(cls, curves: Iterable[npt.ArrayLike], *, linear: bool = False) -> LossAxis:
        """An axis that fits these curves, where no constant is known; all of it linear if so wished."""
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
        """What a legend says of it."""
        return f"above {_text(self.knee)} the axis is logarithmic"

    def clipped(self, values: npt.ArrayLike) -> Floats:
        """The values as they are drawn: those above the axis, infinite ones too, at its upper edge."""
        found: Floats = np.minimum(np.asarray(values, np.float64), self.top)
        return found

    def set_on(self, ax: Axes, inches: float = 4.0) -> None:
        """Give ``ax``, which is so high, this axis, with its logarithmic part on a faint ground."""
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
        """Where labels stand: apart from each other, powers of ten before others."""
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
