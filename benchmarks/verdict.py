"""Is the verdict honest? Figures behind "95 %" and "p < 0.001"; promises.py has the others.

    python benchmarks/verdict.py                     # about fifteen minutes on two cores
    python benchmarks/verdict.py --pool FOLDER       # on existing runs with many seeds per variant
    python benchmarks/verdict.py --pool FILE.csv     # or on predictions of any tool: nothing is trained
    python benchmarks/verdict.py --draws 200         # fewer draws: coarser, quicker

1. Real training: groups of seeds of the *same* variant are compared; whatever is told apart is false. Two equal
   variants, by each score, families of nine, and planned looks, through the same function as ``wineexp study``.
2. Simulated differences of known size: how often the interval holds the truth, in easy and in hard cases.
3. Two variants that differ by exactly the margin: how often they are called the same within it.
4. Splits of subtables of the real table: how often the interval holds the truth about the whole table.
5. What flatters: choosing the lowest, choosing the reference, adding seeds and judging again, a seed that failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from wineexp.comparison.crossing import compare_splits
from wineexp.comparison.estimate import ALPHA, Estimate
from wineexp.comparison.judge import judge_errors
from wineexp.comparison.statistics import compare_errors, compare_unpaired
from wineexp.comparison.variants import group_runs, passes_of
from wineexp.comparison.verdict import MARGIN_LEVEL
from wineexp.data.sources import find_table
from wineexp.runs.reader import load
from wineexp.runs.run import Run
from wineexp.runs.score import VAL_MAE, Score
from wineexp.specs.fields import BY_DEFAULT, Judge, ScoreChoice
from wineexp.specs.looks import Looks, make_looks

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

#: Departures from what the interval assumes, each with the effects of "64x3, bn or none".
HARD = ("rows exponential", "rows lognormal", "seeds t3", "twins in pairs", "30 rows, exponential")

LEVELS = (0.05, 0.005, 0.001)

#: Seeds in each group: equal ones, and three against ten.
GROUPS = ((2, 2), (3, 3), (5, 5), (10, 10), (3, 10))

POOL = {
    "name": "pool",
    "defaults": {"widths": "64x3", "epochs": 100, "mc_passes": 100},
    "seeds": list(range(2000, 2060)),
    "runs": [{}, {"scale": "standard"}, {"dropout": 0.3, "bn": "before"}, {"bn": "after"}, {"dropout": 0.3}],
}


def draw(
    dice: np.random.Generator, mean: float, seeds: int, effects: tuple[float, float, float], case: str = ""
) -> np.ndarray:
    """One simulated table of differences, shape (seeds, rows), whose true mean is ``mean``."""
    seed, row, rest = effects
    rows = 30 if case.startswith("30 rows") else ROWS
    by_row = dice.normal(0, 1, (1, rows))
    by_seed = dice.normal(0, 1, (seeds, 1))
    by_cell = dice.normal(0, 1, (seeds, rows))
    if "exponential" in case:
        by_row = dice.exponential(1, (1, rows)) - 1
    elif "lognormal" in case:
        by_row = dice.lognormal(0, 1.5, (1, rows))
        by_row = (by_row - np.exp(1.125)) / np.sqrt((np.exp(2.25) - 1) * np.exp(2.25))
    elif "t3" in case:
        by_seed = dice.standard_t(3, (seeds, 1)) / np.sqrt(3)
    elif "twins" in case:  # 90 of the rows are 45 pairs of the same wine
        by_row[:, 45:90], by_cell[:, 45:90] = by_row[:, :45], by_cell[:, :45]
    return mean + by_seed * seed + by_row * row + by_cell * rest


def coverage(seeds: int, effects: tuple[float, float, float], draws: int, start: int, case: str = "") -> float:
    """Share of simulated tables whose interval holds the true mean."""
    dice, held = np.random.default_rng(start), 0
    for _ in range(draws):
        low, high = compare_errors(draw(dice, 0.02, seeds, effects, case)).interval()
        held += low <= 0.02 <= high
    return held / draws


def same_at_the_margin(seeds: int, effects: tuple[float, float, float], draws: int, margin: float) -> float:
    """Share of simulated tables, with the margin as truth, that are called the same within it."""
    dice, same = np.random.default_rng(seeds), 0
    for _ in range(draws):
        low, high = compare_errors(draw(dice, margin, seeds, effects)).interval(MARGIN_LEVEL)
        same += -margin < low and high < margin
    return same / draws


def apart(ours: np.ndarray, theirs: np.ndarray, score: Score = VAL_MAE) -> Estimate:
    """The difference of two groups of seeds, each of shape (seeds, rows)."""
    unit = score.unit(ours, theirs)
    if len(ours) == len(theirs):
        return compare_errors(unit * (ours - theirs))
    return compare_unpaired(unit * ours, unit * theirs)


def false_rates(
    errors: np.ndarray,
    groups: tuple[int, int],
    pairs: int,
    dice: np.random.Generator,
    score: Score = VAL_MAE,
) -> list[float]:
    """Share of pairs of disjoint groups of one variant's seeds with p below each level; errors (seeds, rows)."""
    false = np.zeros(len(LEVELS))
    for _ in range(pairs):
        chosen = dice.choice(len(errors), sum(groups), replace=False)
        found = apart(errors[chosen[: groups[0]]], errors[chosen[groups[0] :]], score)
        false += [abs(found.mean) > found.half(1 - level / 2) for level in LEVELS]
    return list(false / pairs)


