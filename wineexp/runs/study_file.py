"""Which runs a study has: a small file in its folder, so that its name stands for them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from wineexp import files
from wineexp.errors import ConfigError, RunError
from wineexp.runs.study_record import LOOKS
from wineexp.text import some_of

__all__ = [
    "FIGURE",
    "PAGE",
    "STUDY",
    "STUDY_FILES",
    "TABLE",
    "StudyRuns",
    "find_studies",
    "read_study",
    "record_study",
]

STUDY = "study.json"
FIGURE = "compare.png"
TABLE = "compare.csv"
PAGE = "report.html"

#: What wineexp writes into a study's folder.
STUDY_FILES = (STUDY, LOOKS, FIGURE, TABLE, PAGE)

#: The largest study has 100,000 runs, and a directory's name 255 bytes; what is larger is not ours.
MAX_BYTES = 32 * 1024 * 1024


class StudyRuns(BaseModel):
    """What study.json holds.

    Attributes
    ----------
    name : str
        The study's.
    signatures : tuple of str
        Of every run that it plans, in the config's order; with planned looks not all of them may be trained.
    directories : tuple of str
        The name of each run's directory, with its label and seed; empty in files of earlier versions.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1)]
    signatures: tuple[Annotated[str, Field(pattern="^[0-9a-f]{8}$")], ...]
    directories: tuple[str, ...] = ()

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
    """Write down in a study's folder which runs it has, before the first is trained.

    Raises
    ------
    ConfigError
        When the folder is another study's, whose name differs in what a folder's name cannot hold.
    RunError
        When a file of that name is there that is not ours.
    OutputError
        If it cannot be written.
    """
    path = folder / STUDY
    if path.exists() and (other := read_study(folder).name) != name:
        told = f"name: expected one whose folder is free, found {name!r}: {folder} belongs to the study {other!r}"
        raise ConfigError([f"{told}; choose another name, or another --out"])
    found = StudyRuns(name=name, signatures=tuple(signatures), directories=tuple(directories))
    text = json.dumps(found.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n"
    files.write_file(path, text.encode())


def read_study(folder: Path) -> StudyRuns:
    """The runs of the study whose folder that is; raise ``RunError`` where its file is absent or damaged."""
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
    raise RunError(f"{path}: is damaged: {problem}; move it away, and the same `wineexp study` writes it anew")


def find_studies(out: Path) -> Iterator[tuple[Path, StudyRuns | RunError]]:
    """Each study's folder below ``out``, by name, with its runs, or with why they are not known."""
    for path in sorted(out.glob(f"*/{STUDY}")):
        try:
            yield path.parent, read_study(path.parent)
        except RunError as error:
            yield path.parent, error
