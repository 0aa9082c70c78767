"""Finished runs without training: real records of made-up predictions, written by the real writer."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from unittest import mock

import numpy as np
from matplotlib.figure import Figure

from wineexp.data.split import split_table, table_facts
from wineexp.runs.metrics import baselines, measure, of_passes
from wineexp.runs.record import Environment, Metrics, Timing
from wineexp.runs.result import RunResult, history_frame, predictions_frame, unfinished
from wineexp.runs.writer import write_run
from wineexp.specs.run_spec import RunSpec


def result(spec, table, *, error=0.1, own=0.01, train_error=0.05, losses=None, mc_error=None, predict=None):
    """A finished run whose absolute errors lie around ``error``, twice that on test rows.

    ``own`` is how much a seed differs; ``mc_error`` is as ``error``, for the mean of passes; ``predict`` makes the
    validation predictions of their targets instead.
    """
    split = split_table(table, spec)
    predicted, sizes = _predicted(split.y_valid, spec, error, own)
    if predict is not None:
        predicted = predict(split.y_valid)
    if losses is None:
        level = float(np.abs(sizes).mean())
        losses = [(level * (1 + 1 / (e + 1)), level * (1 + 2 / (e + 1))) for e in range(spec.epochs)]
    history = history_frame(losses)
    on_test = None
    if len(split.y_test):
        on_test = _predicted(split.y_test, spec, 2 * error, own)[0]
    train, valid = (split.y_train, split.y_train + train_error), (split.y_valid, predicted)
    test = None if on_test is None else (split.y_test, on_test)
    found = RunResult(
        spec=spec,
        status="done",
        history=history,
        predictions=predictions_frame(split, predicted),
        test_predictions=None if on_test is None else predictions_frame(split, on_test, test=True),
        metrics=measure(baselines(spec.loss, split), history, train, valid, split.twins, test),
        data=table_facts(table, split),
        timing=Timing(epochs=len(history), fit_seconds=2.0, first_epoch_seconds=1.1, run_seconds=2.5),
        environment=Environment(threads=1, device="CPU", python="3.11"),
    )
    return _with_passes(found, split, error if mc_error is None else mc_error, own) if spec.mc_passes else found


def _with_passes(found, split, error, own):
    """The result with predictions of the mean of passes, whose errors lie around ``error``."""
    valid = found.predictions.assign(
        predicted_mc=_predicted(split.y_valid, found.spec, error, own)[0], predicted_mc_sd=0.1
    )
    test = found.test_predictions
    if test is not None:
        test = test.assign(
            predicted_mc=_predicted(split.y_test, found.spec, 2 * error, own)[0], predicted_mc_sd=0.1
        )
    metrics = Metrics.of(found.metrics.model_dump(exclude_unset=True) | of_passes(valid, test))
    return replace(found, predictions=valid, test_predictions=test, metrics=metrics)


def _predicted(actual, spec, error, own):
    """Predictions with such errors, and these."""
    rows = np.random.RandomState(7).uniform(0.5, 1.5, len(actual))
    seeds = np.random.RandomState(spec.seed)
    size = error * rows + own * seeds.normal() + 0.2 * error * seeds.normal(size=len(rows))
    return actual + size, size


def write(found, out, *, drawn=False, **options):
    """Record a result; unless ``drawn``, curves.png has its text and one grey pixel, as drawing takes longest."""
    blank = mock.patch("wineexp.runs.picture.figure", return_value=Figure(figsize=(0.01, 0.01), dpi=100))
    with contextlib.nullcontext() if drawn else blank:
        return write_run(found, out, **options)


def save(out, table, *, planned="", drawn=False, **options):
    """Record one such run below ``out``: options of :func:`result`, and fields of the spec."""
    names = ("error", "own", "train_error", "losses", "mc_error", "predict")
    how = {name: options.pop(name) for name in names if name in options}
    spec = RunSpec.parse({"widths": "8", "epochs": 6, **options})
    found = result(spec, table, **how)
    return write(found, out, planned=planned, drawn=drawn)


def fail(out, table, *, reason="diverged", **fields):
    """Record a run that failed."""
    spec = RunSpec.parse({"widths": "8", "epochs": 6, **fields})
    found = unfinished(spec, table, reason, "loss is nan", history=history_frame([(9, 9)]), threads=1)
    return write(found, out)


def interrupt(out, table, **fields):
    """Record a run that was interrupted after an epoch."""
    spec = RunSpec.parse({"widths": "8", "epochs": 6, **fields})
    return write(unfinished(spec, table, history=history_frame([(9, 9)]), threads=1), out)


def save_cross(out, table):
    """A 2 x 2 cross of dropout, which adds 0.06 to the errors, and batch normalization, with 3 seeds.

    With batch normalization seeds differ a little more; what it changes cannot be told.
    """
    for seed in range(3):
        for dropout, bn in ((0, "none"), (0.3, "none"), (0, "after"), (0.3, "after")):
            own = 0.01 if bn == "none" else 0.012
            save(out, table, error=0.3 + dropout / 5, own=own, seed=seed, dropout=dropout, bn=bn)
    return out


def save_interaction(out, table):
    """A 2 x 2 cross with 3 seeds: dropout adds 0.1 alone and 0.02 with batch normalization, which takes 0.05."""
    for seed in range(3):
        for dropout, bn, error in ((0, "none", 0.3), (0.3, "none", 0.4), (0, "after", 0.25), (0.3, "after", 0.27)):
            save(out, table, error=error, seed=seed, dropout=dropout, bn=bn)
    return out
