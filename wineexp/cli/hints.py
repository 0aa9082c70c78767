"""The likely meaning of a command line that click refuses. Loaded when something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click

from wineexp.cli.options import FieldType, flag
from wineexp.errors import closest, folded
from wineexp.specs.parsing import FIELD_ALIASES, STUDY_KEYS, each_alias, field_hint
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

__all__ = ["COMMAND_ALIASES", "FLAG_ALIASES", "refuse_settings", "usage_problem"]

#: Folded alias -> flags; the hint names the first that the command has.
FLAG_ALIASES = each_alias(
    {
        ("--jobs", "--threads"): "workers worker nworkers numworkers njobs j processes procs cores cpus parallel",
        ("--threads", "--jobs"): "nthreads numthreads",
        ("--out", "--output"): "outdir outputdir outputs outputfolder dest destination directory dir folder",
        ("--output", "--out"): "outfile file figure png save saveto",
        ("--data",): "table dataset input datafile",
        ("--dry-run",): "dry dryrun noop preview",
        ("--force",): "overwrite rerun retrain again",
        ("--seeds",): "nseeds numseeds repeats repetitions replicates",
        ("--reference",): "baseline ref control against",
        ("--where",): "filter query select",
        ("--sort",): "sortby order orderby",
        ("--columns",): "column cols fields",
        ("--check",): "verify validate",
        ("--timeout",): "timelimit maxtime",
        ("--margin",): "rope equivalence",
        ("--quiet",): "silent s",
        ("--no-model",): "dontsave nosave skipmodel",
        ("--no-report",): "nopage nohtml",
        ("--to",): "mlflow tensorboard uri trackinguri server logdir",
    }
)

#: Folded option of other tools -> how to do it here, if no option does it.
_OTHERWISE = each_alias(
    {
        "give the file alone: wineexp {} FILE": "config configfile configname configpath cfg conf yaml spec",
        "list several values of a field under grid: in a config": "multirun m sweep grid",
    }
)

#: Folded alias -> command.
COMMAND_ALIASES = each_alias(
    {
        "train": "run fit learn",
        "batch": "sweep trainall",
        "compare": "plot",
        "study": "experiment",
        "report": "html page",
        "predict": "infer apply score",
        "runs": "list ls history",
        "show": "info describe cat",
        "rm": "remove delete del",
        "data": "dataset table fetch download",
        "doctor": "check version env",
        "help": "man usage",
    }
)

#: Name -> the command of that name, or None, as from a group's ``get_command``.
Find = Callable[[str], click.Command | None]


def usage_problem(error: click.UsageError, arguments: Sequence[str], names: Sequence[str], find: Find) -> str:
    """One line for an error of click: the place, what was expected, what was found, the likely meaning.

    Parameters
    ----------
    error : click.UsageError
    arguments : sequence of str
        The command line.
    names : sequence of str
        All commands; ``find`` loads one of them.
    """
    if isinstance(error, click.BadOptionUsage):  # has no context
        command = next((find(word) for word in arguments if word in names), None)
        return _value_problem(error, command)
    if error.ctx is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        word = _as_typed(error.option_name, arguments)
        return f"{word}: unknown option{_option_hint(word, error.ctx, names, find)}"
    if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Argument):
        expected = _one_of(error.param) or error.param.metavar or str(error.param.name).upper()
        where = error.ctx.info_name
        return f"{where}: expected {expected}, found nothing; see {error.ctx.command_path} --help"
    return error.format_message()


def refuse_settings(command: click.Command, words: Sequence[str]) -> None:
    """Raise ``click.UsageError`` for a ``field=value`` in the place of a file or a run."""
    flags, problems = _flags(command), []
    for word in _positional(command, words):
        name, equals, value = word.partition("=")
        field = closest(name, RunSpec.model_fields, FIELD_ALIASES) if equals and "/" not in name else None
        named = "--deterministic" in flags and value and Path(value).exists()  # predictions, as NAME=FILE
        if field is None or named or Path(word).exists():
            continue
        if flag(field) in flags:
            switch = flag(field) if value.lower() == "true" else f"--no-{flag(field)[2:]}"
            meant = switch if flags[flag(field)].is_flag else f"{flag(field)} {value}"
        elif option := next((option for option in ("--set", "--where") if option in flags), None):
            meant = f"{option} {field}={value}"
        else:
            continue
        problems.append(f"{word}: no such file (did you mean {meant}?)")
    if problems:
        raise click.UsageError("\n".join(problems))


def _as_typed(name: str, arguments: Sequence[str]) -> str:
    """The word of the command line: for ``-lr``, click gives only ``-l``."""
    if name.startswith("--"):
        return name
    words = (word for word in arguments if word.startswith(name) and not word.startswith("--"))
    return next(words, name).partition("=")[0]


def _option_hint(word: str, context: click.Context, names: Sequence[str], find: Find) -> str:
    name, flags = word.lstrip("-"), _flags(context.command)
    field = _field(name)
    if field and flag(field) in flags:
        return field_hint(name, [field], flag(field))
    off = _field(name.removeprefix("no-")) if name.startswith("no-") else None
    if off and flag(off) in flags and RunSpec.model_fields[off].default in (None, 0.0, "none"):
        return f" (did you mean {flag(off)} {format_value(RunSpec.model_fields[off].default)}?)"
    for option in FLAG_ALIASES.get(folded(name), ()):
        if option in flags:
            return f" (did you mean {option}?)"
    for option in ("--set", "--where"):
        if field and option in flags:
            return f" (did you mean {option} {field}=VALUE?)"
    if context.parent and word in _flags(context.parent.command):
        return f" (put it before the command: wineexp {word} {context.info_name})"
    if folded(name) in STUDY_KEYS and "--set" in flags:
        return f" (a study's key: write {name}: in the config)"
    if folded(name) in _OTHERWISE and context.info_name in ("train", "batch", "study"):
        return f" ({_OTHERWISE[folded(name)].format(context.info_name)})"
    elsewhere = [other for other in names if (command := find(other)) and word in _flags(command)]
    if elsewhere:
        return f"; it is an option of {', '.join(elsewhere)}"
    near = closest(name, [option[2:] for option in flags if option.startswith("--")]) if len(name) > 1 else None
    return f" (did you mean --{near}?)" if near else f"; see {context.command_path} --help"


def _field(name: str) -> str | None:
    """The field that a flag names, in our words or another tool's; similar letters are not enough."""
    if name.replace("-", "_") in RunSpec.model_fields:
        return name.replace("-", "_")
    return FIELD_ALIASES.get(folded(name))


