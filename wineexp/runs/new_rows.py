"""New rows for a saved run: the columns that it was trained on, from a CSV or a DataFrame; which it has seen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.cells import CsvFile, open_csv
from wineexp.data.classes import are_numbers, label_texts
from wineexp.data.encoding import Encoding, encoding_of, rows_with_values
from wineexp.data.facts import TableFacts
from wineexp.data.sources import at_hand
from wineexp.data.split import Split, split_table
from wineexp.data.table import SIDES, Table, is_recorded, read_table, table_of_frame, with_columns
from wineexp.errors import DataError, nearest
from wineexp.runs.probabilities import probability_columns
from wineexp.runs.run import Run
from wineexp.specs.fields import label_of
from wineexp.specs.run_spec import FILLING
from wineexp.text import count_of, one_line, some_of

__all__ = ["NewRows", "SeenRows", "read_rows", "seen_rows", "split_again"]

#: The columns of predictions; a column that is carried along must have another name.
OUTPUT = ("row", "predicted", "sd", "actual")

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NewRows:
    """Rows to predict, in the features' order.

    Attributes
    ----------
    frame : DataFrame
        The columns that the features are made from, as they were read, and the target, if present.
    features : float64, shape (rows, features)
    actual : float64, or labels of dtype object, shape (rows,), or None
        The target, if present.
    extra : tuple of str
        Unused columns.
    notes : tuple of str
        What was dropped, and values far outside the rows of the training.
    ids : tuple of str and list, or None
        A column that is carried into the output: its name, and a value for each row.
    """

    frame: pd.DataFrame
    features: Doubles
    actual: npt.NDArray[Any] | None
    extra: tuple[str, ...]
    notes: tuple[str, ...] = ()
    ids: tuple[str, list[Any]] | None = None


@dataclass(frozen=True)
class SeenRows:
    """Which rows are, value for value, those of a run's table.

    Attributes
    ----------
    trained : bool, shape (rows,)
        A row that the run trained on has the same features, and the same target if there is one.
    validated : bool, shape (rows,)
        The same of its validation rows; not those that it also trained on.
    """

    trained: npt.NDArray[np.bool_]
    validated: npt.NDArray[np.bool_]


def read_rows(
    source: Path | pd.DataFrame, run: Run, *, id_column: str | None = None, sep: str | None = None
) -> NewRows:
    """Read a CSV, or take a DataFrame, with the columns that the run was trained on, in any order.

    A target column without any value counts as absent.

    Parameters
    ----------
    source : Path or DataFrame
        A CSV in any dialect that :func:`wineexp.data.table.read_table` reads; unused columns may hold anything and
        have any name.
    run : Run
    id_column : str, optional
        A column to carry into the output.
    sep : str, optional
        The CSV's separator; by default it is found from the content.

    Raises
    ------
    DataError
        If a column is missing; if a needed one holds anything but finite numbers, or an empty cell where text was
        encoded.
    """
    data, target = run.record.data, run.spec.target
    encoding, filling = encoding_of(data), run.spec.missing in FILLING
    named = (*probability_columns(data.labels), *probability_columns(data.labels, passes=True))
    if id_column in (*OUTPUT, *named):
        raise DataError(f"id: column {id_column!r} has the same name as an output column; rename it in the file")
    if isinstance(source, pd.DataFrame):
        frame, extra, ids = _of_frame(source, encoding, target, id_column, data.labels, filling=filling)
        notes: tuple[str, ...] = ()
    else:
        frame, extra, ids, notes = _of_file(
            open_csv(source, sep), encoding, target, id_column, data.labels, filling=filling
        )
    features = encoding(frame)
    return NewRows(
        frame=frame,
        features=features,
        actual=_actual(frame, target, data.labels) if target in frame else None,
        extra=tuple(name for name in extra if name != id_column),
        notes=(*notes, *_unseen(frame, encoding), *_far_outside(features, data, encoding)),
        ids=None if id_column is None or ids is None else (id_column, ids),
    )


def split_again(table: Table, run: Run) -> Split:
    """The split that a run was trained on, of its own table; ``DataError`` if rows have other sides now."""
    split = split_table(table, run.spec)
    if split.sides != run.record.data.sides:
        raise DataError(
            f"{table.source}: split column {run.spec.split_column!r}: expected the sides that {run.path.name} was "
            "trained on, found others: it was changed since"
        )
    return split


def seen_rows(
    runs: Sequence[Run], rows: NewRows, source: Path | pd.DataFrame, *, sep: str | None = None
) -> SeenRows | None:
    """The rows that any of the runs has seen; None if the runs' table is neither at hand nor ``source`` itself.

    Parameters
    ----------
    runs : sequence of Run
        Finished runs on one table.
    rows : NewRows
        Read from ``source`` for these runs.
    source : Path or DataFrame
    sep : str, optional
        As for :func:`read_rows`.
    """
    first = runs[0]
    table = at_hand(first.record.data)
    if table is None and len(rows.frame) == first.record.data.rows:
        table = _as_table(source, sep)
    if table is None or not is_recorded(table, first.record.data):
        return None
    trained, validated = np.zeros((2, len(table.frame)), np.bool_)
    columns = encoding_of(first.record.data).columns
    for run in runs:
        tables = run.read_tables()
        assert tables.predictions is not None  # the run is done
        valid = tables.predictions["row"].to_numpy()
        held_out = valid if tables.test_predictions is None else [*valid, *tables.test_predictions["row"]]
        trained |= ~np.isin(np.arange(len(trained)), held_out) & rows_with_values(table, columns, run.spec)
        validated[valid] = True
    compared = [*columns, *([] if rows.actual is None else [first.spec.target])]
    both = pd.concat([table.frame[compared], rows.frame[compared]])
    numbers = both.groupby(compared, sort=False, dropna=False).ngroup().to_numpy()  # equal rows have one number
    of_table, of_rows = np.split(numbers, [len(trained)])
    is_trained = np.isin(of_rows, of_table[trained])
    return SeenRows(is_trained, np.isin(of_rows, of_table[validated]) & ~is_trained)


def _actual(frame: pd.DataFrame, target: str, labels: Sequence[str]) -> npt.NDArray[Any]:
    """The target's values; with labels, these as they are written."""
    if not labels:
        return frame[target].to_numpy(np.float64)
    numbers = frame[target].dtype.kind in "iuf"
    texts = [label_of(value) for value in frame[target]] if numbers else frame[target].tolist()
    return np.array(texts, dtype=object)


