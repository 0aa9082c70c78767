"""``wineexp train``: one spec, or several seeds of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from wineexp.cli.codes import exit_code
from wineexp.cli.exporters import export_options, exporters, tell_problems
from wineexp.cli.notes import detail, note, observer, say
from wineexp.cli.options import data_option, given, out_option, spec_options
from wineexp.errors import ConfigError
from wineexp.specs.run_spec import MAX_SEED, RunSpec


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
    help="Train so many seeds, from --seed on.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 4096),
    help="Threads; by default one for a small model, else every core.",
)
@click.option("--force", is_flag=True, help="Train again what is done already.")
@click.option("--no-model", is_flag=True, help="Do not save model.keras.")
@export_options
@click.option("--dry-run", is_flag=True, help="Print the layers with shapes and parameter counts; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on stdout (a list with --seeds).")
def command(
    spec_file: Path | None, data: str | None, out: Path, seeds: int, threads: int | None, force: bool,
    no_model: bool, dry_run: bool, as_json: bool, tensorboard: Path | None, mlflow: str | None, **fields: Any,
) -> int:  # fmt: skip
    """Train one model and save its run.

    SPEC.yaml holds fields of a spec; flags override it, it overrides the defaults. Without either, the
    lesson's model is trained plain: three hidden layers of 1024, no dropout, no batch normalization.
    """
    first = _read_spec(spec_file, given(fields))
    specs = [_with_seed(first, seed) for seed in range(first.seed, first.seed + seeds)]

    from wineexp import runtime
    from wineexp.data.sources import find_table
    from wineexp.data.split import split_table
    from wineexp.execution.progress import TrainProgress
    from wineexp.runs import summary

    found = find_table(data, stand_in=True)
    features = len(split_table(found.table, first).features)
    for step in found.steps:
        detail(f"table  {step}")
    if found.table.kind == "simulated":
        for step in found.steps:
            note(step)
        note("training on a SIMULATED table; `wineexp data` tells how to bring the real one")
    if dry_run:
        say(summary.header(first, found.table.source, found.table.kind, features))
        click.echo(summary.layers(first, features))
        return 0

    from wineexp.execution.batch_run import execute, plan
    from wineexp.execution.executor import InProcess
    from wineexp.exporters.observer import Exporting

    say(summary.header(first, found.table.source, found.table.kind, features))
    planned = plan(specs, found.table.fingerprint, out, force=force)
    for entry in planned:
        if entry.before and not entry.train:
            note(f"seed {entry.spec.seed} is done already (--force trains it again): {entry.before.path}")
    threads = threads or runtime.choose_threads(first.parameter_count(features))
    detail(f"threads {threads}; {', '.join(f'{name} {number}' for name, number in runtime.versions().items())}")
    progress = Exporting(exporters(tensorboard, mlflow, "wineexp"), observer(TrainProgress()))
    try:
        runs = execute(planned, found.table, out, InProcess(threads, not no_model), progress)
    finally:
        progress.close()
        tell_problems(progress.problems)
    if as_json:
        records = [run.record for run in runs]
        click.echo(json.dumps(records[0] if seeds == 1 else records, indent=2, ensure_ascii=False))
    else:
        for run in runs:
            click.echo(summary.summary(run))
        if seeds > 1:
            click.echo(summary.seeds_summary(runs))
    return exit_code(len(planned), runs, unsent=bool(progress.problems))


def _read_spec(spec_file: Path | None, fields: dict[str, Any]) -> RunSpec:
    if spec_file is None:
        return RunSpec.parse(fields)
    from wineexp.specs.config import read_config

    if spec_file.is_dir():
        raise ConfigError([f"{spec_file}: expected a YAML file, found a directory"])
    specs = read_config(spec_file, fields).specs
    if len(specs) != 1:
        raise ConfigError([f"{spec_file}: expected one run, found {len(specs)}; `wineexp batch` trains them all"])
    return specs[0]


def _with_seed(spec: RunSpec, seed: int) -> RunSpec:
    if seed > MAX_SEED:
        raise click.UsageError(f"--seeds: expected seeds up to {MAX_SEED}")
    return spec if seed == spec.seed else RunSpec.parse({**spec.settings(), "seed": seed})
