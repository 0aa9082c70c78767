"""Epochs are counted from 1 wherever a person reads them, from 0 in files and data."""

from __future__ import annotations

import csv
import io
import json
import re

import pandas as pd
import pytest
from support import fabricate

from wineexp.comparison.comparison import compare_runs
from wineexp.page.render import render
from wineexp.runs.curves import figure
from wineexp.runs.picture import read_png
from wineexp.runs.reader import load
from wineexp.runs.summary import summary

#: The fourth of six epochs is the best.
LOSSES = [(0.9, 0.8), (0.8, 0.7), (0.7, 0.6), (0.6, 0.4), (0.5, 0.5), (0.4, 0.6)]


@pytest.fixture
def run(tmp_path, small_table):
    return fabricate.save(tmp_path / "runs", small_table, losses=LOSSES)


def test_words_tables_and_the_page_say_the_fourth(cli, run, small_table):
    assert "best epoch      4 of 6, val_loss 0.4000; last 0.6000" in summary(run)
    folder = run.path.parent
    heads, row = cli("runs", folder, "--columns", "best_epoch,status")[1].splitlines()
    assert re.split(r"  +", heads) == ["best epoch", "status"]
    assert row.split() == ["4", "done"]
    assert re.search(r"^  best epoch +4$", cli("show", run.path)[1], re.M)
    other = fabricate.save(folder, small_table, seed=1, losses=LOSSES[:2])
    assert "best epoch      2 of 2, val_loss 0.7000: the last epoch, more of them may lower it\n" in summary(other)
    assert re.search(r"best epoch +4 +2 +-2", cli("diff", run.path, other.path)[1])
    assert re.search(r"<t[hd][^>]*>best epoch", page := render(compare_runs(load([run.path]))))
    assert "best epoch: 4" in page
    for epoch in (1, 6):
        assert f'<th scope="col" class="number">epoch {epoch}</th>' in page
    assert "epoch 0" not in page


def test_data_and_files_count_from_0(cli, run):
    assert json.loads((run.path / "run.json").read_text())["metrics"]["best_epoch"] == 3
    assert pd.read_csv(run.history_path)["epoch"].tolist() == list(range(6))
    (row,) = csv.DictReader(io.StringIO(cli("runs", run.path.parent, "--columns", "best_epoch", "--csv")[1]))
    assert row == {"best_epoch": "3"}
    (variant,) = json.loads(cli("compare", run.path, "-o", run.path.parent / "x.png", "--json")[1])["variants"]
    assert variant["best_epoch"] == 3


def test_figures_have_their_points_from_1_to_the_last(run):
    comparison = compare_runs(load([run.path]))
    for fig in (figure(*read_png(run.curves_path)), comparison.draw(), comparison.draw(layout="grid")):
        (ax,) = fig.axes
        lines = [line for line in ax.lines if len(line.get_xdata()) == 6]
        assert len(lines) == 2
        assert all(list(line.get_xdata()) == [1, 2, 3, 4, 5, 6] for line in lines)


def test_the_last_line_of_progress_the_summary_and_a_divergence_agree(cli, small_csv, tmp_path, tensorflow):
    common = ["--widths", 8, "--epochs", 3, "--threads", 1, "--data", small_csv, "--out", tmp_path / "out"]
    _, out, err = cli("train", *common)
    assert err.splitlines()[-1].startswith("epoch 3/3")
    assert re.search(r"best epoch      [123] of 3,", out)
    _, out, _ = cli("train", *common, "--optimizer", "sgd", "--learning-rate", 1e30, "--loss", "mse")
    kept = int(re.search(r"history of (\d+) epochs? kept", out)[1])
    assert f"the loss turned NaN or infinite in epoch {kept};" in out
