"""Whether a run has learnt: from its record, history and predictions, and from what is left of them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from support import fabricate

from wineexp.data.table import Table
from wineexp.runs.learning import fall, learning
from wineexp.runs.reader import load
from wineexp.runs.score import Score

#: val_loss, by epoch, with a little noise where it is level.
LEVEL = [0.5 + 0.01 * (-1) ** epoch for epoch in range(30)]
FALLING = [1 - 0.02 * epoch for epoch in range(30)]


def losses(values):
    return [(value, value) for value in values]


def scaled(small_table, center, spread):
    quality = small_table.frame["quality"]
    made = center + spread * (quality - quality.mean()) / quality.std()
    return Table(small_table.frame.assign(quality=made), "scaled", "custom")


def test_a_run_that_predicts_and_levels_off_has_learnt(small_table, tmp_path):
    found = learning(fabricate.save(tmp_path, small_table, error=0.1, losses=losses(LEVEL), epochs=30))
    assert (found.loses_to_constant, found.still_falling, found.constant_predictions) == (False, False, False)
    assert (found.diverged, found.target_scale) == (False, None)
    assert found.has_learnt
    assert found.words == ()


@pytest.mark.parametrize("judge", ["mae", "rmse"])
def test_what_is_not_below_the_constant_loses_to_it_by_the_judged_score(small_table, tmp_path, judge):
    run = fabricate.save(tmp_path, small_table, error=5)
    found = learning(run, Score(judge))
    assert found.loses_to_constant
    assert not found.has_learnt
    figures = found.figures
    constant = {"mae": "the training median", "rmse": "the training mean"}[judge]
    assert found.words == (
        f"loses to the constant: val {judge.upper()} {figures.score:.3f}, always predicting {constant} "
        f"{figures.constant:.3f}",
    )


def test_the_line_through_the_last_third_is_followed_for_half_as_many_epochs_again():
    """1 - 0.02 e ends at 0.42 and falls by 0.3 in 15 epochs."""
    assert fall(np.array(FALLING)) == pytest.approx(0.3 / 0.42)
    assert fall(np.array([5.0] * 12 + FALLING[:6])) == pytest.approx(0.02 * 9 / 0.9)


def test_what_may_be_noise_or_is_too_short_is_not_called_falling():
    random = np.random.RandomState(0)
    assert fall(np.array(FALLING[:17])) is None, "five epochs are no line"
    assert fall(np.array([*FALLING[:20], *[np.nan] * 5, *FALLING[25:]])) is None
    noisy = [fall(1 + 0.1 * random.normal(size=90)) for _ in range(200)]
    assert np.mean([share > 0.05 for share in noisy]) < 0.01
    assert fall(np.array(FALLING[::-1])) == 0


def test_still_falling_is_said_unless_patience_ran_out(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, losses=losses(FALLING), epochs=30)
    assert learning(run).words == (
        "still falling: val_loss would fall by another 71% in half as many epochs again",
    )
    bumpy = [*FALLING[:-1], 0.5]
    stopped = fabricate.save(tmp_path, small_table, losses=losses(bumpy), epochs=90, patience=1)
    assert learning(stopped).still_falling is None
    assert learning(stopped).has_learnt


def test_equal_predictions_are_a_constant(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, predict=lambda actual: 0 * actual + 5)
    assert learning(run).constant_predictions
    assert learning(run).words[0].startswith("predicts a constant")
    other = fabricate.save(tmp_path, small_table, predict=lambda actual: 5 + 0.02 * (actual - 5), seed=1)
    assert learning(other).constant_predictions is False


def test_a_diverged_run_has_not_learnt(small_table, tmp_path):
    found = learning(fabricate.fail(tmp_path, small_table))
    assert found.diverged
    assert not found.has_learnt
    assert found.words == ("diverged: the loss or a prediction was not finite",)
    assert not learning(fabricate.fail(tmp_path, small_table, reason="timeout", seed=1)).diverged


@pytest.mark.parametrize(
    ("center", "spread", "is_far"),
    [
        *[(5.6, 0.8, False), (0, 1, False), (0, 20, False)],
        *[(130, 14, True), (0, 80, True), (0, 0.03, True), (5, 0.1, True)],
    ],
)
def test_a_target_far_from_unit_scale_is_named_and_helped_where_nothing_was_learnt(
    small_table, tmp_path, center, spread, is_far
):
    table = scaled(small_table, center, spread)
    found = learning(fabricate.save(tmp_path, table, error=10 * spread))
    assert (found.target_scale is not None) == is_far
    assert found.remedy == ("--scale-target standard" if is_far else None)
    learnt = learning(fabricate.save(tmp_path, table, error=0.1 * spread, seed=1))
    assert learnt.remedy is None
    done = fabricate.save(tmp_path, table, error=10 * spread, scale_target="standard")
    assert learning(done).target_scale is None, "the loss sees it scaled"


def test_of_a_picture_or_a_history_alone_what_can_be_known_is_said(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table, error=5, losses=losses(FALLING), epochs=30)
    (picture,) = load([run.curves_path])
    found = learning(picture)
    assert found.loses_to_constant
    assert found.still_falling
    assert found.constant_predictions is None
    assert learning(picture, Score("rmse")).has_learnt is False
    pd.DataFrame({"epoch": range(30), "loss": FALLING, "val_loss": FALLING}).to_csv(
        tmp_path / "h.csv", index=False
    )
    (alone,) = load([tmp_path / "h.csv"])
    found = learning(alone)
    assert (found.loses_to_constant, found.still_falling, found.diverged) == (None, True, False)


def test_it_needs_no_tensorflow():
    code = "import sys, wineexp.runs.learning; print({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
