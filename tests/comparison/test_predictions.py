"""Anyone's predictions are judged like those of runs: the same verdicts, beside runs of the same rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support import fabricate

import wineexp
from wineexp.errors import RunError, SelectionError

DICE = np.random.default_rng(5)
ACTUAL = DICE.normal(5, 1, 40).round(2)


@pytest.fixture
def runs(small_table, tmp_path):
    """Three variants with three seeds and test rows."""
    out = tmp_path / "out"
    for seed in range(3):
        for dropout, error in ((0, 0.3), (0.3, 0.4), (0.5, 0.31)):
            fabricate.save(out, small_table, error=error, own=0.02, seed=seed, dropout=dropout)
    return out


def as_frames(runs):
    """Their predictions, one table for each run, with what tells them apart."""
    return [
        run.predictions.assign(variant=f"dropout {run.spec.dropout:g}", seed=run.spec.seed, split=0)
        for run in wineexp.load_runs(out=runs)
    ]


def told(comparison):
    """What must be equal: the figures of every verdict by its variant, and the letters."""
    return {
        verdict.variant_label: (verdict.word, verdict.difference.mean, *verdict.interval, verdict.p, verdict.level)
        for verdict in comparison.verdicts
    }, comparison.groups


@pytest.mark.parametrize("judge", ["mae", "rmse"])
@pytest.mark.parametrize("how", ["frames", "one frame", "one file", "files"])
def test_runs_own_predictions_get_the_same_verdicts(runs, tmp_path, judge, how):
    frames = as_frames(runs)
    if how == "one frame":
        given = [pd.concat(frames)]
    elif how == "one file":
        pd.concat(frames).to_csv(tmp_path / "all.csv", index=False)
        given = [tmp_path / "all.csv"]
    elif how == "files":
        given = []
        for number, frame in enumerate(frames):
            frame.to_csv(tmp_path / f"{number}.csv", index=False, sep=";")
            given.append(tmp_path / f"{number}.csv")
    else:
        given = frames
    ours = wineexp.compare(runs, reference="dropout 0", judge=judge)
    theirs = wineexp.compare(given, reference="dropout 0", judge=judge)
    (words, letters), (own_words, own_letters) = told(theirs), told(ours)
    assert letters == own_letters
    assert words.keys() == own_words.keys()
    for label, found in words.items():
        assert found[0] == own_words[label][0]
        assert found[1:] == pytest.approx(own_words[label][1:], abs=1e-12)
    assert theirs.sentences()[0].split(";")[0] == ours.sentences()[0].split(";")[0]


def test_over_splits_they_are_judged_as_over_splits(small_table, tmp_path):
    for split in range(5):
        for dropout, error in ((0, 0.3), (0.3, 0.4)):
            fields = {"seed": split, "split_seed": split, "dropout": dropout}
            fabricate.save(tmp_path / "out", small_table, error=error, own=0.02, **fields)
    frames = [
        run.predictions.assign(
            variant=f"dropout {run.spec.dropout:g}", seed=run.spec.seed, split=run.spec.split_seed
        )
        for run in wineexp.load_runs(out=tmp_path / "out")
    ]
    ours = wineexp.compare(tmp_path / "out", reference="dropout 0")
    theirs = wineexp.compare(frames, reference="dropout 0")
    assert theirs.verdicts[0].difference.unit == "splits"
    assert theirs.verdicts[0].interval == pytest.approx(ours.verdicts[0].interval, abs=1e-12)
    assert any("Nadeau" in note for note in ours.notes)
    assert not any("Nadeau" in note for note in theirs.notes), "it needs the number of training rows"


def table(error, seed=None, rows=None, **columns):
    found = pd.DataFrame({"actual": ACTUAL, "predicted": ACTUAL + error, **columns})
    if rows is not None:
        found["row"] = rows
    return found if seed is None else found.assign(seed=seed)


def noise(dice, size=0.3):
    return np.random.default_rng(dice).normal(0.1, size, len(ACTUAL))


def test_of_two_deterministic_ones_rows_alone_tell_as_the_paired_t_test_does():
    one, other = noise(1), noise(2, 0.6)
    frames = [table(one, variant="ridge"), table(other, variant="tree")]
    found = wineexp.compare(frames, deterministic=["ridge", "tree"])
    (verdict,) = found.verdicts
    theirs = stats.ttest_rel(np.abs(other), np.abs(one))
    assert verdict.p == pytest.approx(theirs.pvalue, rel=1e-4)
    assert verdict.interval == pytest.approx(tuple(theirs.confidence_interval()))
    assert verdict.word == "worse"
    assert "both deterministic" in found.questions[0].detail
    assert not any("one seed" in note for note in found.notes)
    (open_one,) = wineexp.compare(frames).verdicts
    assert open_one.word == "one seed: cannot tell", "not said to be deterministic, another seed may reverse it"


def test_a_deterministic_one_has_no_seeds_part_beside_seeds():
    """As the seeds' differences from it, by hand."""
    from wineexp.comparison.statistics import compare_errors

    errors = [noise(10 + seed) for seed in range(4)]
    frames = [table(noise(1), variant="ridge"), *(table(e, seed, variant="net") for seed, e in enumerate(errors))]
    (verdict,) = wineexp.compare(frames, deterministic="ridge").verdicts
    expected = compare_errors(np.stack([np.abs(e) - np.abs(noise(1)) for e in errors]))
    assert verdict.interval == pytest.approx(expected.interval())
    assert verdict.difference.seeds_told == "4 seeds"


