"""Ctrl-C, SIGTERM and SIGHUP at any moment: whole runs, the right exit code, no worker left, no traceback.

The counts here are reduced; ``WINEEXP_FAULTS=full`` runs those that docs/reliability.md tells.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
import tomllib

import psutil
import pytest
from conftest import ROOT
from support.processes import (
    GUARD,
    TELLING,
    answers,
    check_gone,
    children,
    count_training,
    loads_tensorflow,
    start,
    wait_for,
)

from wineexp.runs.run import find_runs

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


def recorded(outputs):
    return len(list(outputs.glob("*/run.json")))


def two_train(folder):
    """Whether the runs that end soon have ended, and two of the others train."""
    return recorded(folder / "out") == 3 and count_training(folder) == 2


def check_ended(process, number, family, outputs):
    """It ends with the signal's exit code; no traceback, no worker; every run is whole."""
    _, err = process.communicate(timeout=GUARD)  # its runs would take hours
    assert process.returncode == 128 + number, err
    assert "Traceback" not in err
    assert "Error" not in err
    check_gone(family)
    states = []
    for run in find_runs(outputs, damaged=pytest.fail):
        assert len(run.history_path.read_text().splitlines()) >= 1
        states.append(run.status)
    assert set(states) <= {"done", "interrupted"}
    assert not list(outputs.glob(".*")) if outputs.exists() else True
    return states


#: What a batch, in its folder, has got to.
MOMENTS_OF_A_BATCH = {
    "it answers signals": lambda process, _: answers(process),
    "workers start": lambda process, _: children(process),
    "a run is begun": lambda _, folder: list(folder.glob("out/.*.claim")),
    "runs are recorded": lambda _, folder: recorded(folder / "out") == 3,
    "a run trains that has no end": lambda _, folder: count_training(folder),
}
MOMENTS_OF_A_TRAINING = {
    "it answers signals": lambda process, _: answers(process),
    "it loads TensorFlow": lambda process, _: loads_tensorflow(process),
    "it trains": lambda _, folder: count_training(folder),
}


def begin_and_wait(arguments, folder, has_come, dice):
    """A process that has got to a moment, or to whatever comes in the second after it."""
    folder.mkdir()
    process = start(arguments, folder, code=TELLING)
    wait_for(lambda: has_come(process, folder) or process.poll() is not None)
    time.sleep(dice.uniform(0, 1))
    return process


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2, 16])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_batch_is_ended_at_any_moment_of_its_start_and_training(folder, jobs, number):
    dice = random.Random(100 * jobs + number)
    moments = itertools.cycle(dice.sample(sorted(MOMENTS_OF_A_BATCH), len(MOMENTS_OF_A_BATCH)))
    arguments = ["batch", folder / "c.yaml", "--data", folder / "t.csv", "--out", "out", "--jobs", jobs]
    for trial, moment in zip(range(13 if FULL else 2), moments, strict=False):
        here = folder / f"{trial}"
        process = begin_and_wait(arguments, here, MOMENTS_OF_A_BATCH[moment], dice)
        family = children(process)
        process.send_signal(number)
        check_ended(process, number, family, here / "out")


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_what_was_running_is_recorded_with_its_history(folder, number):
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder, code=TELLING)
    wait_for(lambda: two_train(folder))
    family = children(process)
    process.send_signal(number)
    states = check_ended(process, number, family, folder / "out")
    assert sorted(states) == ["done"] * 3 + ["interrupted"] * 2
    for run in find_runs(folder / "out"):
        if run.status == "interrupted":
            assert len(run.history_path.read_text().splitlines()) > 11
    again = ["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--dry-run"]
    process = start(again, folder)
    _, err = process.communicate(timeout=GUARD)
    assert "23 runs, 3 of them done or skipped, 20 to train" in err


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_training_in_its_own_process_is_ended_too(folder, number):
    dice = random.Random(number)
    flags = ["--widths", 8, "--epochs", 10**6, "--batch-size", 32, "--data", folder / "t.csv", "--threads", 1]
    moments = list(MOMENTS_OF_A_TRAINING.values())
    for trial in range(13 if FULL else 1):
        here = folder / f"{trial}"
        has_come = moments[(SIGNALS.index(number) + trial) % len(moments)]
        process = begin_and_wait(["train", *flags, "--out", "out"], here, has_come, dice)
        process.send_signal(number)
        check_ended(process, number, [], here / "out")


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_whole_process_group_may_be_signalled(folder, number):
    """As a terminal does with Ctrl-C, and a service manager with SIGTERM: the workers leave it to their parent."""
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder, code=TELLING)
    wait_for(lambda: two_train(folder))
    family = children(process)
    assert len(family) == 2
    for member in (*family, psutil.Process(process.pid)):
        member.send_signal(number)
    states = check_ended(process, number, family, folder / "out")
    assert sorted(states) == ["done"] * 3 + ["interrupted"] * 2


