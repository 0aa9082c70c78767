"""A study that lacks runs says which, wherever it is compared."""

from __future__ import annotations

import json
import shutil

import pytest

from wineexp import compare, report, study
from wineexp.errors import RunError
from wineexp.runs.study_file import LOOKS, STUDY

CONFIG = {
    "name": "of two",
    "seeds": 2,
    "defaults": {"widths": 4, "epochs": 1},
    "grid": {"dropout": [0, 0.3]},
}


@pytest.fixture
def runs(small_csv, tmp_path, monkeypatch, tensorflow):
    monkeypatch.chdir(tmp_path)
    return study(CONFIG, jobs=0, data=small_csv, page=False).runs


def test_command_function_page_and_notebook_name_them(cli, runs):
    name = runs[3].path.name
    assert "lacks" not in cli("compare", "of two")[2]
    shutil.rmtree(runs[3].path)
    told = f"study of_two lacks 1 run of 4: {name}; the same `wineexp study` trains them"
    for given in ("of two", "of_two", "outputs/of_two"):
        assert f"note: {told}\n" in cli("compare", given)[2]
        assert told in compare(given).notes
    assert told.split(";")[0] in compare("of two")._repr_html_()
    assert told.split(";")[0] in report("of two").read_text()
    assert "dropout0.3" in name
    assert f"-s1-{name[-8:]}" in name
    shutil.rmtree(runs[0].path)
    assert f"lacks 2 runs of 4: {runs[0].path.name}; {name}" in cli("compare", "of two")[2]
    assert "lacks" not in cli("compare", "outputs")[2], "a folder is not planned"


def test_without_names_the_signature_tells(cli, runs):
    path = runs[0].path.parent / "of_two" / STUDY
    known = json.loads(path.read_text())
    del known["directories"]
    path.write_text(json.dumps(known))
    signature = runs[1].signature
    shutil.rmtree(runs[1].path)
    assert f"lacks 1 run of 4: {signature};" in cli("compare", "of two")[2]
    (path.parent / LOOKS).write_text("{}")
    assert f"lacks 1 run of 4: {signature}; removed, or not needed" in cli("compare", "of two")[2]


@pytest.mark.parametrize("change", ["drop", "turn"])
def test_a_list_that_was_shortened_is_damaged(runs, change):
    path = runs[0].path.parent / "of_two" / STUDY
    known = json.loads(path.read_text())
    known["signatures"] = known["signatures"][1:] if change == "drop" else known["signatures"][::-1]
    path.write_text(json.dumps(known))
    told = runs[0].signature if change == "drop" else "another order"
    with pytest.raises(RunError, match=f"is damaged: .*signatures: expected those of directories.*{told}"):
        compare("outputs/of_two")
