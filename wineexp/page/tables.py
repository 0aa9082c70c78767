"""The page's tables: the variants, one variant's figures, differences as bars, the curves' numbers, the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from wineexp.comparison.columns import MEAN, Entry, columns, on_page
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.effects import Effect, effect_sections
from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import Kind, format_p
from wineexp.listing import Column, Listing, Row, number
from wineexp.page.words import target, val_losses
from wineexp.runs.columns import told_metrics
from wineexp.runs.metrics import stopping
from wineexp.runs.probabilities import codes_of, has_probabilities, probabilities
from wineexp.runs.run import Run
from wineexp.runs.score import Score
from wineexp.specs.wording import format_value
from wineexp.text import epoch_number, format_interval, format_number, short_path

__all__ = [
    "by_label",
    "effect_bars",
    "environments",
    "facts",
    "rooms",
    "run_facts",
    "sampled",
    "sort_values",
    "variants",
    "verdict_bars",
]

#: Columns that a telephone of 390 points has room for, and those that a screen of 1280 has room for beside them.
#: The rest is shown on demand. The score is on the telephone.
PHONE = ("variant", "verdict")
SCREEN = ("seeds", "splits", "difference_told", "p", "gap", "skill")

#: Columns that say something only beside a reference.
_COMPARED = ("verdict", "other_way", "difference_told", "p", "detectable", "seeds_needed", "look", "group")


def _difference_told(entry: Entry) -> str | None:
    verdict = entry.verdict
    if verdict is None:
        return None
    low, high = verdict.interval or (None, None)
    return format_interval(verdict.difference.mean, low, high, form="+.4f", size=verdict.size)


def _difference(score: Score) -> Column[Entry]:
    """The difference with its interval."""
    meaning = f"{columns(score)['difference'].meaning}, with the interval that goes with the verdict"
    return Column("difference_told", "difference", meaning, _difference_told, right=True)


def variants(comparison: Comparison) -> Listing:
    """The table of the variants: the columns that every screen shows first, then those that most do."""
    score = comparison.score
    shown = [_difference(score) if column.key == "difference" else column for column in on_page(score)]
    if not comparison.verdicts:
        shown = [column for column in shown if column.key not in _COMPARED]
    # Among equals the declared order stays.
    shown.sort(key=lambda column: ("phone", "screen", "more").index(_room(column.key, score)))
    return Listing.of(shown, comparison.entries).filled()


def rooms(comparison: Comparison) -> dict[str, str]:
    """Column key -> the smallest screen that has room for it: phone, screen, or more for none."""
    score = comparison.score
    return {column.key: _room(column.key, score) for column in (*on_page(score), _difference(score))}


def _room(key: str, score: Score) -> str:
    return "phone" if key in (*PHONE, score.key) else "screen" if key in (*SCREEN, score.train_key) else "more"


def sort_values(comparison: Comparison) -> list[Row]:
    """What each variant is sorted by in each column."""
    differences = [entry.difference.mean if entry.difference else None for entry in comparison.entries]
    values = variants(comparison).data()
    return [row | {"difference_told": mean} for row, mean in zip(values, differences, strict=True)]


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


def by_label(comparison: Comparison) -> Listing | None:
    """For each label its rows; of the best variant and the reference how many are wrong, and its probability."""
    chosen = [one for one in (comparison.best, comparison.reference) if one is not None and one.judged]
    variants = {one.label: one for one in chosen}
    columns: list[Column[Any]] = []
    rows: dict[str, dict[str, Any]] = {}
    for label, variant in variants.items():
        tables = (variant.score.predictions(run) for run in variant.runs)
        whole = pd.concat([table for table in tables if table is not None])
        known = has_probabilities(whole)
        whole = whole.assign(_p=probabilities(whole)[np.arange(len(whole)), codes_of(whole)] if known else 0.0)
        wrong, p = f"wrong, {label}", f"its probability, {label}"
        columns += [Column(wrong, wrong, "", str, number(".1%"), right=True)]
        columns += [Column(p, p, "", str, number(".3f"), right=True)] if known else []
        for actual, part in whole.groupby("actual", sort=False):
            row = rows.setdefault(str(actual), {"label": str(actual), "rows": int(part["row"].nunique())})
            row[wrong], row[p] = float((part["predicted"] != part["actual"]).mean()), float(part["_p"].mean())
    if not rows:
        return None
    order = [name for run in comparison.runs if run.is_recorded for name in run.record.data.labels] + sorted(rows)
    heads = (Column("label", f"actual {target(comparison)}", "", str), Column("rows", "rows", "", str, right=True))
    return Listing((*heads, *columns), tuple(rows[name] for name in dict.fromkeys(order) if name in rows))


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


@dataclass(frozen=True)
class _Row:
    """A difference; ``interval`` is None if there is one seed."""

    label: str
    kind: Kind
    word: str
    mean: float
    interval: tuple[float, float] | None
    p: float | None
    size: float | None


def verdict_bars(comparison: Comparison) -> dict[str, Any] | None:
    """The verdicts, lowest error first, and the margin; None if there are no verdicts."""
    if not comparison.verdicts:
        return None
    ordered = sorted(comparison.verdicts, key=lambda verdict: verdict.difference.mean)
    rows = [
        _Row(
            f"{verdict.variant_label} ({verdict.beside})" if verdict.beside else verdict.variant_label,
            verdict.kind,
            verdict.word,
            verdict.difference.mean,
            verdict.interval,
            verdict.p,
            verdict.size,
        )
        for verdict in ordered
    ]
    return _placed(rows, comparison.verdicts[0].margin)


def effect_bars(effects: Sequence[Effect], *, claimed: bool) -> list[dict[str, Any]]:
    """Each section of the effects with its heading; all on one axis, so that sections can be compared.

    Unless ``claimed``, none has the colour of a claim.
    """

    def row(e: Effect) -> _Row:
        outcome, word = (e.outcome, e.word) if claimed else ("cannot tell", f"exploring: {e.word}")
        return _Row(e.change, outcome, word, e.difference.mean, e.interval, e.p, e.size)

    sections = [
        (
            heading,
            [row(e) for e in section],
        )
        for heading, section in effect_sections(effects)
    ]
    every = [row for _, rows in sections for row in rows]
    placed = []
    for heading, rows in sections:
        placed.append({"heading": heading[0].upper() + heading[1:], **_placed(rows, None, every)})
    return placed


def _placed(rows: Sequence[_Row], margin: float | None, scaled_by: Sequence[_Row] = ()) -> dict[str, Any]:
    """The rows with their bars in per cent of an axis that holds 0, the margin and all of ``scaled_by``."""
    ends = [end for row in scaled_by or rows for end in (row.mean, *(row.interval or ()))]
    ends += [0.0] if margin is None else [-margin, margin]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = 0.04 * (high - low) or 1.0
    low, high = low - room, high + room

    def at(value: float) -> float:
        return float(round(100 * (value - low) / (high - low), 3))

    ticks = [tick for tick in MaxNLocator(4).tick_values(low, high) if low < tick < high]
    return {
        "zero": at(0.0),
        "ticks": [{"at": at(tick), "text": f"{tick if abs(tick) > 1e-9 * room else 0.0:g}"} for tick in ticks],
        "margin": None if margin is None else {"start": at(-margin), "width": round(at(margin) - at(-margin), 3)},
        "rows": [_drawn(row, at) for row in rows],
    }


def _drawn(row: _Row, at: Any) -> dict[str, Any]:
    figures = format_interval(row.mean, *(row.interval or (None, None)), form="+.3f", size=row.size)
    bar = None
    if row.interval is not None:
        low, high = row.interval
        bar = {"start": at(low), "width": round(at(high) - at(low), 3)}
    return {
        "label": row.label,
        "kind": row.kind.replace(" ", "-"),
        "word": row.word,
        "figures": figures,
        "bar": bar,
        "mean": at(row.mean),
        "p": "" if row.p is None else format_p(row.p),
    }
