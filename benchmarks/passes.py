"""What the mean of passes with dropout on costs, beside its bare matrix products in NumPy.

    python benchmarks/passes.py                  # 480 rows, 100 passes, one thread; half a minute
    python benchmarks/passes.py --threads 2

Seconds of the processor, not of the clock, so that other work on the machine counts little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

ROWS, PASSES, REPEATS = 480, 100, 5


def seconds(work: Callable[[], object]) -> float:
    """The processor's seconds for a piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(widths: str) -> tuple[list[float], list[float]]:
    """Seconds of the passes and of the bare products, alternating."""
    import numpy as np

    from wineexp.specs.run_spec import RunSpec
    from wineexp.training.model import build_model
    from wineexp.training.passes import drop_passes, mean_of_passes

    spec = RunSpec.parse({"widths": widths, "dropout": 0.3, "bn": "after"})
    model = build_model(spec, 11)
    x = np.random.default_rng(0).normal(size=(ROWS, 11)).astype(np.float32)
    kernels = [value for value in model.get_weights() if value.ndim == 2]

    def passes() -> None:
        mean_of_passes(drop_passes(model, spec, x, PASSES))

    def products() -> None:
        for _ in range(PASSES):
            values = x
            for kernel in kernels:
                values = values @ kernel

    passes()  # builds the graph
    pairs = [(seconds(passes), seconds(products)) for _ in range(REPEATS)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # NumPy's, before it is loaded
        os.environ[name] = str(options.threads)
    from wineexp import runtime

    runtime.load(options.threads)
    print(f"{ROWS} rows, {PASSES} passes, dropout 0.3, bn after, {options.threads} threads: processor's seconds")
    for widths in ("1024x3", "256x3", "64x3"):
        passes, products = measure(widths)
        ratios = [one / other for one, other in zip(passes, products, strict=True)]
        told = f"{statistics.median(ratios):.2f} times ({min(ratios):.2f} to {max(ratios):.2f})"
        print(
            f"{widths:<8}{statistics.median(passes):.2f} s, products {statistics.median(products):.2f} s: {told}"
        )


if __name__ == "__main__":
    sys.exit(main())
