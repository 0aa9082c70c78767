"""Optional packages: one line with the command to run, before anything trains."""

from __future__ import annotations

import importlib.util
import tomllib

import pytest
from conftest import ROOT
from support import fabricate

from wineexp.extras import EXTRAS

real = importlib.util.find_spec


@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("dask", ["batch", "c.yaml", "--dask", "tcp://127.0.0.1:1"]),
        ("report", ["report", "outputs"]),
        ("tensorboard", ["train", "--tensorboard", "tb"]),
        ("tensorboard", ["batch", "c.yaml", "--tensorboard", "tb"]),
        ("mlflow", ["train", "--mlflow", "http://127.0.0.1:9"]),
        ("mlflow", ["export", "mlflow", "runs", "--to", "http://127.0.0.1:9"]),
        ("report", ["study", "c.yaml"]),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(
    cli, small_csv, small_table, tmp_path, monkeypatch, extra, arguments
):
    monkeypatch.chdir(tmp_path)
    fabricate.save(tmp_path / "runs", small_table)
    (tmp_path / "c.yaml").write_text("widths: 4\nepochs: 1\n")
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == EXTRAS[extra] else real(name, *rest)
    )
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert err.rstrip().endswith(f"run: pip install 'wineexp[{extra}]'")
    assert len([line for line in err.splitlines() if line.startswith("wineexp:")]) == 1
    assert not (tmp_path / "outputs").exists()


def test_every_extra_brings_its_package():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for extra, package in EXTRAS.items():
        assert any(line.startswith(package.replace("_", "-")) for line in declared[extra])
