"""Where the table comes from: the order of sources, and a server that behaves in every bad way."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest
from support.clock import Clock
from support.processes import GUARD

from wineexp.data import download
from wineexp.data.download import cached_path, fetch
from wineexp.data.sources import find_table
from wineexp.errors import DataError, DownloadError


class Handler(BaseHTTPRequestHandler):
    content = b""
    clock = Clock()

    def log_message(self, *_):
        """Quiet."""

    def do_GET(self):
        body = {
            "/good.csv": self.content,
            "/good.zip": self.zipped("winequality-red.csv"),
            "/other.zip": self.zipped("other.csv"),
            "/broken.zip": b"PK not a zip",
            "/wrong.csv": self.content[:-1],
            "/slow.csv": self.content,
            "/much.csv": self.content * 40,
        }.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        try:
            if self.path == "/slow.csv":
                self.wfile.write(body[:100])
                self.wfile.flush()
                self.clock.ahead += 2 * GUARD
                self.wfile.write(body[100:200])
                self.wfile.flush()
                self.connection.recv(1)  # until the client has had enough: the rest never comes
            else:
                self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the client had enough

    def zipped(self, name):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(name, self.content)
        return stream.getvalue()


@pytest.fixture
def server(red_wine_path, monkeypatch):
    monkeypatch.setattr(download, "time", Handler.clock)
    Handler.content = red_wine_path.read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("name", ["good.csv", "good.zip"])
def test_good_bytes_reach_the_cache(server, red_wine, name):
    path, address = fetch((f"{server}/{name}",))
    assert (path, address) == (cached_path(), f"{server}/{name}")
    assert find_table("red-wine", stand_in=False).table.fingerprint == red_wine.fingerprint


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("wrong.csv", "wrong checksum"),
        ("much.csv", "more than 2,000,000 bytes"),
        ("slow.csv", f"took more than {GUARD} s"),
        ("missing.csv", "HTTP 404"),
        ("other.zip", "holds no winequality-red.csv"),
        ("broken.zip", "not a zip"),
    ],
)
def test_bad_answers_never_reach_the_cache_and_the_next_address_is_asked(server, name, says):
    with pytest.raises(DownloadError, match=says):
        fetch((f"{server}/{name}",), seconds=GUARD)
    assert not cached_path().exists()
    assert fetch((f"{server}/{name}", f"{server}/good.csv"), seconds=GUARD)[1] == f"{server}/good.csv"


def test_a_server_that_is_not_there_or_says_nothing_is_given_up():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        with pytest.raises(DownloadError, match="no answer in time"):
            fetch((f"http://127.0.0.1:{port}/x.csv",), seconds=0.1)
    with pytest.raises(DownloadError, match="no connection"):
        fetch((f"http://127.0.0.1:{port}/x.csv",), seconds=GUARD)
    with pytest.raises(DownloadError, match="no address to fetch from"):
        fetch(())


def test_a_damaged_cache_is_not_used(server, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    fetch((f"{server}/good.csv",))
    cached_path().write_bytes(b"quality;x\n1;2\n")
    monkeypatch.setenv("WINEEXP_ADDRESSES", f"{server}/good.zip")
    found = find_table("red-wine", stand_in=False)
    assert found.table.kind == "red-wine"
    assert [step for step in found.steps if "not as UCI serves it" in step]


#: Places of the table, in the order in which they are asked; each is taken away in turn.
PLACES = [
    "named",
    "environment",
    "pyproject.toml",
    "winequality-red.csv",
    "red-wine.csv",
    "data/winequality-red.csv",
    "data/red-wine.csv",
    "cache",
    "address",
    "simulated",
]


@pytest.mark.parametrize("first", PLACES)
def test_the_first_place_that_has_it_wins(server, tmp_path, monkeypatch, red_wine_path, first):
    here = tmp_path / "a" / "b"
    (here / "data").mkdir(parents=True)
    monkeypatch.chdir(here)
    left = PLACES[PLACES.index(first) :]
    for name in ("named", "environment", "configured", *(name for name in left if name.endswith(".csv"))):
        shutil.copy(red_wine_path, here / name)
    if "environment" in left:
        monkeypatch.setenv("WINEEXP_DATA", "environment")
    if "pyproject.toml" in left:
        (tmp_path / "pyproject.toml").write_text("[tool.wineexp]\ndata = ['nowhere.csv', 'a/b/configured']\n")
    if "cache" in left:
        fetch((f"{server}/good.csv",))
    if "address" in left:
        monkeypatch.setenv("WINEEXP_ADDRESSES", f"{server}/missing.csv {server}/good.zip")
    found = find_table("named" if first == "named" else None, stand_in=True)
    expected = {
        "pyproject.toml": str(here / "configured"),
        "cache": str(cached_path()),
        "address": f"{cached_path()} (from {server}/good.zip)",
        "simulated": "simulated from the real table's summary figures",
    }
    assert found.table.source == expected.get(first, first)
    assert bool(found.notes) == (first == "simulated")
    if first != "named":
        assert find_table("red-wine" if first != "simulated" else "simulated", stand_in=False).table.kind == (
            "simulated" if first == "simulated" else "red-wine"
        )


def test_another_table_that_is_configured_is_taken_but_not_for_the_real_one(
    tmp_path, monkeypatch, red_wine_path, small_csv
):
    monkeypatch.chdir(tmp_path)
    shutil.copy(red_wine_path, tmp_path / "red-wine.csv")
    (tmp_path / "pyproject.toml").write_text(f"[tool.wineexp]\ndata = ['{small_csv}']\n")
    assert find_table(stand_in=False).table.kind == "custom"
    assert find_table("red-wine", stand_in=False).table.source == "red-wine.csv"


def test_a_nearer_pyproject_hides_one_further_up(tmp_path, monkeypatch, red_wine_path):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    (tmp_path / "pyproject.toml").write_text(f"[tool.wineexp]\ndata = ['{red_wine_path}']\n")
    assert find_table("red-wine", stand_in=False).table.kind == "red-wine"
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'nearer'\n")
    with pytest.raises(DataError, match="--data simulated"):
        find_table("red-wine", stand_in=True)


def test_a_path_that_is_not_there_is_told_but_not_that_of_the_authors_in_a_fresh_clone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = "[project]\nname = 'NAME'\n[tool.wineexp]\ndata = ['../mine/wine.csv']\n"
    (tmp_path / "pyproject.toml").write_text(text.replace("NAME", "my-own"))
    found = find_table(stand_in=True)
    assert found.steps[0].endswith(f"mine/wine.csv: named in {tmp_path / 'pyproject.toml'}, but does not exist")
    assert found.notes[0] == found.steps[0], "what one has written oneself is not passed over without a word"
    (tmp_path / "pyproject.toml").write_text(text.replace("NAME", "wineexp"))
    found = find_table(stand_in=True)
    assert "mine" not in "".join((*found.steps, *found.notes))


@pytest.mark.parametrize("text", ["tool = 3\n", "project = 3\n", "[tool]\nother = 3\n", ""])
def test_a_pyproject_that_does_not_speak_of_it_changes_nothing(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    assert find_table(stand_in=True).steps[0] == "winequality-red.csv or red-wine.csv: neither here nor in data/"


def test_a_copy_of_another_dialect_is_known_by_its_values(tmp_path, monkeypatch, red_wine):
    monkeypatch.chdir(tmp_path)
    red_wine.frame.to_csv("red-wine.csv", index=False, sep=",")
    found = find_table(stand_in=False)
    assert (found.table.kind, found.table.source, found.notes) == ("red-wine", "red-wine.csv", ())


USE_IT = "; to train on it: --data ./winequality-red.csv"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda frame: frame.head(20), "found 20 rows of 12 columns instead of 1,599" + USE_IT),
        (lambda frame: frame.assign(pH=frame["pH"] + 0.1), "found other values in 'pH'" + USE_IT),
        (lambda frame: frame[::-1], "found its rows in another order, or some values changed" + USE_IT),
        (lambda frame: frame.drop(columns="pH"), "found 1,599 rows of 11 columns, without 'pH'" + USE_IT),
        (lambda frame: frame.assign(b=1.0), "found 1,599 rows of 13 columns, which are more than its 12" + USE_IT),
        (lambda frame: frame[frame.columns[::-1]], "12 columns, with 'quality' where 'fixed acidity'"),
        (lambda frame: frame.rename(columns={"pH": "ph"}), "found its values under other column names" + USE_IT),
        (lambda frame: pd.concat([frame] * 25), "found 2.38 MB, too much for it" + USE_IT),
        (lambda frame: frame.assign(pH="acid"), "winequality-red.csv:2: column 'pH': expected a number"),
    ],
)
def test_another_table_under_that_name_is_passed_over_and_the_note_says_how_to_use_it(
    tmp_path, monkeypatch, red_wine, change, says
):
    monkeypatch.chdir(tmp_path)
    change(red_wine.frame).to_csv("winequality-red.csv", index=False, sep=";")
    found = find_table(stand_in=True)
    assert found.table.kind == "simulated"
    assert found.notes[0].startswith("passed over winequality-red.csv:")
    assert says in found.notes[0]
    assert len(found.notes) == 2
    assert found.notes[1].startswith("a SIMULATED table stands in; for the real one, download https://")
    with pytest.raises(DataError) as caught:
        find_table(stand_in=False)
    assert found.notes[0] in str(caught.value)
    (tmp_path / "data").mkdir()
    red_wine.frame.to_csv("data/red-wine.csv", index=False)
    found = find_table(stand_in=True)
    assert (found.table.source, len(found.notes)) == ("data/red-wine.csv", 1)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_under_that_name_is_not_opened(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    make(Path("red-wine.csv"))
    found = find_table(stand_in=True)
    assert found.notes[0] == "passed over red-wine.csv: expected a file, found a directory or a device"


def test_a_named_table_must_exist(monkeypatch, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        find_table(str(tmp_path / "none.csv"), stand_in=True)
    monkeypatch.setenv("WINEEXP_DATA", str(tmp_path / "none.csv"))
    with pytest.raises(DataError, match="no such file"):
        find_table(stand_in=True)


def test_the_stand_in_serves_only_where_it_may(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_table(stand_in=True).table.kind == "simulated"
    with pytest.raises(DataError, match="not available"):
        find_table(stand_in=False)


@pytest.mark.parametrize("text", ["[tool.wineexp\n", "[tool.wineexp]\ndata = 3\n", "[tool]\nwineexp = 3\n"])
def test_a_broken_pyproject_is_an_error(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(DataError, match=r"pyproject\.toml"):
        find_table(stand_in=True)


def test_a_cache_that_cannot_be_written_is_blamed_once_and_no_address_is_asked(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DownloadError) as caught:
        fetch(("http://127.0.0.1:9/a.csv", "http://127.0.0.1:9/b.csv"))
    assert caught.value.reason == f"{cached_path().parent}: cannot be written: Not a directory"
    assert str(caught.value).endswith("in this folder: winequality-red.csv is found there")


def test_what_helps_is_said_once_and_not_for_a_mistyped_file(cli, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.yaml").write_text("widths: 8\n")
    for command in (["batch", "c.yaml"], ["study", "c.yaml", "--no-report"]):
        _, _, err = cli(*command)
        assert err.count("--data simulated") == 1
        _, _, err = cli(*command, "--data", "x.csv")
        assert err == "wineexp: x.csv: no such file\n"


def test_looking_for_a_table_changes_no_logging():
    code = (
        "import logging; import pooch; before = pooch.get_logger().level; import wineexp.data.download;"
        "print(pooch.get_logger().level == before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
