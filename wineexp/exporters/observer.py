"""Runs sent elsewhere the moment they are recorded, while others still train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wineexp.errors import WineexpError
from wineexp.execution.batch_run import Observer, Planned
from wineexp.runs.directory import Run
from wineexp.specs.run_spec import RunSpec

__all__ = ["Exporter", "Exporting"]


class Exporter(Protocol):
    """A place that finished runs are sent to."""

    name: str

    def export(self, run: Run) -> bool:
        """Send ``run``; return False where it is there already; raise ``WineexpError`` where it cannot be."""


class Exporting(Observer):
    """An observer that sends each run on, those too that were done before, and hands all it hears to another.

    Attributes
    ----------
    problems : list of str
        What could not be sent, and why. It stops no training.
    """

    def __init__(self, exporters: Sequence[Exporter], inner: Observer) -> None:
        self.exporters, self.inner = exporters, inner
        self.problems: list[str] = []

    def started(self, plan: Sequence[Planned]) -> None:
        self.inner.started(plan)
        for entry in plan:
            if entry.before is not None and not entry.train:
                self._export(entry.before)

    def epoch(self, spec: RunSpec, epoch: int, loss: float, val_loss: float) -> None:
        self.inner.epoch(spec, epoch, loss, val_loss)

    def ended(self, run: Run) -> None:
        self.inner.ended(run)
        self._export(run)

    def close(self) -> None:
        self.inner.close()

    def _export(self, run: Run) -> None:
        for exporter in self.exporters:
            try:
                exporter.export(run)
            except WineexpError as error:
                self.problems.append(str(error))
