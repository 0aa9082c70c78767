"""A saved run's model on new rows. Loads TensorFlow."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.cells import open_csv
from wineexp.data.facts import TableFacts
from wineexp.data.split import Scaling
from wineexp.data.table import table_of_frame
from wineexp.errors import DataError, RunError, first_line, nearest
from wineexp.runs.directory import MODEL, Run
from wineexp.runs.integrity import check_hash
from wineexp.text import one_line
from wineexp.training.model import build_model, keras_defaults
from wineexp.training.scaling_layers import WEIGHTS, check_scaling
from wineexp.training.trainer import predict

__all__ = ["NewRows", "load_model", "measure_predictions", "predict_rows", "read_rows", "scale_rows"]

#: Bytes that a model's weights may take beyond their own: names, an index.
SLACK = 1_000_000

#: The columns of predictions; a column that is carried along has another name.
OUTPUT = ("row", "predicted", "sd", "actual")

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NewRows:
    """Rows to predict, in the features' order.

    Attributes
    ----------
    features : float64, shape (rows, features)
    actual : float64, shape (rows,), or None
        The target, if present.
    extra : tuple of str
        Columns that are not used.
    notes : tuple of str
        What was dropped, and what lies far outside the rows that the run was trained on.
    ids : tuple of str and list, or None
        A column that is carried into the output: its name, and a value for each row.
    """

    features: Doubles
    actual: Doubles | None
    extra: tuple[str, ...]
    notes: tuple[str, ...] = ()
    ids: tuple[str, list[Any]] | None = None


@keras_defaults()
def load_model(run: Run) -> keras.Sequential:
    """The run's model as it was trained, for scaled rows, not compiled: built anew, with the weights of its file.

    Nothing else of the file is used, so that no config in it is ever followed.

    Raises
    ------
    RunError
        When the run is not done, has no model, or its file cannot be loaded or holds another scaling.
    """
    if run.status != "done":
        raise RunError(f"{run.path}: expected a finished run, found one that is {run.status}")
    if not run.model_path.is_file():
        raise RunError(f"{run.path}: has no {run.model_path.name}: {_why_not(run)}")
    check_hash(Run(run.path), run.model_path)  # as it is now: it may have been trained again
    features = len(run.record.data.features)
    model = build_model(run.spec, features)
    try:
        # 4 bytes each; a dropout layer also keeps the two numbers of its seed, a scaling layer two per feature
        _check_size(run.model_path, 4 * (model.count_params() + 2 * len(model.layers) + 4 * features))
        model.load_weights(run.model_path)
        check_scaling(run)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged or hostile file raises whatever Keras meets in it
        raise RunError(f"{run.model_path}: cannot be loaded: {first_line(error)}") from None
    return model


def _check_size(path: Path, expected: int) -> None:
    """Raise ``ValueError`` unless a model's weights unpack to as many bytes as they should, before they do."""
    with zipfile.ZipFile(path) as archive:
        packed = archive.getinfo(WEIGHTS)
        if packed.file_size > 2 * expected + SLACK:
            raise ValueError(f"expected weights of {expected:,} bytes, found {packed.file_size:,}")
        with h5py.File(io.BytesIO(archive.read(packed)), "r") as weights:
            sizes: list[int] = []
            weights.visititems(lambda _, item: sizes.append(getattr(item, "nbytes", 0)))  # groups have none
    if sum(sizes) > expected + SLACK:
        raise ValueError(f"expected weights of {expected:,} bytes, found {sum(sizes):,}, compressed")


def _why_not(run: Run) -> str:
    """Why a run has no model, as far as its record tells."""
    if run.record.files is None:  # of wineexp 0.1.0
        return "it was trained with --no-model, or the file was deleted"
    return "the file was deleted" if MODEL in run.record.files else "it was trained with --no-model"


def read_rows(
    source: Path | pd.DataFrame, run: Run, *, id_column: str | None = None, sep: str | None = None
) -> NewRows:
    """Read a CSV, or take a DataFrame, with the columns that the run was trained on, in any order.

    A target column without any value counts as absent.

    Parameters
    ----------
    source : Path or DataFrame
        A CSV in any dialect that :func:`wineexp.data.table.read_table` reads; columns that are not needed may hold
        anything, and have any name.
    run : Run
    id_column : str, optional
        A column to carry into the output.
    sep : str, optional
        The CSV's separator; by default its content tells.

    Raises
    ------
    DataError
        When a column is missing, or one that is needed holds anything but finite numbers.
    """
    data, target = run.record.data, run.spec.target
    if id_column in OUTPUT:
        raise DataError(f"id: column {id_column!r} has the name of a column of the output; rename it in the file")
    if isinstance(source, pd.DataFrame):
        frame, extra, ids = _of_frame(source, data, target, id_column)
        notes: tuple[str, ...] = ()
    else:
        file = open_csv(source, sep)
        _check_columns(str(source), file.names, data.features)
        cells = file.read([*data.features, target], carry=id_column)
        frame, ids, notes = cells.numbers, cells.carried, cells.notes
        extra = [name for name in file.names if name not in (*data.features, target)]
        for name in data.features:
            if name in cells.empty:
                where = f"{source}:{file.form.skip + 1}: column {name!r}"
                raise DataError(f"{where}: expected a number, found nothing, here and in every other row")
    features = frame[list(data.features)].to_numpy(np.float64)
    return NewRows(
        features=features,
        actual=frame[target].to_numpy(np.float64) if target in frame else None,
        extra=tuple(name for name in extra if name != id_column),
        notes=(*notes, *_far_outside(features, data)),
        ids=None if id_column is None or ids is None else (id_column, ids),
    )


