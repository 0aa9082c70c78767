"""TensorBoard's records: what is known of a run as bytes of an event file, written without TensorFlow."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import Any

from wineexp.runs.record import Status
from wineexp.specs.run_spec import COSMETIC_FIELDS, RunSpec
from wineexp.specs.wording import format_value

__all__ = ["Moment", "begun", "ended", "epoch_summary", "records", "settings"]

#: Wall time, epoch and summary.
Moment = tuple[float, int, Any]


def begun(start: float) -> bytes:
    """How an event file begins."""
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
    """How a run ended, which is the last of it."""
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
