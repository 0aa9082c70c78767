"""Runs read back: whole directories, or what a history CSV or a saved figure holds of one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.csv_source import check_lines
from wineexp.data.encoding import check_columns
from wineexp.data.facts import TableFacts, same_table
from wineexp.data.table import Table
from wineexp.errors import DataError, NoRunError, RunError
from wineexp.runs.directory import HISTORY, RECORD, Run, is_run, read_bounded, run_folders
from wineexp.runs.history_file import Training, read_history
from wineexp.runs.integrity import check_files, checked, read_checked
from wineexp.runs.names import Place
from wineexp.runs.number_table import Columns, as_frame, read_columns
from wineexp.runs.picture import read_png
from wineexp.runs.record import Metrics, Record, Status
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.runs.verification import check_metrics, check_tables
from wineexp.specs.run_spec import RunSpec

__all__ = ["LoadedRun", "check_run", "check_runs", "is_of", "load", "load_run", "verify"]

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
    table : str or None
        What its table is known by among the runs that it was read with; see :func:`load`. None where it is not.
    """

    path: Path
    label: str
    record: Record | None = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    predictions: pd.DataFrame | None = field(default=None, repr=False)
    test_predictions: pd.DataFrame | None = field(default=None, repr=False)
    training: Training | None = field(default=None, repr=False)
    table: str | None = field(default=None, repr=False)

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
        In the order given, those of a folder by name; a run given twice is listed once, its directory in
        preference to a single file, and what records more in preference to what records less. ``table`` is the
        same for all runs of one table: an earlier one, which recorded no headings, has that of the others whose
        columns have its features, in their order, and its targets.

    Raises
    ------
    RunError
        For a path that does not exist, holds no run, is no CSV of a history or no PNG written by wineexp.
    """
    found: dict[str | tuple[Path, int | None], LoadedRun] = {}
    for loaded in _with_tables([loaded for place in places for loaded in _load(place, damaged)]):
        path, number = loaded.place
        key = (path.resolve(), number) if loaded.spec is None else loaded.spec.signature(str(loaded.table))
        if key not in found or _tells_more(loaded, found[key]):
            found[key] = loaded
    if places and not found:
        first = places[0] if isinstance(places[0], Path) else places[0][0].parent
        raise RunError(f"{first}: expected runs, found none that is not damaged; see wineexp runs --check")
    return list(found.values())


def _tells_more(run: LoadedRun, other: LoadedRun) -> bool:
    """Whether a run tells more than another record of the same training."""
    if (run.predictions is None) != (other.predictions is None):
        return other.predictions is None
    return run.spec is not None and other.spec is not None and not other.spec.records(run.spec)


def _with_tables(runs: Sequence[LoadedRun]) -> list[LoadedRun]:
    """The runs, each with what its table is known by; earlier runs join those whose table they can be of."""
    known: list[_Seen] = []
    tables: dict[int, str] = {}
    # Runs that recorded headings first: what one can be of is then known.
    recorded = [(run.data.columns == (), number, run) for number, run in enumerate(runs) if run.data is not None]
    for _, number, run in sorted(recorded, key=lambda one: one[:2]):
        assert run.data is not None
        same = next((seen for seen in known if seen.has(run)), None)
        if same is None:
            taken = any(seen.identity == run.data.identity for seen in known)
            same = _Seen(f"{run.data.identity} of {run.path}" if taken else run.data.identity, run.data)
            known.append(same)
        same.add(run)
        tables[number] = same.identity
    return [replace(run, table=tables.get(number)) for number, run in enumerate(runs)]


@dataclass
class _Seen:
    """A table as far as runs have told of it: its facts, and each target's values by row, NaN where not known."""

    identity: str
    data: TableFacts
    targets: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def has(self, run: LoadedRun) -> bool:
        """Whether a run is of this table."""
        assert run.data is not None
        if not same_table(self.data, run.data):
            return False
        if self.data.columns and run.data.columns:
            return True
        values = self._values(run)
        return values is None or bool(np.all(np.isnan(values[0]) | (values[0] == values[1])))

    def add(self, run: LoadedRun) -> None:
        """Take in what a run tells."""
        values = self._values(run)
        if values is not None and run.predictions is not None and run.spec is not None:
            self.targets[run.spec.target][run.predictions["row"].to_numpy()] = values[1]

    def _values(self, run: LoadedRun) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None:
        """The target at a run's validation rows: as it was known, and as the run has it."""
        if run.predictions is None or run.spec is None:
            return None
        rows, actual = run.predictions["row"].to_numpy(), run.predictions["actual"].to_numpy()
        return self.targets.setdefault(run.spec.target, np.full(self.data.rows, np.nan))[rows], actual


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
    data = record.data
    predictions = _predictions(run, run.predictions_path, data.valid_rows, data.twins)
    test = None
    if data.test_rows:
        test = _predictions(run, run.test_predictions_path, data.test_rows)
        if np.isin(test["row"], predictions["row"]).any():
            raise RunError(f"{run.test_predictions_path}: is damaged: a test row is a validation row too")
    if problem := check_metrics(record, losses, predictions, test):
        raise RunError(f"{run.path}: is damaged: {problem}")
    tables = (as_frame(predictions), None if test is None else as_frame(test))
    return LoadedRun(run.path, run.label, record, history, *tables)


