"""Runs grouped into variants: all seeds of one spec, with the settings that distinguish it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.comparison.clusters import Clusters
from wineexp.comparison.crossing import compare_splits, crosses_splits
from wineexp.comparison.estimate import Estimate
from wineexp.comparison.learnt import State, state_of
from wineexp.comparison.statistics import FIXED, compare_errors
from wineexp.errors import SelectionError, nearest
from wineexp.runs.clusters import clusters_of
from wineexp.runs.columns import says_the_same
from wineexp.runs.probabilities import has_probabilities, labels_in, probabilities
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.runs.run import Run
from wineexp.runs.score import VAL_MAE, Figures, Score
from wineexp.specs.fields import BY_DEFAULT, ScoreChoice
from wineexp.specs.run_spec import RunSpec, varying
from wineexp.specs.wording import format_value, say
from wineexp.text import some_of

__all__ = [
    "Variant",
    "choose_reference",
    "group_runs",
    "group_specs",
    "named_variant",
    "order",
    "passes_of",
    "score_rank",
    "splits_of",
]

Floats = npt.NDArray[np.floating[Any]]


#: A label lists all differing settings up to this number of them.
MAX_TOLD = 2


@dataclass(frozen=True)
class Lines:
    """One loss of a variant.

    Attributes
    ----------
    values : array of shape (runs, epochs)
        NaN if a run has no such epoch, or no value there.
    written : array of shape (runs, epochs)
        Whether the run wrote this loss there: a NaN there means that the loss was not a number.
    """

    values: Floats
    written: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Variant:
    """All seeds of one spec, or one CSV whose spec is not known.

    Attributes
    ----------
    label : str
        The name, if there is one, and the settings that differ among the variants compared.
    settings : dict
        Those settings as in a config: field to text.
    spec : RunSpec or None
        With seed 0 and without name; None for a lone CSV.
    name : str or None
        The name that its runs carry, if they agree on one.
    runs : tuple of Run
        The finished ones, by seed.
    unfinished : tuple of Run
        Those that failed or were interrupted: listed, never ranked.
    across_splits : bool
        Whether its runs have several splits; ``spec`` then has split seed 0.
    score : Score
        What is judged, and on which rows.
    """

    label: str
    settings: dict[str, str]
    spec: RunSpec | None
    name: str | None
    runs: tuple[Run, ...] = ()
    unfinished: tuple[Run, ...] = ()
    across_splits: bool = False
    score: Score = VAL_MAE

    def __repr__(self) -> str:
        return f"Variant({self.label!r}: {len(self.runs)} finished, {len(self.unfinished)} unfinished)"

    @property
    def judged(self) -> bool:
        """Whether it can be judged: it has finished runs, all with their predictions."""
        return bool(self.runs) and all(self.score.predictions(run) is not None for run in self.runs)

    @cached_property
    def errors(self) -> dict[int, Floats]:
        """Seed -> errors (see :meth:`Score.errors`), shape (judged rows,), in the table's order; for one split.

        The seed is :data:`~.statistics.FIXED` if training again would change nothing.
        """
        assert not self.across_splits
        return {self._seed(run): _errors(run, self.score).to_numpy() for run in self.runs}

    @property
    def has_curves(self) -> bool:
        """Whether there is anything to draw by epoch: lone predictions have no history."""
        return any(len(run.history) for run in self.runs)

    @cached_property
    def epochs(self) -> npt.NDArray[np.int64]:
        """The epochs that any of its finished runs has, rising: the x values of its lines."""
        return np.unique(np.concatenate([run.history["epoch"].to_numpy(np.int64) for run in self.runs]))

    @cached_property
    def lines(self) -> dict[str, Lines]:
        """The losses that all of its finished runs have, at :attr:`epochs`."""
        names = [name for name in LOSS_COLUMNS if all(name in run.history for run in self.runs)]
        shape = len(self.runs), len(self.epochs)
        found = {name: Lines(np.full(shape, np.nan), np.zeros(shape, bool)) for name in names}
        for number, run in enumerate(self.runs):
            places = np.searchsorted(self.epochs, run.history["epoch"].to_numpy())
            for name, lines in found.items():
                lines.values[number, places] = run.history[name].to_numpy()
                lines.written[number, places] = run.written(name)
        return found

    @property
    def title(self) -> str:
        """The label in words, for figures: ``dropout 0.3, batch norm after the activation``."""
        if self.spec is None:
            return self.label
        told = ", ".join(say(name, getattr(self.spec, name)) for name in _told(self.spec, self.settings))
        told = told or ("plain" if self.settings else "")
        if self.name is None:
            return told or self.label
        return f"{self.name} ({told})" if told else self.name

    @property
    def planned(self) -> str:
        """When the first of its runs was planned; empty if that is not known."""
        known = [run.record.planned if run.is_recorded else "" for run in (*self.runs, *self.unfinished)]
        return min(known, default="")

    @property
    def metric(self) -> str:
        """What is judged: ``val MAE``."""
        return self.score.name

    @cached_property
    def split_errors(self) -> dict[int, dict[int, pd.Series]]:
        """Split -> seed -> errors by judged row."""
        found: dict[int, dict[int, pd.Series]] = {}
        for run in self.runs:
            found.setdefault(run.split_seed, {})[self._seed(run)] = _errors(run, self.score)
        return found

    @staticmethod
    def _seed(run: Run) -> int:
        return FIXED if run.is_fixed else run.seed

    @cached_property
    def clusters(self) -> pd.Series | None:
        """The label of each judged row's cluster, by row, in the table's order; None if a run's are not known."""
        found: dict[int, pd.Series] = {}
        for run in self.runs:
            if run.split_seed not in found:
                predictions = self.score.predictions(run)
                labels = None if predictions is None else clusters_of(run, predictions)
                if labels is None:
                    return None
                found[run.split_seed] = labels
        every: pd.Series = pd.concat(list(found.values()))
        return every[~every.index.duplicated()].sort_index()

    def predicts_as(self, other: Variant) -> bool:
        """Whether both have the same seeds and splits, and all their predictions are equal, bit for bit."""
        # Seeds that are not named go by their place.
        ours, theirs = (
            {(run.split_seed, run.seed if run.seed >= 0 else -place): run for place, run in enumerate(one.runs, 1)}
            for one in (self, other)
        )
        return ours.keys() == theirs.keys() and all(
            np.array_equal(self._predicted(ours[key]), other._predicted(theirs[key])) for key in ours
        )

    def _predicted(self, run: Run) -> npt.NDArray[Any]:
        """The judged rows and their predictions, in the order of the file."""
        predictions = self.score.predictions(run)
        assert predictions is not None
        rows, predicted = (predictions[name].to_numpy() for name in ("row", "predicted"))
        if has_probabilities(predictions):
            numbers = {label: number for number, label in enumerate(labels_in(predictions.columns))}
            codes = [numbers[label] for label in predicted]
            return np.column_stack([rows, codes, probabilities(predictions)])
        return np.stack([rows, predicted])

    @property
    def ended(self) -> set[int]:
        """The seeds of its runs that have ended, finished or failed; an interrupted one has not."""
        over = [*self.runs, *(run for run in self.unfinished if run.status == "failed")]
        return {run.seed for run in over}

    @property
    def seeds(self) -> list[int]:
        """The seeds of its finished runs, without repetition."""
        return list(dict.fromkeys(run.seed for run in self.runs if run.is_recorded or run.predictions is not None))

    @property
    def train_rows(self) -> int | None:
        """The number of rows that each run was trained on; None if that is not known."""
        return next((run.record.data.train_rows for run in self.runs if run.is_recorded), None)

    def mean(self, metric: str) -> float | None:
        """The mean of a metric over the finished seeds; None if a run lacks it."""
        values = [getattr(run.known_metrics, metric) for run in self.runs]
        known = [float(value) for value in values if value is not None]
        return float(np.mean(known)) if known and len(known) == len(values) else None

    @cached_property
    def figures(self) -> Figures:
        """What its finished runs score."""
        return self.score.figures_of(self.runs)

    @property
    def passes(self) -> set[int]:
        """See :func:`passes_of`."""
        return passes_of(self.runs)

    @cached_property
    def state(self) -> State:
        """What shows that it has not learnt, or not yet."""
        return state_of(self.runs, self.unfinished, self.score, self.figures)

    @property
    def judged_score(self) -> float | None:
        """The score of all seeds (or splits) and rows together; None if they are not judged."""
        return None if self.error is None else self.score.of_errors(self.error.mean)

    def score_interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the score over seeds and rows, within what the score can be."""
        if self.error is None:
            return None
        low, high = self.error.interval()
        table = self.score.predictions(self.runs[0])
        assert table is not None
        high = min(self.score.of_errors(high), self.score.highest(len(labels_in(table.columns))))
        if self.score.is_error_rate and self.error.mean == 0.0:
            # No error among these rows is not none ever: the exact interval of Clopper and Pearson (1934).
            seeds = [one for split in self.split_errors.values() for one in split.values()]
            rows = len(pd.concat(seeds).index.unique())
            high = 1 - 0.025 ** (1 / (rows if self.clusters is None else self.clusters.nunique()))
        return self.score.of_errors(max(0.0, low)), high

    @cached_property
    def error(self) -> Estimate | None:
        """The mean error with its variance components, over seeds (or splits) and rows."""
        if not self.judged:
            return None
        if self.across_splits:
            several = len(self.split_errors) > 1
            return compare_splits(self.split_errors, self.train_rows, self.clusters) if several else None
        clusters = None if self.clusters is None else Clusters.of(self.clusters.to_numpy())
        return compare_errors(np.stack(list(self.errors.values())), clusters)


def _errors(run: Run, score: Score) -> pd.Series:
    """Errors by row of the table, in its order."""
    predictions = score.predictions(run)
    assert predictions is not None
    rows = predictions["row"].to_numpy()
    order = np.argsort(rows)
    return pd.Series(score.errors(predictions)[order], pd.Index(rows[order], name="row"))


def group_runs(
    runs: Sequence[Run], choice: ScoreChoice = BY_DEFAULT, *, across_splits: bool = False
) -> list[Variant]:
    """The variants of runs, in the order of their settings: colours do not depend on the order of ``runs``.

    With ``across_splits``, runs that differ only in the split's seed are one variant too. Unless ``rows`` are
    named, test rows judge if all runs that can be judged have them, else validation rows.

    Raises
    ------
    SelectionError
        If test rows are named, and a run has none; if a score of numbers is asked for classes, or the other way.
    """
    judged = [run for run in runs if run.predictions is not None]
    without = next((run for run in judged if run.test_predictions is None), None)
    if choice.rows == "test" and without is not None:
        raise SelectionError(
            f"judge rows: expected test rows in every run, found none in {without.path}; runs trained with "
            "--test-fraction have them"
        )
    try:
        judge = choice.fit(classes=any(run.has_classes for run in runs))
    except ValueError as error:
        raise SelectionError(f"judge: {error}") from None
    score = Score(judge, on_test=bool(judged) and without is None and choice.rows != "valid")
    if score.of_passes:
        _check_passes(judged)
    together: dict[RunSpec | Run | str, list[Run]] = {}
    for run in runs:
        together.setdefault(_variant_key(run, across_splits=across_splits), []).append(run)
    specs = {key: [run.spec for run in same if run.is_recorded] for key, same in together.items()}
    fields = varying(key for key in together if isinstance(key, RunSpec))
    variants = []
    for key, same in together.items():
        done = sorted((run for run in same if run.status == "done"), key=_seed)
        rest = sorted((run for run in same if run.status != "done"), key=_seed)
        if isinstance(key, RunSpec):
            variant = _variant(key, specs[key], fields)
        else:
            variant = Variant(same[0].label, {}, None, None)
        variant = replace(variant, across_splits=across_splits, score=score)
        variants.append(replace(variant, runs=tuple(done), unfinished=tuple(rest)))
    return _in_order(variants, fields)


def _variant_key(run: Run, *, across_splits: bool) -> RunSpec | Run | str:
    """What runs of one variant share: the spec but for the seed, or the name of predictions."""
    if run.is_recorded:
        return run.spec.without_seed(across_splits=across_splits)
    return run.label if run.predictions is not None else run


def splits_of(runs: Iterable[Run]) -> dict[RunSpec | Run | str, set[int]]:
    """The splits of each variant that has predictions or a spec."""
    found: dict[RunSpec | Run | str, set[int]] = {}
    for run in runs:
        if run.is_recorded or run.predictions is not None:
            found.setdefault(_variant_key(run, across_splits=True), set()).add(run.split_seed)
    return found


def passes_of(runs: Iterable[Run]) -> set[int]:
    """The numbers of passes that runs with dropout have recorded, 0 for none; without dropout any number is."""
    return {run.spec.mc_passes for run in runs if run.is_recorded and run.spec.has_dropout()}


def _check_passes(runs: Sequence[Run]) -> None:
    """Raise ``SelectionError`` unless all runs with dropout have recorded the same number of passes."""
    by_count = {run.spec.mc_passes: run for run in runs if run.is_recorded and run.spec.has_dropout()}
    if 0 in by_count:
        wanted = max(by_count) or 100
        raise SelectionError(
            f"judge: expected mc_passes in every run with dropout, found none in {by_count[0].path}; the same "
            f"training with mc_passes {wanted} adds them, and trains nothing again if the model is there"
        )
    if len(by_count) > 1:
        (one, first), (other, second) = list(by_count.items())[:2]
        raise SelectionError(
            f"judge: expected as many passes in every run; found {one} in {first.path} and {other} in "
            f"{second.path}"
        )


def group_specs(specs: Iterable[RunSpec]) -> list[Variant]:
    """The variants that specs will give, before any training: without runs, with the labels they will have."""
    specs = list(specs)
    across_splits = crosses_splits(specs)
    together: dict[RunSpec, list[RunSpec]] = {}
    for spec in specs:
        together.setdefault(spec.without_seed(across_splits=across_splits), []).append(spec)
    fields = varying(together)
    return _in_order([_variant(key, same, fields) for key, same in together.items()], fields)


def _variant(spec: RunSpec, seeds: Sequence[RunSpec], fields: Sequence[str]) -> Variant:
    names = {seed.name for seed in seeds}
    name = names.pop() if len(names) == 1 else None
    settings = {field: format_value(getattr(spec, field)) for field in fields}
    return Variant(_label(spec, name, settings), settings, spec, name)


def _label(spec: RunSpec, name: str | None, settings: dict[str, str]) -> str:
    told = {field: settings[field] for field in _told(spec, settings)}
    words = {"widths": "linear" if told.get("widths") == "none" else told.get("widths")}
    text = ", ".join(words.get(field) or f"{field} {value}" for field, value in told.items())
    text = text or ("plain" if settings else "")
    if name is None:
        return text or spec.label()
    return f"{name} ({text})" if text else name


def _told(spec: RunSpec, settings: Iterable[str]) -> list[str]:
    """The fields in a label: if there are many, those that differ from the defaults, as in a directory's name.

    Widths are always included: they take few letters, and beside ``64x3`` a label without them would be unclear.
    """
    fields = list(settings)
    own = ["widths", *spec.differing()] if len(fields) > MAX_TOLD else fields
    return [field for field in fields if field in own]


def _seed(run: Run) -> tuple[int, int]:
    return run.split_seed, run.seed


def _in_order(variants: Sequence[Variant], fields: Sequence[str]) -> list[Variant]:
    """Sorted by their settings, with labels that tell them apart; CSVs with the same name are numbered."""
    seen: dict[str, int] = {}
    found = []
    for variant in sorted(variants, key=lambda variant: _rank(variant, fields)):
        seen[variant.label] = number = seen.get(variant.label, 0) + 1
        found.append(variant if number == 1 else replace(variant, label=f"{variant.label} #{number}"))
    return found


def _rank(variant: Variant, fields: Sequence[str]) -> tuple[Any, ...]:
    if variant.spec is None:
        return (1, variant.label)
    return (0, *(order(field, getattr(variant.spec, field)) for field in fields))


def order(field: str, value: Any) -> tuple[Any, ...]:
    """The value's place among others of its field: numbers by size, names as they are listed."""
    annotation = RunSpec.model_fields[field].annotation
    choices = getattr(annotation, "__args__", ())
    if isinstance(value, str):
        return (1, choices.index(value) if value in choices else 0, value)
    if isinstance(value, tuple):
        return (2, *value)
    return (0, -1.0 if value is None else float(value))


