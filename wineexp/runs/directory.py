"""The run directory: its name and its files. File names are defined only here."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from wineexp.errors import RunError
from wineexp.runs.record import Record
from wineexp.specs.run_spec import RunSpec

__all__ = [
    "RUN_FILES",
    "check_sha256",
    "directory_name",
    "folder_name",
    "is_run",
    "read_bounded",
    "read_recorded",
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

#: The files that wineexp writes into a run directory, the record last.
RUN_FILES = (SPEC, HISTORY, CURVES, PREDICTIONS, TEST_PREDICTIONS, MODEL, ERROR, RECORD)

#: Limit in bytes for a run's file that is read whole: a history of ten million epochs is smaller.
MAX_BYTES = 1 << 30

#: Limit in bytes for a folder's name; a seed and a signature follow, and file systems allow 255.
MAX_NAME_BYTES = 120


def read_bounded(path: Path) -> bytes:
    """A file's content; raise ``RunError`` if it cannot be read or has more than ``MAX_BYTES``."""
    try:
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            content = b"" if size > MAX_BYTES else file.read()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    if size > MAX_BYTES:
        raise RunError(f"{path}: is damaged: expected at most {MAX_BYTES:,} bytes, found {size:,}")
    return content


def read_recorded(path: Path, record: Record) -> bytes:
    """The content of a run's file; raise ``RunError`` if it is absent, or differs from what was recorded of it."""
    content = read_bounded(path)
    check_sha256(path, hashlib.sha256(content).hexdigest(), record)
    return content


def check_sha256(path: Path, sha256: str, record: Record) -> None:
    """Raise ``RunError`` unless this is the recorded hash of a file; runs of wineexp 0.1.0 have none."""
    if record.files is None:
        return
    facts = record.files.get(path.name)
    if facts is None:
        raise RunError(f"{path}: is damaged: the record does not know it")
    if sha256 != facts.sha256:
        raise RunError(f"{path}: is damaged: its content is not what was written")


def folder_name(label: str) -> str:
    """``label`` as a valid file name, shortened if needed."""
    name = re.sub(r"[^\w.-]+", "_", label).strip("._-") or "run"
    while len(name.encode()) > MAX_NAME_BYTES:
        name = name[:-1]
    return name


def directory_name(spec: RunSpec, table: str, *, simulated: bool) -> str:
    """``<label>-s<seed>-<signature>`` of a run on that table; the label is shortened to what a name can hold."""
    prefix = "simulated-" if simulated else ""
    return f"{prefix}{folder_name(spec.label())}-s{spec.seed}-{spec.signature(table)}"


def is_run(path: Path) -> bool:
    """Whether ``path`` is a run directory, rather than a folder of them."""
    return os.path.isfile(f"{path}/{RECORD}")


def run_folders(folder: Path) -> list[Path]:
    """The run directories directly below ``folder``, by name, whether their records can be read or not."""
    if not folder.is_dir():
        return []
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    return [path for path in map(folder.joinpath, names) if is_run(path)]