def _labelled(where: str, cells: Sequence[str], labels: Sequence[str]) -> pd.Series | None:
    """A column of labels as a table would have it: numbers where all labels are; None if no cell has any.

    Raises
    ------
    DataError
        For the first cell that is no label of the run.
    """
    if not any(cell.strip() for cell in cells):
        return None
    texts = label_texts(cells, labels)
    for row, text in enumerate(texts):
        if text not in labels:
            found = repr(text[:60]) if text else "nothing"
            known = some_of([one_line(label) for label in labels])
            raise DataError(f"{where}: expected one of the labels {known}, found {found} in row {row}, from 0")
    return pd.Series(texts, dtype=object) if not are_numbers(labels) else pd.Series(list(map(float, texts)))


def _as_table(source: Path | pd.DataFrame, sep: str | None) -> Table | None:
    """All columns of the new rows; None if they are no table, as columns that are not needed may hold anything."""
    try:
        return table_of_frame(source) if isinstance(source, pd.DataFrame) else read_table(source, sep=sep)
    except DataError:
        return None


def _of_file(
    file: CsvFile, encoding: Encoding, target: str, id_column: str | None, labels: Sequence[str], *, filling: bool
) -> tuple[pd.DataFrame, list[str], list[Any] | None, tuple[str, ...]]:
    """The columns of a CSV, the names of unused ones, the column to carry, and notes."""
    source = file.source.path
    _check_columns(str(source), file.names, encoding.columns)
    numbers = [name for name in encoding.columns if name not in encoding.categories]
    text_target = [target] if labels and target in file.names else []
    carried = dict.fromkeys([*encoding.categories, *text_target, *([] if id_column is None else [id_column])])
    wanted = [*numbers, *([] if labels else [target])]
    cells = file.read(wanted, carry=list(carried), holes=bool(encoding.fills))
    known = cells.numbers
    if encoding.fills:
        known = with_columns(known, {name: np.full(len(known), np.nan) for name in cells.empty if name in numbers})
        if target in known and known[target].isna().any():
            row = int(known[target].isna().to_numpy().argmax())
            raise DataError(f"{file.place(row)}: column {target!r}: expected a number, found nothing")
    for name in numbers:
        if name not in known:
            where = f"{source}:{file.form.skip + 1}: column {name!r}"
            raise DataError(f"{where}: expected a number, found nothing, here and in every other row")
    text = {name: [cell.strip() for cell in cells.carried[name]] for name in encoding.categories}
    frame = with_columns(known, {name: np.array(column, dtype=object) for name, column in text.items()})
    if absent := None if filling else _absent(frame, encoding):
        name, row = absent
        raise DataError(f"{file.place(row)}: column {name!r}: expected text, found nothing")
    if text_target:
        named = _labelled(f"{source}: column {target!r}", cells.carried[target], labels)
        frame = frame if named is None else with_columns(frame, {target: named})
    extra = [name for name in file.names if name not in (*encoding.columns, target)]
    return frame, extra, None if id_column is None else cells.carried[id_column], cells.notes


