"""Atomic writing: whole or absent, nothing left behind, an error that fits what was written."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from wineexp import files
from wineexp.errors import DownloadError, OutputError, RunError


def full(*_, **__):
    raise OSError(28, "No space left on device")


def test_a_directory_is_whole_or_absent(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=r"x: cannot be written: No space left"):
        files.write_directory(
            tmp_path / "x", {"a.txt": b"1", "run.json": b"{}"}, ours=("run.json",), error=RunError
        )
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_stands_there_is_replaced_or_left_whole(tmp_path, monkeypatch):
    ours = ("a.txt", "b.txt", "run.json")
    files.write_directory(tmp_path / "x", {"a.txt": b"old", "run.json": b"1"}, ours=ours)
    files.write_directory(tmp_path / "x", {"b.txt": b"new", "run.json": b"2"}, ours=ours)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == ["b.txt", "run.json"]
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError):
        files.write_directory(tmp_path / "x", {"b.txt": b"newer", "run.json": b"3"}, ours=ours)
    assert (tmp_path / "x" / "b.txt").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("error", [OutputError, RunError, DownloadError])
def test_a_file_that_cannot_be_written_is_told_as_what_it_is_and_leaves_nothing(tmp_path, monkeypatch, error):
    (tmp_path / "kept.csv").write_bytes(b"old")
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(error, match=r"kept\.csv: cannot be written: No space left"):
        files.write_file(tmp_path / "kept.csv", b"new", error=error)
    assert (tmp_path / "kept.csv").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.csv"]


def test_a_folder_that_is_a_file_is_found_before_the_work(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written"):
        files.check_writable(tmp_path / "file" / "outputs")
    files.check_writable(tmp_path / "new" / "folder")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_leftovers_of_dead_processes_are_swept_and_those_of_living_ones_stay(tmp_path):
    code = (
        "import sys; from pathlib import Path; from wineexp import files;"
        "staged = files._staged_beside(Path(sys.argv[1])); staged.mkdir(); print(staged)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    left = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    mine = files._staged_beside(tmp_path / "x")
    mine.mkdir()
    files.write_directory(tmp_path / "x", {"run.json": b"{}"}, ours=("run.json",))
    assert not os.path.exists(left)
    assert mine.exists()
