"""Train one model, or every run of a config: what ``wineexp train`` and ``wineexp batch`` do, as functions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from wineexp import runtime
from wineexp.api.inputs import Spec, Study, read_spec, read_study
from wineexp.api.options import PathLike, Sending, Source, Where
from wineexp.api.places import check_machine, choose_executor, in_process, make_exporters
from wineexp.api.saved_run import SavedRun, SavedRuns
from wineexp.data.sources import find_table
from wineexp.errors import ConfigError, SpecError
from wineexp.execution.batch_run import execute
from wineexp.execution.executor import Executor
from wineexp.execution.observer import Observer, Observers
from wineexp.execution.plan import Plan, make_plan
from wineexp.exporters.observer import Exporter, ExportingObserver
from wineexp.runs.writer import restore_runs
from wineexp.specs.fields import read_seeds
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:
    from wineexp.specs.config import Config

__all__ = [
    "batch",
    "choose_observer",
    "plan_config",
    "plan_train",
    "train",
    "train_config",
    "train_part",
    "train_plan",
    "train_seeds",
    "watched",
]

Data = PathLike | pd.DataFrame


@overload
def train(spec: Spec | None = None, *, seeds: None = None, **options: Any) -> SavedRun: ...


@overload
def train(spec: Spec | None = None, *, seeds: int | Sequence[int], **options: Any) -> SavedRuns: ...


def train(
    spec: Spec | None = None,
    *,
    seeds: int | Sequence[int] | None = None,
    data: Data | None = None,
    sep: str | None = None,
    out: PathLike = "outputs",
    threads: int | None = None,
    force: bool = False,
    keep_model: bool = True,
    tensorboard: PathLike | None = None,
    mlflow: str | None = None,
    experiment: str | None = None,
    progress: bool = False,
    observer: Observer | None = None,
    **fields: Any,
) -> SavedRun | SavedRuns:
    """Train one model and save its run, as ``wineexp train`` does; a finished run is not trained again.

    Parameters
    ----------
    spec : RunSpec, path-like or mapping, optional
        The spec, its YAML file or its fields; ``fields`` override those of a file or a mapping.
    seeds : int or sequence of int, optional
        Train this many seeds, starting at the spec's, or these seeds, and return a list.
    data : path-like or DataFrame, optional
        A table, a CSV file, ``"red-wine"`` or ``"simulated"``; by default the table that ``wineexp data`` shows.
    sep : str, optional
        The CSV file's separator; by default it is found from the content.
    out : path-like
        The folder for run directories.
    threads : int, optional
        By default TensorFlow's own count if it runs already, else one for a small model and one per core for
        a large one.
    force, keep_model, progress : bool
        Train a finished run again; save the model; show a progress bar on stderr.
    tensorboard, mlflow : optional
        A folder for TensorBoard event files, and the address of an MLflow server (empty:
        ``$MLFLOW_TRACKING_URI``); runs are also sent there.
    experiment : str, optional
        MLflow's; by default ``$MLFLOW_EXPERIMENT_NAME``, else the study's name, or ``wineexp`` for runs without a
        study.
    observer : Observer, optional
        Notified of events, instead of ``progress``.
    **fields
        Fields of the spec: ``train(dropout=0.3, bn="after")``.

    Returns
    -------
    SavedRun, or with ``seeds`` a list of them
        As from :func:`load_runs`. The status is ``failed`` or ``interrupted`` if training did not finish.

    Raises
    ------
    SpecError, ConfigError, DataError, RuntimeSetupError
        Before any training.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, dropout=0.3, data="simulated")
    >>> run.status, len(run.history)
    ('done', 2)
    """
    source = Source(data, sep, out, force)
    runs = train_seeds(
        read_spec(spec, fields),
        1 if seeds is None else seeds,
        source,
        Sending(tensorboard, mlflow, experiment),
        choose_observer(observer, progress, many=False),
        threads=threads,
        keep_model=keep_model,
    )
    return runs if seeds is not None else runs[0]


def batch(
    config: Study,
    *,
    overrides: Mapping[str, Any] | None = None,
    data: Data | None = None,
    sep: str | None = None,
    out: PathLike = "outputs",
    jobs: int | None = None,
    dask: str | None = None,
    timeout: float | None = None,
    retries: int = 1,
    fail_fast: bool = False,
    force: bool = False,
    skip_failed: bool = False,
    keep_model: bool = True,
    tensorboard: PathLike | None = None,
    mlflow: str | None = None,
    experiment: str | None = None,
    progress: bool = False,
    observer: Observer | None = None,
) -> SavedRuns:
    """Train every run of a config, as ``wineexp batch`` does, and return them in its order.

    Parameters
    ----------
    config : path-like, mapping or sequence
        A YAML file, a folder of them, an equivalent mapping (``{"seeds": 3, "grid": {"dropout": [0, 0.3]}}``),
        a list of specs or of files.
    overrides : mapping, optional
        Field to value; overrides the config.
    jobs : int, optional
        Number of worker processes; by default one per core, as memory allows. 0 trains in this process.
    dask : str, optional
        A Dask scheduler's address, instead of ``jobs``.
    timeout : float, optional
        Limit for a run's seconds in a worker.
    retries : int
        How often to retry a run whose worker died.
    fail_fast, skip_failed : bool
        Stop at the first run that fails; do not retry runs that failed before.
    data, sep, out, force, keep_model, tensorboard, mlflow, experiment, progress, observer
        As in :func:`train`, but a simulated table must be requested explicitly.

    Returns
    -------
    list of SavedRun
        As from :func:`load_runs`: a notebook shows it as a table.

    Raises
    ------
    ConfigError, SpecError, DataError, SelectionError
        Before any training.

    Examples
    --------
    >>> import wineexp
    >>> config = {"defaults": {"widths": 8, "epochs": 2}, "seeds": 2}
    >>> [run.spec.seed for run in wineexp.batch(config, jobs=0, data="simulated")]
    [0, 1]
    """
    return train_config(
        read_study(config, overrides),
        Source(data, sep, out, force, skip_failed),
        Where(jobs, dask, timeout, retries, fail_fast, keep_model),
        Sending(tensorboard, mlflow, experiment),
        choose_observer(observer, progress, many=True),
    )


def train_seeds(
    spec: RunSpec,
    seeds: int | Sequence[int],
    source: Source,
    sending: Sending,
    observer: Observer,
    *,
    threads: int | None = None,
    keep_model: bool = True,
) -> SavedRuns:
    """Train seeds of one spec in this process; see :func:`train`."""
    restore_runs(source.folder)
    plan = plan_train(spec, seeds, source)
    check_machine(plan)
    exporters = make_exporters(sending, plan.name)
    count = threads or runtime.running_threads() or runtime.choose_threads(plan.largest)
    executor = in_process(count, keep_model=keep_model)
    runs, interrupted = train_plan(plan, executor, exporters, observer)
    if interrupted and not runs:  # runs done before stay
        raise KeyboardInterrupt
    return SavedRuns(runs, ordered=True)


def train_config(config: Config, source: Source, where: Where, sending: Sending, observer: Observer) -> SavedRuns:
    """Train every run of a config; see :func:`batch`."""
    where.check()
    if config.looks is not None:
        raise ConfigError(["looks: a batch does not judge what it trains; `wineexp study` does, or give seeds"])
    restore_runs(source.folder)
    plan = plan_config(config, source)
    exporters = make_exporters(sending, plan.name)
    executor = choose_executor(plan, where)
    runs, _ = train_plan(plan, executor, exporters, observer, fail_fast=where.fail_fast)
    return SavedRuns(runs, ordered=True)


def plan_train(spec: RunSpec, seeds: int | Sequence[int], source: Source) -> Plan:
    """The plan of :func:`train_seeds`; a simulated table may stand in for the real one."""
    try:
        chosen = read_seeds(seeds, first=spec.seed)
    except ValueError as error:
        raise SpecError([("seeds", str(error))]) from None
    found = find_table(source.data, stand_in=True, sep=source.sep)
    return make_plan([spec.with_seed(seed) for seed in chosen], found, source.folder, force=source.force)


def plan_config(config: Config, source: Source) -> Plan:
    """The plan of :func:`train_config`; a simulated table must be requested."""
    found = find_table(source.data, stand_in=False, sep=source.sep)
    plan = make_plan(
        config.specs, found, source.folder, name=config.name, force=source.force, skip_failed=source.skip_failed
    )
    return replace(plan, file=config.file, margin=config.margin, looks=config.looks)


def train_plan(
    plan: Plan, executor: Executor, exporters: list[Exporter], observer: Observer, *, fail_fast: bool = False
) -> tuple[list[SavedRun], bool]:
    """Execute a plan, sending each run on as it ends.

    Returns the runs that now exist, and whether it was interrupted.
    """
    with watched(exporters, observer) as watching:
        return train_part(plan, executor, watching, fail_fast=fail_fast)


@contextlib.contextmanager
def watched(exporters: list[Exporter], observer: Observer) -> Iterator[Observer]:
    """The observer, combined with one that sends each run on as it ends; closed in any case."""
    watching = Observers(observer, ExportingObserver(exporters, observer))
    try:
        yield watching
    finally:
        watching.close()


def train_part(
    plan: Plan, executor: Executor, watching: Observer, *, fail_fast: bool
) -> tuple[list[SavedRun], bool]:
    """Execute a plan, or its parts one after the other, under one observer; as :func:`train_plan`."""
    found = execute(plan, executor, watching, fail_fast=fail_fast)
    return [SavedRun(run.path) for run in found.runs], found.interrupted


def choose_observer(observer: Observer | None, progress: bool, *, many: bool) -> Observer:
    """The caller's own, a live view, or a silent one."""
    if observer is not None:
        return observer
    if not progress:
        return Observer()
    from wineexp.execution.progress import BatchProgress, TrainProgress

    return BatchProgress() if many else TrainProgress()
