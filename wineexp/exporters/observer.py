"""Runs sent elsewhere the moment they are recorded, while others still train; some of them epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from wineexp.errors import WineexpError
from wineexp.execution.observer import Observer
from wineexp.execution.plan import Plan, PlanEntry
from wineexp.runs.record import Record
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of

__all__ = [
    "Exporter",
    "ExportingObserver",
    "LiveExporter",
    "StudyFacts",
    "VariantFacts",
    "send_study",
    "sent_text",
]


@dataclass(frozen=True)
class VariantFacts:
    """One variant of a study.

    Attributes
    ----------
    label, word, sentence : str
        Its verdict in a word and in a sentence.
    numbers : dict of str to float
        By column of the comparison's table; only finite ones.
    spec : RunSpec or None
        The spec that its runs share, except for ``varying``.
    varying : set of str
    records : tuple of Record
        Of its runs, unfinished ones too.
    curves : dict of str to pair of arrays
        ``loss`` and ``val_loss``: the mean over the seeds and half its 95 % interval, by epoch.
    """

    label: str
    word: str
    sentence: str
    numbers: dict[str, float]
    spec: RunSpec | None
    varying: frozenset[str]
    records: tuple[Record, ...]
    curves: dict[str, tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]


@dataclass(frozen=True)
class StudyFacts:
    """A judged study.

    Attributes
    ----------
    name : str
    digest : str
        16 hex characters that identify this judgement: its runs as recorded, and its text.
    recorded : str
        When its last run was recorded, ISO 8601; empty if that is not known.
    text : str
        The conclusions, one paragraph for each verdict, effect and note.
    table : str
        The comparison's table as CSV.
    variants : tuple of VariantFacts
    """

    name: str
    digest: str
    recorded: str
    text: str
    table: str
    variants: tuple[VariantFacts, ...]


class Exporter(Protocol):
    """A place that finished runs are sent to."""

    name: str

    def export(self, run: Run) -> bool:
        """Send ``run``; return False if it was there already; raise ``WineexpError`` if it cannot be sent."""

    def export_study(self, study: StudyFacts) -> bool:
        """Send the conclusions on a study whose runs were sent; as :meth:`export`."""


@runtime_checkable
class LiveExporter(Protocol):
    """An exporter that also receives each epoch, in the process that records runs."""

    def epoch(self, entry: PlanEntry, epoch: int, losses: Sequence[float]) -> None:
        """Take an epoch of an entry's run, counted from 0: loss, val_loss and, with ``eval_train``, train_loss.

        Be quick.
        """


class ExportingObserver(Observer):
    """Sends each run on, including those done before.

    A run that cannot be sent does not stop training: another observer is notified, also of how many were sent.
    """

    def __init__(self, exporters: Sequence[Exporter], teller: Observer) -> None:
        self._exporters, self._teller = exporters, teller
        # For each exporter: run -> whether it was sent now; None if it could not be sent.
        self._sent: list[dict[Run, bool | None]] = [{} for _ in exporters]
        self._live = [exporter for exporter in exporters if isinstance(exporter, LiveExporter)]
        self._entries: dict[RunSpec, PlanEntry] = {}

    def started(self, plan: Plan) -> None:
        for entry in plan.entries:
            self._entries[entry.spec] = entry
            if entry.done:
                self.ended(entry.done)

    def losses(self, spec: RunSpec, epoch: int, losses: Sequence[float]) -> None:
        for exporter in self._live:
            try:
                exporter.epoch(self._entries[spec], epoch, losses)
            except WineexpError as error:
                self._teller.not_sent(str(error))

    def ended(self, run: Run) -> None:
        for exporter, sent in zip(self._exporters, self._sent, strict=True):
            try:
                now = exporter.export(run)
            except WineexpError as error:
                sent[run] = None
                self._teller.not_sent(str(error))
            else:
                sent[run] = now or sent.get(run) or False  # each look of a study sends all its runs

    def close(self) -> None:
        for exporter, sent in zip(self._exporters, self._sent, strict=True):
            outcomes = list(sent.values())
            if outcomes:
                counts = (outcomes.count(outcome) for outcome in (True, False, None))
                self._teller.sent(sent_text(exporter.name, *counts))


def send_study(exporters: Sequence[Exporter], study: StudyFacts, teller: Observer) -> None:
    """Send the conclusions on a study after its runs; notify ``teller`` if they cannot be sent."""
    for exporter in exporters:
        try:
            exporter.export_study(study)
        except WineexpError as error:
            teller.not_sent(str(error))


def sent_text(name: str, sent: int, present: int, failed: int) -> str:
    """``TensorBoard: 2 runs sent, 1 already there, 0 failed``."""
    return f"{name}: {count_of(sent, 'run')} sent, {present} already there, {failed} failed"
