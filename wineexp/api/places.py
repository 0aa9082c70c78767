"""Where a plan's runs are trained and sent: checked before anything is trained."""

from __future__ import annotations

from pathlib import Path

from wineexp import runtime
from wineexp.api.inputs import PathLike
from wineexp.errors import RuntimeSetupError, SelectionError
from wineexp.execution.executor import Executor, InProcess
from wineexp.execution.plan import Plan
from wineexp.exporters.observer import Exporter
from wineexp.specs.keras_names import OPTIMIZER_SLOTS
from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of, format_bytes

__all__ = [
    "check_machine",
    "check_places",
    "choose_executor",
    "choose_jobs",
    "in_process",
    "lacking_memory",
    "make_exporters",
]


def check_places(jobs: int | None, dask: str | None, timeout: float | None, retries: int) -> None:
    """Raise ``SelectionError`` if these cannot be combined, or are out of range."""
    if jobs is not None and jobs < 0:
        raise SelectionError(f"jobs: expected a whole number of at least 0, found {jobs}")
    if timeout is not None and not timeout > 0:
        raise SelectionError(f"timeout: expected seconds above 0, found {timeout:g}")
    if retries < 0:
        raise SelectionError(f"retries: expected a whole number of at least 0, found {retries}")
    if dask is not None and jobs is not None:
        raise SelectionError("jobs and dask: expected only one of them; a cluster has its own workers")
    if jobs == 0 and timeout is not None:
        raise SelectionError("timeout: needs a worker process that can be stopped; with jobs 0 there is none")


def check_machine(plan: Plan) -> None:
    """Raise ``RuntimeSetupError`` where this machine cannot train a spec's ``precision``, or so large a model."""
    if any(spec.precision != "float32" for spec in plan.waiting):
        runtime.check_bfloat16()
    if problem := lacking_memory(plan):
        raise RuntimeSetupError(problem)


def lacking_memory(plan: Plan) -> str | None:
    """Why this machine has not the memory for the largest model to be trained; None where it may have it."""
    needed = {spec: _least_bytes(plan, spec) for spec in plan.waiting}
    there, whose = runtime.total_memory()
    largest = max(needed, key=lambda spec: needed[spec], default=None)
    if largest is None or needed[largest] <= there:
        return None
    slots = OPTIMIZER_SLOTS[largest.optimizer]
    kept = f" and {count_of(slots, 'number')} that {largest.optimizer} keeps" if slots else ""
    return (
        f"widths: {plan.parameters(largest):,} parameters need at least {format_bytes(needed[largest])}: 4 bytes "
        f"for each weight, its gradient{kept}; {whose} has {format_bytes(int(there))}; take fewer units or layers"
    )


def _least_bytes(plan: Plan, spec: RunSpec) -> int:
    """What training takes at least, rows and layers' outputs aside."""
    return 4 * plan.parameters(spec) * (2 + OPTIMIZER_SLOTS[spec.optimizer])


def choose_jobs(plan: Plan, jobs: int | None) -> int:
    """Number of local workers: as requested, else one per core, as memory allows; 1 for this process."""
    if jobs is not None:
        return max(1, jobs)
    from wineexp.execution.workers import affordable_jobs

    return affordable_jobs(plan.largest)


def choose_executor(
    plan: Plan, *, jobs: int | None, dask: str | None, timeout: float | None, retries: int, keep_model: bool
) -> Executor:
    """A Dask cluster, local workers, or with 0 jobs this process.

    Raises
    ------
    SelectionError
        See :func:`check_places`.
    RuntimeSetupError
        See :func:`check_machine`.
    MissingExtraError
        Where Dask is asked for and not installed.
    """
    check_places(jobs, dask, timeout, retries)
    if dask is not None:
        from wineexp.execution.dask_cluster import DaskCluster

        return DaskCluster(dask, timeout=timeout, retries=retries, keep_model=keep_model)
    check_machine(plan)
    if jobs == 0:
        return in_process(1, keep_model=keep_model)
    from wineexp.execution import workers

    count = choose_jobs(plan, jobs)
    return workers.LocalWorkers(count, timeout=timeout, retries=retries, keep_model=keep_model)


def in_process(threads: int, *, keep_model: bool) -> Executor:
    """This process, in which TensorFlow may run already with its own count of threads.

    Raises
    ------
    RuntimeSetupError
        When it runs with another count.
    """
    return InProcess(runtime.prepare(threads), keep_model)


def make_exporters(
    tensorboard: PathLike | None, mlflow: str | None, experiment: str | None, study: str
) -> list[Exporter]:
    """Where finished runs are sent; anything missing is reported now, before training.

    Parameters
    ----------
    mlflow : str or None
        The address of an MLflow server; empty for ``$MLFLOW_TRACKING_URI``.
    experiment : str or None
        Its experiment: as given, else ``$MLFLOW_EXPERIMENT_NAME``, else ``study``.

    Raises
    ------
    SelectionError
        For an experiment without MLflow, and for what is no address.
    MissingExtraError, RuntimeSetupError
        Where an extra is not installed, or no MLflow server answers.
    """
    if experiment is not None and mlflow is None:
        raise SelectionError(
            f"experiment: expected with mlflow, whose experiment it names; found {experiment!r} alone"
        )
    found: list[Exporter] = []
    if tensorboard is not None:
        from wineexp.exporters.tensorboard import EventLog

        found.append(EventLog(Path(tensorboard)))
    if mlflow is not None:
        from wineexp.exporters.mlflow import MLflowLog
        from wineexp.exporters.mlflow_place import DEFAULT_EXPERIMENT, Chosen, choose_experiment
        from wineexp.exporters.mlflow_server import MLflowServer

        asked = choose_experiment(experiment)
        anywhere = asked is None and study == DEFAULT_EXPERIMENT
        found.append(MLflowLog(MLflowServer(mlflow), asked or Chosen(study), anywhere=anywhere))
    return found
