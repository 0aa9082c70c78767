"""The run directory: its place, its files, written whole or not at all. File names stand here alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wineexp.errors import RunError, SpecError
from wineexp.specs.run_spec import RunSpec

__all__ = [
    "Run", "check_writable", "directory_name", "done_runs", "find_runs", "folder_name", "write_directory",
    "write_file",
]  # fmt: skip

SPEC = "spec.yaml"
HISTORY = "history.csv"
CURVES = "curves.png"
PREDICTIONS = "predictions.csv"
MODEL = "model.keras"
RECORD = "run.json"
ERROR = "error.txt"

_TEMPORARY = ".wineexp-"


@dataclass(frozen=True)
class Run:
    """One run directory. Every path is a property; ``record`` is run.json, read once."""

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
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def error_path(self) -> Path:
        return self.path / ERROR

    @cached_property
    def record(self) -> dict[str, Any]:
        """run.json as a dict; raise ``RunError`` where it is absent or damaged."""
        file = self.path / RECORD
        try:
            record = json.loads(file.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(f"{self.path}: no run here: expected a directory with {RECORD}") from None
        except (OSError, ValueError) as error:
            raise RunError(f"{file}: cannot be read: {error}") from None
        if not isinstance(record, dict) or not {"status", "spec", "signature"} <= record.keys():
            raise RunError(f"{file}: expected a run's record with status, spec and signature")
        return record

    @cached_property
    def spec(self) -> RunSpec:
        """The run's spec, checked anew; raise ``RunError`` where it makes no sense."""
        try:
            return RunSpec.parse(self.record["spec"])
        except (SpecError, TypeError, AttributeError) as error:
            text = "; ".join(str(error).splitlines())
            raise RunError(f"{self.path / RECORD}: what it says of its run makes no sense: {text}") from None

    @property
    def status(self) -> str:
        return str(self.record["status"])

    @property
    def signature(self) -> str:
        return str(self.record["signature"])


def folder_name(label: str) -> str:
    """``label`` as far as a file name can hold it."""
    name = re.sub(r"[^\w.-]+", "_", label).strip("._-") or "run"
    while len(name.encode()) > 120:
        name = name[:-1]
    return name


def directory_name(spec: RunSpec, fingerprint: str, *, simulated: bool) -> str:
    """``<label>-s<seed>-<signature>``; the label as far as a file name can hold it."""
    prefix = "simulated-" if simulated else ""
    return f"{prefix}{folder_name(spec.label())}-s{spec.seed}-{spec.signature(fingerprint)}"


def check_writable(folder: Path) -> None:
    """Make ``folder`` and raise ``RunError`` unless runs can be written there: better now than after training."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = _temporary(folder)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise RunError(f"{folder}: runs cannot be written there: {error.strerror or error}") from error


def write_directory(path: Path, files: Mapping[str, bytes]) -> Run:
    """Write ``files`` into a new directory and rename it to ``path``, so that it is whole or absent.

    The files are flushed to the disk first, run.json last. A directory that stands there already is
    replaced. What an earlier process on this machine left half-written is swept away.
    Raises ``RunError`` where the disk or the permissions do not allow it.
    """
    try:
        _write(path, files)
    except OSError as error:  # a full disk, a folder without permission
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
    return Run(path)


def write_file(path: Path, content: bytes) -> None:
    """Write one file beside its place and rename it into it; raise ``RunError`` where that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = _temporary(path.parent)
        try:
            staged.write_bytes(content)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error


def _write(path: Path, files: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    staged = _temporary(path.parent)
    staged.mkdir()
    try:
        for name in sorted(files, key=lambda name: name == RECORD):
            with (staged / name).open("wb") as file:
                file.write(files[name])
                file.flush()
                os.fsync(file.fileno())
        _put(staged, path)
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _put(staged: Path, path: Path) -> None:
    if not path.exists():
        staged.rename(path)
        return
    old = _temporary(path.parent)
    path.rename(old)
    try:
        staged.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _temporary(parent: Path) -> Path:
    return parent / f"{_TEMPORARY}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _sweep(parent: Path) -> None:
    """Remove what processes of this machine that are no more left behind."""
    for left in parent.glob(f"{_TEMPORARY}{socket.gethostname()}-*"):
        process = left.name.rsplit("-", 2)[1]
        if process.isdigit() and int(process) != os.getpid():
            try:
                os.kill(int(process), 0)
            except ProcessLookupError:
                shutil.rmtree(left, ignore_errors=True)
            except PermissionError:
                pass  # alive, and somebody else's


def find_runs(folder: Path, damaged: Callable[[RunError], None] | None = None) -> Iterator[Run]:
    """The runs directly below ``folder``, by name; those with an unreadable record go to ``damaged``."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and (path / RECORD).is_file():
            run = Run(path)
            try:
                run.record  # noqa: B018 - reads and checks it
            except RunError as error:
                if damaged is not None:
                    damaged(error)
                continue
            yield run


def done_runs(folder: Path) -> dict[str, Run]:
    """Signature -> run, of the finished runs below ``folder``."""
    return {run.signature: run for run in find_runs(folder) if run.status == "done"}
