"""The spec's fields that name columns of the table: how names are read, and which of them go together."""

from __future__ import annotations

import csv
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from wineexp.specs.fields import OF_THE_FEATURES, OF_THE_ROWS, is_label, read_none, spec_field

__all__ = [
    "DROP",
    "ENCODE",
    "FEATURES",
    "GROUP",
    "NAME_LISTS",
    "Column",
    "Columns",
    "check_columns",
    "is_name",
    "read_names",
]


#: Fields that hold several names.
NAME_LISTS = ("features", "drop")


def read_names(value: object) -> object:
    """``alcohol,pH``, ``alcohol`` or a list of names as a tuple, sorted; ``none`` as None.

    Text is a line of CSV: a name with a comma stands in double quotes. In a list names are as they are.
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


def is_name(value: object) -> bool:
    """Whether a column can be named so in a spec."""
    return is_label(value)


def _named(value: str) -> str:
    if not is_name(value):
        raise ValueError("control characters")
    return value


_Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_named)]

Column = Annotated[_Name | None, BeforeValidator(read_none)]
_Names = Annotated[tuple[_Name, ...], Field(min_length=1, json_schema_extra={"uniqueItems": True})]
Columns = Annotated[_Names | None, BeforeValidator(read_names)]

_NAMES = "one or more names of columns, each once, such as alcohol,pH; or none"

FEATURES: Any = spec_field(
    None, "columns to predict from, in the table's order; none takes all but the target and the group", _NAMES,
    later=True, free=OF_THE_FEATURES,
)  # fmt: skip
DROP: Any = spec_field(
    None, "columns to leave out of the features; instead of features", _NAMES, later=True, free=OF_THE_FEATURES
)
ENCODE: Any = spec_field(
    "none",
    "text among the features: none refuses it, onehot makes a feature of 0 and 1 for each category",
    "none or onehot",
    later=True,
    free=OF_THE_FEATURES | {"constant"},
)
GROUP: Any = spec_field(
    None, "column whose values stay on one side with split grouped", "the name of a column, or none", later=True,
    free=OF_THE_ROWS, needs=("split",),
)  # fmt: skip


def check_columns(
    target: str, features: tuple[str, ...] | None, drop: tuple[str, ...] | None, group: str | None, split: str
) -> None:
    """Raise ``ValueError`` where names of columns do not go together."""
    if features is not None and drop is not None:
        raise ValueError("features: expected either features or drop, found both")
    for field, names in {"features": features, "drop": drop, "group": (group,)}.items():
        if target in (names or ()):
            raise ValueError(f"{field}: expected columns beside the target; found {target!r}")
    if group is not None and split != "grouped":
        raise ValueError(f"group: expected with split grouped; found {group!r} with split {split}")
