"""``wineexp predict``: a saved run on new rows."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wineexp.cli.completers import RunPath
from wineexp.cli.notes import note, say


@click.command()
@click.argument("run_path", metavar="RUN", type=RunPath())
@click.argument("csv", metavar="CSV", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the CSV there; by default to stdout.",
)  # fmt: skip
@click.option(
    "--run-seeds", is_flag=True, help="The mean over all seeds of RUN's variant beside it, and their spread."
)
@click.option(
    "--mc-dropout", metavar="N", type=click.IntRange(2, 100_000),
    help="The mean of N passes with dropout on, and their standard deviation.",
)  # fmt: skip
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: predictions, and metrics where the target is there."
)
def command(
    run_path: Path, csv: Path, output: Path | None, run_seeds: bool, mc_dropout: int | None, as_json: bool
) -> None:
    """Predict new rows with a saved run.

    CSV has the columns that RUN was trained on, in any order; they are scaled as RUN's were. Where it has the
    target too, MAE, RMSE and skill are told on stderr.
    """
    from wineexp.errors import RunError
    from wineexp.runs.directory import Run, find_runs

    run = Run(run_path)
    if run.status != "done":
        raise RunError(f"{run.path}: expected a finished run, found one that is {run.status}")
    runs = [run]
    if run_seeds:
        variant = run.record["variant"]
        same = [other for other in find_runs(run.path.parent) if other.record.get("variant") == variant]
        runs = [other for other in same if other.status == "done" and other.model_path.is_file()]
        for other in same:
            if other not in runs:
                note(f"left out: {other.path} ({other.status}, or without its model)")
        say(f"seeds {', '.join(str(other.spec.seed) for other in runs)}")

    from wineexp import runtime

    runtime.load(int(run.record["environment"].get("threads", 1)))
    from wineexp.runs.directory import write_file
    from wineexp.training.prediction import measure_predictions, predict_rows, read_rows

    rows = read_rows(csv, run)
    if rows.extra:
        note(f"not used: {', '.join(rows.extra)}")
    table = predict_rows(runs, rows, mc_dropout=mc_dropout)
    metrics = None if rows.actual is None else measure_predictions(table, run)
    if as_json:
        text = json.dumps({"predictions": table.to_dict("records"), "metrics": metrics}, indent=2) + "\n"
    else:
        text = table.to_csv(index=False, lineterminator="\n")
    if output is None:
        click.echo(text, nl=False)
    else:
        write_file(output, text.encode())
        say(f"predictions: {output}")
    if metrics is not None:
        skill = "skill not known" if metrics["skill"] is None else f"skill {metrics['skill']:+.1%}"
        say(f"{len(table)} rows: MAE {metrics['mae']:.4f}, RMSE {metrics['rmse']:.4f}, {skill}")
