"""``wineexp export``: finished runs to TensorBoard or MLflow."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import RunName, named_runs_option
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
@click.option(
    "--experiment",
    metavar="NAME",
    help="MLflow's experiment for all of them; by default $MLFLOW_EXPERIMENT_NAME, else each study's own.",
)
def command(place: str, runs: tuple[str, ...], out: Path, to: str | None, experiment: str | None) -> int:
    """Send finished runs to MLflow or TensorBoard, skipping those already sent.

    RUN is a run directory or a folder of them; or a directory name, signature, label or study of runs in OUT.
    In MLflow a study is an experiment; runs outside a study go to `wineexp`.
    """
    from wineexp.api.sending import export

    result = export(
        runs,
        tensorboard=(to or "tensorboard") if place == "tensorboard" else None,
        mlflow=(to or "") if place == "mlflow" else None,
        experiment=experiment,
        out=out,
        on_damaged=lambda error: note(f"left out: {error}"),
    )
    for problem in result.problems:
        print_err(f"wineexp: {problem}")
    for text in result.places:
        say(text)
    return 1 if result.problems else 0
