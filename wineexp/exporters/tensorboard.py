"""Runs as TensorBoard event files, while they train and later, without TensorFlow: ``wineexp[tensorboard]``."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd

from wineexp import extras, files, signals
from wineexp.errors import ExportError
from wineexp.execution.plan import PlanEntry
from wineexp.exporters.events import LiveEvents, Moment, begun, ended, epoch_summary, records, settings
from wineexp.exporters.observer import StudyFacts
from wineexp.runs.directory import folder_name
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.runs.run import Run

__all__ = ["EventLog"]


class EventLog:
    """A TensorBoard log directory: a subfolder per run, with losses by epoch, final metrics, hyper-parameters.

    Parameters
    ----------
    folder : Path
        What ``tensorboard --logdir`` is given.

    Raises
    ------
    MissingExtraError
        Where TensorBoard is not installed.
    """

    name = "TensorBoard"

    def __init__(self, folder: Path) -> None:
        extras.require("tensorboard", "--tensorboard")
        self.folder = folder
        self._live: dict[str, LiveEvents] = {}

    def epoch(self, entry: PlanEntry, epoch: int, losses: Sequence[float]) -> None:
        """Append an epoch of a run that trains to its events; with the first, those of an earlier try go.

        A run whose beginning or middle was not heard is written whole at its end.
        """
        try:
            with signals.held():  # an epoch that is counted is one that is written, once
                self._hear(entry, epoch, losses)
        except ExportError:
            self._live.pop(entry.place.name, None)  # told once; tried again at its end
            raise

    def _hear(self, entry: PlanEntry, epoch: int, losses: Sequence[float]) -> None:
        name = entry.place.name
        if epoch == 0:
            self._live[name] = LiveEvents(self.folder / name, entry.spec, entry.signature)
        live = self._live.get(name)
        if live is not None and not live.hear(epoch, losses):
            del self._live[name]

    def export(self, run: Run) -> bool:
        """Write the run's events, or the end of those that were written as it trained; False if all are there."""
        recorded = _seconds(run.record.recorded)
        folder = self.folder / run.path.name
        target = folder / f"events.out.tfevents.{recorded:.0f}.wineexp"
        live = self._live.pop(run.path.name, None)
        if live is None and target.exists():
            return False
        history = run.read_tables().history
        if live is not None and live.epochs <= len(history):
            live.finish(_rest(run, history, live.epochs, live.start, recorded))
            return True
        known = list(folder.glob("events.out.tfevents.*.wineexp"))
        end = records([ended(run.status, recorded, _last(history))])
        if any(_ends_in(path, end) for path in known):
            return False
        start = recorded - (run.record.timing.fit_seconds or 0.0)
        head = begun(start) + records([settings(run.spec, run.signature, start)])
        content = head + _rest(run, history, 0, start, recorded)
        for old in known:  # of an earlier training
            old.unlink()
        files.write_file(target, content, error=ExportError)
        return True

    def export_study(self, study: StudyFacts) -> bool:
        """Write each variant of a study, in ``study-NAME/VARIANT``: mean and 95 % band by epoch, its numbers, its
        verdict in words; return False if that is there already.
        """
        folder = self.folder / f"study-{folder_name(study.name)}"
        file = f"events.out.tfevents.{int(study.digest, 16) % 10**10}.wineexp"
        content = _study_records(study)
        if content and all((folder / variant / file).exists() for variant in content):
            return False
        for old in folder.glob("*/events.out.tfevents.*.wineexp"):  # of an earlier verdict
            old.unlink()
        for variant, events in content.items():
            files.write_file(folder / variant / file, events, error=ExportError)
        return True


def _study_records(study: StudyFacts) -> dict[str, bytes]:
    """Variant's folder -> events: mean and band of its curves by epoch, its numbers, its verdict in words."""
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    moment = _seconds(study.recorded)
    events: dict[str, bytes] = {}
    for variant in study.variants:
        summaries: list[Moment] = []
        for column, (mean, half) in variant.curves.items():
            lines = {"mean": mean, "low": mean - half, "high": mean + half}
            summaries += [
                (moment, epoch, scalar_pb(f"{column}/{name}", float(value)))
                for name, values in lines.items()
                for epoch, value in enumerate(values)
                if math.isfinite(value)
            ]
        summaries += [(moment, 0, scalar_pb(f"study/{key}", value)) for key, value in variant.numbers.items()]
        summaries.append((moment, 0, text_pb("verdict", f"**{variant.word}**  \n{variant.sentence}")))
        name = folder_name(variant.label)
        if name in events:  # labels that differ in characters that a file name cannot have
            name += f"-{len(events)}"
        events[name] = begun(moment) + records(summaries)
    return events


def _seconds(recorded: str) -> float:
    try:
        return datetime.fromisoformat(recorded).timestamp()
    except ValueError:
        return 0.0


def _rest(run: Run, history: pd.DataFrame, first: int, start: float, end: float) -> bytes:
    """A run's events from epoch ``first`` on: losses, final metrics, how it ended."""
    names = [name for name in LOSS_COLUMNS if name in history]
    losses = history[names].to_numpy(float).tolist()
    each = (end - start) / max(1, len(losses))
    moments: list[Moment] = [
        (start + each * (epoch + 1), epoch, epoch_summary(dict(zip(names, losses[epoch], strict=True))))
        for epoch in range(first, len(losses))
    ]
    last = _last(history)
    metrics = {
        f"metrics/{name}": value for name, value in run.record.metrics.known().items() if name not in LOSS_COLUMNS
    }
    moments += [(end, last, epoch_summary({name: value})) for name, value in metrics.items()]
    return records([*moments, ended(run.status, end, last)])


def _last(history: pd.DataFrame) -> int:
    """The number of its last epoch."""
    return max(0, len(history) - 1)


def _ends_in(path: Path, end: bytes) -> bool:
    """Whether a file ends in these bytes."""
    with files.refusing(path, ExportError, "read"), path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(end)))
        return file.read() == end
