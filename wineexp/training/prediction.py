"""A saved run's model on new rows. Loads TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.classes import Classes, target_of
from wineexp.data.encoding import encoding_of
from wineexp.data.scaling import Scaling
from wineexp.data.sources import at_hand
from wineexp.data.table import Table
from wineexp.errors import RunError, first_line
from wineexp.runs.directory import MODEL
from wineexp.runs.integrity import check_hash
from wineexp.runs.metrics import of_classes
from wineexp.runs.new_rows import NewRows
from wineexp.runs.probabilities import of_labels, probabilities
from wineexp.runs.run import Run
from wineexp.training.model import build_model, keras_defaults, restore_weights
from wineexp.training.passes import Passes, drop_passes, mean_of_passes
from wineexp.training.scaling_layers import check_scaling
from wineexp.training.trainer import predict

__all__ = ["check_model", "load_model", "measure_predictions", "predict_rows", "scale_rows"]

Floats = npt.NDArray[np.floating[Any]]
Doubles = npt.NDArray[np.float64]


@keras_defaults()
def load_model(run: Run) -> keras.Sequential:
    """The run's model as it was trained, for scaled rows, not compiled: built anew, with the weights of its file.

    Nothing else of the file is used, so no config in it can have an effect.

    Raises
    ------
    RunError
        When the run is not done, has no model, or its file cannot be loaded or holds another scaling.
    """
    if run.status != "done":
        raise RunError(f"{run.path}: expected a finished run, found one that is {run.status}")
    if not run.model_path.is_file():
        raise RunError(f"{run.path}: has no {run.model_path.name}: {_why_not(run)}")
    check_hash(Run(run.path), run.model_path)  # read anew: the run may have been trained again
    features = len(run.record.data.features)
    model = build_model(run.spec, features, len(run.record.data.labels))
    try:
        restore_weights(model, run.model_path, features)
        check_scaling(run)
    except RunError:
        raise
    except Exception as error:  # noqa: BLE001 - a damaged or hostile file raises whatever Keras meets in it
        raise RunError(f"{run.model_path}: cannot be loaded: {first_line(error)}") from None
    return model


def _why_not(run: Run) -> str:
    """Why a run has no model, as far as its record says."""
    if run.model_path.exists():
        return "expected a file there, found a folder or a device; put the file back, or train the run again"
    if run.record.files is None:  # written by wineexp 0.1.0
        return "it was trained with --no-model, or the file was deleted"
    return "the file was deleted" if MODEL in run.record.files else "it was trained with --no-model"


def check_model(run: Run, model: keras.Sequential, table: Table) -> None:
    """Raise ``RunError`` unless the model's predictions on ``table`` are those that its run recorded.

    For runs whose record has no checksum: features in another order, say, would silently predict other numbers.
    """
    predictions = run.read_tables().predictions
    assert predictions is not None  # the run is done
    if not set(run.record.data.sources) <= set(table.frame.columns):
        return  # another table with the same values
    rows = table.frame.iloc[predictions["row"].to_numpy()]
    scaled = Scaling.of(run.record.data.scaling)(encoding_of(run.record.data)(rows))
    predicted = _own_terms(run, predict(model, scaled))
    recorded = probabilities(predictions) if run.spec.has_classes else predictions["predicted"].to_numpy()
    # Another processor rounds differently; another order of features is off by far more.
    if not np.allclose(predicted, recorded, rtol=1e-2, atol=1e-2 * float(np.abs(recorded).max())):
        raise RunError(
            f"{run.path}: is damaged: its model does not reproduce its recorded predictions with these features "
            "and this scaling"
        )


def scale_rows(run: Run, rows: NewRows) -> npt.NDArray[np.float32]:
    """The rows' features, scaled like the run's, as its model expects them.

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
        ``row`` (int, from 0), the ID column, ``predicted``; with several samples ``sd``, their standard deviation;
        ``actual`` if it is known. Of classes ``predicted`` is the most probable label, ``sd`` that of its
        probability, and the probability of each label comes last.

    Raises
    ------
    RunError
        When a run has no model, or no dropout to leave on.
    """
    predicted, sd = _mean_of_runs(runs, rows) if mc_dropout is None else _mean_of_passes(runs, rows, mc_dropout)
    columns: dict[str, Any] = {"row": np.arange(len(predicted))}
    if rows.ids is not None:
        columns[rows.ids[0]] = rows.ids[1]
    target, last = target_of(runs[0].record.data, runs[0].spec), {}
    if isinstance(target, Classes):
        likely = target.likely(predicted)
        sd = None if sd is None else sd[np.arange(len(sd)), likely]
        last = of_labels(target.labels, likely, predicted, rows.actual)
    columns["predicted"] = last.pop("predicted", predicted)
    if len(runs) * (mc_dropout or 1) > 1:
        columns["sd"] = sd
    actual = last.pop("actual", rows.actual)
    if actual is not None:
        columns["actual"] = actual
    return pd.DataFrame(columns | last)


def _mean_of_runs(runs: Sequence[Run], rows: NewRows) -> tuple[Floats, Floats | None]:
    """The mean of the runs' predictions and its standard deviation; of a single run, what it predicts."""
    samples = [_checked(run, predict(_sound_model(run), scale_rows(run, rows))) for run in runs]
    if len(samples) == 1:
        return samples[0], None
    table = np.stack(samples)
    return table.mean(axis=0, dtype=np.float64), table.std(axis=0, ddof=1, dtype=np.float64)


