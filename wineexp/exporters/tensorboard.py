"""Finished runs as TensorBoard event files, written without TensorFlow: ``wineexp[tensorboard]``."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from wineexp import extras, files
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.scale import seed_mean, shared_scale
from wineexp.errors import ExportError
from wineexp.exporters.study import digest_of, variant_facts
from wineexp.runs.directory import Run, folder_name
from wineexp.runs.reader import load_run
from wineexp.specs.run_spec import COSMETIC_FIELDS, RunSpec
from wineexp.specs.wording import format_value

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

    def export(self, run: Run) -> bool:
        """Write the run's events; return False if they are there already."""
        recorded = _seconds(run.record.recorded)
        target = self.folder / run.path.name / f"events.out.tfevents.{recorded:.0f}.wineexp"
        if target.exists():
            return False
        content = _records(run, recorded)
        for old in target.parent.glob("events.out.tfevents.*.wineexp"):  # of an earlier training
            old.unlink()
        files.write_file(target, content, error=ExportError)
        return True

    def export_study(self, comparison: Comparison, name: str) -> bool:
        """Write each variant of a study, in ``study-NAME/VARIANT``: mean and 95 % band by epoch, its numbers, its
        verdict in words; return False if that is there already.
        """
        folder = self.folder / f"study-{folder_name(name)}"
        file = f"events.out.tfevents.{int(digest_of(comparison), 16) % 10**10}.wineexp"
        content = _study_records(comparison)
        if content and all((folder / variant / file).exists() for variant in content):
            return False
        for old in folder.glob("*/events.out.tfevents.*.wineexp"):  # of an earlier verdict
            old.unlink()
        for variant, events in content.items():
            files.write_file(folder / variant / file, events, error=ExportError)
        return True


def _study_records(comparison: Comparison) -> dict[str, bytes]:
    """Variant's folder -> events: mean and band of its curves by epoch, its numbers, its verdict in words."""
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    moment = max((_seconds(run.record.recorded) for run in comparison.runs if run.record), default=0.0)
    shown = [entry.variant for entry in comparison.entries]
    scale = shared_scale(shown)
    found: dict[str, bytes] = {}
    for variant, facts in zip(shown, variant_facts(comparison), strict=True):
        summaries: list[tuple[float, int, Any]] = []
        for column in ("loss", "val_loss"):
            mean, half = seed_mean(scale.values(variant, column))
            lines = {"mean": mean, "low": mean - half, "high": mean + half}
            summaries += [
                (moment, epoch, scalar_pb(f"{column}/{name}", float(value)))
                for name, values in lines.items()
                for epoch, value in enumerate(values)
                if math.isfinite(value)
            ]
        summaries += [(moment, 0, scalar_pb(f"study/{key}", value)) for key, value in facts.numbers.items()]
        summaries.append((moment, 0, text_pb("verdict", f"**{facts.word}**  \n{facts.sentence}")))
        name = folder_name(facts.label)
        if name in found:  # labels that differ in what a file name cannot hold
            name += f"-{len(found)}"
        found[name] = _written(moment, summaries)
    return found


def _seconds(recorded: str) -> float:
    try:
        return datetime.fromisoformat(recorded).timestamp()
    except ValueError:
        return 0.0


def _records(run: Run, recorded: float) -> bytes:
    start = recorded - (run.record.timing.fit_seconds or 0.0)
    return _written(start, _summaries(run, start, recorded))


def _written(start: float, summaries: Iterable[tuple[float, int, Any]]) -> bytes:
    """An event file of (wall time, epoch, summary)."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    stream = io.BytesIO()
    writer = RecordWriter(stream)
    writer.write(event_pb2.Event(wall_time=start, file_version="brain.Event:2").SerializeToString())
    for wall_time, step, summary in summaries:
        event = event_pb2.Event(wall_time=wall_time, step=step, summary=summary)
        writer.write(event.SerializeToString())
    return stream.getvalue()


def _summaries(run: Run, start: float, end: float) -> Iterator[tuple[float, int, Any]]:
    """(wall time, epoch, summary) of all that is known of a run."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    yield start, 0, summary_v2.hparams_pb(_hparams(run.spec), trial_id=run.signature, start_time_secs=start)
    loaded = load_run(run)
    history = loaded.history
    each = (end - start) / max(1, len(history))
    for row in history.to_dict("records"):
        epoch = int(row.pop("epoch"))
        for tag, value in row.items():
            yield start + each * (epoch + 1), epoch, scalar_pb(tag, float(value))
    last = max(0, len(history) - 1)
    for name, value in loaded.metrics.known().items():
        if name not in ("loss", "val_loss"):
            yield end, last, scalar_pb(f"metrics/{name}", float(value))
    status = api_pb2.STATUS_SUCCESS if run.status == "done" else api_pb2.STATUS_FAILURE
    ended = plugin_data_pb2.HParamsPluginData(
        session_end_info=plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=end)
    )
    value = summary_pb2.Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(ended),
        tensor=metadata.NULL_TENSOR,
    )
    yield end, last, summary_pb2.Summary(value=[value])


def _hparams(spec: RunSpec) -> dict[str, Any]:
    """The spec as hyper-parameters: numbers and booleans as they are, the rest as text."""
    values = {field: getattr(spec, field) for field in RunSpec.model_fields if field not in COSMETIC_FIELDS}
    return {
        field: value if isinstance(value, (bool, int, float)) else format_value(value)
        for field, value in values.items()
    }
