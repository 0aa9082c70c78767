"""Runs in a notebook: one with its curves, several as the table that ``wineexp runs`` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from wineexp.data.simulated import NOT_ABOUT_WINE
from wineexp.errors import RunError
from wineexp.listing import TARGET, Listing
from wineexp.notebook.card import Card
from wineexp.runs.columns import default_columns, row
from wineexp.runs.run import Run
from wineexp.runs.summary import ending, facts, spread
from wineexp.specs.wording import say
from wineexp.text import count_of, format_number

__all__ = ["SIMULATED", "counted", "run_card", "run_line", "runs_card"]

#: The state of a run that was removed or damaged in the meantime.
UNREADABLE = "unreadable"

SIMULATED = f"SIMULATED table: {NOT_ABOUT_WINE}"

#: The most rows of a table in a notebook.
MOST_ROWS = 200


def run_card(run: Run) -> Card:
    """One run: its spec, its results, its curves. Unreadable parts are reported, never raised."""
    try:
        record = run.record
    except RunError as error:
        return Card(f"run {run.path.name}", notes=(str(error),))
    spec, notes = run.spec, []
    told = [say(field, getattr(spec, field)) for field in spec.differing()]
    lines = [f"Differs from the defaults by {', '.join(told)}." if told else "All settings are the defaults."]
    known: list[tuple[str, str]] = []
    figure: bytes | None = None
    try:
        if run.status == "done":
            known += facts(run)
        else:
            lines.append(ending(run))
        figure = _curves(run)
    except (RunError, OSError) as error:  # moved, removed or damaged in the meantime
        notes.append(str(error))
    return Card(
        f"{run.label}, seed {spec.seed}: {record.outcome}",
        SIMULATED if record.simulated else "",
        (*lines, spec.describe()),
        facts=(*known, ("files", f"{run.path}/")),
        figure=figure,
        alt=f"Learning curves of {run.label}, seed {spec.seed}.",
        notes=tuple(notes),
    )


def _curves(run: Run) -> bytes:
    """curves.png drawn anew: the file also carries the whole history as text, which a notebook need not keep."""
    from wineexp.runs.curves import figure, save
    from wineexp.runs.picture import read_png

    return save(figure(*read_png(run.curves_path)), "png")


def runs_card(runs: Sequence[Run]) -> Card:
    """Several runs: the settings that differ and the main metrics; for a single variant also mean and spread."""
    known = [run for run in runs if _state(run) != UNREADABLE]
    lines: list[str] = []
    if len(known) > 1 and len({run.record.variant_key for run in known}) == 1:
        lines = spread(known)
    targets = {run.spec.target for run in known}
    target = targets.pop() if len(targets) == 1 else TARGET
    rows = tuple(map(row, known))
    table = Listing(tuple(default_columns(rows)), rows[:MOST_ROWS], target=target, total=len(rows)).filled()
    return Card(
        counted(runs),
        SIMULATED if any(run.record.simulated for run in known) else "",
        tuple(lines),
        tables=(table,) if known else (),
        notes=tuple(f"{run.path}: cannot be read any more" for run in runs if run not in known),
    )


def counted(runs: Sequence[Run]) -> str:
    """The number of runs, and of each outcome: ``3 runs: 2 done, 1 failed``."""
    states = Counter(map(_state, runs))
    told = ", ".join(f"{count} {status}" for status, count in states.items())
    return f"{count_of(len(runs), 'run')}{f': {told}' if told else ''}"


def run_line(run: Run) -> str:
    """One run in a line: its place, its outcome, its error."""
    state = _state(run)
    if state == UNREADABLE:
        return f"{str(run.path)!r}, {state}"
    key = "val_log_loss" if run.spec.has_classes else "val_mae"
    error = getattr(run.record.metrics, key)
    return f"{str(run.path)!r}, {state}{'' if error is None else f', {key} {format_number(error)}'}"


def _state(run: Run) -> str:
    try:
        return run.status
    except RunError:
        return UNREADABLE
