"""Runs read back: whole directories, or a history CSV or saved figure alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.encoding import check_columns
from wineexp.data.facts import TableFacts, same_table
from wineexp.data.table import Table, is_recorded
from wineexp.errors import DataError, RunError
from wineexp.runs.directory import HISTORY, RECORD, is_run, read_recorded, run_folders
from wineexp.runs.history_file import read_history
from wineexp.runs.integrity import check_files, checked, each_checked
from wineexp.runs.names import Place
from wineexp.runs.picture import read_png
from wineexp.runs.prediction_file import Given, LonePredictions, are_predictions, read_predictions
from wineexp.runs.probabilities import probability_columns
from wineexp.runs.result import RunResult
from wineexp.runs.run import Run
from wineexp.runs.tables import read_history_alone, recorded_targets
from wineexp.runs.verification import check_tables

__all__ = ["check_run", "check_runs", "is_of", "known_tables", "load", "read_result", "verify"]


def load(places: Sequence[Place | Given], damaged: Callable[[RunError], None] | None = None) -> list[Run]:
    """Read run directories, folders of them, history CSVs and curves PNGs, in any mix.

    Parameters
    ----------
    places : sequence of Path, tuple of Path or Given
        A tuple holds the run directories that a name stands for; the last are predictions with a name, or a table.
    damaged : callable, optional
        Called with the error of each unreadable run in a folder or tuple; a run given directly raises.

    Returns
    -------
    list of Run
        In the given order, those of a folder by name. A run given twice is listed once; a directory is preferred
        to a single file, and a fuller record to a poorer one. The tables of directories have been read.

    Raises
    ------
    RunError
        For a path that does not exist, holds no run, or is neither a history CSV nor a PNG written by wineexp.
    """
    runs: dict[str | tuple[Run, str], Run] = {}
    given = [run for number, place in enumerate(places) for run in _load(place, damaged, number)]
    given = with_rows(given)
    tables = known_tables(given)
    for run in given:
        sides = run.record.data.sides if run.is_recorded else ""
        key = run.spec.signature(f"{tables[run]}{sides}") if run.is_recorded else _resolved(run)
        if key not in runs or _tells_more(run, runs[key]):
            runs[key] = run
    if places and not runs:
        first = places[0][0].parent if isinstance(places[0], tuple) else places[0]
        raise RunError(f"{first}: expected runs, found none that is not damaged; see wineexp runs --check")
    return list(runs.values())


def _resolved(run: Run) -> tuple[Run, str]:
    """The identity of a lone history or lone predictions, however the path is written."""
    return replace(run, path=run.path.resolve()), run.label


def with_rows(runs: Sequence[Run]) -> list[Run]:
    """The runs, where lone predictions that do not say which rows they are, or of which split, have the others'.

    The split is the others', if these have one. The rows are theirs in the table's order, if there are as many
    with equal targets.
    """
    splits = {run.split_seed for run in runs if run.predictions is not None and _has_split(run)}
    if len(splits) == 1:
        runs = [_of_split(run, min(splits)) for run in runs]
    known = {run.split_seed: run for run in reversed(runs) if run.predictions is not None and _has_rows(run)}
    found = []
    for run in runs:
        if isinstance(run.alone, LonePredictions) and not run.alone.has_rows and run.split_seed in known:
            theirs = known[run.split_seed].predictions
            assert theirs is not None
            theirs = theirs.sort_values("row")
            own = run.alone.predictions
            if len(own) == len(theirs) and _equal(own["actual"], theirs["actual"]):
                table = own.assign(row=theirs["row"].to_numpy())
                run = replace(run, alone=replace(run.alone, predictions=table, has_rows=True))
        found.append(run)
    return found


def _of_split(run: Run, split: int) -> Run:
    if isinstance(run.alone, LonePredictions) and not run.alone.has_split:
        return replace(run, alone=replace(run.alone, split=split, has_split=True))
    return run


def _has_split(run: Run) -> bool:
    return not isinstance(run.alone, LonePredictions) or run.alone.has_split


def _has_rows(run: Run) -> bool:
    return not isinstance(run.alone, LonePredictions) or run.alone.has_rows


def _equal(one: pd.Series, other: pd.Series) -> bool:
    """Whether targets are equal in the precision of a run, or labels are."""
    if one.dtype.kind not in "iuf" or other.dtype.kind not in "iuf":
        return one.tolist() == other.tolist()
    return np.array_equal(one.to_numpy(np.float32), other.to_numpy(np.float32))


def _tells_more(run: Run, other: Run) -> bool:
    """Whether a run holds more than another record of the same training."""
    if (run.predictions is None) != (other.predictions is None):
        return other.predictions is None
    return run.is_recorded and not other.spec.records(run.spec)


def known_tables(runs: Sequence[Run]) -> dict[Run, str]:
    """A name for each run's table: the same for all runs on one table.

    An earlier run, which recorded no headings, counts as on the table of other runs if its features are among
    their columns, in the same order, and its targets are theirs.
    """
    seen: list[_Seen] = []
    tables: dict[Run, str] = {}
    # Runs that recorded headings first: then the candidates for the others, if there are any, are known.
    recorded = sorted((run for run in runs if run.is_recorded), key=lambda run: run.record.data.columns == ())
    by_targets = bool(recorded) and recorded[-1].record.data.columns == ()
    for run in recorded:
        data = run.record.data
        same = next((table for table in seen if table.has(run)), None)
        if same is None:
            taken = any(table.identity == data.identity for table in seen)
            same = _Seen(f"{data.identity} of {run.path}" if taken else data.identity, data)
            seen.append(same)
        if by_targets:
            same.add(run)
        tables[run] = same.identity
    return tables


@dataclass
class _Seen:
    """A table as far as runs have recorded it: its facts, and each target's values by row, NaN if not known."""

    identity: str
    data: TableFacts
    targets: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def has(self, run: Run) -> bool:
        """Whether a run is on this table."""
        if not same_table(self.data, run.record.data):
            return False
        if self.data.columns and run.record.data.columns:
            return True
        if run.spec.has_classes:
            return True  # such runs have recorded headings
        known, actual = self._targets(run)
        return bool(np.all(np.isnan(known) | (known == actual)))

    def add(self, run: Run) -> None:
        """Add what a run records."""
        if run.predictions is not None and not run.spec.has_classes:
            _, actual = self._targets(run)
            self.targets[run.spec.target][run.predictions["row"].to_numpy()] = actual

    def _targets(self, run: Run) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The target at a run's validation rows, as known so far and as the run has it; empty unless done."""
        if run.predictions is None:
            return np.zeros(0), np.zeros(0)
        rows, actual = run.predictions["row"].to_numpy(), run.predictions["actual"].to_numpy()
        return self.targets.setdefault(run.spec.target, np.full(self.data.rows, np.nan))[rows], actual


