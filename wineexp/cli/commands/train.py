"""``wineexp train``: one spec, or several seeds of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.api.options import Sending, Source
from wineexp.cli.notes import note
from wineexp.cli.options import export_options, given, model_option, source_options, spec_options
from wineexp.specs.fields import MAX_SEED_COUNT, read_seeds
from wineexp.streams import print_json, print_out


def _seeds(_: click.Context, __: click.Parameter, text: str) -> int | list[int]:
    """``5`` as a number, ``1,2,3`` as a list."""
    try:
        seeds = [int(part) for part in text.split(",")]
        read_seeds(seeds if "," in text else seeds[0])
    except ValueError:
        expected = f"expected how many, from 1 to {MAX_SEED_COUNT}, or different seeds such as 1,2,3"
        raise click.BadParameter(f"{expected}; found {text!r}") from None
    return seeds if "," in text else seeds[0]


@click.command()
@click.argument("spec_file", metavar="[SPEC.yaml]", required=False, type=click.Path(path_type=Path))
@spec_options
@source_options
@click.option(
    "--seeds",
    metavar="COUNT|A,B,...",
    default="1",
    show_default=True,
    callback=_seeds,
    help="Number of seeds to train, starting at --seed; or the seeds themselves, such as 1,2,3.",
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
    source: Source,
    seeds: int | list[int],
    sending: Sending,
    dry_run: bool,
    as_json: bool,
    **fields: Any,
) -> int:
    """Train one model and save its run.

    SPEC.yaml holds fields of a spec; flags override the file, and the file overrides the defaults. Without
    either, a plain model is trained: three hidden layers of 1024, no dropout, no batch normalization.
    """
    from wineexp.api.inputs import read_spec

    how = {name: fields.pop(name) for name in ("threads", "keep_model")}
    fields = given(fields)
    if isinstance(seeds, list) and "seed" in fields:
        raise click.UsageError("--seed and --seeds: expected --seed, or a list of seeds; found both")
    spec = read_spec(spec_file, fields)  # report mistakes before loading anything heavy

    from wineexp.api.training import plan_train, train_seeds
    from wineexp.cli.watch import TrainObserver, announce, tell_table
    from wineexp.runs.summary import layer_table, seeds_table, summary

    if dry_run:
        from wineexp.api.places import lacking_memory

        plan = plan_train(spec, seeds, source)
        announce(plan)
        tell_table(plan)
        if problem := lacking_memory(plan):
            note(problem)
        first = plan.specs[0]
        print_out(layer_table(first, plan.feature_count(first), plan.label_count(first)))
        return 0
    observer = TrainObserver()
    runs = train_seeds(spec, seeds, source, sending, observer.all, **how)
    if as_json:
        records = [run.record.as_json() for run in runs]
        print_json(records[0] if seeds == 1 else records)
    else:
        print_out(seeds_table(runs) if len(runs) > 1 else "\n".join(map(summary, runs)))
    return observer.exit_code(runs)
