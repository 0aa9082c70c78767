"""What a person sees while runs train, second by second, on terminals of 80 and 120 columns."""

from __future__ import annotations

import io
import json
import os
import re
import sys

import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from support import fabricate
from support.batches import plan
from support.terminal import Screen, screens_of

from wineexp.execution.live_view import LiveView
from wineexp.execution.standing import Standing
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec
from wineexp.text import shortened

each_width = pytest.mark.parametrize("columns", [80, 120])

#: Two variants that differ in the middle of long names.
LONG = """\
name: long names
defaults: {widths: 32x3, batch_size: 32, learning_rate: 0.005, epochs: 20}
seeds: 2
grid: {dropout: [0.3], bn: [before, after]}
"""


def watch(folder, small_csv, columns, script):
    """The screens of a scripted study."""
    (folder / "c.yaml").write_text(LONG)
    command = [sys.executable, "-m", "support.scripted", "c.yaml", str(small_csv), "out", json.dumps(script)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    code, screens = screens_of(command, folder, columns, PYTHONPATH=path)
    assert code == 0, screens[-1]
    assert len(screens) > 3
    assert max(len(line) for lines in screens for line in lines) <= columns
    return screens


def first(screens, text):
    """The first screen that has a text, and its number."""
    return next((number, lines) for number, lines in enumerate(screens) if text in "\n".join(lines))


@each_width
def test_what_is_trained_is_told_at_once_and_that_workers_start(tmp_path, small_csv, columns):
    screens = watch(tmp_path, small_csv, columns, [["begin", 0], ["epoch", 0, 0, 1.0, 2.0], ["done", 0]])
    number, lines = first(screens, "starting 2 workers")
    assert lines[:3] == [
        "study  long names",
        "table  a table, 120 rows, small.csv",
        "runs   4 on 2 workers, into out/",
    ]
    before = "\n".join(line for screen in screens[: number + 1] for line in screen)
    assert "%" not in before, "no 0 % of what has not begun"
    assert "/20" not in before
    after = first(screens, "all runs")[0]
    assert not any("starting" in line for screen in screens[after:] for line in screen)


@each_width
def test_a_line_for_each_run_has_its_epoch_val_loss_best_and_the_constants_mae(
    tmp_path, small_csv, small_table, columns
):
    script = [
        ["begin", 0], ["begin", 2], ["epoch", 0, 0, 1.5, 0.75], ["epoch", 0, 1, 1.25, 0.5],
        ["epoch", 2, 0, 1, 3.0], ["epoch", 0, 2, 1.125, 0.625],
    ]  # fmt: skip
    screens = watch(tmp_path, small_csv, columns, script)
    frame = small_table.frame
    train = frame.sample(frac=0.7, random_state=0)
    valid = frame.drop(train.index)
    constant = (valid["quality"] - train["quality"].median()).abs().mean()
    _, lines = first(screens, "3/20")
    heads = next(line for line in lines if line.startswith("run "))
    assert re.split(r"  +", heads)[-4:] == ["epoch", "val_loss", "best", "constant's MAE"]
    one, other = (line for line in lines if "/20" in line)
    assert one.split()[-4:] == ["3/20", "0.6250", "0.5000", f"{constant:.4f}"]
    assert other.split()[-4:] == ["1/20", "3.0000", "3.0000", f"{constant:.4f}"]
    assert [line.split()[-5] for line in (one, other)] == ["0", "0"], "their seeds"
    names = [line.split()[0] for line in (one, other)]
    assert "bn_before" in names[0]
    assert "bn_after" in names[1]
    assert lines[-1].startswith("all runs  ")
    assert "0 of 4 done, 4 left, about " in lines[-1]


@each_width
def test_failures_are_counted_and_interrupted_runs_are_no_progress(tmp_path, small_csv, columns):
    script = [
        ["begin", 0], ["epoch", 0, 19, 1.0, 1.0], ["done", 0], ["begin", 1], ["epoch", 1, 0, 1.0, 1.0],
        ["failed", 1], ["begin", 2], ["epoch", 2, 9, 1.0, 1.0], ["interrupted", 2],
    ]  # fmt: skip
    screens = watch(tmp_path, small_csv, columns, script)

    def overall(lines):
        return next(line for line in lines if line.startswith("all runs"))

    _, under_way = first(screens, "10/20")
    assert re.search(r" 6[23]%  1 of 4 done, 1 failed, 2 left, about \d.*$", overall(under_way))
    assert re.search(r" 50%  1 of 4 done, 1 failed, 2 left [(]1 interrupted[)]$", overall(screens[-1]))
    ended = [line.split()[0] for line in screens[-1] if line.split()[0] in ("done", "failed", "interrupted")]
    assert ended == ["done", "failed", "interrupted"]
    assert "diverged: the loss turned NaN" in "\n".join(screens[-1])


@pytest.mark.slow
@each_width
def test_the_seeds_of_a_real_training_end_in_one_table(tmp_path, small_csv, columns):
    flags = ["--widths", "8x2", "--epochs", "400", "--seeds", "2", "--threads", "1", "--data", str(small_csv)]
    code, screens = screens_of([sys.executable, "-m", "wineexp", "train", *flags], tmp_path, columns)
    assert code == 0
    _, lines = first(screens, "loading TensorFlow")
    assert [line.split()[0] for line in lines] == ["model", "table", "size", "runs", "loading"]
    assert first(screens, "constant's MAE")
    assert any(re.fullmatch(r"seed 0 +\d+/400( +\d\.\d{4}){4}", line) for lines in screens for line in lines)
    last = screens[-1]
    assert max(map(len, last)) <= columns
    assert not any("/400" in line for line in last), "the live lines are gone"
    at = next(number for number, line in enumerate(last) if line.startswith("seed "))
    histories = [pd.read_csv(path)["val_loss"] for path in sorted(tmp_path.glob("outputs/*/history.csv"))]
    rows = [line.split() for line in last[at + 1 : at + 5]]
    assert [row[0] for row in rows] == ["0", "1", "mean", "sd"]
    assert [row[2] for row in rows[:2]] == [f"{history.iloc[-1]:.4f}" for history in histories], "MAE is the loss"
    assert [row[-2] for row in rows[:2]] == [str(history.idxmin() + 1) for history in histories]


def test_what_is_begun_is_drawn_at_once_however_soon_it_is_over(small_table, tmp_path):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80)
    standing = Standing(plan([RunSpec()], small_table, tmp_path))
    LiveView(standing, {}, "loading TensorFlow", terminal).close(keep=False)
    assert "loading TensorFlow, " in terminal.file.getvalue()


