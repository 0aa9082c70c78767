"""The seeds of one spec as one table, with their mean and spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from wineexp.data.simulated import NOT_ABOUT_WINE
from wineexp.listing import Column, Listing, as_text, row_texts
from wineexp.runs.columns import COLUMNS
from wineexp.runs.record import Metrics
from wineexp.runs.run import Run
from wineexp.text import format_number, one_line

__all__ = ["seeds_table", "spread"]

#: The columns for each seed; the first ones also get mean and standard deviation.
_SPREAD = ("val_mae", "skill", "train_mae", "test_mae")
_COLUMNS = ("val_mae", "val_mae_se", "skill", "train_mae", "test_mae", "best_epoch", "seconds")


def seeds_table(runs: Sequence[Run]) -> str:
    """A line for each seed, then mean and standard deviation over finished ones, then what all share.

    Parameters
    ----------
    runs : sequence of Run
        Of one spec, finished or not.
    """
    done = [run for run in runs if run.status == "done"]
    keys = [key for key in _COLUMNS if any(COLUMNS[key].value(run) is not None for run in done)]
    columns: list[Column[Any]] = [COLUMNS["seed"], Column("run", "run", "", str), *(COLUMNS[key] for key in keys)]
    rows = [
        {"seed": run.spec.seed, "run": run.signature}
        | ({key: COLUMNS[key].value(run) for key in keys} if run.status == "done" else {})
        for run in runs
    ]
    table = Listing(tuple(columns), tuple(rows), footer=_footer(keys, done) if len(done) > 1 else ())
    lines = [as_text(table)]
    lines += [f"seed {run.spec.seed} {_became(run)}" for run in runs if run.status != "done"]
    lines += _shared(runs, done)
    return "\n".join(lines)


def _footer(keys: Sequence[str], done: Sequence[Run]) -> tuple[tuple[str, ...], ...]:
    """Mean and standard deviation over the finished seeds."""
    means = (_mean(key, done) for key in keys)
    return ("mean", "", *means), ("sd", "", *(_deviation(key, done) for key in keys))


def spread(runs: Sequence[Run]) -> list[str]:
    """Mean and standard deviation of each metric over the finished seeds, a line each."""
    done = [run for run in runs if run.status == "done"]
    over = f"(standard deviation over {len(done)} seeds)"
    return [
        f"{COLUMNS[key].heading} {mean} ± {_deviation(key, done)} {over}"
        for key in _SPREAD
        if (mean := _mean(key, done))
    ]


def _mean(key: str, done: Sequence[Run]) -> str:
    """The mean of a metric; empty if it has no spread."""
    values = _values(key, done)
    return row_texts([COLUMNS[key]], [statistics.mean(values)])[0] if values else ""


def _deviation(key: str, done: Sequence[Run]) -> str:
    """The standard deviation of a metric, in its format without the sign; empty if it has none."""
    values = _values(key, done)
    form = str(Metrics.model_fields[key].json_schema_extra["form"]) if values else ""  # type: ignore[index]
    if not values:
        return ""
    deviation, form = statistics.stdev(values), form.removeprefix("+")
    measured = COLUMNS[key].measure
    return format_number(deviation, form, statistics.mean(values)) if measured else format(deviation, form)


def _values(key: str, done: Sequence[Run]) -> list[float]:
    """A metric of each run; empty unless it can be averaged and two runs have it."""
    values = [value for run in done if (value := COLUMNS[key].value(run)) is not None]
    return values if key in _SPREAD and len(values) > 1 else []


def _became(run: Run) -> str:
    """The outcome of a run that is not done."""
    text = one_line(run.record.error or "by Ctrl-C or a signal")
    return f"{run.status}: {text}{f'; details: {run.error_path}' if run.error_path.exists() else ''}"


def _shared(runs: Sequence[Run], done: Sequence[Run]) -> list[str]:
    """What all runs share: the constant's MAE, the folder, a simulated table."""
    lines = [f"{len(done)} of {len(runs)} seeds done; sd: standard deviation over seeds"]
    constant = next((run.record.metrics.baseline_mae for run in done), None)
    if constant is not None:
        lines.append(f"constant's MAE {format_number(constant)} (always predicting the training median)")
    if any(run.record.simulated for run in runs):
        lines.append(f"SIMULATED: the real table was not used; {NOT_ABOUT_WINE}")
    return [*lines, f"files {runs[0].path.parent}/"]
