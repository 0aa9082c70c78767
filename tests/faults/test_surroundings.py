"""Without a home or a working directory, with warnings as errors: what can work works, the rest is one line."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from wineexp.specs.keras_names import OPTIMIZER_SLOTS, OPTIMIZERS
from wineexp.specs.run_spec import RunSpec
from wineexp.text import format_bytes

LIMITS = ("the machine's", "the container's", "the process's")

TINY = "--widths 8 --epochs 2 --batch-size 32 --data {here}/t.csv --out {here}/outputs"

#: Every command that has to do with files, with absolute paths; the first trains what the others read.
COMMANDS = (
    f"train {TINY} --threads 1",
    f"train {TINY} --threads 1 --scale standard --dropout 0.3 --json",
    f"train {TINY} --dry-run",
    "train {here}/spec.yaml --data {here}/t.csv --out {here}/other --threads 1",
    "batch {here}/c.yaml --data {here}/t.csv --out {here}/outputs --jobs 0",
    "batch {here}/c.yaml --data {here}/t.csv --out {here}/outputs --jobs 1 --force",
    "study {here}/c.yaml --data {here}/t.csv --out {here}/outputs --jobs 0",
    "runs {here}/outputs",
    "runs {here}/outputs --check",
    "show {here}/outputs/plain",
    "diff {here}/outputs/plain {here}/outputs/plain",
    "compare {here}/outputs/plain/history.csv {here}/outputs/plain/curves.png -o {here}/y.svg",
    "compare {here}/outputs -o {here}/x.png",
    "report {here}/outputs -o {here}/x.html",
    "predict {here}/outputs/plain {here}/t.csv -o {here}/p.csv",
    "inspect {here}/outputs/plain --data {here}/t.csv -o {here}/i.png",
    "export tensorboard {here}/outputs --to {here}/events",
    "data --data {here}/t.csv",
    "schema",
    "train --help",
    "rm {here}/outputs/plain --yes",
)

#: Runs each command in one process; the surroundings were spoilt before wineexp is imported.
PROGRAM = """
import contextlib, io, json, os, sys
{spoil}
from wineexp.cli import run
for line in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(line.split())
        except BaseException as error:
            code = repr(error)
    print(json.dumps([line, code, err.getvalue()]))
"""

NO_HOME = """
import pwd
def unknown(*_):
    raise KeyError("getpwuid(): uid not found: 12345")
