"""Runs read back: whole directories, or what a history CSV or a saved figure holds of one."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.csv_source import check_lines
from wineexp.data.facts import TableFacts
from wineexp.errors import RunError
from wineexp.runs.directory import HISTORY, RECORD, Run, is_run, read_bounded, run_folders
from wineexp.runs.history_file import Training, read_history
from wineexp.runs.integrity import check_files, read_checked
from wineexp.runs.names import Place
from wineexp.runs.number_table import Columns, as_frame, read_columns
from wineexp.runs.picture import read_png
from wineexp.runs.record import Metrics, Record, Status
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.specs.run_spec import RunSpec

__all__ = ["LoadedRun", "check_run", "check_runs", "load", "load_run"]

_HISTORY_COLUMNS = ("epoch", *LOSS_COLUMNS[:2])
_PREDICTION_COLUMNS = ("row", "actual", "predicted", "twin")


@dataclass(frozen=True)
class LoadedRun:
    """One run as it was found.

    Attributes
    ----------
    path : Path
        The directory or the file.
    label : str
        Its name, or the settings that differ from the defaults; a CSV's own name where nothing is known.
    record : Record or None
        run.json; less of it from a picture; None for a CSV that stands alone.
    history : pandas.DataFrame
        ``epoch, loss, val_loss`` and, with ``eval_train``, ``train_loss``; epochs from 0 but for a CSV that stands
        alone, which has its own.
    predictions : pandas.DataFrame or None
        ``row, actual, predicted, twin``; None from a file, and unless the run is done.
    test_predictions : pandas.DataFrame or None
        The same of test rows, where there are any.
    training : Training or None
        What else a CSV that stands alone tells: its gaps, its notes.
    """

    path: Path
    label: str
    record: Record | None = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    predictions: pd.DataFrame | None = field(default=None, repr=False)
    test_predictions: pd.DataFrame | None = field(default=None, repr=False)
    training: Training | None = field(default=None, repr=False)

    @property
    def place(self) -> tuple[Path, int | None]:
        """Where it is: no other run has the same path and, in a file of several trainings, the same number."""
        return self.path, self.training.number if self.training else None

    @property
    def spec(self) -> RunSpec | None:
        """The run's spec, None where it is not known."""
        return self.record.spec if self.record else None

    @property
    def status(self) -> Status:
        return self.record.status if self.record else "done"

    @property
    def outcome(self) -> str:
        """``done``, ``interrupted`` or ``failed (diverged)``."""
        return self.record.outcome if self.record else self.status

    @property
    def metrics(self) -> Metrics:
        if self.training is not None:
            return self.training.metrics
        return self.record.metrics if self.record else Metrics()

    @property
    def data(self) -> TableFacts | None:
        """What is known of the table and its split."""
        return self.record.data if self.record else None

    def written(self, column: str) -> npt.NDArray[np.bool_]:
        """For each row of the history, whether the run wrote this loss there, be it a number or not."""
        gaps = self.training.gaps[column] if self.training else np.zeros(len(self.history), bool)
        return ~np.asarray(gaps, bool)


def load(places: Sequence[Place], damaged: Callable[[RunError], None] | None = None) -> list[LoadedRun]:
    """Read run directories, folders of them, history CSVs and curves PNGs, in any mix.

    Parameters
    ----------
    places : sequence of Path or tuple of Path
        A tuple has run directories that a name stands for.
    damaged : callable, optional
        Called with the error of each run in a folder or tuple that cannot be read; a run given directly raises.

    Returns
    -------
    list of LoadedRun
        In the order given, those of a folder by name; a run given twice is listed once, its
        directory in preference to a single file.

    Raises
    ------
    RunError
        For a path that does not exist, holds no run, is no CSV of a history or no PNG written by wineexp.
    """
    found: dict[str | tuple[Path, int | None], LoadedRun] = {}
    for loaded in (loaded for place in places for loaded in _load(place, damaged)):
        path, number = loaded.place
        key = loaded.record.signature if loaded.record else (path.resolve(), number)
        if key not in found or (found[key].predictions is None and loaded.predictions is not None):
            found[key] = loaded
    if places and not found:
        first = places[0] if isinstance(places[0], Path) else places[0][0].parent
        raise RunError(f"{first}: expected runs, found none that is not damaged; see wineexp runs --check")
    return list(found.values())


def load_run(run: Run) -> LoadedRun:
    """Read one run directory; raise ``RunError`` where a file of it is damaged or contradicts the record."""
    record = run.record
    losses = _read(run.history_path, _HISTORY_COLUMNS, read_checked(run, run.history_path))
    epochs = len(losses["epoch"])
    if not np.array_equal(losses["epoch"], np.arange(epochs)):
        raise RunError(f"{run.history_path}: is damaged: expected epochs 0, 1, 2, ... in their order")
    if epochs and (LOSS_COLUMNS[2] in losses) != record.spec.eval_train:
        expected = f"{'a' if record.spec.eval_train else 'no'} column {LOSS_COLUMNS[2]}, by its spec"
        raise RunError(f"{run.history_path}: is damaged: expected {expected}")
    if record.timing.epochs is not None and record.timing.epochs != epochs:
        expected = f"expected {record.timing.epochs} epochs, as recorded, found {epochs}"
        raise RunError(f"{run.history_path}: is damaged: {expected}")
    history = as_frame(losses)
    if run.status != "done":
        return LoadedRun(run.path, run.label, record, history)
    if not epochs:
        raise RunError(f"{run.history_path}: is damaged: expected the epochs of a finished run, found none")
    data, metrics = record.data, record.metrics
    predictions = _predictions(run, run.predictions_path, data.valid_rows, metrics.val_mae, data.twins)
    test = None
    if data.test_rows:
        test = _predictions(run, run.test_predictions_path, data.test_rows, metrics.test_mae)
        if test["row"].isin(predictions["row"]).any():
            raise RunError(f"{run.test_predictions_path}: is damaged: a test row is a validation row too")
    return LoadedRun(run.path, run.label, record, history, predictions, test)


