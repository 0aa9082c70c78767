"""A study's folder: which runs it has, so that its name stands for them, and the looks that were planned."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wineexp import files
from wineexp.errors import ConfigError, RunError
from wineexp.specs.fields import BY_DEFAULT, Judge, JudgedRows, ScoreChoice
from wineexp.specs.looks import Looks
from wineexp.text import count_of, some_of

__all__ = [
    "FIGURE",
    "LOOKS",
    "PAGE",
    "STUDY",
    "STUDY_FILES",
    "TABLE",
    "PlannedLooks",
    "StudyRuns",
    "find_studies",
    "read_study",
    "record_judged",
    "record_study",
    "studies_with_looks",
    "write_down",
]

STUDY = "study.json"
FIGURE = "compare.png"
TABLE = "compare.csv"
PAGE = "report.html"

#: The record's file, in the study's folder.
LOOKS = "looks.json"

#: The files that wineexp writes into a study's folder.
STUDY_FILES = (STUDY, LOOKS, FIGURE, TABLE, PAGE)

#: The largest study has 100,000 runs, and a directory's name 255 bytes; a larger file is not ours.
MAX_BYTES = 32 * 1024 * 1024

#: A record of looks is a few hundred bytes; a larger file is not ours.
MAX_LOOKS_BYTES = 1024 * 1024


class StudyRuns(BaseModel):
    """The content of study.json.

    Attributes
    ----------
    name : str
        The study's name.
    signatures : tuple of str
        All runs that it plans, in the config's order; with planned looks some may never be trained.
    directories : tuple of str
        The name of each run's directory, with its label and seed; empty in files of earlier versions.
    judged : tuple of str
        The signatures of the variants (``variant`` in run.json) that were judged when the study was first judged.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1)]
    signatures: tuple[Annotated[str, Field(pattern="^[0-9a-f]{8}$")], ...]
    directories: tuple[str, ...] = ()
    judged: tuple[Annotated[str, Field(pattern="^[0-9a-f]{8}$")], ...] = ()

    @model_validator(mode="after")
    def _agree(self) -> StudyRuns:
        own = tuple(name.rpartition("-")[2] for name in self.directories)
        if self.directories and own != self.signatures:
            apart = sorted({*own} ^ {*self.signatures}) or ["another order"]
            raise ValueError(f"signatures: expected those of directories, found a difference: {some_of(apart)}")
        return self

    def lacking(self, there: Collection[str]) -> tuple[str, ...]:
        """The runs that are not among these signatures: their directories' names, or else their signatures."""
        names = dict(zip(self.signatures, self.directories, strict=False))
        return tuple(names.get(signature, signature) for signature in self.signatures if signature not in there)


def record_study(folder: Path, name: str, signatures: Sequence[str], directories: Sequence[str] = ()) -> None:
    """Record a study's runs in its folder, before the first is trained.

    Raises
    ------
    ConfigError
        If the folder is another study's, whose name differs only in characters that a folder's name cannot hold.
    RunError
        If a file of that name exists that is not ours.
    OutputError
        If it cannot be written.
    """
    path = folder / STUDY
    before = read_study(folder) if path.exists() else None
    if before is not None and before.name != name:
        told = f"name: expected one whose folder is free, found {name!r}: {folder} belongs to the study"
        raise ConfigError([f"{told} {before.name!r}; choose another name, or another --out"])
    judged = () if before is None else before.judged
    _write(
        path,
        StudyRuns(name=name, signatures=tuple(signatures), directories=tuple(directories), judged=judged),
    )


