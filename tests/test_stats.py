"""The interval of a mean difference over seeds and rows: by hand, by law, and by simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from wineexp.stats import compare_errors, holm

TABLES = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.floats(-10, 10, allow_subnormal=False).map(lambda value: round(value, 3)),
)  # fmt: skip


def test_a_table_computed_by_hand():
    # Means: 2.5 in all; seeds 2 and 3; rows 1.5, 2.5, 3.5. Rest: 0.5, 0, -0.5 and its negative.
    found = compare_errors(np.array([[1.5, 2.0, 2.5], [1.5, 3.0, 4.5]]))
    ms_seed, ms_row, ms_rest = 3 * 0.5, 2 * 1.0, 4 * 0.25 / 2
    assert found.mean == 2.5
    assert found.standard_error == pytest.approx(np.sqrt((ms_seed + ms_row - ms_rest) / 6))
    assert found.degrees == pytest.approx(3.0**2 / (ms_seed**2 / 1 + ms_row**2 / 2 + ms_rest**2 / 2))
    assert found.seed_variance == pytest.approx((ms_seed - ms_rest) / 3)
    assert found.row_variance == pytest.approx((ms_row - ms_rest) / 2)


def test_with_one_seed_it_is_the_paired_t_test_over_rows():
    from scipy import stats

    values = np.random.RandomState(0).normal(0.2, 1, size=(1, 30))
    found, theirs = compare_errors(values), stats.ttest_1samp(values[0], 0)
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.seeds_needed() is None


@given(TABLES)
def test_the_other_way_round_it_is_the_negative(table):
    one, other = compare_errors(table), compare_errors(-table)
    assert one.mean == -other.mean
    assert one.standard_error == pytest.approx(other.standard_error)


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_rows_does_not_matter(table, dice):
    seeds, rows = list(range(table.shape[0])), list(range(table.shape[1]))
    dice.shuffle(seeds)
    dice.shuffle(rows)
    one, other = compare_errors(table), compare_errors(table[seeds][:, rows])
    assert one.mean == pytest.approx(other.mean, abs=1e-9)
    assert one.standard_error == pytest.approx(other.standard_error, abs=1e-6)


@given(TABLES)
def test_the_error_is_at_least_that_of_seeds_and_of_rows_alone(table):
    found = compare_errors(table)
    seeds, rows = table.shape
    assert found.standard_error >= table.mean(axis=1).std(ddof=1) / np.sqrt(seeds) - 1e-9
    assert found.standard_error >= table.mean(axis=0).std(ddof=1) / np.sqrt(rows) - 1e-9
    assert found.degrees >= min(seeds, rows) - 1


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((2, 1)), np.zeros((0, 9)), np.full((2, 3), np.nan)])
def test_what_is_no_table_of_differences_is_refused(bad):
    with pytest.raises(ValueError, match="expected finite differences"):
        compare_errors(bad)


def drawn(random, seeds, rows, sizes, truth=0.0):
    seed, row, rest = sizes
    return (
        truth + random.normal(0, seed, (seeds, 1)) + random.normal(0, row, (1, rows))
        + random.normal(0, rest, (seeds, rows))
    )  # fmt: skip


SIZES = [(0.02, 0.4, 0.3), (0.05, 0.3, 0.2), (0.005, 0.2, 0.5)]


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("sizes", SIZES)
def test_intervals_cover_a_simulated_truth(seeds, sizes):
    random, truth = np.random.RandomState(seeds), 0.03
    covered = 0
    for _ in range(1000):
        low, high = compare_errors(drawn(random, seeds, 480, sizes, truth)).interval()
        covered += low <= truth <= high
    # 2,000 draws are to lie in 93 to 97 %; with 1,000 the binomial's spread is another point.
    assert 0.92 <= covered / 1000 <= 0.98


def test_the_needed_seeds_make_the_difference_detectable():
    found = compare_errors(drawn(np.random.RandomState(0), 5, 480, (0.1, 0.1, 0.1), 0.08))
    needed = found.seeds_needed()
    assert needed is not None
    assert found.detectable(needed) <= abs(found.mean) < found.detectable(needed - 1)
    tiny = compare_errors(drawn(np.random.RandomState(0), 5, 480, (0.02, 1.0, 0.1), 0.001))
    assert tiny.seeds_needed() is None, "the rows limit it, and more seeds do not help"


def test_holms_correction_of_his_kind_of_example():
    # By hand: sorted 0.01, 0.02, 0.03, 0.5, times 4, 3, 2, 1, never falling.
    assert holm([0.02, 0.5, 0.01, 0.03]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_makes_a_probability_smaller_and_keeps_their_order(p):
    corrected = holm(p)
    assert all(a >= b or a == 1 for a, b in zip(corrected, p, strict=True))
    assert [corrected[i] for i in sorted(range(len(p)), key=p.__getitem__)] == sorted(corrected)
