"""Full and closed streams, full and read-only places, names that are no text: nothing is lost by them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.processes import GUARD

from wineexp.runs.run import find_runs

FLAGS = ["--widths", "8", "--epochs", "3", "--batch-size", "32"]


def shell(line, cwd, **settings):
    """A line for a shell, with ``$WINEEXP`` as the command line of this checkout."""
    env = os.environ | {"WINEEXP": f"{sys.executable} -m wineexp"} | settings
    return subprocess.run(["bash", "-c", line], cwd=cwd, env=env, capture_output=True, text=True, timeout=GUARD)


@pytest.fixture
def here(tmp_path, small_csv):
    (tmp_path / "t.csv").write_bytes(small_csv.read_bytes())
    (tmp_path / "c.yaml").write_text("defaults: {widths: 8, epochs: 3, batch_size: 32}\nseeds: 2\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["2>/dev/full", "2>&-", "2>&- >&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize(
    ("command", "count"),
    [("train --widths 8 --epochs 3 --batch-size 32 --threads 1", 1), ("batch c.yaml --jobs 2", 2)],
    ids=["train", "batch"],
)
def test_training_goes_on_whatever_its_streams_are(here, streams, command, count):
    done = shell(f"$WINEEXP {command} --data t.csv {streams}", here)
    runs = list(find_runs(here / "outputs", damaged=pytest.fail))
    assert [run.status for run in runs] == ["done"] * count
    lost_answer = ">&-" in streams.replace("2>&-", "") or ">/dev/full 2" in streams
    assert done.returncode == (1 if lost_answer and command.startswith("train") else 0)


@pytest.mark.slow
def test_an_answer_that_cannot_be_printed_is_one_line_and_a_failure(here):
    shell(f"$WINEEXP train {' '.join(FLAGS)} --threads 1 --data t.csv", here)
    for command in (
        "runs",
        "runs --json",
        "runs --csv",
        "show outputs/*",
        "schema",
        "data --data t.csv",
        "--version",
    ):
        done = shell(f"$WINEEXP {command} >/dev/full", here)
        assert done.returncode == 1, command
        assert done.stderr.splitlines()[-1] == "wineexp: stdout: cannot be written: No space left on device"
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
    assert "stdout is closed" in shell("$WINEEXP runs >&-", here).stderr
    helped = shell("$WINEEXP train --help >/dev/full", here)
    assert helped.returncode == 1
    assert "Traceback" not in helped.stderr


def test_a_reader_that_stops_is_no_error(here):
    done = shell("set -o pipefail; $WINEEXP schema | true; echo ${PIPESTATUS[0]}", here)
    assert done.stdout in ("141\n", "0\n")  # 0 where all was written before it stopped
    assert done.stderr == ""
    waiting = "until [ -e closed ]; do sleep 0.05; done"
    done = shell(f"{{ {waiting}; $WINEEXP schema; echo $? >&2; }} | {{ exec <&-; touch closed; }}", here)
    assert done.stderr == "141\n"


def test_a_library_cannot_write_into_a_file_of_ours_through_a_closed_stream(here):
    """With stderr closed, the next file opened would be number 2, where TensorFlow writes its messages."""
    shell(
        f"$WINEEXP train {' '.join(FLAGS)} --threads 1 --data t.csv 2>&- >&- <&-", here, TF_CPP_MIN_LOG_LEVEL="0"
    )
    for path in (here / "outputs").rglob("*"):
        if path.is_file() and path.suffix in (".csv", ".json", ".yaml"):
            text = path.read_text().lower()
            for known in ('"tensorflow": "', '"compiler": "tensorflow"'):  # two entries of run.json
                text = text.replace(known, "")
            assert "tensorflow" not in text


@pytest.fixture
def full(tmp_path):
    """A folder on a file system that has room for a name, but not for a model."""
    folder = tmp_path / "full"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True)
    if made.returncode:
        pytest.skip("a file system can be mounted by root only")
    (folder / "filler").write_bytes(b"x" * 56 * 1024)
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["train {} --threads 1", "batch c.yaml --jobs 2", "batch c.yaml --jobs 0"])
def test_a_full_place_for_temporary_files_loses_nothing(here, full, command):
    line = command.format(" ".join(FLAGS)).replace("--widths 8", "--widths 64x3")
    (here / "c.yaml").write_text("defaults: {widths: 64x3, epochs: 3, batch_size: 32}\nseeds: 2\n")
    done = shell(f"$WINEEXP {line} --data t.csv", here, TMPDIR=str(full), TEMP=str(full), TMP=str(full))
    assert done.returncode == 0, done.stderr
    runs = list(find_runs(here / "outputs", damaged=pytest.fail))
    assert {run.status for run in runs} == {"done"}
    assert all(run.model_path.is_file() for run in runs)


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_fault(here, full):
    places = {"HOME": str(full), "XDG_CACHE_HOME": str(full / "x"), "XDG_CONFIG_HOME": str(full / "y")}
    done = shell(f"$WINEEXP train {' '.join(FLAGS)} --threads 1 --data t.csv", here, **places)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert shell("$WINEEXP compare outputs -o x.png", here, **places).returncode == 0


@pytest.mark.slow
def test_paths_that_are_not_utf_8_are_paths(here):
    folder = os.fsencode(here) + b"/caf\xe9"
    os.mkdir(folder)
    os.rename(here / "t.csv", folder + b"/t.csv")
    train = f"$WINEEXP train {' '.join(FLAGS)} --threads 1 --data $'caf\\xe9/t.csv' --out $'caf\\xe9/out'"
    for command in (
        train,
        "$WINEEXP runs $'caf\\xe9/out'",
        "$WINEEXP runs $'caf\\xe9/out' --json",
        "$WINEEXP runs $'caf\\xe9/out' --check",
        "$WINEEXP show $'caf\\xe9/out'/*",
        "$WINEEXP compare $'caf\\xe9/out' -o $'caf\\xe9/x.png'",
        "$WINEEXP compare $'caf\\xe9/out'/*/history.csv $'caf\\xe9/out'/*/curves.png -o $'caf\\xe9/y.svg' --json",
        "$WINEEXP report $'caf\\xe9/out' -o $'caf\\xe9/x.html'",
        "$WINEEXP predict $'caf\\xe9/out'/* $'caf\\xe9/t.csv'",
        train,
    ):
        done = shell(command, here)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert "Traceback" not in done.stderr
    os.rename(next((here / os.fsdecode(b"caf\xe9") / "out").iterdir()), folder + b"/out/\xff\xfe")
    for command in (
        "runs $'caf\\xe9/out'",
        "report $'caf\\xe9/out' -o x.html",
        "compare $'caf\\xe9/out' -o x.png",
    ):
        done = shell(f"$WINEEXP {command}", here)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


def test_after_a_line_that_stderr_did_not_take_whoever_writes_there_goes_on(tmp_path):
    """Else what a library writes or flushes fails: with Python 3.11.2 a training ended so, without a word."""
    code = "import sys; from wineexp.streams import print_err; print_err('a line'); print('ok', flush=True); "
    code += "sys.stderr.write('a library'); sys.stderr.flush()"
    done = shell(f'{sys.executable} -c "{code}" 2>/dev/full', tmp_path)
    assert (done.returncode, done.stdout) == (0, "ok\n")
