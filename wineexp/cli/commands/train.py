"""``wineexp train``: one spec, or several seeds of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.cli.options import data_option, given, out_option, spec_options
from wineexp.cli.training_options import export_options, model_option
from wineexp.streams import print_json, print_out


@click.command()
@click.argument("spec_file", metavar="[SPEC.yaml]", required=False, type=click.Path(path_type=Path))
@spec_options
@data_option
@out_option
@click.option(
    "--seeds",
    type=click.IntRange(1, 10_000),
    default=1,
    show_default=True,
    help="Number of seeds to train, starting at --seed.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    help="Number of threads; by default one for a small model, else one per core.",
)
@click.option("--force", is_flag=True, help="Train finished runs again.")
@model_option
@export_options
@click.option("--dry-run", is_flag=True, help="Print the layers with shapes and parameter counts; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on stdout (a list with --seeds).")
def command(
    spec_file: Path | None,
    data: str | None,
    sep: str | None,
    out: Path,
    seeds: int,
    threads: int | None,
    force: bool,
    keep_model: bool,
    dry_run: bool,
    as_json: bool,
    tensorboard: Path | None,
    mlflow: str | None,
    **fields: Any,
) -> int:
    """Train one model and save its run.

    SPEC.yaml holds fields of a spec; flags override the file, and the file overrides the defaults. Without
    either, a plain model is trained: three hidden layers of 1024, no dropout, no batch normalization.
    """
    from wineexp.api.inputs import read_spec

    spec = read_spec(spec_file, given(fields))  # report mistakes before loading anything heavy

    from wineexp.api.training import plan_train, train
    from wineexp.cli.watch import TrainObserver, announce, tell_table
    from wineexp.runs.summary import layer_table, seeds_summary, summary

    if dry_run:
        plan = plan_train(spec, seeds=seeds, data=data, sep=sep, out=out, force=force)
        announce(plan)
        tell_table(plan)
        print_out(layer_table(plan.specs[0], plan.table.feature_count))
        return 0
    observer = TrainObserver()
    runs = train(
        spec,
        seeds=seeds,
        data=data,
        sep=sep,
        out=out,
        threads=threads,
        force=force,
        keep_model=keep_model,
        tensorboard=tensorboard,
        mlflow=mlflow,
        observer=observer,
    )
    if as_json:
        records = [run.record.as_json() for run in runs]
        print_json(records[0] if seeds == 1 else records)
    else:
        for run in runs:
            print_out(summary(run))
        if seeds > 1:
            print_out(seeds_summary(runs))
    return observer.exit_code(runs)
