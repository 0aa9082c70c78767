"""Hostile text in every place that text comes from never reaches a terminal, a page or a spreadsheet as it is."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import string
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import records
from support.batches import train
from support.configs import read_config

from wineexp.errors import ConfigError
from wineexp.specs.config import read_mapping
from wineexp.specs.run_spec import RunSpec
from wineexp.text import csv_text, json_visible, one_line, visible

#: Colour, clipboard (OSC 52), C1 control, right-to-left override, line separator, a byte that is no UTF-8, ...
HOSTILE = {
    "escape": "\x1b[31m",
    "clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "c1": "\u009b31m",
    "bidi": "\u202egnp.exe",
    "isolate": "\u2066x",
    "line": "a\u2028b",
    "byte": "\udcff",
    "backspace": "a\x08b",
    "delete": "\x7f",
}
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@pytest.fixture
def run(small_table, tmp_path):
    """A finished run below tmp_path/outputs."""
    (run,) = train(
        [RunSpec.parse({"widths": "4", "epochs": 2, "batch_size": 32})], small_table, tmp_path / "outputs"
    )
    return run


def edit(run, text):
    """``text`` into each field of run.json that holds free text."""

    def change(record):
        record["label"] = record["error"] = record["recorded"] = text
        record["data"]["source"] = record["environment"]["platform"] = text
        record["environment"]["processor"] = record["environment"]["device"] = text

    records.rewrite(run.path, change, sealed=True)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_record_with_it_is_shown_safely(run, cli, tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    edit(run, text)
    strange = run.path.parent / f"x{text}y"
    shutil.copytree(run.path, strange)
    commands = [
        ["runs"],
        ["runs", "--check"],
        ["runs", "--columns", "run,label,source,device,recorded,error", "--csv"],
        ["runs", "--columns", "run,label,source,device,recorded,error", "--json"],
        ["show", run.path],
        ["show", run.path, "--json"],
        ["show", strange],
        ["compare", run.path, "-o", "x.png"],
        ["compare", run.path, "-o", "x.png", "--csv"],
        ["compare", run.path / "curves.png", strange / "history.csv", "-o", "x.png"],
        ["report", run.path, "-o", "x.html", "--title", text],
        ["show", text],
        ["diff", strange, run.path],
        ["diff", text, run.path],
        ["runs", "--study", text],
        ["rm", text, "--yes"],
        ["predict", strange, text],
        ["inspect", strange, text],
        ["inspect", strange, "--data", text],
        ["inspect", strange],
        ["train", text],
        ["batch", text],
        ["runs", text],
        ["compare", text],
        [text],
        ["train", f"--{text}"],
        ["data", "--data", text],
        ["rm", strange, "--yes"],
    ]
    for command in commands:
        _, out, err = cli(*command)
        assert not UNSAFE.search(out), command
        assert not UNSAFE.search(err), command
        assert "Traceback" not in err
    if (tmp_path / "x.html").exists():
        assert not UNSAFE.search((tmp_path / "x.html").read_text().split("<script")[0])


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_study_and_a_run_cannot_be_named_so(tmp_path, text):
    for config in ({"name": text, "seeds": 2}, {"runs": [{"name": text}]}):
        (tmp_path / "c.yaml").write_text(json.dumps(config))
        with pytest.raises(ConfigError, match="printable") as caught:
            read_config(tmp_path / "c.yaml")
        assert not UNSAFE.search(str(caught.value))


def test_columns_named_so_are_shown_safely(cli, tmp_path):
    for number, text in enumerate(HOSTILE.values()):
        if "\udcff" in text:
            continue  # no file in UTF-8 holds it
        path = tmp_path / f"{number}.csv"
        rows = "\n".join(f"{i},{i % 7},{i % 5}" for i in range(40))
        path.write_text(f"{text},b,quality\n{rows}\n")
        for command in (
            ["data", "--data", path],
            ["data", "--data", path, "--json"],
            ["train", "--data", path, "--dry-run", "--target", "b"],
            ["train", "--data", path, "--dry-run", "--target", "absent"],
        ):
            _, out, err = cli(*command)
            assert not UNSAFE.search(out + err), command
            assert out or err


def test_an_emoji_in_json_or_a_mapping_is_that_emoji(tmp_path):
    (tmp_path / "c.yaml").write_text(
        json.dumps({"name": "\N{WINE GLASS}", "runs": [{"name": "\N{WINE GLASS} a"}]})
    )
    assert "\\ud83c" in (tmp_path / "c.yaml").read_text()
    for config in (read_config(tmp_path / "c.yaml"), read_mapping({"name": "\N{WINE GLASS}", "seeds": 1})):
        assert config.name == "\N{WINE GLASS}"
    assert read_config(tmp_path / "c.yaml").specs[0].name == "\N{WINE GLASS} a"


@pytest.mark.parametrize("start", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "=cmd|'/c calc'!A0"])
def test_a_spreadsheet_runs_no_cell(start):
    text = csv_text([{"run": start, "loss": -1.5, "=head": 2}])
    (heads, cells) = csv.reader(io.StringIO(text))
    assert cells[0].startswith("'")
    assert cells[1] == "-1.5", "a number is a number"
    assert heads == ["run", "loss", "'=head"]


def test_a_directory_named_like_a_formula_is_guarded(run, cli):
    run.path.rename(run.path.parent / "=cmd|calc")
    _, out, _ = cli("runs", run.path.parent, "--csv")
    assert "\n'=cmd|calc," in out


@given(st.text())
def test_visible_text_is_safe_and_only_unsafe_characters_change(text):
    shown = visible(text)
    assert not UNSAFE.search(shown)
    assert not UNSAFE.search(one_line(text))
    assert "\n" not in one_line(text)
    if not UNSAFE.search(text):
        assert shown == text
    assert visible(shown) == shown


@given(st.text() | st.lists(st.text(alphabet=string.printable + "\u202e\x1b\u009b")))
def test_visible_json_is_the_same_value(value):
    text = json_visible(json.dumps(value, ensure_ascii=False))
    assert not UNSAFE.search(text)
    assert json.loads(text) == value


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_console_without_a_letter_gets_it_escaped(small_csv, tmp_path, settings, form):
    name = "Łódź \N{WINE GLASS}"
    flags = ["--widths", "4", "--epochs", "2", "--threads", "1", "--data", small_csv]
    command = [sys.executable, "-m", "wineexp", "train", *flags, "--name", name, *form]
    utf8 = {"LC_ALL": "C.UTF-8"} if "LC_ALL" in settings else settings  # else the name given is other bytes
    done = subprocess.run(command, cwd=tmp_path, env=os.environ | utf8, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    if form:
        assert json.loads(done.stdout)["label"] == name
    shown = [sys.executable, "-m", "wineexp", "runs", "--columns", "label"]
    listed = subprocess.run(shown, cwd=tmp_path, env=os.environ | settings, capture_output=True)
    assert listed.returncode == 0, listed.stderr
    assert b"d\\u017a" in listed.stdout or name.encode() in listed.stdout
