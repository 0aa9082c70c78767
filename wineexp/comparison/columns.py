"""The columns of a comparison, each declared once: terminal, CSV, JSON, page and docs take them from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wineexp.comparison.estimate import Estimate
from wineexp.comparison.judge import outlying_seeds
from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import Verdict, format_p, told_p
from wineexp.listing import TARGET, Column, number, sized
from wineexp.runs import columns as run_columns
from wineexp.text import format_interval

__all__ = ["COLUMNS", "MEAN", "PAGE", "RARE", "TERMINAL", "Entry"]

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
    interval = entry.variant.error_interval()
    return interval[end] if interval else None


def _difference(entry: Entry, end: int) -> float | None:
    interval = entry.verdict.interval if entry.verdict else None
    return interval[end] if interval else None


def _gap(entry: Entry) -> float | None:
    error, train_error = entry.variant.mean("val_mae"), entry.variant.mean("train_mae")
    return None if error is None or train_error is None else error - train_error


def _parameters(entry: Entry) -> int | None:
    variant = entry.variant
    features = [len(run.record.data.features) for run in variant.runs if run.is_recorded]
    return variant.spec.parameter_count(features[0]) if variant.spec and features else None


def _seconds(entry: Entry) -> float | None:
    seconds = [run.record.timing.run_seconds if run.is_recorded else None for run in entry.variant.runs]
    known = [value for value in seconds if value is not None]
    return float(np.mean(known)) if known and len(known) == len(seconds) else None


_MAE, _CHANGE = sized(".4f"), sized("+.4f")

_ALL: tuple[Column[Entry], ...] = (
    Column("variant", "variant", "its name, and the settings that differ", lambda entry: entry.variant.label),
    Column("reference", "reference", "whether the others are compared with it", lambda entry: entry.is_reference),
    Column("seeds", "seeds", "number of its finished seeds, in each split", _seeds),
    Column("splits", "splits", "number of its splits, where there are several", _splits),
    _mean("val_mae"),
    Column(
        "low",
        "from",
        "lower end of the 95 % interval of what is judged",
        lambda e: _interval(e, 0),
        _MAE,
        measure=TARGET,
    ),
    Column("high", "to", "upper end of that interval", lambda entry: _interval(entry, 1), _MAE, measure=TARGET),
    *map(_mean, ("test_mae", "skill", "train_mae", "val_mae_twins", "val_mae_unseen", "best_epoch")),
    Column("gap", "gap", "val MAE - train MAE", _gap, _CHANGE, unit=TARGET, measure=TARGET),
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
        "val MAE, or test MAE, minus the reference's, paired by seed and row",
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
        _MAE,
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
        "outlying_seeds",
        "outlying seeds",
        "seeds that stand out as failed (Grubbs' test); they are kept",
        lambda entry: outlying_seeds(entry.variant) if entry.variant.judged else [],
        lambda value: ", ".join(map(str, value or [])),
    ),
)

#: Key -> column, as in CSV and JSON; the settings that differ follow the variant.
COLUMNS: dict[str, Column[Entry]] = {column.key: column for column in _ALL}

_WORD: Column[Entry] = Column("verdict", "verdict", COLUMNS["verdict"].meaning, lambda entry: entry.word)


def _with_interval(metric: str, *, on_test: bool) -> Column[Entry]:
    """A metric with the interval of what is judged, where that metric is judged."""

    def value(entry: Entry) -> tuple[Any, Any, Any]:
        ends = (_interval(entry, 0), _interval(entry, 1)) if entry.variant.on_test == on_test else (None, None)
        return entry.variant.mean(metric), *ends

    return Column(
        metric,
        f"{COLUMNS[metric].heading} [95 %]",
        COLUMNS[metric].meaning,
        value,
        lambda cell, size=None: format_interval(*cell, size=size),
        unit=TARGET,
        measure=TARGET,
    )


#: The last columns, in the terminal and on the page.
_LAST = ("skill", "train_mae", "gap", "val_mae_twins", "val_mae_unseen", "best_epoch", "parameters", "seconds")


#: The columns that fit into a terminal.
TERMINAL: tuple[Column[Entry], ...] = (
    COLUMNS["variant"],
    COLUMNS["seeds"],
    COLUMNS["splits"],
    _with_interval("val_mae", on_test=False),
    _with_interval("test_mae", on_test=True),
    _WORD,
    *(COLUMNS[key] for key in ("look", "group", *_LAST)),
)

#: The columns of the page.
PAGE: tuple[Column[Entry], ...] = (
    COLUMNS["variant"],
    _WORD,
    *(
        COLUMNS[key]
        for key in (
            "look",
            "group",
            "seeds",
            "splits",
            "val_mae",
            "test_mae",
            "low",
            "high",
            "difference",
            "p",
            "detectable",
            "seeds_needed",
            "outlying_seeds",
            *_LAST,
        )
    ),
)

#: Columns that are empty in most comparisons.
RARE = ("test_mae", "splits", "group", "look", "outlying_seeds")
