"""Do a run's files agree with its record? If not, the run is damaged: it is listed, left out, trained again."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from wineexp.errors import NoRunError, RunError
from wineexp.runs.directory import ERROR, HISTORY, MODEL, PREDICTIONS, SPEC, check_sha256
from wineexp.runs.run import Run

__all__ = ["LARGE", "check_files", "check_hash", "checked", "each_checked", "sound"]

#: Files larger than this, in bytes (models), are hashed only when they are used, or on request.
LARGE = 1_000_000

#: How often a run is checked again if it is replaced each time.
LOOKS = 10

_Found = TypeVar("_Found")


def checked(run: Run, check: Callable[[Run], _Found]) -> _Found:
    """The result, or error, of ``check`` for a run; if the run was replaced meanwhile, for the present one.

    Between reading its record and its files, another process may train it again or remove it, which is no damage.
    Raises ``NoRunError`` if it is gone.
    """
    for _ in range(LOOKS):
        known = None
        try:
            known = run.record
            return check(run)
        except RunError:
            run = Run(run.path)
            if run.record == known:
                raise
    return check(run)


def check_files(run: Run, *, hashes: bool = True, large: bool = False) -> None:
    """Raise ``RunError`` for the first file that is not as it was written.

    Parameters
    ----------
    hashes : bool
        Compare SHA-256 too, not sizes alone.
    large : bool
        Also hash files over ``LARGE`` bytes.

    Runs of wineexp 0.1.0 recorded neither; for these only the presence of files is checked.
    """
    if run.record.files is None:
        needed = {"done": (SPEC, HISTORY, PREDICTIONS), "failed": (SPEC, HISTORY, ERROR)}
        for name in needed.get(run.status, (SPEC, HISTORY)):
            if not (run.path / name).is_file():
                raise RunError(f"{run.path / name}: is damaged: expected a file, found none")
        return
    for name, facts in run.record.files.items():
        path = f"{run.path}/{name}"  # for thousands of runs, pathlib takes longer than the file system
        try:
            found = os.stat(path)
        except OSError:
            if name == MODEL:  # deleted to save space: the run cannot predict any more, and says so
                continue
            raise RunError(f"{path}: is damaged: expected {facts.size:,} bytes, found no file") from None
        if not stat.S_ISREG(found.st_mode):
            raise RunError(f"{path}: is damaged: expected a file, found a folder or a device")
        if found.st_size != facts.size:
            raise RunError(f"{path}: is damaged: expected {facts.size:,} bytes, found {found.st_size:,}")
        if hashes and (large or found.st_size <= LARGE):
            check_hash(run, Path(path))


def check_hash(run: Run, path: Path) -> None:
    """Raise ``RunError`` if a file is not what was recorded of it; the file may have any size."""
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
    check_sha256(path, found, run.record)


def each_checked(runs: Iterable[Run], check: Callable[[Run], object]) -> Iterator[tuple[Path, Run | RunError]]:
    """Each run that :func:`checked` passes, or the error if it is damaged; those that are gone are left out."""

    def present(run: Run) -> Run:
        check(run)
        return run

    for run in runs:
        result: Run | RunError
        try:
            result = checked(run, present)
        except NoRunError:
            continue
        except RunError as error:
            result = error
        yield run.path, result


def sound(paths: Iterable[Path]) -> Iterator[tuple[Path, Run | RunError]]:
    """Each of these run directories with its run, or with the error if its record or a file's size is wrong."""
    return each_checked(map(Run, paths), lambda run: check_files(run, hashes=False))
