"""The estimate of a batch's time, from earlier runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support import fabricate

from wineexp import runtime
from wineexp.execution.standing import START_SECONDS, estimate_seconds, measured_speeds
from wineexp.runs.record import Environment, Timing
from wineexp.runs.writer import write_run
from wineexp.specs.run_spec import RunSpec

SPEC = RunSpec.parse({"widths": "64x3", "epochs": 11})


def count(spec):
    return spec.parameter_count(3)


def recorded(table, tmp_path, name="run", **changes):
    """A run of 11 epochs: 1 s for the first, 0.2 s for each later, 0.2 s beside the fit."""
    timing = Timing(epochs=11, first_epoch_seconds=1.0, fit_seconds=3.0, run_seconds=3.2)
    environment = Environment(**runtime.environment(1))
    done = replace(fabricate.result(SPEC, table), timing=timing, environment=environment)
    return write_run(replace(done, **changes), tmp_path / name)


def test_a_similar_run_gives_the_time_of_its_likes(small_table, tmp_path):
    speeds = measured_speeds([recorded(small_table, tmp_path)])
    assert speeds[0].epoch == pytest.approx(0.2)
    assert speeds[0].outside == pytest.approx(1.0)
    assert estimate_seconds([SPEC] * 4, count, speeds, 2) == pytest.approx(START_SECONDS + 4 * 3.2 / 2)
    longer = SPEC.model_copy(update={"epochs": 101})
    assert estimate_seconds([longer], count, speeds, 2) == pytest.approx(START_SECONDS + 1 + 101 * 0.2)


def test_without_a_similar_run_there_is_no_estimate(small_table, tmp_path):
    speeds = measured_speeds([recorded(small_table, tmp_path)])
    assert estimate_seconds([RunSpec()], count, speeds, 2) is None
    assert estimate_seconds([SPEC], count, [], 2) is None


def test_runs_of_other_machines_thread_counts_and_failures_say_nothing(small_table, tmp_path):
    other = Environment(**{**runtime.environment(1), "cores": 640})
    elsewhere = recorded(small_table, tmp_path, "a", environment=other)
    threaded = recorded(small_table, tmp_path, "b", environment=Environment(**runtime.environment(2)))
    failed = recorded(small_table, tmp_path, "c", status="interrupted")
    assert measured_speeds([elsewhere, threaded, failed]) == []
