"""Columns as features: which columns of a table a spec uses, and text as numbers, one feature per category."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.classes import check_labels, class_hint
from wineexp.data.dialect import NUMBER
from wineexp.data.facts import MAX_CATEGORIES, TableFacts, category_features
from wineexp.data.table import Table, check_target
from wineexp.errors import DataError, nearest
from wineexp.specs.fields import is_label
from wineexp.specs.run_spec import FILLING, RunSpec
from wineexp.specs.wording import format_value
from wineexp.text import one_line, some_of

__all__ = [
    "Encoding",
    "check_columns",
    "encoding_of",
    "fit_encoding",
    "index_notes",
    "is_missing",
    "leave_out",
    "missing_notes",
    "most_features",
    "rows_with_values",
    "told_holes",
]

#: Limit of a category's length in characters; a longer text is a description.
MAX_LENGTH = 200

#: So many categories may be those of single rows; of more, rows must share them.
FEW_CATEGORIES = 100

#: Limit of rows times features: 1.6 GB as float64, in which they are scaled, and half as much for the model.
MAX_FEATURE_CELLS = 200_000_000

#: A day, as people and programs write it, perhaps with a time behind it.
_DATE = re.compile(r"(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2}))([T ].*)?")

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Encoding:
    """How columns become features: numbers are one feature; text is 1 in its category's feature, 0 in the others.

    Attributes
    ----------
    columns : tuple of str
        In the order of the training table.
    categories : mapping of str to tuple of str
        For each column of text its categories, sorted.
    fills : mapping of str to float
        For each column of numbers what stands for a missing one; empty if none may be missing.
    """

    columns: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    fills: Mapping[str, float] = field(default_factory=dict)

    @property
    def features(self) -> tuple[str, ...]:
        """The features' names: ``column`` for numbers, ``column=category`` for text."""
        return tuple(name for column in self.columns for name in self._features(column))

    @property
    def encoded(self) -> npt.NDArray[np.bool_]:
        """Whether each feature stands for a category, shape (features,)."""
        return np.array([column in self.categories for column in self.columns for _ in self._features(column)])

    @property
    def fill_values(self) -> Doubles | None:
        """What stands for a missing value of each feature, shape (features,); None if none may be missing.

        A category's feature is never missing: it is 0 there.
        """
        if not self.fills:
            return None
        return np.array([self.fills.get(column, 0.0) for column in self.columns for _ in self._features(column)])

    def __call__(self, frame: pd.DataFrame) -> Doubles:
        """The features of rows, float64, shape (rows, features). An unknown category is 0 in all its features."""
        if not self.categories:
            values = frame[list(self.columns)].to_numpy(np.float64)
            if not self.fills:
                return values
            fills = np.array([self.fills[column] for column in self.columns])
            return np.where(np.isnan(values), fills, values)
        return np.hstack([self._values(frame, column) for column in self.columns])

    def unseen(self, frame: pd.DataFrame) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
        """Columns with unknown categories, each with the rows of ``frame`` that have one, counted from 0."""
        for column, categories in self.categories.items():
            rows = np.flatnonzero(~frame[column].isin(categories).to_numpy())
            if len(rows):
                yield column, rows

    def _features(self, column: str) -> tuple[str, ...]:
        categories = self.categories.get(column)
        return (column,) if categories is None else category_features(column, categories)

    def _values(self, frame: pd.DataFrame, column: str) -> Doubles:
        categories = self.categories.get(column)
        if categories is None:
            values = frame[[column]].to_numpy(np.float64)
            return np.where(np.isnan(values), self.fills[column], values) if self.fills else values
        cells = frame[column].to_numpy(object)
        return np.asarray(cells[:, None] == np.array(categories, dtype=object), dtype=np.float64)


def encoding_of(data: TableFacts) -> Encoding:
    """The encoding that a run recorded."""
    return Encoding(data.sources, data.categories, data.fills)


def check_columns(table: Table, spec: RunSpec) -> tuple[str, ...]:
    """The columns that the features are made from, in the table's order.

    Raises
    ------
    DataError
        For a target that cannot be learned; for a column that the table does not have; if no column is left; for
        text that is not encoded, or cannot be; for what is missing in some row, unless the spec says what to do.
    """
    if spec.has_classes:
        check_labels(table, spec)
    else:
        check_target(table, spec.target, class_hint(table, spec.target))
    has = list(table.frame.columns)
    group = () if spec.group is None else (spec.group,)
    for key, names in {"features": spec.features, "drop": spec.drop, "group": group}.items():
        for name in names or ():
            if name not in has and not (key == "drop" and (name in table.empty or name in table.splits)):
                raise DataError(f"{table.source}: {key}: {_no_column(table, key, name)}")
    chosen = _chosen(table, spec)
    if not chosen:
        raise DataError(f"{table.source}: expected features other than the target {spec.target!r}, found none")
    if texts := [name for name in chosen if name in table.faults]:
        _check_texts(table, texts, spec)
    if spec.missing == "refuse":
        _check_holes(table, chosen, spec)
    return tuple(chosen)


