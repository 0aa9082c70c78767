"""Is the verdict honest? Figures behind "95 %" and "80 % of the time".

    python benchmarks/verdict.py                     # about four minutes on two cores
    python benchmarks/verdict.py --pool FOLDER       # on existing runs with many seeds per variant

1. Real training: groups of seeds of the *same* variant are compared; every verdict but ``cannot tell`` is false.
2. Simulated differences of known size: how often the interval holds the truth.
3. The same at the smallest detectable difference: how often it is found.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wineexp.comparison.compare import compare_runs
from wineexp.comparison.statistics import Difference, compare_errors
from wineexp.comparison.verdict import ALPHA
from wineexp.runs.reader import load

ROWS = 480

#: Standard deviations of (seed, row, rest) effects, in units of the target. Pairs of variants on the red-wine
#: table have 0.02 to 0.18, 0.2 to 0.8 and 0.2 to 0.4; pairs of the same variant have no row effect. The last two
#: are limits.
EFFECTS = {
    "small seed effect": (0.02, 0.20, 0.30),
    "64x3, bn or none": (0.05, 0.30, 0.30),
    "large seed effect": (0.15, 0.30, 0.35),
    "large row effect": (0.10, 0.70, 0.25),
    "small row effect": (0.05, 0.10, 0.30),
    "same variant": (0.035, 0.0, 0.20),
    "no seed effect": (0.0, 0.20, 0.25),
    "rest only": (0.0, 0.0, 0.30),
}

POOL = {
    "name": "pool",
    "defaults": {"widths": "64x3", "epochs": 100},
    "seeds": 40,
    "grid": {"bn": ["none", "before", "after"], "dropout": [0.0, 0.3]},
}


def draw(dice: np.random.Generator, mean: float, seeds: int, effects: tuple[float, float, float]) -> np.ndarray:
    """One simulated table of differences, shape (seeds, ROWS), whose true mean is ``mean``."""
    seed, row, rest = effects
    return (
        mean
        + dice.normal(0, 1, (seeds, 1)) * seed
        + dice.normal(0, 1, (1, ROWS)) * row
        + dice.normal(0, 1, (seeds, ROWS)) * rest
    )


def coverage(seeds: int, effects: tuple[float, float, float], draws: int, start: int) -> float:
    """Share of simulated tables whose interval holds the true mean."""
    dice, held = np.random.default_rng(start), 0
    for _ in range(draws):
        low, high = compare_errors(draw(dice, 0.02, seeds, effects)).interval()
        held += low <= 0.02 <= high
    return held / draws


def power(seeds: int, effects: tuple[float, float, float], draws: int, start: int) -> float:
    """Share of simulated tables, with the smallest detectable difference as truth, in which it is detected."""
    seed, row, rest = effects
    truth = Difference(0.0, seeds, ROWS, seed**2, row**2, rest**2).detectable()
    dice, found = np.random.default_rng(start), 0
    for _ in range(draws):
        low, high = compare_errors(draw(dice, truth, seeds, effects)).interval()
        found += not low <= 0 <= high
    return found / draws


def false_verdicts(errors: np.ndarray, seeds: int, pairs: int, dice: np.random.Generator) -> float:
    """Share of pairs of disjoint groups of one variant's seeds that are told apart; errors (seeds, rows)."""
    false = 0
    for _ in range(pairs):
        chosen = dice.choice(len(errors), 2 * seeds, replace=False)
        false += compare_errors(errors[chosen[:seeds]] - errors[chosen[seeds:]]).p < ALPHA
    return false / pairs


def pool(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Each variant of a folder of runs, with its absolute errors, shape (seeds, rows)."""
    for variant in compare_runs(load([folder])).variants:
        yield variant.label, np.stack(list(variant.errors.values()))


def train(folder: Path) -> None:
    """Train the pool with the command line."""
    config = folder / "pool.yaml"
    config.write_text(json.dumps(POOL))
    command = [sys.executable, "-m", "wineexp", "batch", config, "--out", folder / "runs", "--no-model"]
    subprocess.run(list(map(str, command)), check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, help="a folder of runs with many seeds of each variant")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--draws", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.pool is None:
            train(Path(temporary))
        dice = np.random.default_rng(0)
        print(
            f"false verdicts of {options.pairs} pairs of groups of one variant "
            "(nominal 5 %, goal at most 8 %); 3, 5, 10 seeds"
        )
        rates = []
        for label, errors in pool(options.pool or Path(temporary) / "runs"):
            row = [
                false_verdicts(errors, seeds, options.pairs, dice)
                for seeds in (3, 5, 10)
                if 2 * seeds <= len(errors)
            ]
            rates.append(row)
            print(f"  {label:<28}{len(errors):>4} runs  " + "  ".join(f"{rate:6.1%}" for rate in row))
        print(
            f"  {'all':<28}           "
            + "  ".join(f"{np.mean(column):6.1%}" for column in zip(*rates, strict=True))
        )
        print("                                     3 seeds 5 seeds 10 seeds")
    for name, share in (
        ("coverage of the 95 % interval (goal 93 to 97 %)", coverage),
        ("the detectable difference is found (goal 75 to 90 %)", power),
    ):
        print(f"{name}, {options.draws} draws, {ROWS} rows; 3, 5, 10 seeds")
        for case, effects in EFFECTS.items():
            shares = [share(seeds, effects, options.draws, seeds) for seeds in (3, 5, 10)]
            print(f"  {case:<20}" + "  ".join(f"{value:6.1%}" for value in shares))


if __name__ == "__main__":
    main()
