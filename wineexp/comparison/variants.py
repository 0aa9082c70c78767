"""Saved runs grouped into variants: all seeds of one spec, with the settings that tell it apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wineexp.comparison.statistics import Difference, compare_errors
from wineexp.runs.reader import Saved
from wineexp.specs.run_spec import RunSpec, format_value
from wineexp.specs.varying import varying, without_seed

__all__ = ["Variant", "group", "listed", "order", "val_mae"]

Floats = npt.NDArray[np.floating[Any]]


#: Up to so many settings, a label tells each of them.
MAX_TOLD = 2


@dataclass(frozen=True)
class Variant:
    """All seeds of one spec, or one CSV of which nothing is known.

    Attributes
    ----------
    label : str
        The name, if there is one, and the settings that differ among the variants compared.
    settings : dict
        Those settings as a config has them: field to text.
    spec : RunSpec or None
        With seed 0 and no name; None for a CSV that stands alone.
    runs : tuple of Saved
        The finished ones, by seed.
    unfinished : tuple of Saved
        Those that failed or were interrupted: listed, never ranked.
    """

    label: str
    settings: dict[str, str]
    spec: RunSpec | None
    runs: tuple[Saved, ...]
    unfinished: tuple[Saved, ...] = ()

    @property
    def name(self) -> str | None:
        """The name that its runs carry, if they agree on one."""
        names = {run.spec.name for run in (*self.runs, *self.unfinished) if run.spec is not None}
        return names.pop() if len(names) == 1 else None

    @property
    def judged(self) -> bool:
        """Whether there is something to judge: finished runs, all with their predictions."""
        return bool(self.runs) and all(run.predictions is not None for run in self.runs)

    @cached_property
    def errors(self) -> dict[int, Floats]:
        """Seed -> absolute errors, shape (validation rows,), in the order of the table's rows."""
        found = {}
        for run in self.runs:
            assert run.predictions is not None
            assert run.spec is not None
            table = run.predictions.sort_values("row")
            found[run.spec.seed] = np.abs((table["actual"] - table["predicted"]).to_numpy(np.float64))
        return found

    def mean(self, metric: str) -> float | None:
        """The mean of a metric over the finished seeds; None where a run has none."""
        values = [run.metrics.get(metric) for run in self.runs]
        known = [float(value) for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None

    def error_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the mean absolute error over seeds and rows; an error is never below 0."""
        if self.error is None:
            return None
        low, high = self.error.interval()
        return max(0.0, low), high

    @cached_property
    def error(self) -> Difference | None:
        """The mean absolute error with what is known of it, over seeds and rows."""
        return compare_errors(np.stack(list(self.errors.values()))) if self.judged else None


def group(runs: Sequence[Saved]) -> list[Variant]:
    """The variants in the order of their settings, so that order and colours do not hang on the call."""
    together: dict[RunSpec | Path, list[Saved]] = {}
    for run in runs:
        together.setdefault(without_seed(run.spec) if run.spec else run.path, []).append(run)
    specs = [key for key in together if isinstance(key, RunSpec)]
    fields = varying(specs)
    variants = []
    for key, same in together.items():
        spec = key if isinstance(key, RunSpec) else None
        done = sorted((run for run in same if run.status == "done"), key=_seed)
        rest = sorted((run for run in same if run.status != "done"), key=_seed)
        settings = {field: format_value(getattr(spec, field)) for field in fields} if spec else {}
        found = Variant("", settings, spec, tuple(done), tuple(rest))
        variants.append(replace(found, label=_label(found, same[0])))
    variants.sort(key=lambda variant: _rank(variant, fields))
    return _distinct(variants)


def _seed(run: Saved) -> int:
    return run.spec.seed if run.spec else 0


def _label(variant: Variant, run: Saved) -> str:
    if variant.spec is None:
        return run.label
    told = variant.settings
    if len(told) > MAX_TOLD:  # of many, those that differ from the defaults, as in a directory's name
        own = variant.spec.differing()
        told = {field: value for field, value in told.items() if field in own}
    settings = ", ".join(value if field == "widths" else f"{field} {value}" for field, value in told.items())
    settings = settings or ("plain" if variant.settings else "")
    if variant.name is None:
        return settings or variant.spec.label()
    return f"{variant.name} ({settings})" if settings else variant.name


def _distinct(variants: list[Variant]) -> list[Variant]:
    """Labels that tell the variants apart; CSVs of one name are numbered."""
    seen: dict[str, int] = {}
    found = []
    for variant in variants:
        seen[variant.label] = seen.get(variant.label, 0) + 1
        number = seen[variant.label]
        found.append(variant if number == 1 else replace(variant, label=f"{variant.label} #{number}"))
    return found


def _rank(variant: Variant, fields: Sequence[str]) -> tuple[Any, ...]:
    if variant.spec is None:
        return (1, variant.label)
    return (0, *(order(field, getattr(variant.spec, field)) for field in fields))


def order(field: str, value: Any) -> tuple[Any, ...]:
    """The value's place among others of its field: numbers by size, names as they are listed."""
    annotation = RunSpec.model_fields[field].annotation
    choices = getattr(annotation, "__args__", ())
    if isinstance(value, str):
        return (1, choices.index(value) if value in choices else 0, value)
    if isinstance(value, tuple):
        return (2, *value)
    return (0, -1.0 if value is None else float(value))


def val_mae(variant: Variant) -> float:
    """What variants are sorted by: the mean val MAE, infinite where it is not known."""
    value = variant.mean("val_mae")
    return float("inf") if value is None else value


def listed(names: Sequence[str], most: int = 5) -> str:
    """Some of the labels, and how many there are beside."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return "; ".join(names[:most]) + more
