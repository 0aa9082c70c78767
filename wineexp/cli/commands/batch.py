"""``wineexp batch``: every run of YAML configs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wineexp.cli.codes import exit_code
from wineexp.cli.completers import complete_fields
from wineexp.cli.exporters import export_options, exporters, tell_problems
from wineexp.cli.notes import detail, observer, say
from wineexp.cli.options import data_option, out_option, parse_value
from wineexp.cli.tables import print_table, table_options
from wineexp.errors import nearest
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:
    from wineexp.data.table import Table
    from wineexp.execution.batch_run import Planned
    from wineexp.execution.executor import Executor
    from wineexp.runs.directory import Run
    from wineexp.specs.config import Config

__all__ = ["execution_options", "read", "train_all"]


def _assignments(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """``field=value`` pairs as a mapping."""
    fields = {}
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"expected field=value, found {text!r}")
        if field not in RunSpec.model_fields:
            raise click.BadParameter(f"unknown field {field!r}{nearest(field, RunSpec.model_fields)}")
        fields[field] = parse_value(field, value)
    return fields


def execution_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The flags that say what of a config is trained, where and how."""
    options = [
        click.option(
            "--set", "overrides", metavar="FIELD=VALUE", multiple=True, callback=_assignments,
            shell_complete=complete_fields,
            help="A field's value over everything the configs say; may be given several times.",
        ),
        click.option(
            "--jobs", type=click.IntRange(0, 1024),
            help="Worker processes, one thread each; by default the cores, as memory allows. 0: this process.",
        ),
        click.option(
            "--dask", "address", metavar="ADDRESS", help="Train on the Dask cluster of this scheduler, tcp://host:8786."
        ),
        click.option(
            "--timeout", metavar="SECONDS", type=click.FloatRange(0, min_open=True),
            help="Stop a run that takes longer; it fails as timeout.",
        ),
        click.option(
            "--retries", type=click.IntRange(0, 100), default=1, show_default=True,
            help="Try a run again so often when its worker died.",
        ),
        click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails."),
        click.option("--force", is_flag=True, help="Train again what is done already."),
        click.option("--skip-failed", is_flag=True, help="Leave runs alone that failed before."),
        click.option("--no-model", is_flag=True, help="Do not save model.keras."),
    ]  # fmt: skip
    function = export_options(function)
    for option in reversed(options):
        function = option(function)
    return function


