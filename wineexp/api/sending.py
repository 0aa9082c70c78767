"""Send finished runs to other tools, as ``wineexp export`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wineexp.api.inputs import PathLike, Runs, read_meant
from wineexp.api.options import Sending
from wineexp.api.places import make_exporters
from wineexp.errors import RunError, SelectionError, WineexpError
from wineexp.exporters.observer import Exporter, sent_text
from wineexp.runs.directory import RECORD, is_run, run_folders
from wineexp.runs.names import Meant, Place
from wineexp.runs.reader import verify
from wineexp.runs.run import Run
from wineexp.runs.study_file import StudyRuns, find_studies, read_study

__all__ = ["ExportResult", "export"]

OnDamaged = Callable[[RunError], None]


@dataclass(frozen=True)
class ExportResult:
    """How many runs were sent, how many were there already, and why others could not be sent.

    Attributes
    ----------
    sent, present : int
        A run of two studies counts twice, as each study has its own experiment.
    problems : tuple of str
    places : tuple of str
        The same in one sentence for each place.
    """

    sent: int
    present: int
    problems: tuple[str, ...]
    places: tuple[str, ...]


def export(
    *runs: Runs,
    tensorboard: PathLike | None = None,
    mlflow: str | None = None,
    experiment: str | None = None,
    out: PathLike = "outputs",
    on_damaged: OnDamaged | None = None,
) -> ExportResult:
    """Send finished runs to TensorBoard or MLflow; those already sent are skipped.

    In MLflow a study is an experiment, as with ``study(..., mlflow=...)``: its runs go to the experiment with its
    name. A run that no study in its folder lists counts as present if any experiment of the server has it;
    otherwise it goes to ``wineexp``.

    Parameters
    ----------
    *runs : SavedRun or path-like, or sequences of them
        Run directories or folders of them; or directory names, signatures, labels or studies of runs in ``out``.
    tensorboard : path-like, optional
        A folder for event files.
    mlflow : str, optional
        The address of an MLflow server; empty for ``$MLFLOW_TRACKING_URI``.
    experiment : str, optional
        The MLflow experiment for all these runs, created if it does not exist; by default
        ``$MLFLOW_EXPERIMENT_NAME``, else each study's own.
    out : path-like
        The folder in which to look up runs by name.
    on_damaged : callable, optional
        Called with the error of each unreadable run in a folder, and of each study's unreadable list of runs.

    Raises
    ------
    SelectionError
        If neither or both places are given; for an experiment without MLflow; for an invalid address.
    RunError, MissingExtraError, RuntimeSetupError
        If something given is not a run; if an extra is not installed, or no MLflow server answers.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.export(run, tensorboard="logs").sent
    1
    """
    if (tensorboard is None) == (mlflow is None):
        raise SelectionError("export: expected one place, tensorboard or mlflow")
    found = [pair for meant in read_meant(runs, out) for pair in _with_studies(meant, on_damaged)]
    if mlflow is not None:
        parts = _experiments(found, mlflow, experiment)
    else:
        (log,) = make_exporters(Sending(tensorboard, None, experiment), "")
        parts = [(log, [run for run, _ in found])]
    sent = present = 0
    problems, places = [], []
    for exporter, part in parts:
        new, failed = 0, []
        for run in part:
            try:
                new += exporter.export(run)
            except WineexpError as error:
                failed.append(str(error))
        old = len(part) - new - len(failed)
        places.append(sent_text(exporter.name, new, old, len(failed)))
        problems += failed
        sent, present = sent + new, present + old
    return ExportResult(sent, present, tuple(problems), tuple(places))


def _experiments(
    found: Sequence[tuple[Run, Sequence[str]]], mlflow: str, experiment: str | None
) -> list[tuple[Exporter, list[Run]]]:
    """Each MLflow experiment with its runs: the requested one, the studies' own, or where the runs already are."""
    from wineexp.exporters.mlflow import MLflowLog
    from wineexp.exporters.mlflow_server import DEFAULT_EXPERIMENT, Chosen, MLflowServer, choose_experiment

    server = MLflowServer(mlflow)
    asked = choose_experiment(experiment)
    parts: dict[Chosen, list[Run]] = {}
    for run, studies in found:
        if asked:
            chosen = [asked]
        elif studies:
            chosen = [Chosen(name) for name in studies]
        else:
            with server.setting_up():
                chosen = [Chosen(server.holder(run.record) or DEFAULT_EXPERIMENT)]
        for one in chosen:
            parts.setdefault(one, []).append(run)
    return [(MLflowLog(server, one), part) for one, part in parts.items()]


def _with_studies(meant: Meant, on_damaged: OnDamaged | None) -> Iterator[tuple[Run, tuple[str, ...]]]:
    """Each requested run with the names of its studies: the study that was given, else all that list the run."""
    meant_study = () if meant.study is None else (read_study(meant.study).name,)
    listed: dict[Path, dict[str, list[str]]] = {}
    for run in _runs(meant.place, on_damaged):
        folder = run.path.parent
        if not meant_study and folder not in listed:
            listed[folder] = _studies_of(folder, on_damaged)
        yield run, meant_study or tuple(listed[folder].get(run.signature, ()))


def _studies_of(folder: Path, on_damaged: OnDamaged | None) -> dict[str, list[str]]:
    """Signature -> the names of the studies in ``folder`` that list it."""
    found: dict[str, list[str]] = {}
    for _, study in find_studies(folder):
        if isinstance(study, StudyRuns):
            for signature in study.signatures:
                found.setdefault(signature, []).append(study.name)
        elif on_damaged is not None:
            on_damaged(study)
    return found


def _runs(place: Place, on_damaged: OnDamaged | None) -> list[Run]:
    if isinstance(place, Path) and is_run(place):
        found, given = [Run(place)], True
    else:
        folders, given = run_folders(place) if isinstance(place, Path) else place, False
        if not folders:
            raise RunError(f"{place}: expected a run directory or a folder of them; found no {RECORD} in it")
        found = list(map(Run, folders))
    sound, damaged, _ = verify(found)
    for error in damaged.values():
        if given:
            raise error
        if on_damaged is not None:
            on_damaged(error)
    if not sound:
        where = found[0].path.parent
        raise RunError(f"{where}: expected runs, found none that is not damaged; see wineexp runs --check")
    return sound
