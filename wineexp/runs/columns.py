"""A table of runs: its columns, each declared once for terminal, CSV, page and docs; rows filtered and sorted.

The spec's columns come from its fields, the metrics' from :class:`Metrics`: a new one is declared there alone.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wineexp.errors import RunError, SelectionError, nearest
from wineexp.listing import TARGET, Column, number, plain, sized
from wineexp.runs.record import EPOCH, Metrics
from wineexp.runs.run import Run
from wineexp.specs.parsing import FIELD_ALIASES, meaning_of, problem_of
from wineexp.specs.run_spec import VARIANT_FIELDS, RunSpec, optimizer_defaults
from wineexp.specs.wording import format_value
from wineexp.text import epoch_number

__all__ = [
    "COLUMNS",
    "FIELD_KEYS",
    "Condition",
    "damaged_row",
    "default_columns",
    "find_column",
    "parse_conditions",
    "row",
    "select",
    "sort_rows",
    "told_metrics",
]

Source = TypeVar("Source")

#: A spec's field -> the key of its column. Its ``loss`` is the name of a loss, a metric's ``loss`` its value.
FIELD_KEYS = {name: "loss_name" if name == "loss" else name for name in RunSpec.model_fields}


#: Other names of columns, for hints.
_ALIASES = {alias: FIELD_KEYS[field] for alias, field in FIELD_ALIASES.items()} | {
    "mae": "val_mae",
    "rmse": "val_rmse",
    "r2": "skill",
    "time": "seconds",
    "duration": "seconds",
    "state": "status",
    "date": "recorded",
}


def _fact(key: str, meaning: str, value: Callable[[Run], Any], text: Callable[[Any], str] = plain) -> Column[Run]:
    return Column(key, key, meaning, value, text)


def _field(name: str) -> Column[Run]:
    key = FIELD_KEYS[name]
    meaning = str(RunSpec.model_fields[name].description)
    # As in JSON: a list for a tuple, so that data and run.json agree.
    return Column(
        key, key.replace("_", " "), meaning, lambda run: _listed(getattr(run.record.spec, name)), format_value
    )


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _metric(name: str) -> Column[Run]:
    info = Metrics.model_fields[name]
    extra: dict[str, Any] = info.json_schema_extra  # type: ignore[assignment]
    value = lambda run: getattr(run.record.metrics, name)  # noqa: E731 - one expression, in its place
    form, unit, listed = extra["form"], extra["unit"], extra["listed"]
    about = name, str(info.title), str(info.description), value
    if unit == EPOCH:
        return Column(*about, _epoch(number(form)), listed)
    if not form.endswith("f"):
        return Column(*about, number(form), listed, unit)
    return Column(*about, sized(form), listed, unit, TARGET if unit == TARGET else "loss")


def _epoch(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """An epoch's number, counted from 1."""
    return lambda epoch: text(None if epoch is None else epoch_number(epoch))


def told_metrics(metrics: Metrics) -> dict[str, Any]:
    """All known metrics of a run, for people: an epoch under its heading, counted from 1."""
    told: dict[str, Any] = {}
    for name, value in metrics.model_dump(exclude_unset=True).items():
        info = Metrics.model_fields.get(name)  # a later version may have others
        extra: Any = info.json_schema_extra if info else None
        if info is not None and extra["unit"] == EPOCH and value is not None:
            told[str(info.title)] = epoch_number(value)
        else:
            told[name] = value
    return told


_FACTS: tuple[Column[Run], ...] = (
    _fact("run", "name of the run directory", lambda run: run.path.name),
    _fact("status", "done, failed, interrupted, or damaged", lambda run: run.status),
    _fact(
        "reason",
        "why it failed (diverged, error, timeout, killed), or is damaged",
        lambda run: run.record.reason,
    ),
    _fact("error", "first line of its error.txt", lambda run: run.record.error),
    _fact("label", "its name, or the settings that differ from the defaults", lambda run: run.label),
    _fact("kind", "kind of its table: red-wine, simulated or custom", lambda run: run.record.data.kind),
    _fact("source", "where the table came from", lambda run: run.record.data.source),
    _fact(
        "fingerprint",
        "first 8 characters of the fingerprint of its table's values",
        lambda run: run.record.data.fingerprint[:8],
    ),
    _fact("threads", "threads it was trained with", lambda run: run.record.environment.threads),
    _fact("device", "CPU, or the GPU that TensorFlow saw", lambda run: run.record.environment.device),
    _fact("seconds", "wall seconds of the whole run", lambda run: run.record.timing.run_seconds, number(".1f")),
    _fact("recorded", "when it was written, UTC", lambda run: run.record.recorded or None),
)

