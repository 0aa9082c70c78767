"""``wineexp study`` and ``wineexp report`` on the command line."""

from __future__ import annotations

import csv
import io
import json

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
    assert "7 of 8 runs are already done" in err
    assert "[1/1] done" in err
    assert again.splitlines()[0] == out.splitlines()[0]


def test_the_first_of_the_config_is_the_reference_unless_another_is_named(study):
    _, out, _ = study("--no-report")
    assert next(line for line in out.splitlines() if " reference " in line).startswith("dropout 0, bn none")
    _, out, _ = study("--no-report", "--reference", "bn=after,dropout=0.3")
    assert next(line for line in out.splitlines() if " reference " in line).startswith("dropout 0.3, bn after")


def test_variants_added_to_a_judged_study_are_counted(study, tmp_path):
    _, _, first = study("--no-report")
    _, _, again = study("--no-report")
    assert "added after" not in first + again
    path = tmp_path / "two.yaml"
    path.write_text(path.read_text().replace("[0, 0.3]", "[0, 0.3, 0.5]"))
    for _ in range(2):
        _, _, err = study("--no-report")
        assert "note: 2 variants added after the study had been judged with 4: if that was because of" in err
    assert len(json.loads((tmp_path / "out" / "two_by_two" / "study.json").read_text())["judged"]) == 4


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


@pytest.mark.slow
def test_a_trial_leaves_the_finished_study_as_it_is(study, tmp_path):
    assert study()[0] == 0
    folder = tmp_path / "out" / "two_by_two"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    code, _, err = study("--set", "epochs=1", "--set", "batch_size=16")
    trial = tmp_path / "out" / "two_by_two_batch_size_16_epochs_1"
    assert code == 0
    assert f"figure, table and report: {trial}/" in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert "<title>two by two batch_size=16 epochs=1</title>" in (trial / "report.html").read_text()
    there = set((tmp_path / "out").iterdir())
    assert study("--no-report", "--set", "batch_size=16", "--set", "epochs=1")[0] == 0
    assert set((tmp_path / "out").iterdir()) == there, "in whatever order"


def test_a_study_is_known_by_its_name_from_before_its_first_run(study, cli, tmp_path):
    assert study("--no-report")[0] == 0
    out = ["--out", tmp_path / "out"]
    code, by_name, _ = cli("compare", "two by two", *out, "-o", tmp_path / "x.png", "--json")
    assert code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "two_by_two" / "compare.csv").read_text())))
    found = json.loads(by_name)["variants"]
    assert [(row["variant"], row["verdict"] or "") for row in found] == [
        (row["variant"], row["verdict"]) for row in rows
    ], "and judged as the study judged it"
    assert len(json.loads(cli("runs", "--study", "two by two", *out, "--json")[1])) == 8


def test_another_study_whose_folder_would_be_the_same_is_refused_before_training(study, cli, small_csv, tmp_path):
    assert study("--no-report")[0] == 0
    other, out = tmp_path / "other.yaml", tmp_path / "out"
    other.write_text(CONFIG.replace("two by two", "two/by/two").replace("epochs: 2", "epochs: 3"))
    there = set(out.iterdir())
    code, _, err = cli("study", other, "--data", small_csv, "--out", out, "--no-report")
    assert code == 2
    assert "belongs to the study 'two by two'; choose another name" in err
    assert set(out.iterdir()) == there


def test_a_dry_run_says_what_would_be_compared_and_refuses_what_the_study_refuses(study, tmp_path):
    code, out, err = study("--dry-run", "--margin", "0.05")
    assert code == 0
    assert len(out.splitlines()) == 1 + 8
    assert "reference: dropout 0, bn none; margin 0.05" in err
    assert f"figure, table and report: {tmp_path / 'out' / 'two_by_two'}/" in err
    _, _, err = study("--dry-run", "--reference", "bn=after,dropout=0.3", "--no-report")
    assert "reference: dropout 0.3, bn after\n" in err
    assert "figure, table: " in err
    code, out, err = study("--dry-run", "--reference", "nobody")
    assert (code, out) == (2, "")
    assert err == study("--reference", "nobody")[2]
    assert not (tmp_path / "out").exists()
