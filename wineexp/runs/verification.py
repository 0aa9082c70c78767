"""Are a record's figures those of its files, and of its table? What can be computed is computed, not believed.

Every record is compared with its own files. One of an earlier version, which has no checksum, is also compared
with the table, if that is at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.facts import TableFacts
from wineexp.data.scaling import TargetScaling
from wineexp.data.sources import at_hand
from wineexp.data.split import Split, split_table, table_facts
from wineexp.data.table import Table, is_recorded
from wineexp.errors import DataError, RunError
from wineexp.runs.metrics import baseline_loss, of_classes, of_history, of_passes, of_predictions, of_test
from wineexp.runs.number_table import Columns, as_frame
from wineexp.runs.record import Record
from wineexp.specs.run_spec import RunSpec, deciding
from wineexp.text import count_of

__all__ = ["check_metrics", "check_tables"]

#: Allowed distance between computed and recorded values: a CSV's shortest text of a float32 is not its exact
#: value.
TOLERANCE = 1e-5

#: Metrics that every version recorded.
_ALWAYS = ("val_mae", "test_mae", "val_log_loss", "test_log_loss")

#: The recorded facts of a table besides its source that are numbers to compare.
_FACTS = ("rows", "train_rows", "valid_rows", "twins", "test_rows", "features", "categories", "labels")
_NUMBERS = ("train_median", "train_mean", "shares", "ranges")

Pair = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def check_metrics(record: Record, history: Columns, predictions: Columns, test: Columns | None) -> str | None:
    """Return the metric of a finished run that differs from what its files give; None if all agree.

    The constants' errors are taken from the recorded training median and mean; a metric that an earlier version
    did not record may be absent.
    """
    if record.spec.has_classes:
        return _other_classes(record, history, predictions, test)
    valid = _exact(predictions)
    median, recorded = record.data.train_median, record.metrics.model_dump(exclude_unset=True)
    constant = None if median is None else float(np.abs(valid[0] - median).mean())
    scale = TargetScaling.of(record.data, record.spec.scale_target).scale
    of_rows = of_predictions(valid, predictions["twin"].astype(bool), constant)
    if test is not None:
        of_rows |= of_test(_exact(test))
    if record.spec.mc_passes:
        of_rows |= of_passes(as_frame(predictions), None if test is None else as_frame(test))
    if constant is None:  # for runs before 0.1
        del of_rows["skill"]
    else:
        of_rows["baseline_mae"] = constant
        if record.spec.loss == "mae" and record.spec.scale_target != "log":
            of_rows["baseline_loss"] = constant / scale
    if record.data.train_mean is not None:
        of_rows["baseline_rmse"] = float(np.sqrt(((valid[0] - record.data.train_mean) ** 2).mean()))
    # Errors are differences of numbers that may be far from 0; the skill is a share of the constant's.
    rounding = 0.1 * TOLERANCE * float(np.abs(valid).max())
    slack = dict.fromkeys(of_rows, rounding) | {"skill": TOLERANCE + rounding / (constant or 1.0)}
    slack["baseline_loss"] = rounding / scale
    return _first_other(recorded, of_rows | of_history(history), slack)


def _first_other(
    recorded: Mapping[str, float | None], computed: Mapping[str, float | None], slack: Mapping[str, float]
) -> str | None:
    """The first recorded metric that differs from what was computed, in words."""
    for name, value in computed.items():
        found = recorded.get(name)
        if (name in recorded or name in _ALWAYS) and not _is_close(found, value, slack.get(name, 0.0)):
            return f"metrics.{name}: expected {_told(value)}, which its files give; found {_told(found)}"
    return None


def _other_classes(record: Record, history: Columns, predictions: Columns, test: Columns | None) -> str | None:
    """:func:`check_metrics` of predicted classes; the constant's are those of the recorded shares."""
    named = np.array(record.data.labels, dtype=object)

    def framed(columns: Columns) -> pd.DataFrame:
        return as_frame(columns).assign(**{name: named[columns[name]] for name in ("actual", "predicted")})

    computed = of_classes(framed(predictions), record.data)
    if test is not None:
        computed |= of_classes(framed(test), record.data, "test")
    computed |= of_history(history)
    # With few rows of nearly certain predictions every score may be about 0.
    return _first_other(
        record.metrics.model_dump(exclude_unset=True), computed, dict.fromkeys(computed, TOLERANCE)
    )


