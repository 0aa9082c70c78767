"""Building blocks of the spec's fields: accepted spellings, valid values, and errors for invalid ones."""

from __future__ import annotations

import functools
import itertools
import re
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from wineexp.specs.keras_names import OPTIMIZERS, WEIGHT_DECAYS
from wineexp.specs.wording import format_widths

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = [
    "MAX_LAYERS",
    "MAX_SEED",
    "MAX_SEED_COUNT",
    "MAX_WIDTH",
    "MIN_SPLITS",
    "OF_THE_BATCHES",
    "OF_THE_FEATURES",
    "OF_THE_LOOP",
    "OF_THE_MODEL",
    "OF_THE_ROWS",
    "PRECISION",
    "Marks",
    "Part",
    "Patience",
    "Rates",
    "Real",
    "Widths",
    "check_precision",
    "check_rates",
    "check_shares",
    "checked",
    "choices_of",
    "is_label",
    "is_legal",
    "kinds_of",
    "marks_of",
    "optimizer_defaults",
    "read_none",
    "read_seeds",
    "read_text",
    "spec_field",
]

MAX_LAYERS = 100
MAX_WIDTH = 65_536
MAX_SEED = 2**31 - 1

#: With fewer splits, how much they differ is not known well enough for a verdict over them.
MIN_SPLITS = 5

#: Values of a hidden layer's kernel from which bfloat16 saves time: at 256x256 an epoch takes 0.95 of float32's
#: time, at 128x128 it takes 1.3 times as long (AMD EPYC, Zen 4, one thread).
BFLOAT16_KERNEL = 256 * 256

#: What a field may decide, and be declared free of.
#: shape: what one compiled epoch is made of; table: whether a spec can be trained on a table, and on how many
#: features; rows: which rows are judged, and on what; constant: the loss of the best constant on those rows.
Part = Literal["shape", "table", "rows", "constant"]

#: Layers and steps: they take rows as they come.
OF_THE_MODEL: frozenset[Part] = frozenset({"table", "rows", "constant"})

#: As those, but a table may be too small for them: a batch of one row cannot be normalized.
OF_THE_BATCHES: frozenset[Part] = frozenset({"rows", "constant"})

#: Seeds and rates that a graph takes as input, and the loop around the epoch: nothing is compiled of them either.
OF_THE_LOOP: frozenset[Part] = OF_THE_MODEL | {"shape"}

#: Which rows stand on which side: the epoch takes them as input.
OF_THE_ROWS: frozenset[Part] = frozenset({"shape"})

#: The features, not the rows: the epoch is made for their number, the rows stay as they are.
OF_THE_FEATURES: frozenset[Part] = frozenset({"rows"})

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


def read_none(value: object) -> object:
    """``none``, which YAML 1.2 reads as text, as None."""
    return None if value == "none" else value


_Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
_Rate = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]

Widths = Annotated[tuple[_Width, ...], BeforeValidator(_read_widths)]
Rates = Annotated[_Rate | tuple[_Rate, ...], BeforeValidator(_read_rates)]
Patience = Annotated[int | None, BeforeValidator(read_none)]
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


def read_text(field: str, text: Any, info: FieldInfo) -> Any:
    """``text`` converted to the field's type if possible, otherwise unchanged, for the spec to reject."""
    kinds = kinds_of(info.annotation)
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


def kinds_of(annotation: Any) -> set[Any]:
    """The plain types within an annotation."""
    inner = typing.get_args(annotation)
    if not inner or typing.get_origin(annotation) is typing.Literal:
        return {annotation}
    return set().union(*(kinds_of(part) for part in inner if part is not Ellipsis))


def choices_of(annotation: Any) -> list[str]:
    """The values of a field that is one of several words, else none."""
    return (
        [str(choice) for choice in typing.get_args(annotation)]
        if typing.get_origin(annotation) is typing.Literal
        else []
    )


