"""``wineexp export``: finished runs to TensorBoard or MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.completing import RunPath
from wineexp.cli.notes import note, say

if TYPE_CHECKING:
    from wineexp.exporting import Exporter


@click.command()
@click.argument("place", type=click.Choice(["mlflow", "tensorboard"]))
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=RunPath())
@click.option(
    "--to", "--mlflow", "--tensorboard", "to", metavar="URI or DIR", envvar="MLFLOW_TRACKING_URI",
    help="The MLflow server (default: $MLFLOW_TRACKING_URI) or the folder of event files (default: tensorboard).",
)  # fmt: skip
@click.option("--experiment", default="wineexp", show_default=True, help="MLflow's experiment.")
def command(place: str, paths: tuple[Path, ...], to: str | None, experiment: str) -> int:
    """Send finished runs to MLflow or TensorBoard; those that are there already are left alone.

    RUN is a run directory or a folder of them.
    """
    from wineexp.errors import ExportError, RunError
    from wineexp.runs import RECORD, Run, find_runs

    runs: list[Run] = []
    for path in paths:
        found = (
            [Run(path)] if (path / RECORD).exists() else list(find_runs(path, lambda e: note(f"left out: {e}")))
        )
        if not found:
            raise RunError(f"{path}: expected a run directory or a folder of them; found no {RECORD} in it")
        runs += found
    exporter: Exporter
    if place == "mlflow":
        if to is None:
            raise click.UsageError("--to: expected the MLflow server's address, or $MLFLOW_TRACKING_URI")
        from wineexp.tracking import MLflowLog

        exporter = MLflowLog(to, experiment)
    else:
        from wineexp.events import EventLog

        exporter = EventLog(Path(to or "tensorboard"))
    sent = failed = 0
    for run in runs:
        try:
            sent += exporter.export(run)
        except ExportError as error:
            failed += 1
            click.echo(f"wineexp: {error}", err=True)
    say(f"{exporter.name}: {sent} runs sent, {len(runs) - sent - failed} were there already, {failed} failed")
    return 1 if failed else 0