def is_missing(table: Table, name: str) -> npt.NDArray[np.bool_]:
    """Whether each row has no value in a column, shape (rows,)."""
    column = table.frame[name]
    found: npt.NDArray[np.bool_] = (column == "" if name in table.faults else column.isna()).to_numpy(np.bool_)
    return found


def has_holes(table: Table, name: str) -> bool:
    """Whether some row has no value in a column."""
    return name in table.holes or (name in table.faults and bool(is_missing(table, name).any()))


def rows_with_values(table: Table, columns: Iterable[str], spec: RunSpec) -> npt.NDArray[np.bool_]:
    """Whether each row is used, shape (rows,): it has a target and a group, and with ``drop`` every feature."""
    needed = [spec.target, *([] if spec.group is None else [spec.group])]
    used = np.ones(len(table.frame), np.bool_)
    for name in (*needed, *(columns if spec.missing == "drop" else ())):
        if has_holes(table, name):
            used &= ~is_missing(table, name)
    return used


def _check_holes(table: Table, columns: Sequence[str], spec: RunSpec) -> None:
    """Raise ``DataError`` for the first column in which a row has no value, with their numbers and what helps."""
    for name, expected in ((spec.target, "label" if spec.has_classes else "number"), (spec.group, "group")):
        if name is not None and has_holes(table, name):
            raise DataError(f"{_hole(table, name, expected)}; --missing drop leaves such rows out")
    holed = [name for name in columns if has_holes(table, name)]
    if not holed:
        return
    others = f"; also {some_of([told_holes(table, name) for name in holed[1:]])}" if holed[1:] else ""
    text = holed[0] in table.faults
    fills = "--missing median makes it a category of its own" if text else "--missing median fills them in"
    first = _hole(table, holed[0], "text to encode" if text else "number")
    raise DataError(f"{first}{others}; --missing drop leaves such rows out, {fills}; or {leave_out(spec, *holed)}")


def _hole(table: Table, name: str, expected: str) -> str:
    row = int(is_missing(table, name).argmax())
    where = f"{table.place(row)}: column {name!r}"
    article = "" if expected.startswith("text") else "a "
    return f"{where}: expected {article}{expected}, found nothing; {told_holes(table, name)}"


def told_holes(table: Table, name: str) -> str:
    """``built: 84 of 1,200 rows empty``."""
    count = int(is_missing(table, name).sum())
    return f"{one_line(name)}: {count:,} of {len(table.frame):,} rows empty"


def missing_notes(table: Table, columns: Sequence[str], spec: RunSpec, encoding: Encoding) -> Iterator[str]:
    """What was done about missing values, with their numbers."""
    holed = [
        name
        for name in dict.fromkeys((spec.target, spec.group, *columns))
        if name is not None and has_holes(table, name)
    ]
    left_out = int((~rows_with_values(table, columns, spec)).sum())
    if left_out:
        needed = (spec.target, spec.group, *(columns if spec.missing == "drop" else ()))
        counts = some_of([told_holes(table, name) for name in holed if name in needed])
        yield f"{table.source}: {left_out:,} of {len(table.frame):,} rows left out ({counts})"
    if spec.missing in FILLING:
        for name in (name for name in columns if name in holed):
            if name not in table.faults:
                by = f"{spec.missing}: {encoding.fills[name]:g}"
            elif "" in encoding.categories[name]:
                by = "a category of its own"
            else:
                by = "none of the categories, as no training row is empty"
            yield f"{table.source}: {told_holes(table, name)}, taken as {by}"


def _chosen(table: Table, spec: RunSpec) -> list[str]:
    """The named features; else all columns except the target, the group and the dropped ones."""
    if spec.features is not None:
        return [name for name in table.frame.columns if name in spec.features]
    excluded = {spec.target, spec.group, *(spec.drop or ())}
    return [name for name in table.frame.columns if name not in excluded]


def _no_column(table: Table, field: str, name: str) -> str:
    if name in table.empty:
        return f"column {name!r}: expected a value, found nothing in every row"
    if field == "drop" and NUMBER.fullmatch(name):
        return f"no column {name!r} (did you mean dropout: {name}?)"
    columns = list(table.frame.columns)
    return f"no column {name!r}{nearest(name, columns)}; it has: {', '.join(map(one_line, columns))}"


def index_notes(table: Table, columns: Iterable[str], spec: RunSpec) -> dict[str, str]:
    """The columns among these that may be an index, each with a note that says how to leave it out."""
    notes = {}
    for name in columns:
        if name in table.index_like:
            what = "numbers the rows" if name in table.counts else "has a name that pandas gives an index"
            notes[name] = f"{table.source}: column {name!r} {what}; if it is an index, {leave_out(spec, name)}"
    return notes