def is_of(run: Run, table: Table) -> bool:
    """Whether a run was trained on ``table``, that is, recorded the same values.

    An earlier run recorded no headings. It counts as trained on the table if its target, features and group are
    the table's, and its recorded targets are those of the same rows.
    """
    data, spec = run.record.data, run.spec
    if not is_recorded(table, data):
        return False
    if data.columns or run.status != "done":
        return True
    try:
        if check_columns(table, spec) != data.sources:
            return False
        rows, actual = recorded_targets(run.predictions_path, run.record)
        expected = table.frame[spec.target].to_numpy(np.float32)[rows]
    except (DataError, IndexError):
        return False
    except RunError:
        return True  # damaged: reading it will raise
    return np.array_equal(expected, actual)


def read_result(run: Run) -> RunResult:
    """A finished run's result, as training returned it, with the predictions that every run has.

    Raises
    ------
    RunError
        If the run is damaged.
    """
    record, tables = run.record, run.read_tables()
    of_passes = ["predicted_mc", "predicted_mc_sd", *probability_columns(record.data.labels, passes=True)]
    valid, test = (
        None if table is None else table.drop(columns=of_passes, errors="ignore")
        for table in (tables.predictions, tables.test_predictions)
    )
    return RunResult(
        spec=record.spec,
        status=record.status,
        history=tables.history,
        data=record.data,
        metrics=record.metrics,
        timing=record.timing,
        environment=record.environment,
        predictions=valid,
        test_predictions=test,
        model=read_recorded(run.model_path, record) if run.model_path.is_file() else None,
    )