def _predictions(run: Run, path: Path, rows: int, twins: int | None = None) -> Columns:
    """Predictions of the rows that the record has; raise ``RunError`` otherwise."""
    found = _read(path, _PREDICTION_COLUMNS, read_checked(run, path))
    if problem := _contradiction(found, rows, run.record.data.rows, twins):
        raise RunError(f"{path}: is damaged: {problem}")
    return found


def is_of(run: Run, table: Table) -> bool:
    """Whether a run was trained on ``table``, which it recorded by the same values.

    An earlier run recorded no headings. It counts as one of the table where its target, features and group are the
    table's, and what it predicted was the target of those rows.
    """
    data, spec = run.record.data, run.spec
    names = list(table.frame.columns)
    if not data.is_of(table.fingerprint, names):
        return False
    if data.columns or run.status != "done":
        return True
    try:
        if check_columns(table, spec) != data.sources:
            return False
        found = _read(run.predictions_path, _PREDICTION_COLUMNS, read_checked(run, run.predictions_path))
        actual = table.frame[spec.target].to_numpy(np.float32)[found["row"].astype(np.int64)]
    except (DataError, IndexError):
        return False
    except RunError:
        return True  # damaged: whoever reads it is told
    return np.array_equal(actual, found["actual"].astype(np.float32))


def check_run(run: Run) -> None:
    """Raise ``RunError`` where a run is damaged; one without checksums is read for it."""

    def check(run: Run) -> None:
        check_files(run)
        if run.record.files is None:
            load_run(run)

    checked(run, check)


def check_runs(found: Sequence[tuple[Path, Run | RunError]]) -> list[tuple[Path, Run | RunError]]:
    """The runs of :func:`~wineexp.runs.integrity.sound` with every file hashed and every figure computed anew."""
    sound, damaged, _ = verify([run for _, run in found if isinstance(run, Run)], large=True)
    now: dict[Path, Run | RunError] = {run.path: run for run in sound} | damaged
    listed = ((path, run if isinstance(run, RunError) else now.get(path)) for path, run in found)
    return [(path, run) for path, run in listed if run is not None]


def verify(runs: Sequence[Run], *, large: bool = False) -> tuple[list[Run], dict[Path, RunError], tuple[str, ...]]:
    """Read runs whole, and hold those without a checksum of their record against their tables.

    Parameters
    ----------
    large : bool
        Also hash files over :data:`~wineexp.runs.integrity.LARGE` bytes.

    Returns
    -------
    sound : list of Run
        As they are now; one that was removed meanwhile is no more.
    damaged : dict of Path to RunError
    notes : tuple of str
        What could not be checked.
    """

    def check(run: Run) -> Run:
        check_files(run, large=large)
        load_run(run)
        return run

    sound: list[Run] = []
    damaged: dict[Path, RunError] = {}
    for run in runs:
        try:
            sound.append(checked(run, check))
        except NoRunError:
            continue
        except RunError as error:
            damaged[run.path] = error
    others, notes = check_tables((run.path, run.record) for run in sound if run.status == "done")
    return [run for run in sound if run.path not in others], damaged | others, notes


def _contradiction(predictions: Columns, rows: int, table_rows: int, twins: int | None) -> str | None:
    """What in the rows of a finished run's predictions contradicts its record."""
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
    return None


def _load(path: Place, damaged: Callable[[RunError], None] | None) -> Iterator[LoadedRun]:
    if not isinstance(path, Path):
        yield from _load_several(path, damaged)
    elif is_run(path):
        yield checked(Run(path), load_run)
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
    def check(run: Run) -> LoadedRun:
        check_files(run)
        return load_run(run)

    for folder in folders:
        try:
            loaded = checked(Run(folder), check)
        except NoRunError:
            continue
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
