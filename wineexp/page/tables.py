"""The page's tables as plain text: the variants, one variant's figures, the curves' numbers, the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from wineexp.comparison.columns import COLUMNS, MEAN, PAGE, Entry, with_content
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.variants import Variant
from wineexp.page.words import val_losses
from wineexp.runs.columns import Column, row_texts, told_metrics
from wineexp.runs.run import Run
from wineexp.runs.stopping import stopping
from wineexp.specs.wording import format_value
from wineexp.text import epoch_number, format_interval, format_number, short_path

__all__ = ["columns", "environments", "facts", "rows", "run_facts", "sampled"]

#: Columns that a telephone of 390 points has room for, and those that a screen of 1280 has room for beside them.
#: The rest is shown on demand. Of val and test MAE the one that judges is on the telephone.
PHONE = ("variant", "verdict")
SCREEN = ("seeds", "splits", "val_mae", "test_mae", "difference_told", "p", "train_mae", "gap", "skill")

#: Columns that say something only beside a reference.
_COMPARED = ("verdict", "difference", "p", "detectable", "seeds_needed", "look", "group")


def _difference_told(entry: Entry) -> str | None:
    verdict = entry.verdict
    if verdict is None:
        return None
    low, high = verdict.interval or (None, None)
    return format_interval(verdict.difference.mean, low, high, form="+.4f", size=verdict.size)


_DIFFERENCE: Column[Entry] = Column(
    "difference_told",
    "difference",
    f"{COLUMNS['difference'].meaning}, with the interval that goes with the verdict",
    lambda entry: entry.difference.mean if entry.difference else None,
)


def columns(comparison: Comparison) -> list[dict[str, Any]]:
    """Each column's head, whether it is of text and rows are sorted by it, and which screen has room for it."""
    judged_by = "test_mae" if comparison.metric == "test MAE" else "val_mae"
    shown = [_DIFFERENCE if column.key == "difference" else column for column in PAGE]
    if not comparison.verdicts:
        shown = [column for column in shown if column.key not in (*_COMPARED, _DIFFERENCE.key)]
    shown = [column for column in with_content(shown, comparison.entries) if _has_any(column, comparison)]
    return [
        {
            "column": column,
            "head": column.heading,
            "title": column.meaning,
            "text": any(isinstance(column.value(entry), str) for entry in comparison.entries),
            "sorted": column.key == "val_mae",
            "room": "phone" if column.key in (*PHONE, judged_by) else "screen" if column.key in SCREEN else "more",
        }
        for column in sorted(shown, key=lambda column: _importance(column.key, judged_by))
    ]


def _importance(key: str, judged_by: str) -> int:
    """What every screen shows stands first, then what most do; among equals the declared order stays."""
    return 0 if key in (*PHONE, judged_by) else 1 if key in SCREEN else 2


def _has_any(column: Column[Entry], comparison: Comparison) -> bool:
    return any(column.value(entry) not in (None, "", []) for entry in comparison.entries)


def rows(comparison: Comparison, heads: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Each variant's cells: what they show, and the value that they are sorted by."""
    return [_cells(entry, heads) for entry in comparison.entries]


def _cells(entry: Entry, heads: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    known = [head["column"] for head in heads]
    values = [column.value(entry) for column in known]
    return [
        {
            "text": head["text"],
            "room": head["room"],
            "value": "" if value is None else value,
            "shown": _difference_told(entry) or "" if head["column"] is _DIFFERENCE else text,
        }
        for head, value, text in zip(heads, values, row_texts(known, values), strict=True)
    ]


def facts(comparison: Comparison) -> list[dict[str, str]]:
    """The figures of the only variant, each with its meaning: a table of one row reads better upright."""
    (entry,) = comparison.entries
    several = len(entry.variant.runs) > 1
    heads = [head for head in columns(comparison) if head["column"].key not in ("variant", "verdict")]
    if not several:
        heads = [head for head in heads if head["column"].key != "seeds"]
    return [
        {
            "head": head["head"],
            "shown": cell["shown"],
            "meaning": head["title"] if several else head["title"].removesuffix(MEAN),
        }
        for head, cell in zip(heads, _cells(entry, heads), strict=True)
    ]


def sampled(shown: Sequence[Variant]) -> dict[str, Any]:
    """val_loss at up to 11 epochs, the first and the last among them."""
    losses = {variant.label: [val_losses(run) for run in variant.runs] for variant in shown}
    known = sorted({epoch for lines in losses.values() for line in lines for epoch in line.index})
    epochs = sorted({known[round(part * (len(known) - 1) / 10)] for part in range(11)}) if known else []
    lines = []
    for label, runs in losses.items():
        at = [[line[epoch] for line in runs if epoch in line.index] for epoch in epochs]
        means = [float(np.mean(values)) if values else None for values in at]
        size = means[-1] if means else None
        numbers = ["" if mean is None else format_number(mean, size=size) for mean in means]
        lines.append({"label": label, "numbers": numbers})
    return {"epochs": [epoch_number(epoch) for epoch in epochs], "lines": lines}


def environments(comparison: Comparison) -> list[str]:
    """Each environment that runs were trained in, once."""
    known = [run.record.environment.known() for run in comparison.runs if run.is_recorded]
    found = ["\n".join(f"{key}: {value}" for key, value in values.items()) for values in known if values]
    return list(dict.fromkeys(found)) or ["not known"]


def run_facts(run: Run) -> dict[str, str]:
    """One run: where it is, its spec, metrics and timing."""
    parts = [short_path(run.path)]
    if run.is_recorded:
        record = run.record
        told = {
            "spec": record.spec.settings(),
            "metrics": told_metrics(record.metrics),
            "timing": record.timing.model_dump(exclude_unset=True),
        }
        stopped = stopping(record.spec, run.history["val_loss"].tolist()) if record.status == "done" else None
        if stopped is not None:
            parts.append(f"early stopping: {stopped.words}")
        for key, values in told.items():
            lines = [f"  {name}: {format_value(value)}" for name, value in values.items()]
            parts += ["\n".join([key, *lines])] if lines else []
    head = f"{run.label}{f' seed {run.spec.seed}' if run.is_recorded else ''}: {run.status}"
    return {"head": head, "text": "\n\n".join(parts)}
