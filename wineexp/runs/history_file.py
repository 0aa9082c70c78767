"""History CSVs as people have them: of Keras's CSVLogger, of ``DataFrame(history.history).to_csv()``.

A run directory's own history.csv has one form and is read by :mod:`wineexp.runs.number_table`, strictly.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from wineexp.data.csv_source import check_lines
from wineexp.errors import RunError, first_line
from wineexp.runs.directory import read_bounded
from wineexp.runs.record import Metrics
from wineexp.text import one_line, some_of

__all__ = ["LoneHistory", "read_history"]

EPOCH = "epoch"

#: Columns that are drawn; others, such as Keras's metrics, are left.
LOSSES = ("loss", "val_loss", "train_loss")

SEPARATORS = (",", ";", "\t", "|")

#: What pandas calls the first column where the index has no name: as it writes it, after ``reset_index``, and
#: as it reads and writes it once more.
INDEX_NAMES = ("", "index", "Unnamed: 0")

#: A cell without a value, in lower case: CSVLogger writes NA, pandas nothing. ``nan`` is a loss that was written.
NO_VALUE = frozenset(("", "na", "n/a", "<na>", "none", "null"))

#: Lines of a file, and the highest epoch; a spec has at most as many.
MAX_EPOCHS = 10**6

#: Trainings appended to one file; a figure of more shows nothing.
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
        What a reader must know of the file.
    """

    history: pd.DataFrame
    gaps: pd.DataFrame
    number: int | None
    notes: tuple[str, ...]

    @property
    def metrics(self) -> Metrics:
        """What the losses alone tell."""
        known = self.history[np.isfinite(self.history["val_loss"])]
        if known.empty:
            return Metrics()
        best = known.iloc[int(known["val_loss"].argmin())]
        return Metrics.of({"best_val_loss": float(best["val_loss"]), "best_epoch": int(best[EPOCH])})


@dataclass(frozen=True)
class _Form:
    """How a file is written: separator, the names in its header, and where the epoch is in a row, if anywhere."""

    separator: str
    names: list[str]
    epoch: int | None

    def losses(self) -> list[tuple[str, int]]:
        """The losses that it has, each with its place in a row."""
        return [(name, self.names.index(name)) for name in LOSSES if name in self.names]


