"""The columns of a table of runs, each declared once: for terminal, CSV, page, docs, ``--where``, ``--sort``.

The spec's columns come from its fields, the metrics' from :class:`Metrics`: a new one is declared there alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from wineexp.errors import SelectionError, nearest
from wineexp.listing import TARGET, Column, number, plain, sized
from wineexp.runs.record import EPOCH, Metrics
from wineexp.runs.run import Run
from wineexp.specs.hints import FIELD_ALIASES
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value
from wineexp.text import epoch_number

__all__ = ["COLUMNS", "FIELD_KEYS", "find_column", "told_metrics"]

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
        "how the fingerprint of its table's values begins",
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
    hint = nearest(name, legal, _ALIASES) or f"; there are {', '.join(legal)}"
    raise SelectionError(f"unknown column {name!r}{hint}")


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name.strip()).lower()