def _of_frame(
    source: pd.DataFrame,
    encoding: Encoding,
    target: str,
    id_column: str | None,
    labels: Sequence[str],
    *,
    filling: bool,
) -> tuple[pd.DataFrame, list[str], list[Any] | None]:
    """The columns of a DataFrame, the names of unused ones, and the column to carry."""
    where = "the DataFrame"
    _check_columns(where, list(map(str, source.columns)), encoding.columns)
    if id_column is not None and list(source.columns).count(id_column) != 1:
        found = list(source.columns).count(id_column)
        raise DataError(f"{where}: expected one column {id_column!r}, found {found}")
    needed = [name for name in source.columns if name in encoding.columns]
    has_target = target in source.columns and not source[target].isna().to_numpy().all()
    if has_target and not labels:
        needed.append(target)
    given = source[list(dict.fromkeys(needed))]
    nothing = [name for name in encoding.fills if given[name].isna().to_numpy().all()]
    # Few rows may all say "train": in a table that would be a split column.
    words = [name for name in encoding.categories if {str(cell) for cell in given[name].unique()} <= set(SIDES)]
    rest = given.drop(columns=[*nothing, *words])
    table = table_of_frame(rest if len(rest.columns) else given)
    for name in table.splits:
        if name in rest:
            raise DataError(f"{where}: column {name!r}: expected a number, found {given[name].iloc[0]!r}")
    table.check_numbers(
        name
        for name in table.frame.columns
        if name not in encoding.categories
        and (name == target or name not in encoding.fills or name in table.faults)
    )
    set_aside = {str(name): np.full(len(given), np.nan) for name in nothing}
    set_aside |= {str(name): given[name].to_numpy(object) for name in words}
    table = replace(table, frame=with_columns(table.frame, set_aside)[list(given.columns)])
    if absent := None if filling else _absent(table.frame, encoding):
        name, row = absent
        raise DataError(f"{where}: column {name!r}: expected text, found nothing in row {row}, counted from 0")
    frame = table.frame
    if has_target and labels:
        cells = [
            "" if missing else str(cell)
            for cell, missing in zip(source[target], source[target].isna(), strict=True)
        ]
        frame = with_columns(frame, {target: _labelled(f"{where}: column {target!r}", cells, labels)})
    extra = [str(name) for name in source.columns if name not in (*encoding.columns, target)]
    return frame, extra, None if id_column is None else source[id_column].tolist()


def _absent(frame: pd.DataFrame, encoding: Encoding) -> tuple[str, int] | None:
    """The first encoded column that has an empty row, and that row; None if none has."""
    for name in encoding.categories:
        if len(rows := np.flatnonzero(frame[name] == "")):
            return name, int(rows[0])
    return None


def _check_columns(where: str, columns: Sequence[str], features: Sequence[str]) -> None:
    """Raise ``DataError`` naming each feature that is missing."""
    missing = [name for name in features if name not in columns]
    if missing:
        told = "; ".join(f"no column {name!r}{nearest(name, columns)}" for name in missing)
        raise DataError(f"{where}: {told}; the run was trained on: {', '.join(map(one_line, features))}")


def _unseen(frame: pd.DataFrame, encoding: Encoding) -> Iterator[str]:
    """Categories that the run was not trained on."""
    for name, rows in encoding.unseen(frame):
        found = some_of([repr(one)[:60] for one in sorted(frame[name].iloc[rows].unique())])
        count = count_of(len(rows), "row")
        yield (
            f"column {name!r}: {count} with a category that the run was not trained on, "
            f"encoded as all zeros: {found}"
        )


def _far_outside(features: Doubles, data: TableFacts, encoding: Encoding) -> Iterator[str]:
    """Numbers that lie outside the range of the training by more than half of it."""
    columns = zip(data.features, features.T, data.ranges, strict=False)
    for (name, values, (low, high)), encoded in zip(columns, encoding.encoded, strict=False):
        beyond = np.maximum(low - values, values - high)
        far = np.flatnonzero(beyond > 0.5 * (high - low))
        if len(far) and not encoded:
            worst = int(beyond.argmax())
            count = count_of(len(far), "row")
            yield (
                f"column {name!r}: {count} far outside the training range, {low:g} to {high:g}; "
                f"furthest {values[worst]:g} in row {worst}, counted from 0"
            )
