"""Values in, spec out: every problem at once, with what was expected, what was found and what was likely meant."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from wineexp.errors import SpecError
from wineexp.specs.aliases import field_hint
from wineexp.specs.fields import checked, choices_of, is_legal, read_text
from wineexp.specs.hints import value_hint

__all__ = ["meaning_of", "parse", "problem_of"]

Model = TypeVar("Model", bound=BaseModel)

#: A field -> those that are checked against it: while the first is wrong, nothing can be said of them.
_CHECKED_AGAINST = {
    "widths": ("dropout",),
    "train_fraction": ("test_fraction",),
    "split": ("group",),
    "target": ("features", "drop", "group"),
}


def parse(model: type[Model], values: Mapping[str, Any]) -> Model:
    """``model`` of ``values``, field name to value; raise ``SpecError`` with all problems."""
    fields = model.model_fields
    known = {key: value for key, value in values.items() if key in fields}
    names = [str(key) for key in values if key not in known]
    unknown = [(name, f"unknown field{field_hint(name, fields)}") for name in names]
    wrong: dict[str, str] = {}
    left = known
    while True:
        try:
            spec = model(**left)
            break
        except ValidationError as error:
            found = _problems(error, known, fields)
        wrong |= found
        # What is wrong is left out, and the rest checked again: fields are checked against each other last.
        gone = found.keys() | {other for field in found for other in _CHECKED_AGAINST.get(field, ())}
        rest = {key: value for key, value in left.items() if key not in gone}
        assert len(rest) < len(left), found  # only what was given can be wrong
        left = rest
    if unknown or wrong:
        raise SpecError([*unknown, *((field, wrong[field]) for field in fields if field in wrong)])
    return spec


def problem_of(field: str, text: str, info: FieldInfo) -> str | None:
    """Why ``text``, as on the command line, is no value of this field, other fields aside; None if it is one."""
    value = read_text(field, text, info)
    return None if is_legal(value, info) else _expected(field, value, info)


def meaning_of(field: str, text: str, info: FieldInfo) -> Any:
    """What ``text``, as on the command line, makes of this field; ``ValueError`` where it is no value of it."""
    return checked(read_text(field, text, info), info)


def _problems(
    error: ValidationError, values: Mapping[str, Any], fields: Mapping[str, FieldInfo]
) -> dict[str, str]:
    """Pydantic's errors as field -> "expected ...; found ..."."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        if not item["loc"]:  # a check over several fields, whose message starts with the field
            field, _, text = str(item["ctx"]["error"]).partition(": ")
        else:
            field = str(item["loc"][0])
            text = _expected(field, values.get(field), fields[field])
        found.setdefault(field, text)
    return found


def _expected(field: str, value: Any, info: FieldInfo) -> str:
    extra = info.json_schema_extra
    expected = str(extra["expected"]) if isinstance(extra, dict) else ""
    hint = value_hint(field, value, info)
    choices = choices_of(info.annotation)
    if not hint and len(choices) > 4:
        expected = f"{expected}: {', '.join(choices)}"
    shown = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return f"expected {expected}; found {shown if len(shown) <= 80 else shown[:77] + '...'}{hint}"
