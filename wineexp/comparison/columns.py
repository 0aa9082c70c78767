"""The columns of a comparison, each declared once: terminal, CSV, JSON, page and docs take them from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from wineexp.comparison.estimate import Estimate
from wineexp.comparison.judge import outlying_seeds
from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import Verdict, format_p, told_p
from wineexp.listing import TARGET, Column, number, sized
from wineexp.runs import columns as run_columns
from wineexp.runs.score import VAL_MAE, Figures, Score
from wineexp.specs.fields import JUDGED_BY
from wineexp.text import format_interval

__all__ = ["MEAN", "RARE", "Entry", "columns", "on_page", "on_terminal"]

#: The end of a metric's meaning if it is a mean over several seeds.
MEAN = "; mean over the seeds"


@dataclass(frozen=True)
class Entry:
    """A row: one variant and its results. The reference, and a variant that was not judged, have no verdict."""

    variant: Variant
    verdict: Verdict | None
    is_reference: bool
    group: str | None = None

    @property
    def difference(self) -> Estimate | None:
        """Its errors minus the reference's."""
        return self.verdict.difference if self.verdict else None

    @property
    def word(self) -> str | None:
        """``reference``, or the verdict's word."""
        return "reference" if self.is_reference else self.verdict.word if self.verdict else None


def _mean(metric: str) -> Column[Entry]:
    """The mean of a run's metric over the finished seeds, under the metric's own heading."""
    column = run_columns.COLUMNS[metric]
    meaning = f"{column.meaning}{MEAN}"
    value = lambda entry: entry.variant.mean(metric)  # noqa: E731 - one expression, in its place
    return Column(metric, column.heading, meaning, value, column.text, unit=column.unit, measure=column.measure)


def _seeds(entry: Entry) -> int:
    """Seeds per split, if there are several splits. A lone CSV, whose seed is unknown, counts as one."""
    variant = entry.variant
    if variant.across_splits and variant.judged:
        return min(map(len, variant.split_errors.values()))
    return len(variant.seeds) or len(variant.runs)


def _splits(entry: Entry) -> int | None:
    return len(entry.variant.split_errors) if entry.variant.across_splits and entry.variant.judged else None


def _interval(entry: Entry, end: int) -> float | None:
    interval = entry.variant.score_interval()
    return interval[end] if interval else None


def _difference(entry: Entry, end: int) -> float | None:
    interval = entry.verdict.interval if entry.verdict else None
    return interval[end] if interval else None


def _parameters(entry: Entry) -> int | None:
    variant = entry.variant
    record = next((run.record for run in variant.runs if run.is_recorded), None)
    return (
        None if record is None else record.spec.parameter_count(len(record.data.features), len(record.data.labels))
    )


def _seconds(entry: Entry) -> float | None:
    seconds = [run.record.timing.run_seconds if run.is_recorded else None for run in entry.variant.runs]
    known = [value for value in seconds if value is not None]
    return float(np.mean(known)) if known and len(known) == len(seconds) else None


_ERROR, _CHANGE = sized(".4f"), sized("+.4f")


def _figure(key: str, heading: str, meaning: str, value: Callable[[Figures], float | None]) -> Column[Entry]:
    """One of the figures of the judged score."""
    meaning = f"{meaning}{MEAN}"
    return Column(
        key, heading, meaning, lambda entry: value(entry.variant.figures), _ERROR, unit=TARGET, measure=TARGET
    )


def _judged(score: Score) -> Column[Entry]:
    """The score itself, under its metric's own heading."""
    metric = run_columns.COLUMNS[score.key]
    return _figure(score.key, metric.heading, metric.meaning, lambda figures: figures.score)


def _recorded(score: Score) -> Column[Entry]:
    """Another score than the judged one, as the runs recorded it."""
    metric = run_columns.COLUMNS[score.key]

    def value(entry: Entry) -> float | None:
        variant = entry.variant
        if score.of_passes and len(variant.passes) > 1:
            return None  # means of other numbers of passes are other predictions
        figures = replace(variant, score=score).figures if variant.judged else score.figures_of(variant.runs)
        return figures.score

    meaning = f"{metric.meaning}{MEAN}"
    return Column(score.key, metric.heading, meaning, value, _ERROR, unit=TARGET, measure=TARGET)


