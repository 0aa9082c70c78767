"""``wineexp export``: finished runs to TensorBoard or MLflow."""

from __future__ import annotations

import os
from pathlib import Path

import click

from wineexp.cli.completers import RunName
from wineexp.cli.notes import note, say
from wineexp.cli.options import named_runs_option
from wineexp.streams import print_err


@click.command()
@click.argument("place", type=click.Choice(["mlflow", "tensorboard"]))
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunName(several=True))
@named_runs_option
@click.option(
    "--to",
    metavar="URI|DIR",
    help="The MLflow server (default: $MLFLOW_TRACKING_URI) or the folder of event files (default: tensorboard).",
)
@click.option("--experiment", default="wineexp", show_default=True, help="MLflow's experiment.")
def command(place: str, runs: tuple[str, ...], out: Path, to: str | None, experiment: str) -> int:
    """Send finished runs to MLflow or TensorBoard; those that are there already are skipped.

    RUN is a run directory or a folder of them; or a directory name, signature, label or study of runs in OUT.
    """
    if place == "mlflow":
        to = to or os.environ.get("MLFLOW_TRACKING_URI")
        if to is None:
            raise click.UsageError("--to: expected the MLflow server's address, or $MLFLOW_TRACKING_URI")

    from wineexp.api.sending import export

    found = export(
        runs,
        tensorboard=(to or "tensorboard") if place == "tensorboard" else None,
        mlflow=to if place == "mlflow" else None,
        experiment=experiment,
        out=out,
        on_damaged=lambda error: note(f"left out: {error}"),
    )
    for problem in found.problems:
        print_err(f"wineexp: {problem}")
    name = {"mlflow": "MLflow", "tensorboard": "TensorBoard"}[place]
    failed = len(found.problems)
    say(f"{name}: {found.sent} runs sent, {found.present} were there already, {failed} failed")
    return 1 if failed else 0
