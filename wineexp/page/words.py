"""The words of the page: heading, question, lead, captions, text alternatives; never the author's folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from wineexp.comparison.comparison import Comparison
from wineexp.comparison.drawing import MIN_BAND, has_dropout
from wineexp.comparison.questions import quoted
from wineexp.comparison.scale import Style, loss_axis_of, shared_scale
from wineexp.comparison.variants import Variant
from wineexp.runs.run import Run
from wineexp.specs.wording import setting_words
from wineexp.text import count_of, format_interval, format_number, one_line, short_source

__all__ = [
    "brackets",
    "constant",
    "curves_caption",
    "data_text",
    "heading",
    "judged_names",
    "lead",
    "overlay_text",
    "question",
    "target",
    "val_losses",
    "without_places",
]

#: Crosses of 2 x 2 to 3 x 3 equal variants that make any claim, 3 to 10 seeds: ``benchmarks/promises.py``.
WRONG_PAGES = "3 to 5 %"

#: Limit of names in one sentence; the others are counted.
MOST_NAMED = 5


def heading(comparison: Comparison) -> str:
    """The page's title, if the user gave none."""
    if len(comparison.variants) != 1:
        return comparison.title
    count = len(comparison.variants[0].runs)
    runs = f"{count} runs" if count > 1 else "one run"
    return f"{comparison.variants[0].label}: {runs} {comparison.on_table}"


def question(comparison: Comparison) -> str:
    """The question that the page answers."""
    fields = [setting_words(field) for field in comparison.fields]
    if len(comparison.variants) == 1 or not fields:
        return f"How well does it predict {target(comparison)} {comparison.on_table}?"
    listed = fields[0] if len(fields) == 1 else f"{', '.join(fields[:-1])} and {fields[-1]}"
    return f"What {'do' if len(fields) > 1 else 'does'} {listed} change {comparison.on_table}?"


def lead(comparison: Comparison) -> str:
    """The lowest error, and the variants that cannot be told from it; for a single variant, its error."""
    if not any(variant.runs for variant in comparison.variants):
        return "No run is finished, so there is nothing to judge."
    best = comparison.best
    interval = best.score_interval() if best else None
    if best is None or best.judged_score is None or interval is None:
        if comparison.score.of_classes and any(run.predictions is not None for run in comparison.runs):
            return f"No probabilities, so no {comparison.metric}; --judge error_rate judges the labels themselves."
        return "No predictions, so nothing is judged; the curves are below."
    figures = format_interval(best.judged_score, *interval, form=".3f")
    if len(comparison.variants) == 1:
        return _lead_of_one(comparison, best, figures)
    count = len(comparison.entries)
    text = f"Lowest {comparison.metric}: {quoted(best.label)}, {figures}."
    if count > 2:
        text += f" It is the lowest of {count}, so part of its lead may be luck."
    open_to = [quoted(verdict.variant_label) for verdict in comparison.verdicts if not verdict.is_told]
    if best is comparison.reference and open_to:
        more = f" and {len(open_to) - MOST_NAMED} more" if len(open_to) > MOST_NAMED else ""
        text += f" These runs cannot tell it from {'; '.join(open_to[:MOST_NAMED])}{more}."
    return text


#: What a score says, for a reader who does not know it.
_MEANINGS = {
    "mae": "its predictions of {} are off by that much on average",
    "rmse": "its predictions of {} are off by that much on average",
    "log_loss": "the mean of minus the logarithm of the probability that it gives the right {}",
    "error_rate": "the share of rows whose {} it gets wrong",
    "brier": "the mean squared error of its probabilities of {}",
}


def _lead_of_one(comparison: Comparison, variant: Variant, figures: str) -> str:
    predicted = _MEANINGS.get(comparison.score.judge.removesuffix("_mc"), "").format(target(comparison))
    text = f"{comparison.metric} {figures}: {predicted}"
    skill = variant.figures.skill
    if skill is not None:
        size = f"{100 * abs(skill):.0f} % {'less' if skill >= 0 else 'more'}"
        text += f", {size} than with always predicting {comparison.score.constant_words}"
    text += "."
    if len(variant.runs) == 1:
        text += " The interval is over rows alone: another seed would give another value."
    return text


def constant(comparison: Comparison) -> str | None:
    """``always predicting the training median gives 0.6646``; None if that is not known."""
    if comparison.constant is None:
        return None
    mean = ", the mean over splits" if any(one.across_splits for one in comparison.variants) else ""
    number = format_number(comparison.constant)
    return f"always predicting {comparison.score.constant_words} gives {number}{mean}"