def check_run(run: Run) -> None:
    """Raise ``RunError`` if a run is damaged; one without checksums is read for that."""

    def check(run: Run) -> None:
        check_files(run)
        if run.record.files is None:
            run.read_tables()

    checked(run, check)


def check_runs(found: Sequence[tuple[Path, Run | RunError]]) -> list[tuple[Path, Run | RunError]]:
    """The runs of :func:`~wineexp.runs.integrity.sound`, with every file hashed and every figure computed anew."""
    sound, damaged, _ = verify([run for _, run in found if isinstance(run, Run)], large=True)
    now: dict[Path, Run | RunError] = {run.path: run for run in sound} | damaged
    listed = ((path, run if isinstance(run, RunError) else now.get(path)) for path, run in found)
    return [(path, run) for path, run in listed if run is not None]


def verify(runs: Sequence[Run], *, large: bool = False) -> tuple[list[Run], dict[Path, RunError], tuple[str, ...]]:
    """Read runs whole, and compare those without a checksum of their record with their tables.

    Parameters
    ----------
    large : bool
        Also hash files over :data:`~wineexp.runs.integrity.LARGE` bytes.

    Returns
    -------
    sound : list of Run
        Reread; one that was removed meanwhile is left out.
    damaged : dict of Path to RunError
    notes : tuple of str
        What could not be checked.
    """

    def check(run: Run) -> None:
        check_files(run, large=large)
        run.read_tables()

    sound: list[Run] = []
    damaged: dict[Path, RunError] = {}
    for path, result in each_checked(runs, check):
        if isinstance(result, Run):
            sound.append(result)
        else:
            damaged[path] = result
    others, notes = check_tables((run.path, run.record) for run in sound if run.status == "done")
    return [run for run in sound if run.path not in others], damaged | others, notes


def _load(path: Place | Given, damaged: Callable[[RunError], None] | None, number: int = 0) -> Iterator[Run]:
    if isinstance(path, Given):
        yield from _load_predictions(path, number)
    elif not isinstance(path, Path):
        yield from _load_several(path, damaged)
    elif is_run(path):
        yield checked(Run(path), _read)
    elif path.is_dir():
        folders = run_folders(path)
        if not folders:
            raise RunError(f"{path}: expected a run directory or a folder of them; found no {RECORD} in it")
        yield from _load_several(folders, damaged)
    elif not path.exists():
        raise RunError(f"{path}: no such file or directory")
    elif path.suffix.lower() == ".png":
        yield Run.of_file(path, *read_png(path))
    elif path.suffix.lower() == ".csv":
        yield from _load_csv(path, number)
    else:
        config = path.suffix.lower() in (".yaml", ".yml")
        hint = "; instead of a config give the name of its study" if config else ""
        raise RunError(f"{path}: expected a run directory, a folder of them, a history.csv or a curves.png{hint}")


def _load_several(folders: Sequence[Path], damaged: Callable[[RunError], None] | None) -> Iterator[Run]:
    def check(run: Run) -> None:
        check_files(run)
        _read(run)

    for _, result in each_checked(map(Run, folders), check):
        if isinstance(result, Run):
            yield result
        elif damaged is not None:
            damaged(result)


def _read(run: Run) -> Run:
    """The run, with its tables read."""
    run.history  # noqa: B018 - reads and checks them all
    return run


def _load_predictions(given: Given, number: int) -> Iterator[Run]:
    path = given.table if isinstance(given.table, Path) else Path(f"DataFrame {number + 1}")
    yield from (Run(path, found.number, found) for found in read_predictions(given, number))


def _load_csv(path: Path, number: int) -> Iterator[Run]:
    """One or several lone histories, or predictions; a history in a run directory has label and record."""
    if path.name == HISTORY and is_run(path.parent):
        yield Run.of_file(path, Run(path.parent).record, read_history_alone(path))
    elif are_predictions(path):
        yield from _load_predictions(Given(path), number)
    else:
        yield from (Run(path, history.number, history) for history in read_history(path))
