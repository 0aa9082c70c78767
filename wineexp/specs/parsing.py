"""Values in, spec out: every problem at once, with the expected, the found and the likely meant value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from wineexp.errors import SpecError
from wineexp.specs.fields import checked, choices_of, is_legal, read_text
from wineexp.specs.hints import field_hint, value_hint
from wineexp.specs.marks import marks_of

__all__ = ["meaning_of", "parse", "problem_of"]

Model = TypeVar("Model", bound=BaseModel)


def parse(model: type[Model], values: Mapping[str, Any]) -> Model:
    """``model`` of ``values``, field name to value; raise ``SpecError`` with all problems."""
    fields = model.model_fields
    given = {key: value for key, value in values.items() if key in fields}
    names = [str(key) for key in values if key not in given]
    unknown = [(name, f"unknown field{field_hint(name, fields)}") for name in names]
    wrong: dict[str, str] = {}
    left = given
    while True:
        try:
            spec = model(**left)
            break
        except ValidationError as error:
            problems = _problems(error, given, fields)
        wrong |= problems
        # Wrong values are left out, and the rest is checked again: fields are checked against each other last.
        rest = {
            key: value
            for key, value in left.items()
            if key not in problems and problems.keys().isdisjoint(marks_of(fields[key]).checked_against)
        }
        assert len(rest) < len(left), problems  # only given values can be wrong
        left = rest
    if unknown or wrong:
        raise SpecError([*unknown, *((field, wrong[field]) for field in fields if field in wrong)])
    return spec


def problem_of(text: str, info: FieldInfo) -> str | None:
    """Why ``text``, as on the command line, is invalid for this field, other fields aside; None if it is valid."""
    value = read_text(text, info)
    return None if is_legal(value, info) else _expected(value, info)


def meaning_of(text: str, info: FieldInfo) -> Any:
    """The value of this field for ``text``, as on the command line; raise ``ValueError`` if it is not valid."""
    return checked(read_text(text, info), info)


def _problems(
    error: ValidationError, values: Mapping[str, Any], fields: Mapping[str, FieldInfo]
) -> dict[str, str]:
    """Pydantic's errors as field -> "expected ...; found ..."."""
    problems: dict[str, str] = {}
    for item in error.errors(include_url=False):
        if not item["loc"]:  # a check over several fields, whose message starts with the field
            field, _, text = str(item["ctx"]["error"]).partition(": ")
        else:
            field = str(item["loc"][0])
            text = _expected(values.get(field), fields[field])
        problems.setdefault(field, text)
    return problems


def _expected(value: Any, info: FieldInfo) -> str:
    extra = info.json_schema_extra
    expected = str(extra["expected"]) if isinstance(extra, dict) else ""
    hint = value_hint(value, info)
    choices = choices_of(info.annotation)
    if not hint and len(choices) > 4:
        expected = f"{expected}: {', '.join(choices)}"
    shown = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return f"expected {expected}; found {shown if len(shown) <= 80 else shown[:77] + '...'}{hint}"