def test_files_of_one_name_are_one_variant_and_without_seeds_each_is_one_of_its_own(cli, tmp_path):
    names = []
    for number in range(6):
        table(noise(number)).to_csv(tmp_path / f"{number}.csv", index=False)
        names.append(f"{'tree' if number < 3 else 'net'}={tmp_path}/{number}.csv")
    code, out, err = cli("compare", *names, "-o", tmp_path / "f.png")
    assert code == 0, err
    assert "net against tree: cannot tell" in out
    assert "With 3 seeds each" in out
    assert "seeds differ from the reference's" in err
    assert "clusters unknown" in err


def test_groups_of_rows_are_clusters():
    frames = [table(noise(seed + 10 * v), seed, variant=f"v{v}", group=np.arange(40) // 4)
              for seed in range(3) for v in range(2)]  # fmt: skip
    (verdict,) = wineexp.compare(frames).verdicts
    assert ", 10 clusters of 40 rows" in verdict.sentence()
    renamed = [frame.rename(columns={"group": "cluster"}) for frame in frames]
    assert wineexp.compare(renamed).verdicts[0].interval == pytest.approx(verdict.interval)


def test_beside_runs_they_stand_in_table_figure_and_page(cli, runs, tmp_path):
    """Without a column row: as many rows with equal targets are those of the runs."""
    run = next(iter(wineexp.load_runs(out=runs)))
    own = run.predictions[["actual", "predicted"]].assign(predicted=run.predictions["actual"].mean())
    own.to_csv(tmp_path / "mean.csv", index=False)
    ends = ["--deterministic", "mean", "-o"]
    code, out, err = cli("compare", runs, tmp_path / "mean.csv", *ends, tmp_path / "f.png")
    assert code == 0, err
    assert "mean has not learnt yet: predicts a constant. mean is worse than dropout 0" in out
    assert "one seed" not in out + err
    code, _, err = cli("report", runs, tmp_path / "mean.csv", *ends, tmp_path / "f.html")
    assert code == 0, err
    assert "Is “mean” better than “dropout 0”?" in (tmp_path / "f.html").read_text()
    code, _, err = cli("report", f"a={tmp_path}/mean.csv", f"b={tmp_path}/mean.csv", "-o", tmp_path / "g.html")
    assert code == 0, err
    page = (tmp_path / "g.html").read_text()
    assert "all predictions are equal, bit for bit" in page
    assert "Learning curves" not in page


def test_alone_they_have_a_table_and_nothing_to_draw(cli, tmp_path):
    table(noise(1)).to_csv(tmp_path / "a.csv", index=False)
    code, out, err = cli("compare", tmp_path / "a.csv", "-o", tmp_path / "f.png")
    assert code == 0, err
    assert f"{np.abs(noise(1)).mean():.4f}" in out
    assert "note: predictions have no curves, and alone no verdict: there is nothing to draw" in err
    assert not (tmp_path / "f.png").exists()
    found = wineexp.compare(tmp_path / "a.csv")
    assert "val MAE" in found._repr_html_()
    with pytest.raises(SelectionError, match="nothing to draw"):
        found.draw()
    code, _, err = cli("report", tmp_path / "a.csv", "-o", tmp_path / "f.html")
    assert code == 0, err
    assert "Where the errors are" in (tmp_path / "f.html").read_text()


OTHER_ROWS = {
    "fewer rows": (lambda f: f.iloc[:-1], "predictions of other rows cannot be compared: .* has 35 and .* 36"),
    "other rows": (
        lambda f: f.assign(row=f["row"] + 1),
        "predictions of other rows cannot be compared: .* others",
    ),
    "other targets": (
        lambda f: f.assign(actual=f["actual"] + (f["row"] == f["row"].iloc[3])),
        r"predictions of other targets cannot be compared: in row \d+ ",
    ),
    "other targets without rows": (
        lambda f: f.drop(columns="row").assign(actual=f["actual"] + 1),
        "and a column row is missing, so their targets must be equal in their order",
    ),
}


@pytest.mark.parametrize("change", OTHER_ROWS)
def test_predictions_of_other_rows_or_targets_are_refused(runs, change):
    run = next(iter(wineexp.load_runs(out=runs)))
    how, message = OTHER_ROWS[change]
    with pytest.raises(SelectionError, match=message):
        wineexp.compare(runs, how(run.predictions))


BAD = {
    "no prediction": ({"actual": [1, 2], "b": [1, 2]}, "expected columns actual and predicted, found actual; b"),
    "no rows": ({"actual": [], "predicted": []}, "expected predictions below the header, found none"),
    "one row": ({"actual": [1], "predicted": [2]}, "expected at least 2 rows, found 1"),
    "text": ({"actual": [1, "x"], "predicted": [1, 2]}, "column 'actual', row 2 below the header: expected a fin"),
    "nothing": ({"actual": [1, ""], "predicted": [1, 2]}, "expected a finite number, found nothing"),
    "infinite": ({"actual": [1, 2], "predicted": [1, np.inf]}, "column 'predicted', row 2 below the header"),
    "Python's own": ({"actual": [1, "1_0"], "predicted": [1, 2]}, "expected a finite number, found '1_0'"),
    "half a seed": ({"actual": [1, 2], "predicted": [1, 2], "seed": [0, 0.5]}, "expected a whole number from 0"),
    "row below 0": ({"actual": [1, 2], "predicted": [1, 2], "row": [0, -1]}, "expected a whole number from 0"),
    "a row twice": ({"actual": [1, 2], "predicted": [1, 2], "row": [3, 3]}, "a row occurs twice; a column seed"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("as_file", [False, True], ids=["frame", "file"])
def test_a_bad_table_is_refused_with_its_place(tmp_path, case, as_file):
    content, message = BAD[case]
    given = pd.DataFrame(content)
    if as_file:
        message = "expected a header with a column loss or val_loss" if case == "no prediction" else message
        given.to_csv(tmp_path / "bad.csv", index=False)
        given = tmp_path / "bad.csv"
    with pytest.raises(RunError, match=r"(bad\.csv|DataFrame 1)(:1)?: ") as error:
        wineexp.compare(given)
    assert message in str(error.value)


def test_what_is_called_deterministic_must_be_one_table():
    frames = [
        table(noise(1), 0, variant="net"),
        table(noise(2), 1, variant="net"),
        table(noise(3), variant="ridge"),
    ]
    with pytest.raises(SelectionError, match=r"expected the name of predictions, found 'rigde' \(did you mean"):
        wineexp.compare(frames, deterministic="rigde")
    with pytest.raises(SelectionError, match="expected one table of 'net', found 2"):
        wineexp.compare(frames, deterministic="net")


def test_a_difference_that_a_few_rows_decide_is_noted():
    far = noise(1)
    far[3] += 60
    found = wineexp.compare([table(noise(2), variant="a"), table(far, variant="b")], deterministic=["a", "b"])
    (note,) = [note for note in found.notes if "a few rows decide" in note]
    factor = found.verdicts[0].difference.widening
    assert note.startswith(f"b: a few rows decide the difference, so its interval is {factor:.1f} times as wide")


def test_a_deterministic_one_over_splits_has_no_seeds_part(small_table, tmp_path):
    """Whether the runs beside it have seeds of their own on each split or the same ones: by their differences."""
    from wineexp.comparison.crossing import compare_splits

    for own in (True, False):
        out = tmp_path / f"own {own}"
        for split in range(5):
            for seed in range(3):
                fields = {"seed": seed + 10 * split * own, "split_seed": split}
                fabricate.save(out, small_table, error=0.3, own=0.02, **fields)
        runs = wineexp.load_runs(out=out)
        mean = [
            run.predictions.assign(
                predicted=run.predictions["actual"].mean(), variant="mean", split=run.spec.split_seed
            )
            for run in runs
            if run.spec.seed % 10 == 0
        ]
        (verdict,) = wineexp.compare(out, mean, deterministic="mean").verdicts
        expected = {}
        for run in runs:
            table = run.predictions.set_index("row")
            theirs = (table["actual"] - table["actual"].mean()).abs()
            ours = (table["actual"] - table["predicted"]).abs()
            expected.setdefault(run.spec.split_seed, {})[run.spec.seed] = theirs - ours
        by_hand = compare_splits(expected, 84)
        assert verdict.interval == pytest.approx(by_hand.interval())
        assert verdict.difference.shared_seeds == (0 if own else 3)


def test_predictions_without_a_split_are_of_the_runs_split_and_those_of_another_are_refused(small_table, tmp_path):
    """As rows of other splits would be paired by their place."""
    for seed in range(3):
        fabricate.save(tmp_path / "out", small_table, error=0.3, own=0.02, seed=seed, split_seed=7)
    (run, *_) = wineexp.load_runs(out=tmp_path / "out")
    own = run.predictions[["row", "actual", "predicted"]]
    assert wineexp.compare(tmp_path / "out", own, deterministic="DataFrame 2").verdicts
    with pytest.raises(SelectionError, match="predictions of different splits cannot be compared: "):
        wineexp.compare(tmp_path / "out", own.assign(split=3))
    fabricate.save(tmp_path / "other", small_table, error=0.3, split_seed=8)
    (other,) = wineexp.load_runs(out=tmp_path / "other")
    with pytest.raises(SelectionError, match="predictions of other rows cannot be compared"):
        wineexp.compare(tmp_path / "out", other.predictions[["row", "actual", "predicted"]])


def test_the_mean_of_passes_of_predictions_is_judged_where_they_have_it():
    frames = [table(noise(v), variant=f"v{v}", predicted_mc=ACTUAL + noise(9 + v)) for v in range(2)]
    found = wineexp.compare(frames, table(noise(3), variant="bare"), deterministic=["v0", "v1"], judge="mae_mc")
    assert found.best.judged_score == pytest.approx(min(np.abs(noise(9)).mean(), np.abs(noise(10)).mean()))
    assert [verdict.variant_label for verdict in found.verdicts] == ["v1"]
    assert "bare: not judged: no column predicted_mc, the mean of passes" in found.notes
