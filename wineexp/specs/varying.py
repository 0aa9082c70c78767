"""What tells specs apart: the settings that differ among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wineexp.specs.run_spec import RunSpec

__all__ = ["varying", "without_seed"]


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
