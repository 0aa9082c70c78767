"""What a study sends besides its runs, as plain data: of each variant its curves, its numbers, its verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wineexp.runs.record import Record
from wineexp.specs.run_spec import RunSpec

__all__ = ["StudyFacts", "VariantFacts"]


@dataclass(frozen=True)
class VariantFacts:
    """One variant of a study.

    Attributes
    ----------
    label, word, sentence : str
        Its verdict in a word and in a sentence.
    numbers : dict of str to float
        By column of the comparison's table; finite ones alone.
    spec : RunSpec or None
        What its runs share but for ``varying``.
    varying : set of str
    records : tuple of Record
        Of its runs, unfinished ones too.
    curves : dict of str to pair of arrays
        ``loss`` and ``val_loss``: the mean over the seeds and half its 95 % interval, by epoch.
    """

    label: str
    word: str
    sentence: str
    numbers: dict[str, float]
    spec: RunSpec | None
    varying: frozenset[str]
    records: tuple[Record, ...]
    curves: dict[str, tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]


@dataclass(frozen=True)
class StudyFacts:
    """A judged study.

    Attributes
    ----------
    name : str
    digest : str
        16 hex characters by which this judgement is recognized: of its runs as recorded, and of what is said.
    recorded : str
        When its last run was recorded, ISO 8601; empty where that is not known.
    text : str
        What is said of it, one paragraph for each verdict, effect and note.
    table : str
        The comparison's table as CSV.
    variants : tuple of VariantFacts
    """

    name: str
    digest: str
    recorded: str
    text: str
    table: str
    variants: tuple[VariantFacts, ...]
