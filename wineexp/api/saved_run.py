"""Saved runs: loaded, shown, plotted and compared in Python, and new rows predicted with one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

import pandas as pd

from wineexp import runtime
from wineexp.api.inputs import Compared, PathLike, Runs, read_run, read_runs
from wineexp.data.dialect import NUMBER
from wineexp.data.facts import same_table
from wineexp.errors import RunError, folded
from wineexp.listing import Column, Listing
from wineexp.notebook.card import Card, to_html
from wineexp.runs.columns import COLUMNS, parse_conditions, row
from wineexp.runs.difference import Difference, difference
from wineexp.runs.directory import is_run
from wineexp.runs.display import SIMULATED, counted, run_card, run_line, runs_card
from wineexp.runs.names import Place
from wineexp.runs.new_rows import read_rows, seen_rows
from wineexp.runs.reader import check_run, verify
from wineexp.runs.run import Run, find_runs, readable_runs
from wineexp.text import count_of, csv_cell, format_number, largest, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from wineexp.runs.prediction_file import Given

__all__ = ["Predictions", "SavedRun", "SavedRuns", "diff", "in_order", "load_runs", "load_tensorflow", "predict"]

#: The number of predictions shown in a notebook.
_SHOWN = 10

#: See :attr:`Predictions.metrics`; None for an unknown skill.
Measures = dict[str, float | None]


class SavedRun(Run):
    """A run directory. Its files are read on demand.

    Besides the members listed here it has ``path``, ``label``, ``spec``, ``status``, ``signature`` and ``record``.
    """

    @property
    def history(self) -> pd.DataFrame:
        """``epoch`` (int, from 0), ``loss``, ``val_loss`` (float)."""
        return Run(self.path).history  # as it is now: it may have been trained again

    @property
    def predictions(self) -> pd.DataFrame | None:
        """``row, actual, predicted, twin`` of each validation row; None unless the run is done."""
        return Run(self.path).predictions

    @property
    def test_predictions(self) -> pd.DataFrame | None:
        """The same of each test row; None if there are none."""
        return Run(self.path).test_predictions

    @property
    def metrics(self) -> dict[str, Any]:
        """The metrics of run.json, name to number; None for an unknown number."""
        return self.record.metrics.model_dump(exclude_unset=True)

    def plot(self, *, full_range: bool = False) -> Figure:
        """The learning curves, as in curves.png; a notebook shows the figure."""
        from wineexp.runs.curves import figure
        from wineexp.runs.picture import read_png

        return figure(*read_png(self.curves_path), full_range=full_range)

    def predict(self, rows: PathLike | pd.DataFrame, *, mc_dropout: int | None = None) -> pd.DataFrame:
        """Predictions for new rows: the table of :func:`predict`, which also measures them."""
        return predict(self, rows, mc_dropout=mc_dropout).table

    def load_model(self) -> Any:
        """The ``keras.Sequential`` of model.keras: built from the spec, with the saved weights, not compiled.

        It takes raw features if ``record.data.scaling.in_model`` is true, otherwise scaled ones.
        """
        load_tensorflow(self)
        from wineexp.training.prediction import load_model
        from wineexp.training.scaling_layers import as_saved

        return as_saved(self, load_model(self))

    def __repr__(self) -> str:
        return f"SavedRun({run_line(self)})"

    def _repr_html_(self) -> str:
        return to_html(run_card(self))


@dataclass(frozen=True)
class Predictions:
    """Predictions of new rows.

    Attributes
    ----------
    table : pandas.DataFrame
        ``row`` (int, from 0), the carried column, ``predicted``; for several seeds or passes also ``sd``, their
        standard deviation; ``actual`` if the target is present. Of classes ``predicted`` is the most probable
        label, ``sd`` that of its probability, and each label's probability is ``p_<label>``.
    metrics : dict or None
        ``mae``, ``rmse`` and ``skill`` if the target is present; of classes ``log_loss``, ``error_rate``,
        ``brier``, ``accuracy``, ``auc`` and ``skill``.
    runs : tuple of SavedRun
        The runs that made these predictions, or whose mean they are.
    left_out : tuple of SavedRun
        Seeds of the variant that are not done, or have no model.
    unused : tuple of str
        Columns that the run was not trained on.
    notes : tuple of str
        Which rows or values were dropped, and which lie far outside the run's training rows.
    trained_rows, validation_rows : int or None
        How many rows are, value for value, rows that a run trained on; how many of the others are its validation
        rows. None if the run's table is not at hand.
    metrics_trained, metrics_unseen : dict or None
        ``metrics`` of the rows that a run trained on, and of all others; None if there are none, or if it is not
        known which they are.
    """

    table: pd.DataFrame
    metrics: Measures | None
    runs: tuple[SavedRun, ...]
    left_out: tuple[SavedRun, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...]
    trained_rows: int | None = None
    validation_rows: int | None = None
    metrics_trained: Measures | None = None
    metrics_unseen: Measures | None = None

    @property
    def measured(self) -> str:
        """The metrics in words, apart for the rows that trained; empty if the target is not present."""
        rows, (it, its) = len(self.table), self._pronouns
        if self.metrics is None:
            return ""
        if self.trained_rows is None:
            unknown = f"unknown whether they trained {it}: {its} table is not at hand"
            return f"{count_of(rows, 'row')} ({unknown}): {_in_words(self.metrics)}"
        parts = {
            f"{count_of(rows - self.trained_rows, 'row')} that did not train {it}": self.metrics_unseen,
            f"{count_of(self.trained_rows, 'row')} that trained {it}": self.metrics_trained,
        }
        return "; ".join(f"{name}: {_in_words(metrics)}" for name, metrics in parts.items() if metrics)

    @property
    def remarks(self) -> list[str]:
        """What was left out, unused, dropped, seen in training, or far outside its rows, in words."""
        left_out = [f"left out: {run.path} ({run.status}, or no model)" for run in self.left_out]
        unused = [f"not used: {', '.join(map(one_line, self.unused))}"] if self.unused else []
        target = self.runs[0].spec.target
        alike = [name for name in self.unused if folded(name) == folded(target)]
        if alike and self.metrics is None:
            unused[0] += f"; the target is named {target!r}: rename {alike[0]!r} to get metrics"
        return [*left_out, *unused, *self._seen(), *self.notes]

    def _seen(self) -> Iterator[str]:
        """How many rows trained, unless the metrics say it, and how many validated."""
        it, its = self._pronouns
        of = f"of {len(self.table):,}"
        if self.trained_rows and self.metrics is None:
            yield f"{count_of(self.trained_rows, 'row')} {of} trained {it}"
        if self.validation_rows:
            chose = "nothing" if self.runs[0].spec.patience is None else f"{its} epoch"
            yield f"{count_of(self.validation_rows, 'row')} {of} validated {it}, and chose {chose}"

    @property
    def _pronouns(self) -> tuple[str, str]:
        return ("it", "its") if len(self.runs) == 1 else ("them", "their")

    def _title(self) -> str:
        first, count = self.runs[0], len(self.runs)
        by = f"seed {first.spec.seed}" if count == 1 else f"mean of {count} seeds"
        return f"{count_of(len(self.table), 'row')} predicted by {first.label}, {by}"

    def __repr__(self) -> str:
        return one_line(f"Predictions({self._title()}{'; ' if self.measured else ''}{self.measured})")

    def _repr_html_(self) -> str:
        target = self.runs[0].spec.target
        units = dict.fromkeys(("predicted", "sd", "actual"), target)
        shown = self.table.head(_SHOWN)
        columns: list[Column[Any]] = []
        for name in map(str, shown):
            is_number = pd.api.types.is_numeric_dtype(shown[name])
            columns.append(Column(name, name, "", str, unit=units.get(name, ""), right=is_number))
        texts = zip(*(_as_text(shown[name]) for name in shown), strict=True)
        rows = tuple(dict(zip(map(str, shown), row, strict=True)) for row in texts)
        card = Card(
            self._title(),
            SIMULATED if any(run.record.simulated for run in self.runs) else "",
            (self.measured,) if self.measured else (),
            tables=(Listing(tuple(columns), rows, total=len(self.table)),),
            notes=tuple(self.remarks),
        )
        return to_html(card)

    def as_csv(self) -> str:
        """The table as CSV. Carried cells are safe to open in a spreadsheet, as in all of wineexp's CSVs."""
        table = self.table.rename(columns=csv_cell)
        carried = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
        for name in carried:
            table[name] = [one if NUMBER.fullmatch(str(one)) else csv_cell(one) for one in table[name]]
        return table.to_csv(index=False, lineterminator="\n")


