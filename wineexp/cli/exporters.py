"""``--tensorboard`` and ``--mlflow`` on commands that train."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wineexp.cli.notes import note

if TYPE_CHECKING:
    from wineexp.exporters.observer import Exporter

__all__ = ["export_options", "exporters", "tell_problems"]


def export_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Where runs are sent to beside their directories."""
    options = [
        click.option(
            "--tensorboard", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
            help="Write TensorBoard's event files there too, a subfolder a run.",
        ),
        click.option("--mlflow", metavar="URI", help="Send runs to this MLflow server too, http://host:5000."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def exporters(tensorboard: Path | None, mlflow: str | None, experiment: str) -> list[Exporter]:
    """What the flags ask for; whatever is missing is told now, before anything trains."""
    found: list[Exporter] = []
    if tensorboard is not None:
        from wineexp.exporters.tensorboard import EventLog

        found.append(EventLog(tensorboard))
    if mlflow is not None:
        from wineexp.exporters.mlflow import MLflowLog

        found.append(MLflowLog(mlflow, experiment))
    return found


def tell_problems(problems: list[str]) -> None:
    """Say what could not be sent, also under ``--quiet``, and how to send it later."""
    for problem in problems:
        click.echo(f"wineexp: {problem}", err=True)
    if problems:
        note("send them later with wineexp export")
