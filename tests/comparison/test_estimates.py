"""What every estimate says besides its interval, against the noncentral t distribution and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from wineexp.comparison.estimate import LEAST, chi_squares
from wineexp.comparison.statistics import Difference, Seeds, UnpairedDifference


def seeds_alone(mean, seeds, variance=1.0):
    """An estimate in which nothing varies but the seeds: Student's t over them."""
    return Difference(mean, seeds, 480, variance, 0.0, 0.0)


@pytest.mark.parametrize(("seeds", "alpha"), [(2, 0.05), (3, 0.05), (5, 0.01), (10, 0.05), (20, 0.005)])
def test_the_detectable_size_over_seeds_is_that_of_the_noncentral_t(seeds, alpha):
    quantile = stats.t.ppf(1 - alpha / 2, seeds - 1)

    # The other tail adds less than 1e-6 at this power, and SciPy's is NaN there.
    shift = optimize.brentq(lambda shift: stats.nct.sf(quantile, seeds - 1, shift) - 0.8, 0.01, 2 * quantile + 2)
    exact = shift * np.sqrt(4.0 / seeds)
    assert seeds_alone(0.0, 4000, 4.0).detectable(seeds, alpha) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize(("seeds", "alpha"), [(3, 0.05), (5, 0.05), (5, 0.01), (10, 0.005)])
def test_a_new_study_finds_what_a_pilot_calls_detectable_in_four_of_five_by_the_noncentral_t(seeds, alpha):
    """Over all pilots: each has its own estimate of the variance, and so its own size."""
    quantile = stats.t.ppf(1 - alpha / 2, seeds - 1)
    size = seeds_alone(0.0, seeds, 1.0).detectable(alpha=alpha)  # in units of the pilot's standard deviation
    pilots = np.sqrt(stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, seeds - 1) / (seeds - 1))
    found = stats.nct.sf(quantile, seeds - 1, size * pilots * np.sqrt(seeds))
    assert np.nanmean(found) == pytest.approx(0.8, abs=0.015)


def test_with_two_seeds_nothing_is_said_of_what_would_be_detected():
    assert seeds_alone(0.0, 2).detectable() is None
    assert seeds_alone(0.0, 2).seeds_needed(1e9) is None
    assert UnpairedDifference(0.1, 9, 1.0, (Seeds(5, 1.0, 0.0), Seeds(2, 1.0, 0.0))).detectable() is None


def test_mean_squares_vary_as_chi_squared_with_one_degree_less_than_seeds():
    for seeds in (2, 3, 11):
        values = chi_squares(seeds - 1, 200)
        assert len(values) == 200
        assert values.mean() == pytest.approx(1, rel=0.02)
        assert values.var() == pytest.approx(2 / (seeds - 1), rel=0.1)
    assert chi_squares(0) == pytest.approx(chi_squares(1)), "one seed has no degree; one is taken"


def test_shares_are_parts_of_the_variance_by_hand():
    found = Difference(0.1, 4, 100, 0.4, 10.0, 40.0)
    assert found.parts() == pytest.approx({"seeds": 0.1, "rows": 0.1, "both": 0.1})
    assert found.shares() == pytest.approx({"seeds": 1 / 3, "rows": 1 / 3, "both": 1 / 3})
    assert Difference(0.1, 4, 100, -0.4, 10.0, 0.0).shares() == {"seeds": 0.0, "rows": 1.0, "both": 0.0}
    assert Difference(0.1, 4, 100, 0.0, 0.0, 0.0).shares() == {}


def test_shares_of_other_seeds_in_each_by_hand():
    found = UnpairedDifference(0.1, 100, 10.0, (Seeds(4, 0.4, 40.0), Seeds(2, 0.2, 20.0)))
    assert found.parts() == pytest.approx({"seeds": 0.2, "rows": 0.1, "both": 0.2})
    assert found.shares() == pytest.approx({"seeds": 0.4, "rows": 0.2, "both": 0.4})
    below_0 = UnpairedDifference(0.1, 100, -10.0, (Seeds(4, -0.4, 40.0), Seeds(2, -0.2, 20.0)))
    assert below_0.parts() == pytest.approx({"seeds": 0.0, "rows": 0.0, "both": 0.2})


def test_the_seeds_are_told_in_words():
    assert [Difference(0.1, count, 100, 0.4, 10.0, 40.0).seeds_told for count in (1, 4)] == ["1 seed", "4 seeds"]
    pairs = ((4, 4), (4, 2))
    told = [UnpairedDifference(0.1, 9, 1.0, (Seeds(a, 0.0, 0.0), Seeds(b, 0.0, 0.0))).seeds_told for a, b in pairs]
    assert told == ["4 seeds each", "4 and 2 seeds"]


def test_what_one_seed_would_tell_is_what_the_rows_tell():
    """Its rows vary by their own variance and by the rest, which one seed does not take apart."""
    expected = stats.t.ppf(0.975, 99) * np.sqrt((10.0 + 40.0) / 100)
    assert Difference(0.1, 4, 100, 0.4, 10.0, 40.0).scenarios(0.975, 1).halves == pytest.approx(expected)
    assert Difference(0.1, 1, 100, 0.0, 10.0, 40.0).half(0.975) == pytest.approx(expected)


def test_the_probability_at_both_ends():
    assert seeds_alone(0.0, 5).p == 1.0
    assert seeds_alone(1e-13, 5).p == pytest.approx(1.0)
    assert seeds_alone(1e12, 5).p == pytest.approx(2 * LEAST, rel=1e-6)
    limit = seeds_alone(0.0, 5).half(1 - LEAST)
    assert seeds_alone(limit, 5).p == 2 * LEAST
    assert seeds_alone(limit / 2, 5).p > 2 * LEAST
    for shift in (0.1, 1.0, 3.0):
        exact = 2 * stats.t.sf(shift * np.sqrt(5), 4)
        assert seeds_alone(shift, 5).p == pytest.approx(exact, rel=1e-6)


def test_seeds_are_needed_up_to_a_thousand_and_three_tell_the_least():
    assert seeds_alone(0.0, 1).seeds_needed(1e9) is None, "one seed tells nothing of how seeds differ"
    assert seeds_alone(0.0, 3).seeds_needed(1e9) == 2, "one seed would not do: two at least"
    at_most = seeds_alone(0.0, 3).detectable(1000)
    assert seeds_alone(0.0, 3).seeds_needed(at_most) == 1000
    assert seeds_alone(0.0, 3).seeds_needed(at_most * 0.999) is None
    assert seeds_alone(0.0, 3, 0.0).detectable() == 0.0, "where nothing varies everything is detected"
