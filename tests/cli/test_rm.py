"""``wineexp rm``: lists, asks, removes what is ours and nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import fabricate
from support.terminal import answered_on_a_terminal

import wineexp
from wineexp.errors import RunError
from wineexp.execution.claims import Claims
from wineexp.runs.study_file import STUDY_FILES, record_study


@pytest.fixture
def runs(tmp_path, monkeypatch, small_table):
    """Three seeds below ``outputs``."""
    monkeypatch.chdir(tmp_path)
    return [fabricate.save(Path("outputs"), small_table, seed=seed) for seed in range(3)]


def there():
    return sorted(path.name for path in Path("outputs").iterdir())


def test_a_person_sees_the_list_and_is_asked(runs):
    code, shown = answered_on_a_terminal(["rm", runs[0].signature, runs[1].path], b"n\n")
    assert code == 1
    assert "nothing was removed" in shown
    assert there() == sorted(run.path.name for run in runs)
    code, shown = answered_on_a_terminal(["rm", runs[0].signature], b"\n")
    assert code == 1, "no is the default"
    code, shown = answered_on_a_terminal(["rm", runs[0].signature, runs[1].path, "--quiet"], b"y\n")
    assert code == 0
    assert [line.split()[:2] for line in shown.splitlines()][1:3] == [[str(run.path), "done"] for run in runs[:2]]
    assert "remove 2 directories for good? [y/N]" in shown
    assert there() == [runs[2].path.name]


def test_without_a_terminal_it_refuses_unless_told_so(cli, runs, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, out, err = cli("rm", runs[0].path)
    assert (code, out) == (2, "")
    assert err == "wineexp: expected a terminal to ask on, found none; --yes removes without asking\n"
    assert len(there()) == 3
    code, _, err = cli("rm", runs[0].path, "--yes")
    assert (code, err) == (0, f"removed: {runs[0].path}\n")
    assert there() == sorted(run.path.name for run in runs[1:])


def test_what_is_not_ours_stays_and_is_told(cli, runs, tmp_path):
    run = runs[0]
    (run.path / "notes.txt").write_text("mine")
    (run.path / "folder").mkdir()
    (run.path / "model.keras").symlink_to(tmp_path / "precious")
    (tmp_path / "precious").write_text("mine too")
    code, _, err = cli("rm", run.signature, "--yes")
    assert code == 0
    for name in ("folder", "model.keras", "notes.txt"):
        assert str(run.path / name) in err
    assert sorted(path.name for path in run.path.iterdir()) == ["folder", "model.keras", "notes.txt"]
    assert (run.path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "precious").read_text() == "mine too"


@pytest.mark.parametrize(
    ("planted", "says"),
    [
        (lambda path: path.symlink_to(Path("outputs").absolute()), "found a folder without run.json"),
        (lambda path: path.mkdir(), "found a folder without run.json"),
        (lambda path: path.write_text("mine"), "found a file"),
    ],
    ids=["link to a folder", "folder", "file"],
)
def test_what_is_no_run_is_refused_before_anything_is_removed(cli, runs, planted, says):
    planted(Path("planted"))
    code, _, err = cli("rm", runs[0].path, "planted", "--yes")
    assert code == 1
    assert says in err
    assert len(there()) == 3
    assert os.path.lexists("planted")


def test_a_link_to_a_run_is_refused(cli, runs):
    Path("link").symlink_to(runs[0].path.absolute())
    code, _, err = cli("rm", "link", "--yes")
    assert code == 1
    assert "link: expected a directory, found a symbolic link; remove the link by hand" in err
    assert len(list(runs[0].path.iterdir())) > 3


def test_a_folder_of_runs_is_too_much(cli, runs):
    assert cli("rm", "outputs", "--yes")[0] == 1
    assert len(there()) == 3


def test_a_run_that_another_process_trains_stays_and_so_do_the_others(cli, runs):
    code = (
        "import sys, time; from pathlib import Path; from wineexp.execution.claims import Claims;"
        "claims = Claims(Path('outputs')); print(claims.take(sys.argv[1]), flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, runs[1].signature], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout.readline() == "True\n"
        code, _, err = cli("rm", runs[0].path, runs[1].path, "--yes")
        assert code == 1
        assert f"{runs[1].path}: is being trained by process {owner.pid} on " in err
        assert {run.path.name for run in runs} <= set(there())
    finally:
        owner.kill()
        owner.communicate()
    assert cli("rm", runs[1].path, "--yes")[0] == 0, "a dead process holds nothing"
    assert Claims(Path("outputs")).path(runs[1].signature).name not in there()


def test_a_damaged_run_can_be_removed(cli, runs):
    signatures = [run.signature for run in runs[:2]]
    (runs[0].path / "history.csv").write_text("")
    (runs[1].path / "run.json").write_text("{")
    code, _, _ = cli("rm", *signatures, "--yes")
    assert code == 0
    assert there() == [runs[2].path.name]


def test_a_study_goes_with_its_own_runs_and_files_but_not_with_anothers(cli, runs):
    mine, shared, _ = runs
    record_study(Path("outputs/a"), "a", [mine.signature, shared.signature])
    record_study(Path("outputs/b"), "b", [shared.signature])
    for name in STUDY_FILES[1:]:
        (Path("outputs/a") / name).write_text("x")
    (Path("outputs/a") / "thoughts.md").write_text("mine")
    code, _, err = cli("rm", "a", "--yes")
    assert code == 0
    assert "thoughts.md" in err
    assert not mine.path.exists()
    assert shared.path.exists()
    assert [path.name for path in Path("outputs/a").iterdir()] == ["thoughts.md"]
    assert cli("rm", shared.path, "--yes")[0] == 0, "by its own name it goes"
    assert cli("rm", "b", "--yes")[0] == 0, "a study without runs"
    assert not Path("outputs/b").exists()


def test_beside_a_study_that_cannot_be_read_none_is_removed_with_its_runs(cli, runs):
    record_study(Path("outputs/a"), "a", [run.signature for run in runs])
    record_study(Path("outputs/b"), "b", [runs[0].signature])
    Path("outputs/b/study.json").write_text("{")
    before = there()
    code, _, err = cli("rm", "a", "--yes")
    assert code == 1
    assert "outputs/b/study.json: is damaged" in err
    assert there() == before


def test_python_removes_without_asking_and_says_what(runs):
    assert wineexp.remove(runs[0], runs[0].signature, runs[1].path) == [runs[0].path, runs[1].path]
    assert there() == [runs[2].path.name]
    with pytest.raises(RunError, match="expected runs to remove, found none"):
        wineexp.remove()
    assert wineexp.load_runs() == [wineexp.SavedRun(runs[2].path)]


@pytest.fixture
def full(tmp_path):
    """A folder on a disk that is filled to its end with :func:`fill`."""
    folder = tmp_path / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", folder], capture_output=True).returncode:
        pytest.skip("a file system can be mounted by root only")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder):
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_run_is_removed_from_a_full_disk_but_not_one_that_another_process_trains(cli, full, small_table):
    """There is no room for a claim of ours; another's was written when there was."""
    free, trained, left = (fabricate.save(full, small_table, seed=seed) for seed in range(3))
    owner = "from pathlib import Path; from wineexp.execution.claims import Claims; import os, sys, time\n"
    owner += f"claims = Claims(Path({str(full)!r})); print(claims.take(sys.argv[1]), flush=True)\n"
    killed = [sys.executable, "-c", owner + "os.kill(os.getpid(), 9)", left.signature]
    subprocess.run(killed, capture_output=True)
    assert Claims(full).path(left.signature).exists()
    command = [sys.executable, "-c", owner + "time.sleep(600)", trained.signature]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "True\n"
        fill(full)
        with pytest.raises(RunError, match="No space left"):
            Claims(full).take(free.signature)
        code, _, err = cli("rm", trained.path, "--yes")
        assert code == 1
        assert "is being trained by" in err
        for run in (free, left):
            assert cli("rm", run.path, "--yes")[::2] == (0, f"removed: {run.path}\n")
            assert not run.path.exists()
            (full / "filler").unlink()
            fill(full)
        assert trained.path.exists()
    finally:
        process.kill()
        process.communicate()


def test_a_disk_that_fails_otherwise_has_no_run_removed(cli, runs, monkeypatch):
    """Only a full one is known to refuse everybody's claims."""

    def refuse(*_, **__):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("wineexp.execution.claims.SoftFileLease.acquire", refuse)
    code, _, err = cli("rm", runs[0].path, "--yes")
    assert code == 1
    assert "cannot be written: Input/output error" in err
    assert len(there()) == 3


def test_what_the_system_refuses_is_one_line(cli, runs, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rmdir", refuse)
    code, _, err = cli("rm", runs[0].path, "--yes")
    monkeypatch.undo()
    assert (code, err) == (1, f"wineexp: {runs[0].path}: cannot be removed: Permission denied\n")
