"""Times whole processes side by side: alternating rounds, ratios within each round, their spread."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """One process: wall, processor, fit and first epoch's seconds (0 if not known), peak resident memory in MB."""

    wall: float
    cpu: float
    fit: float
    memory: float
    first: float = 0.0


def timed(command: Sequence[str], env: Mapping[str, str] | None = None) -> Timing:
    """Run ``command`` to its end; its last line on stdout may be JSON with ``fit_seconds``."""
    start = time.perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **(env or {})}, text=True
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    try:
        facts = json.loads(output[output.index("{") :])
    except ValueError:
        facts = {}
    facts = facts.get("timing", facts)
    fit, first = facts.get("fit_seconds", 0.0), facts.get("first_epoch_seconds", 0.0)
    return Timing(wall, usage.ru_utime + usage.ru_stime, fit, usage.ru_maxrss / 1024, first)


def ratios(ours: Sequence[Timing], other: Sequence[Timing], of: Callable[[Timing], float]) -> str:
    """Median and range of ours / other, round by round."""
    values = [of(a) / of(b) for a, b in zip(ours, other, strict=True)]
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def median(timings: Sequence[Timing], of: Callable[[Timing], float]) -> float:
    return statistics.median(of(timing) for timing in timings)
