"""The run directory: its name and its files. File names are defined only here."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wineexp.errors import NoRunError, RunError
from wineexp.runs.record import Record, Status
from wineexp.specs.run_spec import RunSpec

__all__ = [
    "RUN_FILES",
    "Run",
    "directory_name",
    "done_runs",
    "find_runs",
    "folder_name",
    "is_run",
    "read_bounded",
    "readable_runs",
    "run_folders",
]

SPEC = "spec.yaml"
HISTORY = "history.csv"
CURVES = "curves.png"
PREDICTIONS = "predictions.csv"
TEST_PREDICTIONS = "test_predictions.csv"
MODEL = "model.keras"
RECORD = "run.json"
ERROR = "error.txt"

#: What wineexp writes into a run directory, the record last.
RUN_FILES = (SPEC, HISTORY, CURVES, PREDICTIONS, TEST_PREDICTIONS, MODEL, ERROR, RECORD)

#: Bytes of a file of a run that is read whole: a history of ten million epochs has fewer.
MAX_BYTES = 1 << 30

#: Bytes of a folder's name; a seed and a signature follow, and a file system takes 255.
MAX_NAME_BYTES = 120


@dataclass(frozen=True)
class Run:
    """One run directory. Every path is a property; ``record`` is run.json, read and checked once."""

    path: Path

    @property
    def spec_path(self) -> Path:
        return self.path / SPEC

    @property
    def history_path(self) -> Path:
        return self.path / HISTORY

    @property
    def curves_path(self) -> Path:
        return self.path / CURVES

    @property
    def predictions_path(self) -> Path:
        return self.path / PREDICTIONS

    @property
    def test_predictions_path(self) -> Path:
        return self.path / TEST_PREDICTIONS

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def error_path(self) -> Path:
        return self.path / ERROR

    @cached_property
    def record(self) -> Record:
        """run.json; raise ``RunError`` where it is absent or damaged."""
        file = self.path / RECORD
        try:
            content = read_bounded(file)
        except RunError:
            if file.exists():
                raise
            raise NoRunError(f"{self.path}: no run here: expected a directory with {RECORD}") from None
        return Record.of_file(content, file)

    @property
    def spec(self) -> RunSpec:
        return self.record.spec

    @property
    def status(self) -> Status:
        return self.record.status

    @property
    def label(self) -> str:
        return self.record.label

    @property
    def signature(self) -> str:
        return self.record.signature


def read_bounded(path: Path) -> bytes:
    """A file's content; raise ``RunError`` where it cannot be read or has more than ``MAX_BYTES``."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > MAX_BYTES else file.read()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    if size > MAX_BYTES:
        raise RunError(f"{path}: is damaged: expected at most {MAX_BYTES:,} bytes, found {size:,}")
    return content


def folder_name(label: str) -> str:
    """``label`` as a valid file name, shortened if needed."""
    name = re.sub(r"[^\w.-]+", "_", label).strip("._-") or "run"
    while len(name.encode()) > MAX_NAME_BYTES:
        name = name[:-1]
    return name


def directory_name(spec: RunSpec, table: str, *, simulated: bool) -> str:
    """``<label>-s<seed>-<signature>``, on the table of that identity; the label as far as a name can hold it."""
    prefix = "simulated-" if simulated else ""
    return f"{prefix}{folder_name(spec.label())}-s{spec.seed}-{spec.signature(table)}"


def is_run(path: Path) -> bool:
    """Whether ``path`` is a run directory, rather than a folder of them."""
    return os.path.isfile(f"{path}/{RECORD}")


def run_folders(folder: Path) -> list[Path]:
    """The run directories directly below ``folder``, by name, whatever their records say."""
    if not folder.is_dir():
        return []
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [path for path in map(folder.joinpath, names) if is_run(path)]


def find_runs(folder: Path, damaged: Callable[[RunError], None] | None = None) -> Iterator[Run]:
    """The runs directly below ``folder``, by name; those with an unreadable record go to ``damaged``."""
    return readable_runs(run_folders(folder), damaged)


def readable_runs(paths: Iterable[Path], damaged: Callable[[RunError], None] | None = None) -> Iterator[Run]:
    """The runs of these directories; those with an unreadable record go to ``damaged``."""
    for path in paths:
        run = Run(path)
        try:
            run.record  # noqa: B018 - reads and checks it
        except NoRunError:
            continue
        except RunError as error:
            if damaged is not None:
                damaged(error)
            continue
        yield run


def done_runs(folder: Path) -> dict[str, Run]:
    """Signature -> run, of the finished runs below ``folder``."""
    return {run.signature: run for run in find_runs(folder) if run.status == "done"}
