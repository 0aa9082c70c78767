"""Every field of the spec with another value, made from the fields themselves: a new one is walked too."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from wineexp.data.table import SIDES, Table
from wineexp.errors import SpecError
from wineexp.specs.declarations import MARKS
from wineexp.specs.fields import choices_of, kinds_of
from wineexp.specs.run_spec import RunSpec

FIELDS = tuple(RunSpec.model_fields)

#: Fields that hold names of columns, and what the table of ``small_table`` has for them.
COLUMNS = {"target": "a", "features": ("b", "c"), "drop": ("a",), "group": "c"}

#: Fields that need another table than one of numbers.
OF_LABELS = {"positive"}

#: Fields that need split columns, of the table or of another file.
OF_SPLITS = {"split_column", "splits"}
SPLIT_COLUMNS = ("fold", "other")

#: What goes together by the spec's own checks.
_GIVEN = {"split": "column", "split_column": "fold"}
BESIDE = {
    "group": {"split": "grouped"}, "precision": {"widths": (256, 256)}, "split_column": _GIVEN, "splits": _GIVEN,
}  # fmt: skip


def table_for(name, table, target="quality"):
    """A table of numbers, with labels in place of its quality or with split columns where a field needs them."""
    if name in OF_SPLITS:
        return replace(table, splits=sides(len(table.frame)))
    if name not in OF_LABELS:
        return table
    quality = table.frame["quality"]
    labels = ["high" if value > quality.median() else "low" for value in quality]
    frame = table.frame.drop(columns="quality").assign(**{target: labels})
    return Table(frame, table.source, "custom", faults={target: "labels:2"})


def sides(rows):
    """Two split columns of a table with so many rows."""
    codes = {name: np.roll([0, 0, 1], number) for number, name in enumerate(SPLIT_COLUMNS)}
    return {name: np.resize(code, rows).astype(np.int8) for name, code in codes.items()}


@functools.cache
def splits_file(rows=120):
    """A file of split columns, the same as the table's own."""
    path = Path(tempfile.mkdtemp()) / "splits.csv"
    words = np.array(SIDES)
    pd.DataFrame({name: words[codes] for name, codes in sides(rows).items()}).to_csv(path, index=False)
    return str(path)


def another(name, base):
    """The fields of ``base`` and of one like it in which ``name`` alone has another value, and has an effect.

    Returns
    -------
    pair of dict
        Both with what the field needs beside it.
    """
    together = {**base, **BESIDE.get(name, {})}
    spec = RunSpec.parse(together)
    if name in spec.without_effect():
        together |= MARKS[name].only_with
        if needed := MARKS[name].needs[:1]:
            together[needed[0]] = _other(needed[0], spec)
        spec = RunSpec.parse(together)
    return together, {**together, name: _other(name, spec)}


def _other(name, spec):
    """A legal value that the field does not have in ``spec``."""
    for value in _candidates(name, getattr(spec, name)):
        try:
            changed = RunSpec.parse({**spec.settings(), name: value})
        except SpecError:
            continue
        if getattr(changed, name) != getattr(spec, name):
            return value
    raise AssertionError(f"{name}: found no other value; say one in support/fields.py")


def _candidates(name, value):
    if name in COLUMNS:
        return [COLUMNS[name]]
    if name in OF_LABELS:
        return ["high", "low"]
    if name == "split_column":
        return ["other"]
    if name == "splits":
        return [splits_file()]
    info = RunSpec.model_fields[name]
    kinds = kinds_of(info.annotation)
    if choices := choices_of(info.annotation):
        return choices
    if bool in kinds:
        return [not value]
    if float in kinds:
        return [0.4, 0.05, 2.5]
    if int in kinds:
        return [1] if value is None else [value + 1, value + 2] if isinstance(value, int) else [(9,)]
    return ["another"]