def _exact(predictions: Columns) -> Pair:
    """Actual and predicted values in the float32 precision of the run."""
    with np.errstate(over="ignore"):
        actual, predicted = (
            predictions[name].astype(np.float32).astype(np.float64) for name in ("actual", "predicted")
        )
    return actual, predicted


def _is_close(one: float | None, other: float | None, slack: float = 0.0) -> bool:
    if one is None or other is None or not math.isfinite(other):
        return one is None and (other is None or not math.isfinite(other))
    return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=slack)


def _told(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def check_tables(runs: Iterable[tuple[Path, Record]]) -> tuple[dict[Path, RunError], tuple[str, ...]]:
    """Compare records without their own checksum with their tables, as far as these are at hand.

    Parameters
    ----------
    runs : iterable of (path, record)

    Returns
    -------
    damaged : dict of Path to RunError
        The runs whose record differs from what its table gives.
    notes : tuple of str
        What could not be checked of the others.
    """
    tables: dict[str, Table | None] = {}
    splits: dict[tuple[object, ...], Split | None] = {}
    damaged: dict[Path, RunError] = {}
    unchecked = 0
    for path, record in runs:
        if record.is_sealed:
            continue
        data, spec = record.data, record.spec
        if data.fingerprint not in tables:
            tables[data.fingerprint] = at_hand(data)
        table = tables[data.fingerprint]
        key = (data.fingerprint, *(getattr(spec, name) for name in (*deciding("table"), "split_seed", "splits")))
        if key not in splits:
            splits[key] = None if table is None else _split(table, spec)
        split = splits[key]
        if table is None or split is None or not is_recorded(table, data):
            unchecked += 1
        elif fault := _difference(record, table_facts(table, split), split):
            damaged[path] = RunError(f"{path}: is damaged: {fault}")
    if not unchecked:
        return damaged, ()
    told = f"{count_of(unchecked, 'run')} written before run.json had a checksum, and the table not at hand"
    return damaged, (f"{told}: their training median, skill, features and scaling are shown as recorded",)


def _split(table: Table, spec: RunSpec) -> Split | None:
    try:
        return split_table(table, spec)
    except DataError:  # another table with the same values
        return None


def _difference(record: Record, facts: TableFacts, split: Split) -> str | None:
    """The first fact that differs from the table; None if all agree. Facts may be absent from the record."""
    data, known = record.data, record.data.model_dump(exclude_unset=True)
    for name in (name for name in _FACTS if name in known):
        found, expected = getattr(data, name), getattr(facts, name)
        if found != expected:
            return f"data.{name}: expected {_shown(expected)}, which its table gives; found {_shown(found)}"
    numbers = {
        **{f"data.{name}": (known[name], getattr(facts, name)) for name in _NUMBERS if known.get(name)},
        "data.scaling.center": (data.scaling.center, facts.scaling.center),
        "data.scaling.scale": (data.scaling.scale, facts.scaling.scale),
    }
    if data.target_scaling and facts.target_scaling:
        fitted, expected_fit = data.target_scaling, facts.target_scaling
        numbers["data.target_scaling.center"] = fitted.center, expected_fit.center
        numbers["data.target_scaling.scale"] = fitted.scale, expected_fit.scale
    if record.metrics.baseline_loss is not None:
        constant = baseline_loss(record.spec.loss, split.loss_train, split.loss_valid)
        numbers["metrics.baseline_loss"] = record.metrics.baseline_loss, constant
    for name, (found, expected) in numbers.items():
        if np.shape(found) != np.shape(expected) or not np.allclose(found, expected, rtol=1e-9, atol=0.0):
            return f"{name}: expected {_shown(expected)}, which its table gives; found {_shown(found)}"
    return None


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
