"""``wineexp predict``: a saved run on new rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import RunName, named_runs_option, output_option, sep_option
from wineexp.streams import print_out
from wineexp.text import json_text


@click.command()
@click.argument("run", metavar="RUN", type=RunName())
@click.argument("csv", metavar="CSV", type=click.Path(path_type=Path))
@named_runs_option
@output_option("Write the CSV to this file instead of stdout.")
@click.option(
    "--run-seeds", is_flag=True, help="Mean and spread over all seeds of RUN's variant in the same folder."
)
@click.option(
    "--mc-dropout",
    metavar="N",
    type=click.IntRange(2, 100_000),
    help="Uncertainty estimate: mean and standard deviation of N passes with dropout left on.",
)
@click.option("--id", "id_column", metavar="COLUMN", help="A column of CSV to carry into the output.")
@sep_option
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: predictions, and metrics if the target is present."
)
def command(run: str, csv: Path, output: Path | None, as_json: bool, **options: Any) -> None:
    """Predict new rows with a saved run.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT. CSV needs the
    columns that RUN was trained on, in any order; they are scaled as in training. Other columns are ignored. If
    CSV also has the target, MAE, RMSE and skill are printed on stderr, apart for rows that trained RUN.
    """
    from wineexp.api.saved_run import predict
    from wineexp.outputs import write_output

    predictions = predict(run, csv, **options)
    if options["run_seeds"]:
        say(f"seeds {', '.join(str(seed_run.spec.seed) for seed_run in predictions.runs)}")
    for remark in predictions.remarks:
        note(remark)
    if as_json:
        names = ("metrics", "metrics_unseen", "metrics_trained", "trained_rows", "validation_rows")
        facts = {name: getattr(predictions, name) for name in names}
        text = json_text({"predictions": predictions.table.to_dict("records"), **facts}, plain=True)
    else:
        text = predictions.as_csv()
    if output is None:
        print_out(text, end="")
    else:
        write_output(output, text.encode())
        say(f"predictions: {output}")
    if predictions.metrics is not None:
        say(predictions.measured)
