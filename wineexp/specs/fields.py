"""Types of the spec's fields: accepted spellings, canonical values, and facts about a type's values."""

from __future__ import annotations

import csv
import functools
import re
import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, get_args

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "BY_DEFAULT",
    "CLASS_SCORES",
    "JUDGED_BY",
    "MAX_LAYERS",
    "MAX_SEED_COUNT",
    "MAX_WIDTH",
    "MIN_SPLITS",
    "Column",
    "Columns",
    "Judge",
    "JudgedRows",
    "Label",
    "Patience",
    "Rates",
    "Real",
    "ScoreChoice",
    "Widths",
    "checked",
    "choices_of",
    "is_label",
    "is_legal",
    "items_of",
    "kinds_of",
    "label_of",
    "read_names",
    "read_seeds",
    "read_text",
]

MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_SEED = 2**31 - 1
MAX_SEED_COUNT = 10_000

#: With fewer splits, their variation is not known well enough for a verdict over them.
MIN_SPLITS = 5

#: What may be judged of the predictions: of numbers, and of classes.
Judge = Literal[
    "mae", "rmse", "mae_mc", "rmse_mc",
    "log_loss", "error_rate", "brier", "log_loss_mc", "error_rate_mc", "brier_mc",
]  # fmt: skip
JUDGED_BY = get_args(Judge)

#: Whose predictions are judged: the validation or the test rows.
JudgedRows = Literal["valid", "test"]


class ScoreChoice(NamedTuple):
    """What a user wants to be judged; the runs decide what, and on which rows, unless these are named."""

    judge: Judge | None = None
    rows: JudgedRows | None = None

    def fit(self, *, classes: bool) -> Judge:
        """The score of numbers, or of classes: the wanted one, else ``mae`` or ``log_loss``.

        Raises
        ------
        ValueError
            If the wanted one is of the other.
        """
        if self.judge is None:
            return "log_loss" if classes else "mae"
        legal = [name for name in JUDGED_BY if (name.removesuffix("_mc") in CLASS_SCORES) == classes]
        if self.judge not in legal:
            what = "classes" if classes else "numbers"
            raise ValueError(f"expected one of {', '.join(legal)}, as the runs predict {what}; found {self.judge}")
        return self.judge


#: The scores of predicted classes.
CLASS_SCORES: tuple[Judge, ...] = ("log_loss", "error_rate", "brier")

#: What is judged unless a user wants something else.
BY_DEFAULT = ScoreChoice()


_TIMES = re.compile(r"\s*(\d{1,9})\s*x\s*(\d{1,9})\s*")
_WHOLE = re.compile(r"\s*\d{1,9}\s*")


def _read_widths(value: object) -> object:
    """``1024x3``, ``512,256``, ``64`` or a list of such, as a tuple of layer sizes; ``none`` as an empty one."""
    if value is None or value == "none":
        return ()
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
            sizes += [width] * count if count else [part]
        elif isinstance(part, str) and _WHOLE.fullmatch(part):
            sizes.append(int(part))
        else:
            sizes.append(part)
    return tuple(sizes)


def label_of(number: float) -> str:
    """A number as a label: whole ones without a decimal point."""
    return f"{number:.0f}" if number % 1 == 0 else repr(float(number))


def _read_label(value: object) -> object:
    """A label as a table's are written, which YAML may read as a number or as true and false."""
    if isinstance(value, bool):
        return str(value)
    return label_of(value) if isinstance(value, (int, float)) else _read_none(value)


def _read_rates(value: object) -> object:
    """``0.3``, ``0.2,0.3`` or a list, as one rate if all are equal, else a tuple of rates."""
    if isinstance(value, str):
        try:
            value = [float(part) for part in value.split(",")]
        except ValueError:
            return value
        value = value[0] if len(value) == 1 else value
    if isinstance(value, (list, tuple)) and value:
        # One variant, one spelling: [0.3, 0.3] becomes 0.3, so that both have the same signature.
        same = len(set(map(repr, map(_as_float, value)))) == 1
        return _as_float(value[0]) if same else tuple(map(_as_float, value))
    return _as_float(value)


def _as_float(value: object) -> object:
    """An int as float, and -0.0 as 0.0, so that equal numbers have one canonical form."""
    return float(value) + 0.0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _read_none(value: object) -> object:
    """``none``, which YAML 1.2 reads as text, as None."""
    return None if value == "none" else value


