"""Which variant the others are compared with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from wineexp.comparison.variants import Variant
from wineexp.errors import SelectionError, nearest
from wineexp.runs.reader import LoadedRun
from wineexp.runs.run_table import says_the_same
from wineexp.specs.run_spec import RunSpec
from wineexp.text import some_of

__all__ = ["choose_reference", "named_variant"]


def choose_reference(
    variants: Sequence[Variant], runs: Sequence[LoadedRun], wanted: str | RunSpec | None, first: bool
) -> Variant | None:
    """The reference among ``variants``: the one ``wanted``, the ``first`` run's, or the one nearest the defaults.

    None where no run is finished. Raises ``SelectionError`` where ``wanted`` is none of them, or not finished.
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

    ``directories`` are run directories by name with their variants' specs, for runs that are planned but do not
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
    """How far a variant is from the defaults; one without a spec comes last."""
    return variant.spec is None, len(variant.spec.differing()) if variant.spec else 0


def _goes_by(variant: Variant, name: str) -> bool:
    """Whether ``name`` is the variant's label, its name, or a directory or signature of one of its runs."""
    labels = (variant.label, variant.name, variant.spec.label() if variant.spec else None)
    signatures = [run.record.signature for run in variant.runs if run.record]
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
