"""What is judged is what was asked for: on which rows, by which score, and everything beside it too."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, root_mean_squared_error
from support import fabricate
from support.configs import read_config

import wineexp
from wineexp.api.comparing import compare
from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.estimate import ALPHA
from wineexp.comparison.judge import judge_errors
from wineexp.errors import ConfigError, SelectionError
from wineexp.page.charts import judged_variants
from wineexp.page.render import render
from wineexp.page.repeat import config_text
from wineexp.runs.reader import load
from wineexp.runs.score import Score
from wineexp.specs.fields import ScoreChoice

RMSE = Score("rmse")

#: Judged score -> scikit-learn's function of the same name.
SKLEARN = {"mae": mean_absolute_error, "rmse": root_mean_squared_error}


@pytest.fixture(scope="module")
def held_out(tmp_path_factory, small_table):
    """Two variants with 3 seeds and test rows; dropout adds 0.1 to the errors."""
    out = tmp_path_factory.mktemp("held-out")
    for seed in range(3):
        for dropout, error in ((0, 0.3), (0.3, 0.4)):
            fabricate.save(out, small_table, seed=seed, error=error, dropout=dropout, test_fraction=0.15)
    return out


@pytest.fixture(scope="module")
def crossed(tmp_path_factory, small_table):
    return fabricate.save_interaction(tmp_path_factory.mktemp("crossed"), small_table)


@pytest.mark.parametrize("judge", SKLEARN)
def test_the_errors_of_a_score_have_scikit_learns_metric_as_their_mean(judge):
    rng = np.random.default_rng(0)
    actual, predicted = rng.normal(5, 2, 200), rng.normal(5, 2, 200)
    score = Score(judge)
    table = pd.DataFrame({"actual": actual, "predicted": predicted})
    assert score.of_errors(score.errors(table).mean()) == pytest.approx(SKLEARN[judge](actual, predicted))


@pytest.mark.parametrize("judge", SKLEARN)
@pytest.mark.parametrize("rows", ["valid", "test"])
def test_every_figure_of_a_variant_is_that_of_its_own_rows_by_scikit_learn(held_out, small_table, judge, rows):
    found = compare_runs(load([held_out]), score=ScoreChoice(judge, rows))
    metric, side = SKLEARN[judge], "test" if rows == "test" else "val"
    for variant in found.variants:
        tables = [run.test_predictions if rows == "test" else run.predictions for run in variant.runs]
        every = pd.concat(tables)
        train = small_table.frame.drop(
            [*variant.runs[0].predictions["row"], *variant.runs[0].test_predictions["row"]]
        )["quality"]
        constant = train.median() if judge == "mae" else train.mean()
        expected = {
            f"{side}_{judge}": metric(every["actual"], every["predicted"]),
            "skill": 1
            - metric(every["actual"], every["predicted"]) / metric(every["actual"], [constant] * len(every)),
            f"{side}_{judge}_unseen": metric(
                *(every.loc[every["twin"] == 0, name] for name in ("actual", "predicted"))
            ),
            f"train_{judge}": 0.05,
        }
        row = next(row for row in found.rows() if row["variant"] == variant.label)
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-5)
        assert row["judged"] == f"{side}_{judge}"
        assert row["low"] < row[f"{side}_{judge}"] < row["high"]
        assert row["gap"] == pytest.approx(row[f"{side}_{judge}"] - 0.05, rel=1e-5)


@pytest.mark.parametrize("judge", SKLEARN)
def test_a_verdict_is_about_the_difference_of_the_scores_that_are_shown(held_out, judge):
    found = compare_runs(load([held_out]), score=ScoreChoice(judge, "valid"))
    (verdict,) = found.verdicts
    scores = {row["variant"]: row[f"val_{judge}"] for row in found.rows()}
    assert verdict.difference.mean == pytest.approx(scores["dropout 0.3"] - scores["dropout 0"])
    assert f"val {judge.upper()} +0." in verdict.sentence()
    low, high = verdict.interval
    assert verdict.kind == "worse"
    assert 0 < low < verdict.difference.mean < high


def squares(rng, seeds, rows, level, spread=0.05):
    """Squared errors of a variant whose seeds and rows differ."""
    sizes = level + spread * rng.normal(size=(seeds, 1)) + 0.2 * rng.normal(size=(1, rows))
    return (sizes + 0.1 * rng.normal(size=(seeds, rows))) ** 2


def test_the_interval_of_rmse_is_that_of_a_bootstrap_over_seeds_and_rows():
    rng = np.random.default_rng(1)
    ours, theirs = squares(rng, 30, 400, 0.7), squares(rng, 30, 400, 0.6)
    (verdict,) = judge_errors(
        {"one": dict(enumerate(ours)), "other": dict(enumerate(theirs))}, "other", score=RMSE
    )
    drawn = []
    for _ in range(2000):
        seeds, rows = rng.integers(30, size=30), rng.integers(400, size=400)
        one, other = (errors[np.ix_(seeds, rows)].mean() ** 0.5 for errors in (ours, theirs))
        drawn.append(one - other)
    expected = np.quantile(drawn, [ALPHA / 2, 1 - ALPHA / 2])
    width = expected[1] - expected[0]
    # A bootstrap over both ways takes the rest into account twice, and has no t quantiles.
    np.testing.assert_allclose(verdict.interval, expected, atol=0.15 * width)
    assert verdict.difference.mean == pytest.approx(ours.mean() ** 0.5 - theirs.mean() ** 0.5)


@pytest.mark.parametrize("seeds", [range(5), range(5, 10)], ids=["the same seeds", "other seeds"])
def test_word_probability_and_interval_of_rmse_agree_with_those_of_the_squared_errors(seeds):
    rng = np.random.default_rng(2)
    for level in np.linspace(0.6, 0.75, 8):
        ours, theirs = squares(rng, 5, 200, level, 0.03), squares(rng, 5, 200, 0.6, 0.03)
        errors = {"one": dict(zip(seeds, ours, strict=True)), "other": dict(enumerate(theirs))}
        (root,), (square,) = judge_errors(errors, "other", score=RMSE), judge_errors(errors, "other")
        assert (root.kind, root.p) == (square.kind, pytest.approx(square.p))
        both = ours.mean() ** 0.5 + theirs.mean() ** 0.5
        assert root.interval == pytest.approx(np.array(square.interval) / both)
        low, high = root.interval
        assert (low > 0 or high < 0) == (root.kind in ("better", "worse"))


def test_a_margin_is_in_the_unit_of_the_score():
    rng = np.random.default_rng(3)
    base = squares(rng, 5, 300, 0.6)
    errors = {"one": dict(enumerate(base * 1.02)), "other": dict(enumerate(base))}
    difference = (base * 1.02).mean() ** 0.5 - base.mean() ** 0.5
    for margin, kind in ((2 * difference, "same"), (0.5 * difference, "worse")):
        (verdict,) = judge_errors(errors, "other", margin, score=RMSE)
        assert verdict.kind == kind


def test_perfect_predictions_have_an_rmse_too():
    errors = {"one": dict.fromkeys(range(3), np.zeros(9)), "other": dict.fromkeys(range(3), np.zeros(9))}
    (verdict,) = judge_errors(errors, "other", score=RMSE)
    assert (verdict.difference.mean, verdict.kind) == (0.0, "cannot tell")


def test_effects_on_rmse_are_differences_of_rmses(crossed):
    found = compare_runs(load([crossed]), score=ScoreChoice("rmse"))
    cells = {(row["dropout"], row["bn"]): row["val_rmse"] for row in found.rows()}
    simple = {
        (*effect.levels.values(), *effect.at.values()): effect.difference.mean
        for effect in found.effects
        if effect.kind == "simple"
    }
    assert simple[("0.3", "none")] == pytest.approx(cells["0.3", "none"] - cells["0", "none"])
    assert simple[("after", "0.3")] == pytest.approx(cells["0.3", "after"] - cells["0.3", "none"])
    (interaction,) = (effect for effect in found.effects if effect.kind == "interaction")
    one, other = (cells["0.3", bn] - cells["0", bn] for bn in ("after", "none"))
    assert interaction.difference.mean == pytest.approx(one - other)
    assert "changes val RMSE by" in interaction.sentence()


def test_across_splits_rmse_is_over_all_splits_together(small_table, tmp_path):
    for split_seed in range(5):
        for seed in range(2):
            for dropout, error in ((0, 0.3), (0.3, 0.4)):
                fabricate.save(
                    tmp_path, small_table, seed=seed, split_seed=split_seed, error=error, dropout=dropout
                )
    found = compare_runs(load([tmp_path]), score=ScoreChoice("rmse"))
    (verdict,) = found.verdicts
    roots = []
    for variant in found.variants:
        every = pd.concat([run.predictions for run in variant.runs])
        roots.append(mean_squared_error(every["actual"], every["predicted"]) ** 0.5)
        assert variant.judged_score == pytest.approx(roots[-1])
        assert variant.figures.score == pytest.approx(roots[-1], rel=1e-5)
    assert verdict.difference.mean == pytest.approx(roots[1] - roots[0])
    assert verdict.difference.unit == "splits"


def test_test_rows_judge_where_there_are_any_and_it_is_said(held_out):
    found = compare_runs(load([held_out]))
    assert found.metric == "test MAE"
    assert found.notes[0] == "judged on 18 test rows, which neither trained nor chose anything"
    assert [column.key for column in found.listing.columns][2] == "test_mae"
    assert "test RMSE" in repr(compare_runs(load([held_out]), score=ScoreChoice("rmse")))


def test_validation_rows_judge_where_they_are_asked_for(held_out):
    found = compare_runs(load([held_out]), score=ScoreChoice("mae", "valid"))
    assert found.metric == "val MAE"
    assert not any("test rows" in note for note in found.notes)


def test_test_rows_cannot_judge_where_there_are_none(crossed):
    with pytest.raises(SelectionError, match=r"expected test rows in every run, found none in .*--test"):
        compare_runs(load([crossed]), score=ScoreChoice("mae", "test"))


def test_the_table_is_sorted_by_the_score_that_judges(small_table, tmp_path):
    """The variant with dropout has the lower MAE; its seeds differ more, so it has the higher RMSE."""
    for seed in range(3):
        fabricate.save(tmp_path, small_table, seed=seed, error=0.41, own=0.0)
        fabricate.save(tmp_path, small_table, seed=seed, error=0.0, own=0.32, dropout=0.3)
    first = {}
    for judge in ("mae", "rmse"):
        rows = compare_runs(load([tmp_path]), score=ScoreChoice(judge)).rows()
        scores = [row[f"val_{judge}"] for row in rows]
        assert scores == sorted(scores)
        first[judge] = rows[0]["variant"]
    assert first == {"mae": "dropout 0.3", "rmse": "dropout 0"}


def test_page_json_and_config_speak_of_the_score_that_judges(held_out, tmp_path):
    found = compare_runs(load([held_out]), score=ScoreChoice("rmse"))
    page = render(found)
    assert "Lowest test RMSE" in page
    assert "A lower RMSE is better; always predicting the training mean" in page
    assert "val MAE" not in page.split("<details")[0].replace("val MAE</", "")
    assert {row["judged"] for row in found.as_json()["variants"]} == {"test_rmse"}
    config = tmp_path / "again.yaml"
    config.write_text(config_text(found, "again"))
    assert read_config(config).judge == "rmse"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"judge": "mse"}, "judge: expected one of mae, rmse"),
        ({"judge_rows": "train"}, "judge_rows: expected one of valid, test; found 'train'"),
    ],
)
def test_another_score_is_refused(crossed, how, message):
    with pytest.raises(SelectionError, match=message):
        compare(crossed, **how)


def test_another_score_in_a_config_is_refused_with_its_line(tmp_path):
    config = tmp_path / "a.yaml"
    config.write_text("name: a\nruns:\n  - {}\njudge: r2\n")
    with pytest.raises(ConfigError, match=r"4: judge: expected one of mae, rmse.*; found 'r2'"):
        read_config(config)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"judge": "mae_mc"}, "expected the same mc_passes in every run with dropout, for mae_mc; found 0"),
        ({"judge_rows": "test"}, "expected test rows in every run; test_fraction: 0.15"),
    ],
)
def test_a_study_that_cannot_be_judged_so_is_refused_before_training(small_table, tmp_path, how, message):
    config = {"defaults": {"widths": 8, "epochs": 2}, "grid": {"dropout": [0, 0.3]}}
    with pytest.raises(SelectionError, match=message):
        wineexp.study(config, data=small_table.frame, out=tmp_path / "runs", page=False, jobs=0, **how)
    assert not (tmp_path / "runs").exists()


def test_the_page_draws_the_errors_of_the_judged_rows_and_predictions(small_table, tmp_path):
    for dropout in (0, 0.3):
        fabricate.save(
            tmp_path, small_table, error=0.3, mc_error=0.1, dropout=dropout, mc_passes=9, test_fraction=0.15
        )
    found = compare_runs(load([tmp_path]), score=ScoreChoice("mae_mc"))
    shown = [variant for variant in found.variants if variant.runs]
    (dropped,) = [one for one in judged_variants(found, shown) if one["label"] == "dropout 0.3"]
    (run,) = next(variant.runs for variant in shown if variant.label == "dropout 0.3")
    table = run.test_predictions.sort_values("row")
    np.testing.assert_allclose(dropped["predicted"], table["predicted_mc"], rtol=1e-5)
    assert "one point per test row" in render(found)
