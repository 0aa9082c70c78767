"""The flags of commands that train a config: what to train, where, how, and where to send runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from wineexp.api.options import Sending, Source, Where
from wineexp.cli.completers import complete_fields
from wineexp.cli.options import data_option, filling, out_option, parse_value
from wineexp.specs.aliases import field_hint
from wineexp.specs.hints import STUDY_KEYS
from wineexp.specs.run_spec import RunSpec

__all__ = ["dry_run_option", "execution_options", "export_options", "model_option", "source_options"]

Command = Callable[..., Any]


def _assignments(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """``field=value`` pairs as a mapping; all problems are reported at once."""
    fields, problems = {}, []
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            problems.append(f"expected field=value, found {text!r}")
        elif field not in RunSpec.model_fields:
            belongs = " (a study's key: it stands in the config)" if field in STUDY_KEYS else ""
            problems.append(f"unknown field {field!r}{belongs or field_hint(field, RunSpec.model_fields)}")
        else:
            fields[field] = parse_value(field, value)
    if problems:
        raise click.UsageError("\n".join(f"--set: {problem}" for problem in problems))
    return fields


def model_option(function: Command) -> Command:
    """``--no-model``, as the parameter ``keep_model``."""
    return click.option(
        "--no-model", "keep_model", is_flag=True, flag_value=False, default=True, help="Do not save model.keras."
    )(function)


def source_options(function: Command) -> Command:
    """The table and the folder of runs, as ``source``."""
    return data_option(out_option(filling(Source, "source")(function)))


def export_options(function: Command) -> Command:
    """The flags that say where runs are sent, besides their directories; as ``sending``."""
    options = [
        click.option(
            "--tensorboard",
            metavar="DIR",
            type=click.Path(file_okay=False, path_type=Path),
            help="Also write TensorBoard event files there, one subfolder per run, while it trains.",
        ),
        click.option(
            "--mlflow",
            metavar="URI",
            is_flag=False,
            flag_value="",
            help="Also send runs to this MLflow server: http://host:5000; without URI, to $MLFLOW_TRACKING_URI.",
        ),
        click.option(
            "--experiment",
            metavar="NAME",
            help="MLflow's experiment; by default $MLFLOW_EXPERIMENT_NAME, else the study's name, or wineexp.",
        ),
    ]
    return _with(filling(Sending, "sending")(function), options)


def dry_run_option(function: Command) -> Command:
    """``--dry-run``."""
    meaning = "Print the plan with an estimate of the time; train nothing."
    return click.option("--dry-run", is_flag=True, help=meaning)(function)


def execution_options(function: Command) -> Command:
    """The flags of training a config: ``overrides`` and ``source``, ``where``, and ``sending``."""
    options = [
        click.option(
            "--set",
            "overrides",
            metavar="FIELD=VALUE",
            multiple=True,
            callback=_assignments,
            shell_complete=complete_fields,
            help="Override a field of every run of the configs; may be given several times.",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(0, 1024),
            help="Worker processes, one thread each; by default one per core, as memory allows. 0: this process.",
        ),
        click.option(
            "--dask", metavar="ADDRESS", help="Train on the Dask cluster of this scheduler: tcp://host:8786."
        ),
        click.option(
            "--timeout",
            metavar="SECONDS",
            type=click.FloatRange(0, min_open=True),
            help="Stop a run that takes longer; it fails with reason timeout. Starting a worker may take 120 s.",
        ),
        click.option(
            "--retries",
            type=click.IntRange(0, 100),
            default=1,
            show_default=True,
            help="How often to retry a run whose worker process died.",
        ),
        click.option("--fail-fast", is_flag=True, help="Stop at the first run that fails."),
        click.option("--force", is_flag=True, help="Train finished runs again."),
        click.option("--skip-failed", is_flag=True, help="Do not retry runs that failed before."),
    ]
    rest = model_option(export_options(source_options(filling(Where, "where")(function))))
    return _with(rest, options)


def _with(function: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        function = option(function)
    return function