@functools.lru_cache(maxsize=256)
def _checker(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # for errors alone: `train --help` need not wait for it

    return TypeAdapter(kind, config=ConfigDict(strict=True))


def is_legal(value: Any, info: FieldInfo) -> bool:
    """Whether the field takes ``value``, other fields aside."""
    try:
        checked(value, info)
    except ValidationError:
        return False
    return True


def checked(value: Any, info: FieldInfo) -> Any:
    """``value`` as a spec would hold it, other fields aside; ``ValidationError`` where it is none."""
    kind: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return _checker(kind).validate_python(value)


def is_label(value: object) -> bool:
    """Whether ``value`` can name a run or a study: it goes to terminals, files and pictures."""
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


@dataclass(frozen=True)
class Marks:
    """What the program is told of a field, beside its type; see :func:`spec_field`."""

    cosmetic: bool = False
    recording: bool = False
    later: bool = False
    free: frozenset[Part] = frozenset()
    needs: tuple[str, ...] = ()


def spec_field(
    default: Any,
    meaning: str,
    expected: str,
    *,
    cosmetic: bool = False,
    recording: bool = False,
    later: bool = False,
    free: Collection[Part] = (),
    needs: tuple[str, ...] = (),
    **limits: Any,
) -> Any:
    """A field with its one-line meaning and a description of its valid values, used in every error.

    Parameters
    ----------
    cosmetic : bool
        It affects neither what is trained nor what is recorded of it: a label.
    recording : bool
        It affects what is recorded, not what is trained: a run that has it stands for one without.
    later : bool
        Added after 0.1.0; at its default it is left out of the signature, so that earlier runs keep theirs.
    free : collection of {"shape", "table", "rows", "constant"}
        What it decides nothing of: one of the groups above. A field that is declared free of nothing decides all.
    needs : tuple of str
        Other fields: while all of them keep their defaults, which switch them off, this one has no effect.
    """
    extra: Any = {"expected": expected, "marks": Marks(cosmetic, recording, later, frozenset(free), needs)}
    return Field(default=default, description=meaning, json_schema_extra=extra, **limits)


def marks_of(info: FieldInfo) -> Marks:
    """The marks of a field of the spec."""
    extra: Any = info.json_schema_extra
    marks: Marks = extra["marks"]
    return marks


def check_rates(dropout: float | tuple[float, ...], widths: tuple[int, ...]) -> None:
    """Raise ``ValueError`` unless there is one rate, or one for each hidden layer."""
    if isinstance(dropout, tuple) and len(dropout) != len(widths):
        raise ValueError(
            f"dropout: expected one rate or {len(widths)}, one for each hidden layer of "
            f"{format_widths(widths)}; found {len(dropout)} rates: {', '.join(f'{rate:g}' for rate in dropout)}"
        )


PRECISION: Any = spec_field(
    "float32",
    "numbers between hidden layers; mixed_bfloat16 rounds more and is faster, on processors that have it",
    "float32 or mixed_bfloat16",
    later=True,
    free=OF_THE_MODEL,
)


def check_precision(precision: str, widths: tuple[int, ...]) -> None:
    """Raise ``ValueError`` where bfloat16 would take longer than float32 on any processor known."""
    largest = max((one * other for one, other in itertools.pairwise(widths)), default=0)
    if precision != "float32" and largest < BFLOAT16_KERNEL:
        raise ValueError(
            f"precision: expected float32 for {format_widths(widths)}, where {precision} would be slower: it pays "
            "from two hidden layers of 256 one after the other; found " + precision
        )


def check_shares(train: float, test: float) -> None:
    """Raise ``ValueError`` where training and test rows leave none to validate."""
    if test and train + test >= 1:
        raise ValueError(
            f"test_fraction: expected less than 1 - train_fraction, {1 - train:g}, so that rows are left to "
            f"validate; found {test:g}"
        )


MAX_SEED_COUNT = 10_000


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
        With what was expected and what was found, for a message that names the place.
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
    told = f"expected how many (a whole number from 1 to {MAX_SEED_COUNT}) or a list of seeds"
    parts = value.split(",") if isinstance(value, str) and len(value) <= 80 else []
    meant = [int(part) for part in parts if part.strip().isdecimal()]
    hint = f" (did you mean {meant}?)" if len(meant) > 1 and len(meant) == len(parts) else ""
    raise ValueError(f"{told}, found {value!r}{hint}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