def _in_words(metrics: Measures) -> str:
    """MAE, RMSE and skill; of classes log loss, error rate, AUC if it is known, and skill."""
    skill = "skill unknown" if metrics["skill"] is None else f"skill {metrics['skill']:+.1%}"
    if "log_loss" in metrics:
        area = "" if metrics["auc"] is None else f", AUC {metrics['auc']:.3f}"
        rates = f"error rate {metrics['error_rate'] or 0.0:.3f}{area}"
        return f"log loss {format_number(metrics['log_loss'] or 0.0)}, {rates}, {skill}"
    mae, rmse = (metrics[name] or 0.0 for name in ("mae", "rmse"))
    return f"MAE {format_number(mae)}, RMSE {format_number(rmse, size=mae)}, {skill}"


def _as_text(column: pd.Series) -> list[str]:
    """The cells of a column; numbers all have the same number of decimals, none if all are whole."""
    if not pd.api.types.is_float_dtype(column):
        return list(map(str, column))
    if (column % 1 == 0).all():
        return [f"{cell:.0f}" for cell in column]
    return [format_number(cell, size=largest(column)) for cell in column]


def predict(
    run: Run | PathLike,
    rows: PathLike | pd.DataFrame,
    *,
    run_seeds: bool = False,
    mc_dropout: int | None = None,
    out: PathLike = "outputs",
    id_column: str | None = None,
    sep: str | None = None,
) -> Predictions:
    """Predict new rows with a saved run, as ``wineexp predict`` does.

    Parameters
    ----------
    run : SavedRun or path-like
        A run, its directory or a file of it; or its directory name, signature, label or study in ``out``.
    rows : path-like or DataFrame
        A CSV in any dialect, or a table, with the columns that the run was trained on, in any order; other columns
        may hold anything. A target column without any value counts as absent. Text is encoded as in the run; a
        category that it was not trained on counts as none, with a note.
    run_seeds : bool
        Predict the mean over all seeds of the run's variant in the same folder, and their spread.
    mc_dropout : int, optional
        Predict the mean of this many passes with dropout on, and their standard deviation.
    out : path-like
        The folder in which the run is looked for by name.
    id_column : str, optional
        A column of ``rows`` to carry into the table of predictions.
    sep : str, optional
        The CSV's separator; by default it is found from the content.

    Raises
    ------
    RunError
        If there is no such run, or several have that name; if it is not done, or has no model or no dropout.
    DataError
        If a column is missing or holds anything but finite numbers, or has an empty cell where text was encoded.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> found = wineexp.predict(run, "new-wines.csv")
    >>> list(found.table.columns)
    ['row', 'predicted', 'actual']
    """
    saved = SavedRun(read_run(run, out))
    if saved.status != "done":
        raise RunError(f"{saved.path}: expected a finished run, found one that is {saved.status}")
    runs, left_out = _seeds(saved) if run_seeds else ([saved], [])
    _, damaged, notes = verify(runs)
    for error in damaged.values():
        raise error
    load_tensorflow(saved)
    from wineexp.training.prediction import measure_predictions, predict_rows

    source = rows if isinstance(rows, pd.DataFrame) else Path(rows)
    new = read_rows(source, saved, id_column=id_column, sep=sep)
    table = predict_rows(runs, new, mc_dropout=mc_dropout)
    seen = seen_rows(runs, new, source, sep=sep)

    def measure(part: pd.DataFrame) -> Measures | None:
        return None if new.actual is None or part.empty else measure_predictions(part, saved)

    return Predictions(
        table,
        measure(table),
        tuple(runs),
        tuple(left_out),
        new.extra,
        (*notes, *new.notes),
        trained_rows=None if seen is None else int(seen.trained.sum()),
        validation_rows=None if seen is None else int(seen.validated.sum()),
        metrics_trained=None if seen is None else measure(table[seen.trained]),
        metrics_unseen=None if seen is None else measure(table[~seen.trained]),
    )


