"""Runs that predict classes, judged: by each score, beside foreign predictions, in words and on the page."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.batches import train

import wineexp
from wineexp.comparison.comparison import compare_runs
from wineexp.data.table import Table
from wineexp.errors import RunError, SelectionError
from wineexp.page.render import render
from wineexp.page.words import lead
from wineexp.runs.reader import load
from wineexp.specs.fields import ScoreChoice
from wineexp.specs.run_spec import RunSpec

COMMON = {
    "target": "y", "widths": "8", "epochs": 15, "batch_size": 32, "learning_rate": 0.02, "mc_passes": 5,
}  # fmt: skip
SCORES = ("log_loss", "error_rate", "brier")


@pytest.fixture(scope="module")
def table():
    """300 rows of three labels, which two of four features decide."""
    random = np.random.RandomState(0)
    x = random.normal(size=(300, 4)).round(3)
    score = x[:, 0] + 0.5 * x[:, 1] + 0.3 * random.normal(size=300)
    labels = np.array(["low", "middle", "high"])[np.digitize(score, [-0.5, 0.5])]
    return Table(
        pd.DataFrame(x, columns=list("abcd")).assign(y=labels), "t.csv", "custom", faults={"y": "t.csv:2"}
    )


@pytest.fixture(scope="module")
def runs(table, tmp_path_factory, tensorflow):
    """A variant that learns well, and one with heavy dropout, three seeds each."""
    specs = [
        RunSpec.parse({**COMMON, "loss": "categorical_crossentropy", "dropout": rate, "seed": seed})
        for rate in (0.0, 0.7)
        for seed in range(3)
    ]
    return train(specs, table, tmp_path_factory.mktemp("runs"))


def by_hand(run, judge):
    """What is judged of each row."""
    found = run.predictions
    p = found[["p_high", "p_low", "p_middle"]].to_numpy()
    own = np.array([{"high": 0, "low": 1, "middle": 2}[label] for label in found["actual"]])
    if judge == "error_rate":
        return (found["actual"] != found["predicted"]).to_numpy(float)
    if judge == "brier":
        return ((p - np.eye(3)[own]) ** 2).sum(axis=1)
    return -np.log(p[np.arange(len(p)), own])


@pytest.mark.parametrize("judge", SCORES)
def test_each_score_is_judged_by_its_rows(runs, judge):
    found = compare_runs(load([run.path for run in runs]), score=ScoreChoice(judge))
    (verdict,) = found.verdicts
    means = {rate: [by_hand(run, judge).mean() for run in runs if run.spec.dropout == rate] for rate in (0.0, 0.7)}
    assert verdict.difference.mean == pytest.approx(np.mean(means[0.7]) - np.mean(means[0.0]), abs=1e-6)
    table = found.table.set_index("variant")
    for label, rate in (("dropout 0", 0.0), ("dropout 0.7", 0.7)):
        assert table[f"val_{judge}"][label] == pytest.approx(np.mean(means[rate]), abs=1e-6)
    assert found.metric == f"val {'Brier score' if judge == 'brier' else judge.replace('_', ' ')}"
    assert 0 < table["skill"]["dropout 0"] < 1
    assert verdict.other_way is not None


def test_log_loss_judges_unless_another_score_is_asked_for_and_a_score_of_numbers_is_refused(runs):
    paths = [run.path for run in runs]
    assert wineexp.compare(*paths).metric == "val log loss"
    assert wineexp.compare(*paths, judge="error_rate_mc").metric == "val error rate (MC)"
    with pytest.raises(SelectionError, match=r"expected one of log_loss, error_rate, brier, .*found rmse"):
        wineexp.compare(*paths, judge="rmse")
    with pytest.raises(
        ValueError, match=r"expected one of mae, rmse, mae_mc, rmse_mc, as .* numbers; found brier"
    ):
        ScoreChoice("brier").fit(classes=False)


def test_classes_and_numbers_do_not_stand_in_one_comparison(tmp_path, tensorflow):
    random = np.random.RandomState(0)
    frame = pd.DataFrame({"a": random.normal(size=60), "y": np.resize([0.0, 1.0], 60)})
    table = Table(frame, "t.csv", "custom")
    specs = [RunSpec.parse({**COMMON, "mc_passes": 0, "loss": loss}) for loss in ("mae", "binary_crossentropy")]
    both = train(specs, table, tmp_path)
    with pytest.raises(SelectionError, match="that predict classes and runs that predict numbers"):
        wineexp.compare(*[run.path for run in both])


def test_a_runs_predictions_as_a_foreign_file_give_its_own_verdict(runs, tmp_path):
    names = []
    for number, run in enumerate(runs):
        frame = run.predictions.assign(seed=run.spec.seed, variant=f"d{run.spec.dropout}")
        frame = frame.drop(columns="twin").sample(frac=1, random_state=number)
        frame.to_csv(tmp_path / f"{number}.csv", index=False)
        names.append(tmp_path / f"{number}.csv")
    for judge in (*SCORES, "log_loss_mc"):
        own = wineexp.compare(*[run.path for run in runs], judge=judge)
        foreign = wineexp.compare(*names, judge=judge)
        for one, other in zip(own.verdicts, foreign.verdicts, strict=True):
            assert one.word == other.word
            assert one.difference.mean == pytest.approx(other.difference.mean, abs=1e-12)
            assert one.interval == pytest.approx(other.interval, abs=1e-12)
    beside = wineexp.compare(runs[0].path, *names[3:])
    assert {variant.label for variant in beside.variants if variant.judged} >= {"d0.7"}


def test_labels_without_probabilities_are_judged_by_the_error_rate_alone(runs, tmp_path):
    frame = runs[0].predictions[["row", "actual", "predicted"]]
    frame.to_csv(tmp_path / "tree.csv", index=False)
    found = wineexp.compare(runs[0].path, runs[1].path, runs[2].path, tmp_path / "tree.csv")
    assert any("tree: not judged: no columns p_<label>" in note for note in found.notes)
    judged = wineexp.compare(
        runs[0].path, runs[1].path, runs[2].path, tmp_path / "tree.csv", judge="error_rate", deterministic="tree"
    )
    assert judged.verdicts


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: frame.assign(p_low=frame["p_low"] + 1), "expected a probability from 0 to 1"),
        (
            lambda frame: frame.assign(actual="lowest"),
            "expected one of the labels high; low; middle, found 'lowest'",
        ),
        (
            lambda frame: frame.assign(p_low=0.9, p_high=0.9, p_middle=0.0),
            "expected probabilities with a sum of 1, found 1.8",
        ),
        (lambda frame: frame.assign(p_low="x"), "expected a finite number, found 'x'"),
        (
            lambda frame: frame.drop(columns=["p_low", "p_high", "p_middle"]).assign(actual=""),
            "a label, found nothing",
        ),
    ],
)
def test_foreign_probabilities_that_are_none_are_refused_with_column_and_row(runs, tmp_path, change, says):
    frame = change(runs[0].predictions[["row", "actual", "predicted", "p_high", "p_low", "p_middle"]])
    frame.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(RunError) as error:
        wineexp.compare(tmp_path / "p.csv")
    assert "row 1 below the header" in str(error.value)
    assert says in str(error.value)


def foreign(folder, name="mine.csv", labels=("no", "yes"), **columns):
    """Predictions of 40 rows of two labels, right in three of four."""
    actual = np.resize(labels, 40)
    p = np.where(np.arange(40) % 4 == 0, 0.3, 0.8)
    of_second = np.where(actual == labels[1], p, 1 - p)
    predicted = np.where(of_second > 0.5, labels[1], labels[0])
    frame = pd.DataFrame({"actual": actual, "predicted": predicted})
    frame = frame.assign(**{f"p_{labels[0]}": 1 - of_second, f"p_{labels[1]}": of_second} | columns)
    frame.to_csv(folder / name, index=False)
    return folder / name


def test_foreign_probabilities_of_two_digits_are_scaled_to_a_sum_of_1(tmp_path):
    one = foreign(tmp_path)
    frame = pd.read_csv(one)
    frame[["p_no", "p_yes"]] *= 1.01
    [variant] = wineexp.compare(one).variants
    [scaled] = wineexp.compare(frame).variants
    assert scaled.judged_score == pytest.approx(variant.judged_score, abs=1e-12)


def test_foreign_labels_are_read_as_numbers_and_spreadsheets_write_them(tmp_path):
    scores = {wineexp.compare(foreign(tmp_path)).variants[0].judged_score}
    for labels in (("0", "1"), ("0.0", "1.0"), ("-1", "1")):
        scores.add(wineexp.compare(foreign(tmp_path, labels=labels)).variants[0].judged_score)
    path = foreign(tmp_path, labels=("-1", "1"))
    frame = pd.read_csv(path, dtype=str)
    for column in ("actual", "predicted"):
        frame[column] = frame[column].replace("-1", "'-1")
    frame.to_csv(path, index=False)
    scores.add(wineexp.compare(path).variants[0].judged_score)
    assert len(scores) == 1


def test_a_column_that_begins_like_a_probability_makes_no_classes_of_numbers(tmp_path):
    frame = pd.DataFrame({"actual": np.arange(20.0), "predicted": np.arange(20.0) + 1, "p_value": 0.3})
    [variant] = wineexp.compare(frame).variants
    assert (variant.score.judge, variant.judged_score) == ("mae", 1.0)


def test_probabilities_of_labels_that_are_not_the_targets_are_refused_and_never_read_as_numbers(tmp_path):
    frame = pd.read_csv(foreign(tmp_path))
    coded = frame.assign(actual=(frame["actual"] == "yes") * 1, predicted=(frame["predicted"] == "yes") * 1)
    with pytest.raises(RunError, match=r"expected one of the labels no; yes, found '0'"):
        wineexp.compare(coded)


def test_what_is_said_of_labels_alone_and_of_the_error_rates_constant(runs, tmp_path):
    frame = pd.read_csv(foreign(tmp_path)).drop(columns=["p_no", "p_yes"])
    alone = wineexp.compare(frame, frame.assign(variant="other"))
    assert lead(alone) == "No probabilities, so no val log loss; --judge error_rate judges the labels themselves."
    judged = wineexp.compare(runs[0].path, judge="error_rate")
    assert "always predicting the commonest label of the training rows" in lead(judged)


def test_equal_probabilities_with_other_labels_are_not_identical(tmp_path):
    one = foreign(tmp_path)
    other = foreign(tmp_path, "other.csv", predicted=np.resize(["yes", "no"], 40))
    [verdict] = wineexp.compare(one, other, judge="error_rate").verdicts
    assert verdict.word != "identical"
    [verdict] = wineexp.compare(one, other).verdicts
    assert verdict.difference.mean == 0


def test_the_interval_of_an_error_rate_without_errors_is_that_of_clopper_and_pearson(tmp_path):
    right = np.resize(["no", "yes"], 40)
    [variant] = wineexp.compare(foreign(tmp_path, predicted=right), judge="error_rate").variants
    expected = stats.binomtest(0, 40).proportion_ci(0.95, "exact")
    assert variant.score_interval() == pytest.approx((expected.low, expected.high))
    wrong = np.where(np.arange(40) < 2, right, right[::-1])
    [variant] = wineexp.compare(foreign(tmp_path, predicted=wrong), judge="error_rate").variants
    assert variant.score_interval()[1] == 1.0
    sure = foreign(tmp_path, p_no=np.where(wrong == "no", 1.0, 0.0), p_yes=np.where(wrong == "no", 0.0, 1.0))
    [variant] = wineexp.compare(sure, judge="brier").variants
    assert variant.score_interval()[1] == 1.0


def test_other_labels_in_the_same_rows_are_another_target(runs, tmp_path):
    frame = runs[0].predictions
    frame = frame.assign(actual=np.roll(frame["actual"], 1))
    frame.to_csv(tmp_path / "p.csv", index=False)
    with pytest.raises(SelectionError, match="predictions of other targets"):
        wineexp.compare(runs[0].path, tmp_path / "p.csv")


def test_a_study_of_classes_says_so_in_table_words_figure_and_page(table, tmp_path, tensorflow, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table.frame.to_csv("t.csv", index=False)
    config = {
        "name": "labels", "defaults": {**COMMON, "loss": "categorical_crossentropy", "mc_passes": 0}, "seeds": 3,
        "grid": {"dropout": [0, 0.7]},
    }  # fmt: skip
    found = wineexp.study(config, data="t.csv", jobs=0)
    said = "\n".join(found.comparison.sentences())
    assert "val log loss" in said
    assert "MAE" not in said
    page = render(found.comparison)
    section = page[page.index('id="errors"') : page.index('id="how"')]
    assert re.findall(r">\s*(low|middle|high)\s*<", section) == ["high", "low", "middle"]
    assert "the training rows&#39; shares of the labels" in page
    assert "MAE" not in re.sub(r"<pre.*?</pre>", "", page, flags=re.S)
    with pytest.raises(SelectionError, match="judge: expected one of log_loss"):
        wineexp.study(config | {"judge": "mae"}, data="t.csv", jobs=0)
    with pytest.raises(SelectionError, match="losses of classes in every run, or in none"):
        wineexp.study(
            {"name": "x", "defaults": {"target": "y"}, "grid": {"loss": ["mae", "binary_crossentropy"]}},
            data="t.csv", jobs=0,
        )  # fmt: skip
    looked = wineexp.study(config | {"name": "looked", "seeds": [0, 1, 2], "looks": [2, 3]}, data="t.csv", jobs=0)
    planned = json.loads((tmp_path / "outputs/looked/looks.json").read_text())
    assert planned["entries"][0]["planned"]["judge"] == "log_loss"
    assert looked.comparison.metric == "val log loss"