def false_verdicts(errors: np.ndarray, seeds: int, pairs: int, dice: np.random.Generator) -> float:
    """:func:`false_rates` of equal groups at 5 %."""
    return false_rates(errors, (seeds, seeds), pairs, dice)[0]


def family(
    errors: np.ndarray, members: int, seeds: int, dice: np.random.Generator
) -> dict[str, dict[int, np.ndarray]]:
    """Equal variants: groups of one variant's seeds under other names; drawn anew where the pool is too small."""
    chosen = dice.choice(len(errors), members * seeds, replace=members * seeds > len(errors))
    groups = errors[chosen].reshape(members, seeds, -1)
    return {str(number): dict(enumerate(group)) for number, group in enumerate(groups)}


def false_families(
    errors: np.ndarray,
    members: int,
    seeds: int,
    count: int,
    dice: np.random.Generator,
    looks: Looks | None = None,
) -> float:
    """Share of families of equal variants in which any is told from the first."""
    false = 0
    for _ in range(count):
        drawn = family(errors, members, seeds, dice)
        false += any(verdict.is_told for verdict in judge_errors(drawn, "0", looks=looks))
    return false / count


def by_looks(
    effects: tuple[float, float, float], truth: float, looks: Looks, draws: int, start: int
) -> tuple[float, float, float]:
    """Of simulated pairs judged by looks, stopped where told: share told, coverage of the interval, mean seeds."""
    dice, told, held, used = np.random.default_rng(start), 0, 0, 0
    for _ in range(draws):
        table = draw(dice, truth, looks.counts[-1], effects)
        for number, count in enumerate(looks.counts, 1):
            seen = {"b": dict(enumerate(table[:count])), "a": dict(enumerate(np.zeros_like(table[:count])))}
            (verdict,) = judge_errors(seen, "a", looks=looks)
            if verdict.is_told or number == len(looks.counts):
                break
        told += verdict.is_told
        used += count
        low, high = verdict.interval or (-np.inf, np.inf)
        held += low <= truth <= high
    return told / draws, held / draws, used / draws


# -- what flatters ---------------------------------------------------------------------------------


def lowest(errors: np.ndarray, members: int, seeds: int, count: int, dice: np.random.Generator) -> float:
    """Mean of the lowest of equal variants' MAE, less what it is in truth."""
    truth = errors.mean()
    drawn = [family(errors, members, seeds, dice).values() for _ in range(count)]
    return float(np.mean([min(np.mean(list(one.values())) for one in groups) for groups in drawn]) - truth)


