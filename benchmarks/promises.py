"""What the verdicts promise, measured on made-up tables whose truth is known.

python benchmarks/promises.py [--draws 2000] [--part clusters detected plan disjoint partly page skewed]

Nothing is trained, so it takes minutes. Each part ends with a table as docs/verdict.md has it. Each number is a
share of so many draws, in percent; one of 2,000 draws at 5 % has a standard error of 0.5. Seeds of the dice from
7000 on were used for nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import pandas as pd
from run_all import processor

from wineexp.comparison.clusters import Clusters
from wineexp.comparison.crossing import compare_splits
from wineexp.comparison.estimate import ALPHA, Estimate
from wineexp.comparison.judge import judge_errors
from wineexp.comparison.statistics import compare_errors, compare_seeds
from wineexp.comparison.variants import Variant
from wineexp.specs.run_spec import RunSpec

#: Standard deviations of a seed's effect on a difference, of a row's, and of the rest.
EFFECTS = {
    "typical": (0.05, 0.30, 0.30),
    "large seed effect": (0.15, 0.30, 0.35),
    "large row effect": (0.10, 0.70, 0.25),
    "rest only": (0.0, 0.0, 0.30),
    "no seed effect": (0.0, 0.20, 0.25),
}

ROWS = 480

CORRELATIONS = (0.0, 0.1, 0.3, 0.5)


class Cell(NamedTuple):
    """One rate: its row and column in docs/verdict.md, its own name, and what measures it in some draws."""

    row: str
    column: str
    name: str
    measure: Callable[[int, int], float]


def sizes_of(kind: str) -> np.ndarray:
    """The sizes of clusters."""
    if kind == "48 of 10":
        return np.full(48, 10)
    if kind == "240 pairs":
        return np.full(240, 2)
    if kind == "1 to 40":
        return np.random.default_rng(40).integers(1, 41, 24)
    if kind == "5 of 20":
        return np.full(5, 20)
    return np.ones(ROWS, int)


def clustered(dice: np.random.Generator, seeds: int, codes: np.ndarray, correlation: float) -> np.ndarray:
    """Differences with true mean 0, shape (seeds, rows); rows and rest are correlated within clusters."""
    count = int(codes.max()) + 1

    def together(shape: tuple[int, ...]) -> np.ndarray:
        shared, own = dice.normal(0, 1, (*shape, count)), dice.normal(0, 1, (*shape, len(codes)))
        return np.sqrt(correlation) * shared[..., codes] + np.sqrt(1 - correlation) * own

    return 0.05 * dice.normal(0, 1, (seeds, 1)) + 0.3 * together(()) + 0.3 * together((seeds,))


def missed(kind: str, seeds: int, correlation: float, draws: int, start: int) -> float:
    """Share of tables whose 95 % interval misses the truth."""
    dice, codes = np.random.default_rng(start), np.repeat(np.arange(len(sizes_of(kind))), sizes_of(kind))
    clusters = Clusters.of(codes)
    found = (compare_errors(clustered(dice, seeds, codes, correlation), clusters) for _ in range(draws))
    return float(np.mean([abs(one.mean) > one.half(0.975) for one in found]))


def missed_over_splits(kind: str, splits: int, correlation: float, draws: int, start: int) -> float:
    """The same over splits with seeds of their own: each judges three tenths of the clusters."""
    dice, sizes = np.random.default_rng(start), sizes_of(kind)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    labels, miss = pd.Series(codes), 0
    for _ in range(draws):
        shared = dice.normal(0, 0.3, len(sizes))[codes] * np.sqrt(correlation)
        by_row = shared + dice.normal(0, 0.3, len(codes)) * np.sqrt(1 - correlation)
        found = {}
        for split in range(splits):
            judged = np.flatnonzero(np.isin(codes, dice.permutation(len(sizes))[: max(2, int(0.3 * len(sizes)))]))
            cell = np.sqrt(correlation) * dice.normal(0, 0.3, len(sizes))[codes[judged]]
            cell += np.sqrt(1 - correlation) * dice.normal(0, 0.3, len(judged))
            found[split] = {split: pd.Series(by_row[judged] + cell + 0.05 * dice.normal(), judged)}
        one = compare_splits(found, int(0.7 * len(codes)), labels)
        miss += abs(one.mean) > one.half(0.975)
    return miss / draws


def table(dice: np.random.Generator, mean: float, seeds: int, effects: tuple[float, float, float]) -> np.ndarray:
    """Differences of shape (seeds, rows)."""
    seed, row, rest = effects
    by_row, by_seed = dice.normal(0, row, (1, ROWS)), dice.normal(0, seed, (seeds, 1))
    return mean + by_seed + by_row + dice.normal(0, rest, (seeds, ROWS))


def detected(effects: tuple[float, float, float], seeds: int, comparisons: int, draws: int, start: int) -> float:
    """Share of new studies that find the difference which a pilot of as many seeds calls detectable."""
    dice, found, alpha = np.random.default_rng(start), 0, ALPHA / comparisons
    for _ in range(draws):
        size = compare_errors(table(dice, 0.0, seeds, effects)).detectable(alpha=alpha)
        one = compare_errors(table(dice, size or 0.0, seeds, effects))
        found += abs(one.mean) > one.half(1 - alpha / 2)
    return found / draws


def planned(effects: tuple[float, float, float], seeds: int, draws: int, start: int) -> float:
    """Share of new studies, of as many seeds as a pilot's plan asks for, that find the difference planned for.

    The difference is the one that 8 seeds would truly detect. Pilots that say that seeds cannot do it count not.
    """
    dice, found, used = np.random.default_rng(start), 0, 0
    large = table(np.random.default_rng(1), 0.0, 400, effects)
    size = compare_errors(large).detectable(8) or 0.0
    for _ in range(draws):
        needed = compare_errors(table(dice, 0.0, seeds, effects)).seeds_needed(size, most=100)
        if needed is None:
            continue
        one = compare_errors(table(dice, size, max(2, needed), effects))
        used, found = used + 1, found + (abs(one.mean) > one.half(0.975))
    return found / used if used else float("nan")


def two(
    dice: np.random.Generator, counts: tuple[int, int], common: int, sds: tuple[float, float], correlation: float
) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Errors of two equal variants, seed to rows, some seeds in common; effects of seeds have these sds."""
    base = dice.normal(0, 0.3, ROWS)
    shared = dice.normal(0, 1, common)
    sides = []
    for side, (count, sd) in enumerate(zip(counts, sds, strict=True)):
        by_row = base + dice.normal(0, 0.15, ROWS)
        effect = np.sqrt(1 - correlation) * dice.normal(0, 1, count)
        effect[:common] += np.sqrt(correlation) * shared
        effect[common:] += np.sqrt(correlation) * dice.normal(0, 1, count - common)
        errors = 0.6 + by_row + sd * effect[:, None] + dice.normal(0, 0.2, (count, ROWS))
        numbers = [*range(common), *range(1000 * (side + 1), 1000 * (side + 1) + count - common)]
        sides.append(dict(zip(numbers, errors, strict=True)))
    return sides[0], sides[1]


