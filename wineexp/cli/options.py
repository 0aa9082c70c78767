"""The flags that several commands share; those of the spec are derived from ``RunSpec``."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from pydantic.fields import FieldInfo

from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

__all__ = ["data_option", "flag", "given", "out_option", "parse_value", "sep_option", "spec_options"]

Command = Callable[..., Any]


class FieldType(click.ParamType[Any]):
    """A field's value as text on the command line; the spec decides whether it is valid."""

    def __init__(self, name: str, info: FieldInfo) -> None:
        self.field, self.info = name, info
        self.name = name
        self.choices = _choices(info.annotation)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        if 0 < len(self.choices) <= 4:
            return f"[{'|'.join(self.choices)}]"
        kinds = _kinds(self.info.annotation)
        return {"widths": "SIZES", "dropout": "RATE"}.get(self.field) or (
            "INTEGER" if int in kinds else "NUMBER" if float in kinds else "NAME"
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return parse_value(self.field, value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete)]


def parse_value(field: str, text: Any) -> Any:
    """``text`` converted to the field's type if possible, otherwise unchanged, for the spec to reject."""
    kinds = _kinds(RunSpec.model_fields[field].annotation)
    if not isinstance(text, str) or field in ("widths", "dropout"):
        return text
    if types.NoneType in kinds and text.lower() == "none":
        return None
    if bool in kinds:
        return {"true": True, "false": False}.get(text.lower(), text)
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                return text
    return text


def _kinds(annotation: Any) -> set[Any]:
    """The plain types within an annotation."""
    inner = typing.get_args(annotation)
    if not inner or typing.get_origin(annotation) is typing.Literal:
        return {annotation}
    return set().union(*(_kinds(part) for part in inner if part is not Ellipsis))


def _choices(annotation: Any) -> list[str]:
    return (
        [str(choice) for choice in typing.get_args(annotation)]
        if typing.get_origin(annotation) is typing.Literal
        else []
    )


def flag(field: str) -> str:
    """The field's flag: ``--batch-size`` of ``batch_size``."""
    return "--" + field.replace("_", "-")


def spec_options(function: Command) -> Command:
    """Give a command a flag for every field of the spec; those not given stay out of ``given``."""
    for name, info in reversed(RunSpec.model_fields.items()):
        default = "the optimizer's" if name in ("learning_rate", "weight_decay") else format_value(info.default)
        text = f"{str(info.description)[:1].upper()}{str(info.description)[1:]}."
        decoration = f"{flag(name)}/--no-{name.replace('_', '-')}" if info.annotation is bool else flag(name)
        kind = None if info.annotation is bool else FieldType(name, info)
        function = click.option(decoration, name, default=None, type=kind, help=f"{text}  [default: {default}]")(
            function
        )
    return function


def given(fields: dict[str, Any]) -> dict[str, Any]:
    """The spec's fields that were given on the command line, out of all that a command received."""
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


def out_option(function: Command) -> Command:
    """``--out``."""
    return click.option(
        "--out",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("outputs"),
        show_default=True,
        help="The folder for run directories.",
    )(function)
