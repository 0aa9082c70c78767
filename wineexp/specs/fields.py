"""Building blocks of the spec's fields: accepted spellings, valid values, and errors for invalid ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic.fields import FieldInfo

from wineexp.errors import nearest
from wineexp.specs.keras_names import ACTIVATIONS, OPTIMIZERS, WEIGHT_DECAYS
from wineexp.specs.wording import format_widths

__all__ = [
    "MAX_LAYERS",
    "MAX_SEED",
    "MAX_WIDTH",
    "MIN_SPLITS",
    "Rates",
    "Real",
    "Widths",
    "check_rates",
    "check_shares",
    "is_label",
    "optimizer_defaults",
    "problems",
    "spec_field",
]

MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_SEED = 2**31 - 1

#: With fewer splits, how much they differ is not known well enough for a verdict over them.
MIN_SPLITS = 5

_TIMES = re.compile(r"\s*(\d{1,9})\s*x\s*(\d{1,9})\s*")
_WHOLE = re.compile(r"\s*\d{1,9}\s*")


def _read_widths(value: object) -> object:
    """``1024x3``, ``512,256``, ``64`` or a list of such, as a tuple of layer sizes."""
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, int) and not isinstance(parts, bool):
        parts = [parts]
    if not isinstance(parts, (list, tuple)):
        return value
    sizes: list[object] = []
    for part in parts:
        if isinstance(part, str) and (times := _TIMES.fullmatch(part)):
            width, count = int(times[1]), int(times[2])
            if count > MAX_LAYERS:  # checked before the list is made: `1024x999999999` costs nothing
                raise ValueError(f"at most {MAX_LAYERS} hidden layers, found {part.strip()!r}")
            sizes += [width] * count
        elif isinstance(part, str) and _WHOLE.fullmatch(part):
            sizes.append(int(part))
        else:
            sizes.append(part)
    return tuple(sizes)


def _read_rates(value: object) -> object:
    """``0.3``, ``0.2,0.3`` or a list, as one rate where all are equal, else a tuple of rates."""
    if isinstance(value, str):
        try:
            value = [float(part) for part in value.split(",")]
        except ValueError:
            return value
        value = value[0] if len(value) == 1 else value
    if isinstance(value, (list, tuple)) and value:
        # One variant, one spelling: [0.3, 0.3] is 0.3, so that both have the same signature.
        same = len(set(map(repr, map(_as_float, value)))) == 1
        return _as_float(value[0]) if same else tuple(map(_as_float, value))
    return _as_float(value)


def _as_float(value: object) -> object:
    """An int as float, and -0.0 as 0.0, so that equal numbers have one canonical form."""
    return float(value) + 0.0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


_Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
_Rate = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]

Widths = Annotated[tuple[_Width, ...], BeforeValidator(_read_widths)]
Rates = Annotated[_Rate | tuple[_Rate, ...], BeforeValidator(_read_rates)]
Real = Annotated[float, BeforeValidator(_as_float), Field(allow_inf_nan=False)]


def optimizer_defaults(values: Mapping[str, Any]) -> dict[str, float]:
    """Keras's values for what depends on the optimizer and is not given.

    Written into the spec at once: a later Keras with other defaults must not change what it means.
    """
    optimizer = str(values.get("optimizer", "adam"))
    if optimizer not in OPTIMIZERS:
        return {}
    defaults = {"learning_rate": OPTIMIZERS[optimizer], "weight_decay": WEIGHT_DECAYS.get(optimizer, 0.0)}
    return {name: default for name, default in defaults.items() if values.get(name) is None}


def is_label(value: object) -> bool:
    """Whether ``value`` can name a run or a study: it goes to terminals, files and pictures."""
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def spec_field(
    default: Any, meaning: str, expected: str, *, cosmetic: bool = False, later: bool = False, **limits: Any
) -> Any:
    """A field with its one-line meaning and a description of its valid values, used in every error.

    ``cosmetic``: does not affect results, so it is left out of signatures and comparisons. ``later``: added
    after 0.1.0; at its default it is left out of the signature, so that earlier runs keep theirs.
    """
    marks = {"cosmetic": cosmetic, "later": later}
    extra: Any = {"expected": expected, **{mark: True for mark, given in marks.items() if given}}
    return Field(default=default, description=meaning, json_schema_extra=extra, **limits)


def problems(
    error: ValidationError, values: Mapping[str, Any], fields: Mapping[str, FieldInfo]
) -> list[tuple[str, str]]:
    """Pydantic's errors as one (field, "expected ...; found ...") per field, in field order."""
    found: dict[str, str] = {}
    for item in error.errors(include_url=False):
        if not item["loc"]:  # a check over several fields, whose message starts with the field
            field, _, text = str(item["ctx"]["error"]).partition(": ")
        else:
            field = str(item["loc"][0])
            text = _expected(field, values, fields[field])
        found.setdefault(field, text)
    return [(field, found[field]) for field in fields if field in found]


def _expected(field: str, values: Mapping[str, Any], info: FieldInfo) -> str:
    extra = info.json_schema_extra
    expected = extra["expected"] if isinstance(extra, dict) else ""
    value = values.get(field)
    legal = {"activation": ACTIVATIONS, "optimizer": tuple(OPTIMIZERS)}.get(field, ())
    hint = nearest(value, legal) if isinstance(value, str) and legal else ""
    if legal and not hint:
        expected = f"{expected}: {', '.join(legal)}"
    if field == "bn" and value in ("no", "off", "false", False):
        hint = " (did you mean 'none'?)"
    shown = repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    return f"expected {expected}; found {shown if len(shown) <= 80 else shown[:77] + '...'}{hint}"


def check_rates(dropout: float | tuple[float, ...], widths: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless there is one rate, or one for each hidden layer."""
    if isinstance(dropout, tuple) and len(dropout) != len(widths):
        raise ValueError(
            f"dropout: expected one rate or {len(widths)}, one for each hidden layer of "
            f"{format_widths(widths)}; found {len(dropout)} rates: {', '.join(f'{rate:g}' for rate in dropout)}"
        )


def check_shares(train: float, test: float) -> None:
    """Raise ``ValueError`` where training and test rows leave none to validate."""
    if test and train + test >= 1:
        raise ValueError(
            f"test_fraction: expected less than 1 - train_fraction, {1 - train:g}, so that rows are left to "
            f"validate; found {test:g}"
        )
