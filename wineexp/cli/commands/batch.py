"""``wineexp batch``: every run of YAML configs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wineexp.api.options import Sending, Source, Where
from wineexp.cli.notes import say
from wineexp.cli.options import dry_run_option, execution_options
from wineexp.cli.tables import print_table, table_options

if TYPE_CHECKING:
    from wineexp.execution.plan import Plan
    from wineexp.runs.run import Run


@click.command()
@click.argument("configs", metavar="CONFIG...", nargs=-1, required=True, type=click.Path(path_type=Path))
@execution_options
@dry_run_option
@table_options
def command(
    configs: tuple[Path, ...],
    overrides: dict[str, Any],
    source: Source,
    where: Where,
    sending: Sending,
    dry_run: bool,
    form: str,
) -> int:
    """Train every run of YAML configs, on every core or a Dask cluster.

    CONFIG is a YAML file or a folder of them. Finished runs are not trained again, so the same command picks up
    where it stopped.
    """
    from wineexp.api.inputs import read_study

    config = read_study(configs, overrides)  # report mistakes before loading anything heavy

    from wineexp.api.training import plan_config, train_config
    from wineexp.cli.watch import CommandObserver

    if dry_run:
        from wineexp.cli.plan_table import show_plan

        show_plan(plan_config(config, source), form, where)
        return 0
    observer = CommandObserver()
    runs = train_config(config, source, where, sending, observer.all)
    assert observer.plan is not None
    _show_result(observer.plan, runs, form, deleted=len(observer.deleted))
    return observer.exit_code(runs)


def _show_result(plan: Plan, runs: Sequence[Run], form: str, *, deleted: int) -> None:
    done_before = sum(entry.done is not None for entry in plan.entries)
    done = sum(run.status == "done" for run in runs)
    failed = [run for run in runs if run.status == "failed"]
    count = len(plan.entries)
    say(
        f"{plan.name}: {count} runs: {done} done ({done_before} of them before), {len(failed)} failed, "
        f"{count - done - len(failed) - deleted} not finished" + (f", {deleted} deleted" if deleted else "")
    )
    from wineexp.listing import Column, Listing
    from wineexp.runs.columns import COLUMNS

    if form != "text":
        keys = ("run", "status", "reason", "error", "seed", "val_mae", "val_mae_se", "skill", "seconds")
        print_table(Listing.of((COLUMNS[key] for key in keys), runs), form)
    elif failed:
        details: Column[Run] = Column("details", "details", "where", lambda run: str(run.error_path))
        columns: list[Column[Any]] = [COLUMNS["run"], COLUMNS["reason"], details]
        print_table(Listing.of(columns, failed, caption="failed:"), form)