def _write(path: Path, found: StudyRuns) -> None:
    content = found.model_dump(mode="json", exclude=None if found.judged else {"judged"})
    files.write_file(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def record_judged(folder: Path, variants: Sequence[str]) -> str | None:
    """Record which variants a study has judged; return a note on those that were added after the first time.

    Parameters
    ----------
    folder : Path
    variants : sequence of str
        Their signatures.

    Raises
    ------
    RunError, OutputError
        If the study's file cannot be read or written.
    """
    found = read_study(folder)
    if not found.judged:
        _write(folder / STUDY, found.model_copy(update={"judged": tuple(variants)}))
        return None
    added = [variant for variant in variants if variant not in found.judged]
    if not added:
        return None
    return (
        f"{count_of(len(added), 'variant')} added after the study had been judged with {len(found.judged)}: if "
        "that was because of the results, a difference is called real too often (up to 7.3 % instead of 5 where "
        "there are none)"
    )


def read_study(folder: Path) -> StudyRuns:
    """The runs of the study in that folder; raise ``RunError`` if its file is absent or damaged."""
    path = folder / STUDY
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"expected at most {MAX_BYTES:,} bytes")
        return StudyRuns.model_validate_json(content)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        problem = f"{where}: {fault['msg']}" if where else fault["msg"]
    except ValueError as error:
        problem = str(error)
    raise RunError(f"{path}: is damaged: {problem}; move it away and repeat the `wineexp study` to write it again")


def find_studies(out: Path) -> Iterator[tuple[Path, StudyRuns | RunError]]:
    """Each study's folder below ``out``, by name, with its runs, or with the error if they are unknown."""
    for path in sorted(out.glob(f"*/{STUDY}")):
        try:
            yield path.parent, read_study(path.parent)
        except RunError as error:
            yield path.parent, error


class PlannedLooks(BaseModel):
    """The settings that decide a study's verdicts, as planned at one time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    counts: tuple[int, ...]
    weights: tuple[float, ...]
    seeds: tuple[int, ...]
    margin: float | None
    reference: str | None
    variants: tuple[str, ...]
    judge: Judge = "mae"
    judge_rows: JudgedRows | None = None

    @classmethod
    def of(
        cls,
        looks: Looks,
        margin: float | None,
        reference: str | None,
        variants: Sequence[str],
        score: ScoreChoice = BY_DEFAULT,
    ) -> PlannedLooks:
        return cls(
            counts=looks.counts,
            weights=looks.weights,
            seeds=looks.seeds,
            margin=margin,
            reference=reference,
            variants=tuple(variants),
            judge=score.judge or "mae",
            judge_rows=score.rows,
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
    """Record the plan in the study's folder, unless it is already there; return notes for the reader.

    Parameters
    ----------
    folder : Path
    planned : PlannedLooks
    runs_before : int
        How many of the study's runs existed already.
    signatures : sequence of str
        The variants' (``variant`` in run.json): they mark their runs as trained with looks.

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
        notes.append(f"{path} is damaged: whether the looks were changed after training began is unknown")
    if not entries or entries[-1].planned != planned:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = _Entry(recorded=now, runs_before=runs_before, planned=planned, signatures=tuple(signatures))
        entries = (*entries, entry)
        files.write_file(path, _StudyRecord(entries=entries).model_dump_json(indent=1).encode())
    if len(entries) > 1:
        changed = "; ".join(_changes(one.planned, other.planned) for one, other in itertools.pairwise(entries))
        notes.append(
            f"the study was changed after it began on {entries[0].recorded}: {changed}. "
            "If results were known then, its error rate is not kept"
        )
    if entries[0].runs_before:
        notes.append(
            f"{entries[0].runs_before} of the study's runs existed before its looks were recorded: if their "
            "results were known then, its error rate is not kept"
        )
    return notes


def studies_with_looks(folder: Path, signatures: Collection[str]) -> list[str]:
    """The studies below ``folder``, by folder name, that trained two or more of these variants with looks.

    A study with a damaged record is included, as it may be one of them.
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


def _read(path: Path) -> tuple[_Entry, ...]:
    """The entries so far, none without a file; raise ``ValueError`` if it is not ours."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_LOOKS_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ValueError(str(error)) from error
    if len(text) > MAX_LOOKS_BYTES:
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
        "judge": "judge",
        "judge_rows": "judge rows",
    }
    parts = []
    for field, word in words.items():
        one, other = getattr(before, field), getattr(after, field)
        if one != other:
            parts.append(f"{word} from {_told(one)} to {_told(other)}")
    # The seeds change with the last look; that needs no mention.
    return ", ".join(part for part in parts if not part.startswith("seeds") or len(parts) == 1)


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "none" if value is None else str(value)
