"""Runs sent elsewhere the moment they are recorded, while others still train; some of them epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from wineexp.comparison.comparison import Comparison
from wineexp.errors import WineexpError
from wineexp.execution.executor import Place
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan
from wineexp.runs.directory import Run, directory_name
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of

__all__ = ["Exporter", "ExportingObserver", "LiveExporter", "Training", "sent_text"]


class Exporter(Protocol):
    """A place that finished runs are sent to."""

    name: str

    def export(self, run: Run) -> bool:
        """Send ``run``; return False where it is there already; raise ``WineexpError`` where it cannot be."""

    def export_study(self, comparison: Comparison, name: str) -> bool:
        """Send what is said of the variants of a study whose runs were sent; as :meth:`export`."""


@dataclass(frozen=True)
class Training:
    """A run that trains: its spec, the name of the directory that it will have, its signature."""

    spec: RunSpec
    name: str
    signature: str


@runtime_checkable
class LiveExporter(Protocol):
    """An exporter that is told of each epoch, too, in the process that records runs."""

    def epoch(self, training: Training, epoch: int, losses: Sequence[float]) -> None:
        """Take an epoch, counted from 0: loss, val_loss and, with ``eval_train``, train_loss. Be quick."""


class ExportingObserver(Observer):
    """Sends each run on, including those done before, and passes all events on to another observer.

    A run that cannot be sent does not stop training: the other observer is notified.
    """

    def __init__(self, exporters: Sequence[Exporter], inner: Observer) -> None:
        self.exporters, self.inner = exporters, inner
        # Of each exporter: run -> whether it was sent now; None where it could not be.
        self._sent: list[dict[Run, bool | None]] = [{} for _ in exporters]
        self._live = [exporter for exporter in exporters if isinstance(exporter, LiveExporter)]
        self._training: dict[RunSpec, Training] = {}

    def started(self, plan: Plan) -> None:
        self.inner.started(plan)
        self._table = plan.table
        for entry in plan.entries:
            if entry.done:
                self._export(entry.done)

    def placed(self, place: Place, count: int) -> None:
        self.inner.placed(place, count)

    def losses(self, spec: RunSpec, epoch: int, losses: Sequence[float]) -> None:
        self.inner.losses(spec, epoch, losses)
        for exporter in self._live:
            try:
                exporter.epoch(self._training_of(spec), epoch, losses)
            except WineexpError as error:
                self.not_sent(str(error))

    def waiting(self, count: int, owner: str, claim: Path) -> None:
        self.inner.waiting(count, owner, claim)

    def gone(self, path: Path) -> None:
        self.inner.gone(path)

    def ended(self, run: Run) -> None:
        self.inner.ended(run)
        self._export(run)

    def named(self, run: Run, names: Sequence[str]) -> None:
        self.inner.named(run, names)

    def not_named(self, run: Run, names: Sequence[str], problem: str) -> None:
        self.inner.not_named(run, names, problem)

    def looked(self, number: int, looks: Looks, told: Sequence[str], still_open: Sequence[str]) -> None:
        self.inner.looked(number, looks, told, still_open)

    def not_sent(self, problem: str) -> None:
        self.inner.not_sent(problem)

    def close(self) -> None:
        for exporter, sent in zip(self.exporters, self._sent, strict=True):
            known = list(sent.values())
            if known:
                told = sent_text(exporter.name, known.count(True), known.count(False), known.count(None))
                self.inner.sent(told)
        self.inner.close()

    def compared(self, comparison: Comparison, name: str) -> None:
        """A study was judged: its verdicts follow its runs."""
        for exporter in self.exporters:
            try:
                exporter.export_study(comparison, name)
            except WineexpError as error:
                self.not_sent(str(error))

    def _training_of(self, spec: RunSpec) -> Training:
        if spec not in self._training:
            table, simulated = self._table.identity, self._table.kind == "simulated"
            name = directory_name(spec, table, simulated=simulated)
            self._training[spec] = Training(spec, name, spec.signature(table))
        return self._training[spec]

    def _export(self, run: Run) -> None:
        for exporter, sent in zip(self.exporters, self._sent, strict=True):
            try:
                now = exporter.export(run)
            except WineexpError as error:
                sent[run] = None
                self.not_sent(str(error))
            else:
                sent[run] = now or sent.get(run) or False  # each look of a study sends all its runs


def sent_text(name: str, sent: int, present: int, failed: int) -> str:
    """``TensorBoard: 2 runs sent, 1 was there already, 0 failed``."""
    were = "was" if present == 1 else "were"
    return f"{name}: {count_of(sent, 'run')} sent, {present} {were} there already, {failed} failed"