def false_by_chosen_reference(
    errors: np.ndarray, members: int, seeds: int, count: int, dice: np.random.Generator
) -> float:
    """Share of families of equal variants in which any is told from the lowest."""
    false = 0
    for _ in range(count):
        drawn = family(errors, members, seeds, dice)
        best = min(drawn, key=lambda label: np.mean(list(drawn[label].values())))
        false += any(verdict.is_told for verdict in judge_errors(drawn, best))
    return false / count


def added(effects: tuple[float, float, float], start: int, most: int, draws: int, *, every: bool) -> float:
    """Share of equal pairs told apart when seeds are added: as many as "needed" says, once, or one by one."""
    dice, false = np.random.default_rng(start), 0
    for _ in range(draws):
        table = draw(dice, 0.0, most, effects)
        found = compare_errors(table[:start])
        counts = range(start + 1, most + 1)
        if not every and found.p >= ALPHA:
            needed = found.seeds_needed(abs(found.mean), most=most)
            counts = range(needed, needed + 1) if needed is not None and needed > start else range(0)
        tables = (compare_errors(table[:count]) for count in counts)
        false += found.p < ALPHA or any(abs(one.mean) > one.half(1 - ALPHA / 2) for one in tables)
    return false / draws


def coverage_where_a_seed_fails(seeds: int, effects: tuple[float, float, float], draws: int) -> float:
    """Coverage of the truth where one seed in five fails by 0.5, in one of the two variants only."""
    dice, held = np.random.default_rng(seeds), 0
    for _ in range(draws):
        failed = dice.random((seeds, 1)) < 0.2
        low, high = compare_errors(draw(dice, 0.0, seeds, effects) + 0.5 * failed).interval()
        held += low <= 0.1 <= high
    return held / draws


# -- splits ---------------------------------------------------------------------------------------


class Surrogate:
    """A network that trains in a millisecond: random features of a seed, and ridge regression on them."""

    def __init__(self, width: int, penalty: float) -> None:
        self.width, self.penalty = width, penalty

    def errors(self, x: np.ndarray, y: np.ndarray, train: np.ndarray, judge: np.ndarray, seed: int) -> np.ndarray:
        """Absolute errors on the rows ``judge`` after fitting on the rows ``train``."""
        dice = np.random.default_rng(seed)
        weights, bias = dice.normal(0, 1, (x.shape[1], self.width)), dice.normal(0, 1, self.width)
        features = np.maximum(0, x @ weights / np.sqrt(x.shape[1]) + bias)
        features = np.hstack([features, np.ones((len(x), 1))])
        fitted = features[train]
        solution = np.linalg.solve(fitted.T @ fitted + self.penalty * np.eye(self.width + 1), fitted.T @ y[train])
        return np.abs(features[judge] @ solution - y[judge])


#: Two "variants", close to each other.
SURROGATES = (Surrogate(20, 1.0), Surrogate(24, 3.0))


def split_coverage(
    x: np.ndarray, y: np.ndarray, rows: int, splits: int, seeds: int, draws: int, *, own: bool
) -> tuple[float, float, float]:
    """Coverage of the truth about the whole table from subtables: ours, the cautious one, and half-width.

    The truth is the mean difference over many subtables of that size, judged on all other rows.
    """
    dice = np.random.default_rng(rows)
    cut = int(0.7 * rows)

    def difference(train: np.ndarray, judge: np.ndarray, seed: int) -> np.ndarray:
        one, other = (model.errors(x, y, train, judge, seed) for model in SURROGATES)
        return one - other

    truths = []
    for number in range(2000):
        order = dice.permutation(len(x))
        truths.append(difference(order[:cut], order[cut:], 10**6 + number).mean())
    truth, ours, cautious, widths = float(np.mean(truths)), 0, 0, []
    for number in range(draws):
        table = dice.choice(len(x), rows, replace=False)
        found: dict[int, dict[int, pd.Series]] = {}
        for split in range(splits):
            order = dice.permutation(rows)
            train, judge = table[order[:cut]], table[order[cut:]]
            first = number * 1000 + (split * seeds if own else 0)
            found[split] = {
                seed: pd.Series(difference(train, judge, seed), order[cut:])
                for seed in range(first, first + seeds)
            }
        estimate = compare_splits(found, cut)
        for share, (low, high) in enumerate((estimate.interval(), estimate.cautious(0.95))):
            held = low <= truth <= high
            ours, cautious = ours + (held and share == 0), cautious + (held and share == 1)
        widths.append(estimate.half(0.975))
    return ours / draws, cautious / draws, float(np.mean(widths))


