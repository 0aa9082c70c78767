"""One run: wineexp against the lesson written plainly with Keras ``fit``, on JAX, and in PyTorch.

    python benchmarks/train.py [--table CSV|ROWSxFEATURES|cancer ...] [--rounds N] [--widths 1024 64]
        [--epochs 100] [--peers PYTHON]

A table of ROWSxFEATURES is made of random numbers; ``cancer`` is scikit-learn's, with two classes. Whole
processes, alternating; each ratio is taken within a round. wineexp finds what it compiled for an earlier run;
"new shape" is a first one, which compiles; "first" is how much longer the first epoch takes than a later one. JAX
keeps what it compiled too, where one asks for it.
Where the processor multiplies bfloat16, wineexp is timed with ``precision: mixed_bfloat16`` as well. PYTHON is an
environment with the peers (the extra ``bench``): one of their own, as importing TensorFlow takes longer where JAX
is installed. What it lacks is left out. This one should be without the extra ``test``: pandas imports PyArrow and
Keras scikit-learn where they are installed, which would make the plain script slower.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from side_by_side import Timing, median, ratios, timed

from wineexp import runtime
from wineexp.errors import RuntimeSetupError
from wineexp.specs.run_spec import BFLOAT16_KERNEL

HERE = Path(__file__).resolve().parent

CANCER = "cancer"
OURS, WITH_CACHE = "wineexp", "JAX, with its cache"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", nargs="+", default=[str(HERE.parent.parent / "shared/data/winequality-red.csv")]
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--widths", type=int, nargs="+", default=[1024, 64])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--peers", default=sys.executable)
    arguments = parser.parse_args()
    for name in arguments.table:
        with tempfile.TemporaryDirectory() as folder:
            is_made = name == CANCER or re.fullmatch(r"\d+x\d+", name)
            table = made(name, folder) if is_made else name
            for width in arguments.widths:
                print(f"\n{Path(name).name}: {width}x3, {arguments.epochs} epochs, {arguments.rounds} rounds")
                compare(table, width, arguments.epochs, arguments.rounds, arguments.peers)


def made(shape: str, folder: str) -> str:
    """The path of a table of so many rows and features, or of the breast cancer one."""
    from growth import table

    path = Path(folder) / f"{shape}.csv"
    if shape == CANCER:
        from sklearn.datasets import load_breast_cancer

        load_breast_cancer(as_frame=True).frame.rename(columns={"target": "label"}).to_csv(
            path, sep=";", index=False
        )
        return str(path)
    table(*map(int, shape.split("x"))).to_csv(path, sep=";", index=False)
    return str(path)


def compare(table: str, width: int, epochs: int, rounds: int, peers: str) -> None:
    with tempfile.TemporaryDirectory() as kept:
        entries = everyone(table, width, epochs, peers, kept)
        for name in (OURS, WITH_CACHE):
            if name in entries:
                entries[name]()  # compiles for the rounds
        times: dict[str, list[Timing]] = {name: [] for name in entries}
        for _ in range(rounds):
            for name, entry in entries.items():
                times[name].append(entry())
    show(epochs, times)


def everyone(table: str, width: int, epochs: int, peers: str, kept: str) -> dict[str, Callable[[], Timing]]:
    """Each of them, as what runs it once; ``kept`` is a folder for what may be kept between processes."""

    def ours(cache: str | None, *flags: str) -> Timing:
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "wineexp", "train", "--widths", f"{width}x3", *flags]
            command += ["--dropout", "0.3", "--bn", "after", "--epochs", str(epochs)]
            if Path(table).stem == CANCER:
                command += ["--target", "label", "--loss", "binary_crossentropy"]
            places = {"XDG_CACHE_HOME": cache or out, "MPLCONFIGDIR": kept}
            return timed([*command, "--data", table, "--out", out, "--json"], places)

    plain = [sys.executable, str(HERE / "keras_fit.py"), table, str(width), str(epochs)]
    entries = {OURS: lambda: ours(kept), "wineexp, new shape": lambda: ours(None)}
    if width**2 >= BFLOAT16_KERNEL and multiplies_bfloat16():
        entries["wineexp, bfloat16"] = lambda: ours(kept, "--precision", "mixed_bfloat16")
    entries["Keras fit"] = lambda: timed(plain, {"KERAS_BACKEND": "tensorflow"})
    if has(peers, "jax"):
        on_jax, backend = [peers, *plain[1:]], {"KERAS_BACKEND": "jax"}
        cache = {"JAX_COMPILATION_CACHE_DIR": f"{kept}/jax", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        entries["Keras fit on JAX"] = lambda: timed(on_jax, backend)
        entries[WITH_CACHE] = lambda: timed(on_jax, backend | cache)
    if has(peers, "torch") and Path(table).stem != CANCER:
        entries["PyTorch loop"] = lambda: timed([peers, str(HERE / "torch_loop.py"), *plain[2:]], {})
    return entries


def show(epochs: int, times: dict[str, list[Timing]]) -> None:
    print("medians; ratios wineexp / other, median (range)")
    for name, rows in times.items():
        figures = [
            median(rows, of) for of in (lambda t: t.fit, lambda t: t.wall, lambda t: t.cpu, lambda t: t.memory)
        ]
        line = "{:<19} fit {:6.2f} s  whole {:6.2f} s  cpu {:6.2f} s  peak {:5.0f} MB".format(name, *figures)
        if rows[0].first:
            line += f"  first {median(rows, lambda t: t.first - (t.fit - t.first) / max(1, epochs - 1)):+5.2f} s"
        if name != OURS:
            ours_ = times[OURS]
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
