"""``wineexp export``: finished runs to TensorBoard or MLflow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.completers import RunPath
from wineexp.cli.notes import note, say

if TYPE_CHECKING:
    from wineexp.exporters.observer import Exporter
    from wineexp.runs.directory import Run


@click.command()
@click.argument("place", type=click.Choice(["mlflow", "tensorboard"]))
@click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=RunPath())
@click.option(
    "--to", metavar="URI|DIR",
    help="The MLflow server (default: $MLFLOW_TRACKING_URI) or the folder of event files (default: tensorboard).",
)  # fmt: skip
@click.option("--experiment", default="wineexp", show_default=True, help="MLflow's experiment.")
def command(place: str, paths: tuple[Path, ...], to: str | None, experiment: str) -> int:
    """Send finished runs to MLflow or TensorBoard; those that are there already are left alone.

    RUN is a run directory or a folder of them.
    """
    if place == "mlflow":
        to = to or os.environ.get("MLFLOW_TRACKING_URI")
        if to is None:
            raise click.UsageError("--to: expected the MLflow server's address, or $MLFLOW_TRACKING_URI")

    from wineexp.errors import ExportError

    runs = [run for path in paths for run in _runs(path)]
    exporter = _exporter(place, to, experiment)
    sent = failed = 0
    for run in runs:
        try:
            sent += exporter.export(run)
        except ExportError as error:
            failed += 1
            click.echo(f"wineexp: {error}", err=True)
    say(f"{exporter.name}: {sent} runs sent, {len(runs) - sent - failed} were there already, {failed} failed")
    return 1 if failed else 0


def _runs(path: Path) -> list[Run]:
    from wineexp.errors import RunError
    from wineexp.runs.directory import RECORD, Run, find_runs

    if (path / RECORD).exists():
        return [Run(path)]
    found = list(find_runs(path, lambda error: note(f"left out: {error}")))
    if not found:
        raise RunError(f"{path}: expected a run directory or a folder of them; found no {RECORD} in it")
    return found


def _exporter(place: str, to: str | None, experiment: str) -> Exporter:
    if place == "mlflow":
        from wineexp.exporters.mlflow import MLflowLog

        assert to is not None
        return MLflowLog(to, experiment)
    from wineexp.exporters.tensorboard import EventLog

    return EventLog(Path(to or "tensorboard"))
