"""One run: wineexp against the lesson written plainly with Keras ``fit``, on JAX, and in PyTorch.

    python benchmarks/train.py [--table CSV] [--rounds N] [--widths 1024 64] [--epochs 100] [--peers PYTHON]

Whole processes, alternating; each ratio is taken within a round. Where the processor multiplies bfloat16,
wineexp is timed with ``precision: mixed_bfloat16`` too. PYTHON is an environment with the peers (the
extra ``bench``): one of their own, as importing TensorFlow takes longer where JAX is installed. What it lacks is
left out.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from side_by_side import Timing, median, ratios, timed

from wineexp import runtime
from wineexp.errors import RuntimeSetupError
from wineexp.specs.fields import BFLOAT16_KERNEL

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", default=str(HERE.parent.parent / "shared/data/winequality-red.csv"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="+", default=[1024, 64])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--peers", default=sys.executable)
    arguments = parser.parse_args()
    for width in arguments.widths:
        compare(arguments.table, width, arguments.epochs, arguments.rounds, arguments.peers)


def compare(table: str, width: int, epochs: int, rounds: int, peers: str) -> None:
    plain = [sys.executable, str(HERE / "keras_fit.py"), table, str(width), str(epochs)]
    rivals: dict[str, tuple[list[str], dict[str, str]]] = {"Keras fit": (plain, {"KERAS_BACKEND": "tensorflow"})}
    if has(peers, "jax"):
        rivals["Keras fit on JAX"] = ([peers, *plain[1:]], {"KERAS_BACKEND": "jax"})
    if has(peers, "torch"):
        rivals["PyTorch loop"] = ([peers, str(HERE / "torch_loop.py"), *plain[2:]], {})
    ours = {"wineexp": ["--precision", "float32"]}
    if width**2 >= BFLOAT16_KERNEL and multiplies_bfloat16():
        ours["wineexp, bfloat16"] = ["--precision", "mixed_bfloat16"]
    times: dict[str, list[Timing]] = {name: [] for name in (*ours, *rivals)}
    for _ in range(rounds):
        for name, flags in ours.items():
            with tempfile.TemporaryDirectory() as out:
                command = [sys.executable, "-m", "wineexp", "train", "--widths", f"{width}x3", *flags]
                command += ["--dropout", "0.3", "--bn", "after", "--epochs", str(epochs)]
                times[name].append(timed([*command, "--data", table, "--out", out, "--json"]))
        for name, (command, env) in rivals.items():
            times[name].append(timed(command, env))
    print(f"\n{width}x3, {epochs} epochs, {rounds} rounds: medians; ratios wineexp / other, median (range)")
    for name, rows in times.items():
        figures = [
            median(rows, of) for of in (lambda t: t.fit, lambda t: t.wall, lambda t: t.cpu, lambda t: t.memory)
        ]
        line = "{:<17} fit {:6.2f} s  whole {:6.2f} s  cpu {:6.2f} s  peak {:5.0f} MB".format(name, *figures)
        if name != "wineexp":
            ours_ = times["wineexp"]
            line += f"   fit {ratios(ours_, rows, lambda t: t.fit)}  whole {ratios(ours_, rows, lambda t: t.wall)}"
            line += f"  peak {ratios(ours_, rows, lambda t: t.memory)}"
        print(line, flush=True)


def multiplies_bfloat16() -> bool:
    """Whether this processor trains with ``mixed_bfloat16``."""
    try:
        runtime.check_bfloat16()
    except RuntimeSetupError:
        return False
    return True


def has(python: str, module: str) -> bool:
    """Whether a package is installed there."""
    found = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", found]).returncode == 0


if __name__ == "__main__":
    main()
