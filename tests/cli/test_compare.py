"""``wineexp compare`` and ``wineexp show`` on the command line."""

from __future__ import annotations

import csv
import io
import json
import os

import pytest
from support import fabricate


@pytest.fixture(scope="module")
def runs(small_table, tmp_path_factory):
    out = fabricate.save_cross(tmp_path_factory.mktemp("runs"), small_table)
    fabricate.fail(out, small_table, dropout=0.5)
    return out


def test_one_figure_one_table_and_the_answer(cli, runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = cli("compare", runs)
    assert code == 0
    assert (tmp_path / "compare.png").stat().st_size > 10_000
    assert err.startswith("figure: compare.png\n")
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["variant", "seeds", "val"]
    assert any(line.startswith("dropout 0, bn none") and " reference " in line for line in lines)
    assert any(line.startswith("  failed") and line.endswith("diverged") for line in lines)
    assert "effect on val MAE" in out
    assert "dropout 0.3, bn none is worse than dropout 0, bn none: val MAE +0.06" in out
    assert "dropout 0.3 instead of 0 changes val MAE by +0.0" in out


def test_data_alone_on_stdout(cli, runs, tmp_path):
    where = ["-o", tmp_path / "x.svg"]
    code, out, _ = cli("compare", runs, *where, "--json")
    found = json.loads(out)
    assert code == 0
    assert [row["seeds"] for row in found["variants"]] == [3, 3, 3, 3]
    assert sum(row["reference"] for row in found["variants"]) == 1
    assert len(found["effects"]) == 3
    assert [run["reason"] for run in found["unfinished"]] == ["diverged"]
    code, out, _ = cli("compare", runs, *where, "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["verdict"] for row in rows].count("worse") == 2
    values = [float(row["val_mae"]) for row in rows]
    assert values == sorted(values)
    assert "<svg" in (tmp_path / "x.svg").read_text()


def test_conditions_narrow_the_runs(cli, runs, tmp_path):
    _, out, _ = cli("compare", runs, "-o", tmp_path / "x.png", "--where", "bn=after", "--csv")
    assert [row["variant"] for row in csv.DictReader(io.StringIO(out))] == ["dropout 0", "dropout 0.3"]


def test_pictures_alone_are_enough_for_curves(cli, runs, tmp_path):
    code, out, err = cli("compare", *sorted(runs.glob("*-s0-*/curves.png")), "-o", tmp_path / "x.png")
    assert code == 0
    assert "curves only, no verdict" in err
    assert "worse" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "compare: expected RUN..., found nothing; see wineexp compare --help"),
        (["absent"], 1, "absent: no such file or directory"),
        (["RUNS", "-o", "x.gif"], 2, "expected a name that ends in .png, .svg, .pdf; found 'x.gif'"),
        (["RUNS", "--layout", "pile"], 2, "'pile' is not one of"),
        (["RUNS", "--smooth", "1"], 2, "1 is not in the range"),
        (["RUNS", "--reference", "nobody"], 2, "reference 'nobody' is not a variant"),
        (["RUNS", "--where", "dropuot=1"], 2, "unknown column 'dropuot' (did you mean 'dropout'?)"),
        (["RUNS", "--where", "dropout=0.9"], 2, "none of 13 runs meets dropout=0.9"),
        (["RUNS", "--json", "--csv"], 2, "--json and --csv: expected one of them"),
        (["RUNS", "-o", "/proc/none/x.png"], 1, "cannot be written"),
    ],
)
def test_a_mistake_is_one_line(cli, runs, tmp_path, monkeypatch, arguments, code, says):
    monkeypatch.chdir(tmp_path)
    found, out, err = cli("compare", *(runs if argument == "RUNS" else argument for argument in arguments))
    assert (found, out) == (code, "")
    assert says in err
    assert "Traceback" not in err
    assert os.listdir(tmp_path) == []


def test_show_says_where_the_time_went(cli, runs):
    path = next(runs.glob("8x1-epochs6-s0-*"))
    _, out, _ = cli("show", path)
    block = out[out.index("where the time went") :].split("\n\n")[0].splitlines()
    # 1.1 s of the fit's 2.0 were the first epoch of 6, so a later one took 0.18.
    assert block[1].split() == ["6", "epochs,", "180.0", "ms", "each", "1.08", "s", "43%"]
    assert block[2].split()[-3:] == ["0.92", "s", "37%"]
    assert block[4].split() == ["whole", "2.50", "s", "100%"]
    _, out, _ = cli("show", next(runs.glob("*dropout0.5*")))
    assert "where the time went\n  none" in out


def test_whole_numbers_stay_whole_in_csv(cli, runs, tmp_path):
    _, out, _ = cli("compare", runs, "-o", tmp_path / "x.png", "--csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert {row["parameters"] for row in rows} == {"41", "73"}
    assert all(row["seeds_needed"] in ("", *map(str, range(1000))) for row in rows)


def test_a_plan_for_a_new_study_follows_the_answer(cli, runs, tmp_path):
    where = ["-o", tmp_path / "x.png"]
    code, out, _ = cli("compare", runs, *where, "--plan", "0.05")
    assert code == 0
    assert "to find a difference of 0.05 in 80 % of new studies, judged beside 2 more:" in out
    assert out.splitlines()[-1].startswith("  dropout ")
    code, out, _ = cli("compare", runs, *where, "--plan", "0.05", "--json")
    assert len(json.loads(out)["plan"]) == 4
    code, _, err = cli("compare", runs, "--plan", "0")
    assert code == 2
    assert "0.0 is not in the range x>0" in err


def test_a_margin_gives_a_third_word(cli, runs, tmp_path):
    where = ["-o", tmp_path / "x.png"]
    code, out, _ = cli("compare", runs, *where, "--margin", "0.5")
    assert code == 0
    assert out.count("same within 0.5") >= 3
    code, _, err = cli("compare", runs, "--margin", "-1")
    assert code == 2
    assert "-1.0 is not in the range x>0" in err