def false(
    counts: tuple[int, int], common: int, sds: tuple[float, float], correlation: float, draws: int, start: int
) -> float:
    """Share of equal variants that are told apart at 5 %."""
    dice, wrong = np.random.default_rng(start), 0
    for _ in range(draws):
        one: Estimate = compare_seeds(*two(dice, counts, common, sds, correlation))
        wrong += abs(one.mean) > one.half(0.975)
    return wrong / draws


def width(counts: tuple[int, int], common: int, correlation: float, draws: int, start: int) -> float:
    """Mean half-width over that of five pairs, of one set of tables, less 1."""
    dice, ours, pairs = np.random.default_rng(start), [], []
    for _ in range(draws):
        one, other = two(dice, (5, 5), 5, (0.05, 0.05), correlation)
        pairs.append(compare_seeds(one, other).half(0.975))
        kept = dict(list(other.items())[:common])
        new = dict(list(two(dice, (5, 5), 0, (0.05, 0.05), correlation)[1].items())[: counts[1] - common])
        ours.append(compare_seeds(one, kept | new).half(0.975))
    return float(np.mean(ours) / np.mean(pairs) - 1)


def nine(seeds: int, sds: tuple[float, float], draws: int, start: int) -> float:
    """Share of families of nine equal variants against a reference, all of other seeds, in which any is told."""
    dice, wrong = np.random.default_rng(start), 0
    for _ in range(draws):
        base = dice.normal(0, 0.3, ROWS)
        errors = {}
        for number in range(10):
            by_row = base + dice.normal(0, 0.15, ROWS)
            sd = sds[number % 2]
            values = 0.6 + by_row + dice.normal(0, sd, (seeds, 1)) + dice.normal(0, 0.2, (seeds, ROWS))
            errors[str(number)] = dict(zip(range(100 * number, 100 * number + seeds), values, strict=True))
        wrong += any(verdict.is_told for verdict in judge_errors(errors, "0"))
    return wrong / draws