_IDENTITY: tuple[Column[Entry], ...] = (
    Column("variant", "variant", "its name, and the settings that differ", lambda entry: entry.variant.label),
    Column("reference", "reference", "whether the others are compared with it", lambda entry: entry.is_reference),
    Column("seeds", "seeds", "number of its finished seeds, in each split", _seeds),
    Column("splits", "splits", "number of its splits, where there are several", _splits),
    Column("judged", "judged", "the metric that is judged", lambda entry: entry.variant.score.key),
)


def _beside(score: Score) -> tuple[str, ...]:
    """Metrics that stand beside any judged score."""
    if score.of_classes:
        return "val_log_loss", "test_log_loss", "val_error_rate", "val_accuracy", "val_auc"
    return "val_mae", "test_mae"


def _scored(score: Score) -> tuple[Column[Entry], ...]:
    """The columns of the judged score, and what stands beside it."""
    rows = "test" if score.on_test else "validation"
    train = run_columns.COLUMNS[score.train_key]
    low, high = "lower end of the 95 % interval of what is judged", "upper end of that interval"
    skill = f"1 - {score.name} / that of always predicting {score.constant_words}"
    seen = f"{score.name} on {rows} rows that also occur, value for value, in the training rows"
    unseen = f"{score.name} on the other {rows} rows"
    gap = f"{score.name} - train {score.measure}"
    return (
        _judged(score),
        Column("low", "from", low, lambda entry: _interval(entry, 0), _ERROR, measure=TARGET),
        Column("high", "to", high, lambda entry: _interval(entry, 1), _ERROR, measure=TARGET),
        *(_mean(key) for key in _beside(score) if key not in (score.key, score.other_way.key)),
        _recorded(score.other_way),
        Column("skill", "skill", skill, lambda entry: entry.variant.figures.skill, number("+.1%")),
        _figure(train.key, train.heading, train.meaning, lambda figures: figures.train),
        _figure(f"{score.key}_twins", f"{score.measure} twins", seen, lambda figures: figures.twins),
        _figure(f"{score.key}_unseen", f"{score.measure} unseen", unseen, lambda figures: figures.unseen),
        _mean("best_epoch"),
        Column("gap", "gap", gap, lambda entry: entry.variant.figures.gap, _CHANGE, unit=TARGET, measure=TARGET),
    )


