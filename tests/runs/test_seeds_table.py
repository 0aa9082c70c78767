"""The seeds of one spec as one table."""

from __future__ import annotations

import statistics
from dataclasses import replace

from support import fabricate

from wineexp.runs.summary import seeds_table


def test_mean_and_spread_are_over_the_seeds_that_are_done(small_table, tmp_path):
    runs = [fabricate.save(tmp_path, small_table, seed=seed, error=0.1 * (seed + 1)) for seed in range(3)]
    runs.append(fabricate.fail(tmp_path, small_table, seed=3))
    heads, *rows = seeds_table(runs).splitlines()
    assert heads.split()[:4] == ["seed", "run", "val", "MAE"]
    values = [run.record.metrics.val_mae for run in runs[:3]]
    assert [row.split()[:3] for row in rows[:3]] == [
        [str(run.spec.seed), run.signature, f"{value:.4f}"] for run, value in zip(runs[:3], values, strict=True)
    ]
    assert rows[3].split() == ["3", runs[3].signature]
    mean, spread = (row.split() for row in rows[4:6])
    assert mean[:2] == ["mean", f"{statistics.mean(values):.4f}"]
    assert spread[:2] == ["sd", f"{statistics.stdev(values):.4f}"]
    assert rows[6] == f"seed 3 failed: {runs[3].record.error}; details: {runs[3].error_path}"
    assert rows[7] == "3 of 4 seeds done; sd: standard deviation over seeds"
    assert rows[-1] == f"files {tmp_path}/"


def test_a_simulated_table_is_told_and_of_a_single_done_seed_there_is_no_mean(small_table, tmp_path):
    table = replace(small_table, kind="simulated")
    runs = [fabricate.save(tmp_path, table), fabricate.fail(tmp_path, table, seed=1)]
    text = seeds_table(runs)
    assert "\nSIMULATED: the real table was not used" in text
    assert "mean" not in text
    assert "1 of 2 seeds done" in text


def test_where_no_seed_is_done_each_is_told(small_table, tmp_path):
    runs = [fabricate.fail(tmp_path, small_table, seed=seed) for seed in range(2)]
    lines = seeds_table(runs).splitlines()
    assert [line.split()[1] for line in lines[:3]] == ["run", *(run.signature for run in runs)]
    assert "0 of 2 seeds done" in lines[5]
