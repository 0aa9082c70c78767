"""How well the order of a batch keeps its workers busy, on simulated workers.

    python benchmarks/schedule.py [--table CSV]

The queue is the one that batches use; time is counted, not spent. A run takes its floating-point operations at
40e9 a second, times a random factor between a half and two that the order does not know of, as early stopping and
a busy machine make it. A shape that is new to a worker takes 0.4 s more. Shown is the time of the
batch, divided by the least that is possible: the longest run, or all work divided by the workers. The medians of
100 draws; in brackets, where the runs are begun in the plan's order.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

from wineexp.data.encoding import most_features
from wineexp.data.table import Table, read_table
from wineexp.execution.executor import Task, TaskQueue, longest_first, operations
from wineexp.specs.run_spec import RunSpec, shape_of

HERE = Path(__file__).resolve().parent

WORKERS = (1, 2, 4, 8, 16)
OPERATIONS_PER_SECOND, COMPILE_SECONDS, DRAWS = 40e9, 0.4, 100


def simulate(
    tasks: Sequence[Task], workers: int, seconds: Callable[[Task], float], compiling: float = 0.0
) -> tuple[float, float]:
    """The time until all tasks, taken in their order, have ended; and the least possible, compilation aside.

    Parameters
    ----------
    seconds : callable
        What a task takes, the same whenever it is asked for.
    compiling : float
        Seconds more where a worker did not train the task's shape just before.
    """
    queue = TaskQueue(tasks)
    last: list[RunSpec | None] = [None] * workers
    free = [(0.0, worker) for worker in range(workers)]
    while queue:
        now, worker = heapq.heappop(free)
        attempt = queue.take(last[worker], last)
        assert attempt is not None  # every task may begin
        shape = shape_of(attempt.task.spec)
        took = seconds(attempt.task) + compiling * (shape != last[worker])
        last[worker] = shape
        heapq.heappush(free, (now + took, worker))
    each = [seconds(task) for task in tasks]
    return max(ends for ends, _ in free), max(*each, sum(each) / workers)


def plans() -> dict[str, list[RunSpec]]:
    """Batches of the kinds that people train."""
    lesson = {"dropout": 0.3, "bn": "after"}
    sizes = ["16x3", "64x3", "256x3", "1024x3"]
    return {
        "12 seeds of 64x3": [RunSpec.parse({**lesson, "widths": "64x3", "seed": n}) for n in range(12)],
        "4 sizes, 10 seeds": [
            RunSpec.parse({**lesson, "widths": size, "seed": n}) for size in sizes for n in range(10)
        ],
        "24 variants, 5 seeds": [
            RunSpec.parse({"widths": size, "dropout": rate, "bn": bn, "seed": n})
            for size in ("64x2", "64x4")
            for rate in (0, 0.1, 0.3, 0.5)
            for bn in ("none", "before", "after")
            for n in range(5)
        ],
        "60 short runs, then a long one": [
            *(RunSpec.parse({"widths": "64x3", "seed": n}) for n in range(60)),
            RunSpec.parse({"widths": "1024x3", "epochs": 300}),
        ],
    }


def stretched(tasks: Sequence[Task], table: Table, workers: int) -> float:
    """The median of time / least possible, over random factors."""

    def drawn(seed: int) -> float:
        factors = random.Random(seed)
        factor = {task.number: 2 ** factors.uniform(-1, 1) for task in sorted(tasks, key=lambda task: task.number)}

        def seconds(task: Task) -> float:
            parameters = task.spec.parameter_count(most_features(table, task.spec))
            work = operations(task.spec, len(table.frame), parameters)
            return factor[task.number] * work / OPERATIONS_PER_SECOND

        time, least = simulate(tasks, workers, seconds, COMPILE_SECONDS)
        return time / least

    return statistics.median(map(drawn, range(DRAWS)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default=str(HERE.parent.parent / "shared/data/winequality-red.csv"))
    table = read_table(parser.parse_args().table)
    print(f"{'workers':<32}" + "".join(f"{count:>14}" for count in WORKERS))
    for name, specs in plans().items():
        tasks = [Task(number, spec) for number, spec in enumerate(specs)]
        cells = []
        for workers in WORKERS:
            ours, planned = (stretched(order, table, workers) for order in (longest_first(tasks, table), tasks))
            cells.append(f"{ours:.2f} ({planned:.2f})")
        print(f"{name:<32}" + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
