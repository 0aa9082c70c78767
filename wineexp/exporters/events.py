"""TensorBoard's event files, written without TensorFlow: a run as records, and the file of a run in training."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wineexp import files
from wineexp.errors import ExportError
from wineexp.runs.record import Status
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.specs.run_spec import COSMETIC_FIELDS, RunSpec
from wineexp.specs.wording import format_value

__all__ = ["LiveEvents", "Moment", "begun", "ended", "epoch_summary", "records", "settings"]

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

    told = api_pb2.STATUS_SUCCESS if status == "done" else api_pb2.STATUS_FAILURE
    content = plugin_data_pb2.HParamsPluginData(
        session_end_info=plugin_data_pb2.SessionEndInfo(status=told, end_time_secs=end)
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
        values = dict(zip(LOSS_COLUMNS, losses, strict=False))
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