def _mean_of_passes(runs: Sequence[Run], rows: NewRows, count: int) -> Passes:
    """The mean of all passes of all runs with dropout on, and their standard deviation."""

    def passes() -> Iterator[Floats]:
        for run in runs:
            if not run.spec.has_dropout():
                raise RunError(f"{run.path}: --mc-dropout needs a run with dropout, and this one has none")
            for values in drop_passes(_sound_model(run), run.spec, scale_rows(run, rows), count):
                yield _checked(run, values)

    return mean_of_passes(passes())


def _sound_model(run: Run) -> keras.Sequential:
    """The run's model, held against the recorded predictions if the record has no checksum."""
    model = load_model(run)
    if not run.record.is_sealed and (trained_on := at_hand(run.record.data)):
        check_model(run, model, trained_on)
    return model


def _checked(run: Run, output: Floats) -> Floats:
    """What the run's model gives, in the target's own terms; raise ``RunError`` if a row's is not finite."""
    predicted = _own_terms(run, output)
    _check_rows(predicted.reshape(len(predicted), -1), "the prediction is not finite")
    return predicted


def _own_terms(run: Run, outputs: Floats) -> Floats:
    """What the run's model gives: numbers in the target's own units, or the probability of each label."""
    return target_of(run.record.data, run.spec).inverse(outputs)


def _check_rows(values: Floats, problem: str) -> None:
    """Raise ``RunError`` with the rows that hold NaN or infinity."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        rows = f"row{'s' if len(bad) > 1 else ''} {', '.join(map(str, bad[:5]))}"
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise RunError(f"{rows}{more}, counted from 0: cannot be predicted: {problem}")


def measure_predictions(table: pd.DataFrame, run: Run) -> dict[str, float | None]:
    """MAE, RMSE and skill of predictions whose actual values are known.

    ``skill`` is ``1 - MAE / MAE of always predicting the training median``; None if the median is perfect, or
    not recorded, as in runs before wineexp 0.1. Of classes: log loss, error rate, Brier score, accuracy, AUC (None
    if a label is missing), and the skill of the log loss.
    """
    if run.spec.has_classes:
        found = of_classes(table.assign(twin=0), run.record.data)
        names = ("log_loss", "error_rate", "brier", "accuracy", "auc")
        return {name: found[f"val_{name}"] for name in names} | {"skill": found["skill"]}
    error = (table["actual"] - table["predicted"].astype(np.float64)).abs().to_numpy()
    mae = float(error.mean())
    median = run.record.data.train_median
    constant = None if median is None else float((table["actual"] - median).abs().mean())
    return {
        "mae": mae,
        "rmse": float(np.sqrt((error**2).mean())),
        "skill": 1 - mae / constant if constant else None,
    }
