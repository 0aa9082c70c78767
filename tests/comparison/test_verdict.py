"""Is the verdict honest on real training? A smaller form of benchmarks/verdict.py."""

from __future__ import annotations

import numpy as np
import promises
import pytest
import verdict as benchmark
from support.batches import train

from wineexp.comparison.comparison import compare_runs
from wineexp.runs.reader import load
from wineexp.specs.looks import make_looks
from wineexp.specs.run_spec import RunSpec


def specs(count, **fields):
    return [RunSpec.parse({"widths": "64x3", **fields, "seed": seed}) for seed in range(count)]


@pytest.fixture(scope="module")
def real(red_wine, tensorflow, tmp_path_factory):
    """40 small runs, with and without batch normalization, on the real table."""
    out = tmp_path_factory.mktemp("pool")
    train([*specs(20, epochs=30), *specs(20, epochs=30, bn="before")], red_wine, out)
    return out


@pytest.fixture(scope="module")
def pools(real):
    found = list(benchmark.pool(load([real])))
    assert [len(errors) for _, errors in found] == [20, 20]
    return [errors for _, errors in found]


@pytest.mark.slow
@pytest.mark.parametrize("groups", [(2, 2), (3, 3), (5, 5), (3, 10)])
def test_groups_of_one_variant_are_seldom_told_apart(pools, groups):
    dice = np.random.default_rng(sum(groups))
    rates = np.mean([benchmark.false_rates(errors, groups, 400, dice) for errors in pools], axis=0)
    # The benchmark's goals are 6, 1 and 0.2 %; the pool is a third of its, so its groups overlap more.
    assert rates[0] <= 0.08
    assert rates[1] <= 0.015
    assert rates[2] <= 0.005


@pytest.mark.slow
def test_families_of_one_variant_and_planned_looks_are_seldom_told_apart(pools):
    dice = np.random.default_rng(1)
    assert np.mean([benchmark.false_families(errors, 5, 3, 100, dice) for errors in pools]) <= 0.10
    looks = make_looks([3, 5, 10])
    assert np.mean([benchmark.false_families(errors, 2, 10, 200, dice, looks) for errors in pools]) <= 0.08


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


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("case", benchmark.HARD)
def test_hard_cases_are_covered_in_small(case, seeds):
    assert 0.91 <= benchmark.coverage(seeds, benchmark.EFFECTS["64x3, bn or none"], 400, 3, case) <= 0.985


@pytest.mark.parametrize("part", list(promises.PARTS))
def test_promises_hold_in_small(part):
    """A few cells of each table of docs/verdict.md: the binomial's spread with 300 draws is 1.3 % at 5 %."""
    cells = [cell for cell in promises.PARTS[part]() if not cell.column.startswith("width")]
    for number, cell in enumerate(cells[:: max(1, len(cells) // 4)]):
        rate = cell.measure(300, number)
        if part in ("detected", "plan"):
            assert 0.72 <= rate <= (0.98 if "no effect" in cell.row else 0.92), cell.name
        else:
            assert rate <= 0.10, cell.name


def test_a_difference_as_large_as_the_margin_is_seldom_called_the_same():
    assert benchmark.same_at_the_margin(10, benchmark.EFFECTS["rest only"], 600, 0.05) <= 0.075


def test_planned_looks_in_small():
    effects, looks = benchmark.EFFECTS["64x3, bn or none"], make_looks([5, 10, 20])
    told, held, used = benchmark.by_looks(effects, 0.0, looks, 200, 1)
    assert told <= 0.06
    assert held >= 0.94
    assert used > 19
    told, held, used = benchmark.by_looks(effects, 0.08, looks, 100, 1)
    assert told >= 0.9
    assert held >= 0.92
    assert used < 14, "what is large is found early"


def test_splits_of_subtables_in_small(red_wine):
    y = red_wine.frame["quality"].to_numpy(float)
    x = red_wine.frame.drop(columns="quality").to_numpy(float)
    held, cautious, _ = benchmark.split_coverage((x - x.mean(0)) / x.std(0), y, 200, 5, 2, 60, own=True)
    assert held >= 0.85
    assert cautious >= 0.9
