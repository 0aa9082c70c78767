"""Scaled features and targets: numbers as the model and its loss see them, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wineexp.data.facts import ScalingFacts, TableFacts

__all__ = ["Scaling", "TargetScaling"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Scaling:
    """``(features - center) / scale``, float64, shape (features,); zeros and ones if nothing is scaled."""

    center: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def of(cls, facts: ScalingFacts) -> Scaling:
        """The recorded scaling."""
        return cls(np.array(facts.center), np.array(facts.scale))

    @classmethod
    def fit(cls, x: npt.NDArray[np.float64], scale: str, encoded: npt.NDArray[np.bool_]) -> Scaling:
        """Fit on features of the training rows, shape (rows, features); those of categories stay 0 and 1."""
        if scale == "none":
            return cls(np.zeros(x.shape[1]), np.ones(x.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):
            if scale == "standard":
                low, spread = x.mean(axis=0), x.std(axis=0)
            else:
                low, spread = x.min(axis=0), np.ptp(x, axis=0)
        # By its values: rounding gives a column of 0.1 a spread of 2e-16.
        constant = encoded | (x == x[0]).all(axis=0)
        low = np.where(encoded, 0.0, np.where(constant, x[0], low))
        return cls(low, np.where(~constant & (spread > 0), spread, 1.0))

    def __call__(self, features: npt.NDArray[np.float64]) -> Floats:
        """Scale float64 features, shape (rows, features), to float32; too large values become infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.exact(features).astype(np.float32)

    def exact(self, features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The scaled features before rounding to float32."""
        with np.errstate(over="ignore", invalid="ignore"):
            scaled: npt.NDArray[np.float64] = (features - self.center) / self.scale
        return scaled


@dataclass(frozen=True)
class TargetScaling:
    """A target of numbers as the loss sees it: ``(target - center) / scale``, or its natural logarithm.

    Attributes
    ----------
    kind : {"none", "standard", "minmax", "log"}
    center, scale : float
        0 and 1 unless fitted, for ``standard`` and ``minmax``.
    """

    kind: str = "none"
    center: float = 0.0
    scale: float = 1.0

    @classmethod
    def of(cls, facts: TableFacts, kind: str) -> TargetScaling:
        """The recorded scaling, for a spec's ``scale_target``."""
        fitted = facts.target_scaling
        return cls(kind) if fitted is None else cls(kind, fitted.center, fitted.scale)

    @classmethod
    def fit(cls, kind: str, target: npt.NDArray[np.float64]) -> TargetScaling:
        """Fit on the targets of the training rows, shape (rows,)."""
        if kind == "log":
            return cls(kind)
        fitted = Scaling.fit(target[:, None], kind, np.zeros(1, np.bool_))
        return cls(kind, float(fitted.center[0]), float(fitted.scale[0]))

    def forward(self, target: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Targets as the loss sees them; too large values become infinite."""
        with np.errstate(all="ignore"):
            return np.log(target) if self.kind == "log" else (target - self.center) / self.scale

    def inverse(self, outputs: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
        """Predictions in the target's own units: computed in float64, of the same dtype as before."""
        if self.kind == "none":
            return outputs
        exact = outputs.astype(np.float64)
        with np.errstate(over="ignore"):
            own = np.exp(exact) if self.kind == "log" else exact * self.scale + self.center
            return own.astype(outputs.dtype)
