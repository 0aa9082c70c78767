"""A study of 12 runs: ``wineexp batch`` against other ways to train the same runs.

    python benchmarks/batch.py [--table CSV] [--rounds N] [--widths 64 1024] [--runs 12] [--epochs 100]
    python benchmarks/batch.py --dask           # on a Dask cluster of two workers here, beside local workers
    python benchmarks/batch.py --small 200      # what a small run costs beyond its training
    python benchmarks/batch.py --memory 100     # how a worker's memory grows over that many runs

The others: (a) a separate process of the plain Keras script for each run, (b) one process that loops over Keras
``fit``, (c) KerasTuner's GridSearch, where it is installed. Alternating; ratios within each round.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from side_by_side import Timing, median, ratios, timed

HERE = Path(__file__).resolve().parent
WINEEXP = [sys.executable, "-m", "wineexp", "batch"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default=str(HERE.parent.parent / "shared/data/winequality-red.csv"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--dask", action="store_true")
    parser.add_argument("--small", type=int, metavar="RUNS")
    parser.add_argument("--memory", type=int, metavar="RUNS")
    arguments = parser.parse_args()
    if arguments.small:
        overhead(arguments.table, arguments.small)
    elif arguments.memory:
        growth(arguments.table, arguments.memory)
    elif arguments.dask:
        if importlib.util.find_spec("distributed") is None:
            raise SystemExit("the extra dask is not installed: pip install '.[dask]'")
        beyond_local(arguments.table, arguments.runs, arguments.epochs, arguments.rounds)
    else:
        for width in arguments.widths:
            compare(arguments.table, width, arguments.epochs, arguments.runs, arguments.rounds)


def study(folder: str, **fields: object) -> str:
    path = Path(folder) / "study.yaml"
    path.write_text(json.dumps(fields))
    return str(path)


def compare(table: str, width: int, epochs: int, runs: int, rounds: int) -> None:
    script = [sys.executable, str(HERE / "keras_fit.py"), table, str(width), str(epochs)]
    rivals: dict[str, Callable[[], Timing]] = {
        "(a) a Keras script per run": lambda: together([timed(script) for _ in range(runs)]),
        "(b) one loop over fit": lambda: timed([*script, str(runs)]),
    }
    if importlib.util.find_spec("keras_tuner"):
        tuner = [sys.executable, str(HERE / "tuner.py"), *script[2:], str(runs)]
        rivals["(c) KerasTuner's grid"] = lambda: timed(tuner)
    times: dict[str, list[Timing]] = {name: [] for name in ("wineexp batch", *rivals)}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            defaults = {"widths": f"{width}x3", "epochs": epochs, "dropout": 0.3, "bn": "after"}
            config = study(folder, defaults=defaults, seeds=runs)
            times["wineexp batch"].append(timed([*WINEEXP, config, "--data", table, "--out", f"{folder}/outputs"]))
        for name, measure in rivals.items():
            times[name].append(measure())
    print(f"\n{runs} runs of {width}x3, {epochs} epochs, {rounds} rounds: medians; ratios wineexp / other (range)")
    for name, rows in times.items():
        line = (
            f"{name:<25} whole {median(rows, lambda t: t.wall):7.1f} s  cpu {median(rows, lambda t: t.cpu):7.1f} s"
        )
        if name != "wineexp batch":
            line += f"   {ratios(times['wineexp batch'], rows, lambda t: t.wall)}"
        print(line, flush=True)


def together(timings: list[Timing]) -> Timing:
    """The total of processes that ran one after the other."""
    return Timing(
        sum(t.wall for t in timings),
        sum(t.cpu for t in timings),
        sum(t.fit for t in timings),
        max(t.memory for t in timings),
    )


def beyond_local(table: str, runs: int, epochs: int, rounds: int) -> None:
    """The same study by two local workers, and by a cluster of two: its first study, and a second one."""
    names = ("2 local workers", "Dask, first study", "Dask, second study")
    times: dict[str, list[Timing]] = {name: [] for name in names}
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder, cluster(folder) as address:
            defaults = {"widths": "64x3", "epochs": epochs, "dropout": 0.3, "bn": "after"}
            config = study(folder, defaults=defaults, seeds=runs)
            for name in names:
                where = ["--jobs", "2"] if name == names[0] else ["--dask", address]
                command = [*WINEEXP, config, "--data", table, "--out", f"{folder}/{name}", *where]
                times[name].append(timed(command))
    print(f"\n{runs} runs of 64x3, {epochs} epochs, {rounds} rounds: medians; ratio to 2 local workers (range)")
    for name, rows in times.items():
        line = f"{name:<20} whole {median(rows, lambda t: t.wall):6.1f} s"
        print(line + f"   {ratios(rows, times[names[0]], lambda t: t.wall)}" * (name != names[0]), flush=True)


@contextlib.contextmanager
def cluster(folder: str) -> Iterator[str]:
    """The address of a Dask scheduler on loopback with two workers of one thread, each a process."""
    dask, place = [sys.executable, "-m", "dask"], ["--host", "127.0.0.1", "--no-dashboard"]
    with contextlib.ExitStack() as stack, (Path(folder) / "scheduler.log").open("w") as log:

        def start(*command: str, output: IO[str] | int) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([*dask, *command, *place], cwd=folder, stdout=output, stderr=output)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        scheduler = start("scheduler", "--port", "0", output=log)
        while not (found := re.search(r"Scheduler at:\s+(tcp://\S+)", text := Path(log.name).read_text())):
            if scheduler.poll() is not None:
                raise SystemExit(f"the scheduler ended:\n{text}")
            time.sleep(0.1)
        start("worker", found[1], "--nthreads", "1", "--nworkers", "2", output=subprocess.DEVNULL)
        yield found[1]


def overhead(table: str, runs: int) -> None:
    """Processor seconds that a small run costs beyond its fit, not counting the start-up of processes."""
    spent = {}
    for count in (2, runs + 2):
        with tempfile.TemporaryDirectory() as folder:
            config = study(folder, defaults={"widths": "64x3", "epochs": 3, "bn": "after"}, seeds=count)
            out = Path(folder) / "outputs"
            whole = timed([*WINEEXP, config, "--data", table, "--out", str(out), "--jobs", "2"])
            fit = sum(json.loads(p.read_text())["timing"]["fit_seconds"] for p in out.glob("*/run.json"))
            spent[count] = whole.cpu - fit
    cost = (spent[runs + 2] - spent[2]) / runs
    print(f"{runs} runs of 64x3: {cost:.3f} processor seconds per run beyond its fit (goal 0.25)")


def growth(table: str, runs: int) -> None:
    """Resident memory of one process with one trainer cache, after each tenth of the runs, of three kinds."""
    from wineexp import runtime
    from wineexp.data.table import read_table
    from wineexp.specs.run_spec import RunSpec

    runtime.load(1)
    from wineexp.training import trainer_cache
    from wineexp.training.experiment import guarded_run
    from wineexp.training.trainer_cache import TrainerCache

    data = read_table(table)
    for name in ("seeds", "shapes", "shapes compiled by XLA"):
        cache, sizes, start = TrainerCache(), [], time.perf_counter()
        trainer_cache.xla_repays = lambda *_, name=name: name.endswith("XLA")
        for number in range(runs):
            width = 64 if name == "seeds" else 32 + number
            spec = RunSpec.parse(
                {"widths": f"{width}x3", "epochs": 2, "bn": "after", "dropout": 0.3, "seed": number}
            )
            guarded_run(spec, data, threads=1, cache=cache)
            if number % max(1, runs // 10) == runs // 20:
                sizes.append(
                    int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
                )
        cache.close()
        seconds = (time.perf_counter() - start) / runs
        print(f"{runs} {name}: {seconds:.2f} s per run; resident MB over time: {' '.join(map(str, sizes))}")


if __name__ == "__main__":
    main()
