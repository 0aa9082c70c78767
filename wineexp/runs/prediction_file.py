"""Predictions of anyone's tool, as a CSV or a DataFrame: judged like those of runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.classes import label_texts
from wineexp.data.csv_source import check_lines
from wineexp.data.dialect import SEPARATORS
from wineexp.errors import RunError, first_line
from wineexp.runs.directory import read_bounded
from wineexp.runs.probabilities import SUM_TOLERANCE, P, labels_in, probability_columns
from wineexp.runs.record import Metrics
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.text import csv_cell, one_line, some_of

__all__ = ["Given", "LonePredictions", "are_predictions", "read_predictions"]

#: The columns that every such table has.
NEEDED = ("actual", "predicted")

#: How far the sum of a row's probabilities may be from 1, which are written with two digits, say.
_ROUNDED = 0.02

#: Characters of a variant's name; a config allows as many.
MOST_NAME = 200

#: The least and the most of a seed, a split and a row.
_WHOLE = {"seed": (0, 2**32 - 1), "split": (0, 2**32 - 1), "row": (0, 2**62)}


@dataclass(frozen=True, eq=False)
class Given:
    """Predictions as their user gives them.

    Attributes
    ----------
    table : Path or pandas.DataFrame
    name : str or None
        The variant's, as in ``ridge=b.csv``.
    """

    table: Path | pd.DataFrame
    name: str | None = None


@dataclass(frozen=True, eq=False)
class LonePredictions:
    """The predictions of one variant with one seed on one split.

    Attributes
    ----------
    name : str
        The variant's.
    seed, split : int
        Below 0 for a seed that the table does not name: each such table is a seed of its own.
    predictions : pandas.DataFrame
        ``row, actual, predicted, twin`` and, where they were given, ``cluster`` and ``predicted_mc``, or for
        labels ``p_<label>`` and ``p_mc_<label>``.
    has_rows, has_split : bool
        Whether the table says which rows these are, and of which split; else rows are numbered in its order.
    is_fixed : bool
        Whether fitting it again would change nothing.
    """

    name: str
    seed: int
    split: int
    predictions: pd.DataFrame
    has_rows: bool
    has_split: bool = True
    has_classes: bool = False
    is_fixed: bool = False
    number: int | None = None
    notes: tuple[str, ...] = ()
    history: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame({"epoch": np.zeros(0, np.int64), "loss": [], "val_loss": []})
    )

    @property
    def gaps(self) -> pd.DataFrame:
        """As of a history; there is none."""
        return self.history[list(LOSS_COLUMNS[:2])].isna()

    @property
    def metrics(self) -> Metrics:
        if self.has_classes:
            wrong = (self.predictions["actual"] != self.predictions["predicted"]).to_numpy(float)
            return Metrics.of({"val_error_rate": float(wrong.mean()), "val_accuracy": 1.0 - float(wrong.mean())})
        errors = (self.predictions["actual"] - self.predictions["predicted"]).abs().to_numpy()
        return Metrics.of({"val_mae": float(errors.mean()), "val_rmse": float(np.sqrt((errors**2).mean()))})


def are_predictions(path: Path) -> bool:
    """Whether a CSV's header has the columns of predictions."""
    return _separator(read_bounded(path)) is not None