def same_at_the_margin(comparisons: int, seeds: int, draws: int, start: int) -> float:
    """Share of families of which any is called the same within the margin that each of them differs by."""
    dice, wrong = np.random.default_rng(start), 0
    for _ in range(draws):
        base = np.abs(dice.normal(0.6, 0.3, ROWS))
        errors = {"reference": dict(enumerate(base + table(dice, 0.0, seeds, (0.0, 0.0, 0.2))))}
        for number in range(comparisons):
            errors[str(number)] = dict(enumerate(base + table(dice, 0.05, seeds, (0.02, 0.1, 0.2))))
        wrong += any(verdict.kind == "same" for verdict in judge_errors(errors, "reference", margin=0.05))
    return wrong / draws


def any_claim(shape: tuple[int, ...], seeds: int, draws: int, start: int) -> float:
    """Share of crosses in which nothing differs whose page makes any claim: a verdict, an effect or a letter."""
    dice, wrong = np.random.default_rng(start), 0
    names = {"dropout": (0.0, 0.3, 0.5), "bn": ("none", "before", "after")}
    fields = dict(zip(names, shape, strict=True))
    specs = [
        RunSpec.parse({"dropout": dropout, "bn": bn})
        for dropout in names["dropout"][: fields["dropout"]]
        for bn in names["bn"][: fields["bn"]]
    ]
    for _ in range(draws):
        base, variants = np.abs(dice.normal(0.6, 0.3, ROWS)), []
        for spec in specs:
            variant = Variant(spec.label(), {}, spec, None)
            errors = base + table(dice, 0.0, seeds, (0.05, 0.2, 0.2))
            vars(variant).update(errors=dict(enumerate(errors)), clusters=None, error=None)
            variants.append(variant)
        told = judge_errors({one.label: one.errors for one in variants}, variants[0].label)
        wrong += any(verdict.kind in ("better", "worse") for verdict in told)
    return wrong / draws


def skewed(
    shape: str, rows: int, seeds: int, effects: tuple[float, float, float], draws: int, start: int
) -> float:
    """Share of tables with skewed effects of rows whose 95 % interval misses the truth."""
    dice, miss = np.random.default_rng(start), 0
    seed, row, rest = effects
    for _ in range(draws):
        if shape == "exponential":
            by_row = dice.exponential(1, rows) - 1
        else:
            sd = float(shape.split()[-1])
            by_row = (dice.lognormal(0, sd, rows) - np.exp(sd**2 / 2)) / np.sqrt(
                (np.exp(sd**2) - 1) * np.exp(sd**2)
            )
        values = row * by_row + seed * dice.normal(0, 1, (seeds, 1)) + rest * dice.normal(0, 1, (seeds, rows))
        one = compare_errors(values)
        miss += abs(one.mean) > one.half(0.975)
    return miss / draws


def of_clusters() -> Iterator[Cell]:
    kinds = {
        "48 of 10": "48 clusters of 10 rows",
        "1 to 40": "24 clusters of 1 to 40 rows",
        "240 pairs": "240 pairs",
        "5 of 20": "5 clusters of 20 rows",
    }
    for kind, row in kinds.items():
        for correlation in CORRELATIONS:
            for seeds in (3, 5, 10):
                told = f"{kind}, {correlation}, {seeds} seeds"
                yield Cell(row, f"{seeds} seeds", told, partial(missed, kind, seeds, correlation))
    for kind in list(kinds)[:3]:
        for correlation in CORRELATIONS:
            for splits in (5, 10):
                told = f"{kind}, {correlation}, {splits} splits"
                yield Cell(
                    kinds[kind], f"{splits} splits", told, partial(missed_over_splits, kind, splits, correlation)
                )


def of_detected() -> Iterator[Cell]:
    for name, effects in EFFECTS.items():
        row = (
            "the detectable difference, alone and among 9 comparisons"
            if effects[0]
            else "where seeds have no effect"
        )
        for comparisons in (1, 9):
            for seeds in (3, 5, 10):
                told = f"{name}, {seeds} seeds, {comparisons} comparisons"
                yield Cell(row, f"{seeds} seeds", told, partial(detected, effects, seeds, comparisons))


def of_plans() -> Iterator[Cell]:
    for name in ("typical", "large seed effect", "large row effect"):
        for seeds in (3, 5, 10):
            measure = partial(planned, EFFECTS[name], seeds)
            yield Cell(
                "with as many seeds as --plan says", f"{seeds} seeds", f"{name}, pilot of {seeds} seeds", measure
            )


def of_disjoint() -> Iterator[Cell]:
    for ratio in (1, 2, 4, 16):
        sds = 0.05, 0.05 * ratio**0.5
        for counts in ((2, 2), (3, 3), (5, 5), (10, 10), (5, 10), (3, 10), (10, 5), (10, 3), (4, 5)):
            row = f"{counts[0]} and {counts[1]} seeds"
            yield Cell(row, f"1 : {ratio}", f"{row}, 1 : {ratio}", partial(false, counts, 0, sds, 0.0))
    for ratio in (1, 4):
        for seeds in (3, 5):
            row = f"any of nine, {seeds} seeds each, after Holm"
            measure = partial(nine, seeds, (0.05, 0.05 * ratio**0.5))
            yield Cell(row, f"1 : {ratio}", f"{row}, 1 : {ratio}", measure)


