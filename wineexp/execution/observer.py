"""Notifications during training: progress bars, commands and exporters are observers."""

from __future__ import annotations

import warnings

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

    def ended(self, run: Run) -> None:
        """A run has ended and is recorded."""

    def not_sent(self, problem: str) -> None:
        """A finished run could not be sent on; training goes on."""
        warnings.warn(problem, stacklevel=2)

    def close(self) -> None:
        """Nothing more will happen; called too when a command ends early."""