pwd.getpwuid = pwd.getpwnam = unknown
"""


@pytest.fixture
def here(tmp_path, small_csv):
    (tmp_path / "t.csv").write_bytes(small_csv.read_bytes())
    (tmp_path / "c.yaml").write_text("defaults: {widths: 8, epochs: 2, batch_size: 32}\nseeds: 2\n")
    (tmp_path / "spec.yaml").write_text("{widths: 8, epochs: 2, batch_size: 32}\n")
    (tmp_path / "outputs").mkdir()
    return tmp_path


def answers(lines, here, spoil="", **settings):
    """What each command line answers: (line, exit code, stderr)."""
    env = {name: value for name, value in (os.environ | settings).items() if value is not None}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(spoil=spoil)],
        input=json.dumps([line.format(here=here) for line in lines]),
        cwd=here,
        env=env,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


GONE = "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "settings"),
    [(GONE, {}), (NO_HOME, {"HOME": None, "XDG_CACHE_HOME": None})],
    ids=["working directory", "home"],
)
def test_every_command_works_without_it(here, spoil, settings):
    ((_, code, err),) = answers(COMMANDS[:1], here)
    assert code == 0, err
    (run,) = (here / "outputs").glob("*-s0-*")
    lines = [line.replace("/outputs/plain", f"/outputs/{run.name}") for line in COMMANDS]
    lines[0] += " --force"
    found = answers(lines, here, spoil, **settings)
    assert len(found) == len(lines)
    assert [(line, code, err) for line, code, err in found if code != 0 or "Traceback" in err] == []


@pytest.mark.slow
def test_without_a_home_what_needs_one_says_what_to_set(here, red_wine_path):
    lines = ["data fetch", "data --data red-wine", f"data add {red_wine_path}", "doctor", "batch {here}/c.yaml"]
    for line, code, err in answers(lines, here, NO_HOME, HOME=None, XDG_CACHE_HOME=None):
        assert code in (1, 2), line
        assert "Traceback" not in err
        assert line == "doctor" or ("set HOME or XDG_CACHE_HOME" in err and err.count("\n") == 1), f"{line}\n{err}"
    ((_, code, err),) = answers(
        ["train --widths 8 --epochs 2 --threads 1"], here, NO_HOME, HOME=None, XDG_CACHE_HOME=None
    )
    assert code == 0, err
    assert "set HOME or XDG_CACHE_HOME" in err  # beside that a simulated table stands in


@pytest.mark.slow
def test_relative_paths_in_a_removed_directory_are_one_line(here):
    lines = [
        "train --widths 8 --epochs 2 --threads 1 --data simulated",
        "train spec.yaml",
        "batch c.yaml --data t.csv",
        "runs",
        "compare outputs",
        "report outputs -o x.html",
        "show plain",
        "diff plain other",
        "rm plain --yes",
        "predict plain t.csv",
        "inspect plain",
        "export tensorboard outputs --to events",
        "data --data t.csv",
    ]
    for line, code, err in answers(lines, here, GONE):
        assert code in ((0,) if line == "runs" else (1, 2)), f"{line}\n{err}"  # there are none
        assert "Traceback" not in err


@pytest.mark.slow
def test_warnings_that_the_user_turned_into_errors_end_no_command(here):
    lines = [
        f"train {TINY} --threads 1 --scale standard --dropout 0.3 --bn after",
        "batch {here}/c.yaml --data {here}/t.csv --out {here}/outputs --jobs 1",
        "runs {here}/outputs",
        "show {run}",
        "compare {here}/outputs -o {here}/x.png",
        "report {here}/outputs -o {here}/x.html",
        "predict {run} {here}/t.csv",
        "inspect {run} --data {here}/t.csv",
    ]
    for line in lines:
        run = next(iter((here / "outputs").glob("*bn_after*")), "none yet")
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "wineexp", *line.format(here=here, run=run).split()],
            env=os.environ | {"PYTHONWARNINGS": "error"},  # of workers
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_warnings_as_errors_of_a_program_stay_its_own(here):
    code = """
import warnings
import wineexp
run = wineexp.train(widths=8, epochs=2, batch_size=32, scale="standard", dropout=0.3, data="t.csv", threads=1)
assert run.status == "done", run.status
assert len(run.predict("t.csv", mc_dropout=3)) == 120
run.load_model(), wineexp.inspect(run, data="t.csv"), wineexp.compare("outputs").figure
wineexp.report("outputs")
assert "error" in [action for action, *_ in warnings.filters]
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=here, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("megabytes", [60, 200, 400, 420, 800, 1590, 1610, 1750, 2000, 2800])
@pytest.mark.parametrize(
    "command", ["train {} --threads 1", "batch {{here}}/c.yaml --jobs 1 --data {{here}}/t.csv"]
)
def test_too_little_memory_is_one_line(here, command, megabytes):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes * 10**6,) * 2)

    line = command.format(TINY).format(here=here)
    # The limit is for the program: coverage would need memory of its own at the end.
    env = {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}
    done = subprocess.run(
        [sys.executable, "-m", "wineexp", *line.split(), "--quiet"],
        cwd=here,
        env=env,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "Traceback" not in done.stderr
    if done.returncode == 0:  # the highest of them are enough for some processors' libraries
        assert megabytes > 1600
        return
    assert done.returncode == 1
    assert "memory" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("wineexp: ")]) == 1


@pytest.mark.parametrize("line", ["train --help", "batch -h", "help study", "schema", "--version"])
def test_what_loads_no_tensorflow_needs_no_memory_for_it(here, line):
    done = subprocess.run(
        [sys.executable, "-m", "wineexp", *line.split()],
        cwd=here,
        env={name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 * 10**6,) * 2),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert "memory" not in done.stderr
    assert done.returncode == 0
    assert done.stdout


