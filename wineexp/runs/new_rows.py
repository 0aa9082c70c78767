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
from wineexp.data.classes import are_numbers, label_of, label_texts
from wineexp.data.encoding import Encoding, encoding_of, rows_with_values
from wineexp.data.facts import TableFacts
from wineexp.data.sources import at_hand
from wineexp.data.table import Table, read_table, table_of_frame
from wineexp.errors import DataError, nearest
from wineexp.runs.run import Run
from wineexp.text import count_of, one_line, some_of

__all__ = ["NewRows", "SeenRows", "read_rows", "seen_rows"]

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
    encoding = encoding_of(data)
    if id_column in OUTPUT:
        raise DataError(f"id: column {id_column!r} has the same name as an output column; rename it in the file")
    if isinstance(source, pd.DataFrame):
        frame, extra, ids = _of_frame(source, encoding, target, id_column, data.labels)
        notes: tuple[str, ...] = ()
    else:
        frame, extra, ids, notes = _of_file(open_csv(source, sep), encoding, target, id_column, data.labels)
    features = encoding(frame)
    return NewRows(
        frame=frame,
        features=features,
        actual=_actual(frame, target, data.labels) if target in frame else None,
        extra=tuple(name for name in extra if name != id_column),
        notes=(*notes, *_unseen(frame, encoding), *_far_outside(features, data, encoding)),
        ids=None if id_column is None or ids is None else (id_column, ids),
    )


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
    if table is None or not first.record.data.is_of(table.fingerprint, table.frame.columns):
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
    file: CsvFile, encoding: Encoding, target: str, id_column: str | None, labels: Sequence[str]
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
        known = known.assign(**{name: np.nan for name in cells.empty if name in numbers})
        if target in known and known[target].isna().any():
            row = int(known[target].isna().to_numpy().argmax())
            raise DataError(f"{file.place(row)}: column {target!r}: expected a number, found nothing")
    for name in numbers:
        if name not in known:
            where = f"{source}:{file.form.skip + 1}: column {name!r}"
            raise DataError(f"{where}: expected a number, found nothing, here and in every other row")
    text = {name: [cell.strip() for cell in cells.carried[name]] for name in encoding.categories}
    frame = known.assign(**{name: pd.Series(column, dtype=object) for name, column in text.items()})
    if absent := _absent(frame, encoding):
        name, row = absent
        raise DataError(f"{file.place(row)}: column {name!r}: expected text, found nothing")
    if text_target:
        named = _labelled(f"{source}: column {target!r}", cells.carried[target], labels)
        frame = frame if named is None else frame.assign(**{target: named})
    extra = [name for name in file.names if name not in (*encoding.columns, target)]
    return frame, extra, None if id_column is None else cells.carried[id_column], cells.notes


def _of_frame(
    source: pd.DataFrame, encoding: Encoding, target: str, id_column: str | None, labels: Sequence[str]
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
    if encoding.fills:  # a column of nothing is one of missing numbers
        nothing = [name for name in encoding.fills if given[name].isna().to_numpy().all()]
        given = given.assign(**dict.fromkeys(nothing, np.nan))
    else:
        nothing = []
    table = table_of_frame(given.drop(columns=nothing) if len(nothing) < len(given.columns) else given)
    if nothing:
        table = replace(table, frame=table.frame.assign(**dict.fromkeys(nothing, np.nan))[list(given.columns)])
    filled = (*encoding.categories, *(name for name in encoding.fills if name not in table.faults))
    table.check_numbers(name for name in table.frame.columns if name not in filled)
    if absent := _absent(table.frame, encoding):
        name, row = absent
        raise DataError(f"{where}: column {name!r}: expected text, found nothing in row {row}, counted from 0")
    frame = table.frame
    if has_target and labels:
        cells = [
            "" if missing else str(cell)
            for cell, missing in zip(source[target], source[target].isna(), strict=True)
        ]
        frame = frame.assign(**{target: _labelled(f"{where}: column {target!r}", cells, labels)})
    extra = [str(name) for name in source.columns if name not in (*encoding.columns, target)]
    return frame, extra, None if id_column is None else source[id_column].tolist()


def _absent(frame: pd.DataFrame, encoding: Encoding) -> tuple[str, int] | None:
    """The first encoded column that has an empty row, and that row; None if none has, or none needs a value."""
    if encoding.fills:
        return None
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