def _of_frame(
    source: pd.DataFrame, data: TableFacts, target: str, id_column: str | None
) -> tuple[pd.DataFrame, list[str], list[Any] | None]:
    """The numbers of a DataFrame, the names of columns that are not used, and the column to carry."""
    _check_columns("the DataFrame", list(map(str, source.columns)), data.features)
    if id_column is not None and list(source.columns).count(id_column) != 1:
        found = list(source.columns).count(id_column)
        raise DataError(f"the DataFrame: expected one column {id_column!r}, found {found}")
    needed = [name for name in source.columns if name in data.features]
    if target in source.columns and not source[target].isna().to_numpy().all():
        needed.append(target)
    frame = table_of_frame(source[list(dict.fromkeys(needed))]).frame
    extra = [str(name) for name in source.columns if name not in (*data.features, target)]
    return frame, extra, None if id_column is None else source[id_column].tolist()


def _check_columns(where: str, columns: Sequence[str], features: Sequence[str]) -> None:
    """Raise ``DataError`` naming each feature that is missing."""
    missing = [name for name in features if name not in columns]
    if missing:
        told = "; ".join(f"no column {name!r}{nearest(name, columns)}" for name in missing)
        raise DataError(f"{where}: {told}; the run was trained on: {', '.join(map(one_line, features))}")


def _far_outside(features: Doubles, data: TableFacts) -> Iterator[str]:
    """Features whose values lie outside those that were trained on, by more than half of their range."""
    for name, values, (low, high) in zip(data.features, features.T, data.ranges, strict=False):
        beyond = np.maximum(low - values, values - high)
        far = np.flatnonzero(beyond > 0.5 * (high - low))
        if len(far):
            worst = int(beyond.argmax())
            rows = f"{len(far)} row{'s' if len(far) > 1 else ''}"
            yield (
                f"column {name!r}: {rows} far outside what the run was trained on, {low:g} to {high:g}; "
                f"furthest {values[worst]:g} in row {worst}, counted from 0"
            )


def scale_rows(run: Run, rows: NewRows) -> npt.NDArray[np.float32]:
    """The rows' features scaled as the run's were, as its model takes them.

    Raises
    ------
    RunError
        When a feature is too large for float32.
    """
    x = Scaling.of(run.record.data.scaling)(rows.features)
    _check_rows(x, "a feature is too large for float32")
    return x


def predict_rows(runs: Sequence[Run], rows: NewRows, *, mc_dropout: int | None = None) -> pd.DataFrame:
    """Predictions of one run, or the mean over several, or over passes with dropout on.

    Parameters
    ----------
    runs : sequence of Run
        Seeds of one variant.
    rows : NewRows
    mc_dropout : int, optional
        Number of passes with dropout left on, as an uncertainty estimate (Gal and Ghahramani, *Dropout as a
        Bayesian Approximation*, 2016); batch normalization stays in inference mode.

    Returns
    -------
    pandas.DataFrame
        ``row`` (int, from 0), the column that is carried, ``predicted``; with several samples ``sd``, their
        standard deviation; ``actual`` where it is known.

    Raises
    ------
    RunError
        When a run has no model, or no dropout to leave on.
    """
    samples: list[Floats] = []
    for run in runs:
        if mc_dropout is not None and not any(run.spec.rates()):
            raise RunError(f"{run.path}: --mc-dropout needs a run with dropout, and this one has none")
        model = load_model(run)
        x = scale_rows(run, rows)
        samples += [predict(model, x)] if mc_dropout is None else [_drop(model, x) for _ in range(mc_dropout)]
        _check_rows(samples[-1][:, None], "the prediction is not finite")
    table = np.stack(samples)
    columns: dict[str, Any] = {"row": np.arange(table.shape[1])}
    if rows.ids is not None:
        columns[rows.ids[0]] = rows.ids[1]
    columns["predicted"] = table[0] if len(table) == 1 else table.mean(axis=0, dtype=np.float64)
    if len(table) > 1:
        columns["sd"] = table.std(axis=0, ddof=1, dtype=np.float64)
    if rows.actual is not None:
        columns["actual"] = rows.actual
    return pd.DataFrame(columns)


def _check_rows(values: Floats, problem: str) -> None:
    """Raise ``RunError`` with the rows that hold NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        rows = f"row{'s' if len(bad) > 1 else ''} {', '.join(map(str, bad[:5]))}"
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise RunError(f"{rows}{more}, counted from 0: cannot be predicted: {problem}")


def _drop(model: keras.Sequential, x: npt.NDArray[np.float32]) -> Floats:
    """One pass with dropout on and all else as in inference."""
    values: Any = x
    for layer in model.layers:
        values = layer(values, training=isinstance(layer, keras.layers.Dropout))
    found: Floats = np.asarray(values)[:, 0]
    return found


def measure_predictions(table: pd.DataFrame, run: Run) -> dict[str, float | None]:
    """MAE, RMSE and skill of predictions whose actual values are known.

    ``skill`` is ``1 - MAE / MAE of always predicting the training median``; None where that is perfect, or
    not recorded, as in runs before wineexp 0.1.
    """
    error = (table["actual"] - table["predicted"].astype(np.float64)).abs().to_numpy()
    mae = float(error.mean())
    median = run.record.data.train_median
    constant = None if median is None else float((table["actual"] - median).abs().mean())
    return {
        "mae": mae,
        "rmse": float(np.sqrt((error**2).mean())),
        "skill": 1 - mae / constant if constant else None,
    }
