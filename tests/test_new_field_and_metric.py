"""A field and a metric are declared once: in a copy of the package each gets one line and is everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

FIELD = """    warmth: Real = spec_field(
        1.5, "how warm it was", "a number above 0", later=True, gt=0.0
    )
    mood: str | None = spec_field(None, "how it felt", "text, or none", cosmetic=True, later=True)
"""
METRIC = """    val_bias: _Number | None = _metric("val bias", "+.3f", "mean error on validation rows", listed=6)
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of package and docs in which ``warmth``, ``mood`` and ``val_bias`` are declared."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("wineexp", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", folder)
    insert(folder / "wineexp/specs/run_spec.py", "    seed: int = spec_field(", FIELD)
    insert(folder / "wineexp/runs/record.py", "    val_rmse: ", METRIC)
    insert(
        folder / "wineexp/runs/metrics.py",
        '            "val_rmse": ',
        '            "val_bias": float((valid[0].astype(np.float64) - valid[1]).mean()),\n',
    )
    return folder


def insert(path, before, lines):
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, lines + before))


@pytest.fixture
def run(copy, tmp_path, small_csv):
    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(copy), "WINEEXP_DATA": str(small_csv)}
        done = subprocess.run(
            [sys.executable, *map(str, arguments)], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_flag_schema_and_docs_have_it(run, copy):
    shown = " ".join(run("-m", "wineexp", "train", "--help").split())
    assert "--warmth NUMBER How warm it was. [default: 1.5]" in shown
    fields = json.loads(run("-m", "wineexp", "schema"))["anyOf"][0]["properties"]
    assert fields["warmth"]["description"] == "how warm it was"
    run(copy / "docs" / "generate.py")
    page = (copy / "docs" / "formats.md").read_text()
    assert "| `warmth` | 1.5 | a number above 0 | how warm it was |" in page
    assert "| `val_bias` | val bias | mean error on validation rows |" in page


def test_yaml_run_directory_and_table_have_it_and_old_signatures_stand(run, tmp_path):
    quick = {"widths": 8, "epochs": 1}
    config = {"defaults": quick, "runs": [{"name": "as before"}, {"warmth": 2.5, "mood": "glad"}]}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    run("-m", "wineexp", "batch", "c.yaml", "--jobs", "0", "--no-model")
    by_warmth = {}
    for path in (tmp_path / "outputs").glob("*/run.json"):
        record = json.loads(path.read_text())
        by_warmth[record["spec"]["warmth"]] = record
    from wineexp.specs.run_spec import RunSpec

    fingerprint = by_warmth[1.5]["data"]["fingerprint"]
    assert by_warmth[1.5]["signature"] == RunSpec.parse(quick).signature(fingerprint)
    assert by_warmth[2.5]["signature"] != by_warmth[1.5]["signature"]
    assert by_warmth[2.5]["label"] == "8x1-epochs1-warmth2.5", "a cosmetic field is in no label"
    assert isinstance(by_warmth[2.5]["metrics"]["val_bias"], float)
    (row,) = json.loads(run("-m", "wineexp", "runs", "--where", "warmth>2", "--json"))
    assert row["val_bias"] == by_warmth[2.5]["metrics"]["val_bias"]
    table = json.loads(run("-m", "wineexp", "runs", "--json"))
    assert sorted(row["warmth"] for row in table) == [1.5, 2.5], "it tells the two apart"
    assert "mood" not in table[0]
    assert "val bias" in run("-m", "wineexp", "runs").splitlines()[0]
    assert "warmth 2.5" in run("-m", "wineexp", "compare", "outputs")