#: The command line, which never ends its workers, and says so when it would.
STUCK = """
import time
from pathlib import Path
from wineexp.cli import main
from wineexp.execution import workers

def end(worker):
    Path("ending").touch()
    while True:
        time.sleep(60)

workers._Worker.end = end
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("second", SIGNALS, ids=lambda number: number.name)
def test_a_second_signal_ends_at_once_whatever_the_first_has_got_to(folder, second):
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder, code=STUCK)
    wait_for(lambda: recorded(folder / "out"))
    family = children(process)
    process.send_signal(signal.SIGTERM)
    wait_for((folder / "ending").exists)
    process.send_signal(second)
    process.communicate(timeout=GUARD)
    assert process.returncode == -second
    check_gone(family)


@pytest.mark.slow
def test_two_signals_in_one_moment_end_it(folder):
    process = start(["batch", "c.yaml", "--data", "t.csv", "--out", "out", "--jobs", 2], folder)
    wait_for(lambda: recorded(folder / "out"))
    family = children(process)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=GUARD)
    assert process.returncode in (143, -signal.SIGTERM)
    check_gone(family)


@pytest.mark.slow
def test_what_nohup_ignores_stays_ignored(folder):
    arguments = ["train", "--widths", "8", "--epochs", "200", "--data", "t.csv", "--threads", "1", "--out", "out"]
    (folder / "hold").touch()
    process = start(arguments, folder, code=TELLING, before=["nohup"])
    wait_for(lambda: count_training(folder))
    process.send_signal(signal.SIGHUP)
    (folder / "hold").unlink()
    _, err = process.communicate(timeout=GUARD)
    assert process.returncode == 0, err


#: Sends a signal the moment that a module is looked for, then begins as Python or the script that pip writes does.
AT_AN_IMPORT = """
import os, runpy, sys
class Signalling:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Signalling())
sys.argv[:] = ["wineexp", "data", "--data", "simulated"]
{begin}
"""

SCRIPT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["wineexp"]
BEGIN = {
    "python -m wineexp": 'runpy.run_module("wineexp", run_name="__main__", alter_sys=True)',
    "wineexp": f"from {SCRIPT.partition(':')[0]} import main\nsys.exit(main())",
}
IMPORTED = (
    *("wineexp.cli", "click", "wineexp.imports", "wineexp.signals", "wineexp.cli.notes", "wineexp.streams"),
    *("wineexp.text", "wineexp.cli.commands.data", "wineexp.cli.options", "pydantic", "pandas", "numpy"),
)


@pytest.mark.parametrize("begin", BEGIN.values(), ids=BEGIN)
@pytest.mark.parametrize("module", IMPORTED)
def test_a_signal_while_the_command_line_is_imported_ends_it_without_a_traceback(tmp_path, begin, module):
    for number in SIGNALS if module == "click" else SIGNALS[:1]:
        process = start([], tmp_path, code=AT_AN_IMPORT.format(module=module, number=int(number), begin=begin))
        _, err = process.communicate(timeout=GUARD)
        assert process.returncode == 128 + number, err
        assert "Traceback" not in err


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_signal_while_a_run_is_written_leaves_it_whole_and_is_told_by_the_exit_code(
    cli, tensorflow, folder, monkeypatch, number, seeds
):
    from wineexp.execution import batch_run

    write_run = batch_run.write_run

    def write_under_fire(*arguments, **options):
        signal.raise_signal(number)
        return write_run(*arguments, **options)

    monkeypatch.setattr(batch_run, "write_run", write_under_fire)
    flags = ["--widths", "8", "--epochs", "2", "--threads", "1", "--seeds", seeds]
    code, _, err = cli("train", *flags, "--data", folder / "t.csv", "--out", folder / "out")
    assert code == 128 + number, err
    assert "Traceback" not in err
    assert [run.status for run in find_runs(folder / "out", damaged=pytest.fail)] == ["done"]