def _predictions(run: Run, path: Path, rows: int, mae: float | None, twins: int | None = None) -> pd.DataFrame:
    """Predictions that agree with the record; raise ``RunError`` otherwise."""
    found = _read(path, _PREDICTION_COLUMNS, read_checked(run, path))
    if problem := _contradiction(found, rows, run.record.data.rows, mae, twins):
        raise RunError(f"{path}: is damaged: {problem}")
    return as_frame(found)


def check_run(run: Run) -> None:
    """Raise ``RunError`` where a run is damaged; one without checksums is read for it."""
    check_files(run)
    if run.record.files is None:
        load_run(run)


def check_runs(found: Sequence[tuple[Path, Run | RunError]]) -> list[tuple[Path, Run | RunError]]:
    """The runs of :func:`~wineexp.runs.integrity.sound_runs` with every file hashed and read."""

    def checked(run: Run | RunError) -> Run | RunError:
        if isinstance(run, RunError):
            return run
        try:
            check_files(run, large=True)
            load_run(run)
        except RunError as error:
            return error
        return run

    return [(path, checked(run)) for path, run in found]


def _contradiction(
    predictions: Columns, rows: int, table_rows: int, mae: float | None, twins: int | None
) -> str | None:
    """What in a finished run's predictions contradicts its record."""
    row, actual, predicted, twin = (predictions[name] for name in _PREDICTION_COLUMNS)
    if not (np.isfinite(actual).all() and np.isfinite(predicted).all()):
        return "expected finite numbers, found others"
    if len(row) != rows or not rows or row.min() < 0 or row.max() >= table_rows:
        return f"expected {rows} rows of the table's {table_rows}, found {len(row)}"
    if len(np.unique(row)) < len(row):
        return "a row occurs twice"
    found = int(twin.sum())
    if not ((twin == 0) | (twin == 1)).all() or (twins is not None and found != twins):
        return f"expected {'0 or 1' if twins is None else f'{twins} twins, as recorded'}, found {found}"
    # As float32, which both were written from: the shortest text of a large one is not its exact value.
    with np.errstate(over="ignore"):
        pair = np.stack([actual, predicted]).astype(np.float32).astype(np.float64)
    error = float(np.abs(pair[0] - pair[1]).mean())
    rounding = 1e-6 * float(np.abs(pair).max())
    if mae is None or not math.isclose(error, mae, rel_tol=1e-5, abs_tol=rounding):
        return f"their mean absolute error is {error:.6g}; recorded is {mae}"
    return None


def _load(path: Place, damaged: Callable[[RunError], None] | None) -> Iterator[LoadedRun]:
    if not isinstance(path, Path):
        yield from _load_several(path, damaged)
    elif is_run(path):
        yield load_run(Run(path))
    elif path.is_dir():
        folders = run_folders(path)
        if not folders:
            raise RunError(f"{path}: expected a run directory or a folder of them; found no {RECORD} in it")
        yield from _load_several(folders, damaged)
    elif not path.exists():
        raise RunError(f"{path}: no such file or directory")
    elif path.suffix.lower() == ".png":
        curve = read_png(path)
        yield LoadedRun(path, curve.label, curve.record, curve.history)
    elif path.suffix.lower() == ".csv":
        yield from _load_csv(path)
    else:
        config = path.suffix.lower() in (".yaml", ".yml")
        hint = "; instead of a config give the name of its study" if config else ""
        raise RunError(f"{path}: expected a run directory, a folder of them, a history.csv or a curves.png{hint}")


def _load_several(folders: Sequence[Path], damaged: Callable[[RunError], None] | None) -> Iterator[LoadedRun]:
    for folder in folders:
        run = Run(folder)
        try:
            check_files(run)
            loaded = load_run(run)
        except RunError as error:
            if damaged is not None:
                damaged(error)
        else:
            yield loaded


def _load_csv(path: Path) -> Iterator[LoadedRun]:
    """A history on its own, or several; if it lies in a run directory, that gives label and record."""
    if path.name == HISTORY and is_run(path.parent):
        run = Run(path.parent)
        yield LoadedRun(path, run.label, run.record, as_frame(_read(path, _HISTORY_COLUMNS, read_bounded(path))))
        return
    name = path.parent.resolve().name if path.name == HISTORY else path.stem
    label = re.sub(r"[^\x20-\x7e\w]", "", name)
    for training in read_history(path):
        own = label if training.number is None else f"{label}, training {training.number}"
        yield LoadedRun(path, own, None, training.history, training=training)


def _read(path: Path, columns: tuple[str, ...], content: bytes) -> Columns:
    try:
        check_lines(io.BytesIO(content))
        optional = LOSS_COLUMNS[2:] if columns is _HISTORY_COLUMNS else ()
        return read_columns(content, columns, ("epoch", "row", "twin"), optional)
    except (ValueError, OverflowError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: cannot be read: {text}") from None