@click.command()
@click.argument("configs", metavar="CONFIG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@execution_options
@data_option
@out_option
@click.option("--dry-run", is_flag=True, help="Print the plan with an estimate of the time; train nothing.")
@table_options
def command(
    configs: tuple[Path, ...], overrides: dict[str, Any], data: str | None, out: Path, dry_run: bool,
    form: str | None, **how: Any,
) -> int:  # fmt: skip
    """Train every run of YAML configs, on every core or a Dask cluster.

    CONFIG is a YAML file or a folder of them. Runs that are done are not trained again, so the same
    command picks up where it was stopped.
    """
    config = read(configs, overrides)
    table = find(data)
    detail(f"table  {table.kind}, {table.source}, fingerprint {table.fingerprint}")
    if dry_run:
        _show_plan(config, table, out, form, how)
        return 0
    planned, runs, unsent = train_all(config, table, out, **how)
    _show_result(config.name, planned, runs, form)
    return exit_code(len(planned), runs, unsent=unsent)


def read(configs: Sequence[Path], overrides: dict[str, Any]) -> Config:
    """Read the configs; every problem of every file comes at once."""
    from wineexp.specs.config import read_configs

    return read_configs(configs, overrides)


def find(data: str | None) -> Table:
    """The table to train on; a stand-in must be asked for."""
    from wineexp.data.sources import find_table
    from wineexp.errors import DataError

    try:
        return find_table(data, stand_in=False).table
    except DataError as error:
        raise DataError(f"{error} (or train on the simulated stand-in: --data simulated)") from None


def train_all(
    config: Config,
    table: Table,
    out: Path,
    *,
    force: bool,
    skip_failed: bool,
    fail_fast: bool,
    tensorboard: Path | None,
    mlflow: str | None,
    **where: Any,
) -> tuple[list[Planned], list[Run], bool]:
    """Plan and execute, with progress on stderr; the third tells whether a run could not be sent on."""
    from wineexp.execution.batch_run import check_table, execute, plan
    from wineexp.execution.progress import BatchProgress
    from wineexp.exporters.observer import Exporting

    check_table(config.specs, table)
    planned = plan(config.specs, table.fingerprint, out, force=force, skip_failed=skip_failed)
    sending = exporters(tensorboard, mlflow, config.name)
    executor = _executor(planned, table, **where)
    progress = Exporting(sending, observer(BatchProgress(table.feature_count)))
    try:
        runs = execute(planned, table, out, executor, progress, fail_fast=fail_fast)
        return planned, runs, bool(progress.problems)
    finally:
        progress.close()
        tell_problems(progress.problems)


def _executor(
    planned: Sequence[Planned], table: Table, *, jobs: int | None, address: str | None, timeout: float | None,
    retries: int, no_model: bool,
) -> Executor:  # fmt: skip
    if address is not None:
        if jobs is not None:
            raise click.UsageError("--jobs and --dask: expected one of them; the cluster has the workers it has")
        from wineexp.execution.dask_cluster import DaskCluster

        return DaskCluster(address, timeout, retries, not no_model)
    if jobs == 0:
        if timeout is not None:
            raise click.UsageError("--timeout: needs a worker process that can be stopped; --jobs 0 has none")
        from wineexp.execution.executor import InProcess

        return InProcess(1, not no_model)
    from wineexp.execution.workers import LocalWorkers

    return LocalWorkers(_jobs(planned, table, jobs), timeout, retries, not no_model)


def _jobs(planned: Sequence[Planned], table: Table, jobs: int | None) -> int:
    from wineexp.execution.workers import affordable_jobs

    sizes = [entry.spec.parameter_count(table.feature_count) for entry in planned if entry.train]
    return jobs or affordable_jobs(max(sizes, default=1))


def _show_plan(config: Config, table: Table, out: Path, form: str | None, how: dict[str, Any]) -> None:
    from wineexp.execution.batch_run import check_table, plan
    from wineexp.execution.estimate import estimate_seconds, measured_speeds
    from wineexp.runs.directory import find_runs
    from wineexp.runs.summary import duration
    from wineexp.specs.run_spec import format_value
    from wineexp.specs.varying import varying

    check_table(config.specs, table)
    planned = plan(config.specs, table.fingerprint, out, force=how["force"], skip_failed=how["skip_failed"])
    features = table.feature_count
    fields = varying(entry.spec for entry in planned)
    rows = [
        {
            "run": " = ".join(entry.names) or entry.spec.label(),
            **{field: format_value(getattr(entry.spec, field)) for field in fields},
            "seed": entry.spec.seed,
            "parameters": entry.spec.parameter_count(features),
            "before": entry.before.status if entry.before else "new",
            "train": entry.train,
        }
        for entry in planned
    ]
    print_table(rows, form)
    waiting = [entry.spec for entry in planned if entry.train]
    again = len(config.specs) - len(planned)
    say(
        f"{config.name}: {len(planned)} runs, {len(planned) - len(waiting)} of them done or left alone, "
        f"{len(waiting)} to train" + (f" ({again} more are the same as others)" if again else "")
    )
    jobs = 1 if how["jobs"] == 0 else _jobs(planned, table, how["jobs"])
    seconds = estimate_seconds(waiting, features, measured_speeds(find_runs(out), 1), jobs)
    if waiting and not how["address"]:
        say(
            f"time: about {duration(seconds)} with {jobs} worker{'s' if jobs > 1 else ''}, judged by earlier runs"
            if seconds is not None
            else f"time: unknown, as no earlier run of similar size on this machine stands in {out}"
        )


def _show_result(name: str, planned: Sequence[Planned], runs: Sequence[Run], form: str | None) -> None:
    from wineexp.runs import summary

    done_before = sum(entry.before is not None and not entry.train for entry in planned)
    done = sum(run.status == "done" for run in runs)
    failed = [run for run in runs if run.status == "failed"]
    say(
        f"{name}: {len(planned)} runs: {done} done ({done_before} of them before), {len(failed)} failed, "
        f"{len(planned) - done - len(failed)} not finished"
    )
    if form:
        print_table([summary.run_row(run) for run in runs], form)
    elif failed:
        click.echo("failed:")
        print_table(
            [
                {"run": run.path.name, "reason": run.record["reason"], "details": str(run.error_path)}
                for run in failed
            ],
            None,
        )
