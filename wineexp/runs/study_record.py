"""What a study with planned looks writes down before its first run: changing it later is told, not hidden."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from wineexp import files
from wineexp.specs.looks import Looks

__all__ = ["LOOKS", "PlannedLooks", "studies_with_looks", "write_down"]

#: The record's file, in the study's folder.
LOOKS = "looks.json"

#: A record of looks is a few hundred bytes; what is larger is not ours.
MAX_BYTES = 1024 * 1024


class PlannedLooks(BaseModel):
    """What decides the verdicts of a study, as it was settled at one time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: tuple[int, ...]
    weights: tuple[float, ...]
    seeds: tuple[int, ...]
    margin: float | None
    reference: str | None
    variants: tuple[str, ...]

    @classmethod
    def of(
        cls, looks: Looks, margin: float | None, reference: str | None, variants: Sequence[str]
    ) -> PlannedLooks:
        return cls(
            counts=looks.counts,
            weights=looks.weights,
            seeds=looks.seeds,
            margin=margin,
            reference=reference,
            variants=tuple(variants),
        )


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    recorded: str
    runs_before: int
    planned: PlannedLooks
    signatures: tuple[str, ...]


class _StudyRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    entries: tuple[_Entry, ...]


def write_down(folder: Path, planned: PlannedLooks, runs_before: int, signatures: Sequence[str]) -> list[str]:
    """Record what is planned in the study's folder, unless it stands there; return what a reader must know of it.

    Parameters
    ----------
    folder : Path
    planned : PlannedLooks
    runs_before : int
        How many of the study's runs were there already.
    signatures : sequence of str
        Of its variants (``variant`` in run.json), by which their runs are known as trained with looks.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = folder / LOOKS
    notes = []
    try:
        entries = _read(path)
    except ValueError:
        entries = ()
        notes.append(f"{path} is damaged: it cannot be told whether the looks were changed after training began")
    if not entries or entries[-1].planned != planned:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entries = (*entries, _entry(now, runs_before, planned, signatures))
        files.write_file(path, _StudyRecord(entries=entries).model_dump_json(indent=1).encode())
    if len(entries) > 1:
        changed = "; ".join(_changes(one.planned, other.planned) for one, other in itertools.pairwise(entries))
        notes.append(
            f"the study was changed after it was begun on {entries[0].recorded}: {changed}. "
            "If results were known then, its error rate is not kept"
        )
    if entries[0].runs_before:
        notes.append(
            f"{entries[0].runs_before} of the study's runs were there before its looks were written down: "
            "if their results were known then, its error rate is not kept"
        )
    return notes


def studies_with_looks(folder: Path, signatures: Collection[str]) -> list[str]:
    """The studies below ``folder``, by their folders' names, that trained two or more of these variants by looks.

    One whose record is damaged is among them: it cannot be told, so it is not taken for one that did not.
    """
    found = []
    for path in sorted(folder.glob(f"*/{LOOKS}")):
        try:
            planned = {signature for entry in _read(path) for signature in entry.signatures}
        except ValueError:
            planned = set(signatures)
        if len(planned & set(signatures)) > 1:
            found.append(path.parent.name)
    return found


def _entry(recorded: str, runs_before: int, planned: PlannedLooks, signatures: Sequence[str]) -> _Entry:
    return _Entry(recorded=recorded, runs_before=runs_before, planned=planned, signatures=tuple(signatures))


def _read(path: Path) -> tuple[_Entry, ...]:
    """The entries so far, none where there is no file; raise ``ValueError`` where it is not ours."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ValueError(str(error)) from error
    if len(text) > MAX_BYTES:
        raise ValueError("too large")
    try:
        return _StudyRecord.model_validate_json(text).entries
    except ValidationError as error:
        raise ValueError(str(error)) from error


def _changes(before: PlannedLooks, after: PlannedLooks) -> str:
    """``looks from 5, 10, 20 to 5, 10``."""
    words = {
        "counts": "looks",
        "weights": "weights",
        "seeds": "seeds",
        "margin": "margin",
        "reference": "reference",
    }
    parts = []
    for field, word in words.items():
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            parts.append(f"{word} from {_told(one)} to {_told(other)}")
    # The seeds change with the last look; that is no news.
    return ", ".join(part for part in parts if not part.startswith("seeds") or len(parts) == 1)


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)
