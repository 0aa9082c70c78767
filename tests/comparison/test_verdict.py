"""Is the verdict honest on real training? A smaller form of benchmarks/verdict.py."""

from __future__ import annotations

import numpy as np
import pytest
import verdict as benchmark
from support.batches import train

from wineexp.comparison.compare import compare_runs
from wineexp.runs.reader import load
from wineexp.specs.run_spec import RunSpec


def specs(count, **fields):
    return [RunSpec.parse({"widths": "64x3", **fields, "seed": seed}) for seed in range(count)]


@pytest.fixture(scope="module")
def real(red_wine, tensorflow, tmp_path_factory):
    """40 small runs, with and without batch normalization, on the real table."""
    out = tmp_path_factory.mktemp("pool")
    train([*specs(20, epochs=30), *specs(20, epochs=30, bn="before")], red_wine, out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
def test_groups_of_one_variant_are_seldom_told_apart(real, seeds):
    dice = np.random.default_rng(seeds)
    pools = [errors for _, errors in benchmark.pool(real)]
    assert [len(errors) for errors in pools] == [20, 20]
    rates = [benchmark.false_verdicts(errors, seeds, 100, dice) for errors in pools]
    # At most 8 % of 200 pairs; the pool is half the benchmark's, so its groups overlap more.
    assert np.mean(rates) <= 0.08


@pytest.mark.slow
def test_a_real_difference_is_found(red_wine, tensorflow, tmp_path):
    train([*specs(3), *specs(3, epochs=2)], red_wine, tmp_path)
    found = compare_runs(load([tmp_path]))
    assert found.reference.label == "epochs 100"
    (verdict,) = found.verdicts
    assert (verdict.variant_label, verdict.word) == ("epochs 2", "worse")


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("case", ["64x3, bn or none", "same variant", "large seed effect"])
def test_the_benchmarks_shares_hold_in_small(case, seeds):
    effects = benchmark.EFFECTS[case]
    assert 0.92 <= benchmark.coverage(seeds, effects, 600, 1) <= 0.98
    assert 0.74 <= benchmark.power(seeds, effects, 600, 2) <= 0.90
