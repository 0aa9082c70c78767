"""Saved runs found again, as a list that a notebook shows as a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import SupportsIndex, overload

import pandas as pd

from wineexp.api.inputs import PathLike, Runs, read_runs
from wineexp.api.saved_run import SavedRun
from wineexp.errors import RunError
from wineexp.notebook.render import to_html
from wineexp.runs.columns import COLUMNS
from wineexp.runs.directory import Run, find_runs, is_run, readable_runs
from wineexp.runs.display import counted, runs_card
from wineexp.runs.names import Place
from wineexp.runs.run_table import parse_conditions, row

__all__ = ["SavedRuns", "load_runs"]


class SavedRuns(list[SavedRun]):
    """Runs in a list, which a notebook shows as a table."""

    @property
    def table(self) -> pd.DataFrame:
        """A row per run with every column of ``wineexp runs``, by their keys."""
        return pd.DataFrame([row(run) for run in self], columns=list(COLUMNS))

    @overload
    def __getitem__(self, index: SupportsIndex) -> SavedRun: ...
    @overload
    def __getitem__(self, index: slice) -> SavedRuns: ...
    def __getitem__(self, index: SupportsIndex | slice) -> SavedRun | SavedRuns:
        return SavedRuns(super().__getitem__(index)) if isinstance(index, slice) else super().__getitem__(index)

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
    return SavedRuns(dict.fromkeys(SavedRun(run.path) for run in met))


def _runs(place: Place) -> Iterable[Run]:
    """The runs of a place whose records can be read, as far as it is not one run."""
    if not isinstance(place, Path):
        return readable_runs(place)
    if is_run(place):
        return [Run(place)]
    if place.exists() and not place.is_dir():
        raise RunError(f"{place}: expected a run directory or a folder of them, found a file")
    return find_runs(place)