def test_the_first_epoch_of_another_try_begins_anew(small_table, tmp_path):
    spec = RunSpec.parse({"widths": 8, "epochs": 4})
    standing = Standing(plan([spec], small_table, tmp_path))
    assert not standing.is_training
    for epoch, val_loss in ((0, 0.5), (1, 0.25), (0, float("nan")), (1, 0.75), (2, 1.0)):
        standing.epoch(spec, epoch, 1.0, val_loss)
    reached = standing.running[spec]
    assert (reached.epochs, reached.val_loss, reached.best) == (3, 1.0, 0.75)
    assert standing.fraction == 0.75


def test_a_wide_run_counts_for_more_and_an_interrupted_one_for_nothing(small_table, tmp_path):
    small, wide = (RunSpec.parse({"widths": width, "epochs": 6}) for width in ("8", "800x3"))
    standing = Standing(plan([small, wide], small_table, tmp_path / "new"))
    standing.ended(fabricate.save(tmp_path / "runs", small_table, widths=8))
    small_part = standing.fraction
    assert 0 < small_part < 0.3
    standing.epoch(wide, 2, 1.0, 1.0)
    assert small_part < standing.fraction < 1
    interrupted = Run(fabricate.save(tmp_path / "runs", small_table, widths="800x3").path)
    interrupted.__dict__["record"] = interrupted.record.model_copy(update={"status": "interrupted"})
    standing.ended(interrupted)
    assert standing.fraction == small_part
    assert (standing.done, standing.interrupted, standing.left) == (1, 1, 1)


letters = st.text(st.sampled_from("ab-"), max_size=30)


@given(st.lists(letters, max_size=8), st.integers(4, 30))
def test_shortened_names_fit_and_no_two_look_alike(names, width):
    found = shortened(names, width)
    assert found.keys() == set(names)
    assert len(set(found.values())) == len(found)
    assert all(len(short) <= width for short in found.values())
    assert all(short == name for name, short in found.items() if all(len(one) <= width for one in names))


def test_what_tells_names_apart_is_kept():
    names = [f"32x3-dropout0.3-bn_{bn}-batch_size32-epochs20" for bn in ("none", "after", "before")]
    assert list(shortened(names, 30).values()) == [
        "32x3-dropout0.3-bn_none…ochs20", "32x3-dropout0.3-bn_after…chs20", "32x3-dropout0.3-bn_before…hs20",
    ]  # fmt: skip
    assert list(shortened(names, 12).values()) == ["32x3-d…none…", "32x3-…after…", "32x3…before…"]


def test_the_screen_of_the_tests_shows_what_a_terminal_would():
    text = "abcdefg\r\n12345\r\nxy\r\x1b[2K\x1b[1A\x1b[2Knew\r\n\x1b[32mend\x1b[0m\x1b[?25h"
    assert Screen(5).screens(text) == [["abcde", "fg", "12345", "xy"], ["abcde", "fg", "new", "end"]]
