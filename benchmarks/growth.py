"""How time and memory grow: rows, features, width, depth, epochs, runs, seeds and splits, workers.

    python benchmarks/growth.py [AXIS ...]

Of training: the first epoch, which compiles, a later one, and all beside the fit, in stages. Each point is a
process of its own. ``growth`` is how much longer it took than the point before, over how much more work it is:
1 is straight, below 1 better.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
WINEEXP = [sys.executable, "-m", "wineexp"]


def table(rows: int, features: int) -> pd.DataFrame:
    """Random features, a target that depends on them, no row twice."""
    random = np.random.default_rng(0)
    x = random.normal(size=(rows, features)).astype(np.float32)
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(features)])
    return frame.assign(quality=np.round(5 + x[:, 0] + random.normal(size=rows), 1))


def trained(rows: int = 1600, features: int = 11, **spec: object) -> dict[str, float]:
    """Seconds of the first epoch, of a later one, of what is beside the fit, and of the run, with one thread."""
    import wineexp

    fields = {"widths": "64x3", "dropout": 0.3, "bn": "after", "epochs": 6, **spec}
    with tempfile.TemporaryDirectory() as out:
        timing = wineexp.train(fields, data=table(rows, features), out=out, threads=1).record.timing
    beside = timing.run_seconds - timing.fit_seconds
    return {
        "seconds": timing.epoch_seconds,
        "first": timing.first_epoch_seconds,
        "beside": beside,
        "whole": timing.run_seconds,
    }


#: What a run does beside its fit: the functions that do it, by module and name.
STAGES = {
    "reading the CSV": ("data/table.py", "read_table"),
    "splitting": ("data/split.py", "split_table"),
    "twins, within splitting": ("data/table.py", "same_rows"),
    "predicting": ("training/trainer.py", "predict"),
    "metrics": ("runs/metrics.py", "measure"),
    "the picture": ("runs/picture.py", "draw"),
    "writing, with the picture": ("runs/writer.py", "write_run"),
}


def staged(rows: int) -> dict[str, float]:
    """Seconds of each stage beside the fit, of a run on a CSV of 11 features."""
    import cProfile
    import pstats

    import wineexp

    with tempfile.TemporaryDirectory() as out:
        csv = Path(out) / "table.csv"
        table(rows, 11).to_csv(csv, index=False)
        profile = cProfile.Profile()
        with profile:
            run = wineexp.train(widths="64x3", dropout=0.3, bn="after", epochs=6, data=csv, out=out, threads=1)
        timing = run.record.timing
    seconds = dict.fromkeys(STAGES, 0.0)
    for (file, _, function), (*_, cumulative, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        for name, (module, wanted) in STAGES.items():
            if function == wanted and file.endswith(module):
                seconds[name] += cumulative
    return {"seconds": timing.run_seconds - timing.fit_seconds} | seconds


def listed(runs: int, command: str) -> dict[str, float]:
    """Seconds of ``runs`` or ``compare`` over so many runs of ten variants."""
    from compare import multiply

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        grid = {"dropout": [0, 0.1, 0.2, 0.3, 0.4], "bn": ["none", "before"]}
        (folder / "c.yaml").write_text(json.dumps({"defaults": {"widths": "8", "epochs": 2}, "grid": grid}))
        quietly([*WINEEXP, "batch", str(folder / "c.yaml"), "--out", str(folder / "one"), "--no-model"])
        multiply(folder / "one", folder / "many", runs)
        began = time.perf_counter()
        out = ["-o", str(folder / "x.png")] if command == "compare" else []
        peak = quietly([*WINEEXP, command, str(folder / "many"), *out])
        return {"seconds": time.perf_counter() - began, "peak": peak}


def judged(count: int, what: str) -> dict[str, float]:
    """Seconds of one verdict over so many seeds, or splits of two seeds, on 480 rows."""
    from wineexp.comparison.crossing import compare_splits
    from wineexp.comparison.statistics import compare_errors

    random = np.random.default_rng(0)
    if what == "seeds":
        errors = random.normal(size=(count, 480))
        return clock(lambda: compare_errors(errors).p)
    splits = {
        split: {
            seed: pd.Series(random.normal(size=480), random.choice(1600, 480, replace=False)) for seed in range(2)
        }
        for split in range(count)
    }
    return clock(lambda: compare_splits(splits, 1120).p)


def worked(jobs: int) -> dict[str, float]:
    """Seconds of a batch of eight runs with so many workers."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "c.yaml"
        config.write_text(json.dumps({"defaults": {"widths": "256x3", "epochs": 100, "bn": "after"}, "seeds": 8}))
        began = time.perf_counter()
        quietly([*WINEEXP, "batch", str(config), "--out", folder, "--jobs", str(jobs), "--no-model"])
        return {"seconds": time.perf_counter() - began}


