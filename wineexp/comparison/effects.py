"""What each setting of a full cross does: main effects, interactions, and effects by level if they differ."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.comparison.clusters import Clusters
from wineexp.comparison.crossing import compare_splits
from wineexp.comparison.estimate import ALPHA, Estimate
from wineexp.comparison.multiple import holm
from wineexp.comparison.statistics import compare_errors
from wineexp.comparison.variants import Variant, order
from wineexp.comparison.verdict import Kind, adjusted_level, format_p, told_p
from wineexp.listing import Column, Listing
from wineexp.specs.run_spec import varying
from wineexp.specs.wording import format_value
from wineexp.text import format_interval, format_number, one_line, telling_size

__all__ = [
    "Contrast",
    "Effect",
    "effect_listings",
    "effect_sections",
    "effect_sentences",
    "factorial_contrasts",
    "family",
    "judge_effects",
    "simple_contrasts",
]

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Contrast:
    """One effect of a full cross of factors.

    Attributes
    ----------
    levels : mapping of int to int
        Factor (its axis) -> the level that is compared with that factor's level 0: one entry for a main
        effect, two for an interaction.
    weights : array of the factors' shape
        The weight of each cell; they sum to 0.
    at : mapping of int to int
        For an effect at one level of another factor: that factor and its level.
    """

    levels: dict[int, int]
    weights: Floats
    at: dict[int, int] = dataclasses.field(default_factory=dict)

    def of(self, errors: Floats) -> Floats:
        """The effect on ``errors``: their shape (*factors, ...) becomes (...)."""
        found: Floats = np.tensordot(self.weights, errors, axes=self.weights.ndim)
        return found


def factorial_contrasts(shape: Sequence[int]) -> list[Contrast]:
    """Main effects, then two-factor interactions, of a full cross with ``shape`` levels per factor.

    A main effect is the mean over the other factors of a level minus level 0. An interaction is how much the
    effect of one factor's level differs between another factor's level and its level 0, again as a mean over the
    rest (Montgomery, *Design and Analysis of Experiments*, chapter 5, with treatment coding).
    """
    factors = range(len(shape))
    main = [{factor: level} for factor in factors for level in range(1, shape[factor])]
    pairs = [one | other for one, other in itertools.combinations(main, 2) if one.keys() != other.keys()]
    return [Contrast(levels, _weights(shape, levels)) for levels in main + pairs]


def simple_contrasts(shape: Sequence[int], pairs: Sequence[tuple[int, int]]) -> list[Contrast]:
    """For each pair of factors, the effects of each at every level of the other, as means over the rest."""
    return [
        Contrast({factor: level}, _weights(shape, {factor: level}, {other: at}), {other: at})
        for pair in pairs
        for factor, other in (pair, pair[::-1])
        for level in range(1, shape[factor])
        for at in range(shape[other])
    ]


def _weights(shape: Sequence[int], levels: dict[int, int], at: dict[int, int] | None = None) -> Floats:
    weights: Floats = np.ones(())
    for factor, count in enumerate(shape):
        axis = np.full(count, 1 / count)
        if factor in levels:
            axis = np.zeros(count)
            axis[levels[factor]], axis[0] = 1, -1
        elif at and factor in at:
            axis = np.zeros(count)
            axis[at[factor]] = 1
        weights = np.multiply.outer(weights, axis)
    return weights


EstimateContrast = Callable[[Contrast], Estimate]


@dataclass(frozen=True)
class Effect:
    """One effect of a full cross.

    Attributes
    ----------
    kind : {"main", "interaction", "simple"}
        A setting's effect on average over the rest; how much it differs between two values of another setting; a
        setting's effect at one value of another.
    levels, base : dict
        Field to value, and to the value that it is compared with: one field, or two for an interaction.
    at : dict
        For a simple effect, the other field with its value.
    metric : str
        What is judged: ``val MAE``.
    base_error : float or None
        The base's score, which decides the decimals of the figures.
    difference : Estimate
    p : float
        Corrected (Holm): main effects and interactions together, simple effects together.
    """

    kind: Literal["main", "interaction", "simple"]
    levels: dict[str, str]
    base: dict[str, str]
    difference: Estimate
    p: float
    at: dict[str, str]
    metric: str = "val MAE"
    base_error: float | None = None

    def __repr__(self) -> str:
        return one_line(f"Effect({self.sentence()})")

    @property
    def real(self) -> bool:
        return self.p < ALPHA

    @property
    def size(self) -> float | None:
        """The size that decides the decimals of its figures, as for a verdict."""
        return telling_size(self.base_error, self.interval) if self.real else self.base_error

    @property
    def outcome(self) -> Kind:
        """``better`` and ``worse`` than the base: for an interaction, a smaller and a larger change."""
        return "cannot tell" if not self.real else "worse" if self.difference.mean > 0 else "better"

    @property
    def word(self) -> str:
        """``better``, ``worse`` or ``cannot tell``; for an interaction ``less``, ``more`` or ``cannot tell``."""
        amounts = {"better": "less", "worse": "more"} if self.kind == "interaction" else {}
        return amounts.get(self.outcome, self.outcome)

    @property
    def label(self) -> str:
        """``dropout 0.3``; ``dropout 0.3, with bn after``; ``effect of dropout 0.3, with bn after``."""
        field, value = next(iter(self.levels.items()))
        if self.kind == "main":
            return f"{field} {value}"
        return f"{'effect of ' if self.kind == 'interaction' else ''}{field} {value}, {self.at_label}"

    @property
    def at_label(self) -> str:
        """The value of the other field: ``with bn after``."""
        other, level = list((self.at or self.levels).items())[-1]
        return f"with {other} {level}"

    @property
    def base_label(self) -> str:
        """The base: ``dropout 0``; for an interaction ``with bn none``."""
        field, value = list(self.base.items())[-1]
        return f"with {field} {value}" if self.kind == "interaction" else f"{field} {value}"

    @property
    def change(self) -> str:
        """``dropout 0.3 instead of 0``; for an interaction ``dropout 0.3, with bn after against none``."""
        field, value = next(iter(self.levels.items()))
        if self.kind == "interaction":
            return f"{field} {value}, {self.at_label} against {list(self.base.values())[-1]}"
        change = f"{field} {value} instead of {self.base[field]}"
        return f"{change}, {self.at_label}" if self.at else change

    def sentence(self) -> str:
        """The effect in words, with its figures."""
        if self.kind == "interaction":
            return self._of_interaction()
        if not self.real:
            return f"{self.change}: {self.word}; {self.metric} {self.figures()}"
        return f"{self.change} changes {self.metric} by {self.figures()}"

    def _of_interaction(self) -> str:
        """``dropout 0.3 changes val MAE by 0.080 less [0.076, 0.084] with bn after than with bn none``."""
        field, value = next(iter(self.levels.items()))
        if not self.real:
            return f"{self.change}: {self.word}; {self.metric} {self.figures()}"
        size, *ends = (format_number(abs(end), ".3f", self.size) for end in (self.difference.mean, *self.interval))
        low, high = ends if self.difference.mean > 0 else reversed(ends)
        amount = f"{size} {self.word} [{low}, {high}]"
        sides = f"{self.at_label} than {self.base_label}"
        return f"{field} {value} changes {self.metric} by {amount} {sides}, p {format_p(self.p)}"

    @property
    def interval(self) -> tuple[float, float]:
        """The interval that belongs to the corrected probability."""
        return self.difference.interval(adjusted_level(self.difference.p, self.p))

    def as_json(self) -> dict[str, Any]:
        """The effect as plain values."""
        low, high = self.interval
        return {
            "kind": self.kind,
            "effect": self.levels,
            "against": self.base,
            "at": self.at,
            "difference": self.difference.mean,
            "low": low,
            "high": high,
            "p": told_p(self.p),
            self.difference.unit: self.difference.fewest,
        }

    def figures(self, form: str = "+.3f") -> str:
        """``+0.319 [+0.241, +0.398]``."""
        return format_interval(self.difference.mean, *self.interval, form=form, size=self.size)


def judge_effects(
    judged: Sequence[Variant], reference: Variant, only: Sequence[int] | None = None
) -> tuple[Effect, ...]:
    """Main effects, two-factor interactions, and the effects by level of fields whose interaction is real.

    Empty unless the variants fully cross two fields or more and share two seeds or more. Only seeds (across
    splits: splits) that all variants have are used, and of these only those in ``only``. A field's first level is
    the reference's.
    """
    if any(variant.spec is None for variant in judged):
        return ()
    across = reference.across_splits
    fields = varying(variant.spec for variant in judged if variant.spec)
    values = [_levels(field, judged, reference) for field in fields]
    cells = {tuple(getattr(variant.spec, field) for field in fields): variant for variant in judged}
    common = set.intersection(*(set(one.split_errors if across else one.errors) for one in judged))
    shared = sorted(common if only is None else common & set(only))
    full = len(cells) == len(judged) == np.prod([len(levels) for levels in values])
    if len(fields) < 2 or not full or len(shared) < 2:
        return ()
    shape = tuple(len(levels) for levels in values)
    ordered = [cells[cell] for cell in itertools.product(*values)]
    if across:
        shared = [
            split for split in shared if set.intersection(*(set(one.split_errors[split]) for one in ordered))
        ]
        if len(shared) < 2:
            return ()
    estimate = (_over_splits if across else _over_seeds)(ordered, shared, shape)
    names = [[format_value(value) for value in levels] for levels in values]
    found = _judged(factorial_contrasts(shape), estimate, fields, names, reference)
    if not all(effect.difference.tells for effect in found):
        return ()
    real = {tuple(effect.levels) for effect in found if effect.kind == "interaction" and effect.real}
    pairs = itertools.combinations(range(len(fields)), 2)
    depending = [(one, other) for one, other in pairs if (fields[one], fields[other]) in real]
    return (*found, *_judged(simple_contrasts(shape, depending), estimate, fields, names, reference))


def _over_seeds(cells: Sequence[Variant], seeds: Sequence[int], shape: tuple[int, ...]) -> EstimateContrast:
    stacked = [cell.score.linear(np.stack([cell.errors[seed] for seed in seeds])) for cell in cells]
    errors = np.stack(stacked).reshape(*shape, *stacked[0].shape)
    labels = next((cell.clusters for cell in cells if cell.clusters is not None), None)
    clusters = None if labels is None else Clusters.of(labels.to_numpy())
    return lambda contrast: compare_errors(contrast.of(errors), clusters)


def _over_splits(cells: Sequence[Variant], splits: Sequence[int], shape: tuple[int, ...]) -> EstimateContrast:
    places = [
        (split, seed, cells[0].split_errors[split][seed].index)
        for split in splits
        for seed in sorted(set.intersection(*(set(cell.split_errors[split]) for cell in cells)))
    ]
    linear = [
        cell.score.linear(np.concatenate([cell.split_errors[split][seed].to_numpy() for split, seed, _ in places]))
        for cell in cells
    ]
    ends = np.cumsum([len(rows) for *_, rows in places])[:-1]
    parts = np.split(np.stack(linear).reshape(*shape, -1), ends, axis=-1)
    errors: dict[int, dict[int, tuple[Floats, pd.Index]]] = {}
    for (split, seed, rows), part in zip(places, parts, strict=True):
        errors.setdefault(split, {})[seed] = part, rows

    labels = next((cell.clusters for cell in cells if cell.clusters is not None), None)

    def estimate(contrast: Contrast) -> Estimate:
        found = {
            split: {seed: pd.Series(contrast.of(values), rows) for seed, (values, rows) in seeds.items()}
            for split, seeds in errors.items()
        }
        return compare_splits(found, cells[0].train_rows, labels)

    return estimate


def _judged(
    contrasts: Sequence[Contrast],
    estimate: EstimateContrast,
    fields: Sequence[str],
    names: Sequence[Sequence[str]],
    reference: Variant,
) -> list[Effect]:
    differences = [estimate(contrast) for contrast in contrasts]
    corrected = holm([difference.p for difference in differences])
    return [
        Effect(
            "simple" if contrast.at else "main" if len(contrast.levels) == 1 else "interaction",
            {fields[axis]: names[axis][level] for axis, level in contrast.levels.items()},
            {fields[axis]: names[axis][0] for axis in contrast.levels},
            difference,
            p,
            {fields[axis]: names[axis][level] for axis, level in contrast.at.items()},
            reference.metric,
            reference.judged_score,
        )
        for contrast, difference, p in zip(contrasts, differences, corrected, strict=True)
    ]


def _levels(field: str, judged: Sequence[Variant], reference: Variant) -> list[Any]:
    """A field's values, the reference's first."""
    found = {getattr(variant.spec, field) for variant in judged}
    first = getattr(reference.spec, field)
    return sorted(found, key=lambda value: (value != first, order(field, value)))


def family(*, claimed: bool) -> str:
    """What terminal and page say above the effects: a difference may stand there and among the verdicts.

    Parameters
    ----------
    claimed : bool
        Whether any verdict tells a variant from the reference. Effects are claims only then: with both families
        free to claim, one of them would in 9 to 13 % of crosses in which nothing differs.
    """
    told = (
        "a second family of comparisons, corrected on its own: cells of the cross against each other, "
        "not variants against the reference"
    )
    if claimed:
        return told
    return f"exploring, no claims, as no verdict tells a variant from the reference; {told}"


def effect_sections(effects: Sequence[Effect]) -> list[tuple[str, list[Effect]]]:
    """The effects in groups, each under its heading: averages, then interactions, then level by level.

    An average over levels is left out if the effect differs among them: it answers nothing.
    """
    depending = [effect.levels for effect in effects if effect.kind == "simple"]
    effects = [effect for effect in effects if effect.kind != "main" or effect.levels not in depending]
    sections = [
        ("what a setting changes, on average over the rest", [one for one in effects if one.kind == "main"])
    ]
    interactions = [one for one in effects if one.kind == "interaction"]
    for field, other in dict.fromkeys(tuple(one.levels) for one in interactions):
        found = [one for one in interactions if tuple(one.levels) == (field, other)]
        values = ", ".join(dict.fromkeys(one.levels[other] for one in found))
        heading = f"how much the effect of {field} differs between {other} {found[0].base[other]} and {values}"
        sections.append((heading, found))
    at_values = [one for one in effects if one.kind == "simple"]
    sections.append(("what a setting changes at each value of another, where that differs", at_values))
    return [(heading, found) for heading, found in sections if found]


def effect_listings(effects: Sequence[Effect]) -> list[Listing]:
    """A table for each of :func:`effect_sections`."""
    return [
        Listing.of(
            [
                Column("effect", f"effect on {section[0].metric}", "", lambda effect: effect.label),
                Column("against", "against", "", lambda effect: effect.base_label),
                Column("change", "change", "", lambda effect: effect.figures("+.4f")),
                Column("p", "p", "", lambda effect: format_p(effect.p), right=True),
            ],
            section,
            caption=f"{heading}:",
        )
        for heading, section in effect_sections(effects)
    ]


def effect_sentences(effects: Sequence[Effect]) -> list[str]:
    """The effect of each setting, then the interactions, each once.

    If an effect differs among the levels of another field, its average answers nothing: each level's is given.
    """
    sentences = []
    for effect in (effect for effect in effects if effect.kind == "main"):
        simple = [one for one in effects if one.kind == "simple" and one.levels == effect.levels]
        sentences.append(_by_level(effect, simple) if simple else f"{effect.sentence()}, on average over the rest")
    interactions = [effect for effect in effects if effect.kind == "interaction"]
    for pair in dict.fromkeys(tuple(effect.levels) for effect in interactions):
        real = [effect.sentence() for effect in interactions if tuple(effect.levels) == pair and effect.real]
        sentences += real or [f"{' and '.join(pair)}: cannot tell whether the effect of one depends on the other"]
    return sentences


def _by_level(effect: Effect, simple: Sequence[Effect]) -> str:
    """``dropout 0.3 instead of 0: its effect depends on bn: val MAE +0.100 [...] with bn none; ...``."""
    others = list(dict.fromkeys(field for one in simple for field in one.at))
    parts = [f"{one.figures()} {one.at_label}{'' if one.real else f' ({one.word})'}" for one in simple]
    return f"{effect.change}: its effect depends on {' and '.join(others)}: {effect.metric} {'; '.join(parts)}"
