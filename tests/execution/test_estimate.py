"""The estimate of a batch's time, from earlier runs."""

from __future__ import annotations

import json

import pytest

from wineexp import runtime
from wineexp.execution.estimate import START_SECONDS, estimate_seconds, measured_speeds
from wineexp.runs.directory import Run
from wineexp.specs.run_spec import RunSpec

SPEC = RunSpec.parse({"widths": "64x3", "epochs": 11})


def recorded(tmp_path, name="run", **changes):
    """A run of 11 epochs: 1 s for the first, 0.2 s for each later, 1 s beside them."""
    record = {
        "status": "done", "signature": "0", "spec": SPEC.settings(), "data": {"features": list("abcdefghijk")},
        "timing": {"epochs": 11, "first_epoch_seconds": 1.0, "fit_seconds": 3.0, "run_seconds": 3.2},
        "environment": runtime.environment(1), **changes,
    }  # fmt: skip
    (tmp_path / name).mkdir()
    (tmp_path / name / "run.json").write_text(json.dumps(record))
    return Run(tmp_path / name)


def test_a_similar_run_gives_the_time_of_its_likes(tmp_path):
    speeds = measured_speeds([recorded(tmp_path)], 1)
    assert speeds[0].epoch == pytest.approx(0.2)
    assert speeds[0].outside == pytest.approx(1.0)
    assert estimate_seconds([SPEC] * 4, 11, speeds, 2) == pytest.approx(START_SECONDS + 4 * 3.2 / 2)
    longer = SPEC.model_copy(update={"epochs": 101})
    assert estimate_seconds([longer], 11, speeds, 2) == pytest.approx(START_SECONDS + 1 + 101 * 0.2)


def test_without_a_similar_run_there_is_no_estimate(tmp_path):
    speeds = measured_speeds([recorded(tmp_path)], 1)
    assert estimate_seconds([RunSpec()], 11, speeds, 2) is None
    assert estimate_seconds([SPEC], 11, [], 2) is None


def test_runs_of_other_machines_thread_counts_and_failures_say_nothing(tmp_path):
    elsewhere = recorded(tmp_path, "a", environment={**runtime.environment(1), "cores": 640})
    threaded = recorded(tmp_path, "b", environment=runtime.environment(2))
    failed = recorded(tmp_path, "c", status="failed")
    assert measured_speeds([elsewhere, threaded, failed], 1) == []