def clock(call: Callable[[], object]) -> dict[str, float]:
    call()
    began, times = time.perf_counter(), 0
    while time.perf_counter() - began < 0.5:
        call()
        times += 1
    return {"seconds": (time.perf_counter() - began) / times}


def quietly(command: list[str]) -> float:
    """Run it; return its peak memory in MB."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_maxrss / 1024


#: Axis -> its unit of time, its points, and what measures one; work grows as the point does, or as said.
AXES: dict[str, tuple[str, list[int], Callable[[int], dict[str, float]], Callable[[int], float]]] = {
    "stages": ("all beside the fit", [1600, 16_000, 160_000, 400_000], staged, float),
    "rows": ("an epoch", [1600, 16_000, 160_000, 1_600_000], lambda n: trained(rows=n), float),
    "plain": ("an epoch", [1600, 160_000], lambda n: trained(rows=n, dropout=0, bn="none"), float),
    "eval_train": ("an epoch", [1600, 160_000], lambda n: trained(rows=n, eval_train=True), float),
    "features": ("an epoch", [11, 100, 1000, 10_000], lambda n: trained(features=n), lambda n: n + 128.0),
    "width": (
        "an epoch", [16, 64, 256, 1024, 4096], lambda n: trained(widths=[n] * 3), lambda n: 2.0 * n * n + 12 * n,
    ),
    "depth": ("an epoch", [1, 4, 16, 64], lambda n: trained(widths=[64] * n), float),
    "epochs": ("the run", [10, 100, 1000], lambda n: trained(epochs=n) | {"whole run": 1}, float),
    "runs": ("wineexp runs", [10, 100, 1000, 5000], lambda n: listed(n, "runs"), float),
    "compared": ("wineexp compare", [10, 100, 1000, 5000], lambda n: listed(n, "compare"), float),
    "seeds": ("a verdict", [2, 5, 10, 20, 50], lambda n: judged(n, "seeds"), float),
    "splits": ("a verdict", [2, 5, 10, 20, 50], lambda n: judged(n, "splits"), float),
    "workers": ("8 runs", [1, 2], worked, lambda n: 1 / n),
}  # fmt: skip


def point(axis: str, value: int) -> dict[str, float]:
    """Measure one point in a process of its own."""
    command = [sys.executable, __file__, axis, "--point", str(value)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=HERE)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axes", nargs="*", default=list(AXES))
    parser.add_argument("--point", type=int)
    given = parser.parse_args()
    if given.point is not None:
        found = AXES[given.axes[0]][2](given.point)
        found.setdefault("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        print(json.dumps(found))
        return
    for axis in given.axes:
        unit, values, _, work = AXES[axis]
        print(f"\n{axis:<12}seconds of {unit:<20} peak MB  growth  first epoch  beside the fit")
        before = None
        for value in values:
            found = point(axis, value)
            seconds = found["whole" if "whole run" in found else "seconds"]
            growth = "" if before is None else f"{seconds / before[1] / (work(value) / work(before[0])):8.2f}"
            widths = {name: width for name, width in (("first", 13), ("beside", 16)) if name in found}
            more = "".join(f"{found[name]:>{width}.3g}" for name, width in widths.items())
            print(f"{value:<12,}{seconds:>17.4g} {found['peak']:>21.0f}{growth:>8}{more}", flush=True)
            for name in (name for name in STAGES if name in found):
                print(f"{'':12}{found[name]:>17.4g}  {name}")
            before = value, seconds


if __name__ == "__main__":
    main()
