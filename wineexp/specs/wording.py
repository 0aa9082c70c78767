"""A spec in words: a value as a config has it, a label for a directory, a line for a title."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

__all__ = ["describe", "format_value", "format_widths", "say", "tag", "without", "worded"]

Values = Mapping[str, Any]


def format_widths(widths: tuple[int, ...] | list[int]) -> str:
    """``1024x3`` for equal widths, else ``512,256,64``."""
    if len(set(widths)) == 1:
        return f"{widths[0]}x{len(widths)}"
    return ",".join(map(str, widths))


def format_value(value: Any) -> str:
    """A field's value as a person would write it in a config: ``1024x3``, ``0.3``, ``true``, ``none``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        if any(isinstance(item, str) for item in value):
            return ",".join(_quoted(str(item)) for item in value)
        whole = all(isinstance(item, int) for item in value)
        return format_widths(value) if whole else ",".join(f"{item:g}" for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(name: str) -> str:
    """A column's name among others: in quotes, as CSV has them, where it would be read as something else."""
    if name.lower() == "none" or name != name.strip() or any(mark in name for mark in ',"'):
        return '"' + name.replace('"', '""') + '"'
    return name


def tag(field: str, value: Any) -> str:
    """One setting in a label: ``dropout0.3``, ``bn_after``, ``bn_input``, ``64x3``."""
    if field == "widths":
        return format_widths(value).replace(",", "-")
    if isinstance(value, bool):
        return field if value else f"no_{field}"
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return f"{field}_{'-'.join(value)}"
        return field + "-".join(f"{item:g}" for item in value)
    return f"{field}{value:g}" if isinstance(value, (int, float)) else f"{field}_{value}"


#: How a title words each field's value, in order; empty if there is nothing to say.
_WORDS: dict[str, Callable[[Any], str]] = {
    "widths": format_widths,
    "activation": str,
    "dropout": lambda rate: f"dropout {format_value(rate)}" if rate else "",
    "bn": lambda place: "" if place == "none" else f"batch norm {place} the activation",
    "bn_input": lambda there: "batch norm on the input" if there else "",
    "scale": lambda kind: "" if kind == "none" else f"{kind} scaling",
    "encode": lambda kind: "" if kind == "none" else "one-hot encoding",
    "features": lambda names: "" if names is None else f"only {' and '.join(names)}",
    "drop": lambda names: "" if names is None else f"without {' and '.join(names)}",
    "group": lambda name: "" if name is None else f"grouped by {name}",
    "optimizer": str,
    "learning_rate": lambda rate: f"learning rate {rate:g}",
    "weight_decay": lambda share: f"weight decay {share:g}" if share else "",
    "loss": str,
    "precision": lambda kind: "" if kind == "float32" else kind,
    "batch_size": lambda rows: f"batch {rows}",
    "epochs": lambda count: f"{count} epochs",
    "patience": lambda epochs: "" if epochs is None else f"patience {epochs}",
}

#: What is there where a setting is switched off, where that is not ``no`` and its name.
_WITHOUT = {
    "bn": "no batch norm",
    "bn_input": "no batch norm on the input",
    "scale": "no scaling",
    "features": "all features",
    "drop": "nothing left out",
    "group": "no groups",
    "patience": "no early stopping",
    "precision": "float32",
}

#: Comes last, if it is included at all.
_LAST: dict[str, Callable[[Any], str]] = {"seed": lambda seed: f"seed {seed}"}


def worded(field: str, value: Any) -> str:
    """One setting as a title words it, ``batch norm after the activation``; empty where it is switched off."""
    words = _WORDS.get(field) or _LAST.get(field)
    return words(value) if words else f"{field.replace('_', ' ')} {format_value(value)}"


def without(field: str) -> str:
    """What is there where a setting is switched off: ``no batch norm``."""
    return _WITHOUT.get(field, f"no {field.replace('_', ' ')}")


def say(field: str, value: Any) -> str:
    """One setting beside others: ``dropout 0.3``, ``batch norm after the activation``, ``no dropout``."""
    return worded(field, value) or without(field)


def describe(values: Values, defaults: Values, without: Collection[str] = ()) -> str:
    """A spec's values in one line for a title.

    Parameters
    ----------
    values, defaults : mapping
        Field to value, of this spec and by default. A field without a wording above is included only if it
        differs from its default.
    without : collection of str
        Fields to leave out.
    """
    told = {field: say(values[field]) for field, say in _WORDS.items()}
    told |= {
        field: worded(field, value)
        for field, value in values.items()
        if field not in _WORDS and field not in _LAST and value != defaults[field]
    }
    told |= {field: say(values[field]) for field, say in _LAST.items()}
    told = {field: text for field, text in told.items() if text and field not in without}
    if {"widths", "activation"} <= told.keys():
        told["widths"] += f" {told.pop('activation')}"
    if {"optimizer", "learning_rate"} <= told.keys():
        told["optimizer"] += f" {told.pop('learning_rate').removeprefix('learning rate ')}"
    return ", ".join(told.values())
