"""Where a plan's runs are trained and sent: checked before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wineexp import runtime
from wineexp.api.options import Sending, Where
from wineexp.errors import RuntimeSetupError, SelectionError
from wineexp.execution.executor import Executor, InProcess
from wineexp.execution.plan import Plan
from wineexp.exporters.observer import Exporter
from wineexp.specs.keras_names import OPTIMIZER_SLOTS
from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of, format_bytes

__all__ = [
    "check_machine",
    "choose_executor",
    "choose_jobs",
    "in_process",
    "lacking_memory",
    "make_exporters",
]


def check_machine(plan: Plan) -> None:
    """Raise ``RuntimeSetupError`` if this machine cannot train a spec's ``precision``, or a model of its size."""
    if any(spec.precision != "float32" for spec in plan.waiting):
        runtime.check_bfloat16()
    if problem := lacking_memory(plan):
        raise RuntimeSetupError(problem)


def lacking_memory(plan: Plan) -> str | None:
    """Why this machine lacks the memory for the largest model to be trained; None if it may have enough."""
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
    """The least memory for training, without rows and layers' outputs."""
    return 4 * plan.parameters(spec) * (2 + OPTIMIZER_SLOTS[spec.optimizer])


def choose_jobs(plan: Plan, jobs: int | None) -> int:
    """Number of local workers: as requested, else one per core, as memory allows; 1 for this process."""
    if jobs is not None:
        return max(1, jobs)
    from wineexp.execution.workers import affordable_jobs

    return affordable_jobs(plan.largest)


def choose_executor(plan: Plan, where: Where) -> Executor:
    """A Dask cluster, local workers, or with 0 jobs this process.

    Raises
    ------
    RuntimeSetupError
        See :func:`check_machine`.
    MissingExtraError
        If Dask is requested and not installed.
    """
    how: dict[str, Any] = {"timeout": where.timeout, "retries": where.retries, "keep_model": where.keep_model}
    if where.dask is not None:
        from wineexp.execution.dask_cluster import DaskCluster

        return DaskCluster(where.dask, **how)
    check_machine(plan)
    if where.jobs == 0:
        return in_process(1, keep_model=where.keep_model)
    from wineexp.execution import workers

    return workers.LocalWorkers(choose_jobs(plan, where.jobs), **how)


def in_process(threads: int, *, keep_model: bool) -> Executor:
    """This process, in which TensorFlow may already run with its own number of threads.

    Raises
    ------
    RuntimeSetupError
        If it runs with another number.
    """
    return InProcess(runtime.prepare(threads), keep_model)


def make_exporters(sending: Sending, study: str) -> list[Exporter]:
    """Where finished runs are sent; anything missing is reported now, before training.

    Raises
    ------
    SelectionError
        For an experiment without MLflow, and for an invalid address.
    MissingExtraError, RuntimeSetupError
        If an extra is not installed, or no MLflow server answers.
    """
    tensorboard, mlflow, experiment = sending.tensorboard, sending.mlflow, sending.experiment
    if experiment is not None and mlflow is None:
        raise SelectionError(f"experiment: expected together with mlflow; found {experiment!r} alone")
    found: list[Exporter] = []
    if tensorboard is not None:
        from wineexp.exporters.tensorboard import EventLog

        found.append(EventLog(Path(tensorboard)))
    if mlflow is not None:
        from wineexp.exporters.mlflow import MLflowLog
        from wineexp.exporters.mlflow_server import DEFAULT_EXPERIMENT, Chosen, MLflowServer, choose_experiment

        asked = choose_experiment(experiment)
        anywhere = asked is None and study == DEFAULT_EXPERIMENT
        found.append(MLflowLog(MLflowServer(mlflow), asked or Chosen(study), anywhere=anywhere))
    return found
