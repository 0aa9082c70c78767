"""Saved runs found again, as a list that a notebook shows as a table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import SupportsIndex, overload

import pandas as pd

from wineexp.api.inputs import PathLike, Runs, read_runs
from wineexp.api.saved_run import SavedRun
from wineexp.errors import RunError
from wineexp.notebook.card import to_html
from wineexp.runs.columns import COLUMNS
from wineexp.runs.directory import is_run
from wineexp.runs.display import counted, runs_card
from wineexp.runs.names import Place
from wineexp.runs.run import Run, find_runs, readable_runs
from wineexp.runs.run_table import parse_conditions, row

__all__ = ["SavedRuns", "in_order", "load_runs"]


class SavedRuns(list[SavedRun]):
    """Runs in a list, which a notebook shows as a table.

    ``ordered`` says whether somebody gave their order: see :func:`in_order`.
    """

    def __init__(self, runs: Iterable[SavedRun] = (), *, ordered: bool = False) -> None:
        super().__init__(runs)
        self.ordered = ordered

    @property
    def table(self) -> pd.DataFrame:
        """A row per run with every column of ``wineexp runs``, by their keys."""
        return pd.DataFrame([row(run) for run in self], columns=list(COLUMNS))

    @overload
    def __getitem__(self, index: SupportsIndex) -> SavedRun: ...
    @overload
    def __getitem__(self, index: slice) -> SavedRuns: ...
    def __getitem__(self, index: SupportsIndex | slice) -> SavedRun | SavedRuns:
        if isinstance(index, slice):
            return SavedRuns(super().__getitem__(index), ordered=self.ordered)
        return super().__getitem__(index)

    def __repr__(self) -> str:
        return f"SavedRuns({counted(self)})"

    def _repr_html_(self) -> str:
        return to_html(runs_card(self))


def load_runs(*folders: Runs, where: str | Sequence[str] = (), out: PathLike = "outputs") -> SavedRuns:
    """The runs that meet every condition, such as ``"val_mae<0.6"``.

    Parameters
    ----------
    *folders : path-like or SavedRun, or sequences of them
        Folders of runs or run directories; or directory names, signatures, labels or studies of runs in ``out``.
        By default all of ``out``.
    where : str or sequence of str
    out : path-like

    Returns
    -------
    list of SavedRun
        With ``table`` (DataFrame); a notebook shows it as a table.

    Raises
    ------
    RunError
        If what is given does not exist, or is not of runs.
    SelectionError
        For an invalid condition.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.load_runs(where="widths=8x1") == wineexp.load_runs(run.signature[:6]) == [run]
    True
    """
    conditions = parse_conditions(where)
    places = read_runs(folders, out) if folders else [Path(out)]
    found = (run for place in places for run in _runs(place))
    met = (run for run in found if all(condition.met(row(run)) for condition in conditions))
    chosen = dict.fromkeys(SavedRun(run.path) for run in met)
    return SavedRuns(chosen, ordered=in_order(folders, places[0]))


def in_order(given: Runs | Sequence[Runs], first: Place) -> bool:
    """Whether runs stand in an order that somebody gave them, so that the first of them is the reference.

    They do if they were given one by one, by path, name or as themselves, or are a study's, which has its config's
    order. What was found in a folder has no order of its own, nor has what :func:`load_runs` found there. Of a mix
    the first decides.

    Parameters
    ----------
    given : SavedRun or path-like, or sequences of them
    first : Path or tuple of Path
        What the first of them stands for.
    """
    if isinstance(given, SavedRuns):
        return given.ordered
    if isinstance(given, Sequence) and not isinstance(given, str):
        return next((in_order(item, first) for item in given if not _is_empty(item)), False)
    return not isinstance(first, Path) or not first.is_dir() or is_run(first)


def _is_empty(given: Runs) -> bool:
    return not isinstance(given, (Run, str, os.PathLike)) and all(map(_is_empty, given))


def _runs(place: Place) -> Iterable[Run]:
    """The runs of a place whose records can be read, as far as it is not one run."""
    if not isinstance(place, Path):
        return readable_runs(place)
    if is_run(place):
        return [Run(place)]
    if place.exists() and not place.is_dir():
        raise RunError(f"{place}: expected a run directory or a folder of them, found a file")
    return find_runs(place)
