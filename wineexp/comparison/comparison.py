"""A comparison: what may stand in one, and its variants with their verdicts, as table, words and figure."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from wineexp.comparison.caveats import Caveats
from wineexp.comparison.columns import RARE, Entry, columns, on_terminal
from wineexp.comparison.crossing import share_splits
from wineexp.comparison.drawing import Judged
from wineexp.comparison.effects import Effect, effect_listings, effect_sentences, family, judge_effects
from wineexp.comparison.forest import forest
from wineexp.comparison.judge import judge_both_ways, judge_groups
from wineexp.comparison.layouts import MAX_PANELS, grid, overlay
from wineexp.comparison.questions import Question, ask, quoted
from wineexp.comparison.scale import Style
from wineexp.comparison.variants import Variant, choose_reference, group_runs, score_rank, splits_of
from wineexp.comparison.verdict import Verdict, told_p
from wineexp.data.split import ROW_FIELDS
from wineexp.errors import RunError, SelectionError
from wineexp.listing import TARGET, Listing, Part
from wineexp.notebook.card import Answer, Card, to_html
from wineexp.runs.curves import save
from wineexp.runs.display import SIMULATED
from wineexp.runs.prediction_file import LonePredictions
from wineexp.runs.reader import known_tables
from wineexp.runs.run import Run
from wineexp.runs.score import VAL_MAE, Score
from wineexp.specs.fields import BY_DEFAULT, MIN_SPLITS, ScoreChoice
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec
from wineexp.specs.wording import format_value
from wineexp.text import format_number, one_line

__all__ = ["Comparison", "Layout", "WholeFrame", "compare_runs"]

Layout = Literal["auto", "overlay", "grid", "verdict"]

#: The most variants that are overlaid in one figure: with several seeds each, and with one.
OVERLAID, OVERLAID_SINGLE = 4, 6

#: Up to this many rows of the table are all shown; of more, pandas shows the beginning and the end.
MOST_ROWS = 200

_TABLES = {
    "red-wine": "the red-wine table",
    "simulated": "the SIMULATED red-wine table",
    "custom": "a table of your own",
}


@dataclass(frozen=True)
class Comparison:
    """Variants side by side.

    Attributes
    ----------
    variants : tuple of Variant
        In the order of their settings, whatever the order of the runs.
    reference : Variant or None
        What the others are compared with; None if no run is finished.
    verdicts : tuple of Verdict
    effects : tuple of Effect
        Main effects and two-factor interactions of a full cross; empty for other comparisons.
    notes : tuple of str
        Caveats for the reader.
    groups : dict
        Variant label -> letters: variants that share a letter cannot be told apart; empty if not all pairs were
        compared.
    """

    variants: tuple[Variant, ...]
    reference: Variant | None
    verdicts: tuple[Verdict, ...]
    effects: tuple[Effect, ...]
    notes: tuple[str, ...]
    groups: dict[str, str] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        """Whether the runs were trained on the simulated table."""
        return any(run.record.simulated for run in self.runs if run.is_recorded)

    @property
    def runs(self) -> list[Run]:
        """All runs, unfinished ones too."""
        return [run for variant in self.variants for run in (*variant.runs, *variant.unfinished)]

    @property
    def unfinished(self) -> list[Run]:
        return [run for variant in self.variants for run in variant.unfinished]

    @property
    def fields(self) -> list[str]:
        """The fields of the spec that differ among the variants."""
        return next((list(variant.settings) for variant in self.variants if variant.spec), [])

    @property
    def metric(self) -> str:
        """What is judged: ``val MAE``."""
        return self.score.name

    @property
    def score(self) -> Score:
        """What is judged."""
        return self.variants[0].score if self.variants else VAL_MAE

    @cached_property
    def constant(self) -> float | None:
        """What always predicting the best constant scores, over all runs; None if that is not known."""
        known = [one.figures.constant for one in self.variants if one.figures.constant is not None]
        return self.score.mean(known) if known else None

    @property
    def claims(self) -> int:
        """Differences that are called real: verdicts, and effects if there is any such verdict.

        Effects and letters alone are exploring. ``benchmarks/promises.py`` measures how often nothing differs and
        any is claimed.
        """
        told = sum(verdict.kind in ("better", "worse") for verdict in self.verdicts)
        return told + sum(effect.real for effect in self.effects) if told else 0

    @cached_property
    def best(self) -> Variant | None:
        """The variant with the lowest score, if any has one."""
        scores = ((variant.judged_score, variant) for variant in self.variants)
        known = [(score, variant) for score, variant in scores if score is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """The verdicts as questions with their answers, those that change least first."""
        return ask(self.variants, self.reference, self.verdicts)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The finished variants with their verdicts, by their score: the rows of every table."""
        verdicts = {verdict.variant_label: verdict for verdict in self.verdicts}
        finished = sorted((variant for variant in self.variants if variant.runs), key=score_rank)
        return tuple(
            Entry(
                variant,
                verdicts.get(variant.label),
                variant is self.reference,
                self.groups.get(variant.label),
            )
            for variant in finished
        )

    def rows(self) -> list[dict[str, Any]]:
        """The table, a dict per variant, by the score; numbers are plain, unknown values are None."""
        return [self._row(entry) for entry in self.entries]

    def _row(self, entry: Entry) -> dict[str, Any]:
        known = {key: column.value(entry) for key, column in columns(self.score).items()}
        settings = {field: entry.variant.settings.get(field) for field in self.fields}
        return {"variant": known.pop("variant"), **settings, **known}

    @property
    def table(self) -> pd.DataFrame:
        """:meth:`rows` as a DataFrame; a notebook shows all its columns."""
        return WholeFrame(self.rows())

    @property
    def listing(self) -> Listing:
        """The table for people, without the rare columns that are empty here."""
        target = next((variant.spec.target for variant in self.variants if variant.spec), TARGET)
        return Listing.of(on_terminal(self.score), self.entries, target=target).filled(*RARE)

    @property
    def title(self) -> str:
        """What is compared, in a few words."""
        finished = [variant for variant in self.variants if variant.runs]
        known = sum(variant.spec is not None for variant in finished)
        counted = f"{len(finished)} variant{'s' if len(finished) != 1 else ''}"
        if 0 < known < len(finished):
            return f"{counted}: {known} {self.on_table}, {len(finished) - known} of unknown origin"
        return f"{counted} {self.on_table}"

    @property
    def on_table(self) -> str:
        """The one table of the runs that record theirs: ``on the red-wine table``."""
        kind = next((run.record.data.kind for run in self.runs if run.is_recorded), None)
        return f"on {_TABLES[kind] if kind else 'an unknown table'}"

    @property
    def figure(self) -> Figure:
        """:meth:`draw` with its defaults."""
        return self.draw()

    def draw(self, style: Style | None = None, *, layout: Layout = "auto", title: str | None = None) -> Figure:
        """The learning curves, overlaid or a panel per variant, with the verdicts below; or the verdicts alone.

        ``auto`` overlays what can be told apart in one figure: about four variants with seeds.

        Raises
        ------
        SelectionError
            For a grid of too many variants, and for the verdicts if there are none.
        """
        name = (f"SIMULATED TABLE: {title}" if title and self.simulated else title) or self.title
        if layout == "verdict":
            if not self.verdicts:
                raise SelectionError("there are no verdicts to draw; --layout overlay draws the curves")
            return forest(self.verdicts, self.effects, name, self.groups)
        if not self.is_drawable:
            raise SelectionError(NOTHING_TO_DRAW)
        drawn = [variant for variant in self.variants if variant.has_curves or not variant.runs]
        if self.entries and not any(variant.has_curves for variant in drawn):
            return forest(self.verdicts, self.effects, name, self.groups)
        judged = Judged(self.verdicts, self.effects, self.groups)
        draw = grid if layout == "grid" or (layout == "auto" and self._wants_panels()) else overlay
        return draw(drawn, self.reference, style or Style(), name, judged)

    @property
    def is_drawable(self) -> bool:
        """Whether there are curves or verdicts to draw; predictions alone have neither."""
        return not self.entries or bool(self.verdicts) or any(one.has_curves for one in self.variants)

    def _wants_panels(self) -> bool:
        shown = [variant for variant in self.variants if variant.has_curves]
        most = OVERLAID_SINGLE if all(len(variant.runs) == 1 for variant in shown) else OVERLAID
        return most < len(shown) <= MAX_PANELS

    def parts(self) -> list[Part]:
        """The whole comparison as the terminal shows it: tables and text, in their order."""
        parts: list[Part] = []
        if self.entries:
            parts.append(replace(self.listing, caption=SIMULATED if self.simulated else ""))
        if self.unfinished:
            lines = [
                f"  {run.status:<12} {run.path}  {run.record.reason or ''}".rstrip() for run in self.unfinished
            ]
            parts.append("\n".join(["not ranked:", *lines]))
        if self.effects:
            parts += [f"{family(claimed=bool(self.claims))}:", *effect_listings(self.effects)]
        return [*parts, "\n".join(self.sentences())] if self.sentences() else parts or ["no finished runs"]

    def sentences(self) -> list[str]:
        """The answer in words: the verdicts, best first, then what the factors do."""
        ordered = sorted(self.verdicts, key=lambda verdict: verdict.difference.mean)
        effects = effect_sentences(self.effects)
        if not self.claims:
            effects = [f"{EXPLORING}: {sentence}" for sentence in effects]
        return [verdict.sentence() for verdict in ordered] + effects

    def plan(self, size: float) -> list[str]:
        """The seeds a new study needs to find a true difference of ``size`` in 80 % of samples, by variant.

        That the variances seen here are not the true ones counts; as many comparisons are judged. The seeds
        are those of a *new* study: adding them to these runs and judging again is not the same test.
        """
        count = max((verdict.comparisons for verdict in self.verdicts), default=1)
        several = f", judged beside {count - 1} more" if count > 1 else ""
        head = f"to find a difference of {size:g} in 80 % of new studies{several}:"
        return [head, *(f"  {verdict.planned(size)}" for verdict in self.verdicts)] if self.verdicts else []

    def as_json(self) -> dict[str, Any]:
        """The whole comparison as plain values: variants, effects, unfinished runs, notes."""
        return {
            "variants": self.rows(),
            "effects": [
                effect.as_json() | {"claim": effect.real and bool(self.claims)} for effect in self.effects
            ],
            "unfinished": [
                {"run": str(run.path), "status": run.status, "reason": run.record.reason}
                for run in self.unfinished
            ],
            "other_way": [
                {
                    "variant": verdict.variant_label,
                    "judged": self.score.other_way.key,
                    "verdict": other.word,
                    "difference": other.difference.mean,
                    "low": other.interval[0] if other.interval else None,
                    "high": other.interval[1] if other.interval else None,
                    "level": other.level,
                    "p": told_p(other.p),
                }
                for verdict, other in self._both_ways()
            ],
            "answer": self.sentences(),
            "notes": list(self.notes),
        }

    def _both_ways(self) -> list[tuple[Verdict, Verdict]]:
        """The verdicts beside those on the other way to predict, where these are known."""
        return [(verdict, verdict.other_way.verdict) for verdict in self.verdicts if verdict.other_way]

    def card(self, title: str | None = None) -> Card:
        """What a notebook shows: the answers in words, the figure, the terminal's table, the notes."""
        lines = []
        if self.reference is not None and self.questions:
            lines.append(f"Each question compares with the reference, {quoted(self.reference.label)}.")
        left_out = [f"not ranked: {run.path}, {run.record.outcome}" for run in self.unfinished]
        table = self.listing if self.verdicts else self.listing.without("verdict")
        return Card(
            title or self.title,
            SIMULATED if self.simulated else "",
            tuple(lines),
            tuple(Answer(one.question, one.answer, one.detail, one.verdict.kind) for one in self.questions),
            figure=save(self.draw(title=title), "png") if self.entries and self.is_drawable else None,
            alt=" ".join(["Learning curves.", *self.sentences()]),
            tables=(table.filled(),) if self.entries else (),
            notes=(*left_out, *self.notes),
        )

    def __repr__(self) -> str:
        parts = [self.title]
        if self.best is not None and self.best.judged_score is not None:
            parts.append(f"lowest {self.metric} {format_number(self.best.judged_score)}: {self.best.label}")
        words = Counter(verdict.word for verdict in self.verdicts)
        if self.reference is not None and words:
            told = ", ".join(f"{count} {word}" for word, count in words.items())
            parts.append(f"{told}, against {self.reference.label}")
        return one_line(f"Comparison({'; '.join(parts)})")

    def _repr_html_(self) -> str:
        return to_html(self.card())


