"""What ``-o`` names: a plain file is replaced, what a link leads to too, and anything else is written into."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import tty
from pathlib import Path
from types import SimpleNamespace

import pytest
from support import fabricate
from support.processes import start

from wineexp.api.inspecting import write_inspection
from wineexp.errors import OutputError
from wineexp.outputs import write_output

#: More than a pipe holds, every byte among it.
CONTENT = bytes(range(256)) * 1000

WRITE = "import sys; from pathlib import Path; from wineexp.outputs import write_output;"
WRITE += "write_output(Path(sys.argv[1]), bytes(range(256)) * 1000)"


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, and what was written into it by the time that its writer closed it."""
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    read = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()), daemon=True)
    reader.start()

    def content():
        reader.join(60)
        return read[0]

    return SimpleNamespace(path=path, content=content)


def test_a_device_stays_a_device(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        device.write_bytes(b"")
    except PermissionError:
        pytest.skip("a device is made by root only, and opened only where the file system has them")
    for path in (device, link(tmp_path / "link", device)):
        write_output(path, CONTENT)
        assert stat.S_ISCHR(device.stat().st_mode)
        assert device.stat().st_rdev == os.makedev(1, 3)
    assert (tmp_path / "link").is_symlink()


def link(path, target):
    path.symlink_to(target)
    return path


def test_a_terminal_is_written_to():
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    write_output(Path(os.ttyname(theirs)), b"row,predicted\n")
    assert os.read(ours, 100) == b"row,predicted\n"
    os.close(ours)
    os.close(theirs)


def test_a_named_pipe_stays_one_and_its_reader_gets_everything(pipe, tmp_path):
    write_output(link(tmp_path / "link", pipe.path), CONTENT)
    assert pipe.content() == CONTENT
    assert pipe.path.is_fifo()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe.png"]


def test_a_pipe_without_a_reader_is_waited_for_and_told_of(tmp_path):
    """As `cp` waits, but not without a word."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    process = start([path], tmp_path, code=WRITE)
    assert process.stderr.readline() == f"{path}: waiting for a reader of this pipe\n"
    assert path.read_bytes() == CONTENT
    assert process.wait() == 0
    process = start([path], tmp_path, code=WRITE)
    assert process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT


def test_a_reader_that_leaves_is_one_line(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def leave():
        with path.open("rb", buffering=0) as file:
            file.read(1)

    threading.Thread(target=leave, daemon=True).start()
    with pytest.raises(OutputError, match=r"pipe: cannot be written: Broken pipe"):
        write_output(path, CONTENT)


@pytest.mark.parametrize("name", ["/dev/stdout", "/proc/self/fd/1", "link"])
def test_stdout_by_name_is_the_open_file_as_it_is(tmp_path, name):
    """Opened anew, a log would be cut, and what others write into it afterwards be lost."""
    link(tmp_path / "link", "/dev/stdout")
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    command = [sys.executable, "-c", WRITE, name]
    with log.open("ab") as file:
        subprocess.run(command, stdout=file, check=True, cwd=tmp_path)
        file.write(b"after\n")
    assert log.read_bytes() == b"before\n" + CONTENT + b"after\n"
    assert subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=tmp_path).stdout == CONTENT


def test_a_pipe_that_a_shell_substitutes_is_written_to():
    ours, theirs = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", WRITE, f"/dev/fd/{theirs}"], pass_fds=[theirs])
    os.close(theirs)
    with open(ours, "rb") as read:
        assert read.read() == CONTENT
    assert process.wait() == 0


def test_a_links_target_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "kept.csv"
    target.write_bytes(b"old")
    given = link(tmp_path / "link", link(tmp_path / "between", "far/kept.csv"))
    write_output(given, CONTENT)
    assert given.is_symlink()
    assert target.read_bytes() == CONTENT

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"kept\.csv: cannot be written: No space left"):
        write_output(given, b"newer")
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["kept.csv"]


def test_what_a_dangling_link_leads_to_is_created(tmp_path):
    write_output(link(tmp_path / "link", "new/kept.csv"), CONTENT)
    assert (tmp_path / "new" / "kept.csv").read_bytes() == CONTENT
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/dev/full", "No space left on device"),
        ("loop", "Too many levels of symbolic links"),
        ("folder", "Is a directory"),
        ("/dev/fd/987", "Bad file descriptor"),
    ],
)
def test_what_cannot_be_written_is_one_line(tmp_path, monkeypatch, name, reason):
    monkeypatch.chdir(tmp_path)
    link(tmp_path / "loop", "loop")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=f"{name}: cannot be written: {reason}"):
        write_output(tmp_path / name, CONTENT)


def predict(cli, path, runs, monkeypatch):
    found = SimpleNamespace(runs=(), remarks=(), metrics=None, as_csv=lambda: "row,predicted\n")
    monkeypatch.setattr("wineexp.api.saved_run.predict", lambda *_, **__: found)
    assert cli("predict", "run", "rows.csv", "-o", path)[0] == 0
    return b"row,predicted\n"


def compare(cli, path, runs, monkeypatch):
    assert cli("compare", *runs, "-o", path)[0] == 0
    return b"\x89PNG"


def report(cli, path, runs, monkeypatch):
    assert cli("report", *runs, "-o", path)[0] == 0
    return b"<!doctype html>"


def inspect(cli, path, runs, monkeypatch):
    from matplotlib.figure import Figure

    write_inspection(SimpleNamespace(figure=Figure()), path)
    return b"\x89PNG"


@pytest.mark.parametrize("command", [predict, compare, report, inspect])
def test_every_command_with_an_output_writes_into_a_pipe(cli, pipe, small_table, tmp_path, monkeypatch, command):
    runs = [fabricate.save(tmp_path / "outputs", small_table, seed=seed).path for seed in range(2)]
    begins = command(cli, pipe.path, runs, monkeypatch)
    assert pipe.content()[: len(begins)].lower() == begins.lower()
    assert pipe.path.is_fifo()
