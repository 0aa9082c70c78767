"""Where the table comes from: found, verified, fetched; the first source that has it wins."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from wineexp.data.facts import TableFacts
from wineexp.data.red_wine import FILE_NAME, read_red_wine
from wineexp.data.simulated import simulated_table
from wineexp.data.table import Table, is_recorded, read_table, table_of_frame
from wineexp.errors import DataError, DownloadError
from wineexp.text import one_line

__all__ = ["Found", "at_hand", "find_again", "find_table"]

#: Names of the real table's file, and the paths where it is searched, relative to the working directory.
NAMES = (FILE_NAME, "red-wine.csv")
NEARBY = tuple(Path(folder, name) for folder in (".", "data") for name in NAMES)


@dataclass(frozen=True)
class Found:
    """A table and how it was found.

    Attributes
    ----------
    table : Table
    steps : tuple of str
        One line for each source that was tried.
    notes : tuple of str
        Notes for the reader: a file that was passed over; that the stand-in is used, why, and the remedy.
    """

    table: Table
    steps: tuple[str, ...]
    notes: tuple[str, ...] = ()


def find_table(
    data: str | os.PathLike[str] | pd.DataFrame | None = None, *, stand_in: bool, sep: str | None = None
) -> Found:
    """Return the table to use, in the order that docs/formats.md gives.

    Parameters
    ----------
    data : str, path-like or DataFrame, optional
        A table; a path; ``red-wine`` (the real table or an error) or ``simulated``; ``$WINEEXP_DATA`` by default.
    stand_in : bool
        Whether the simulated table may be used when the real one is not available.
    sep : str, optional
        The separator of the named CSV file; by default it is found from the content.

    Raises
    ------
    DataError
        If a named table is missing or unsuitable, or the real one is not available and no stand-in is allowed.
    """
    if isinstance(data, pd.DataFrame):
        if sep is not None:
            raise DataError("sep: expected with the path of a CSV file as data, found a DataFrame")
        return Found(table_of_frame(data), ("a DataFrame: given as data",))
    if data is not None and not isinstance(data, (str, os.PathLike)):
        raise DataError(f"data: expected a DataFrame, a path, red-wine or simulated; found {type(data).__name__}")
    named = os.fspath(data) if data else os.environ.get("WINEEXP_DATA")
    if sep is not None and named in (None, "", "simulated", "red-wine"):
        raise DataError(
            f"sep: expected with a CSV file, found {named or 'none'}; name it with --data or $WINEEXP_DATA"
        )
    if named == "simulated":
        return Found(simulated_table(), ("simulated: as requested",))
    if named and named != "red-wine":
        origin = "--data" if data else "$WINEEXP_DATA"
        return Found(read_table(named, sep=sep), (f"{named}: named by {origin}",))
    return _search(real=named == "red-wine", stand_in=stand_in)


def find_again(
    facts: TableFacts, data: str | os.PathLike[str] | pd.DataFrame | None = None, *, sep: str | None = None
) -> Table:
    """Return the table that a run was trained on: found like :func:`find_table`, and recognized by its identity.

    The path on record is not opened: a run may come from elsewhere.

    Parameters
    ----------
    facts : TableFacts
        The run's record of the table.
    data : str, path-like or DataFrame, optional
        As in :func:`find_table`; by default a simulated table is made anew.
    sep : str, optional
        As in :func:`find_table`.

    Raises
    ------
    DataError
        If no table or another one is found.
    """
    wanted = f"the run's table ({one_line(facts.source)}, fingerprint {facts.fingerprint[:8]})"
    remedy = "give it with --data PATH or $WINEEXP_DATA"
    if data is None and sep is None and facts.kind == "simulated":
        data = "simulated"
    if data is None and facts.kind == "custom" and not _named():  # a fetched table would be another
        raise DataError(f"expected {wanted}, found no table; {remedy}")
    table = find_table(data, stand_in=False, sep=sep).table
    if facts.fingerprint not in (table.fingerprint, table.earlier):
        raise DataError(f"{table.source}: expected {wanted}, found fingerprint {table.fingerprint[:8]}; {remedy}")
    if not is_recorded(table, facts):
        raise DataError(f"{table.source}: expected {wanted}, found its values under other headings; {remedy}")
    return table


def at_hand(facts: TableFacts) -> Table | None:
    """The table with the values that a run was trained on, if it is found without a download; else None."""
    if facts.kind == "simulated":
        return simulated_table()
    try:
        table = _near()
    except (DataError, DownloadError, OSError):  # such as a cache without a home
        return None
    return table if table is not None and facts.fingerprint in (table.fingerprint, table.earlier) else None


def _near() -> Table | None:
    """The table that is named for this place, or is in this folder or in the cache; else None."""
    if named := os.environ.get("WINEEXP_DATA"):
        return find_table(named, stand_in=False).table
    if table := _in_configured(False, [], []) or _in_folder([], []):
        return table
    from wineexp.data import download  # what fetches is loaded only where no file is named

    return read_table(download.cached_path()) if download.cached() else None


def _named() -> bool:
    """Whether the environment or a pyproject.toml names a table for this place."""
    return bool(os.environ.get("WINEEXP_DATA")) or any(path.exists() for path, _ in _configured())


def _configured() -> list[tuple[Path, str]]:
    """The paths of ``data`` under ``[tool.wineexp]`` in the nearest pyproject.toml."""
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return []
    for folder in (here, *here.parents):
        file = folder / "pyproject.toml"
        if not file.is_file():
            continue
        try:
            section: Any = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read: {error}") from None
        tool = section.get("tool")
        ours = tool.get("wineexp", {}) if isinstance(tool, dict) else {}
        paths = ours.get("data", []) if isinstance(ours, dict) else ours
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise DataError(f"{file}: [tool.wineexp] data: expected a list of paths, found {paths!r}")
        entries = [((folder / path).resolve(), str(file)) for path in paths]
        return [entry for entry in entries if entry[0].exists()] if _is_checkout(section) else entries
    return []


def _is_checkout(section: dict[str, Any]) -> bool:
    """Whether this is the pyproject.toml of wineexp itself, which names the paths of its authors' table."""
    project = section.get("project")
    return isinstance(project, dict) and project.get("name") == "wineexp"


