"""The questions that a comparison was made to ask, each with its answer: ``Does dropout 0.3 help? No: ...``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from wineexp.comparison.variants import Variant
from wineexp.comparison.verdict import MARGIN_LEVEL, SAME_PREDICTIONS, Verdict, format_p
from wineexp.specs.run_spec import VARIANT_FIELDS, RunSpec, varying
from wineexp.specs.wording import asked, plural_noun, without

__all__ = ["Question", "ask", "quoted"]

#: Shares of the uncertainty below this are left out: more of what they come from would change nothing.
LEAST_SHARE = 0.05

#: What adds to the uncertainty, where a sentence needs more words than its name.
_SOURCES = {"both": "single seeds on single rows"}


@dataclass(frozen=True)
class Question:
    """One verdict as question and answer.

    Attributes
    ----------
    verdict : Verdict
    question : str
        ``Does dropout 0.3 help?``
    answer : str
        ``No: worse by 0.154 [0.090, 0.210] val MAE``; the interval is the verdict's, and towards what is said:
        of a better variant it is that of how much lower the errors are.
    detail : str
        Probability, seeds, and what the uncertainty is from; where it cannot be told, what it would take.
    """

    verdict: Verdict
    question: str
    answer: str
    detail: str


def ask(
    variants: Sequence[Variant], reference: Variant | None, verdicts: Sequence[Verdict]
) -> tuple[Question, ...]:
    """The question behind each verdict, those that change least first, then by the settings that they change.

    Parameters
    ----------
    variants : sequence of Variant
        All that are compared: a name that two of them carry names neither.
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
        found.append((place, Question(verdict, text, _answer(verdict), _detail(verdict))))
    return tuple(question for _, question in sorted(found, key=lambda pair: pair[0]))


def quoted(name: str) -> str:
    """A name set apart from the words around it, whatever commas it has."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{name}\N{RIGHT DOUBLE QUOTATION MARK}"


# -- the question ---------------------------------------------------------------------------------


def _changed(variant: Variant, reference: Variant) -> list[str]:
    """The fields that differ; an optimizer's own rates go with it where both have theirs by default."""
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
    ours, theirs = (_phrases(_spec(side), fields) for side in (variant, reference))
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
    """Field to how a sentence words its value; empty where the setting is switched off."""
    values = {field: getattr(spec, field) for field in fields}
    return {field: asked(field, value) for field, value in values.items()}


def _joined(phrases: dict[str, str]) -> str:
    *parts, last = (phrase or without(field) for field, phrase in phrases.items())
    return f"{', '.join(parts)} and {last}" if parts else last


def _whole(phrases: dict[str, str]) -> str:
    """Several settings as one thing: ``sgd with learning rate 0.1``."""
    (first, phrase), *rest = phrases.items()
    return f"{_joined({first: phrase})} with {_joined(dict(rest))}" if rest else _joined(phrases)


# -- the answer -----------------------------------------------------------------------------------


def _answer(verdict: Verdict) -> str:
    mean, metric = verdict.difference.mean, verdict.metric
    if verdict.identical:
        return f"No difference at all: {SAME_PREDICTIONS}"
    if verdict.interval is None:
        yet = f" yet: train to {verdict.next_look} seeds" if verdict.kind == "cannot tell" else ""
        untold = f" from {verdict.difference.untold}" if verdict.kind == "one seed" else ""
        seen = f"{metric} {verdict.told(mean)} on these rows"
        return f"Cannot tell{yet}{untold}: {seen}, and another seed may reverse it"
    low, high = verdict.interval
    if verdict.kind == "better":
        return f"Yes: better by {_size(verdict, -mean)} [{_size(verdict, -high)}, {_size(verdict, -low)}] {metric}"
    if verdict.kind == "worse":
        return f"No: worse by {_size(verdict, mean)} [{_size(verdict, low)}, {_size(verdict, high)}] {metric}"
    figures = f"{metric} {verdict.told(mean)} [{verdict.told(low)}, {verdict.told(high)}]"
    if verdict.kind == "same":
        return (
            f"No difference that matters: same within {verdict.margin:g}, {figures} ({100 * MARGIN_LEVEL:.0f} %)"
        )
    if verdict.next_look is not None:
        return f"Cannot tell yet: {figures}; train to {verdict.next_look} seeds"
    return f"Cannot tell{' after all planned looks' if verdict.looks else ''}: {figures}"


def _detail(verdict: Verdict) -> str:
    parts = [verdict.difference.seeds_told]
    if verdict.p is None or verdict.level is None:
        return f"{parts[0]}; train more: --seeds 5" if verdict.kind == "one seed" else parts[0]
    if verdict.kind == "cannot tell":
        parts.append(
            f"a difference of {_size(verdict, verdict.detectable or 0.0)} would be detected 80 % of the time"
        )
        if verdict.needed is not None:
            parts.append(f"the one seen would need about {verdict.needed} {verdict.difference.unit}")
    if verdict.looks is not None and verdict.found_at is not None:
        parts.append(f"found at look {verdict.found_at} of {len(verdict.looks.counts)}")
    if verdict.kind != "same":
        several = f" of {verdict.comparisons} comparisons, {100 * verdict.level:.3g} % interval"
        parts.append(f"p {format_p(verdict.p)}{several if verdict.comparisons > 1 else ''}")
    elif verdict.p is not None and verdict.found_at is not None:
        parts.append("there is a difference, but by less than matters")
    shares = verdict.difference.shares().items()
    sources = [f"{_SOURCES.get(name, name)} {100 * share:.0f} %" for name, share in shares if share >= LEAST_SHARE]
    return "; ".join([*parts, f"uncertainty from {', '.join(sources)}"] if sources else parts)


def _size(verdict: Verdict, value: float) -> str:
    text = verdict.told(value, ".3f")
    return text if float(text) else text.removeprefix("-")