def _seeds(run: SavedRun) -> tuple[list[SavedRun], list[SavedRun]]:
    """The runs of its variant beside it: those that can predict, and those that cannot."""
    beside = [SavedRun(other.path) for other in find_runs(run.path.parent)]
    variant, data = run.spec.without_seed(), run.record.data
    same = [
        other for other in beside if other.spec.without_seed() == variant and same_table(other.record.data, data)
    ]
    able = [other for other in same if other.status == "done" and other.model_path.is_file()]
    return able, [other for other in same if other not in able]


def load_tensorflow(run: Run) -> None:
    """Set the run's own thread count, unless TensorFlow runs already: the same count predicts the same."""
    runtime.load(runtime.running_threads() or run.record.environment.threads or 1)
    with runtime.LOCK:
        import wineexp.training.prediction  # noqa: F401 - complete before another thread imports it


def diff(first: Run | PathLike, second: Run | PathLike, *, out: PathLike = "outputs") -> Difference:
    """Two runs side by side: the settings that differ, then their metrics. For a verdict, see :func:`compare`.

    Parameters
    ----------
    first, second : SavedRun or path-like
        A run, its directory or a file of it; or its directory name, signature, label or study in ``out``.
    out : path-like
        The folder in which to look up runs by name.

    Returns
    -------
    Difference
        With ``pairs`` (``part``, ``key``, ``first``, ``second``, ``difference``: the second minus the first),
        ``rows()`` and ``notes``.

    Raises
    ------
    RunError
        If there is no such run, several have that name, or one is damaged.

    Examples
    --------
    >>> import wineexp
    >>> plain = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> dropped = wineexp.train(widths=8, epochs=2, dropout=0.3, data="simulated")
    >>> [(pair.key, pair.first, pair.second) for pair in wineexp.diff(plain, dropped).part("setting")]
    [('dropout', 0.0, 0.3)]
    """
    runs = [Run(read_run(run, out)) for run in (first, second)]
    for run in runs:
        check_run(run)
    return difference(*runs)