def read_history(path: Path) -> list[LoneHistory]:
    """The trainings of a history CSV: one, or several where the epochs begin anew.

    Raises
    ------
    RunError
        Naming the file, and line and column where there is one: no header with a loss, a row of another length,
        a cell that is no number, an epoch that is not a whole number or does not rise.
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
        current.append((epoch, [_loss(where, name, row[at], form) for name, at in form.losses()]))
    if all(value is None for training in trainings for _, losses in training for value in losses):
        raise RunError(f"{path}: expected losses below the header, found none")
    return _trainings(path, form, trainings, anew)


def _form(path: Path, content: bytes) -> _Form:
    """The form, by the header; raise ``RunError`` where no column is a loss, or a name nearly is one."""
    names: list[str] = []
    for separator in SEPARATORS:
        line, header = next(_lines(path, content, separator, strict=False), (1, []))
        found = [name.strip() for name in header]
        names = names or found
        if set(found) & set(LOSSES[:2]):
            break
    else:
        found = names
    where = f"{path}:{line}"
    legal = (EPOCH, *LOSSES)
    for name in found:
        meant = name.lower().replace(" ", "_").removesuffix("s" if name.lower() == "epochs" else "")
        if meant in legal and meant not in found:
            raise RunError(f"{where}: expected a column {meant!r}, found {name!r}: rename it")
        if name in legal and found.count(name) > 1:
            raise RunError(f"{where}: column {name!r} occurs twice in the header: leave one")
    if not set(found) & set(LOSSES[:2]):
        shown = some_of([one_line(name)[:40] for name in found]) or "none"
        raise RunError(f"{where}: expected a header with a column loss or val_loss; found {shown}")
    if EPOCH in found:
        return _Form(separator, found, found.index(EPOCH))
    return _Form(separator, found, 0 if found[0] in INDEX_NAMES else None)


def _lines(path: Path, content: bytes, separator: str, *, strict: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its line; a blank line is none."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, delimiter=separator, strict=strict)
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except UnicodeDecodeError:
        raise RunError(f"{path}: cannot be read: expected a CSV file in UTF-8, found other bytes") from None
    except csv.Error as error:
        raise RunError(f"{path}:{reader.line_num}: {error}") from None


def _rows(path: Path, content: bytes, form: _Form) -> Iterator[tuple[int, list[str]]]:
    """The rows below the header, each as long as it."""
    lines = _lines(path, content, form.separator)
    next(lines)
    for count, (line, row) in enumerate(lines):
        where = f"{path}:{line}"
        if count >= MAX_EPOCHS:
            raise RunError(f"{where}: expected at most {MAX_EPOCHS:,} epochs, found more")
        if not "".join(row).strip() and (form.epoch is not None or len(row) != len(form.names)):
            continue  # a spreadsheet's empty row; without epochs, one of gaps counts
        if len(row) != len(form.names):
            raise RunError(
                f"{where}: expected {len(form.names)} values as in the header, found {len(row)}; "
                "a training with other metrics needs a file of its own"
            )
        if [cell.strip() for cell in row] == form.names:
            raise RunError(f"{where}: found the header again; each training needs a file of its own")
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
    """Raise ``RunError`` unless another training begins: where the last one began, which had some epochs."""
    first, last = current[0][0], current[-1][0]
    if len(current) == 1 or epoch != first:
        raise RunError(
            f"{where}: expected an epoch after {last}, found {epoch}; leave one line for each epoch, "
            "or give each training a file of its own"
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
    names = [name for name, _ in form.losses()]
    frames = [_frames(names, rows) for rows in trainings]
    numbers = range(1, len(frames) + 1) if anew else [None]
    told = tuple(f"{path}: {note}" for note in _notes(form, frames, anew))
    return [LoneHistory(*both, number, told) for both, number in zip(frames, numbers, strict=True)]


def _frames(names: Sequence[str], rows: Sequence[tuple[int, _Losses]]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """History and gaps; a loss that the file lacks is one gap.

    Epochs that begin at 0 are counted as Keras counts them; those that begin later, as people do, from 1.
    """
    nothing: _Losses = [None] * len(rows)
    own = zip(names, zip(*(losses for _, losses in rows), strict=True), strict=True)
    columns = {**dict.fromkeys(LOSSES[:2], nothing), **dict(own)}
    gaps = pd.DataFrame({name: [value is None for value in column] for name, column in columns.items()})
    history = pd.DataFrame({name: np.array(column, np.float64) for name, column in columns.items()})  # None: NaN
    counted_from = min(1, rows[0][0])
    history.insert(0, EPOCH, np.array([epoch - counted_from for epoch, _ in rows], np.int64))
    return history, gaps


def _notes(form: _Form, frames: Sequence[tuple[pd.DataFrame, pd.DataFrame]], anew: Sequence[int]) -> Iterator[str]:
    epochs = [history[EPOCH] for history, _ in frames]
    if anew:
        lines = f"line{'s' if len(anew) > 1 else ''} {some_of([str(line) for line in anew])}"
        yield (
            f"its epochs begin anew in {lines}, so it is drawn as {len(frames)} trainings; "
            "where fit goes on with one training, give it initial_epoch"
        )
    if form.epoch is None:
        yield f"no column epoch, so its lines are taken as epochs 1 to {len(epochs[0])}"
    for name, other in (("val_loss", "loss"), ("loss", "val_loss")):
        without = [number for number, (_, gaps) in enumerate(frames, 1) if gaps[name].all()]
        if without:
            place = "it" if len(without) == len(frames) else f"training {some_of([str(one) for one in without])}"
            yield f"no {name} in {place}, so {other} is drawn alone"