def _value_problem(error: click.BadOptionUsage, command: click.Command | None) -> str:
    option = _flags(command).get(error.option_name) if command else None
    if option is None:
        return error.format_message()
    if option.is_flag:
        both = " or ".join([*option.opts, *option.secondary_opts])
        return f"{error.option_name}: expected no value, found one (did you mean {both}?)"
    expected = option.type.expected if isinstance(option.type, FieldType) else _one_of(option)
    return f"{error.option_name}: expected {expected or option.metavar or 'a value'}; found no value"


def _one_of(parameter: click.Parameter) -> str:
    """``mlflow or tensorboard``; empty if the parameter has no choices."""
    choices = [str(choice) for choice in getattr(parameter.type, "choices", ())]
    return " or ".join([", ".join(choices[:-1]), choices[-1]] if len(choices) > 1 else choices)


def _flags(command: click.Command) -> dict[str, click.Option]:
    """Each spelling of each option except help, with its option."""
    return {
        spelling: parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }


def _positional(command: click.Command, words: Sequence[str]) -> Iterator[str]:
    """The words that are neither options nor their values."""
    flags, rest = _flags(command), iter(words)
    for word in rest:
        if word == "--":
            yield from rest
        elif not word.startswith("-"):
            yield word
        elif (option := flags.get(word)) and not option.is_flag:
            next(rest, None)
