"""Values in, spec out: every problem at once, with the expected, the found and the likely meant value."""

from __future__ import annotations

import math
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from wineexp.errors import SpecError, closest, folded
from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import checked, choices_of, is_legal, items_of, kinds_of, read_text
from wineexp.specs.marks import marks_of

__all__ = [
    "BESIDE",
    "FIELD_ALIASES",
    "KEY_ALIASES",
    "RUN_KEYS",
    "STUDY_KEYS",
    "each_alias",
    "field_hint",
    "meaning_of",
    "parse",
    "problem_of",
    "value_hint",
]

_Name = TypeVar("_Name")


def each_alias(names: Mapping[_Name, str]) -> dict[str, _Name]:
    """``{"a": "x y"}`` as ``{"x": "a", "y": "a"}``."""
    return {alias: name for name, aliases in names.items() for alias in aliases.split()}


#: Folded alias -> field of the spec, as used in Keras, PyTorch, scikit-learn and papers.
FIELD_ALIASES = each_alias({name: marks.hints.aliases for name, marks in MARKS.items()})

#: Folded alias -> key of a study.
KEY_ALIASES = each_alias(
    {
        "name": "title study studyname",
        "defaults": "default base common shared config settings spec",
        "seeds": "nseeds numseeds repeats repetitions replicates replications",
        "runs": "variants experiments models trials cases",
        "grid": "sweep search parameters params paramgrid matrix factors cross",
        "split_seeds": "splits nsplits folds kfold cv",
        "margin": "rope equivalence equivalencemargin",
        "judge": "score scoring judgeby metric",
        "looks": "look interim interimlooks stages",
        "look_weights": "lookweight alphaspending",
    }
)

#: Folded alias -> where it is given. It is not part of a spec: the same spec trains on any table, in any folder.
BESIDE = each_alias(
    {
        "the table is given by --data FILE, data= in Python": "data table dataset datafile datapath csv file",
        "the folder is given by --out, out= in Python": "out output outputs outdir outputdir savedir folder",
        "the judged rows are given by --judge-rows, judge_rows= in Python": "judgerows judgedrows",
        "workers are given by --jobs, jobs= in Python": "jobs njobs workers nworkers numworkers processes",
    }
)


def field_hint(name: str, legal: Iterable[str], form: str = "{!r}") -> str:
    """Return `` (did you mean 'dropout'?)`` for the field that ``name`` stands for, or an empty string.

    ``form`` shows the field, if it is not written as its name alone. For a setting that is not part of a spec, the
    hint says where it is given.
    """
    if folded(name) in BESIDE:
        return f" ({BESIDE[folded(name)]})"
    field = closest(name, legal, FIELD_ALIASES)
    if field is None:
        return ""
    note = MARKS[field].hints.note if FIELD_ALIASES.get(folded(name)) == field else ""
    return f" (did you mean {form.format(field)}?{note and f' {note}'})"


STUDY_KEYS = (
    "name",
    "defaults",
    "seeds",
    "runs",
    "grid",
    "split_seeds",
    "margin",
    "judge",
    "looks",
    "look_weights",
)

#: Keys that make a mapping a study; without any of them it is one run, whose ``name`` names the run.
RUN_KEYS = tuple(key for key in STUDY_KEYS if key != "name")

_BOOLEANS = {"yes": True, "y": True, "on": True, "1": True, "no": False, "n": False, "off": False, "0": False}

#: Spellings of `none` for a field with that choice, and of any other of its choices.
_NO_CHOICE = each_alias({"none": "no off false null 0"})
_ANY_CHOICE = ("true", "yes", "on", "1")


def value_hint(value: Any, info: FieldInfo) -> str:
    """Return `` (did you mean 0.3?)`` if a legal value is likely meant by ``value``, else an empty string."""
    hints, choices = marks_of(info).hints, choices_of(info.annotation)
    several = isinstance(value, (list, tuple)) or (isinstance(value, str) and "," in value)
    if hints.several and several:
        return f" (several are {hints.several})"
    if "none" in choices and folded(str(value)) in _ANY_CHOICE:
        return f" (did you mean {' or '.join(repr(choice) for choice in choices if choice != 'none')}?)"
    if hints.number_means and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f" (did you mean {hints.number_means}: {value:g}?)"
    if isinstance(value, list) and not items_of(info.annotation):
        return " (list several values to compare under grid)"
    if len(str(value)) > 200:  # nobody typed that
        return ""
    meant = _meant(value, info)
    if meant is None or not is_legal(meant, info):
        return ""
    return f" (did you mean {str(meant).lower() if isinstance(meant, bool) else repr(meant)}?)"


def _meant(value: Any, info: FieldInfo) -> Any:
    """A value like ``value`` that may be legal: another case, percent, a decimal comma, another tool's word."""
    marks, kinds, choices = marks_of(info), kinds_of(info.annotation), choices_of(info.annotation)
    if choices:
        aliases = each_alias(marks.hints.values) | (_NO_CHOICE if "none" in choices else {})
        return closest("null" if value is None else str(value), choices, aliases)
    if bool in kinds:
        return _BOOLEANS.get(folded(str(value)))
    if types.NoneType in kinds and folded(str(value)) in ("none", "off", "no", "false", "null"):
        return "none" if None in marks.words.off else None
    items, share = items_of(info.annotation), marks.hints.share
    if items is int:
        return _meant_widths(value)
    if items is float and (rates := _several(value)) is not None:
        meant = [_meant_number(rate, kinds, share=share) for rate in rates]
        return None if None in meant else ",".join(f"{rate:g}" for rate in meant)
    return _meant_number(value, kinds, share=share)


def _several(value: Any) -> list[Any] | None:
    """Rates for several layers, if ``value`` is that; ``0,3`` is one number with a comma."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str) and "," in value and not re.fullmatch(r"\s*0,\d+\s*", value):
        return value.split(",")
    return None


def _meant_number(value: Any, kinds: set[Any], *, share: bool) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value).strip()
    percent = text.endswith("%")
    text = text.removesuffix("%").strip()
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None
    if percent and not share:
        return None
    if share and (percent or (number.is_integer() and 5 <= number < 100)):
        number = float(f"{number / 100:.12g}")
    if int not in kinds:
        return number
    return int(number) if number.is_integer() else None


def _meant_widths(value: Any) -> str | None:
    """``64x3`` for ``64*3``, ``64 X 3`` or ``3x1024``; ``64,32`` for ``64 32``, ``64-32`` or ``[64, 32]``."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"\s*[*×xX]\s*", "x", value.strip(" []()"))
    parts = re.split(r"[\s,;/+-]+", text)
    swapped = [re.sub(r"(\d{1,2})x(\d{3,5})", r"\2x\1", part) for part in parts]
    return ",".join(swapped)


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
