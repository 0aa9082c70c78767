"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import click

from wineexp.batch import Observer, Planned
from wineexp.runs import Run
from wineexp.spec import RunSpec

__all__ = ["TrainProgress"]


class TrainProgress(Observer):
    """One run after the other: a bar with epoch, losses and time left, or a line every tenth of the way."""

    def __init__(self) -> None:
        self.bar: Any = None
        self.began = time.monotonic()
        self.many = False

    def started(self, plan: Sequence[Planned]) -> None:
        self.many = len(plan) > 1

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        name = f"seed {spec.seed}  " if self.many else ""
        if not sys.stderr.isatty():
            if epoch == 0:
                self.began = time.monotonic()
            if (epoch + 1) % max(1, spec.epochs // 10) == 0 or epoch + 1 == spec.epochs:
                passed = time.monotonic() - self.began
                left = passed / max(1, epoch) * (spec.epochs - epoch - 1)
                click.echo(
                    f"{name}epoch {epoch + 1}/{spec.epochs}  loss {loss:.4f}  val_loss {val_loss:.4f}  "
                    f"{left:.0f} s left",
                    err=True,
                )
            return
        if self.bar is None:
            self._open(spec)
        self.bar.update(
            self.task, completed=epoch + 1, description=f"{name}epoch", loss=f"loss {loss:.4f}",
            val_loss=f"val_loss {val_loss:.4f}",
        )  # fmt: skip

    def _open(self, spec: RunSpec) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("{task.description}"), MofNCompleteColumn(), BarColumn(), TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[val_loss]}"), TimeRemainingColumn(), console=Console(stderr=True),
        )  # fmt: skip
        self.bar.start()
        self.task = self.bar.add_task("epoch", total=spec.epochs, loss="", val_loss="")

    def ended(self, run: Run) -> None:
        self.close()

    def close(self) -> None:
        """Leave the terminal as it was; called too when the command ends early."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
