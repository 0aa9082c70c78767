"""Remove runs and studies, as ``wineexp rm`` does: only files of ours, and no run that is being trained."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wineexp import files, signals
from wineexp.api.inputs import PathLike, Runs, flat
from wineexp.errors import RunError
from wineexp.execution.claims import Claims
from wineexp.runs.directory import RUN_FILES, is_run
from wineexp.runs.integrity import check_files
from wineexp.runs.names import find_meant
from wineexp.runs.run import Run
from wineexp.runs.study_file import STUDY_FILES, StudyRuns, find_studies
from wineexp.runs.writer import restore_runs

__all__ = ["Removal", "plan_removal", "remove", "remove_planned"]


@dataclass(frozen=True)
class Removal:
    """One directory to remove, with all files of ours in it.

    Attributes
    ----------
    path : Path
    what : str
        ``done``, ``failed (diverged)``, ``damaged`` or ``study``.
    size : int
        Bytes of our files.
    stays : tuple of str
        Files in it that are not ours: they stay, and so does the directory.
    signature : str or None
        A run's, by which it is claimed.
    """

    path: Path
    what: str
    size: int
    stays: tuple[str, ...]
    signature: str | None

    @property
    def ours(self) -> tuple[str, ...]:
        """Names of the files that may be removed."""
        return STUDY_FILES if self.what == "study" else RUN_FILES


def remove(*runs: Runs, out: PathLike = "outputs") -> list[Path]:
    """Remove runs, and studies with their figure, table and page, without asking. Return what was removed.

    Files that are not wineexp's stay. A study's runs also stay if they belong to another study too.

    Parameters
    ----------
    *runs : SavedRun or path-like, or sequences of them
        Run directories; or directory names, signatures, labels or studies of runs in ``out``.
    out : path-like
        The folder in which to look up runs by name.

    Raises
    ------
    RunError
        Before anything is removed, if something given is no run or study, or if another process trains one of the
        runs; also if the system does not allow the removal.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.remove(run) == [run.path]
    True
    """
    planned = plan_removal(*runs, out=out)
    return list(remove_planned(planned))


def plan_removal(*runs: Runs, out: PathLike = "outputs") -> list[Removal]:
    """What :func:`remove` would remove: each directory once, in the given order, a study after its runs."""
    found: dict[Path, Removal] = {}
    for given in flat(runs):
        for removal in [_of_run(given.path)] if isinstance(given, Run) else _planned(os.fspath(given), Path(out)):
            found.setdefault(removal.path.absolute(), removal)
    if not found:
        raise RunError("expected runs to remove, found none")
    return list(found.values())


def remove_planned(planned: Sequence[Removal]) -> Iterator[Path]:
    """Remove what was planned, and yield each removed directory; see :func:`remove`."""
    for folder in {removal.path.parent for removal in planned}:
        restore_runs(folder)  # else a run that a killed process was replacing would come back later
    for removal in planned:  # all of them, before the first is removed
        with _claimed(removal):
            pass
    for removal in planned:
        with _claimed(removal), signals.held():
            files.remove_files(removal.path, removal.ours, error=RunError)
        yield removal.path


def _planned(text: str, out: Path) -> Iterator[Removal]:
    meant = find_meant(text, out)
    if meant.study is not None:
        elsewhere = _of_others(meant.study)
        yield from (
            removal for removal in map(_of_run, _several(meant.place)) if removal.signature not in elsewhere
        )
        yield _of(meant.study, "study", STUDY_FILES, None)
        return
    for path in _several(meant.place):
        if not is_run(path) or (os.path.exists(text) and not os.path.isdir(text)):
            found = "a folder without run.json" if os.path.isdir(text) else "a file"
            raise RunError(f"{text}: expected a run directory, or a name of runs or of a study; found {found}")
        yield _of_run(path)


def _several(place: Path | tuple[Path, ...]) -> tuple[Path, ...]:
    return (place,) if isinstance(place, Path) else place


def _of_others(folder: Path) -> set[str]:
    """Signatures of the runs of all other studies beside that one; raise ``RunError`` if one cannot be read."""
    found: set[str] = set()
    for path, study in find_studies(folder.parent):
        if path.name == folder.name:
            continue
        if not isinstance(study, StudyRuns):
            raise study  # its runs would go with this study's
        found.update(study.signatures)
    return found


def _of_run(path: Path) -> Removal:
    run = Run(path)
    try:
        check_files(run, hashes=False)
    except RunError:  # it may still be removed; its directory's name has the signature for the claim
        ending = path.name.rpartition("-")[2]
        return _of(path, "damaged", RUN_FILES, ending if re.fullmatch("[0-9a-f]{8}", ending) else None)
    return _of(path, run.record.outcome, RUN_FILES, run.signature)


def _of(path: Path, what: str, ours: Sequence[str], signature: str | None) -> Removal:
    if path.is_symlink():
        raise RunError(f"{path}: expected a directory, found a symbolic link; remove the link by hand")
    with files.refusing(path, RunError, "read"):
        gone = files.ours_among(path, ours)
        stays = tuple(sorted(set(os.listdir(path)) - set(gone)))
        size = sum((path / name).stat().st_size for name in gone)
    return Removal(path, what, size, stays, signature)


@contextlib.contextmanager
def _claimed(removal: Removal) -> Iterator[None]:
    """Hold the claim on a run; raise ``RunError`` if another process has it."""
    if removal.signature is None:
        yield
        return
    with contextlib.closing(Claims(removal.path.parent)) as claims:
        if not claims.take(removal.signature, to_remove=True):
            owner = claims.owner(removal.signature)
            raise RunError(f"{removal.path}: is being trained by {owner}; wait until it ends, or stop it")
        yield
