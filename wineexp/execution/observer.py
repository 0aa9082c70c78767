"""Notifications during training: progress bars, commands and exporters are observers."""

from __future__ import annotations

import warnings
from pathlib import Path

from wineexp.execution.plan import Plan
from wineexp.runs.directory import Run
from wineexp.specs.run_spec import RunSpec

__all__ = ["Observer"]


class Observer:
    """Notified of what happens. This one is silent, but warns of what went wrong outside the training."""

    def started(self, plan: Plan) -> None:
        """Training is about to begin."""

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        """``spec`` has finished an epoch."""

    def waiting(self, count: int, owner: str) -> None:
        """``count`` runs are being trained by ``owner``, another process; they are waited for."""

    def gone(self, path: Path) -> None:
        """A finished run was deleted by someone else before the others had ended."""
        warnings.warn(f"{path}: was deleted while other runs were trained", stacklevel=2)

    def ended(self, run: Run) -> None:
        """A run has ended and is recorded, by this process or another that trained it meanwhile."""

    def not_sent(self, problem: str) -> None:
        """A finished run could not be sent on; training goes on."""
        warnings.warn(problem, stacklevel=2)

    def close(self) -> None:
        """Nothing more will happen; called too when a command ends early."""