_REST: tuple[Column[Entry], ...] = (
    Column("parameters", "parameters", "of its model, including moving averages", _parameters, number(",d")),
    Column("seconds", "seconds", f"wall seconds per run{MEAN}", _seconds, number(".1f")),
    Column(
        "verdict",
        "verdict",
        "better, worse, same within the margin, or cannot tell, against the reference",
        lambda entry: entry.verdict.word if entry.verdict else None,
    ),
    Column(
        "difference",
        "difference",
        "what is judged minus the reference's, paired by seed and row",
        lambda entry: entry.difference.mean if entry.difference else None,
        _CHANGE,
        measure=TARGET,
    ),
    Column(
        "difference_low",
        "from",
        "lower end of the interval that goes with the verdict",
        lambda e: _difference(e, 0),
        _CHANGE,
        measure=TARGET,
    ),
    Column("difference_high", "to", "upper end of it", lambda e: _difference(e, 1), _CHANGE),
    Column(
        "difference_level",
        "level",
        "of that interval: 0.95, more where several comparisons are judged, 0.9 inside a margin",
        lambda entry: entry.verdict.level if entry.verdict else None,
        number(".4g"),
    ),
    Column(
        "p",
        "p",
        "two-sided probability, corrected for the comparisons shown (Holm)",
        lambda entry: told_p(entry.verdict.p) if entry.verdict else None,
        lambda value: "" if value is None else format_p(value),
    ),
    Column(
        "detectable",
        "detectable",
        "the difference that would be detected 80 % of the time with these seeds, rows and comparisons",
        lambda entry: entry.verdict.detectable if entry.verdict else None,
        _ERROR,
        measure=TARGET,
    ),
    Column(
        "seeds_needed",
        "seeds needed",
        "seeds that would detect a difference as large as the one seen, if that can be estimated",
        lambda entry: entry.verdict.needed if entry.verdict else None,
    ),
    Column(
        "look",
        "look",
        "with planned looks: the one at which a difference was found",
        lambda entry: entry.verdict.found_at if entry.verdict and entry.verdict.looks else None,
    ),
    Column(
        "group",
        "group",
        "letters: variants that share one cannot be told apart (all pairs, Holm)",
        lambda entry: entry.group,
    ),
    Column(
        "other_way",
        "other way",
        "the verdict on the other way to predict: with dropout left on, or off",
        lambda entry: entry.verdict.other_way.words if entry.verdict and entry.verdict.other_way else None,
    ),
    Column(
        "learnt",
        "not learnt",
        "what shows that it has not learnt, or not yet: loses to the constant, still falling, ...",
        lambda entry: entry.variant.state.words or None,
    ),
    Column(
        "outlying_seeds",
        "outlying seeds",
        "seeds that stand out as failed (Grubbs' test); they are kept",
        lambda entry: outlying_seeds(entry.variant) if entry.variant.judged else [],
        lambda value: ", ".join(map(str, value or [])),
    ),
)


@lru_cache(maxsize=16)
def columns(score: Score = VAL_MAE) -> dict[str, Column[Entry]]:
    """Key -> column, as in CSV and JSON, for a score; the settings that differ follow the variant."""
    return {column.key: column for column in (*_IDENTITY, *_scored(score), *_REST)}


_WORD: Column[Entry] = Column("verdict", "verdict", columns()["verdict"].meaning, lambda entry: entry.word)


def _with_interval(score: Score) -> Column[Entry]:
    """The score with its interval, if it has one."""
    judged = columns(score)[score.key]
    value = lambda entry: (judged.value(entry), _interval(entry, 0), _interval(entry, 1))  # noqa: E731
    text = lambda cell, size=None: format_interval(*cell, size=size)  # noqa: E731
    return Column(score.key, f"{judged.heading} [95 %]", judged.meaning, value, text, unit=TARGET, measure=TARGET)


def _last(score: Score) -> tuple[str, ...]:
    """The last columns, in the terminal and on the page."""
    rates = ("val_error_rate",) if score.of_classes and score.key != "val_error_rate" else ()
    own = (*rates, score.train_key, "gap", f"{score.key}_twins", f"{score.key}_unseen")
    return ("skill", *own, "best_epoch", "parameters", "seconds")


def on_terminal(score: Score) -> tuple[Column[Entry], ...]:
    """The columns that fit into a terminal."""
    known = columns(score)
    before, after = ("variant", "seeds", "splits"), ("look", "group", "learnt", score.other_way.key, *_last(score))
    return (
        *(known[key] for key in before),
        _with_interval(score),
        _WORD,
        *(known[key] for key in after),
    )


def on_page(score: Score) -> tuple[Column[Entry], ...]:
    """The columns of the page."""
    known = columns(score)
    after = ("difference", "p", "detectable", "seeds_needed", "outlying_seeds", *_last(score))
    keys = (
        "look",
        "group",
        "seeds",
        "splits",
        score.key,
        "low",
        "high",
        "learnt",
        "other_way",
        score.other_way.key,
        *after,
    )
    return (known["variant"], _WORD, *(known[key] for key in keys))


#: Columns that are not empty in every comparison.
RARE = frozenset(
    {"splits", "group", "look", "learnt", "outlying_seeds", "gap"}
    | {f"train_{judge}" for judge in JUDGED_BY}
    | {f"{side}_{judge}" for side in ("val", "test") for judge in JUDGED_BY}
)
