"""The Python API: what the commands do, as functions; the package gives its names."""

from __future__ import annotations

import html
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from wineexp import runtime
from wineexp.comparison.judge import Comparison
from wineexp.comparison.judge import compare as compare_saved
from wineexp.data.sources import find_table
from wineexp.data.split import split_table
from wineexp.data.table import Table
from wineexp.errors import SpecError
from wineexp.execution.batch_run import Observer, check_table, execute, plan
from wineexp.execution.executor import Executor, InProcess
from wineexp.runs.directory import RECORD, Run, find_runs
from wineexp.runs.reader import load
from wineexp.runs.run_table import Condition, row
from wineexp.specs.config import read_config, read_mapping
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SavedRun", "batch", "compare", "load_runs", "train"]

PathLike = str | os.PathLike[str]


class SavedRun(Run):
    """A run directory with what a notebook wants of it. Its files are read when they are asked for."""

    @property
    def history(self) -> pd.DataFrame:
        """``epoch`` (int, from 0), ``loss``, ``val_loss`` (float)."""
        return load([self.path])[0].history

    @property
    def predictions(self) -> pd.DataFrame | None:
        """``row, actual, predicted, twin`` of each validation row; None unless the run is done."""
        return load([self.path])[0].predictions

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of run.json."""
        return dict(self.record.get("metrics") or {})

    def plot(self, *, full_range: bool = False) -> Figure:
        """The learning curves, as in curves.png; a notebook shows the figure."""
        from wineexp.runs.curves import figure, read_png

        return figure(read_png(self.curves_path), full_range=full_range)

    def load_model(self) -> Any:
        """The trained ``keras.Sequential``, loaded with Keras's safe mode on, not compiled."""
        _set_threads(None, 0)
        from wineexp.training.prediction import load_model

        return load_model(self)

    def __repr__(self) -> str:
        val_mae = self.metrics.get("val_mae")
        shown = "" if val_mae is None else f", val_mae {val_mae:.4f}"
        return f"SavedRun({str(self.path)!r}, {self.status}{shown})"

    def _repr_html_(self) -> str:
        names = ("val_mae", "val_mae_se", "skill", "train_mae", "best_epoch")
        cells = "".join(
            f"<tr><th>{name}</th><td>{value:.4g}</td></tr>"
            for name in names
            if (value := self.metrics.get(name)) is not None
        )
        head = f"{self.record.get('label')}, seed {self.record['spec'].get('seed')}: {self.status}"
        described = html.escape(self.spec.describe())
        return f"<div><strong>{html.escape(head)}</strong><br>{described}<table>{cells}</table></div>"


def train(
    spec: RunSpec | None = None, *, data: str | None = None, out: PathLike = "outputs", threads: int | None = None,
    force: bool = False, keep_model: bool = True, progress: bool = False, **fields: Any,
) -> SavedRun:  # fmt: skip
    """Train one model and save its run, as ``wineexp train`` does; a run that is done is not trained again.

    Parameters
    ----------
    spec : RunSpec, optional
        Instead of ``fields``.
    data : str, optional
        A CSV file, ``red-wine`` or ``simulated``; by default as ``wineexp data`` tells.
    out : path-like
        Where runs live.
    threads : int, optional
        By default TensorFlow's count where it runs already, else one for a small model and every core for a
        large one.
    force, keep_model, progress : bool
        Train again what is done; save the model; show a bar on stderr.
    **fields
        Of the spec: ``train(dropout=0.3, bn="after")``.

    Returns
    -------
    SavedRun
        Its status is ``failed`` or ``interrupted`` where training did not come to its end.

    Raises
    ------
    SpecError, DataError
        Before anything is trained.
    """
    if spec is not None and fields:
        raise SpecError([("spec", f"expected a spec or fields, found both: {', '.join(fields)}")])
    wanted = spec or RunSpec.parse(fields)
    table = find_table(data, stand_in=True).table
    count = wanted.parameter_count(len(split_table(table, wanted).features))
    executor = InProcess(_set_threads(threads, count), keep_model)
    (run,) = _execute([wanted], table, Path(out), executor, force=force, progress=progress)
    return run


