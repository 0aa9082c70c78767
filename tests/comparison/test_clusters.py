"""Rows that belong together count once in every verdict: by hand, against matrices, on the command line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fabricate, records

import wineexp
from wineexp.comparison.clusters import Clusters
from wineexp.comparison.crossing import compare_splits
from wineexp.comparison.judge import judge_errors
from wineexp.comparison.statistics import compare_errors, compare_seeds

LABELS = st.lists(st.integers(0, 6), min_size=8, max_size=20).filter(lambda found: len(set(found)) > 2)


def drawn(seed, shape):
    return np.random.default_rng(seed).normal(0.1, 1, shape)


@given(LABELS, st.integers(2, 5))
def test_degrees_of_freedom_are_those_of_the_matrices(labels, seeds):
    clusters = Clusters.of(np.array(labels))
    if clusters is None:
        return
    by_row = drawn(seeds, len(labels))
    n, c, count = clusters.sizes, np.diag(clusters.weights), clusters.count
    rho = clusters.correlation(by_row)
    centering = np.eye(count) - np.outer(n, np.ones(count)) / n.sum()
    matrix = c @ centering @ np.diag(n * (1 - rho) + n**2 * rho) @ centering.T
    expected = np.trace(matrix) ** 2 / np.trace(matrix @ matrix)
    assert clusters.degrees(by_row) == pytest.approx(expected)


@given(st.integers(2, 6), st.integers(2, 12), st.integers(0, 99))
def test_single_rows_are_judged_as_without_clusters(seeds, rows, dice):
    table = drawn(dice, (seeds, rows))
    plain, alone = compare_errors(table), compare_errors(table, Clusters(np.arange(rows)))
    assert Clusters.of(np.arange(rows)) is None
    for level in (0.95, 0.9, 0.999):
        assert alone.interval(level) == pytest.approx(plain.interval(level), rel=1e-9)


@given(st.integers(2, 5), st.integers(3, 10), st.integers(2, 6), st.integers(0, 99))
def test_clusters_of_one_size_without_a_rest_within_are_judged_as_their_means(seeds, count, size, dice):
    """The rows of a cluster are copies: then as many clusters as rows say the same."""
    means = drawn(dice, (seeds, count))
    copies = compare_errors(np.repeat(means, size, axis=1), Clusters.of(np.repeat(np.arange(count), size)))
    assert copies.interval() == pytest.approx(compare_errors(means).interval(), rel=1e-9)


@given(LABELS, st.integers(2, 4))
def test_neither_the_order_of_rows_nor_the_names_of_clusters_matter(labels, seeds):
    table, order = drawn(seeds, (seeds, len(labels))), np.random.default_rng(0).permutation(len(labels))
    found = compare_errors(table, Clusters.of(np.array(labels)))
    moved = compare_errors(table[:, order], Clusters.of(100 - 7 * np.array(labels)[order]))
    assert moved.interval() == pytest.approx(found.interval(), rel=1e-9)


def test_a_cluster_that_varies_together_widens_the_interval():
    codes = np.repeat(np.arange(12), 10)
    together = drawn(0, (1, 12))[:, codes] + 0.01 * drawn(1, (5, 120))
    clusters = Clusters.of(codes)
    assert compare_errors(together, clusters).half(0.975) > 2 * compare_errors(together).half(0.975)
    halves = [compare_seeds(dict(enumerate(together)), dict(enumerate(np.zeros((5, 120)), 9)), c).half(0.975)
              for c in (clusters, None)]  # fmt: skip
    assert halves[0] > 2 * halves[1]


def test_over_splits_by_hand():
    """Three splits of four rows, two of which are one cluster; each split has a seed of its own."""
    rows = {0: [0, 1], 1: [1, 2], 2: [0, 3]}
    values = {0: [1.0, 3.0], 1: [2.0, 6.0], 2: [4.0, 2.0]}
    found = {split: {split: pd.Series(values[split], rows[split])} for split in rows}
    one = compare_splits(found, 10, pd.Series([0, 0, 2, 3]))
    mean = 3.0
    cells = {(0, 0): 1 + 3 - 2 * mean, (1, 0): 2 - mean, (1, 2): 6 - mean, (2, 0): 4 - mean, (2, 3): 2 - mean}
    weights, excess = {0: 1 / (1 - 4 / 6), 2: 1 / (1 - 1 / 6), 3: 1 / (1 - 1 / 6)}, {}
    for cluster in weights:
        own = [cell for (_, label), cell in cells.items() if label == cluster]
        excess[cluster] = sum(own) ** 2 - sum(cell**2 for cell in own)
    assert one.row_variance == pytest.approx(sum(weights[g] * excess[g] for g in weights) / 36)
    assert one.row_degrees == pytest.approx(
        (16 + 1 + 1) ** 2 / (256 + 1 + 1) - 1 if (18**2 / 258 - 1) > 1 else 1.0
    )
    assert (one.clusters, one.rows) == (3, 4)


def test_fewer_than_five_clusters_cannot_tell_whatever_the_difference():
    rows = np.full(40, 0.5)
    errors = {
        "a": dict(enumerate(rows + drawn(0, (5, 40)) / 99)),
        "b": dict(enumerate(rows + 9 + drawn(1, (5, 40)) / 99)),
    }
    for count, word in ((4, "4 clusters of rows: cannot tell"), (5, "worse")):
        clusters = Clusters.of(np.arange(40) % count)
        (verdict,) = judge_errors(errors, "a", clusters=clusters)
        assert verdict.word == word
        assert ("on these rows, and other rows may reverse it" in verdict.sentence()) == (count == 4)
        assert "--seeds" not in verdict.detail


@pytest.fixture
def paired(tmp_path):
    """A table of 60 rows, each of which stands there twice."""
    dice = np.random.default_rng(3)
    half = pd.DataFrame({"a": dice.normal(size=60), "b": dice.normal(size=60), "quality": dice.normal(size=60)})
    pd.concat([half, half]).to_csv(tmp_path / "twice.csv", index=False)
    return tmp_path / "twice.csv"


def runs_of(path, out, **fields):
    from wineexp.data.sources import find_table

    table = find_table(str(path), stand_in=False).table
    for seed in range(3):
        for dropout in (0, 0.3):
            fabricate.save(out, table, seed=seed, dropout=dropout, split="grouped", error=0.3 + dropout, **fields)


def test_runs_say_which_rows_belong_together_and_every_sentence_counts_them(cli, paired, tmp_path):
    runs_of(paired, tmp_path / "out")
    (run, *_) = wineexp.load_runs(out=tmp_path / "out")
    table = pd.read_csv(run.path / "predictions.csv")
    assert list(table) == ["row", "actual", "predicted", "twin", "cluster"]
    assert (table["cluster"] == table["row"] % 60).all()
    code, out, err = cli("compare", tmp_path / "out", "-o", tmp_path / "f.png")
    assert code == 0, err
    assert f"{len(table) // 2} clusters of {len(table)} rows" in out
    assert "clusters unknown" not in err


def test_beside_runs_the_runs_say_what_belongs_together(paired, tmp_path):
    """Predictions with a cluster of its own for each row, as the reference: they do not make more of the rows."""
    runs_of(paired, tmp_path / "out")
    runs = wineexp.load_runs(out=tmp_path / "out")
    own = runs[0].predictions.assign(cluster=runs[0].predictions["row"], variant="mine")
    found = wineexp.compare(own, runs, deterministic="mine")
    assert found.reference.label == "mine"
    assert {verdict.difference.clusters for verdict in found.verdicts} == {len(own) // 2}


def test_earlier_runs_find_them_through_their_table_or_say_that_they_do_not_know(
    cli, paired, tmp_path, monkeypatch
):
    runs_of(paired, tmp_path / "out")
    for path in (tmp_path / "out").glob("*/predictions.csv"):
        pd.read_csv(path).drop(columns="cluster").to_csv(path, index=False)
        records.rewrite(path.parent, lambda record: record.pop("files"))
    monkeypatch.delenv("WINEEXP_DATA", raising=False)
    code, out, err = cli("compare", tmp_path / "out", "-o", tmp_path / "f.png")
    assert code == 0, err
    assert "clusters unknown: rows count one by one, also those that belong together" in out + err
    assert "clusters of" not in out
    monkeypatch.setenv("WINEEXP_DATA", str(paired))
    code, out, err = cli("compare", tmp_path / "out", "-o", tmp_path / "f.png")
    assert code == 0, err
    assert "clusters of" in out
    assert "clusters unknown" not in out + err


# -- seeds in common ------------------------------------------------------------------------------


def test_of_seeds_in_common_the_estimate_is_the_difference_of_all_means():
    ours, theirs = dict(enumerate(drawn(0, (5, 30)))), dict(enumerate(drawn(1, (4, 30)), 1))
    found = compare_seeds(ours, theirs)
    assert found.mean == pytest.approx(np.mean(list(ours.values())) - np.mean(list(theirs.values())))
    assert found.seeds_told == "5 and 4 seeds, 4 in common"
    back = compare_seeds(theirs, ours)
    assert back.interval() == pytest.approx(tuple(-end for end in reversed(found.interval())))


def test_the_seeds_part_of_seeds_in_common_by_hand():
    """Rows that do not vary: what is left are the seeds' means, x of 0 to 4 and y of 1 to 4."""
    x, y = np.array([1.0, 2.0, 4.0, 3.0, 7.0]), np.array([2.5, 3.5, 5.0, 6.0])
    ours, theirs = ({s: np.full(20, m) for s, m in zip(seeds, means, strict=True)}
                    for seeds, means in ((range(5), x), (range(1, 5), y)))  # fmt: skip
    common = 4 / 5 * x[1:] - y
    parts = [(common.var(ddof=1) / 4, 3), ((1 / 5) ** 2 * x.var(ddof=1), 4)]
    variance = sum(part for part, _ in parts)
    degrees = np.clip(variance**2 / sum(part**2 / free for part, free in parts), 3, 4)
    from scipy import stats

    expected = np.sqrt(variance) * stats.t.ppf(0.975, degrees)
    assert compare_seeds(ours, theirs).half(0.975) == pytest.approx(expected)


def test_welchs_interval_without_seeds_in_common_by_scipy():
    from scipy import stats

    x, y = np.array([1.0, 2.0, 4.0, 3.0, 7.0]), np.array([2.5, 3.5, 2.0, 3.0, 2.7])
    ours, theirs = ({s: np.full(20, m) for s, m in enumerate(means, start)} for start, means in ((0, x), (9, y)))
    theirs_interval = stats.ttest_ind(x, y, equal_var=False).confidence_interval()
    assert compare_seeds(ours, theirs).interval() == pytest.approx(tuple(theirs_interval))