class WholeFrame(pd.DataFrame):
    """A DataFrame whose display leaves out no column and cuts no text; operations on it return plain pandas.

    pandas shows ``...`` for the middle columns if there are more than 20, and for the rest of a cell with more
    than 50 letters, whatever it is.
    """

    def _repr_html_(self) -> str | None:
        with self._whole():
            shown: str | None = super()._repr_html_()  # type: ignore[misc]  # pandas's types leave it out
            return shown

    def __repr__(self) -> str:
        with self._whole():
            return super().__repr__()

    def _whole(self) -> contextlib.AbstractContextManager[None]:
        rows = None if len(self) <= MOST_ROWS else pd.get_option("display.max_rows")
        return pd.option_context(
            "display.max_columns", None, "display.max_colwidth", None, "display.max_rows", rows
        )


#: Why a comparison has no figure.
NOTHING_TO_DRAW = "predictions have no curves, and alone no verdict: there is nothing to draw"

#: Before effects that are no claims.
EXPLORING = "exploring"

#: Splits that a variant must share with the reference to be judged, if some of their runs failed.
LEAST_SPLITS = 3

#: Fields that decide which rows are judged, but may differ if each variant has several splits.
ACROSS_SPLITS = ("split_seed", "split_column")


def compare_runs(
    runs: Sequence[Run],
    *,
    reference: str | RunSpec | None = None,
    first: bool = False,
    margin: float | None = None,
    planned: bool = False,
    looks: Looks | None = None,
    selected: str | None = None,
    score: ScoreChoice = BY_DEFAULT,
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
        The size below which a difference in the score does not matter.
    planned : bool
        Whether the reference was settled before any training.
    looks : Looks, optional
        The study's planned looks: each look then uses the seeds planned for it, and the error rate is kept.
    selected : str, optional
        The condition on results by which runs were selected (``val_mae<0.6``): then nothing is judged, as the
        selection biases the rest.
    score : ScoreChoice, optional

    Raises
    ------
    SelectionError
        If the runs cannot be compared: different tables, splits or targets, real and simulated ones; or if the
        reference does not exist.
    """
    # Failed runs count: they were meant to be judged.
    across_splits = share_splits(splits_of(runs).values())
    _check_together(runs, ACROSS_SPLITS if across_splits else ())
    variants = group_runs(runs, score, across_splits=across_splits)
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
    verdicts = judge_both_ways(judged, chosen, margin, looks)
    told.of_verdicts(verdicts)
    told.of_dropout(verdicts)
    told.of_reference(chosen, chosen_now=reference is not None and not planned)
    if looks is not None:
        # Which variants have more seeds depends on the results so far: only the first look's seeds do not.
        told.of_looks()
        effects, groups = judge_effects(judged, chosen, looks.at(1)), {}
    else:
        effects, groups = judge_effects(judged, chosen), judge_groups(judged)
        told.of_letters(verdicts, groups)
    return Comparison(tuple(variants), chosen, verdicts, effects, told.notes, groups)


def _check_together(runs: Sequence[Run], free: Collection[str]) -> None:
    """Raise ``SelectionError`` unless all runs were judged on the same rows of the same table."""
    known = [run for run in runs if run.is_recorded]
    if any(run.record.simulated for run in known):
        _same(known, "kind", "real and simulated runs cannot be ranked against each other")
    _same_table(known)
    _same_kind(runs)
    _same_rows(known)
    _same_as_given([run for run in runs if run.predictions is not None], one_split="split_seed" not in free)
    for name in (name for name in ROW_FIELDS if name not in free):
        values: dict[str, Run] = {}
        for run in known:
            values.setdefault(format_value(getattr(run.spec, name)), run)
        if len(values) > 1:
            one, other = list(values.items())[:2]
            what = "targets" if name == "target" else "splits"
            more = f", or give every variant the same {MIN_SPLITS} splits or more" if name in ACROSS_SPLITS else ""
            raise SelectionError(
                f"runs on different {what} cannot be compared: {name} is {one[0]} in {one[1].path} and "
                f"{other[0]} in {other[1].path}; choose with --where {name}={one[0]}{more}"
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
            if run.has_classes:
                actual = np.unique(actual, return_inverse=True)[1]  # one split has one set of labels
            found = np.stack([rows, actual, twins])[:, np.argsort(rows)]
            if not np.array_equal(known.setdefault((*split, run.spec.features, run.spec.drop), found), found):
                raise RunError(f"{run.path}: its predictions are of other rows or targets than the other runs'")
            first, others = grouped.setdefault(split, (run, found))
            if not np.array_equal(others[:2], found[:2]):
                raise SelectionError(
                    f"runs on different splits cannot be compared: {first.path} and {run.path} have other "
                    "validation rows: a column that differs in every row is used in one and left out of the other"
                )


def _same_as_given(runs: Sequence[Run], *, one_split: bool) -> None:
    """Raise ``SelectionError`` unless lone predictions are of the others' rows and targets on their split."""
    splits = {run.split_seed: run for run in runs}
    if one_split and len(splits) > 1 and not all(run.is_recorded for run in runs):
        here, there = list(splits.items())[:2]
        raise SelectionError(
            f"predictions of different splits cannot be compared: {here[1].path} has split {here[0]} and "
            f"{there[1].path} split {there[0]}; give every variant the same {MIN_SPLITS} splits or more"
        )
    first: dict[int, tuple[Run, pd.Series]] = {}
    for run in sorted(runs, key=lambda run: not run.is_recorded):
        table = run.predictions
        assert table is not None
        targets = table.set_index("row")["actual"].sort_index()
        if targets.dtype.kind in "iuf":
            targets = targets.astype(np.float32)
        other, known = first.setdefault(run.split_seed, (run, targets))
        if run.is_recorded:
            continue
        told = f"predictions of other rows cannot be compared: {run.path} has {len(targets)} and {other.path}"
        if len(targets) != len(known):
            raise SelectionError(f"{told} {len(known)}")
        if not targets.index.equals(known.index):
            lone = isinstance(run.alone, LonePredictions) and not run.alone.has_rows
            reason = "and a column row is missing, so their targets must be equal in their order" if lone else ""
            raise SelectionError(f"{told} as many, but others{reason and '; ' + reason}")
        differ = targets.to_numpy() != known.to_numpy()
        if differ.any():
            row = targets.index[differ][0]
            ours, theirs = (
                one_line(one) if isinstance(one, str) else f"{one:g}" for one in (targets[row], known[row])
            )
            raise SelectionError(
                f"predictions of other targets cannot be compared: in row {row} {run.path} has {ours} and "
                f"{other.path} {theirs}"
            )


def _same_kind(runs: Sequence[Run]) -> None:
    """Raise ``SelectionError`` if some predict classes and others numbers."""
    kinds = {run.has_classes: run for run in runs if run.is_recorded or run.predictions is not None}
    if len(kinds) > 1:
        raise SelectionError(
            f"runs that predict classes and runs that predict numbers cannot be compared: {kinds[True].path} has "
            f"the probabilities of labels, {kinds[False].path} numbers"
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
