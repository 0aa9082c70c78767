"""The meaning of a RUN: a path, or the directory name, signature, label or study of runs in a folder.

This is the one place that decides it, for every command and function. The first meaning that applies holds:

1. an existing path: a run directory, a folder of them, a history CSV, a curves PNG, any other file of a run, a
study's folder;
2. the name of a run directory in the folder of runs (``--out``);
3. a whole signature;
4. a label, or another name that a config gave the run: all runs with it;
5. a study's name, or its folder's: all its existing runs, in the config's order;
6. the beginning of a signature, at least ``LEAST`` characters, if only one signature begins so.

A name that a person gave comes before the beginning of a signature, which matches by chance.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from wineexp.errors import RunError, nearest
from wineexp.runs.directory import CURVES, HISTORY, RUN_FILES, folder_name, is_run, run_folders
from wineexp.runs.run import Run
from wineexp.runs.study_file import STUDY, TABLE, StudyRuns, find_studies, read_study
from wineexp.text import some_of

__all__ = ["LEAST", "Meant", "Place", "find_meant", "find_place", "find_run", "find_there", "study_runs"]

#: The least number of characters that may stand for a signature.
LEAST = 4

#: A path, or the run directories that a name stands for.
Place: TypeAlias = Path | tuple[Path, ...]

_PREFIX = re.compile(f"[0-9a-f]{{{LEAST},7}}")

#: The most runs that a message lists; the others are counted.
_LISTED = 5


@dataclass(frozen=True)
class _Names:
    """The names of a run directory; if its record cannot be read, its own name gives the signature only."""

    path: Path
    signature: str
    given: tuple[str, ...]
    key: str = ""  # today's signature, if it differs

    @classmethod
    def of(cls, path: Path) -> _Names:
        try:
            record = Run(path).record
        except RunError:
            return cls(path, path.name.rpartition("-")[2], ())
        own = (record.spec.name,) if record.spec.name else ()
        return cls(path, record.signature, tuple(dict.fromkeys((record.label, *own, *record.names))), record.key)


@dataclass(frozen=True)
class Meant:
    """The meaning of a RUN.

    Attributes
    ----------
    place : Path or tuple of Path
        A path as given, or one run directory; the directories that a label or a study's name stands for.
    study : Path or None
        The study's folder, if it is a study.
    lacking : tuple of str
        The study's runs that are missing: their directories' names, or only their signatures.
    """

    place: Place
    study: Path | None = None
    lacking: tuple[str, ...] = ()


def find_meant(text: str, out: Path) -> Meant:
    """Find what a RUN stands for, if several runs are allowed.

    Parameters
    ----------
    text : str
    out : Path
        The folder in which to look up runs by name.

    Raises
    ------
    RunError
        If nothing has that name, with the nearest name; if several signatures begin so, with their runs.
    """
    if os.path.exists(text):
        return _at(Path(text))
    name = text.rstrip("/")
    if name and os.path.basename(name) == name and is_run(out / name):
        return Meant(out / name)
    known = [_Names.of(path) for path in run_folders(out)]
    if same := [one for one in known if name in (one.signature, one.key)]:
        return _meant(same)
    if named := [one for one in known if name in one.given]:
        return Meant(tuple(one.path for one in named))
    studies = list(find_studies(out))
    for folder, study in studies:
        if _is_named(folder, study, name):
            return _of_study(folder, known)
    begun = [one for one in known if _PREFIX.fullmatch(name) and one.signature.startswith(name)]
    if len({one.signature for one in begun}) > 1:
        names = _some([one.path for one in begun])
        raise RunError(f"{text}: expected one run, found {len(begun)} with signatures that begin with it: {names}")
    if begun:
        return _meant(begun)
    raise RunError(_nothing(text, out, known, [study for _, study in studies]))


def find_there(text: str, out: Path) -> Meant:
    """:func:`find_meant`; also raise ``RunError`` for a study without any existing run."""
    meant = find_meant(text, out)
    if meant.study is not None and not meant.place:
        raise RunError(f"{meant.study}: expected runs of the study, found none; wineexp study trains them")
    return meant


def find_place(text: str, out: Path) -> Place:
    """Only the place that :func:`find_there` returns."""
    return find_there(text, out).place


def find_run(text: str, out: Path) -> Path:
    """The directory of the one run that a RUN stands for; a run's file, such as its model, stands for the run.

    Raises
    ------
    RunError
        As in :func:`find_place`; if several runs have that name, with all of them.
    """
    place = find_place(text, out)
    if isinstance(place, Path):
        inside = place.name in RUN_FILES and place.is_file() and is_run(place.parent)
        return place.parent if inside else place
    if len(place) > 1:
        raise RunError(f"{text}: expected one run, found {len(place)} of that name; give one of {_some(place)}")
    return place[0]


def study_runs(name: str, out: Path) -> tuple[Path, ...]:
    """The run directories of a study, by its name or its folder's, in the config's order.

    Raises
    ------
    RunError
        If there is no such study, with the nearest; if its file is damaged.
    """
    studies = list(find_studies(out))
    for folder, study in studies:
        if _is_named(folder, study, name):
            place = _of_study(folder, [_Names.of(path) for path in run_folders(out)]).place
            assert isinstance(place, tuple)
            return place
    legal = [study.name for _, study in studies if isinstance(study, StudyRuns)]
    begun = _unrecorded(name, out) or "`wineexp study` records one when it starts"
    raise RunError(f"{name}: no study of that name in {out}{nearest(name, legal)}; {begun}")


def _at(path: Path) -> Meant:
    """The meaning of an existing path."""
    if path.is_dir():
        if (path / STUDY).is_file() and not is_run(path) and not run_folders(path):
            return _of_study(path, [_Names.of(run) for run in run_folders(path.parent)])
        return Meant(path)
    alone = path.name in (HISTORY, CURVES)  # can be read without their run
    return Meant(path.parent if path.name in RUN_FILES and not alone and is_run(path.parent) else path)


def _meant(same: Sequence[_Names]) -> Meant:
    """One run; or several directories with one signature, which hold the same run under different labels."""
    return Meant(same[0].path if len(same) == 1 else tuple(one.path for one in same))


def _is_named(folder: Path, study: StudyRuns | RunError, name: str) -> bool:
    return folder.name == name or (isinstance(study, StudyRuns) and study.name == name)


def _of_study(folder: Path, known: Sequence[_Names]) -> Meant:
    there = {name: one.path for one in reversed(known) for name in (one.key, one.signature) if name}
    study = read_study(folder)
    runs = tuple(there[signature] for signature in study.signatures if signature in there)
    return Meant(runs, folder, study.lacking(there))


def _nothing(text: str, out: Path, known: Sequence[_Names], studies: Sequence[StudyRuns | RunError]) -> str:
    """Why nothing was found, with near names."""
    named = [study.name for study in studies if isinstance(study, StudyRuns)]
    legal = dict.fromkeys([name for one in known for name in one.given] + named)
    legal |= dict.fromkeys(name for one in known for name in (one.path.name, one.signature))
    looked = f"nor a run's directory name, signature (at least {LEAST} of its characters), label or study in {out}"
    if not known:
        looked = f"and {out} has no runs"
    hint = _unrecorded(text, out)
    return f"{text}: no such file or directory, {looked}{nearest(text, legal)}{f'; {hint}' if hint else ''}"


def _unrecorded(name: str, out: Path) -> str:
    """Advice on a study of an earlier version, which did not record its runs; empty if there is none."""
    folder = out / folder_name(name)
    if (folder / TABLE).is_file() and not (folder / STUDY).is_file():
        return f"{folder} was written by an earlier version: repeat its `wineexp study` to record its runs"
    return ""


def _some(runs: Sequence[Path]) -> str:
    more = "; wineexp runs lists them" if len(runs) > _LISTED else ""
    return some_of([path.name for path in runs], _LISTED) + more
