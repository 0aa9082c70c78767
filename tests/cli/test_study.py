"""``wineexp study`` and ``wineexp report`` on the command line."""

from __future__ import annotations

import csv
import io

import pytest
from support import fabricate

CONFIG = """\
name: two by two
defaults: {widths: 8, epochs: 2, batch_size: 32}
seeds: 2
grid: {dropout: [0, 0.3], bn: [none, after]}
"""


@pytest.fixture
def study(cli, small_csv, tmp_path, tensorflow):
    (tmp_path / "two.yaml").write_text(CONFIG)
    where = ["--data", small_csv, "--out", tmp_path / "out", "--jobs", 0]
    return lambda *arguments: cli("study", tmp_path / "two.yaml", *where, *arguments)


def test_a_study_trains_compares_and_reports_and_then_trains_only_what_is_missing(study, tmp_path):
    code, out, err = study()
    assert code == 0
    assert "[8/8] done" in err
    assert "effect on val MAE" in out
    folder = tmp_path / "out" / "two_by_two"
    assert sorted(path.name for path in folder.iterdir()) == [
        "compare.csv", "compare.png", "report.html", "study.json",
    ]  # fmt: skip
    rows = list(csv.DictReader(io.StringIO((folder / "compare.csv").read_text())))
    assert sorted(row["variant"] for row in rows) == [
        "dropout 0, bn after", "dropout 0, bn none", "dropout 0.3, bn after", "dropout 0.3, bn none",
    ]  # fmt: skip
    assert [row["reference"] for row in rows].count("True") == 1
    page = (folder / "report.html").read_text()
    assert "<title>two by two</title>" in page
    assert "Save this as study.yaml and run: wineexp study study.yaml" in page
    gone = next((tmp_path / "out").glob("*dropout0.3-bn_after*s1*"))
    (gone / "run.json").unlink()
    code, again, err = study("--no-report", "--layout", "grid")
    assert code == 0
    assert "7 of 8 runs are done already" in err
    assert "[1/1] done" in err
    assert again.splitlines()[0] == out.splitlines()[0]


def test_the_first_of_the_config_is_the_reference_unless_another_is_named(study):
    _, out, _ = study("--no-report")
    assert next(line for line in out.splitlines() if " reference " in line).startswith("dropout 0, bn none")
    _, out, _ = study("--no-report", "--reference", "bn=after,dropout=0.3")
    assert next(line for line in out.splitlines() if " reference " in line).startswith("dropout 0.3, bn after")


def test_what_failed_is_listed_and_the_rest_is_compared(study, tmp_path):
    code, out, _ = study(
        "--no-report", "--set", "optimizer=sgd", "--set", "learning_rate=1e30", "--set", "loss=mse"
    )
    assert code == 1
    assert "not ranked:" in out
    assert "diverged" in out


def test_a_report_of_runs(cli, small_table, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricate.save(tmp_path / "runs", small_table)
    fabricate.save(tmp_path / "runs", small_table, dropout=0.3)
    code, out, err = cli("report", "runs", "--title", "mine")
    assert (code, out, err) == (0, "", "report: report.html\n")
    assert "<title>mine</title>" in (tmp_path / "report.html").read_text()
    code, _, err = cli("report", "absent")
    assert (code, err) == (1, "wineexp: absent: no such file or directory, and outputs has no runs\n")