#: Key -> column: the run's identity, then the fields of its spec, then its metrics.
COLUMNS: dict[str, Column[Run]] = {
    column.key: column
    for column in (*_FACTS, *map(_field, RunSpec.model_fields), *map(_metric, Metrics.model_fields))
}


def find_column(name: str, columns: Iterable[Column[Source]]) -> Column[Source]:
    """The column with that key or heading (``val_mae``, ``val MAE``), else ``SelectionError`` with the nearest."""
    columns = list(columns)
    for spelling in (str, _folded):
        for column in columns:
            if spelling(name) in (spelling(column.key), spelling(column.heading)):
                return column
    legal = [column.key for column in columns]
    hint = nearest(name, legal, _ALIASES) or f"; the columns are {', '.join(legal)}"
    raise SelectionError(f"unknown column {name!r}{hint}")


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip()).lower()


Row = dict[str, Any]

_CONDITION = re.compile(r"\s*([^<>=!]+?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")

_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_FIELDS = {column: field for field, column in FIELD_KEYS.items()}

#: Fields with known possible values: any other value would match no run without saying why.
_CHECKED = frozenset(VARIANT_FIELDS) - {"target"}

#: The message for a condition that is only a column.
_UNQUOTED = "; quote a comparison, as in --where 'val_mae<0.6': the shell takes an unquoted < or > for redirection"


@dataclass(frozen=True)
class Condition:
    """``column operator value``: the condition that a run must meet to be listed."""

    column: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read ``dropout=0.3``, ``val_mae<0.6`` or ``status!=done``; raise ``SelectionError`` otherwise."""
        found = _CONDITION.fullmatch(text)
        if found is None:
            told = f"expected a condition such as dropout=0.3 or val_mae<0.6, found {text!r}"
            raise SelectionError(f"{told}{_UNQUOTED if _is_word(text) else ''}")
        name, comparison, value = found.groups()
        column = find_column(name, COLUMNS.values()).key
        if value[:1] in ("=", "<", ">"):
            meant = {"==": "=", "=<": "<=", "=>": ">=", "<>": "!="}.get(comparison + value[0])
            hint = f" (did you mean {name}{meant}{value[1:].strip()}?)" if meant else ""
            raise SelectionError(f"{text}: expected one of = != < <= > >=, found {comparison}{value[0]}{hint}")
        if comparison in _ORDERS and as_number(value) is None:
            raise SelectionError(f"{text}: expected a number after {comparison}, found {value!r}")
        if problem := _no_value_of(column, value):
            raise SelectionError(f"{text}: {problem}")
        return cls(column, comparison, value)

    @property
    def about_results(self) -> bool:
        """Whether it is about a run's results, not its spec."""
        return self.column in Metrics.model_fields or self.column == "seconds"

    def met(self, row: Row) -> bool:
        """Whether ``row`` meets it. A missing value is neither below nor above anything."""
        cell = row.get(self.column)
        if self.operator in _ORDERS:
            limit = as_number(self.value)
            known = isinstance(cell, (int, float)) and limit is not None
            return known and _ORDERS[self.operator](cell, limit)  # type: ignore[arg-type]
        return says_the_same(cell, self.value, _FIELDS.get(self.column)) == (self.operator == "=")


def parse_conditions(texts: str | Sequence[str]) -> list[Condition]:
    """Each text as a condition; a single string is one condition."""
    return [Condition.parse(text) for text in ([texts] if isinstance(texts, str) else texts)]


