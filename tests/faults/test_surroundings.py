"""Without a home, without a working directory: what does not need them works, and the rest says so in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

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
