"""Verdicts over several splits: by hand, by simulated truth, and against what a single split says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import fabricate
from support.configs import read_config

import wineexp
from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.crossing import compare_splits, crosses_splits
from wineexp.errors import ConfigError, SelectionError
from wineexp.page.repeat import config_text
from wineexp.runs.reader import load
from wineexp.specs.config import read_mapping
from wineexp.specs.run_spec import RunSpec


def series(values, rows=None):
    return pd.Series(values, rows, dtype=float)


def test_two_splits_by_hand():
    # Cells 1, 2 (rows 0, 1) and 3, 6 (rows 1, 2): mean 3, E = -2, -1, 0, 3.
    found = compare_splits({0: {7: series([1, 2], [0, 1])}, 1: {8: series([3, 6], [1, 2])}}, 4)
    assert (found.mean, found.rows, found.splits, found.seeds, found.shared_seeds) == (3.0, 3, 2, 1, 0)
    assert found.split_variance == pytest.approx(2 * (3**2 + 3**2) / 16)
    assert found.row_variance == pytest.approx((2**2 + 1 + 3**2 - (4 + 1 + 0 + 9)) / 16)
    # Nadeau and Bengio: (1/2 + 2/4) times the variance of 1.5 and 4.5, with one degree.
    assert found.cautious(0.95)[1] == pytest.approx(3 + 12.7062 * np.sqrt(1 * 4.5), rel=1e-5)
    by_row = max(0.0, found.row_variance) * stats.t.ppf(0.975, 2) ** 2
    half = np.sqrt(by_row + found.split_variance * stats.t.ppf(0.975, 1) ** 2)
    assert found.interval() == pytest.approx((3 - half, 3 + half))


def test_seeds_that_all_splits_share_have_a_part_of_their_own():
    # Means of (splits, seeds): 1, 3; 2, 4; 3, 5. MS_seed is 6, MS_split 2, the rest 0.
    found = compare_splits(
        {k: {0: series([1 + k, 1 + k]), 1: series([3 + k, 3 + k])} for k in range(3)}, train_rows=4
    )
    assert (found.shared_seeds, found.seed_variance) == (2, pytest.approx(6 / 6))
    assert found.fewest == 3
    alone = compare_splits({k: {0: series([1 + k, 2 + k])} for k in range(3)}, train_rows=4)
    assert (alone.shared_seeds, alone.fewest) == (1, 1), "one seed in all splits tells nothing of seeds"
    own = compare_splits({k: {k: series([1 + k, 2 + k])} for k in range(3)}, train_rows=4)
    assert (own.shared_seeds, own.fewest) == (0, 3)


@pytest.mark.parametrize("bad", [{}, {0: {0: series([1, 2])}}, {0: {}, 1: {0: series([1, 2])}}])
def test_fewer_than_two_splits_are_refused(bad):
    with pytest.raises(ValueError, match="at least 2 splits"):
        compare_splits(bad, 4)
    with pytest.raises(ValueError, match="finite"):
        compare_splits({k: {0: series([np.nan, 1])} for k in range(2)}, 4)


def drawn(random, splits, seeds, *, own, truth=0.03, rows=200, valid=60):
    """Differences on random splits of one table: effects of splits, rows, seeds on all splits, and the rest."""
    row, seed_effect = random.normal(0, 0.3, rows), random.normal(0, 0.05, splits * seeds)
    found = {}
    for split in range(splits):
        chosen = random.choice(rows, valid, replace=False)
        by_split = random.normal(0, 0.03)
        numbers = range(split * seeds, (split + 1) * seeds) if own else range(seeds)
        found[split] = {
            seed: series(truth + row[chosen] + by_split + seed_effect[seed] + random.normal(0, 0.3, valid), chosen)
            for seed in numbers
        }
    return found


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("splits", [5, 10])
def test_intervals_cover_a_simulated_truth(splits, own):
    random = np.random.RandomState(splits)
    held = 0
    for _ in range(400):
        low, high = compare_splits(drawn(random, splits, 3, own=own), 140).interval()
        held += low <= 0.03 <= high
    # the binomial's spread with 400 draws is 1.1 %
    assert 0.92 <= held / 400 <= 0.99


@given(st.integers(0, 10**6))
def test_the_other_way_round_it_is_the_negative(seed):
    found = drawn(np.random.RandomState(seed), 5, 2, own=True, rows=30, valid=10)
    one = compare_splits(found, 20)
    other = compare_splits({k: {s: -v for s, v in seeds.items()} for k, seeds in found.items()}, 20)
    assert one.interval() == pytest.approx(tuple(-end for end in reversed(other.interval())))
    assert (one.p < 0.05) == (not one.interval()[0] <= 0 <= one.interval()[1])
    assert one.cautious(0.95) == pytest.approx(tuple(-end for end in reversed(other.cautious(0.95))))


@pytest.fixture(scope="module")
def crossed(small_table, tmp_path_factory):
    """A 2 x 2 cross on 5 splits with a seed of its own each; dropout adds 0.1, bn takes 0.05."""
    out = tmp_path_factory.mktemp("crossed")
    for split in range(5):
        for dropout, bn, error in ((0, "none", 0.3), (0.3, "none", 0.4), (0, "after", 0.25), (0.3, "after", 0.35)):
            fabricate.save(out, small_table, error=error, seed=split, split_seed=split, dropout=dropout, bn=bn)
    return out


def test_runs_on_the_same_splits_are_judged_over_them(crossed):
    found = compare_runs(load([crossed]))
    words = {verdict.variant_label: verdict.word for verdict in found.verdicts}
    assert words.pop("dropout 0, bn after") == "better"
    assert words == dict.fromkeys(("dropout 0.3, bn none", "dropout 0.3, bn after"), "worse")
    assert {(row["seeds"], row["splits"]) for row in found.rows()} == {(1, 5)}
    effects = {effect.label: effect.difference.mean for effect in found.effects}
    assert effects["dropout 0.3"] == pytest.approx(0.1, abs=0.02)
    assert effects["bn after"] == pytest.approx(-0.05, abs=0.02)
    assert found.effects[0].as_json()["splits"] == 5
    notes = " ".join(found.notes)
    assert "judged over 5 splits: intervals are about tables like this one" in notes
    assert "by Nadeau and Bengio's correction: dropout 0, bn after -0.0" in notes
    assert len(set(found.groups.values())) > 1
    assert found.figure


def test_the_mean_is_that_of_the_runs_own_figures(crossed):
    found = compare_runs(load([crossed]))
    errors = {}
    for run in wineexp.load_runs(crossed):
        errors.setdefault((run.spec.dropout, run.spec.bn), []).append(run.record.metrics.val_mae)
    (verdict,) = [one for one in found.verdicts if one.variant_label == "dropout 0.3, bn none"]
    expected = np.mean(errors[0.3, "none"]) - np.mean(errors[0, "none"])
    assert verdict.difference.mean == pytest.approx(expected)


def test_fewer_splits_or_other_ones_are_still_refused_and_it_is_said_what_would_do(crossed):
    few = [path for path in crossed.glob("*-s?-*") if "-s4-" not in path.name]
    with pytest.raises(SelectionError, match="or give every variant the same 5 splits or more"):
        compare_runs(load(few))


def test_specs_cross_splits_where_all_variants_have_them():
    def specs(splits, **fields):
        return [RunSpec.parse({"split_seed": split, **fields}) for split in splits]

    assert crosses_splits([*specs(range(5)), *specs(range(6), bn="after")])
    assert not crosses_splits([*specs(range(5)), *specs(range(1, 6), bn="after")])
    assert not crosses_splits([])


def test_a_config_crosses_seeds_with_splits():
    own = read_mapping({"split_seeds": 5, "seeds": 2, "runs": [{}, {"bn": "after"}]}).specs
    assert [(spec.split_seed, spec.seed) for spec in own[:10]] == [
        (split, seed) for split in range(5) for seed in (2 * split, 2 * split + 1)
    ]
    assert [(spec.split_seed, spec.seed) for spec in own[10:]] == [(s.split_seed, s.seed) for s in own[:10]]
    listed = read_mapping({"split_seeds": [3, 1, 4, 15, 9], "seeds": [7, 8], "runs": [{}]}).specs
    assert {(spec.split_seed, spec.seed) for spec in listed} == {(k, s) for k in (3, 1, 4, 15, 9) for s in (7, 8)}
    alone = read_mapping({"split_seeds": 5, "runs": [{}]}).specs
    assert [(spec.split_seed, spec.seed) for spec in alone] == [(k, k) for k in range(5)]
    fixed = read_mapping({"split_seeds": 5, "runs": [{"seed": 3}]}).specs
    assert [(spec.split_seed, spec.seed) for spec in fixed] == [(k, 3) for k in range(5)]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"split_seeds": 4, "runs": [{}]}, "split_seeds: expected at least 5"),
        ({"split_seeds": 5, "runs": [{"split_seed": 1}]}, "expected either split_seed or split_seeds"),
        ({"split_seeds": 5, "looks": [2, 3], "runs": [{}]}, "looks: expected one split of the table, found 5"),
        ({"split_seeds": "many", "runs": [{}]}, "split_seeds: expected how many"),
        ({"split_seeds": [1, 1, 2, 3, 4], "runs": [{}]}, "split_seeds: expected different seeds"),
        ({"split_seeds": 5000, "seeds": 100, "runs": [{}]}, "expected at most 100000 runs, found 500,000"),
    ],
)
def test_what_is_no_such_config_is_refused(config, says):
    with pytest.raises(ConfigError) as error:
        read_mapping(config)
    assert says.replace("100000", "100,000") in str(error.value)


@pytest.mark.slow
def test_a_study_over_splits_from_its_config_to_its_page(small_csv, tmp_path, tensorflow):
    defaults = {"widths": 8, "epochs": 2}
    config = {"name": "cut", "split_seeds": 5, "defaults": defaults, "grid": {"bn": ["none", "after"]}}
    found = wineexp.study(config, data=small_csv, out=tmp_path, jobs=0)
    assert [row["splits"] for row in found.comparison.rows()] == [5, 5]
    page = (tmp_path / "cut" / "report.html").read_text()
    assert "judged over 5 splits" in page
    assert "5 of them, the first described here" in page


@pytest.mark.parametrize("seeds", [{}, {"seeds": 2}, {"seeds": [4, 9]}, {"seeds": [3]}])
def test_the_page_says_how_to_repeat_it(small_table, tmp_path, seeds):
    splits, grid = [2, 3, 5, 7, 11], {"bn": ["none", "after"]}
    specs = read_mapping({"split_seeds": splits, **seeds, "defaults": {"widths": 8}, "grid": grid}).specs
    for spec in specs:
        fabricate.save(tmp_path, small_table, **spec.settings())
    text = config_text(compare_runs(load([tmp_path])), "again")
    (tmp_path / "again.yaml").write_text(text)
    assert set(read_config(tmp_path / "again.yaml").specs) == set(specs)


def saved(out, table, splits, seeds=None, **fields):
    for number, split in enumerate(splits):
        for seed in [number] if seeds is None else seeds:
            fabricate.save(out, table, split_seed=split, seed=seed, **fields)


def test_a_run_that_failed_costs_its_split_alone(small_table, tmp_path):
    """Five splits were planned; one run of one variant diverged."""
    saved(tmp_path, small_table, range(5), error=0.3)
    saved(tmp_path, small_table, range(4), error=0.4, dropout=0.3)
    fabricate.fail(tmp_path, small_table, split_seed=4, seed=4, dropout=0.3)
    (verdict,) = compare_runs(load([tmp_path])).verdicts
    assert (verdict.difference.splits, verdict.word) == (4, "worse")


def test_a_variant_with_too_few_splits_left_is_named_and_the_others_are_judged(small_table, tmp_path):
    for rate, left in ((0, 5), (0.1, 5), (0.3, 2)):
        saved(tmp_path, small_table, range(left), error=0.3 + rate, dropout=rate)
        for split in range(left, 5):
            fabricate.fail(tmp_path, small_table, split_seed=split, seed=split, dropout=rate)
    found = compare_runs(load([tmp_path]))
    assert [verdict.variant_label for verdict in found.verdicts] == ["dropout 0.1"]
    assert "dropout 0.3: not judged: too few finished splits in common with the reference" in found.notes
    assert found.rows()
    assert found.figure


def test_seeds_that_differ_on_a_split_are_compared_by_their_means(small_table, tmp_path):
    saved(tmp_path, small_table, range(5), error=0.3)
    for number, split in enumerate(range(5)):
        fabricate.save(tmp_path, small_table, split_seed=split, seed=100 + number, error=0.4, dropout=0.3)
    (verdict,) = compare_runs(load([tmp_path])).verdicts
    assert (verdict.kind, verdict.difference.shared_seeds) == ("worse", 0)


def test_one_seed_in_all_splits_tells_nothing_nor_do_its_effects_and_groups(small_table, tmp_path):
    for dropout, bn, error in ((0, "none", 0.3), (0.3, "none", 0.6), (0, "after", 0.2), (0.3, "after", 0.9)):
        saved(tmp_path, small_table, range(5), seeds=[0], error=error, dropout=dropout, bn=bn)
    found = compare_runs(load([tmp_path]))
    assert {verdict.word for verdict in found.verdicts} == {"one seed in all splits: cannot tell"}
    assert (found.effects, found.groups) == ((), {})
    fabricate.save(tmp_path / "other", small_table)
    for split in range(5):
        fabricate.save(tmp_path, small_table, split_seed=split, seed=9, error=0.5, dropout=0.1)
    assert compare_runs(load([tmp_path])).verdicts, "other seeds, shared by the splits: judged or not, no crash"


def test_a_seed_that_happens_to_occur_twice_changes_little(small_table, tmp_path):
    saved(tmp_path, small_table, range(5), error=0.3)
    saved(tmp_path, small_table, range(5), error=0.4, dropout=0.3)
    for rate, error in ((0, 0.3), (0.3, 0.4)):
        fabricate.save(tmp_path, small_table, split_seed=1, seed=0, error=error, dropout=rate)
    (verdict,) = compare_runs(load([tmp_path])).verdicts
    assert (verdict.word, verdict.difference.shared_seeds) == ("worse", 0)


def test_a_plan_is_for_as_many_splits_as_a_study_takes(crossed):
    lines = compare_runs(load([crossed])).plan(5.0)
    assert {line.split(": ")[1] for line in lines[1:]} == {"5 splits"}
