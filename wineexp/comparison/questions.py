"""The questions that a comparison answers, each with its answer: ``Does dropout 0.3 help? No: ...``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import Verdict
from wineexp.specs.run_spec import VARIANT_FIELDS, RunSpec, varying
from wineexp.specs.wording import asked, plural_noun, without, worded

__all__ = ["Question", "ask", "quoted"]


@dataclass(frozen=True)
class Question:
    """One verdict as question and answer.

    Attributes
    ----------
    verdict : Verdict
        Its ``answer`` and ``detail`` belong to the question.
    question : str
        ``Does dropout 0.3 help?``
    """

    verdict: Verdict
    question: str

    @property
    def answer(self) -> str:
        return self.verdict.answer

    @property
    def detail(self) -> str:
        return self.verdict.detail


def ask(
    variants: Sequence[Variant], reference: Variant | None, verdicts: Sequence[Verdict]
) -> tuple[Question, ...]:
    """The question behind each verdict, those that change least first, then by the settings that they change.

    Parameters
    ----------
    variants : sequence of Variant
        All that are compared: a name that two of them share identifies neither.
    reference : Variant or None
    verdicts : sequence of Verdict
        Of any of ``variants`` against ``reference``.
    """
    if reference is None:
        return ()
    by_label = {variant.label: variant for variant in variants}
    names = Counter(variant.name for variant in variants)
    once = {name for name, count in names.items() if name is not None and count == 1}
    found = []
    for verdict in verdicts:
        variant = by_label[verdict.variant_label]
        changed = _changed(variant, reference)
        text = _of_names(variant, reference, once) if {variant.name, reference.name} & once else None
        text = text or (_of_settings(variant, reference, changed) if changed else _of_labels(variant, reference))
        place = len(changed), [VARIANT_FIELDS.index(field) for field in changed]
        found.append((place, Question(verdict, text)))
    return tuple(question for _, question in sorted(found, key=lambda pair: pair[0]))


def quoted(name: str) -> str:
    """A name quoted, so that its commas do not run into the words around it."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{name}\N{RIGHT DOUBLE QUOTATION MARK}"


def _changed(variant: Variant, reference: Variant) -> list[str]:
    """The fields that differ; with two optimizers, without those that both have at their defaults."""
    one, other = variant.spec, reference.spec
    if one is None or other is None:
        return []
    fields = varying([one, other])
    if one.optimizer != other.optimizer:
        chosen = one.differing().keys() | other.differing().keys()
        fields = [field for field in fields if field == "optimizer" or field in chosen]
    return fields


def _of_names(variant: Variant, reference: Variant, once: Collection[str]) -> str:
    one, other = (_called(side, once) for side in (variant, reference))
    return f"Is {one} better than {other}?"


def _called(variant: Variant, once: Collection[str]) -> str:
    return quoted(variant.name if variant.name and variant.name in once else variant.label)


def _of_labels(variant: Variant, reference: Variant) -> str:
    return f"Is {quoted(variant.label)} better than {quoted(reference.label)}?"


def _of_settings(variant: Variant, reference: Variant, fields: Sequence[str]) -> str:
    specs = _spec(variant), _spec(reference)
    idle = {field for spec in specs for field in spec.without_effect()} & set(fields)
    if len(idle) < len(fields):  # where dropout stands is part of switching it on, not a second change
        fields = [field for field in fields if field not in idle]
    else:
        idle = set()
    ours, theirs = (_phrases(spec, fields) for spec in specs)
    for phrases, spec in zip((ours, theirs), specs, strict=True):
        own = sorted(idle - {*spec.without_effect()})
        told = " and ".join(worded(field, getattr(spec, field)) for field in own)
        if told and phrases[fields[-1]]:
            phrases[fields[-1]] += f" with {told}"
    noun = plural_noun(fields[0])
    if not any(theirs.values()) and all(ours.values()):
        together = " together" if len(fields) > 1 else ""
        return f"{'Does' if noun is None and not together else 'Do'} {_joined(ours)} help{together}?"
    one, other = _whole(ours), _whole(theirs)
    if len(fields) == 1:
        other = other.removesuffix(noun or "") if all(theirs.values()) else other
    return f"{'Is' if noun is None else 'Are'} {one} better than {other}?"


def _spec(variant: Variant) -> RunSpec:
    assert variant.spec is not None
    return variant.spec


def _phrases(spec: RunSpec, fields: Sequence[str]) -> dict[str, str]:
    """Field to the words for its value in a sentence; empty if the setting is switched off."""
    values = {field: getattr(spec, field) for field in fields}
    return {field: asked(field, value) for field, value in values.items()}


def _joined(phrases: dict[str, str]) -> str:
    *parts, last = (phrase or without(field) for field, phrase in phrases.items())
    return f"{', '.join(parts)} and {last}" if parts else last


def _whole(phrases: dict[str, str]) -> str:
    """Several settings as one thing: ``sgd with learning rate 0.1``."""
    (first, phrase), *rest = phrases.items()
    return f"{_joined({first: phrase})} with {_joined(dict(rest))}" if rest else _joined(phrases)
