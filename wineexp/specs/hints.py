"""What was likely meant by a value that is not legal: another case, percent, another tool's word. Only told."""

from __future__ import annotations

import re
import types
from typing import Any

from pydantic.fields import FieldInfo

from wineexp.errors import closest, folded
from wineexp.specs.aliases import VALUE_ALIASES
from wineexp.specs.column_fields import NAME_LISTS
from wineexp.specs.fields import choices_of, is_legal, kinds_of

__all__ = ["RUN_KEYS", "STUDY_KEYS", "value_hint"]

STUDY_KEYS = ("name", "defaults", "seeds", "runs", "grid", "split_seeds", "margin", "looks", "look_weights")

#: Keys that make a mapping a study; without any of them it is one run, whose ``name`` names the run.
RUN_KEYS = tuple(key for key in STUDY_KEYS if key != "name")


#: Fields that people also give in percent.
_SHARES = ("dropout", "bn_momentum", "train_fraction", "test_fraction")

#: What `true` may stand for where it is a choice of several.
_SWITCHED_ON = {"bn": "'before' or 'after'", "scale": "'standard' or 'minmax'"}

_BOOLEANS = {"yes": True, "y": True, "on": True, "1": True, "no": False, "n": False, "off": False, "0": False}


def value_hint(field: str, value: Any, info: FieldInfo) -> str:
    """Return `` (did you mean 0.3?)``, where a legal value is likely meant by ``value``, or an empty string."""
    several = isinstance(value, (list, tuple)) or (isinstance(value, str) and "," in value)
    if field in ("seed", "split_seed") and several:
        return f" (several are {field}s, in a study{', or train --seeds' if field == 'seed' else ''})"
    if field in _SWITCHED_ON and folded(str(value)) in ("true", "yes", "on", "1"):
        return f" (did you mean {_SWITCHED_ON[field]}?)"
    if field == "drop" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return f" (did you mean dropout: {value:g}?)"
    if isinstance(value, list) and field not in ("widths", "dropout", *NAME_LISTS):
        return " (several values to compare stand under grid)"
    if len(str(value)) > 200:  # nobody typed that
        return ""
    meant = _meant(field, value, info)
    if meant is None or not is_legal(meant, info):
        return ""
    return f" (did you mean {str(meant).lower() if isinstance(meant, bool) else repr(meant)}?)"


def _meant(field: str, value: Any, info: FieldInfo) -> Any:
    """A value like ``value`` that may be legal: another case, percent, a decimal comma, another tool's word."""
    kinds, choices = kinds_of(info.annotation), choices_of(info.annotation)
    if choices:
        return closest("null" if value is None else str(value), choices, VALUE_ALIASES.get(field))
    if bool in kinds:
        return _BOOLEANS.get(folded(str(value)))
    if types.NoneType in kinds and folded(str(value)) in ("none", "off", "no", "false", "null"):
        return "none" if field in ("patience", "group", *NAME_LISTS) else None
    if field == "widths":
        return _meant_widths(value)
    if field == "dropout" and (rates := _several(value)) is not None:
        meant = [_meant_number(field, rate, kinds) for rate in rates]
        return None if None in meant else ",".join(f"{rate:g}" for rate in meant)
    return _meant_number(field, value, kinds)


def _several(value: Any) -> list[Any] | None:
    """Rates for several layers, where they are that; ``0,3`` is one number with a comma."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, str) and "," in value and not re.fullmatch(r"\s*0,\d+\s*", value):
        return value.split(",")
    return None


def _meant_number(field: str, value: Any, kinds: set[Any]) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = str(value).strip()
    percent = text.endswith("%")
    text = text.removesuffix("%").strip()
    try:
        number = float(text.replace(",", ".") if text.count(",") == 1 and "." not in text else text)
    except ValueError:
        return None
    if percent and field not in _SHARES:
        return None
    if field in _SHARES and (percent or (number.is_integer() and 5 <= number < 100)):
        number = float(f"{number / 100:.12g}")
    if int not in kinds:
        return number
    return int(number) if number.is_integer() else None


def _meant_widths(value: Any) -> str | None:
    """``64x3`` of ``64*3``, ``64 X 3`` or ``3x1024``; ``64,32`` of ``64 32``, ``64-32`` or ``[64, 32]``."""
    if not isinstance(value, str):
        return None
    text = re.sub(r"\s*[*×xX]\s*", "x", value.strip(" []()"))
    parts = re.split(r"[\s,;/+-]+", text)
    swapped = [re.sub(r"(\d{1,2})x(\d{3,5})", r"\2x\1", part) for part in parts]
    return ",".join(swapped)
