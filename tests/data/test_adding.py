"""``wineexp data add``: a copy of the table reaches the cache as UCI's own bytes, anything else does not."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import zipfile

import pytest

from wineexp.data.download import add_table, cached, cached_path
from wineexp.data.sources import find_table
from wineexp.data.table import RED_WINE_SHA256
from wineexp.errors import DataError, OutputError


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def zipped(path, name, content):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)


BOM = b"\xef\xbb\xbf"

#: What a copy may look like: a name, and what writes it from the file and the frame.
COPIES = {
    "as-it-is.csv": lambda path, content, frame: path.write_bytes(content),
    "comma.csv": lambda path, content, frame: frame.to_csv(path, index=False),
    "german.csv": lambda path, content, frame: frame.to_csv(path, index=False, sep=";", decimal=","),
    "tab.tsv": lambda path, content, frame: frame.to_csv(path, index=False, sep="\t"),
    "whole-numbers.csv": lambda path, content, frame: frame.astype({"quality": int}).to_csv(path, index=False),
    "windows.csv": lambda path, content, frame: path.write_bytes(
        b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    ),
    "gzip.csv.gz": lambda path, content, frame: path.write_bytes(gzip.compress(content)),
    "wine+quality.zip": lambda path, content, frame: zipped(path, "winequality-red.csv", content),
    "dots.csv": lambda path, content, frame: frame.rename(columns=lambda name: name.replace(" ", ".")).to_csv(
        path, index=False
    ),
}


@pytest.mark.parametrize("name", COPIES)
def test_every_copy_reaches_the_cache_as_the_bytes_that_uci_serves(here, red_wine_path, red_wine, name):
    COPIES[name](here / name, red_wine_path.read_bytes(), red_wine.frame)
    kept = add_table(here / name)
    assert kept == cached_path()
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == RED_WINE_SHA256
    found = find_table("red-wine", stand_in=False)
    assert (found.table.kind, found.table.source, found.notes) == ("red-wine", str(kept), ())


#: What cannot be the table: what writes it from the file's content, and what is said.
OTHERS = {
    "nothing": (lambda path, content: None, "{path}: no such file"),
    "a folder": (lambda path, content: path.mkdir(), "{path}: expected a CSV file, found a directory"),
    "an empty file": (lambda path, content: path.write_bytes(b""), "{path}:1: expected a header"),
    "another table": (
        lambda path, content: path.write_bytes(b"a,quality\n1,2\n"),
        "{path}: expected the red-wine table, the only one kept in the cache, found 1 rows of 2 columns, "
        "without 'fixed acidity' and 10 more; to train on this one: --data {path}, or $WINEEXP_DATA",
    ),
    "a part of it": (
        lambda path, content: path.write_bytes(content[: content.rindex(b"\n", 0, -1000)]),
        "rows of 12 columns instead of 1,599; to train on this one: --data {path}",
    ),
    "a row cut short": (lambda path, content: path.write_bytes(content[:-10]), "{path}:1600: expected 12 values"),
    "one number changed": (
        lambda path, content: path.write_bytes(content.replace(b"7.4", b"7.5", 1)),
        "found its rows in another order, or some values changed; to train on this one: --data {path}",
    ),
    "a zip of others": (
        lambda path, content: zipped(path, "x.csv", content),
        "{path}: expected UCI's zip of the red-wine table: the zip holds no winequality-red.csv",
    ),
    "a zip of other bytes": (
        lambda path, content: zipped(path, "winequality-red.csv", content[:-1]),
        "{path}: expected UCI's table in it, found other bytes; unpack it and add its CSV",
    ),
    "a zip of too much": (
        lambda path, content: zipped(path, "winequality-red.csv", bytes(3_000_000)),
        "{path}: expected UCI's zip of the red-wine table: holds more than 2,000,000 bytes",
    ),
    "no zip": (
        lambda path, content: path.write_bytes(b"PK" + content),
        "{path}: expected UCI's zip of the red-wine table: File is not a zip file",
    ),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_not_the_table_is_refused_in_one_line_and_the_cache_stays_as_it_was(here, red_wine_path, what):
    make, says = OTHERS[what]
    path = here / "mine"
    make(path, red_wine_path.read_bytes())
    with pytest.raises(DataError) as caught:
        add_table(path)
    assert says.format(path=path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not cached_path().exists()
    add_table(red_wine_path)
    with pytest.raises(DataError):
        add_table(path)
    assert cached()


def test_a_cache_that_cannot_be_written_is_told_with_what_works_without_it(here, red_wine_path, monkeypatch):
    (here / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "cache"))
    with pytest.raises(OutputError) as caught:
        add_table(red_wine_path)
    assert str(caught.value) == (
        f"{cached_path()}: cannot be written: Not a directory; "
        "a winequality-red.csv in the working directory is found without it"
    )
    shutil.copy(red_wine_path, here)
    assert find_table(stand_in=False).table.source == "winequality-red.csv"


def test_a_write_that_fails_leaves_what_was_there_and_nothing_beside_it(here, red_wine_path, monkeypatch):
    add_table(red_wine_path)
    before = os.listdir(cached_path().parent)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        add_table(red_wine_path)
    assert cached()
    assert os.listdir(cached_path().parent) == before


def test_the_command_says_where_the_table_is_now(cli, here, red_wine_path):
    assert cli("data", "add", red_wine_path) == (0, f"{red_wine_path}\n-> {cached_path()}\n", "")
    code, out, err = cli("data", "add", red_wine_path, "--json")
    assert (code, json.loads(out), err) == (0, {"path": str(cached_path()), "file": str(red_wine_path)}, "")
    code, out, err = cli("data")
    assert code == 0
    assert err.splitlines()[-1] == f"  {cached_path()}: in the cache"
    assert "kind         red-wine" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["add"], "add: expected FILE, a copy of the red-wine table, found nothing"),
        (["fetch", "x.csv"], "fetch: expected no FILE, found 'x.csv'; name a table with --data"),
        (["info", "x.csv"], "info: expected no FILE, found 'x.csv'; name a table with --data"),
        (["add", "x.csv", "--data", "y.csv"], "--data: expected with info, found with add"),
        (["fetch", "--data", "y.csv"], "--data: expected with info, found with fetch"),
        (["fetch", "--sep", ";"], "--sep: expected with a CSV file, found with fetch"),
        (
            ["there.csv"],
            "found a file (did you mean wineexp data add there.csv, or wineexp data --data there.csv?)",
        ),
        (["ad", "x.csv"], "'ad' is not one of 'info', 'fetch', 'add'"),
    ],
)
def test_a_mistyped_command_is_one_line_that_says_what_was_meant(cli, here, arguments, says):
    (here / "there.csv").write_text("a;quality\n1;2\n")
    code, out, err = cli("data", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert says in err
