"""Writes a result as a run directory. Only the parent process does this."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from wineexp import files
from wineexp.errors import RunError
from wineexp.runs import directory
from wineexp.runs.directory import RUN_FILES, directory_name
from wineexp.runs.picture import draw
from wineexp.runs.record import SCHEMA, FileFacts, Record
from wineexp.runs.result import RunResult
from wineexp.runs.run import Run
from wineexp.text import csv_cell, visible

__all__ = ["add_names", "restore_runs", "write_run"]


def write_run(
    result: RunResult, out: Path, *, names: tuple[str, ...] = (), planned: str = "", place: Path | None = None
) -> Run:
    """Write ``result`` below ``out``, whole or not at all, and return its run.

    Parameters
    ----------
    names : tuple of str
        All names of its spec in a config.
    planned : str
        See :class:`~wineexp.runs.record.Record`.
    place : Path, optional
        The directory, if it is not named after its spec: that of a run that is written again.

    Raises
    ------
    RunError
        If it cannot be written.
    """
    place = place or out / directory_name(
        result.spec, result.data.signed, simulated=result.data.kind == "simulated"
    )
    record = _record(result, place.name, names, planned)
    content: dict[str, bytes | None] = {
        directory.SPEC: result.spec.to_yaml().encode(),
        directory.HISTORY: _csv(result.history),
        directory.CURVES: draw(record, result.history),
        directory.PREDICTIONS: None if result.predictions is None else _csv(result.predictions),
        directory.TEST_PREDICTIONS: None if result.test_predictions is None else _csv(result.test_predictions),
        directory.MODEL: result.model,
        directory.ERROR: None if result.error is None else visible(result.error).encode(),
    }
    present = {file: data for file, data in content.items() if data is not None}
    facts = {file: FileFacts.of(data) for file, data in present.items()}
    # Last: a directory with a record is complete.
    present[directory.RECORD] = record.model_copy(update={"files": facts}).text()
    files.write_directory(place, present, ours=RUN_FILES, error=RunError)
    return Run(place)


def restore_runs(out: Path) -> None:
    """Restore runs of ``out`` that a process was replacing when it was killed; call it before looking for runs."""
    files.restore(out, RUN_FILES)


def add_names(run: Run, names: Sequence[str]) -> tuple[str, ...]:
    """Add names to the record of an existing run, with all else unchanged; return the new ones.

    Raises
    ------
    RunError
        If the record cannot be read or written.
    """
    record = Run(run.path).record  # as it is now
    new = tuple(name for name in dict.fromkeys(names) if name not in record.names)
    if new:
        named = record.model_copy(update={"names": (*record.names, *new)})
        files.write_file(run.path / directory.RECORD, named.text(), error=RunError)
    return new


def _record(result: RunResult, name: str, names: tuple[str, ...], planned: str) -> Record:
    signature, variant_signature = result.spec.signatures(result.data.signed)
    return Record(
        schema_version=SCHEMA,
        status=result.status,
        reason=result.reason,
        error=visible(result.error.splitlines()[0]) if result.error else None,
        directory=name,
        label=result.spec.label(),
        names=names or ((result.spec.name,) if result.spec.name else ()),
        signature=signature,
        variant_signature=variant_signature,
        spec=result.spec,
        data=result.data,
        metrics=result.metrics,
        timing=result.timing,
        environment=result.environment,
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
        planned=planned,
    )


def _csv(frame: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    shown = frame.astype({name: int for name in frame.columns if frame[name].dtype == bool})
    for name in (
        name for name in ("actual", "predicted") if name in shown and shown[name].dtype.kind not in "iuf"
    ):
        shown[name] = shown[name].map(csv_cell)  # labels
    shown.to_csv(stream, index=False, na_rep="nan", lineterminator="\n")
    return stream.getvalue()