class SavedRuns(list[SavedRun]):
    """A list of runs, which a notebook shows as a table.

    ``ordered`` says whether their order was chosen by someone: see :func:`in_order`.
    """

    def __init__(self, runs: Iterable[SavedRun] = (), *, ordered: bool = False) -> None:
        super().__init__(runs)
        self.ordered = ordered

    @property
    def table(self) -> pd.DataFrame:
        """A row per run with every column of ``wineexp runs``, by their keys."""
        return pd.DataFrame([row(run) for run in self], columns=list(COLUMNS))

    @overload
    def __getitem__(self, index: SupportsIndex) -> SavedRun: ...
    @overload
    def __getitem__(self, index: slice) -> SavedRuns: ...
    def __getitem__(self, index: SupportsIndex | slice) -> SavedRun | SavedRuns:
        if isinstance(index, slice):
            return SavedRuns(super().__getitem__(index), ordered=self.ordered)
        return super().__getitem__(index)

    def __repr__(self) -> str:
        return f"SavedRuns({counted(self)})"

    def _repr_html_(self) -> str:
        return to_html(runs_card(self))


def load_runs(*folders: Runs, where: str | Sequence[str] = (), out: PathLike = "outputs") -> SavedRuns:
    """The runs that meet every condition, such as ``"val_mae<0.6"``.

    Parameters
    ----------
    *folders : path-like or SavedRun, or sequences of them
        Folders of runs or run directories; or directory names, signatures, labels or studies of runs in ``out``.
        By default all of ``out``.
    where : str or sequence of str
    out : path-like

    Returns
    -------
    list of SavedRun
        With ``table`` (DataFrame); a notebook shows it as a table.

    Raises
    ------
    RunError
        If something given does not exist, or contains no runs.
    SelectionError
        For an invalid condition.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.load_runs(where="widths=8x1") == wineexp.load_runs(run.signature[:6]) == [run]
    True
    """
    conditions = parse_conditions(where)
    places = read_runs(folders, out) if folders else [Path(out)]
    found = (run for place in places for run in _runs(place))
    met = (run for run in found if all(condition.met(row(run)) for condition in conditions))
    chosen = dict.fromkeys(SavedRun(run.path) for run in met)
    return SavedRuns(chosen, ordered=in_order(folders, places[0]))


def in_order(given: Compared | Sequence[Compared], first: Place | Given) -> bool:
    """Whether the order of runs was chosen by someone, so that the first of them is the reference.

    It was if they were given one by one, by path, name or as themselves, or if they are a study's, which has its
    config's order. A folder's runs have no chosen order, not even as a list from :func:`load_runs`. For a mix, the
    first one decides.

    Parameters
    ----------
    given : SavedRun or path-like, or sequences of them
    first : Path or tuple of Path
        The place of the first one.
    """
    if isinstance(given, SavedRuns):
        return given.ordered
    if isinstance(given, Sequence) and not isinstance(given, str):
        return next((in_order(item, first) for item in given if not _is_empty(item)), False)
    return not isinstance(first, Path) or not first.is_dir() or is_run(first)


def _is_empty(given: Compared) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str) and all(map(_is_empty, given))


def _runs(place: Place) -> Iterable[Run]:
    """The runs of a place whose records can be read, if it is more than one run."""
    if not isinstance(place, Path):
        return readable_runs(place)
    if is_run(place):
        return [Run(place)]
    if place.exists() and not place.is_dir():
        raise RunError(f"{place}: expected a run directory or a folder of them, found a file")
    return find_runs(place)