def of_partly() -> Iterator[Cell]:
    cases = {
        "4 of 5": ((5, 5), 4),
        "3 of 5": ((5, 5), 3),
        "one failed": ((5, 4), 4),
        "3 of 3 and 5": ((3, 5), 3),
    }
    for name, (counts, common) in cases.items():
        for correlation in (0.0, 0.3, 0.6, 0.9):
            measure = partial(false, counts, common, (0.05, 0.05), correlation)
            yield Cell(name, "told apart", f"{name}, correlation {correlation}", measure)
        measure = partial(false, counts, common, (0.05, 0.1), 0.3)
        yield Cell(name, "told apart, variances 1 : 4", f"{name}, 1 : 4", measure)
    for name, (counts, common) in list(cases.items())[:3]:
        for correlation in (0.0, 0.3, 0.6, 0.9):
            column = f"width over five pairs' less 1, correlation {correlation}"
            yield Cell(name, column, f"{name}: {column}", partial(width, counts, common, correlation))


def of_pages() -> Iterator[Cell]:
    for shape in ((2, 2), (2, 3), (3, 3)):
        for seeds in (3, 5, 10):
            row = f"any claim, null cross {shape[0]} x {shape[1]}"
            yield Cell(row, f"{seeds} seeds", f"{row}, {seeds} seeds", partial(any_claim, shape, seeds))
    for seeds in (3, 5, 10):
        row = "any 'same' of nine at exactly the margin"
        yield Cell(row, f"{seeds} seeds", f"{row}, {seeds} seeds", partial(same_at_the_margin, 9, seeds))


def of_skewed() -> Iterator[Cell]:
    for name, effects in {"typical": (0.05, 0.3, 0.3), "rows": (0.0, 0.5, 0.1)}.items():
        for shape in ("exponential", "lognormal 1.0", "lognormal 1.5"):
            for rows in (30, 120, 480):
                for seeds in (3, 10):
                    told = f"{shape}, {rows} rows, {seeds} seeds, {name} effects"
                    measure = partial(skewed, shape, rows, seeds, effects)
                    yield Cell(f"{shape} rows", f"{rows} rows", told, measure)


#: Each part of the report with its cells.
PARTS: dict[str, Callable[[], Iterator[Cell]]] = {
    "clusters": of_clusters,
    "detected": of_detected,
    "plan": of_plans,
    "disjoint": of_disjoint,
    "partly": of_partly,
    "page": of_pages,
    "skewed": of_skewed,
}


def markdown(cells: Sequence[Cell], rates: Sequence[float]) -> str:
    """The least and the largest rate of each row and column, as docs/verdict.md has them."""
    found: dict[str, dict[str, list[float]]] = {}
    for cell, rate in zip(cells, rates, strict=True):
        found.setdefault(cell.row, {}).setdefault(cell.column, []).append(100 * rate)
    columns = list(dict.fromkeys(cell.column for cell in cells))

    def told(values: Sequence[float]) -> str:
        ends = list(dict.fromkeys(f"{end:.1f}" for end in (min(values), max(values)))) if values else []
        return f"{' to '.join(ends)} %" if ends else ""

    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [[row, *(told(rates.get(column, [])) for column in columns)] for row, rates in found.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def report(parts: Iterable[str], draws: int) -> None:
    with ProcessPoolExecutor(len(os.sched_getaffinity(0)), get_context("spawn")) as pool:
        for part in parts:
            cells = list(PARTS[part]())
            found = [pool.submit(cell.measure, draws, 7000 + number) for number, cell in enumerate(cells)]
            rates = [one.result() for one in found]
            print(f"{part}\n")
            for cell, rate in zip(cells, rates, strict=True):
                print(f"  {cell.name:<78}{100 * rate:7.1f} %")
            own = [rate for cell, rate in zip(cells, rates, strict=True) if not cell.column.startswith("width")]
            least, most, mean = (100 * value for value in (min(own), max(own), np.mean(own)))
            print(f"  {len(own)} cells: {least:.1f} to {most:.1f} %, mean {mean:.1f} %\n")
            print(f"{markdown(cells, rates)}\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--part", nargs="*", choices=list(PARTS), default=list(PARTS))
    options = parser.parse_args()
    print(processor())
    report(options.part, options.draws)


if __name__ == "__main__":
    sys.exit(main())