def batch(
    config: PathLike | Mapping[str, Any] | Sequence[RunSpec], *, data: str | None = None,
    out: PathLike = "outputs", jobs: int | None = None, dask: str | None = None, timeout: float | None = None,
    retries: int = 1, force: bool = False, keep_model: bool = True, progress: bool = False,
) -> list[SavedRun]:  # fmt: skip
    """Train every run of a config, as ``wineexp batch`` does, and return them in its order.

    Parameters
    ----------
    config : path-like, mapping or sequence of RunSpec
        A YAML file, the same as a mapping (``{"seeds": 3, "grid": {"dropout": [0, 0.3]}}``), or specs.
    jobs : int, optional
        Worker processes; by default the cores, as memory allows. 0: this process.
    dask : str, optional
        A Dask scheduler's address, instead of ``jobs``.
    timeout : float, optional
        Seconds a run may take in a worker.
    retries : int
        How often a run is tried again whose worker died.
    data, out, force, keep_model, progress
        As in :func:`train`; a simulated table must be asked for.

    Raises
    ------
    ConfigError, SpecError, DataError
        Before anything is trained.
    """
    specs = _specs(config)
    table = find_table(data, stand_in=False).table
    check_table(specs, table)
    executor: Executor
    if dask is not None:
        from wineexp.execution.dask_cluster import DaskCluster

        executor = DaskCluster(dask, timeout, retries, keep_model)
    elif jobs == 0:
        executor = InProcess(_set_threads(1, 0), keep_model)
    else:
        from wineexp.execution.workers import LocalWorkers, affordable_jobs

        largest = max((spec.parameter_count(table.feature_count) for spec in specs), default=1)
        executor = LocalWorkers(jobs or affordable_jobs(largest), timeout, retries, keep_model)
    return _execute(specs, table, Path(out), executor, force=force, progress=progress)


def load_runs(*folders: PathLike, where: Sequence[str] = ()) -> list[SavedRun]:
    """The runs in folders (default: ``outputs``) that meet every condition, such as ``"val_mae<0.6"``."""
    conditions = [Condition.parse(text) for text in where]
    found = [
        SavedRun(run.path)
        for folder in map(Path, folders or ("outputs",))
        for run in ([Run(folder)] if (folder / RECORD).exists() else find_runs(folder))
    ]
    return [run for run in found if all(condition.met(row(run)) for condition in conditions)]


def compare(*runs: Run | PathLike | Sequence[Run | PathLike], reference: Run | str | None = None) -> Comparison:
    """Compare runs, as ``wineexp compare`` does.

    Parameters
    ----------
    *runs : SavedRun or path-like, or sequences of them
        Run directories, folders of them, history CSVs, curves PNGs.
    reference : SavedRun or str, optional
        What the others are held against: a run, a label, settings such as ``"dropout=0,bn=none"``; by default
        the first run given, or of a folder the variant nearest the defaults.

    Returns
    -------
    Comparison
        With ``table`` (DataFrame), ``verdicts``, ``effects``, ``sentences()`` and ``figure``.

    Raises
    ------
    RunError, SelectionError
        For what is no run, and for runs that cannot stand in one table.
    """
    paths = [path for given in runs for path in _paths(given)]
    first = bool(paths) and (not paths[0].is_dir() or (paths[0] / RECORD).exists())
    name = str(reference.path) if isinstance(reference, Run) else reference
    return compare_saved(load(paths), reference=name, first=first)


def _paths(given: Run | PathLike | Sequence[Run | PathLike]) -> list[Path]:
    if isinstance(given, Run):
        return [given.path]
    if isinstance(given, (str, os.PathLike)):
        return [Path(given)]
    return [path for one in given for path in _paths(one)]


def _specs(config: PathLike | Mapping[str, Any] | Sequence[RunSpec]) -> list[RunSpec]:
    if isinstance(config, Mapping):
        return list(read_mapping(config).specs)
    if isinstance(config, Sequence) and not isinstance(config, str):
        return list(config)
    return list(read_config(Path(config), {}).specs)


def _set_threads(threads: int | None, parameters: int) -> int:
    """The threads to train with; a process in which TensorFlow runs already keeps its count."""
    count = threads or runtime.running_threads() or runtime.choose_threads(parameters)
    runtime.prepare(count)
    return count


def _execute(
    specs: Sequence[RunSpec], table: Table, out: Path, executor: Executor, *, force: bool, progress: bool
) -> list[SavedRun]:
    observer = Observer()
    if progress:
        from wineexp.execution.progress import BatchProgress, TrainProgress

        observer = TrainProgress() if len(specs) == 1 else BatchProgress(table.feature_count)
    planned = plan(specs, table.fingerprint, out, force=force)
    try:
        return [SavedRun(run.path) for run in execute(planned, table, out, executor, observer)]
    finally:
        observer.close()
