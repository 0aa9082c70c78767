"""The flags that several commands share; the flags of the spec are derived from ``RunSpec``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from pydantic.fields import FieldInfo

from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import choices_of, items_of, kinds_of, read_names, read_text
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

__all__ = [
    "data_option",
    "filling",
    "flag",
    "given",
    "named_runs_option",
    "out_option",
    "output_option",
    "parse_value",
    "sep_option",
    "spec_options",
]

Command = Callable[..., Any]


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
    meaning = "The CSV file's separator: one character, or tab or space; by default its content tells."
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
    return _out("The folder in which runs are looked for by name.", callback=_existing)(function)


def _out(meaning: str, **how: Any) -> Callable[[Command], Command]:
    kind = click.Path(file_okay=False, path_type=Path)
    return click.option("--out", type=kind, default=Path("outputs"), show_default=True, help=meaning, **how)


def _existing(context: click.Context, parameter: click.Parameter, folder: Path) -> Path:
    """Refuse a named folder that does not exist: ``--out figure.png`` was meant to be ``--output``."""
    if context.get_parameter_source("out") is ParameterSource.COMMANDLINE and not folder.is_dir():
        raise click.BadParameter(f"expected a folder of runs, found none at {str(folder)!r}")
    return folder
