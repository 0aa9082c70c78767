"""The first hour without a network, in processes with an empty home: what is said, and that it helps."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest
from conftest import ROOT

pytestmark = pytest.mark.slow

#: Nobody listens there.
CLOSED = "http://127.0.0.1:9"

HELPS = "wineexp data add wine+quality.zip"


@pytest.fixture
def wineexp(tmp_path):
    """The command line in ``tmp_path``, which is home too; what leads to the network is closed."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("WINEEXP", "XDG"))}
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), CLOSED)
    here = {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment = {**kept, **proxies, "no_proxy": "", "NO_PROXY": "", **here}

    def call(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "wineexp", *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert "shared" not in done.stdout + done.stderr, "the authors' own layout"
        return done.returncode, done.stdout, done.stderr

    return call


def test_an_hour_without_a_network_ends_with_the_real_table(wineexp, tmp_path, red_wine_path):
    quick = ["--widths", 8, "--epochs", 1]
    (tmp_path / "two.yaml").write_text("defaults: {widths: 8, epochs: 1}\ngrid: {dropout: [0, 0.3]}\n")

    code, out, err = wineexp("train", *quick)
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert (code, len(notes)) == (0, 2)
    assert notes[0].endswith("(not here, not in the cache, not fetched: no connection): a SIMULATED one stands in")
    assert notes[1].endswith(f"wine+quality.zip in a browser, then: {HELPS}")

    code, out, err = wineexp("data")
    assert (code, err.count(HELPS)) == (0, 1)
    assert "kind         simulated" in out
    code, out, err = wineexp("data", "fetch")
    assert (code, out, len(err.splitlines()), err.count(HELPS)) == (1, "", 1, 1)
    code, out, err = wineexp("doctor")
    assert (code, out.count("PROBLEM"), out.count(HELPS)) == (1, 1, 1)
    for command in (["batch", "two.yaml", "--jobs", 0], ["study", "two.yaml", "--no-report"]):
        code, out, err = wineexp(*command)
        assert (code, out, len(err.splitlines()), err.count(HELPS)) == (2, "", 1, 1)
        assert err.count("--data simulated") == 1

    with zipfile.ZipFile(tmp_path / "wine+quality.zip", "w") as archive:  # from a browser
        archive.write(red_wine_path, "winequality-red.csv")
        archive.writestr("winequality-white.csv", "another")
    assert wineexp(*HELPS.split()[1:]) == (
        0,
        f"wine+quality.zip\n-> {tmp_path}/.cache/wineexp/winequality-red.csv\n",
        "",
    )

    code, out, err = wineexp("batch", "two.yaml", "--jobs", 0)
    assert (code, "note" in err) == (0, False)
    code, out, err = wineexp("compare", "outputs/")
    assert (code, "SIMULATED" in out) == (0, False)
    assert "note: left out: 1 run on the SIMULATED table (simulated-8x1-epochs1-s0-" in err
    code, out, _ = wineexp("doctor")
    assert (code, "no problems found" in out) == (0, True)


def test_a_csv_in_the_folder_is_all_it_takes(wineexp, tmp_path, red_wine):
    (tmp_path / "data").mkdir()
    red_wine.frame.to_csv(tmp_path / "data" / "winequality-red.csv", index=False)
    code, out, err = wineexp("train", "--widths", 8, "--epochs", 1)
    assert (code, "SIMULATED" in out, "note" in err) == (0, False, False)
    assert "table  the real red-wine table, 1,599 rows, data/winequality-red.csv" in err
