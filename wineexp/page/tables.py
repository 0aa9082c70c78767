"""The page's tables as plain text: the variants, one variant's figures, the curves' numbers, the runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wineexp.comparison.columns import COLUMNS, MEAN, PAGE, Entry
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.variants import Variant
from wineexp.listing import Column, Listing, Row
from wineexp.page.words import val_losses
from wineexp.runs.columns import told_metrics
from wineexp.runs.run import Run
from wineexp.runs.stopping import stopping
from wineexp.specs.wording import format_value
from wineexp.text import epoch_number, format_interval, format_number, short_path

__all__ = ["environments", "facts", "rooms", "run_facts", "sampled", "sort_values", "variants"]

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
    _difference_told,
    right=True,
)


def variants(comparison: Comparison) -> Listing:
    """The table of the variants: the columns that every screen shows first, then those that most do."""
    judged_by = _judged_by(comparison)
    shown = [_DIFFERENCE if column.key == "difference" else column for column in PAGE]
    if not comparison.verdicts:
        shown = [column for column in shown if column.key not in (*_COMPARED, _DIFFERENCE.key)]
    # Among equals the declared order stays.
    shown.sort(key=lambda column: ("phone", "screen", "more").index(_room(column.key, judged_by)))
    return Listing.of(shown, comparison.entries).filled()


def _judged_by(comparison: Comparison) -> str:
    return "test_mae" if comparison.metric == "test MAE" else "val_mae"


def rooms(comparison: Comparison) -> dict[str, str]:
    """Column key -> the smallest screen that has room for it: phone, screen, or more for none."""
    judged_by = _judged_by(comparison)
    return {column.key: _room(column.key, judged_by) for column in (*PAGE, _DIFFERENCE)}


def _room(key: str, judged_by: str) -> str:
    return "phone" if key in (*PHONE, judged_by) else "screen" if key in SCREEN else "more"


def sort_values(comparison: Comparison) -> list[Row]:
    """What each variant is sorted by in each column."""
    differences = [entry.difference.mean if entry.difference else None for entry in comparison.entries]
    values = variants(comparison).data()
    return [row | {_DIFFERENCE.key: mean} for row, mean in zip(values, differences, strict=True)]


def facts(comparison: Comparison) -> list[dict[str, str]]:
    """The figures of the only variant, each with its meaning: a table of one row reads better upright."""
    (entry,) = comparison.entries
    several = len(entry.variant.runs) > 1
    listing = variants(comparison).without("variant", "verdict", *([] if several else ["seeds"]))
    (cells,) = listing.cells()
    return [
        {
            "head": head.text,
            "shown": cell,
            "meaning": head.meaning if several else head.meaning.removesuffix(MEAN),
        }
        for head, cell in zip(listing.heads, cells, strict=True)
    ]


def sampled(shown: Sequence[Variant]) -> Listing:
    """val_loss at up to 11 epochs, the first and the last among them."""
    losses = {variant.label: [val_losses(run) for run in variant.runs] for variant in shown}
    known = sorted({epoch for lines in losses.values() for line in lines for epoch in line.index})
    epochs = sorted({known[round(part * (len(known) - 1) / 10)] for part in range(11)}) if known else []
    rows = []
    for label, runs in losses.items():
        at = [[line[epoch] for line in runs if epoch in line.index] for epoch in epochs]
        means = [float(np.mean(values)) if values else None for values in at]
        size = means[-1] if means else None
        numbers = ["" if mean is None else format_number(mean, size=size) for mean in means]
        rows.append({"label": label} | dict(zip(map(str, epochs), numbers, strict=True)))
    heads = (Column(str(epoch), f"epoch {epoch_number(epoch)}", "", str, right=True) for epoch in epochs)
    return Listing((Column("label", "val_loss", "", str), *heads), tuple(rows))


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
