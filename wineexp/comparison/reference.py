"""Which variant the others are held against."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wineexp.comparison.variants import Variant, listed
from wineexp.errors import SelectionError, nearest
from wineexp.runs.reader import Saved
from wineexp.specs.run_spec import RunSpec, format_value

__all__ = ["choose_reference"]


def choose_reference(
    variants: Sequence[Variant], runs: Sequence[Saved], wanted: str | None, first: bool
) -> Variant | None:
    if wanted is not None:
        return _named(variants, wanted)
    finished = [variant for variant in variants if variant.runs]
    # Without predictions there is no verdict, but a figure is read against something all the same.
    judged = [variant for variant in finished if variant.judged] or finished
    if not judged:
        return None
    if first:
        return next((variant for variant in judged if runs[0] in variant.runs), judged[0])
    return min(judged, key=lambda variant: len(variant.spec.differing()) if variant.spec else 99)


def _named(variants: Sequence[Variant], wanted: str) -> Variant:
    legal = [variant.label for variant in variants]
    found = [variant for variant in variants if _goes_by(variant, wanted)] or _set_so(variants, wanted)
    if len(found) != 1:
        problem = "is no variant" + nearest(wanted, legal) if not found else "fits several variants"
        raise SelectionError(f"reference {wanted!r} {problem}; there are: {listed(legal, 20)}")
    if not found[0].runs:
        raise SelectionError(f"reference {wanted!r} has no finished run")
    return found[0]


def _goes_by(variant: Variant, name: str) -> bool:
    """Whether ``name`` is the variant's label, its name, or a directory of one of its runs."""
    labels = (variant.label, variant.name, variant.spec.label() if variant.spec else None)
    return name in labels or any(name.rstrip("/") in (str(run.path), run.path.name) for run in variant.runs)


def _is(value: object, text: str) -> bool:
    """Whether a field's value is what ``text`` says: ``0.30`` is 0.3."""
    if format_value(value) == text:
        return True
    try:
        return isinstance(value, float) and value == float(text)
    except ValueError:
        return False


def _set_so(variants: Sequence[Variant], text: str) -> list[Variant]:
    """The variants with settings such as ``dropout=0,bn=none``; of several, those with all else at its default."""
    pairs = dict(part.strip().partition("=")[::2] for part in re.split(r",(?=\s*\w+=)", text))
    if not pairs.keys() <= RunSpec.model_fields.keys():
        return []
    found = [
        variant
        for variant in variants
        if variant.spec and all(_is(getattr(variant.spec, field), value) for field, value in pairs.items())
    ]
    plain = [
        variant
        for variant in found
        if variant.spec and not variant.spec.differing().keys() & variant.settings.keys() - pairs.keys()
    ]
    return plain if len(found) > 1 and plain else found
