"""History CSVs as people have them: from Keras's CSVLogger, from ``DataFrame(history.history).to_csv()``.

A run directory's own history.csv has one form and is read by :mod:`wineexp.runs.number_table`, strictly.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wineexp.data.csv_source import RowError, check_lines, is_blank, open_text, read_rows
from wineexp.data.dialect import SEPARATORS
from wineexp.errors import RunError, first_line
from wineexp.runs.directory import read_bounded
from wineexp.runs.record import Metrics
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.text import one_line, some_of

__all__ = ["LoneHistory", "read_history"]

EPOCH = "epoch"

#: Pandas's names for the first column if the index has none: as it is written, after ``reset_index``, and after
#: being read and written once more.
INDEX_NAMES = ("", "index", "Unnamed: 0")

#: Cells without a value, in lower case: CSVLogger writes NA, pandas nothing. ``nan`` is a loss that was written. A
#: table has a value in every row, so there only an empty column has such cells, and NA is text.
NO_VALUE = frozenset(("", "na", "n/a", "<na>", "none", "null"))

#: Limit for the lines of a file and for its highest epoch; a spec allows no more.
MAX_EPOCHS = 10**6

#: Limit for the trainings appended to one file; a figure of more would be unreadable.
MAX_TRAININGS = 100

_Losses = list[float | None]


@dataclass(frozen=True)
class LoneHistory:
    """One training of a history file.

    Attributes
    ----------
    history : pandas.DataFrame
        ``epoch`` (int64, rising, counted from 0), ``loss`` and ``val_loss`` (float64), NaN where the file has no
        value; ``train_loss`` where the file has such a column.
    gaps : pandas.DataFrame
        The same losses as bool: True where the file has no value. A NaN elsewhere was written.
    number : int or None
        From 1, in a file of several trainings.
    notes : tuple of str
        Caveats for the reader about the file.
    """

    history: pd.DataFrame
    gaps: pd.DataFrame
    number: int | None
    notes: tuple[str, ...]

    #: What only predictions have.
    name = ""
    seed = split = 0
    is_fixed = has_classes = False
    predictions = None

    @property
    def metrics(self) -> Metrics:
        """The metrics that follow from the losses alone."""
        finite = self.history[np.isfinite(self.history["val_loss"])]
        if finite.empty:
            return Metrics()
        best = finite.iloc[int(finite["val_loss"].argmin())]
        return Metrics.of({"best_val_loss": float(best["val_loss"]), "best_epoch": int(best[EPOCH])})


@dataclass(frozen=True)
class _Form:
    """How a file is written, with the position in a row of the epoch, if it has one, and of each loss."""

    separator: str
    names: list[str]
    epoch: int | None
    losses: list[tuple[str, int]]


def read_history(path: Path) -> list[LoneHistory]:
    """Read the trainings of a history CSV: one, or several if the epochs begin anew.

    Raises
    ------
    RunError
        Naming the file, and line and column if there is one: no header with a loss, a row of another length, a
        cell that is not a number, an epoch that is not a whole number or does not rise.
    """
    content = read_bounded(path)
    try:
        check_lines(io.BytesIO(content))
    except ValueError as error:
        raise RunError(f"{path}: cannot be read: {first_line(error)}") from None
    form = _form(path, content)
    trainings: list[list[tuple[int, _Losses]]] = [[]]
    anew = []
    for line, row in _rows(path, content, form):
        where = f"{path}:{line}"
        current = trainings[-1]
        epoch = len(current) if form.epoch is None else _epoch(where, form, row)
        if current and epoch <= current[-1][0]:
            _check_begins_anew(where, current, epoch, len(trainings))
            current = []
            trainings.append(current)
            anew.append(line)
        current.append((epoch, [_loss(where, name, row[at], form) for name, at in form.losses]))
    if all(value is None for training in trainings for _, losses in training for value in losses):
        raise RunError(f"{path}: expected losses below the header, found none")
    return _trainings(path, form, trainings, anew)


def _form(path: Path, content: bytes) -> _Form:
    """The form, by the header; raise ``RunError`` if no column is a loss, or a name is almost that of a loss.

    The separator is the first with which the header names a loss. A table's is chosen by the rows below the header
    too: it would read ``0,5`` in a lone column ``loss`` with a decimal comma, and here that is refused.
    """
    first: list[str] = []
    for separator in SEPARATORS:
        line, header = next(_lines(path, content, separator, strict=False), (1, []))
        names = [name.strip() for name in header]
        first = first or names
        if set(names) & set(LOSS_COLUMNS[:2]):
            break
    else:
        names = first
    where = f"{path}:{line}"
    legal = (EPOCH, *LOSS_COLUMNS)
    for name in names:
        meant = name.lower().replace(" ", "_").removesuffix("s" if name.lower() == "epochs" else "")
        if meant in legal and meant not in names:
            raise RunError(f"{where}: expected a column {meant!r}, found {name!r}: rename it")
        if name in legal and names.count(name) > 1:
            raise RunError(f"{where}: column {name!r} occurs twice in the header: leave one")
    if not set(names) & set(LOSS_COLUMNS[:2]):
        shown = some_of([one_line(name)[:40] for name in names]) or "none"
        expected = "a header with a column loss or val_loss, or with actual and predicted"
        raise RunError(f"{where}: expected {expected}; found {shown}")
    index = 0 if names[0] in INDEX_NAMES else None
    losses = [(name, names.index(name)) for name in LOSS_COLUMNS if name in names]
    return _Form(separator, names, names.index(EPOCH) if EPOCH in names else index, losses)


def _lines(path: Path, content: bytes, separator: str, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Each row with its last line, without blank lines."""
    try:
        for _, line, row in read_rows(open_text(io.BytesIO(content)), separator, strict=strict):
            if row:
                yield line, row
    except UnicodeDecodeError:
        raise RunError(f"{path}: cannot be read: expected a CSV file in UTF-8, found other bytes") from None
    except RowError as error:
        raise RunError(f"{path}:{error.last}: {error.reason}") from None


