"""Which runs a study has: a small file in its folder, so that its name stands for them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wineexp import files
from wineexp.errors import ConfigError, RunError
from wineexp.runs.study_record import LOOKS

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

#: The largest study has 100,000 runs; what is larger than twice that is not ours.
MAX_BYTES = 4 * 1024 * 1024


class StudyRuns(BaseModel):
    """What study.json holds.

    Attributes
    ----------
    name : str
        The study's.
    signatures : tuple of str
        Of every run that it plans, in the config's order; with planned looks not all of them may be trained.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1)]
    signatures: tuple[Annotated[str, Field(pattern="^[0-9a-f]{8}$")], ...]


def record_study(folder: Path, name: str, signatures: Sequence[str]) -> None:
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
    found = StudyRuns(name=name, signatures=tuple(signatures))
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
