"""The inside of a saved run's model: the output of its layers, and whether its moving averages fit."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.api.comparing import check_figure_name
from wineexp.api.inputs import PathLike, read_run
from wineexp.api.saved_run import SavedRun, load_tensorflow
from wineexp.data.classes import Classes, target_of
from wineexp.data.scaling import Scaling
from wineexp.data.sources import find_again
from wineexp.errors import RunError, SelectionError
from wineexp.outputs import write_output
from wineexp.runs.curves import save
from wineexp.runs.inspection import Inspection, LayerInside
from wineexp.runs.new_rows import read_rows, split_again
from wineexp.runs.run import Run
from wineexp.specs.wording import worded
from wineexp.text import one_line, short_source

__all__ = ["inspect", "write_inspection"]


@dataclass(frozen=True)
class _Rows:
    """Rows to look at: float32 features as the model takes them, and the target if known, as the loss sees it."""

    source: str
    x: npt.NDArray[np.float32]
    actual: npt.NDArray[np.floating[Any]] | None
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def inspect(
    run: Run | PathLike,
    rows: PathLike | pd.DataFrame | None = None,
    *,
    data: PathLike | pd.DataFrame | None = None,
    out: PathLike = "outputs",
    sep: str | None = None,
) -> Inspection:
    """Look inside a saved run's model, as ``wineexp inspect`` does.

    It shows each layer's activations over the rows, in inference mode and in training mode (dropout on, batch
    normalization with the statistics of each batch), and compares each batch normalization's moving averages with
    the mean and variance of its input on these rows. The run is not changed, and the result is reproducible.

    Parameters
    ----------
    run : SavedRun or path-like
        A run, its directory or a file of it; or its directory name, signature, label or study in ``out``.
    rows : path-like or DataFrame, optional
        A CSV or a table with the columns that the run was trained on, in any order; by default its training rows.
    data : path-like or DataFrame, optional
        The run's table, for its training rows; by default it is searched for as in ``train``.
    out : path-like
        The folder in which the run is looked for by name.
    sep : str, optional
        The separator of either CSV; by default it is found from the content.

    Raises
    ------
    RunError
        If there is no such run, or several have that name; if it is not done or has no model, or activations are
        not finite.
    DataError
        If the run's table is not found, or a column of ``rows`` is missing or holds anything but finite numbers.
    SelectionError
        For ``rows`` together with ``data``.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, dropout=0.3, data="simulated")
    >>> [layer.name for layer in wineexp.inspect(run).layers]
    ['input', 'dense', 'dropout', 'dense_1']
    """
    if rows is not None and data is not None:
        raise SelectionError("rows and data: expected rows of your own or the run's table, found both")
    saved = SavedRun(read_run(run, out))
    if saved.status != "done":
        raise RunError(f"{saved.path}: expected a finished run, found one that is {saved.status}")
    chosen = _training_rows(saved, data, sep) if rows is None else _new_rows(saved, rows, sep)
    load_tensorflow(saved)
    from wineexp.training.inspection import inspect_model
    from wineexp.training.prediction import load_model

    model = load_model(saved)
    layers = inspect_model(model, chosen.x, batch_size=saved.spec.batch_size, seed=saved.spec.seed)
    return Inspection(
        run=saved.path,
        title=f"{'SIMULATED TABLE: ' if saved.record.simulated else ''}{saved.label}, seed {saved.spec.seed}",
        source=chosen.source,
        rows=len(chosen.x),
        layers=tuple(layers),
        target=_target_words(saved),
        actual=None if chosen.actual is None else float(chosen.actual.mean(dtype=np.float64)),
        notes=tuple(_notes(saved, chosen, layers)),
    )


def write_inspection(found: Inspection, path: Path) -> None:
    """Draw the inspection into ``path``, in the format given by its suffix.

    Raises
    ------
    SelectionError, OutputError
        For any other format; if it cannot be written.
    """
    form = check_figure_name(path)
    write_output(path, save(found.figure, form))


def _training_rows(run: SavedRun, data: PathLike | pd.DataFrame | None, sep: str | None) -> _Rows:
    table = find_again(run.record.data, data, sep=sep)
    split = split_again(table, run)
    raw = split.encoding(table.frame.loc[split.train_rows])
    x = Scaling.of(run.record.data.scaling)(raw)  # as in its training, whatever this version would fit
    actual = split.loss_train if split.loss_train.ndim == 1 else None
    return _Rows(f"the training rows of {short_source(table.source)}", x, actual)


def _new_rows(run: SavedRun, rows: PathLike | pd.DataFrame, sep: str | None) -> _Rows:
    load_tensorflow(run)
    from wineexp.training.prediction import scale_rows

    new = read_rows(rows if isinstance(rows, pd.DataFrame) else Path(rows), run, sep=sep)
    source = "a DataFrame" if isinstance(rows, pd.DataFrame) else os.fspath(rows)
    actual = new.actual
    if actual is not None:
        target = target_of(run.record.data, run.spec)
        seen: npt.NDArray[np.floating[Any]]
        seen = target.forward(target.codes(actual)) if isinstance(target, Classes) else target.forward(actual)
        # Of several labels each unit has a mean of its own; and some target may have no logarithm.
        actual = seen if seen.ndim == 1 and np.isfinite(seen).all() else None
    return _Rows(source, scale_rows(run, new), actual, new.extra, new.notes)


def _target_words(run: SavedRun) -> str:
    """What the mean prediction is of: the target, or the positive label."""
    target = target_of(run.record.data, run.spec)
    if isinstance(target, Classes) and target.positive is not None:
        return f"share of {target.labels[target.positive]}"
    return run.spec.target


def _notes(run: SavedRun, chosen: _Rows, layers: Sequence[LayerInside]) -> Iterator[str]:
    """Unused columns, and effects that a reader could wrongly attribute to the model."""
    yield from chosen.notes
    if chosen.unused:
        yield f"not used: {', '.join(map(one_line, chosen.unused))}"
    if scaled := worded("scale_target", run.spec.scale_target):
        yield f"mean prediction and mean {run.spec.target}: of the {scaled}, as the last layer gives it"
    batch = min(run.spec.batch_size, run.record.data.train_rows)
    if len(chosen.x) < batch and any(layer.normalization for layer in layers):
        yield (
            f"in training mode, batch normalization uses batch statistics: of {len(chosen.x)} rows here, of "
            f"{batch} in training"
        )
