"""How heavy packages are imported: what is left out, and that everything is as before afterwards."""

from __future__ import annotations

import gc
import importlib
import os
import subprocess
import sys

import pytest

from wineexp import imports


@pytest.fixture
def left_out(monkeypatch):
    monkeypatch.setattr(imports, "_left_out", ("colorsys", "json"))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)


def test_what_is_left_out_seems_not_installed_and_is_there_afterwards(left_out):
    with imports.lean(), pytest.raises(ModuleNotFoundError, match="colorsys"):
        importlib.import_module("colorsys")
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)


def test_what_was_loaded_before_stays(left_out):
    with imports.lean():
        assert importlib.import_module("json").loads("1") == 1
    assert "json" in sys.modules


@pytest.mark.parametrize("collects", [True, False])
def test_an_error_within_leaves_everything_as_it_was(left_out, collects):
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ModuleNotFoundError), imports.lean():
            importlib.import_module("colorsys" if not gc.isenabled() else "json")
        assert gc.isenabled() == collects
        assert "colorsys" not in sys.modules
    finally:
        gc.enable()


@pytest.fixture
def noticed(tmp_path, monkeypatch):
    """A file that is made when scikit-learn is imported: by a stand-in of that name."""
    (tmp_path / "sklearn").mkdir()
    (tmp_path / "sklearn/__init__.py").write_text(f"open({str(tmp_path / 'noticed')!r}, 'w').close()\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    return tmp_path / "noticed"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["0", "1"])
def test_the_command_line_and_its_workers_leave_it_out(jobs, noticed, small_csv, tmp_path):
    (tmp_path / "one.yaml").write_text("defaults: {widths: 4, epochs: 1}\n")
    command = [sys.executable, "-m", "wineexp", "batch", "one.yaml", "--data", str(small_csv), "--jobs", jobs]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not noticed.exists()


@pytest.mark.slow
def test_a_users_own_process_has_all_of_keras(noticed, small_csv, tmp_path):
    code = f"import wineexp; wineexp.train(widths=4, epochs=1, data={str(small_csv)!r}, out='outputs')"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert noticed.exists()