def _rows(path: Path, content: bytes, form: _Form) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each as long as it."""
    lines = _lines(path, content, form.separator)
    next(lines)
    for count, (line, row) in enumerate(lines):
        where = f"{path}:{line}"
        if count >= MAX_EPOCHS:
            raise RunError(f"{where}: expected at most {MAX_EPOCHS:,} epochs, found more")
        if is_blank(row) and (form.epoch is not None or len(row) != len(form.names)):
            continue  # a spreadsheet's empty row; without epochs, a row of gaps counts
        if len(row) != len(form.names):
            raise RunError(
                f"{where}: expected {len(form.names)} values as in the header, found {len(row)}; "
                "a training with other metrics needs its own file"
            )
        if [cell.strip() for cell in row] == form.names:
            raise RunError(f"{where}: found the header again; each training needs its own file")
        yield line, row


def _epoch(where: str, form: _Form, row: Sequence[str]) -> int:
    assert form.epoch is not None
    text = row[form.epoch]
    try:
        value = _number(text, form.separator)
    except ValueError:
        value = math.nan
    if not (value.is_integer() and 0 <= value <= MAX_EPOCHS):
        name = form.names[form.epoch]
        column = f"column {name!r}" if name else "the first column"
        raise RunError(
            f"{where}: {column}: expected a whole number from 0 to {MAX_EPOCHS:,}, found {_shown(text)}"
        )
    return int(value)


def _check_begins_anew(where: str, current: Sequence[tuple[int, _Losses]], epoch: int, count: int) -> None:
    """Raise ``RunError`` unless another training begins, at the last one's first epoch, after some epochs."""
    first, last = current[0][0], current[-1][0]
    if len(current) == 1 or epoch != first:
        raise RunError(
            f"{where}: expected an epoch after {last}, found {epoch}; leave one line for each epoch, "
            "or give each training its own file"
        )
    if count >= MAX_TRAININGS:
        raise RunError(f"{where}: expected at most {MAX_TRAININGS} trainings in one file, found more")


def _loss(where: str, name: str, text: str, form: _Form) -> float | None:
    if text.strip().lower() in NO_VALUE:
        return None
    try:
        return _number(text, form.separator)
    except ValueError:
        raise RunError(
            f"{where}: column {name!r}: expected a number, or NA or nothing for none; found {_shown(text)}"
        ) from None


def _number(text: str, separator: str) -> float:
    """A number as Python, NumPy and pandas write it; with a decimal comma where commas do not separate."""
    if "_" in text:
        raise ValueError("a number of Python's source alone")
    if separator != "," and "." not in text:
        text = text.replace(",", ".", 1)
    return float(text)


def _shown(text: str) -> str:
    return repr(text[:60]) if text.strip() else "nothing"


def _trainings(
    path: Path, form: _Form, trainings: Sequence[Sequence[tuple[int, _Losses]]], anew: Sequence[int]
) -> list[LoneHistory]:
    """The rows as frames, with the notes."""
    names = [name for name, _ in form.losses]
    frames = [_frames(names, rows) for rows in trainings]
    numbers = range(1, len(frames) + 1) if anew else [None]
    notes = tuple(f"{path}: {note}" for note in _notes(form, frames, anew))
    return [LoneHistory(*pair, number, notes) for pair, number in zip(frames, numbers, strict=True)]


def _frames(names: Sequence[str], rows: Sequence[tuple[int, _Losses]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and gaps; a loss that the file lacks is one gap.

    Epochs that begin at 0 are counted as Keras counts them; those that begin later, as people do, from 1.
    """
    absent: _Losses = [None] * len(rows)
    present = zip(names, zip(*(losses for _, losses in rows), strict=True), strict=True)
    columns = {**dict.fromkeys(LOSS_COLUMNS[:2], absent), **dict(present)}
    gaps = pd.DataFrame({name: [value is None for value in column] for name, column in columns.items()})
    history = pd.DataFrame({name: np.array(column, np.float64) for name, column in columns.items()})  # None: NaN
    counted_from = min(1, rows[0][0])
    history.insert(0, EPOCH, np.array([epoch - counted_from for epoch, _ in rows], np.int64))
    return history, gaps


def _notes(form: _Form, frames: Sequence[tuple[pd.DataFrame, pd.DataFrame]], anew: Sequence[int]) -> Iterator[str]:
    epochs = [history[EPOCH] for history, _ in frames]
    if anew:
        lines = f"line{'s' if len(anew) > 1 else ''} {some_of(list(map(str, anew)))}"
        yield (
            f"its epochs restart in {lines}, so it is drawn as {len(frames)} trainings; to continue one "
            "training, give fit initial_epoch"
        )
    if form.epoch is None:
        yield f"no column epoch, so its lines count as epochs 1 to {len(epochs[0])}"
    for name, other in (("val_loss", "loss"), ("loss", "val_loss")):
        without = [number for number, (_, gaps) in enumerate(frames, 1) if gaps[name].all()]
        if without:
            place = "it" if len(without) == len(frames) else f"training {some_of(list(map(str, without)))}"
            yield f"no {name} in {place}, so {other} is drawn alone"
