"""Ctrl-C, SIGTERM and SIGHUP at any moment: whole runs, the right exit code, no worker left, no traceback.

The counts here are reduced; ``WINEEXP_FAULTS=full`` runs those that docs/reliability.md tells.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time

import psutil
import pytest
from support.processes import children, start, wait_for

from wineexp.runs.directory import find_runs

FULL = os.environ.get("WINEEXP_FAULTS") == "full"
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

#: Quick epochs, some runs that end soon and some that would take hours; as long on paper, so in the plan's order.
SOON = {"patience": 0, "min_delta": 1e30}
CONFIG = {
    "defaults": {"widths": 8, "epochs": 10**6, "batch_size": 32},
    "runs": [{**SOON, "seed": seed} for seed in range(3)] + [{"seed": seed} for seed in range(20)],
}


@pytest.fixture
def folder(tmp_path, small_csv):
    (tmp_path / "c.yaml").write_text(json.dumps(CONFIG))
    (tmp_path / "t.csv").write_text(small_csv.read_text())
    return tmp_path


def check_ended(process, number, family, outputs, *, seconds=10):
    """It ends in time with the signal's exit code; no traceback, no worker; every run is whole."""
    _, err = process.communicate(timeout=seconds)
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert "Error" not in err
    _, alive = psutil.wait_procs(family, timeout=2)
    assert not alive
    states = []
    for run in find_runs(outputs, damaged=pytest.fail):
        assert len(run.history_path.read_text().splitlines()) >= 1
        states.append(run.status)
    assert set(states) <= {"done", "interrupted"}
    assert not list(outputs.glob(".*")) if outputs.exists() else True
    return states


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("jobs", [1, 2, 16])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_batch_is_ended_at_any_moment_of_its_start_and_training(folder, jobs, number):
    dice = random.Random(100 * jobs + number)
    for trial in range(13 if FULL else 2):
        out = folder / f"out{trial}"
        process = start(["batch", "c.yaml", "--data", "t.csv", "--out", out, "--jobs", jobs], folder)
        # The first half second is Python's own; within the next two, workers start.
        time.sleep(dice.uniform(0.7 if FULL else 1.8, 3.5) if trial % 2 else dice.uniform(3.5, 9.0))
        family = children(process)
        process.send_signal(number)
        check_ended(process, number, family, out)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_was_running_is_recorded_with_its_history(folder, number):
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder)
    wait_for(lambda: len(list((folder / "out").glob("*/run.json"))) == 3)
    time.sleep(8)  # XLA compiles so long a run for a second or two before its first epoch
    family = children(process)
    process.send_signal(number)
    states = check_ended(process, number, family, folder / "out")
    running = len(states) - 3  # on a busy machine the second worker may still be loading
    assert sorted(states) == ["done"] * 3 + ["interrupted"] * running
    assert running in (1, 2)
    for run in find_runs(folder / "out"):
        if run.status == "interrupted":
            assert len(run.history_path.read_text().splitlines()) > 1
    again = ["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--dry-run"]
    process = start(again, folder)
    _, err = process.communicate(timeout=60)
    assert "23 runs, 3 of them done or left alone, 20 to train" in err


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_training_in_its_own_process_is_ended_too(folder, number):
    dice = random.Random(number)
    arguments = ["train", "--widths", 8, "--epochs", 10**6, "--batch-size", 32, "--data", "t.csv", "--threads", 1]
    for trial in range(13 if FULL else 1):
        out = folder / f"out{trial}"
        process = start([*arguments, "--out", out], folder)
        time.sleep(dice.uniform(1.0 if FULL else 7.0, 9.0))
        process.send_signal(number)
        check_ended(process, number, [], out)


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_whole_process_group_may_be_signalled(folder, number):
    """As a terminal does with Ctrl-C, and a service manager with SIGTERM: the workers leave it to their parent."""
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder)
    wait_for(lambda: len(list((folder / "out").glob("*/run.json"))) == 3)
    family = children(process)
    assert len(family) == 2
    for member in (*family, psutil.Process(process.pid)):
        member.send_signal(number)
    states = check_ended(process, number, family, folder / "out")
    running = len(states) - 3  # on a busy machine the second worker may still be loading
    assert sorted(states) == ["done"] * 3 + ["interrupted"] * running
    assert running in (1, 2)


@pytest.mark.slow
def test_a_second_signal_ends_at_once(folder):
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder)
    wait_for(lambda: list((folder / "out").glob("*/run.json")))
    family = children(process)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode in (143, -signal.SIGTERM)
    assert time.monotonic() - began < 3
    _, alive = psutil.wait_procs(family, timeout=3)
    assert not alive


@pytest.mark.slow
def test_what_nohup_ignores_stays_ignored(folder):
    arguments = ["train", "--widths", "8", "--epochs", "200", "--data", "t.csv", "--threads", "1", "--out", "out"]
    command = ["nohup", sys.executable, "-m", "wineexp", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    time.sleep(2)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