#: Parameters of 65536x100 on three features: weights to, between and from the layers, then biases.
PARAMETERS = 3 * 65536 + 99 * 65536**2 + 65536 + 100 * 65536 + 1


@pytest.mark.parametrize(
    ("flags", "size"),
    [("--widths 65536x100", 16 * PARAMETERS), ("--widths 65536x100 --optimizer sgd", 8 * PARAMETERS)],
)
def test_a_model_that_no_memory_here_can_hold_is_refused_before_anything_is_begun(cli, here, flags, size):
    train = ("train", *flags.split(), "--data", here / "t.csv", "--out", here / "new")
    code, _, err = cli(*train)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{PARAMETERS:,} parameters" in err
    assert format_bytes(size) in err
    assert not (here / "new").exists()
    code, _, err = cli(*train, "--dry-run")
    assert code == 0
    assert f"need at least {format_bytes(size)}" in err
    (here / "large.yaml").write_text("{widths: 65536x100}\n")
    code, _, err = cli("batch", here / "large.yaml", *train[-4:])
    assert (code, err.count("\n")) == (2, 1)
    assert not (here / "new").exists()
    code, _, err = cli("batch", here / "large.yaml", *train[-4:], "--dry-run")
    assert (code, "parameters need at least" in err) == (0, True)


@pytest.mark.parametrize("there", LIMITS)
def test_the_least_limit_of_memory_counts(small_table, tmp_path, monkeypatch, there):
    """Three features, ten units, one output: 3 * 10 + 10 + 10 + 1 parameters, 16 bytes each with Adam."""
    from support.batches import plan

    from wineexp import runtime
    from wineexp.api.places import lacking_memory

    wanted = plan([RunSpec.parse({"widths": "10"})], small_table, tmp_path)
    for limit, fits in ((816, True), (815, False)):
        total, container, process = (limit if there == name else 10**15 for name in LIMITS)
        monkeypatch.setattr(psutil, "virtual_memory", lambda total=total: SimpleNamespace(total=total))
        monkeypatch.setattr(runtime, "_container_memory", lambda container=container: (container, 0.0))
        monkeypatch.setattr(resource, "getrlimit", lambda _, process=process: (process, process))
        assert (lacking_memory(wanted) is None) == fits


def test_each_optimizer_keeps_as_many_numbers_as_keras_has(tensorflow):
    import keras

    for name, slots in OPTIMIZER_SLOTS.items():
        weight = keras.Variable(np.zeros((300, 400)))
        optimizer = keras.optimizers.get(name)
        optimizer.build([weight])
        assert sum(np.prod(variable.shape) for variable in optimizer.variables) // (300 * 400) == slots, name
    assert set(OPTIMIZER_SLOTS) == set(OPTIMIZERS)


def test_a_link_that_leads_nowhere_is_named(cli, here):
    (here / "link").symlink_to("nowhere")
    code, _, err = cli("train", "--widths", 8, "--data", here / "t.csv", "--out", here / "link")
    assert code == 1
    assert f"{here / 'link'} is a link to nowhere, which does not exist" in err
    assert err.count("\n") == 1


def test_a_folder_in_place_of_a_model_and_a_target_of_another_spelling_are_told(cli, tensorflow, here):
    trained = ("--widths", 8, "--epochs", 2, "--threads", 1, "--data", here / "t.csv", "--out", here / "outputs")
    assert cli("train", *trained)[0] == 0
    (run,) = (here / "outputs").glob("*-s0-*")
    (here / "q.csv").write_text("a,b,c,Quality\n1,2,3,4\n")
    code, _, err = cli("predict", run, here / "q.csv")
    assert code == 0
    assert "the target is named 'quality': rename 'Quality'" in err
    (run / "model.keras").unlink()
    (run / "model.keras").mkdir()
    code, _, err = cli("predict", run, here / "t.csv")
    assert code == 1
    assert "found a folder" in err