def score_rank(variant: Variant) -> float:
    """The sort key of variants: the score, infinite if it is not known."""
    score = variant.figures.score
    return float("inf") if score is None else score


def choose_reference(
    variants: Sequence[Variant], runs: Sequence[Run], wanted: str | RunSpec | None, first: bool
) -> Variant | None:
    """The reference among ``variants``: the ``wanted`` one, the ``first`` run's, or the one nearest the defaults.

    None if no run is finished. Raises ``SelectionError`` if ``wanted`` is none of them, or not finished.
    """
    if wanted is not None:
        if isinstance(wanted, RunSpec):
            found = next(variant for variant in variants if variant.spec == wanted)
        else:
            found = named_variant(variants, wanted)
        if not found.runs:
            raise SelectionError(f"reference {found.label!r} has no finished run")
        return found
    finished = [variant for variant in variants if variant.runs]
    # Without predictions there is no verdict, but a figure still needs a reference.
    judged = [variant for variant in finished if variant.judged] or finished
    if not judged:
        return None
    if first:
        return next((variant for variant in judged if runs[0] in variant.runs), judged[0])
    return min(judged, key=_distance)


def named_variant(
    variants: Sequence[Variant], wanted: str, directories: dict[str, RunSpec] | None = None
) -> Variant:
    """The variant that ``wanted`` names: by label, name, settings such as ``dropout=0,bn=none``, or a directory.

    ``directories`` maps names of run directories to their variants' specs, for runs that are planned but do not
    exist yet. Raises ``SelectionError`` if none or several match.
    """
    by_directory = (directories or {}).get(Path(wanted).name)
    found = [
        variant
        for variant in variants
        if _goes_by(variant, wanted) or (by_directory and variant.spec == by_directory)
    ]
    found = found or _set_so(variants, wanted)
    if len(found) != 1:
        legal = [variant.label for variant in variants]
        problem = "is not a variant" + nearest(wanted, legal) if not found else "matches several variants"
        raise SelectionError(f"reference {wanted!r} {problem}; there are: {some_of(legal, 20)}")
    return found[0]


