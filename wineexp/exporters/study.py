"""What a study sends besides its runs: of each variant its mean, interval and verdict."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from wineexp.comparison.columns import COLUMNS
from wineexp.comparison.comparison import Comparison

__all__ = ["VariantFacts", "digest_of", "variant_facts"]

#: Columns of a comparison that are sent as numbers.
NUMBERS = (
    "val_mae", "low", "high", "train_mae", "skill", "difference", "difference_low", "difference_high",
    "difference_level", "p", "detectable", "seeds", "splits",
)  # fmt: skip


@dataclass(frozen=True)
class VariantFacts:
    """One variant: its label, what is said of it, its numbers by column, and its verdict's sentence."""

    label: str
    word: str
    sentence: str
    numbers: dict[str, float]


def variant_facts(comparison: Comparison) -> list[VariantFacts]:
    """Each finished variant, by val MAE; numbers that are not known or not finite are left out."""
    facts = []
    for entry in comparison.entries:
        values = {key: COLUMNS[key].value(entry) for key in NUMBERS}
        numbers = {
            key: float(value) for key, value in values.items() if value is not None and math.isfinite(value)
        }
        sentence = entry.verdict.sentence() if entry.verdict else "the reference" if entry.is_reference else ""
        facts.append(VariantFacts(entry.variant.label, entry.word or "not judged", sentence, numbers))
    return facts


def digest_of(comparison: Comparison) -> str:
    """What a comparison is recognized by: its runs as they were recorded, and what it says of them."""
    runs = sorted(f"{run.path.name} {run.record.recorded}" for run in comparison.runs if run.record)
    text = "\n".join([*runs, *comparison.sentences(), *comparison.notes])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
