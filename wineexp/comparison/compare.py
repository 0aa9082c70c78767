"""Runs in, a comparison out: comparable runs are grouped and judged, and the limits noted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from wineexp.comparison.caveats import Caveats
from wineexp.comparison.comparison import Comparison
from wineexp.comparison.crossing import crosses_splits
from wineexp.comparison.effects import judge_effects
from wineexp.comparison.judge import judge_groups, judge_variants
from wineexp.comparison.variants import choose_reference, group_runs
from wineexp.data.split import ROW_FIELDS
from wineexp.errors import RunError, SelectionError
from wineexp.runs.reader import known_tables
from wineexp.runs.run import Run
from wineexp.specs.fields import MIN_SPLITS
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value

__all__ = ["compare_runs"]

#: Splits that a variant must share with the reference to be judged, if some of their runs failed.
LEAST_SPLITS = 3

#: Fields that decide which rows are judged, but may differ if each variant has several splits.
ACROSS_SPLITS = ("split_seed",)


def compare_runs(
    runs: Sequence[Run],
    *,
    reference: str | RunSpec | None = None,
    first: bool = False,
    margin: float | None = None,
    planned: bool = False,
    looks: Looks | None = None,
    selected: str | None = None,
) -> Comparison:
    """Group runs into variants and judge each against a reference.

    Parameters
    ----------
    runs : sequence of Run
    reference : str or RunSpec, optional
        A variant's label, name or settings (``dropout=0.3,bn=after``), or a directory of one of its runs.
    first : bool
        Without ``reference``: whether the first run's variant is the reference; otherwise the one nearest the
        defaults is.
    margin : float, optional
        The size below which a difference in val MAE does not matter.
    planned : bool
        Whether the reference was settled before any training.
    looks : Looks, optional
        The study's planned looks: each look then uses the seeds planned for it, and the error rate is kept.
    selected : str, optional
        The condition on results by which runs were selected (``val_mae<0.6``): then nothing is judged, as the
        selection biases the rest.

    Raises
    ------
    SelectionError
        If the runs cannot be compared: different tables, splits or targets, real and simulated ones; or if the
        reference does not exist.
    """
    # Failed runs count: they were meant to be judged.
    across_splits = crosses_splits([run.spec for run in runs if run.is_recorded])
    _check_together(runs, ACROSS_SPLITS if across_splits else ())
    variants = group_runs(runs, across_splits=across_splits)
    chosen = choose_reference(variants, runs, reference, first)
    judged = [variant for variant in variants if variant.judged]
    lacking = []
    if across_splits and chosen is not None and chosen.judged:
        lacking = [one for one in judged if len(set(one.split_errors) & set(chosen.split_errors)) < LEAST_SPLITS]
        judged = [variant for variant in judged if variant not in lacking]
    told = Caveats(variants, judged)
    told.of_lacking(lacking)
    if first and reference is None:
        told.of_first(variants, runs[0] if runs else None, chosen)
    told.of_selection(selected)
    if chosen is None or not chosen.judged or len(judged) < 2 or selected is not None:
        return Comparison(tuple(variants), chosen, (), (), told.notes)
    verdicts = judge_variants(judged, chosen, margin, looks)
    told.of_verdicts(verdicts)
    told.of_reference(chosen, chosen_now=reference is not None and not planned)
    if looks is not None:
        # Which variants have more seeds depends on the results so far: only the first look's seeds do not.
        told.of_looks()
        effects, groups = judge_effects(judged, chosen, looks.at(1)), {}
    else:
        effects, groups = judge_effects(judged, chosen), judge_groups(judged)
    return Comparison(tuple(variants), chosen, verdicts, effects, told.notes, groups)


def _check_together(runs: Sequence[Run], free: Collection[str]) -> None:
    """Raise ``SelectionError`` unless all runs were judged on the same rows of the same table."""
    known = [run for run in runs if run.is_recorded]
    if any(run.record.simulated for run in known):
        _same(known, "kind", "real and simulated runs cannot be ranked against each other")
    _same_table(known)
    _same_rows(known)
    for name in (name for name in ROW_FIELDS if name not in free):
        values: dict[str, Run] = {}
        for run in known:
            values.setdefault(format_value(getattr(run.spec, name)), run)
        if len(values) > 1:
            one, other = list(values.items())[:2]
            what = "targets" if name == "target" else "splits"
            raise SelectionError(
                f"runs on different {what} cannot be compared: {name} is {one[0]} in {one[1].path} and "
                f"{other[0]} in {other[1].path}; choose with --where {name}={one[0]}"
                + (f", or give every variant the same {MIN_SPLITS} splits or more" if name == "split_seed" else "")
            )


def _same_rows(runs: Sequence[Run]) -> None:
    """Raise ``RunError`` if predictions were changed: one split has one set of rows, with one target each.

    Which rows are twins, and which ``grouped`` keeps together, may depend on the columns that are used.
    """
    known: dict[tuple[Any, ...], npt.NDArray[Any]] = {}
    grouped: dict[tuple[Any, ...], tuple[Run, npt.NDArray[Any]]] = {}
    for run in runs:
        if run.predictions is not None:
            split = tuple(getattr(run.spec, name) for name in ROW_FIELDS)
            rows, actual, twins = (run.predictions[name].to_numpy() for name in ("row", "actual", "twin"))
            found = np.stack([rows, actual, twins])[:, np.argsort(rows)]
            if not np.array_equal(known.setdefault((*split, run.spec.features, run.spec.drop), found), found):
                raise RunError(f"{run.path}: its predictions are of other rows or targets than the other runs'")
            first, others = grouped.setdefault(split, (run, found))
            if not np.array_equal(others[:2], found[:2]):
                raise SelectionError(
                    f"runs on different splits cannot be compared: {first.path} and {run.path} have other "
                    "validation rows: a column that differs in every row is used in one and left out of the other"
                )


def _same(runs: Sequence[Run], fact: str, refusal: str) -> None:
    values: dict[str, Run] = {}
    for run in runs:
        values.setdefault(getattr(run.record.data, fact), run)
    if len(values) > 1:
        one, other = list(values.values())[:2]
        told = f"{one.path} has {_table(one)} and {other.path} has {_table(other)}"
        raise SelectionError(f"{refusal}: {told}; choose with --where {fact}={next(iter(values))}")


def _same_table(runs: Sequence[Run]) -> None:
    tables: dict[str, Run] = {}
    for run, table in known_tables(runs).items():
        tables.setdefault(table, run)
    if len(tables) > 1:
        one, other = list(tables.values())[:2]
        told = f"{one.path} has {_table(one)} and {other.path} has {_table(other)}"
        # Not by the source: one table may have several, and one file name may have held several tables.
        remedy = f"choose with --where fingerprint={one.record.data.fingerprint[:8]}"
        if one.record.data.fingerprint == other.record.data.fingerprint:
            remedy = "their values are the same, under other headings or with other targets; name the runs"
        raise SelectionError(f"runs on different tables cannot be compared: {told}; {remedy}")


def _table(run: Run) -> str:
    data = run.record.data
    return f"the {data.kind} table {data.source} ({data.fingerprint[:8]})"
