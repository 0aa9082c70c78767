"""Why a run is as it is: its record and tables first, its model where that is needed and there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wineexp.api.inputs import PathLike, read_run
from wineexp.api.saved_run import load_tensorflow
from wineexp.data.classes import target_of
from wineexp.data.scaling import Scaling
from wineexp.data.sources import find_again
from wineexp.data.table import Table
from wineexp.errors import DataError
from wineexp.runs.diagnosis import Diagnosis, diagnose, unfinished
from wineexp.runs.new_rows import split_again
from wineexp.runs.reader import check_run
from wineexp.runs.result import predictions_frame, training_frame
from wineexp.runs.run import Run
from wineexp.runs.score import own_score
from wineexp.runs.symptoms import Facts, ModelFacts, watched

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["why"]

#: Passes with dropout on: their mean is near enough to that of any number.
PASSES = 50

#: Activations that are 0 at most in a point, so that no unit is dead.
_NEVER_DEAD = {
    *("celu", "elu", "exponential", "gelu", "leaky_relu", "linear", "log_sigmoid", "log_softmax", "mish", "selu"),
    *("sigmoid", "silu", "softmax", "softplus", "softsign", "squareplus", "swish", "tanh"),
}


def why(
    run: Run | PathLike,
    *,
    data: PathLike | pd.DataFrame | None = None,
    sep: str | None = None,
    out: PathLike = "outputs",
) -> Diagnosis:
    """Say what is wrong with a run, each fault with its figures and a command to try, as ``wineexp why`` does.

    Parameters
    ----------
    run : SavedRun or path-like
        A run, its directory or a file of it; or its directory name, signature, label or study in ``out``.
    data : path-like or DataFrame, optional
        The run's table, for what only its model can tell; by default it is searched for as in ``train``.
    sep : str, optional
        The separator of a CSV; by default it is found from the content.
    out : path-like
        The folder in which to look up runs by name.

    Returns
    -------
    Diagnosis
        With ``faults`` (worst first) and ``explanations``, each with ``key``, ``title``, ``evidence``, ``meaning``
        and ``command``, and ``left_out``: what needs a model or a table that is not there.

    Raises
    ------
    RunError
        If there is no such run, or several have that name; if it is damaged.
    DataError
        If ``data`` is not the run's table.

    Examples
    --------
    >>> import wineexp
    >>> run = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> wineexp.why(run).faults[0].title
    'It loses to a constant'
    """
    found = Run(read_run(run, out))
    check_run(found)
    title = f"{'SIMULATED TABLE: ' if found.record.simulated else ''}{found.label}, seed {found.spec.seed}"
    if found.status != "done" and found.record.reason != "diverged":
        return Diagnosis(found.path, title, (unfinished(found),), ())
    model, left_out = _of_model(found, data, sep)
    faults, explanations = diagnose(Facts.of(found, model))
    return Diagnosis(found.path, title, tuple(faults), tuple(explanations), left_out)


def _of_model(
    run: Run, data: PathLike | pd.DataFrame | None, sep: str | None
) -> tuple[ModelFacts | None, tuple[str, ...]]:
    """What the model tells, or else what is left out for want of it."""
    spec = run.spec
    open_questions = {
        "whether dropout shifts the predictions": spec.has_dropout() and not spec.mc_passes,
        "whether batch norm's moving averages fit": spec.normalizes(),
        "dead units": bool(spec.widths) and spec.activation not in _NEVER_DEAD,
    }
    questions = [question for question, is_open in open_questions.items() if is_open]
    if run.status != "done" or not questions:
        return None, ()
    if not run.model_path.is_file():
        return None, (f"left out, as the run has no model: {', '.join(questions)}",)
    try:
        table = find_again(run.record.data, data, sep=sep)
    except DataError as error:
        if data is not None:
            raise
        return None, (f"left out, for want of the run's table: {', '.join(questions)}; {error}",)
    return _ask(run, table), ()


def _ask(run: Run, table: Table) -> ModelFacts:
    """What the model tells about the run's own rows."""
    load_tensorflow(run)
    from wineexp.training.inspection import inspect_model, predict_by_batch
    from wineexp.training.passes import drop_passes, mean_of_passes
    from wineexp.training.prediction import load_model

    spec, data, model = run.spec, run.record.data, load_model(run)
    split = split_again(table, run)
    scaled, own_terms = Scaling.of(data.scaling), target_of(data, spec).inverse
    x_train, x_valid = (
        scaled(split.encoding(table.frame.loc[rows])) for rows in (split.train_rows, split.valid_rows)
    )
    how = {"batch_size": spec.batch_size, "seed": spec.seed}
    layers = [layer for layer in inspect_model(model, x_valid, **how) if layer.kind in ("Dense", "Activation")]
    passes = by_batch = None
    if spec.has_dropout() and not spec.mc_passes:
        mean = mean_of_passes(map(own_terms, drop_passes(model, spec, x_valid, PASSES))).mean
        passes = predictions_frame(split, mean)
    if spec.normalizes():
        by_batch = training_frame(split, own_terms(predict_by_batch(model, x_train, **how)))
    error = own_score(spec).errors
    return ModelFacts(
        passes_error=None if passes is None else float(error(passes).mean()),
        passes_mean=None if passes is None else float(watched(passes)[1].mean()),
        batches_error=None if by_batch is None else float(error(by_batch).mean()),
        dead=tuple((layer.name, layer.inference.dead) for layer in layers[:-1]),
    )