def brackets(comparison: Comparison) -> str:
    """The meaning of the intervals in brackets; empty if there are none."""
    judged = [variant for variant in comparison.variants if variant.judged]
    if not judged:
        return ""
    over = "splits" if any(variant.across_splits for variant in judged) else "seeds"
    over = f"over {over} and rows" if any(len(variant.runs) > 1 for variant in judged) else "over rows"
    wider = ", wider where several comparisons are judged" if len(comparison.verdicts) > 1 else ""
    return f"In brackets: 95 % intervals {over}{wider}.{_claims(comparison)}"


def _claims(comparison: Comparison) -> str:
    """How many differences the page calls real, and how often such a page is wrong."""
    if not comparison.verdicts:
        return ""
    count = count_of(comparison.claims, "claim").replace("0 claims", "no claim")
    return f" This page makes {count}; {WRONG_PAGES} of pages on which nothing differs make any."


def target(comparison: Comparison) -> str:
    """The column that is predicted."""
    return next((variant.spec.target for variant in comparison.variants if variant.spec), "target")


def curves_caption(shown: Sequence[Variant]) -> str:
    """The meaning of the lines among the curves that are drawn."""
    counts = {len(variant.runs) for variant in shown}
    seeds = ", the mean over the seeds" if max(counts, default=0) > 1 else ""
    seeds += " with its 95 % band" if any(count >= MIN_BAND for count in counts) else ""
    seeds += ", thin: single seeds" if any(1 < count < MIN_BAND for count in counts) else ""
    scale, style = shared_scale(shown), Style()
    third = any("train_loss" in scale.columns(variant, style) for variant in shown)
    axis = loss_axis_of(shown, scale, style)
    parts = [
        f"Solid: val_loss{seeds}",
        f"Dashed: loss in training{', dropout on' if has_dropout(shown) else ''}",
        *(["Dash-dotted: train_loss, the same rows in inference mode"] if third else []),
        *(["Dotted: always predicting one constant"] if scale.baseline else []),
        *([f"On the shaded ground, {axis.words}"] if axis.is_broken else []),
        "Point at the chart, or use the arrow keys on it, for the values of an epoch",
    ]
    return ". ".join(parts) + "."


def val_losses(run: Run) -> pd.Series:
    """val_loss by epoch, for the epochs that have one."""
    return run.history.set_index("epoch")["val_loss"][run.written("val_loss")]


def overlay_text(shown: Sequence[Variant]) -> str:
    """The curves in words, for readers who do not see them."""
    ends = []
    for variant in shown:
        last = [val_losses(run).tail(1) for run in variant.runs]
        end = f"ends at {format_number(float(np.mean(last)), '.3f')}" if all(map(len, last)) else "has none"
        ends.append(f"{quoted(variant.label)} {end}")
    return f"Learning curves by epoch. val_loss: {'; '.join(ends)}." if ends else "No learning curves."


def judged_names(comparison: Comparison, judged: Sequence[dict[str, Any]]) -> list[str]:
    """The variants whose errors are drawn, each with its role in the comparison."""
    if len(comparison.variants) == 1:
        return [quoted(variant["label"]) for variant in judged]
    return [f"{variant['role'][0].upper()}{variant['role'][1:]}: {quoted(variant['label'])}" for variant in judged]


def data_text(comparison: Comparison) -> str:
    """The table, its split, and the settings that all variants share."""
    data = next((run.record.data for run in comparison.runs if run.is_recorded), None)
    if data is None:
        known = "curves" if any(variant.has_curves for variant in comparison.variants) else "predictions"
        return f"Only the {known} of these are known."
    spec = next(variant.spec for variant in comparison.variants if variant.spec)
    sharing = "all variants" if all(variant.spec for variant in comparison.variants) else "those of known settings"
    shared = "" if len(comparison.variants) == 1 else f"What {sharing} share: "
    return (
        f"Table: {short_source(data.source)} ({data.kind}; fingerprint {data.fingerprint[:16]}), "
        f"{data.rows} rows: {data.train_rows} to train on, {data.valid_rows} to validate"
        f"{f', {data.test_rows} to test' if data.test_rows else ''}, "
        f"{data.twins} of these also in the training rows; split {spec.split}, {_split_text(comparison)}. "
        f"{shared}{spec.describe(without={*comparison.fields, 'seed'})}."
    )


def _split_text(comparison: Comparison) -> str:
    specs = [run.spec for run in comparison.runs if run.is_recorded]
    if columns := sorted({spec.split_column for spec in specs if spec.split_column is not None}):
        return one_line(columns[0]) if len(columns) == 1 else f"{len(columns)} of them, the first described here"
    seeds = sorted({spec.split_seed for spec in specs})
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} of them, the first described here"


def without_places(text: str, comparison: Comparison) -> str:
    """A note that may name files beside the runs, without the folders above them."""
    for folder in {os.path.abspath(run.path.parent) for run in comparison.runs}:
        if folder != os.sep:
            text = text.replace(folder + os.sep, "")
    return text
