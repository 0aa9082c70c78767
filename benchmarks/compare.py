"""How long listing and comparing many runs takes, whole processes, start-up included.

    python benchmarks/compare.py

Runs of 64x3 are trained for two epochs, five seeds per variant, and copied under other seeds.
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wineexp.runs.run import Run

ROUNDS = 3


def wineexp(*arguments: object) -> float:
    """Seconds that one command takes."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "wineexp", *map(str, arguments)], check=True, capture_output=True)
    return time.perf_counter() - began


def multiply(one: Path, out: Path, count: int) -> None:
    """``count`` runs in ``out`` from those in ``one``, each under a seed and a signature of its own."""
    out.mkdir()
    originals = itertools.cycle(sorted(path for path in one.iterdir() if (path / "run.json").exists()))
    for number in range(count):
        original = next(originals)
        copy = out / f"{number:05d}"
        shutil.copytree(original, copy)
        record = Run(copy).record
        spec = record.spec.with_seed(number)
        own = {"spec": spec, "signature": spec.signature(record.data.identity)}
        (copy / "run.json").write_bytes(record.model_copy(update=own).text())


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        grid = {"dropout": [0, 0.1, 0.2, 0.3, 0.4], "bn": ["none", "before"]}
        config = {"defaults": {"widths": "64x3", "epochs": 2}, "grid": grid}
        (folder / "c.yaml").write_text(json.dumps(config))
        wineexp("batch", folder / "c.yaml", "--out", folder / "one", "--no-model")
        for count in (200, 2000):
            multiply(folder / "one", folder / str(count), count)
        cases = {
            "runs, 200 (goal 1 s)": ("runs", folder / "200"),
            "runs, 2,000 (goal 1 s)": ("runs", folder / "2000"),
            "compare, 200 (goal 5 s)": ("compare", folder / "200", "-o", folder / "x.png"),
            "report, 200": ("report", folder / "200", "-o", folder / "x.html"),
            "compare, 2,000 (goal 6 s)": ("compare", folder / "2000", "-o", folder / "x.png"),
        }
        for name, arguments in cases.items():
            seconds = [wineexp(*arguments) for _ in range(ROUNDS)]
            print(f"{name:<26}{statistics.median(seconds):6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")


if __name__ == "__main__":
    main()
