"""Runs as TensorBoard event files, while they train and later, without TensorFlow: ``wineexp[tensorboard]``."""

from __future__ import annotations

import io
import math
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from wineexp import extras, files, signals
from wineexp.errors import ExportError
from wineexp.execution.plan import PlanEntry
from wineexp.exporters.observer import StudyFacts
from wineexp.runs.directory import folder_name
from wineexp.runs.record import Status
from wineexp.runs.result import LOSS_COLUMNS, history_columns
from wineexp.runs.run import Run
from wineexp.specs.run_spec import COSMETIC_FIELDS, RunSpec
from wineexp.specs.wording import format_value

__all__ = ["EventLog", "LiveEvents", "Moment", "begun", "ended", "epoch_summary", "records", "settings"]

#: Least time between two writes: many quick epochs are written at once, and training does not wait.
WRITE_SECONDS = 1.0

#: Wall time, epoch and summary.
Moment = tuple[float, int, Any]


def begun(start: float) -> bytes:
    """The beginning of an event file."""
    from tensorboard.compat.proto import event_pb2

    return _encoded([event_pb2.Event(wall_time=start, file_version="brain.Event:2")])


def records(moments: Iterable[Moment]) -> bytes:
    """These summaries as records."""
    from tensorboard.compat.proto import event_pb2

    return _encoded(
        event_pb2.Event(wall_time=wall_time, step=step, summary=summary) for wall_time, step, summary in moments
    )


def _encoded(events: Iterable[Any]) -> bytes:
    from tensorboard.summary.writer.record_writer import RecordWriter

    stream = io.BytesIO()
    writer = RecordWriter(stream)
    for event in events:
        writer.write(event.SerializeToString())
    return stream.getvalue()


def epoch_summary(values: Mapping[str, float]) -> Any:
    """The losses of one epoch, by name."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    whole = summary_pb2.Summary()
    for name, value in values.items():
        whole.MergeFrom(scalar_pb(name, float(value)))
    return whole


def settings(spec: RunSpec, signature: str, start: float) -> Moment:
    """The spec as hyper-parameters: numbers and booleans as they are, the rest as text."""
    from tensorboard.plugins.hparams import summary_v2

    values = {field: getattr(spec, field) for field in RunSpec.model_fields if field not in COSMETIC_FIELDS}
    plain = {
        field: value if isinstance(value, (bool, int, float)) else format_value(value)
        for field, value in values.items()
    }
    return start, 0, summary_v2.hparams_pb(plain, trial_id=signature, start_time_secs=start)


def ended(status: Status, end: float, last: int) -> Moment:
    """The end of a run, its last record."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status_code = api_pb2.STATUS_SUCCESS if status == "done" else api_pb2.STATUS_FAILURE
    content = plugin_data_pb2.HParamsPluginData(
        session_end_info=plugin_data_pb2.SessionEndInfo(status=status_code, end_time_secs=end)
    )
    value = summary_pb2.Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return end, last, summary_pb2.Summary(value=[value])


class LiveEvents:
    """One run's file. Every write appends whole records, so a reader never sees half a record for long.

    Attributes
    ----------
    path : Path
        Its name stays the same to the end: a reader would take a renamed file for another one.
    start : float
        When its first epoch was reported.
    epochs : int
        Number of epochs written, or about to be written.

    Raises
    ------
    ExportError
        From every method, if the file cannot be written.
    """

    def __init__(self, folder: Path, spec: RunSpec, signature: str) -> None:
        self.start = time.time()
        self.path = folder / f"events.out.tfevents.{self.start:.0f}.live.wineexp"
        self.epochs = 0
        self._columns = history_columns(spec.loss, eval_train=spec.eval_train)
        self._unwritten: list[Moment] = []
        with files.refusing(folder, ExportError):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("events.out.tfevents.*.wineexp"):  # from an earlier training
                old.unlink()
        self._append(begun(self.start) + records([settings(spec, signature, self.start)]))

    def hear(self, epoch: int, losses: Sequence[float]) -> bool:
        """Add an epoch, counted from 0; False if it does not follow the epoch before, so that some are missing."""
        if epoch != self.epochs:
            return False
        self.epochs += 1
        values = dict(zip(self._columns, losses, strict=False))
        self._unwritten.append((time.time(), epoch, epoch_summary(values)))
        if epoch == 0 or time.monotonic() - self._written >= WRITE_SECONDS:
            self._append(self._taken())
        return True

    def finish(self, rest: bytes) -> None:
        """Write the unwritten epochs, then ``rest``."""
        self._append(self._taken() + rest)

    def _taken(self) -> bytes:
        content = records(self._unwritten)
        self._unwritten.clear()
        return content

    def _append(self, content: bytes) -> None:
        with files.refusing(self.path, ExportError), self.path.open("ab", buffering=0) as file:
            file.write(content)
        self._written = time.monotonic()


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
    names = list(history.columns.drop("epoch"))
    losses = history[names].to_numpy(float).tolist()
    each = (end - start) / max(1, len(losses))
    moments: list[Moment] = [
        (start + each * (epoch + 1), epoch, epoch_summary(dict(zip(names, losses[epoch], strict=True))))
        for epoch in range(first, len(losses))
    ]
    last = _last(history)
    metrics = {
        f"metrics/{name}": value
        for name, value in run.record.metrics.known().items()
        if name not in LOSS_COLUMNS[:2]
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
