"""The interval of a mean difference over seeds and rows: by hand, by law, and by simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import stats

from wineexp.comparison.effects import factorial_contrasts, simple_contrasts
from wineexp.comparison.statistics import SKEWED, compare_errors, compare_unpaired

TABLES = arrays(
    np.float64, array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.integers(-9999, 9999).map(lambda value: value / 1000),
)  # fmt: skip


def test_a_table_computed_by_hand():
    # Means: 2.5 in all; seeds 1.5, 2.5, 3.5; rows 1.5, 2.5, 3.5. Rest: 0.5, 0, -0.5; none; -0.5, 0, 0.5.
    found = compare_errors(np.array([[1.0, 1.5, 2.0], [1.5, 2.5, 3.5], [2.0, 3.5, 5.0]]))
    ms_seed, ms_row, ms_rest = 3 * 1.0, 3 * 1.0, 4 * 0.25 / 4
    assert found.mean == 2.5
    assert found.seed_variance == pytest.approx((ms_seed - ms_rest) / 3)
    assert found.row_variance == pytest.approx((ms_row - ms_rest) / 3)
    assert found.rest_variance == pytest.approx(ms_rest)
    # t(0.975) is 4.303 with 2 degrees of freedom, t(0.9995) is 31.599.
    share = ms_rest / ms_row  # of the rest that goes to the seeds
    for level, t, t_of_rest in ((0.95, 4.30265, 4.30265), (0.999, 31.5991, 4.30265)):
        seeds = t**2 * ms_seed - t_of_rest**2 * (1 - share) * ms_rest
        half = np.sqrt((seeds + t**2 * (ms_row - share * ms_rest)) / 9)
        assert found.interval(level) == pytest.approx((2.5 - half, 2.5 + half), rel=1e-5)


def test_with_two_seeds_the_rest_stays_with_the_seeds():
    # Means: 2.5 in all; seeds 2 and 3; rows 1.5, 2.5, 3.5. Rest: 0.5, 0, -0.5 and its negative.
    found = compare_errors(np.array([[1.5, 2.0, 2.5], [1.5, 3.0, 4.5]]))
    ms_seed, ms_row, ms_rest = 3 * 0.5, 2 * 1.0, 4 * 0.25 / 2
    # t(0.975) is 12.706 with 1 degree of freedom and 4.303 with 2.
    half = np.sqrt((12.7062**2 * ms_seed + 4.30265**2 * (ms_row - ms_rest)) / 6)
    assert found.interval() == pytest.approx((2.5 - half, 2.5 + half), rel=1e-5)


def test_other_seeds_in_each_by_hand():
    # Row means 1, 2, 3 and 0.5, 0.5, 2: differences 0.5, 1.5, 1. Seeds of the first 1.5, 2.5 without a rest; of
    # the second 0, 1, 2.
    one = np.array([[0.5, 1.5, 2.5], [1.5, 2.5, 3.5]])
    other = np.array([[-0.5, 0.0, 0.5], [0.5, 0.5, 2.0], [1.5, 1.0, 3.5]])
    found = compare_unpaired(one, other)
    rest = other - other.mean(axis=1, keepdims=True) - other.mean(axis=0) + other.mean()
    ms_rest = (rest**2).sum() / 4
    assert found.mean == pytest.approx(1.0)
    assert [group.rest_variance for group in found.groups] == pytest.approx([0, ms_rest])
    rows = max(0, 0.25 / 3 - ms_rest / 9) * 4.30265**2
    half = np.sqrt(rows + 0.5 / 2 * 12.7062**2 + 1.0 / 3 * 4.30265**2)
    assert found.interval() == pytest.approx((1 - half, 1 + half), rel=1e-5)


def test_other_seeds_in_each_need_the_same_rows():
    with pytest.raises(ValueError, match="same rows, found 4 and 5"):
        compare_unpaired(np.zeros((2, 4)), np.zeros((3, 5)))


@given(TABLES, st.integers(1, 5))
def test_the_two_of_an_unpaired_difference_may_change_places(table, seeds):
    other = np.random.RandomState(seeds).normal(0, 1, (seeds, table.shape[1]))
    one, back = compare_unpaired(table, other), compare_unpaired(other, table)
    assert one.interval() == pytest.approx(tuple(-end for end in reversed(back.interval())), abs=1e-9)
    assert one.fewest == min(len(table), seeds)


def test_with_one_seed_it_is_the_paired_t_test_over_rows():
    values = np.random.RandomState(0).normal(0.2, 1, size=(1, 30))
    found, theirs = compare_errors(values), stats.ttest_1samp(values[0], 0)
    assert found.p == pytest.approx(theirs.pvalue, rel=1e-6)
    assert found.interval() == pytest.approx(tuple(theirs.confidence_interval()))
    assert found.seeds_needed(1.0) is None


def test_where_seeds_alone_differ_it_is_nearly_the_t_test_over_seeds():
    random = np.random.RandomState(1)
    table = random.normal(0, 1, (5, 1)) + random.normal(0, 1e-3, (5, 400))
    theirs = stats.ttest_1samp(table.mean(axis=1), 0)
    assert compare_errors(table).interval() == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-3)


@given(TABLES)
def test_the_other_way_round_it_is_the_negative(table):
    one, other = compare_errors(table), compare_errors(-table)
    assert one.mean == -other.mean
    assert one.interval() == pytest.approx(tuple(-end for end in reversed(other.interval())))


@given(TABLES, st.randoms(use_true_random=False))
def test_the_order_of_seeds_and_rows_does_not_matter(table, dice):
    seeds, rows = list(range(table.shape[0])), list(range(table.shape[1]))
    dice.shuffle(seeds)
    dice.shuffle(rows)
    one, other = compare_errors(table), compare_errors(table[seeds][:, rows])
    assert one.interval() == pytest.approx(other.interval(), abs=1e-5)


@given(TABLES)
def test_the_probability_says_whether_the_interval_holds_0(table):
    found = compare_errors(table)
    low, high = found.interval()
    if min(abs(low), abs(high)) > 1e-6:
        assert (found.p < 0.05) == (not low <= 0 <= high)
    assert 0 <= found.p <= 1


@pytest.mark.parametrize("bad", [np.zeros(5), np.zeros((2, 1)), np.zeros((0, 9)), np.full((2, 3), np.nan)])
def test_what_is_no_table_of_differences_is_refused(bad):
    with pytest.raises(ValueError, match="expected finite differences"):
        compare_errors(bad)


def test_no_difference_at_all_is_certain_to_be_none():
    found = compare_errors(np.zeros((3, 5)))
    assert (found.interval(), found.p, found.seeds_needed(0.0)) == ((0, 0), 1.0, 2)


def drawn(random, seeds, sizes, truth=0.0, rows=480):
    seed, row, rest = sizes
    return (
        truth + random.normal(0, seed, (seeds, 1)) + random.normal(0, row, (1, rows))
        + random.normal(0, rest, (seeds, rows))
    )  # fmt: skip


#: Standard deviations of the effects of seeds and rows, and of the rest.
SIZES = [(0.0, 0.4, 0.3), (0.02, 0.4, 0.3), (0.05, 0.3, 0.2), (0.2, 0.3, 0.2), (0.035, 0.0, 0.2), (0.0, 0.0, 0.3)]


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("sizes", SIZES)
def test_intervals_cover_a_simulated_truth(seeds, sizes):
    random, truth = np.random.RandomState(seeds), 0.03
    ends = [compare_errors(drawn(random, seeds, sizes, truth)).interval() for _ in range(1000)]
    covered = sum(low <= truth <= high for low, high in ends)
    # benchmarks hold 2,000 draws to 93 to 97 %; with 1,000 the binomial's spread is a little more
    assert 0.925 <= covered / 1000 <= 0.975


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("sizes", [(0.0, 0.2, 0.25), (0.02, 0.4, 0.3), (0.2, 0.3, 0.2), (0.035, 0.0, 0.2)])
def test_a_difference_of_the_detectable_size_is_detected_four_times_in_five(seeds, sizes):
    random = np.random.RandomState(seeds)
    found = 0
    for _ in range(500):  # a study, and then another with the difference that the first called detectable
        truth = compare_errors(drawn(random, seeds, sizes)).detectable()
        table = compare_errors(drawn(random, seeds, sizes, truth))
        found += abs(table.mean) > table.half(0.975)
    assert 0.75 <= found / 500 <= (0.97 if sizes[0] == 0 else 0.90), "cautious where seeds have no effect"


def test_the_needed_seeds_make_the_difference_detectable():
    found = compare_errors(drawn(np.random.RandomState(0), 5, (0.1, 0.1, 0.1), 0.08))
    needed = found.seeds_needed(abs(found.mean))
    assert needed is not None
    assert found.detectable(needed) <= abs(found.mean) < found.detectable(needed - 1)
    tiny = compare_errors(drawn(np.random.RandomState(0), 5, (0.02, 1.0, 0.1), 0.001))
    assert tiny.seeds_needed(0.001) is None, "the rows limit it, and more seeds do not help"


def test_without_an_effect_of_rows_it_is_the_t_test_over_seeds():
    table = np.random.RandomState(2).normal(0, 0.04, (4, 1)) + np.random.RandomState(3).normal(0, 0.2, (4, 300))
    table -= table.mean(axis=0) - table.mean()  # no row differs from another
    theirs = stats.ttest_1samp(table.mean(axis=1), 0)
    assert compare_errors(table).interval() == pytest.approx(tuple(theirs.confidence_interval()), rel=1e-9)


def test_effects_of_a_cross_by_hand():
    # Cell means (factor A down, factor B across), the same in every seed and row.
    cells = np.array([[1.0, 1.5, 3.0], [2.0, 4.0, 5.0]])
    errors = np.broadcast_to(cells[..., None, None], (2, 3, 2, 4))
    found = {tuple(c.levels.items()): compare_errors(c.of(errors)).mean for c in factorial_contrasts((2, 3))}
    assert found == pytest.approx({
        ((0, 1),): (1 + 2.5 + 2) / 3,  # A: 2-1, 4-1.5, 5-3
        ((1, 1),): (0.5 + 2) / 2, ((1, 2),): (2 + 3) / 2,
        ((0, 1), (1, 1)): 2.5 - 1, ((0, 1), (1, 2)): 2 - 1,
    })  # fmt: skip


@given(st.lists(st.integers(2, 4), min_size=1, max_size=4))
def test_every_contrast_sums_to_nothing_and_a_constant_has_no_effect(shape):
    for contrast in factorial_contrasts(shape):
        assert contrast.weights.shape == tuple(shape)
        assert contrast.weights.sum() == pytest.approx(0)
        assert np.abs(contrast.weights).sum() == pytest.approx(2 ** len(contrast.levels))


def test_effects_level_by_level_by_hand():
    cells = np.array([[1.0, 1.5, 3.0], [2.0, 4.0, 5.0]])
    errors = np.broadcast_to(cells[..., None, None], (2, 3, 2, 4))
    found = [(c.levels, c.at, compare_errors(c.of(errors)).mean) for c in simple_contrasts((2, 3), [(0, 1)])]
    assert found == [
        ({0: 1}, {1: 0}, 1.0), ({0: 1}, {1: 1}, 2.5), ({0: 1}, {1: 2}, 2.0),
        ({1: 1}, {0: 0}, 0.5), ({1: 1}, {0: 1}, 2.0), ({1: 2}, {0: 0}, 2.0), ({1: 2}, {0: 1}, 3.0),
    ]  # fmt: skip


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_far_out_in_the_tail_it_is_not_wrong_too_often(seeds):
    """No difference at all, seeds alike by chance now and then: p < 0.005 in 1 % at most."""
    random = np.random.RandomState(seeds)
    tables = [compare_errors(drawn(random, seeds, (0.05, 0.3, 0.3), rows=100)) for _ in range(2000)]
    false = [np.mean([abs(one.mean) > one.half(1 - alpha / 2) for one in tables]) for alpha in (0.05, 0.005)]
    # the binomial's spread with 2,000 draws is 0.5 % and 0.15 %
    assert false[0] <= 0.065
    assert false[1] <= 0.009


@pytest.mark.parametrize(("one", "other"), [(3, 10), (5, 5), (2, 4)])
def test_other_seeds_in_each_cover_a_simulated_truth(one, other):
    random, held = np.random.RandomState(one), 0
    for _ in range(1000):
        rows = random.normal(0, 0.3, (1, 100))  # what the rows have in common
        ours = rows + drawn(random, one, (0.05, 0.2, 0.3), 0.03, rows=100)
        theirs = rows + drawn(random, other, (0.08, 0.1, 0.3), rows=100)
        low, high = compare_unpaired(ours, theirs).interval()
        held += low <= 0.03 <= high
    assert held / 1000 >= 0.93, "with few seeds it errs on the side of caution"


@pytest.mark.parametrize("comparisons", [5, 9])
def test_the_detectable_size_is_that_under_the_correction_in_force(comparisons):
    random, alpha, sizes = np.random.RandomState(0), 0.05 / comparisons, (0.05, 0.3, 0.3)
    found = 0
    for _ in range(500):
        truth = compare_errors(drawn(random, 5, sizes)).detectable(alpha=alpha)
        table = compare_errors(drawn(random, 5, sizes, truth))
        found += abs(table.mean) > table.half(1 - alpha / 2)
    assert 0.75 <= found / 500 <= 0.90


def test_the_detectable_size_of_other_seeds_in_each():
    random, found = np.random.RandomState(0), 0
    ours, theirs = (drawn(random, count, (0.05, 0.2, 0.3)) for count in (60, 60))
    large = compare_unpaired(ours, theirs)
    for count in (5, 10):
        truth, found = large.detectable(count), 0
        for _ in range(300):
            table = drawn(random, count, (0.05, 0.2 * 2**0.5, 0.3), truth), drawn(random, count, (0.05, 0.0, 0.3))
            low, high = compare_unpaired(*table).interval()
            found += not low <= 0 <= high
        assert 0.70 <= found / 300 <= 0.95  # the truth is itself estimated


def test_where_a_few_rows_decide_the_interval_is_wider():
    """By hand: 1 + 6 times the skewness of the mean, sum u^3 / R^3 over its variance to the power of 1.5."""
    rows = np.random.RandomState(1).lognormal(0, 1.5, (1, 60))
    found = compare_errors(rows)
    u = rows[0] - rows.mean()
    skewness = (u**3).sum() / 60**3 / (rows.var(ddof=1) / 60) ** 1.5
    assert found.skewness == pytest.approx(skewness)
    assert found.skewness > SKEWED
    usual = stats.t.ppf(0.975, 59) * rows.std(ddof=1) / 60**0.5
    assert found.half(0.975) == pytest.approx((1 + 6 * skewness) * usual)
    even = compare_errors(np.random.RandomState(1).normal(0, 1, (3, 60)))
    assert even.widening == 1.0


@pytest.mark.parametrize("kind", ["paired", "unpaired"])
def test_skewed_rows_are_missed_no_more_often_than_others(kind):
    dice, miss = np.random.RandomState(3), 0
    for _ in range(600):
        by_row = dice.lognormal(0, 1.5, (1, 60)) - np.exp(1.125)
        table = 0.5 * by_row + dice.normal(0, 0.1, (4, 60))
        one = compare_errors(table) if kind == "paired" else compare_unpaired(table, dice.normal(0, 0.1, (4, 60)))
        miss += abs(one.mean) > one.half(0.975)
    assert miss / 600 <= 0.085, "without a wider interval it is 14 to 19 %"


@given(
    errors=st.integers(2, 4).flatmap(
        lambda seeds: st.lists(
            st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=seeds, max_size=seeds), min_size=2, max_size=40
        )
    )
)
def test_differences_of_counts_have_an_interval_whatever_they_are(errors):
    table = np.array(errors).T
    found = compare_errors(table)
    assert (found.half(0.975) > 0) == table.any()
    assert np.isfinite(found.p)
    unpaired = compare_unpaired((table > 0).astype(float), (table < 0).astype(float))
    assert (unpaired.half(0.975) > 0) == table.any()
    assert unpaired.mean == pytest.approx(found.mean)


def test_two_seeds_that_are_wrong_in_as_many_rows_do_not_agree_exactly():
    """Their mean stands for any value within half a row: Sheppard's correction."""
    table = np.zeros((2, 100))
    table[0, :3] = table[1, 3:6] = 1
    found = compare_errors(table)
    ms_seed = 100 * found.seed_variance + found.rest_variance
    assert ms_seed == pytest.approx(100 / (12 * 100**2))
    assert compare_errors(table + 1e-3 * np.arange(100)).seed_variance < found.seed_variance
