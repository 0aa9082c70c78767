"""Many runs as rows of a table: filtered, sorted, with the columns that tell them apart."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wineexp.errors import SelectionError, nearest
from wineexp.runs.directory import Run
from wineexp.specs.run_spec import RunSpec, format_value

__all__ = ["FIELDS", "Condition", "default_columns", "row", "row_of", "select", "sort_rows"]

Row = dict[str, Any]

#: What a run is known by beside its spec and metrics.
FACTS = ("run", "status", "reason", "error", "label", "kind", "source", "threads", "device", "seconds", "recorded")

#: Metrics that are shown unless columns are chosen.
SHOWN = ("val_mae", "val_mae_se", "skill", "train_mae", "best_epoch")

#: Every metric of a finished run, as in run.json.
METRICS = (
    "loss", "val_loss", "best_val_loss", "best_epoch", "last10_val_loss", "train_mae", "val_mae", "val_mae_se",
    "val_rmse", "baseline_mae", "baseline_loss", "skill", "val_mae_twins", "val_mae_unseen",
)  # fmt: skip

#: A spec's ``loss`` is the name of a loss and a metric's its value; the spec's goes by this name.
LOSS_NAME = "loss_name"

#: The spec's columns.
FIELDS = tuple(LOSS_NAME if name == "loss" else name for name in RunSpec.model_fields)

COLUMNS = (*FACTS, *FIELDS, *METRICS)

_CONDITION = re.compile(r"\s*(\w+)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """``column operator value``: what a run must meet to be listed."""

    column: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read ``dropout=0.3``, ``val_mae<0.6`` or ``status!=done``; raise ``SelectionError`` otherwise."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            raise SelectionError(f"expected a condition such as dropout=0.3 or val_mae<0.6, found {text!r}")
        column, comparison, value = found.groups()
        check_column(column)
        if comparison in _ORDERS and _number(value) is None:
            raise SelectionError(f"{text}: expected a number after {comparison}, found {value!r}")
        return cls(column, comparison, value)

    def met(self, row: Row) -> bool:
        """Whether ``row`` meets it. What a run does not have is neither below nor above anything."""
        cell = row.get(self.column)
        if self.operator in _ORDERS:
            number = _number(self.value)
            known = isinstance(cell, (int, float)) and number is not None
            return known and _ORDERS[self.operator](cell, number)  # type: ignore[arg-type]
        return (format_value(cell) == self.value or _same_number(cell, self.value)) == (self.operator == "=")


def check_column(name: str) -> str:
    """``name`` if there is such a column, else ``SelectionError`` with the nearest."""
    if name not in COLUMNS:
        raise SelectionError(f"unknown column {name!r}{nearest(name, COLUMNS)}; there are {', '.join(COLUMNS)}")
    return name


def row(run: Run) -> Row:
    """Every column of one run, None where it has no such value."""
    return row_of(run.path.name, run.record)


def row_of(name: str, record: dict[str, Any]) -> Row:
    """As :func:`row`, of a record that need not come from a directory."""
    spec, metrics = record["spec"], record.get("metrics") or {}
    data, environment = record.get("data") or {}, record.get("environment") or {}
    found = {
        "run": name, "status": record.get("status"), "reason": record.get("reason"),
        "error": record.get("error"), "label": record.get("label"), "kind": data.get("kind"),
        "source": data.get("source"), "threads": environment.get("threads"), "device": environment.get("device"),
        "seconds": (record.get("timing") or {}).get("run_seconds"), "recorded": record.get("recorded"),
        **{LOSS_NAME if name == "loss" else name: value for name, value in spec.items()}, **metrics,
    }  # fmt: skip
    return {name: found.get(name) for name in COLUMNS}


def select(rows: Iterable[Row], conditions: Sequence[Condition]) -> list[Row]:
    """The rows that meet every condition, in their order."""
    return [row for row in rows if all(condition.met(row) for condition in conditions)]


def sort_rows(rows: Sequence[Row], column: str) -> list[Row]:
    """Sorted by a column, or the other way round by ``-column``; rows without a value come last."""
    name = check_column(column.removeprefix("-"))
    known = [row for row in rows if row[name] is not None]
    numeric = all(isinstance(row[name], (int, float)) for row in known)
    known.sort(key=lambda row: row[name] if numeric else format_value(row[name]), reverse=column.startswith("-"))
    return known + [row for row in rows if row[name] is None]


def default_columns(rows: Sequence[Row]) -> list[str]:
    """The run, what became of it, the settings that differ among ``rows``, and the main metrics."""
    fields = [name for name in FIELDS if name not in ("seed", "name")]
    differing = [name for name in fields if len({format_value(row[name]) for row in rows}) > 1]
    facts = [name for name in ("reason", "kind") if len({row[name] for row in rows}) > 1]
    return ["run", "status", *facts, *differing, "seed", *SHOWN, "seconds"]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _same_number(cell: Any, text: str) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool) and cell == _number(text)
