"""Every benchmark, one after the other, written to benchmarks/results.md with the machine's name.

    python benchmarks/run_all.py [--peers PYTHON] [--only NAME ...] [--rounds 3]

PYTHON is an environment with the extra ``bench``; this one should have ``dask`` and ``report``, and not ``test``:
see train.py. It takes about an hour on two cores, which must do nothing else.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.md"

#: Section -> what it tells, and the command.
SECTIONS = {
    "train": ("One run beside its peers", ["train.py"]),
    "large": (
        "Larger tables",
        ["train.py", "--table", "50000x30", "400000x11", "--widths", "1024", "256", "64", "--epochs", "6"],
    ),
    "batch": ("A study beside other ways to train it", ["batch.py"]),
    "dask": ("A study on a Dask cluster beside local workers", ["batch.py", "--dask"]),
    "schedule": ("The order of a batch, on simulated workers", ["schedule.py"]),
    "small": ("What a small run costs beyond its training", ["batch.py", "--small", "200"]),
    "memory": ("Memory of a worker over many runs", ["batch.py", "--memory", "100"]),
    "compare": ("Reading many runs", ["compare.py"]),
    "growth": ("Growth", ["growth.py"]),
}


def processor() -> str:
    """The processor with what matters of its instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    found = {key.strip(): value.strip() for key, value in facts.items()}
    sets = [
        name for name in ("avx2", "avx512f", "avx512_vnni", "amx_tile") if name in found.get("flags", "").split()
    ]
    name = f"{found.get('model name', platform.processor())}, family {found.get('cpu family')}"
    return f"{name}, model {found.get('model')}, {' '.join(sets)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--rounds", default="3")
    given = parser.parse_args()
    from wineexp import runtime

    names = ("wineexp", "tensorflow", "keras", "numpy", "pandas")
    parts = [
        "# Results of the benchmarks",
        "Written by `python benchmarks/run_all.py` (`make bench`). Ratios are wineexp / other: below 1 is faster, "
        "or smaller. Medians; in brackets the range over the rounds.",
        f"{date.today()}, {runtime.available_cores()} cores: {processor()}.\n"
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names) + ".",
    ]
    for name in given.only:
        title, (script, *arguments) = SECTIONS[name]
        if name in ("train", "large", "batch", "dask"):
            arguments += ["--rounds", given.rounds]
        if name in ("train", "large"):
            arguments += ["--peers", given.peers]
        print(f"{title} ...", flush=True)
        done = subprocess.run(
            [sys.executable, str(HERE / script), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            cwd=HERE,
        )
        shown = " ".join(["python", f"benchmarks/{script}", *arguments]).replace(given.peers, "PYTHON")
        parts.append(f"## {title}\n\n`{shown}`\n\n```text\n{done.stdout.strip()}\n```")
        RESULTS.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(RESULTS)


if __name__ == "__main__":
    main()