def _distance(variant: Variant) -> tuple[bool, int]:
    """The distance of a variant from the defaults; one without a spec comes last."""
    return variant.spec is None, len(variant.spec.differing()) if variant.spec else 0


def _goes_by(variant: Variant, name: str) -> bool:
    """Whether ``name`` is the variant's label, its name, or a directory or signature of one of its runs."""
    labels = (variant.label, variant.name, variant.spec.label() if variant.spec else None)
    signatures = [run.record.signature for run in variant.runs if run.is_recorded]
    paths = [text for run in variant.runs for text in (str(run.path), run.path.name)]
    return name in labels or name in signatures or name.rstrip("/") in paths


def _set_so(variants: Sequence[Variant], text: str) -> list[Variant]:
    """The variants with settings such as ``dropout=0,bn=none``; of several, those with all else at its default."""
    pairs = dict(part.strip().partition("=")[::2] for part in re.split(r",(?=\s*\w+=)", text))
    if not pairs.keys() <= RunSpec.model_fields.keys():
        return []
    found = [
        variant
        for variant in variants
        if variant.spec
        and all(says_the_same(getattr(variant.spec, field), value, field) for field, value in pairs.items())
    ]
    plain = [
        variant
        for variant in found
        if variant.spec and not variant.spec.differing().keys() & variant.settings.keys() - pairs.keys()
    ]
    return plain if len(found) > 1 and plain else found
