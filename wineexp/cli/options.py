"""The flags that several commands share; the flags of the spec are derived from ``RunSpec``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from pydantic.fields import FieldInfo

from wineexp.api.options import Drawing, Sending, Source, Where
from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import (
    JUDGED_BY,
    JudgedRows,
    choices_of,
    items_of,
    kinds_of,
    read_names,
    read_text,
)
from wineexp.specs.parsing import STUDY_KEYS, field_hint
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

__all__ = [
    "RunName",
    "complete_columns",
    "complete_conditions",
    "complete_fields",
    "data_option",
    "dry_run_option",
    "execution_options",
    "export_options",
    "figure_options",
    "filling",
    "flag",
    "given",
    "judge_options",
    "margin_option",
    "model_option",
    "named_runs_option",
    "out_option",
    "output_option",
    "parse_value",
    "reference_option",
    "selection_options",
    "sep_option",
    "source_options",
    "spec_options",
]

Command = Callable[..., Any]


def complete_fields(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``field=`` for each field of the spec."""
    return [CompletionItem(f"{name}=") for name in RunSpec.model_fields if name.startswith(incomplete)]


def complete_columns(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The columns of a table of runs."""
    from wineexp.runs.columns import COLUMNS

    return [CompletionItem(name) for name in COLUMNS if name.startswith(incomplete)]


def complete_conditions(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """``column=`` for each column of a table of runs."""
    from wineexp.runs.columns import COLUMNS

    return [CompletionItem(f"{name}=") for name in COLUMNS if name.startswith(incomplete)]


class RunName(click.ParamType[str]):
    """A run by its path or name; a shell completes runs in ``--out`` and in the typed folder, and studies."""

    name = "run"

    def __init__(self, *, several: bool = False) -> None:
        self.several = several

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from wineexp.runs.directory import is_run
        from wineexp.runs.study_file import find_studies

        typed, out = Path(incomplete), Path(ctx.params.get("out") or "outputs")
        folders = [typed if incomplete.endswith("/") else typed.parent, out]
        completions = {
            str(path)
            for folder in folders
            if folder.is_dir()
            for path in folder.iterdir()
            if incomplete in ("", str(path)[: len(incomplete)], path.name[: len(incomplete)]) and is_run(path)
        }
        if self.several:
            completions |= {folder.name for folder, _ in find_studies(out) if folder.name.startswith(incomplete)}
        files = click.Path().shell_complete(ctx, param, incomplete)
        return [CompletionItem(path) for path in sorted(completions)] or files


class FieldType(click.ParamType[Any]):
    """A field's value as text on the command line; the spec decides whether it is valid."""

    def __init__(self, name: str, info: FieldInfo) -> None:
        self.field, self.info = name, info
        self.name = name
        self.choices = choices_of(info.annotation)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        if 0 < len(self.choices) <= 4:
            return f"[{'|'.join(self.choices)}]"
        if items := items_of(self.info.annotation):
            return {int: "SIZES", float: "RATE", str: "COLUMN,..."}[items]
        kinds = kinds_of(self.info.annotation)
        return "INTEGER" if int in kinds else "NUMBER" if float in kinds else "NAME"

    @property
    def expected(self) -> str:
        """The legal values, in the words of the spec's own errors."""
        extra = self.info.json_schema_extra
        expected = str(extra["expected"]) if isinstance(extra, dict) else ""
        return f"{expected}: {', '.join(self.choices)}" if len(self.choices) > 4 else expected

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith("--") and str not in kinds_of(self.info.annotation):
            # click takes any next word as the value: `--bn --dropout 0.3`.
            raise click.UsageError(f"{flag(self.field)}: expected {self.expected}; found no value before {value}")
        return parse_value(self.field, value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


def filling(kind: type[Any], name: str) -> Callable[[Command], Command]:
    """Pass a command one value of ``kind``, a dataclass, as ``name``, instead of the flags of its fields."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def filled(**given: Any) -> Any:
            fields = [field.name for field in dataclasses.fields(kind) if field.name in given]
            value = kind(**{field: given.pop(field) for field in fields})
            return function(**given, **{name: value})

        return filled

    return decorate


def parse_value(field: str, text: Any) -> Any:
    """``text`` converted to the field's type if possible, otherwise unchanged, for the spec to reject."""
    return read_text(text, RunSpec.model_fields[field])


def flag(field: str) -> str:
    """The field's flag: ``--batch-size`` for ``batch_size``."""
    return "--" + field.replace("_", "-")


def spec_options(function: Command) -> Command:
    """Add a flag for every field of the spec to a command; :func:`given` tells which were used."""
    for name, info in reversed(RunSpec.model_fields.items()):
        default = "the optimizer's" if MARKS[name].by_optimizer else format_value(info.default)
        text = f"{str(info.description)[:1].upper()}{str(info.description)[1:]}."
        decoration = f"{flag(name)}/--no-{name.replace('_', '-')}" if info.annotation is bool else flag(name)
        kind = None if info.annotation is bool else FieldType(name, info)
        names = items_of(info.annotation) is str
        several: dict[str, Any] = {"multiple": True, "callback": _together} if names else {}
        help_text = f"{text}  [default: {default}]"
        function = click.option(decoration, name, default=None, type=kind, help=help_text, **several)(function)
    return function


def _together(_: click.Context, __: click.Parameter, values: tuple[Any, ...]) -> Any:
    """One list of the names from repeated flags; the spec refuses values that are no names."""
    if len(values) == 1:
        return values[0]
    try:
        lists = [read_names(value) for value in values]
    except ValueError:
        return list(values)
    return [name for names in lists for name in (names if isinstance(names, tuple) else (names,))]


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given on the command line, out of all that a command received."""
    source = click.get_current_context().get_parameter_source
    return {name: value for name, value in fields.items() if source(name) is ParameterSource.COMMANDLINE}


def data_option(function: Command) -> Command:
    """``--data`` and ``--sep``."""
    table = click.option(
        "--data", metavar="TABLE", help="A CSV file, red-wine (the real table or an error) or simulated."
    )
    return table(sep_option(function))


def sep_option(function: Command) -> Command:
    """``--sep``."""
    meaning = "The CSV file's separator: one character, tab or space; by default detected from the file."
    return click.option("--sep", metavar="CHARACTER", help=meaning)(function)


def output_option(meaning: str, default: str | None = None) -> Callable[[Command], Command]:
    """``-o``: the file to write."""
    return click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        default=default,
        show_default=default is not None,
        help=meaning,
    )


def out_option(function: Command) -> Command:
    """``--out`` for commands that write runs."""
    return _out("The folder for run directories.")(function)


def named_runs_option(function: Command) -> Command:
    """``--out`` for commands that take runs, which may be given by name."""
    return _out("The folder in which to look up runs by name.", callback=_existing)(function)


def _out(meaning: str, **how: Any) -> Callable[[Command], Command]:
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--out", type=kind, default=Path("outputs"), show_default=True, help=meaning, **how)


def _existing(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    """Refuse a named folder that does not exist: ``--out figure.png`` was meant to be ``--output``."""
    if context.get_parameter_source("out") is ParameterSource.COMMANDLINE and not folder.is_dir():
        raise click.BadParameter(f"expected a folder of runs, found none at {str(folder)!r}")
    return folder


def selection_options(function: Command) -> Command:
    """Which runs, and against what."""
    options: list[Callable[[Command], Command]] = [
        click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunName(several=True)),
        named_runs_option,
        reference_option(
            "The variant to compare the others with: a label, a run directory, or settings such as "
            "dropout=0,bn=none. By default: the first run given, the first in a study's config, or in a folder "
            "the variant nearest the defaults."
        ),
        click.option(
            "--where",
            metavar="CONDITION",
            multiple=True,
            shell_complete=complete_conditions,
            help="Only runs that match, such as dropout=0.3. May be given several times. Filtering on results "
            "(val_mae<0.6) gives no verdicts.",
        ),
        margin_option("The size below which a difference in the score does not matter."),
        judge_options(),
        click.option(
            "--deterministic",
            metavar="NAME",
            multiple=True,
            help="Predictions that would be the same if they were fitted again, as of ridge regression: they have "
            "no seeds. May be given several times.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def reference_option(meaning: str) -> Callable[[Command], Command]:
    """``--reference``."""
    return click.option("--reference", metavar="VARIANT", help=meaning)


def margin_option(meaning: str) -> Callable[[Command], Command]:
    """``--margin``."""
    return click.option(
        "--margin",
        metavar="SIZE",
        type=click.FloatRange(min=0, min_open=True),
        help=f"{meaning} A variant whose 90 % interval lies inside it is `same within SIZE`.",
    )


def judge_options(*, of_study: bool = False) -> Callable[[Command], Command]:
    """``--judge`` and ``--judge-rows``."""
    otherwise = " Overrides the config's." if of_study else ""

    def decorate(function: Command) -> Command:
        rows = click.option(
            "--judge-rows",
            type=click.Choice(get_args(JudgedRows)),
            help="The rows that judge; by default test rows, if all runs have them.",
        )
        score = click.option(
            "--judge",
            type=click.Choice(JUDGED_BY),
            help="The score: mean absolute error (mae, the default) or root mean squared error; of classes "
            "log_loss (the default), error_rate or brier; with _mc of the mean of passes with dropout left on "
            f"(mc_passes).{otherwise}",
        )
        return score(rows(function))

    return decorate


def figure_options(function: Command) -> Command:
    """The flags of the figure, as ``drawing``."""
    function = filling(Drawing, "drawing")(function)
    options = [
        click.option(
            "--layout",
            type=click.Choice(["auto", "overlay", "grid", "verdict"]),
            default="auto",
            show_default=True,
            help="overlay: all curves in one panel. grid: a panel per variant, by two factors if runs cross two. "
            "verdict: the verdicts alone, which otherwise stand below. auto: overlay, or grid if too crowded.",
        ),
        click.option(
            "--metric",
            type=click.Choice(["both", "val_loss", "loss"]),
            default="both",
            show_default=True,
            help="Which losses to draw.",
        ),
        click.option(
            "--smooth",
            metavar="EPOCHS",
            type=click.IntRange(2, 10**6),
            help="Also draw an exponentially weighted mean of this span.",
        ),
        click.option(
            "--full-range",
            is_flag=True,
            help="Use a linear loss axis; by default it is logarithmic far above the constant predictor's loss.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _assignments(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Any]:
    """``field=value`` pairs as a mapping; all problems are reported at once."""
    fields, problems = {}, []
    for text in texts:
        field, equals, value = text.partition("=")
        if not equals:
            problems.append(f"expected field=value, found {text!r}")
        elif field not in RunSpec.model_fields:
            belongs = " (a study's key: set it in the config)" if field in STUDY_KEYS else ""
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
            help="Also write TensorBoard event files to DIR during training, one subfolder per run.",
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
    meaning = "Print the plan and the estimated time; train nothing."
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
