"""Of networks that have not learnt anything, that is said before any verdict on them."""

import numpy as np
import pandas as pd
import pytest
from support import fabricate

import wineexp
from wineexp.comparison.comparison import compare_runs
from wineexp.page.render import render
from wineexp.runs.reader import load

#: The loss of the best constant on the small table's validation rows is between 0.4 and 1.
GOOD, BAD = 0.3, 3.0


def compared(out, table, plain, dropped, **losses):
    """Plain networks and ones with dropout, 3 seeds each, whose errors lie around these values."""
    for seed in range(3):
        fabricate.save(out, table, seed=seed, error=plain, **losses)
        fabricate.save(out, table, seed=seed, error=dropped, dropout=0.3, **losses)
    return compare_runs(load([out]))


def test_where_both_lose_to_the_constant_the_verdict_is_led_by_that(small_table, tmp_path):
    found = compared(tmp_path, small_table, BAD, 2 * BAD)
    (verdict,) = found.verdicts
    scores = {row["variant"]: row["val_mae"] for row in found.rows()}
    expected = (
        f"Neither has learnt yet: both lose to the constant (always predicting the training median gives "
        f"{found.constant:.3f}; dropout 0.3 has val MAE {scores['dropout 0.3']:.3f}, dropout 0 val MAE "
        f"{scores['dropout 0']:.3f})"
    )
    assert verdict.sentence().startswith(f"{expected}. dropout 0.3 is worse than dropout 0: ")
    assert verdict.answer.startswith(f"{expected}. No: worse by ")
    assert "<strong>Neither has learnt yet:</strong> both lose to the constant" in render(found)
    drawn = found.draw(layout="verdict")
    assert "neither has learnt" in [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert (verdict.kind, verdict.p < 0.05) == ("worse", True), "word, p and interval stay"
    assert [row["learnt"] for row in found.rows()] == ["loses to the constant"] * 2
    assert "not learnt" in [column.heading for column in found.listing.columns]


@pytest.mark.parametrize(
    ("plain", "dropped", "words"),
    [
        (GOOD, BAD, "dropout 0.3 has not learnt yet: loses to the constant (val MAE "),
        (BAD, GOOD, "dropout 0 has not learnt yet: loses to the constant (val MAE "),
    ],
)
def test_where_one_has_not_learnt_it_is_named(small_table, tmp_path, plain, dropped, words):
    (verdict,) = compared(tmp_path, small_table, plain, dropped).verdicts
    assert verdict.sentence().startswith(words)


def test_where_both_have_learnt_nothing_is_said(small_table, tmp_path):
    found = compared(tmp_path, small_table, GOOD, 1.1 * GOOD)
    assert found.verdicts[0].lead is None
    assert "not learnt" not in [column.heading for column in found.listing.columns]


def test_a_loss_that_still_falls_is_said_behind_the_verdict(small_table, tmp_path):
    falling = [(2 - epoch / 30, 2 - epoch / 30) for epoch in range(30)]
    found = compared(tmp_path, small_table, GOOD, 1.1 * GOOD, losses=falling, epochs=30)
    (verdict,) = found.verdicts
    assert verdict.sentence().endswith(". Both are still falling, so more epochs may change this")
    assert {row["learnt"] for row in found.rows()} == {"still falling"}


def test_a_diverged_seed_is_said_of_its_variant(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=GOOD)
        fabricate.save(tmp_path, small_table, seed=seed, error=GOOD, dropout=0.3)
    fabricate.fail(tmp_path, small_table, seed=3, dropout=0.3)
    (verdict,) = compare_runs(load([tmp_path])).verdicts
    assert verdict.sentence().startswith("dropout 0.3 has not learnt yet: 1 seed diverged. ")


def blood_pressure(folder):
    """200 measurements of 50 people: a systolic pressure of 128 with a spread of 14, from age, weight and salt."""
    rng = np.random.default_rng(4)
    person = np.repeat(np.arange(50), 4)
    age, weight, salt = (rng.normal(size=50)[person] for _ in range(3))
    systolic = 128 + 9 * age + 5 * weight + 2 * salt + 8 * rng.normal(size=200)
    table = pd.DataFrame(
        {"person": person, "age": 50 + 12 * age, "weight": 75 + 10 * weight, "salt": 9 + 2 * salt}
    )
    path = folder / "pressure.csv"
    table.assign(systolic=systolic.round(0)).to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_a_target_far_from_unit_scale_is_no_answer_about_batch_norm(tmp_path, tensorflow):
    """As "bn after is worse by 122.7, p < 0.001", where the constant beat both variants by far."""
    fields = {
        "widths": "64x3",
        "batch_size": 64,
        "target": "systolic",
        "split": "grouped",
        "group": "person",
        "scale": "standard",
    }
    config = {"defaults": fields, "seeds": 3, "runs": [{}, {"bn": "after"}]}
    how = {"data": blood_pressure(tmp_path), "out": tmp_path / "runs", "jobs": 0, "page": False}
    (verdict,) = wineexp.study(config, **how).comparison.verdicts
    assert (verdict.kind, verdict.p < 0.05) == ("worse", True)
    assert verdict.sentence().startswith("Neither has learnt yet: both lose to the constant (always predicting ")
    assert "; scale_target standard (--scale-target standard) may help. bn after is worse" in verdict.sentence()
    standardized = {**config, "name": "standardized", "defaults": {**fields, "scale_target": "standard"}}
    found = wineexp.study(standardized, **how).comparison
    assert found.verdicts[0].kind == "cannot tell"
    assert all(row["skill"] > 0 for row in found.rows())
