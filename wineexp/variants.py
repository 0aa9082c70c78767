"""What tells specs apart: the settings that differ among them, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from wineexp.spec import RunSpec, format_widths

__all__ = ["setting", "varying", "without_seed"]


def without_seed(spec: RunSpec) -> RunSpec:
    """What all seeds of a variant have in common: the spec with seed 0 and no name."""
    return spec.model_copy(update={"seed": 0, "name": None})


def varying(specs: Iterable[RunSpec]) -> list[str]:
    """The fields, in their order, whose values are not the same in all ``specs``; seed and name left out."""
    values: dict[str, set[Any]] = {name: set() for name in RunSpec.model_fields if name not in ("seed", "name")}
    for spec in specs:
        for name, seen in values.items():
            seen.add(getattr(spec, name))
    return [name for name, seen in values.items() if len(seen) > 1]


def setting(spec: RunSpec, field: str) -> str:
    """The value of one field, as a person would write it in a config."""
    value = getattr(spec, field)
    if field == "widths":
        return format_widths(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(f"{item:g}" for item in value)
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)