def read_predictions(given: Given, start: int) -> Iterator[LonePredictions]:
    """The predictions of a table, one for each variant, seed and split in it.

    Parameters
    ----------
    given : Given
    start : int
        The number of such tables before this one: it makes the seed of one that names none.

    Raises
    ------
    RunError
        Naming the table, and the column and row: a column is missing, or a cell is none of what is expected.
    """
    if isinstance(given.table, Path):
        where, name = str(given.table), given.table.stem
        table = _read(given.table)
        table.columns = table.columns.str.strip()
    else:
        where = name = f"DataFrame {start + 1}"
        table = given.table.rename(columns=str).reset_index(drop=True)
    missing = [column for column in NEEDED if column not in table]
    if missing:
        shown = some_of([one_line(column)[:40] for column in table.columns]) or "none"
        raise RunError(f"{where}: expected columns actual and predicted, found {shown}")
    if table.empty:
        raise RunError(f"{where}: expected predictions below the header, found none")
    classes = _has_classes(table)
    clean = _labels(where, table) if classes else _targets(where, table)
    for column in _WHOLE:
        if column in table:
            clean[column] = _whole(where, table, column)
    for column in ("cluster", "group"):
        if column in table and "cluster" not in clean:
            clean["cluster"] = table[column].astype(str)
    names = table["variant"].astype(str) if "variant" in table else pd.Series(name, table.index)
    if given.name is not None:
        names = f"{given.name}: " + names if names.nunique() > 1 else pd.Series(given.name, table.index)
    keys = [column for column in ("seed", "split") if column in clean]
    parts = clean.groupby([names, *[clean[column] for column in keys]], sort=False)
    count = parts.ngroups
    for number, (key, part) in enumerate(parts, 1):
        label, *rest = key
        known = dict(zip(keys, (int(str(value)) for value in rest), strict=True))
        yield _one(where, one_line(str(label))[:MOST_NAME], part, known, -1 - start, number if count > 1 else None)


def _has_classes(table: pd.DataFrame) -> bool:
    """Whether labels are predicted: the actual values are no numbers, or there are probabilities.

    These are of the labels that are the actual values, or several that sum to 1: beside numbers ``p_value`` is a
    column of something else.
    """
    actual, named = table["actual"], _named(table.columns)
    if np.isnan(_floats(actual)).all():
        return True
    if set(label_texts(actual.fillna("").astype(str), list(named))) & named.keys():
        return True
    sums = sum(_floats(table[column]) for column in probability_columns(named.values()))
    return len(named) > 1 and bool((np.abs(sums - 1) <= _ROUNDED).all())


def _named(columns: pd.Index) -> dict[str, str]:
    """The labels that have a column of probabilities, as labels are written, and as these columns write them."""
    found = labels_in(columns)
    return dict(zip(label_texts(found, found), found, strict=True))


def _targets(where: str, table: pd.DataFrame) -> pd.DataFrame:
    columns = [*NEEDED, *(["predicted_mc"] if "predicted_mc" in table else [])]
    return pd.DataFrame({column: _numbers(where, table, column) for column in columns})


def _labels(where: str, table: pd.DataFrame) -> pd.DataFrame:
    """The labels, and their probabilities in sort order; raise ``RunError`` for what cannot be either."""
    named = _named(table.columns)
    unescaped = {csv_cell(label): label for label in named}  # as predictions.csv writes @ and -1
    cells = {
        column: [unescaped.get(cell, cell) for cell in table[column].fillna("").astype(str)] for column in NEEDED
    }
    # As a table's labels are ordered: numbers by their value.
    known = sorted(named or {cell.strip() for cell in cells["actual"]}, key=_place)
    clean = pd.DataFrame({column: label_texts(cells[column], known) for column in NEEDED}, dtype=object)
    for column in NEEDED:
        fit = clean[column].isin(known) if named else clean[column] != ""
        _check(where, table, column, fit.to_numpy(), f"one of the labels {some_of(known)}" if named else "a label")
    for passes in (False, True):
        written = probability_columns((named[label] for label in known if named), passes=passes)
        if written and all(column in table for column in written):
            p = _probabilities(where, table, written)
            clean[probability_columns(known, passes=passes)] = p
    return clean


