"""Send finished runs to other tools, as ``wineexp export`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wineexp.api.inputs import PathLike, Runs, read_runs
from wineexp.api.places import make_exporters
from wineexp.errors import RunError, SelectionError, WineexpError
from wineexp.runs.directory import RECORD, Run, is_run, run_folders
from wineexp.runs.integrity import check_files, sound
from wineexp.runs.names import Place

__all__ = ["ExportResult", "export"]


@dataclass(frozen=True)
class ExportResult:
    """How many runs were sent, how many were there already, and why others could not be sent."""

    sent: int
    present: int
    problems: tuple[str, ...]


def export(
    *runs: Runs,
    tensorboard: PathLike | None = None,
    mlflow: str | None = None,
    experiment: str = "wineexp",
    out: PathLike = "outputs",
    on_damaged: Callable[[RunError], None] | None = None,
) -> ExportResult:
    """Send finished runs to TensorBoard or MLflow; those that are there already are skipped.

    Parameters
    ----------
    *runs : SavedRun or path-like, or sequences of them
        Run directories or folders of them; or directory names, signatures, labels or studies of runs in ``out``.
    tensorboard : path-like, optional
        A folder for event files.
    mlflow : str, optional
        The address of an MLflow server.
    experiment : str
        The MLflow experiment, created if it does not exist.
    out : path-like
        The folder in which runs are looked for by name.
    on_damaged : callable, optional
        Called with the error of each run in a folder that cannot be read.

    Raises
    ------
    SelectionError
        If neither or both places are given.
    RunError, MissingExtraError, RuntimeSetupError
        For what is not a run; if an extra is not installed, or no MLflow server answers.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.export(run, tensorboard="logs")
    ExportResult(sent=1, present=0, problems=())
    """
    if (tensorboard is None) == (mlflow is None):
        raise SelectionError("export: expected one place, tensorboard or mlflow")
    found = [run for place in read_runs(runs, out) for run in _runs(place, on_damaged)]
    (exporter,) = make_exporters(tensorboard, mlflow, experiment)
    sent, problems = 0, []
    for run in found:
        try:
            sent += exporter.export(run)
        except WineexpError as error:
            problems.append(str(error))
    return ExportResult(sent, len(found) - sent - len(problems), tuple(problems))


def _runs(place: Place, on_damaged: Callable[[RunError], None] | None) -> list[Run]:
    if isinstance(place, Path) and is_run(place):
        check_files(Run(place))
        return [Run(place)]
    folders = run_folders(place) if isinstance(place, Path) else place
    if not folders:
        raise RunError(f"{place}: expected a run directory or a folder of them; found no {RECORD} in it")
    found = []
    for _, run in sound(folders, hashes=True):
        if isinstance(run, Run):
            found.append(run)
        elif on_damaged is not None:
            on_damaged(run)
    if not found:
        where = folders[0].parent
        raise RunError(f"{where}: expected runs, found none that is not damaged; see wineexp runs --check")
    return found