def read_names(value: object) -> object:
    """``alcohol,pH``, ``alcohol`` or a list of names as a tuple, sorted; ``none`` as None.

    Text is a line of CSV: a name with a comma is in double quotes. In a list, names are unquoted.
    """
    if value is None or value == "none":
        return None
    if isinstance(value, str):
        try:
            value = next(csv.reader([value], skipinitialspace=True, strict=True))
        except (csv.Error, StopIteration):
            raise ValueError("expected names of columns") from None
    if not isinstance(value, (list, tuple)):
        return value
    if not value or not all(isinstance(name, str) for name in value) or len(set(value)) < len(value):
        raise ValueError("expected names of columns, each once")
    return tuple(sorted(value))  # the order in a table decides: two orders here are one spec


def is_label(value: object) -> bool:
    """Whether ``value`` can name a run, a study or a column: it goes to terminals, files and pictures."""
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _printable(value: str) -> str:
    if not is_label(value):
        raise ValueError("control characters")
    return value


_Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
_Rate = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]
_Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
_Names = Annotated[tuple[_Name, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})]

Widths = Annotated[tuple[_Width, ...], BeforeValidator(_read_widths)]
Rates = Annotated[_Rate | tuple[_Rate, ...], BeforeValidator(_read_rates)]
Patience = Annotated[int | None, BeforeValidator(_read_none)]
Real = Annotated[float, BeforeValidator(_as_float), Field(allow_inf_nan=False)]
Column = Annotated[_Name | None, BeforeValidator(_read_none)]
Label = Annotated[_Name | None, BeforeValidator(_read_label)]
Columns = Annotated[_Names | None, BeforeValidator(read_names)]


def read_text(text: Any, info: FieldInfo) -> Any:
    """``text`` converted to the field's type if possible, otherwise unchanged, for the spec to reject."""
    kinds = kinds_of(info.annotation)
    if not isinstance(text, str):
        return text
    if types.NoneType in kinds and text.lower() == "none":
        return None
    if items_of(info.annotation):  # its own reader accepts text
        return text
    if bool in kinds:
        return {"true": True, "false": False}.get(text.lower(), text)
    for kind in (int, float):
        if kind in kinds:
            try:
                return kind(text)
            except ValueError:
                return text
    return text


def kinds_of(annotation: Any) -> set[Any]:
    """The plain types within an annotation."""
    inner = typing.get_args(annotation)
    if not inner or typing.get_origin(annotation) is typing.Literal:
        return {annotation}
    return set().union(*(kinds_of(part) for part in inner if part is not Ellipsis))


def items_of(annotation: Any) -> type | None:
    """The items of a field that takes a list: int for sizes, float for rates, str for names; else None."""
    if typing.get_origin(annotation) is tuple:
        return next(kind for kind in (int, float, str) if kind in kinds_of(annotation))
    return next(filter(None, map(items_of, typing.get_args(annotation))), None)


def choices_of(annotation: Any) -> list[str]:
    """The values of a field that takes one of several words; empty for other fields."""
    if typing.get_origin(annotation) is not typing.Literal:
        return []
    return [str(choice) for choice in typing.get_args(annotation)]


@functools.lru_cache(maxsize=256)
def _checker(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # only for errors: `train --help` need not wait for it

    return TypeAdapter(kind, config=ConfigDict(strict=True))


def is_legal(value: Any, info: FieldInfo) -> bool:
    """Whether the field accepts ``value``, other fields aside."""
    try:
        checked(value, info)
    except ValidationError:
        return False
    return True


def checked(value: Any, info: FieldInfo) -> Any:
    """``value`` as a spec would hold it, other fields aside; ``ValidationError`` if it is invalid."""
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return _checker(kind).validate_python(value)


def read_seeds(value: Any, first: int = 0) -> list[int]:
    """The seeds that ``value`` stands for.

    Parameters
    ----------
    value : int or sequence of int
        How many seeds, starting at ``first``, or the seeds themselves.
    first : int

    Raises
    ------
    ValueError
        With the expected and the found value, for a message that names the place.
    """
    if _is_whole(value) and 1 <= value <= MAX_SEED_COUNT:
        if first + value - 1 <= MAX_SEED:
            return list(range(first, first + value))
        raise ValueError(f"expected seeds up to {MAX_SEED}; found {value} of them from {first} on")
    items = list(value) if isinstance(value, (list, tuple)) else []
    if items and all(_is_whole(item) and 0 <= item <= MAX_SEED for item in items):
        if len(set(items)) == len(items):
            return items
        raise ValueError("expected different seeds, found one twice")
    expected = f"expected how many (a whole number from 1 to {MAX_SEED_COUNT}) or a list of seeds"
    parts = value.split(",") if isinstance(value, str) and len(value) <= 80 else []
    meant = [int(part) for part in parts if part.strip().isdecimal()]
    hint = f" (did you mean {meant}?)" if len(meant) > 1 and len(meant) == len(parts) else ""
    raise ValueError(f"{expected}, found {value!r}{hint}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