def _probabilities(where: str, table: pd.DataFrame, columns: list[str]) -> npt.NDArray[np.float64]:
    """These columns' probabilities, shape (rows, labels), whose sums are 1 to within rounding; then exactly."""
    for column in columns:
        values = _numbers(where, table, column)
        _check(where, table, column, (values >= 0) & (values <= 1), "a probability from 0 to 1")
    p = np.stack([_numbers(where, table, column) for column in columns], axis=1)
    sums = p.sum(axis=1)
    if (far := np.abs(sums - 1) > _ROUNDED).any():
        at = int(far.argmax())
        raise RunError(
            f"{where}: columns {some_of(columns)}, row {at + 1} below the header: expected probabilities with a "
            f"sum of 1, found {sums[at]:.4g}"
        )
    # A sum of 1.01 in each row would lower a log loss by 0.01; nearer ones keep their bits.
    return np.where(np.abs(sums - 1)[:, None] > SUM_TOLERANCE, p / sums[:, None], p)


def _place(label: str) -> tuple[bool, float, str]:
    value = _floats(pd.Series([label]))[0]
    return (True, 0.0, label) if np.isnan(value) else (False, float(value), label)


def _one(
    where: str, name: str, part: pd.DataFrame, known: dict[str, int], own_seed: int, number: int | None
) -> LonePredictions:
    has_rows = "row" in part
    rows = part["row"].to_numpy() if has_rows else np.arange(len(part))
    if len(np.unique(rows)) < len(rows):
        lacking = " and ".join(column for column in ("seed", "split") if column not in known)
        hint = f"; a column {lacking} tells several trainings apart" if lacking else ""
        raise RunError(f"{where}: {one_line(name)}: a row occurs twice{hint}")
    if len(part) < 2:
        raise RunError(f"{where}: {one_line(name)}: expected at least 2 rows, found {len(part)}")
    table = part.drop(columns=["row", "seed", "split"], errors="ignore").assign(row=rows, twin=0)
    probable = [column for column in map(str, part) if column.startswith(P)]
    more = ("cluster", "predicted_mc", *probable)
    order = ["row", *NEEDED, "twin", *(column for column in more if column in part)]
    seed = known.get("seed", own_seed)
    split = known.get("split", 0)
    classes = part["actual"].dtype.kind not in "iuf"
    return LonePredictions(name, seed, split, table[order], has_rows, "split" in known, classes, number=number)


def _read(path: Path) -> pd.DataFrame:
    content = read_bounded(path)
    separator = _separator(content)
    try:
        check_lines(io.BytesIO(content))
        return pd.read_csv(io.BytesIO(content), sep=separator or ",", dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise RunError(f"{path}: cannot be read: {first_line(error)}") from None


def _separator(content: bytes) -> str | None:
    """The separator with which the header has the needed columns; None if none does."""
    head = content.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace").strip()
    names = {mark: {name.strip().strip('"') for name in head.split(mark)} for mark in SEPARATORS}
    return next((mark for mark, found in names.items() if found >= set(NEEDED)), None)


def _numbers(where: str, table: pd.DataFrame, column: str) -> Any:
    values = _floats(table[column])
    _check(where, table, column, np.isfinite(values), "a finite number")
    return values


def _floats(column: pd.Series) -> npt.NDArray[np.float64]:
    """Numbers as Python reads them, NaN for what is none."""

    def number(value: Any) -> float:
        try:
            return float("nan") if "_" in str(value) else float(value)
        except (TypeError, ValueError):
            return float("nan")

    return np.array([number(value) for value in column], np.float64)


def _whole(where: str, table: pd.DataFrame, column: str) -> Any:
    least, most = _WHOLE[column]
    values = _floats(table[column])
    with np.errstate(invalid="ignore"):
        fit = np.isfinite(values) & (values == np.floor(values)) & (values >= least) & (values <= most)
    _check(where, table, column, fit, f"a whole number from {least}")
    return values.astype(np.int64)


def _check(where: str, table: pd.DataFrame, column: str, fit: Any, expected: str) -> None:
    if not fit.all():
        at = int(np.flatnonzero(~fit)[0])
        found = str(table[column].iloc[at])[:60]
        raise RunError(
            f"{where}: column {column!r}, row {at + 1} below the header: expected {expected}, found "
            f"{repr(found) if found.strip() else 'nothing'}"
        )
