"""Shell and terminal: completion in real shells, how loud, how coloured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import fabricate
from support.terminal import shown_on_a_terminal

from wineexp.runs.study_file import record_study

SCRIPTS = Path(sys.executable).parent
QUICK = ["--widths", "8", "--epochs", "3", "--batch-size", "32"]


@pytest.fixture
def here(tmp_path, small_table, small_csv, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{SCRIPTS}:{os.environ['PATH']}")
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    fabricate.save(tmp_path / "outputs", small_table, dropout=0.3)
    fabricate.save(tmp_path / "outputs", small_table)
    (tmp_path / "outputs" / "no-run").mkdir()
    return tmp_path


def completed_by_bash(line, cwd):
    """What bash offers for the last word of ``line``, through the script that we print."""
    words = line.split(" ")
    script = f"""
        eval "$(wineexp completion bash)"
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)}); COMP_CWORD={len(words) - 1}
        _wineexp_completion wineexp '{words[-1]}' '{words[-2]}'
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], cwd=cwd, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("wineexp comp", ["compare", "completion"]),
        ("wineexp train --dropo", ["--dropout", "--dropout-input", "--dropout-place"]),
        ("wineexp train --bn ", ["none", "before", "after"]),
        ("wineexp train --activation sig", ["sigmoid"]),
        ("wineexp train --optimizer ada", ["adadelta", "adafactor", "adagrad", "adam", "adamax", "adamw"]),
        ("wineexp runs --sort val_m", ["val_mae", "val_mae_se", "val_mae_twins", "val_mae_unseen", "val_mae_mc"]),
        ("wineexp runs --where dropo", ["dropout=", "dropout_input=", "dropout_place="]),
        ("wineexp batch x.yaml --set bn_m", ["bn_momentum="]),
        ("wineexp compare --layout ", ["auto", "overlay", "grid", "verdict"]),
    ],
)
def test_bash_completes_commands_fields_and_values(here, line, offered):
    assert completed_by_bash(line, here) == offered


def test_bash_completes_runs_by_name_and_by_path(here):
    runs = sorted(str(path.relative_to(here)) for path in here.glob("outputs/8x1*"))
    for line in ("wineexp show ", "wineexp show outputs/", "wineexp show 8x1", "wineexp compare outputs/8x"):
        assert completed_by_bash(line, here) == runs


def test_bash_completes_studies_where_several_runs_are_taken_and_looks_in_out(here):
    run = next(here.glob("outputs/8x1-e*"))
    record_study(here / "outputs" / "my_study", "my study", [run.name.rpartition("-")[2]])
    assert completed_by_bash("wineexp compare my", here) == ["my_study"]
    assert completed_by_bash("wineexp show my", here) != ["my_study"]
    (here / "outputs").rename(here / "elsewhere")
    assert completed_by_bash("wineexp show --out elsewhere 8x1-e", here) == [f"elsewhere/{run.name}"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_scripts_are_printed_and_sound(cli, shell, tmp_path):
    code, out, _ = cli("completion", shell)
    assert code == 0
    assert "_WINEEXP_COMPLETE" in out
    if shutil.which(shell):
        (tmp_path / "script").write_text(out)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_another_shell_is_refused(cli):
    code, _, err = cli("completion", "csh")
    assert code == 2
    assert "'csh' is not one of" in err


def test_quiet_says_nothing_but_errors(cli, here, tensorflow):
    code, out, err = cli("train", *QUICK, "--seed", 7, "--quiet")
    assert (code, err) == (0, "")
    assert "validation MAE" in out
    assert cli("compare", "outputs", "--quiet")[2] == ""
    code, out, err = cli(
        "train", *QUICK, "--optimizer", "sgd", "--learning-rate", "1e30", "--loss", "mse", "--quiet"
    )
    assert code == 1
    code, _, err = cli("train", "--dropout", 2, "--quiet")
    assert code == 2
    assert "expected a rate" in err


def test_verbose_says_where_the_table_came_from_and_what_trains(cli, here, small_csv, tensorflow):
    _, _, err = cli("train", *QUICK, "--verbose")
    assert f"{small_csv}: named by $WINEEXP_DATA" in err
    assert "threads 1; wineexp" in err
    assert "tensorflow 2." in err


@pytest.mark.slow
def test_no_color_is_honoured(here):
    arguments = ["train", *QUICK, "--force", "--no-model"]
    assert "\x1b[38;5;" in shown_on_a_terminal(arguments, here)
    plain = shown_on_a_terminal(arguments, here, NO_COLOR="1")
    assert "\x1b[38;5;" not in plain
    assert "3/3" in plain


def test_the_doctor_tells_what_is_there_and_what_is_wrong(cli, here, small_csv, tensorflow, monkeypatch):
    code, out, err = cli("doctor")
    assert (code, err) == (0, "")
    assert "no problems found" in out
    assert str(small_csv) in out
    assert "dask yes" in out
    assert len(out.splitlines()) < 40, "one screen"
    monkeypatch.setenv("WINEEXP_DATA", "absent.csv")
    (here / "afile").write_text("")
    code, out, _ = cli("doctor", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["facts"]["tensorflow"]
    assert found["problems"] == ["absent.csv: no such file"]
    monkeypatch.delenv("WINEEXP_DATA")
    code, out, _ = cli("doctor")
    (problem,) = [line for line in out.splitlines() if line.startswith("PROBLEM: ")]
    assert "the red-wine table is not available" in problem
    assert problem.endswith("then: wineexp data add wine+quality.zip")


def test_the_version_is_told_without_loading_tensorflow():
    code = "import sys; from wineexp.cli import run; run(['--version']); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "TensorFlow 2." in done.stdout
    assert done.stdout.rstrip().endswith("False")