def leave_out(spec: RunSpec, *names: str) -> str:
    """How to leave columns out, in addition to those left out already."""
    it = "them" if len(names) > 1 else "it"
    if spec.features is not None:
        return f"leave {it} out of features"
    if not all(map(is_label, names)):
        return f"leave {it} out of the table"
    return f"leave {it} out with --drop {shlex.quote(format_value((*(spec.drop or ()), *names)))}"


def _check_texts(table: Table, names: Sequence[str], spec: RunSpec) -> None:
    """Raise ``DataError`` unless the spec encodes columns of text, and they can be encoded."""
    faults = {name: fault for name in names if (fault := _encoding_fault(table, name))}
    dates = [name for name in names if _are_dates(table, name)]
    if dates:
        raise DataError(
            f"{table.faults[dates[0]]}, a date; {leave_out(spec, *dates)}, or make a number of it, such as the "
            "days since a first one: nothing is encoded that you did not choose"
        )
    if spec.encode != "none":
        for name, fault in faults.items():
            raise DataError(f"{fault}; {leave_out(spec, name)}")
        return
    others = f"; others like it: {some_of(list(map(one_line, names[1:])))}" if len(names) > 1 else ""
    encode = "" if faults else f", or encode {'them' if others else 'it'} with --encode onehot"
    raise DataError(f"{table.faults[names[0]]}{others}; {leave_out(spec, *names)}{encode}")


def _are_dates(table: Table, name: str) -> bool:
    cells = table.frame[name]
    known = cells[cells != ""]
    return len(known) > 0 and bool(known.str.fullmatch(_DATE).all())


def _encoding_fault(table: Table, name: str) -> str | None:
    """Why a column of text cannot be encoded; None if it can."""
    cells, count = table.frame[name], table.category_counts[name]
    known = cells[cells != ""]  # what is missing is no fault here
    numbers, long = known.str.fullmatch(NUMBER), known.str.len() > MAX_LENGTH
    if numbers.mean() <= 0.5:
        numbers[:] = False  # a few among text are names as well: front, rear, 4
    if numbers.all():
        return table.faults[name]  # numbers beyond float64 are no categories
    for wrong, message in (
        (numbers, "expected text in most rows to encode it, found the number {!r}"),
        (long, f"expected at most {MAX_LENGTH} characters to encode, found more"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            return f"{table.place(int(wrong.index[row]))}: column {name!r}: {message.format(known.iloc[row])}"
    if count > MAX_CATEGORIES:
        expected = f"expected at most {MAX_CATEGORIES} categories to encode, found {count:,}"
        return f"{table.source}: column {name!r}: {expected}"
    if count > FEW_CATEGORIES and count > len(cells) / 2:  # as an ID has
        expected = f"expected categories that rows share to encode it, found {count:,} in {len(cells):,} rows"
        return f"{table.source}: column {name!r}: {expected}"
    return None


def fit_encoding(table: Table, columns: Sequence[str], train: pd.DataFrame, spec: RunSpec) -> Encoding:
    """The encoding of these columns with the categories, and the medians, of the training rows.

    Raises
    ------
    DataError
        When a category's feature has the name of another feature, or of the target; when no training row has a
        value in some column.
    """
    categories = {name: tuple(sorted(train[name].unique())) for name in columns if name in table.faults}
    encoding = Encoding(tuple(columns), categories, _fills(table, columns, train, spec))
    seen = {spec.target}
    for name in encoding.features:
        if name in seen:
            raise DataError(
                f"{table.source}: expected features of different names, found {name!r} twice; rename a column"
            )
        seen.add(name)
    if len(table.frame) * len(seen) > MAX_FEATURE_CELLS:
        widest = max(categories, key=lambda name: len(categories[name]), default=None)
        told = "" if widest is None else f"; {one_line(widest)} alone has {len(categories[widest]):,} categories"
        raise DataError(
            f"{table.source}: expected at most {MAX_FEATURE_CELLS:,} cells of features, found "
            f"{len(table.frame):,} rows of {len(encoding.features):,}{told}; leave some out with --drop"
        )
    return encoding


def _fills(table: Table, columns: Iterable[str], train: pd.DataFrame, spec: RunSpec) -> dict[str, float]:
    numbers = [name for name in columns if name not in table.faults] if spec.missing in FILLING else []
    if spec.missing == "zero":
        return dict.fromkeys(numbers, 0.0)
    for name in numbers:
        if train[name].isna().all():
            raise DataError(
                f"{table.source}: column {name!r}: expected a number in some training row, for their median; "
                f"found none; {leave_out(spec, name)}"
            )
    return {name: float(train[name].median()) for name in numbers}


def most_features(table: Table, spec: RunSpec) -> int:
    """An upper limit of the number of features, for estimates: categories without a training row count too."""
    return sum(table.category_counts.get(name, 1) for name in _chosen(table, spec))
