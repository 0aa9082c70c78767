"""With dropout left on, the same weights predict otherwise: both verdicts stand beside each other."""

import json

import pytest
from support import fabricate

from wineexp.comparison.comparison import compare_runs
from wineexp.errors import SelectionError
from wineexp.page.render import render
from wineexp.runs.reader import load
from wineexp.specs.fields import ScoreChoice


@pytest.fixture(scope="module")
def both(tmp_path_factory, small_table):
    """Dropout adds 0.3 to the errors with dropout off, and 0.05 to those of the mean of 100 passes."""
    out = tmp_path_factory.mktemp("both")
    for seed in range(3):
        fabricate.save(out, small_table, seed=seed, error=0.3, mc_passes=100)
        fabricate.save(out, small_table, seed=seed, error=0.6, mc_error=0.35, dropout=0.3, mc_passes=100)
        fabricate.save(out, small_table, seed=seed, error=0.4, bn="after", mc_passes=100)
    return out


def verdict_on(found, label):
    return next(verdict for verdict in found.verdicts if verdict.variant_label == label)


def test_where_dropout_is_on_both_ways_to_predict_are_judged(both):
    found = compare_runs(load([both]))
    verdict = verdict_on(found, "dropout 0.3, bn none")
    other = verdict.other_way
    scores = {row["variant"]: row for row in found.rows()}
    ours, theirs = scores["dropout 0.3, bn none"], scores["dropout 0, bn none"]
    assert verdict.difference.mean == pytest.approx(ours["val_mae"] - theirs["val_mae"], rel=1e-5)
    assert other.verdict.difference.mean == pytest.approx(ours["val_mae_mc"] - theirs["val_mae_mc"], rel=1e-5)
    assert (verdict.kind, other.verdict.kind) == ("worse", "worse")
    assert verdict_on(found, "dropout 0, bn after").other_way is None, "without dropout there is one way"


def test_the_other_way_stands_wherever_the_verdict_does(both):
    found = compare_runs(load([both]))
    verdict = verdict_on(found, "dropout 0.3, bn none")
    words = verdict.other_way.verdict.in_short()
    told = f"with dropout left on, the mean of 100 passes: {words}"
    assert words.startswith("worse by 0.0")
    assert verdict.sentence().endswith(f". W{told[1:]}")
    assert verdict.answer.endswith(f" val MAE; {told}")
    assert any(told[1:] in part for part in found.parts() if isinstance(part, str))
    assert told in render(found)
    assert told in found._repr_html_()
    drawn = found.draw(layout="verdict")
    texts = [text.get_text() for axes in drawn.axes for text in axes.texts]
    assert "dropout left on: worse" in texts
    (other,) = found.as_json()["other_way"]
    assert (other["judged"], other["verdict"]) == ("val_mae_mc", "worse")
    assert json.dumps(other)
    assert "val_mae_mc" in [column.key for column in found.listing.columns]


def test_judged_by_the_mean_of_passes_the_other_way_is_with_dropout_off(both):
    found = compare_runs(load([both]), score=ScoreChoice("mae_mc"))
    verdict = verdict_on(found, "dropout 0.3, bn none")
    assert found.metric == "val MAE (MC)"
    assert verdict.sentence().startswith(
        "dropout 0.3, bn none is worse than dropout 0, bn none: val MAE (MC) +0.0"
    )
    assert ". With dropout off: worse by 0." in verdict.sentence()
    row = next(row for row in found.rows() if row["variant"] == "dropout 0.3, bn none")
    assert row["judged"] == "val_mae_mc"
    assert row["low"] < row["val_mae_mc"] < row["high"] < row["val_mae"]
    assert row["skill"] == pytest.approx(1 - row["val_mae_mc"] / found.constant, rel=1e-5)


def test_rmse_of_the_mean_of_passes_is_judged_too(both):
    found = compare_runs(load([both]), score=ScoreChoice("rmse_mc"))
    assert found.metric == "val RMSE (MC)"
    for variant in found.variants:
        assert variant.judged_score == pytest.approx(variant.figures.score, rel=1e-5)


def test_where_passes_are_missing_it_says_that_they_would_tell(small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.3)
        fabricate.save(tmp_path, small_table, seed=seed, error=0.6, dropout=0.3)
    found = compare_runs(load([tmp_path]))
    (note,) = found.notes
    assert note.startswith("dropout 0.3: judged with dropout off, as Keras predicts; with mc_passes: 100")
    assert found.verdicts[0].other_way is None


def test_a_variant_without_dropout_needs_no_passes(small_table, tmp_path):
    """Its mean of passes is its prediction, whether it was recorded or not."""
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.3)
        fabricate.save(tmp_path, small_table, seed=seed, error=0.6, mc_error=0.35, dropout=0.3, mc_passes=100)
    (verdict,) = compare_runs(load([tmp_path])).verdicts
    assert verdict.other_way.verdict.kind == "worse"
    found = compare_runs(load([tmp_path]), score=ScoreChoice("mae_mc"))
    rows = {row["variant"]: row for row in found.rows()}
    assert rows["dropout 0"]["val_mae_mc"] == pytest.approx(rows["dropout 0"]["val_mae"], rel=1e-5)


def test_a_variant_without_passes_costs_only_its_own_verdict_the_other_way(both, small_table, tmp_path):
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.5, dropout=0.5)
    found = compare_runs(load([both, tmp_path]))
    assert verdict_on(found, "dropout 0.3, bn none").other_way is not None
    assert verdict_on(found, "dropout 0.5, bn none").other_way is None


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((0, 100), "expected mc_passes in every run with dropout, found none in .* with mc_passes 100 adds them"),
        ((50, 100), "expected as many passes in every run; found"),
    ],
)
def test_unequal_numbers_of_passes_are_not_judged(small_table, tmp_path, counts, message):
    for seed, passes in enumerate(counts):
        fabricate.save(tmp_path, small_table, seed=seed)
        fabricate.save(tmp_path, small_table, seed=seed, dropout=0.3, error=0.4, mc_passes=passes)
    with pytest.raises(SelectionError, match=message):
        compare_runs(load([tmp_path]), score=ScoreChoice("mae_mc"))
    found = compare_runs(load([tmp_path]))
    assert all(verdict.other_way is None for verdict in found.verdicts)
    row = next(row for row in found.rows() if row["variant"] == "dropout 0.3")
    assert row["val_mae_mc"] is None, "means of other numbers of passes are other predictions"
    if found.verdicts[0].kind == "worse":
        assert any("as runs have other numbers of passes" in note for note in found.notes)
