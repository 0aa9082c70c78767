"""A spec in words: a value as a config has it, a label for a directory, a line for a title."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from wineexp.specs.declarations import MARKS

__all__ = [
    "asked",
    "describe",
    "format_value",
    "format_widths",
    "plural_noun",
    "say",
    "setting_words",
    "tag",
    "without",
    "worded",
]

Values = Mapping[str, Any]

#: The place in a title of fields that are declared without one.
_UNPLACED = 7


def format_widths(widths: tuple[int, ...] | list[int]) -> str:
    """``1024x3`` for equal widths, else ``512,256,64``; ``none`` for no layer."""
    if not widths:
        return "none"
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
        whole = all(isinstance(item, int) for item in value)  # no item: no hidden layer
        return format_widths(value) if whole else ",".join(f"{item:g}" for item in value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(name: str) -> str:
    """A column's name in a list: in quotes, as in CSV, if it could be misread otherwise."""
    if name.lower() == "none" or name != name.strip() or any(mark in name for mark in ',"'):
        return '"' + name.replace('"', '""') + '"'
    return name


def setting_words(field: str) -> str:
    """A field's name in a sentence: ``batch norm``, ``learning rate``."""
    return MARKS[field].words.name or field.replace("_", " ")


def tag(field: str, value: Any) -> str:
    """One setting in a label: ``dropout0.3``, ``bn_after``, ``bn_input``, ``64x3``."""
    if MARKS[field].words.bare:
        return format_value(value).replace(",", "-") if value else "linear"
    if isinstance(value, bool):
        return field if value else f"no_{field}"
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return f"{field}_{'-'.join(value)}"
        return field + "-".join(f"{item:g}" for item in value)
    return f"{field}{value:g}" if isinstance(value, (int, float)) else f"{field}_{value}"


def worded(field: str, value: Any) -> str:
    """One setting for a title, ``batch norm after the activation``; empty if it is switched off."""
    words = MARKS[field].words
    value = tuple(value) if isinstance(value, list) else value
    return "" if value in words.off else _template(field, words.title).format(_in_words(field, value))


def asked(field: str, value: Any) -> str:
    """One setting for a question, ``batches of 32``; empty if it is switched off."""
    words = MARKS[field].words
    if value in words.off:
        return ""
    if isinstance(value, tuple) and all(isinstance(item, float) for item in value):
        shown = ", ".join(f"{rate:g}" for rate in value) + " by layer"
    else:
        shown = _in_words(field, value)
    return _template(field, words.question or words.title).format(shown)


def plural_noun(field: str) -> str | None:
    """The noun after a value whose words in a question are plural, `` units``; None for a singular."""
    words = MARKS[field].words
    return _template(field, words.question or words.title).rpartition("}")[2] if words.plural else None


def without(field: str) -> str:
    """The words for a setting that is switched off: ``no batch norm``."""
    return MARKS[field].words.without or f"no {setting_words(field)}"


def say(field: str, value: Any) -> str:
    """One setting beside others: ``dropout 0.3``, ``batch norm after the activation``, ``no dropout``."""
    return worded(field, value) or without(field)


def describe(values: Values, defaults: Values, without: Collection[str] = ()) -> str:
    """A spec's values in one line for a title.

    Parameters
    ----------
    values, defaults : mapping
        Field to value, of this spec and by default. A field that is declared without a place in titles is included
        only if it differs from its default.
    without : collection of str
        Fields to leave out.
    """
    texts = {
        field: worded(field, values[field]) or marks.words.off_title
        for field, marks in sorted(MARKS.items(), key=lambda item: item[1].words.place or _UNPLACED)
        if field not in without and (marks.words.place or values[field] != defaults[field])
    }
    for field in list(texts):
        if (first := MARKS[field].words.behind) in texts:
            if worded(first, values[first]):
                texts[first] += f" {format_value(values[field])}"
            del texts[field]
    return ", ".join(filter(None, texts.values()))


def _template(field: str, words: str | None) -> str:
    """Words with ``{}`` for a value; by default the field's name comes before it."""
    return words if words is not None else f"{field.replace('_', ' ')} {{}}"


def _in_words(field: str, value: Any) -> str:
    """As :func:`format_value`, but with the field's words for values, and names of columns as in a sentence."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return " and ".join(value)
    text = format_value(value)
    return MARKS[field].words.spoken.get(text, text)