# -- the report -----------------------------------------------------------------------------------


def pool(runs: Sequence[Run], score: ScoreChoice = BY_DEFAULT) -> Iterator[tuple[str, np.ndarray]]:
    """Each variant of some runs, with its errors, shape (seeds, rows)."""
    for variant in group_runs(runs, score):
        yield variant.label, np.stack(list(variant.errors.values()))


def train(folder: Path) -> None:
    """Train the pool with the command line."""
    config = folder / "pool.yaml"
    config.write_text(json.dumps(POOL))
    command = [sys.executable, "-m", "wineexp", "batch", config, "--out", folder / "runs", "--no-model"]
    subprocess.run(list(map(str, command)), check=True)


def shares(values: Sequence[float], digits: int = 1) -> str:
    return "  ".join(f"{value:7.{digits}%}" for value in values)


def report_real(pools: Sequence[tuple[str, np.ndarray]], pairs: int) -> None:
    """Equal variants of real training."""
    dice, looks = np.random.default_rng(0), make_looks([5, 10, 20])
    print(f"1. equal variants of real training, {pairs} pairs each: false at 5 %, 0.5 %, 0.1 %")
    print("   goal: at most 6, 1 and 0.2 %")
    for groups in GROUPS:
        rows = [
            (label, false_rates(errors, groups, pairs, dice))
            for label, errors in pools
            if len(errors) >= sum(groups)
        ]
        for label, rates in rows:
            print(f"   {groups[0]:>2} against {groups[1]:<3} {label:<34}{shares(rates, 2)}")
        mean = np.mean([rates for _, rates in rows], axis=0)
        print(f"   {groups[0]:>2} against {groups[1]:<3} {'all':<34}{shares(list(mean), 2)}", flush=True)
    count = max(1, pairs // 4)
    nine = [false_families(errors, 10, 3, count, dice) for _, errors in pools]
    print(f"   any of nine told, 3 seeds, {count} families each (goal at most 8 %): {shares(nine)}")
    told = [false_families(errors, 2, 20, count, dice, looks) for _, errors in pools]
    print(
        f"   planned looks at 5, 10, 20 seeds, {count} pairs each (goal at most 6 %): {shares(told)}", flush=True
    )


def report_scores(runs: Sequence[Run], pairs: int) -> None:
    """Equal variants of real training, by the other scores."""
    judges: list[Judge] = ["error_rate", "brier"] if runs[0].has_classes else ["rmse"]
    usual: Judge = "log_loss" if runs[0].has_classes else "mae"
    judges += [cast(Judge, f"{judge}_mc") for judge in (usual, *judges) if 0 not in passes_of(runs)]
    cells: list[float] = []
    print("   the same by other scores, at 5 % (goal: no cell significantly above 6 %, mean at most 5.5 %)")
    for judge in judges:
        dice, score = np.random.default_rng(0), Score(judge)
        pools = list(pool(runs, ScoreChoice(judge)))
        for groups in GROUPS:
            found = [false_rates(errors, groups, pairs, dice, score)[0] for _, errors in pools]
            cells += found
            print(f"   {groups[0]:>2} against {groups[1]:<3} {judge:<34}{shares(found, 2)}", flush=True)
    print(f"   {len(cells)} cells: mean {np.mean(cells):.2%}, largest {max(cells):.2%}")


def report_simulated(draws: int) -> None:
    """Simulated truths."""
    print(f"2. coverage of the 95 % interval (goal 93 to 97 %), {draws} draws, {ROWS} rows; 3, 5, 10, 20 seeds")
    for case, effects in EFFECTS.items():
        found = [coverage(seeds, effects, draws, seeds) for seeds in (3, 5, 10, 20)]
        print(f"   {case:<24}{shares(found)}", flush=True)
    for case in HARD:
        found = [coverage(seeds, EFFECTS["64x3, bn or none"], draws, seeds, case) for seeds in (3, 5, 10, 20)]
        print(f"   {case:<24}{shares(found)}", flush=True)
    print("3. called the same within 0.05 where the difference is 0.05 (goal at most 6 %); 3, 5, 10, 20 seeds")
    for case, effects in EFFECTS.items():
        found = [same_at_the_margin(seeds, effects, draws, 0.05) for seeds in (3, 5, 10, 20)]
        print(f"   {case:<24}{shares(found)}", flush=True)
    looks = make_looks([5, 10, 20])
    print(f"   planned looks at {looks} seeds: told, coverage of the interval (goal at least 94 %), mean seeds")
    for truth in (0.0, 0.03, 0.05, 0.08):
        told, held, used = by_looks(EFFECTS["64x3, bn or none"], truth, looks, draws, 1)
        print(f"   difference {truth:<13}{shares([told, held])}  {used:5.1f}", flush=True)


def report_splits(draws: int) -> None:
    """Splits of subtables of the real table."""
    frame = find_table(None, stand_in=False).table.frame
    y = frame["quality"].to_numpy(np.float64)
    x = frame.drop(columns="quality").to_numpy(np.float64)
    x = (x - x.mean(0)) / x.std(0)
    print(f"4. splits of subtables, {draws} draws: coverage (goal 93 to 97 %), the cautious one's, half-width")
    for rows in (200, 400):
        for splits in (5, 10):
            for own in (True, False):
                ours, cautious, width = split_coverage(x, y, rows, splits, 3, draws, own=own)
                seeds = "seeds of its own" if own else "shared seeds"
                told = f"{rows} rows, {splits:>2} splits, {seeds}"
                print(f"   {told:<40}{shares([ours, cautious])}  {width:.4f}", flush=True)


def report_choices(pools: Sequence[tuple[str, np.ndarray]], draws: int) -> None:
    """What flatters."""
    dice, effects = np.random.default_rng(6), EFFECTS["64x3, bn or none"]
    print(f"5. what flatters, {draws} draws; real training, each variant of the pool")
    for members in (6, 20):
        found = [lowest(errors, members, 3, max(1, draws // 4), dice) for _, errors in pools]
        told = "  ".join(f"{value:+.4f}" for value in found)
        print(f"   the lowest of {members:>2} equal variants, 3 seeds, less its truth    {told}", flush=True)
    found = [false_by_chosen_reference(errors, 6, 3, max(1, draws // 4), dice) for _, errors in pools]
    print(f"   any of six told from the lowest of them                    {shares(found)}", flush=True)
    again = [added(effects, start, 200, draws, every=False) for start in (3, 5)]
    print(f"   seeds added once, as many as needed seemed; from 3, 5      {shares(again)}", flush=True)
    peeked = added(effects, 3, 20, draws, every=True)
    print(f"   judged after every seed, 3 to 20                           {shares([peeked])}", flush=True)
    failing = [coverage_where_a_seed_fails(seeds, effects, draws) for seeds in (3, 5, 10)]
    print(f"   coverage where one seed in five fails; 3, 5, 10 seeds      {shares(failing)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--pool",
        type=Path,
        help="a folder of runs, or a CSV of predictions (docs/predictions.md), with many seeds of each variant",
    )
    parser.add_argument(
        "--draws", type=int, default=2000, help="pairs, simulated tables; a fifth of that for splits"
    )
    parser.add_argument("--real", action="store_true", help="only the pool, nothing simulated")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if options.pool is None:
            train(Path(temporary))
        runs = load([options.pool or Path(temporary) / "runs"])
    pools = list(pool(runs))
    report_real(pools, options.draws)
    report_scores(runs, options.draws)
    if options.real:
        return
    report_simulated(options.draws)
    report_splits(max(1, options.draws // 5))
    report_choices(pools, options.draws)


if __name__ == "__main__":
    main()