def _search(*, real: bool, stand_in: bool) -> Found:
    """The table, if none was named, from the first place that has one; with ``real`` only the red-wine table."""
    steps: list[str] = []
    passed: list[str] = []
    table = _in_configured(real, steps, passed) or _in_folder(steps, passed)
    if table is not None:
        return Found(table, tuple(steps), tuple(passed))
    try:
        return Found(read_table(*_cached_or_fetched(steps)), tuple(steps), tuple(passed))
    except DownloadError as error:
        missing = error
    steps += missing.tried or [missing.reason]
    problem = f"the red-wine table is not available (not here, not in the cache, not fetched: {missing.reason})"
    if real or not stand_in:
        raise DataError("; ".join([*passed, problem, missing.remedy, "or take the stand-in: --data simulated"]))
    steps.append("simulated: the stand-in, made by wineexp")
    helps = f"for the real one, {missing.remedy}"
    if passed:  # people read two lines, but not a third
        return Found(simulated_table(), tuple(steps), (*passed, f"a SIMULATED table stands in; {helps}"))
    return Found(simulated_table(), tuple(steps), (f"{problem}: a SIMULATED one stands in", helps))


def _in_configured(real: bool, steps: list[str], passed: list[str]) -> Table | None:
    """The first suitable table that a pyproject.toml names; if there is none, ``passed`` gets the missing ones."""
    missing: list[str] = []
    for path, origin in _configured():
        if not path.exists():
            missing.append(f"{path}: named in {origin}, but does not exist")
            steps.append(missing[-1])
            continue
        table = read_table(path)
        if not real or table.kind == "red-wine":
            steps.append(f"{path}: named in {origin}")
            return table
        steps.append(f"{path}: named in {origin}, but it is not the red-wine table")
    passed += missing
    return None


def _in_folder(steps: list[str], passed: list[str]) -> Table | None:
    """The real table under one of its usual names in this folder; another table of such a name is passed over."""
    existing = [path for path in NEARBY if os.path.exists(path)]
    for path in existing:
        try:
            table = read_red_wine(path)
        except DataError as error:
            steps.append(str(error))
            passed.append(f"passed over {error}")
        else:
            steps.append(f"{path}: found here, recognized by its values and headings")
            return table
    if not existing:
        steps.append(f"{' or '.join(NAMES)}: neither here nor in data/")
    return None


def _cached_or_fetched(steps: list[str]) -> tuple[Path, str]:
    from wineexp.data import download  # what fetches is loaded only where no file is named

    path = download.cached_path()
    if download.cached():
        steps.append(f"{path}: in the cache")
        return path, str(path)
    if path.exists():
        steps.append(f"{path}: in the cache, but not as UCI serves it; fetched again")
    else:
        steps.append(f"{path}: not in the cache")
    path, address = download.fetch()
    steps.append(f"{address}: fetched to {path}")
    return path, f"{path} (from {address})"