def row(run: Run) -> Row:
    """Every column of one run, None if it has no such value."""
    fields = {FIELD_KEYS[name]: _listed(value) for name, value in vars(run.record.spec).items()}  # most columns
    return fields | {key: column.value(run) for key, column in COLUMNS.items() if key not in fields}


def damaged_row(path: Path, error: RunError) -> Row:
    """The row of a damaged run: its name, ``damaged`` and why; it has no other columns."""
    return {"run": path.name, "status": "damaged", "reason": str(error).removeprefix(f"{path}/")}


def select(rows: Iterable[Row], conditions: Sequence[Condition]) -> list[Row]:
    """The rows that meet every condition, in their order."""
    return [row for row in rows if all(condition.met(row) for condition in conditions)]


def sort_rows(rows: Sequence[Row], column: str) -> list[Row]:
    """Sorted by a column, or in descending order by ``-column``; rows without a value come last."""
    key = find_column(column.removeprefix("-"), COLUMNS.values()).key
    known = [row for row in rows if row.get(key) is not None]
    numeric = all(isinstance(row[key], (int, float)) for row in known)
    known.sort(key=lambda row: row[key] if numeric else format_value(row[key]), reverse=column.startswith("-"))
    return known + [row for row in rows if row.get(key) is None]


def default_columns(rows: Sequence[Row]) -> list[Column[Run]]:
    """The run, its outcome, the settings that differ among ``rows``, and the main metrics."""

    def differ(key: str) -> bool:
        values = (row[key] for row in rows if key in row)
        distinct = {tuple(value) if isinstance(value, list) else value for value in values}
        return len(set(map(format_value, distinct))) > 1

    facts = [key for key in ("reason", "kind") if differ(key)]
    settings = [FIELD_KEYS[name] for name in VARIANT_FIELDS if differ(FIELD_KEYS[name])]
    of_classes = any(row.get("val_log_loss") is not None for row in rows)
    kinds = [False] * any(row.get("val_mae") is not None for row in rows) + [True] * of_classes or [False]

    def fits(key: str) -> bool:
        """Whether a metric is one of what the runs predict: numbers, or classes."""
        unit = (
            None if key not in Metrics.model_fields else ("mae" in key, "log_loss" in key or "error_rate" in key)
        )
        return unit in (None, (False, False)) or any(unit[kind] for kind in kinds)

    listed = sorted(
        (key for key, column in COLUMNS.items() if column.listed and fits(key)),
        key=lambda key: COLUMNS[key].listed,
    )
    return [COLUMNS[key] for key in ("run", "status", *facts, *settings, "seed", *listed, "seconds")]


def says_the_same(value: Any, text: str, field: str | None = None) -> bool:
    """Whether ``text`` means ``value``: ``0.30`` is 0.3; a field is parsed as by a flag or a config.

    ``64`` is one layer of 64 for ``widths``, like ``64x1``, and ``1024,1024,1024`` is ``1024x3``.
    """
    if format_value(value) == text:
        return True
    if field is not None:
        try:
            return bool(meaning_of(text, RunSpec.model_fields[field]) == _as_in_spec(value))
        except ValueError:
            pass  # such as 1e2 epochs, which is still a number
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == as_number(text)


def _as_in_spec(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _no_value_of(column: str, value: str) -> str | None:
    """Why no run can have ``value`` in ``column``, if that is known beforehand."""
    field = _FIELDS.get(column)
    if field in (own := optimizer_defaults({})) and value.lower() == "none":
        return f"every run has one; where none was given, it is the optimizer's own (adam: {own[field]:g})"
    if field in _CHECKED:
        return problem_of(value, RunSpec.model_fields[field])
    if column in Metrics.model_fields and value != "none" and as_number(value) is None:
        hint = f" (did you mean {FIELD_KEYS[column]}={value}?)" if column in FIELD_KEYS else ""
        return f"expected a number, found {value!r}{hint}"
    return None


def _is_word(text: str) -> bool:
    """Whether ``text`` may be what a shell left over from a comparison."""
    return re.fullmatch(r"\s*\w[\w -]*", text) is not None


def as_number(text: str) -> float | None:
    """``text`` as a number, or None."""
    try:
        return float(text)
    except ValueError:
        return None
