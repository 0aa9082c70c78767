"""A target of labels: which there are, what the loss sees of them, and what a model's outputs say of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.facts import MAX_LABELS, TableFacts
from wineexp.data.scaling import TargetScaling
from wineexp.data.table import Table, find_target
from wineexp.errors import DataError, nearest
from wineexp.specs.fields import is_label, label_of
from wineexp.specs.run_spec import RunSpec
from wineexp.text import csv_cell, one_line, some_of

__all__ = [
    "Classes",
    "Labels",
    "Target",
    "are_numbers",
    "check_labels",
    "class_hint",
    "class_note",
    "label_texts",
    "loss_for",
    "table_labels",
    "target_of",
]

Labels = npt.NDArray[np.int64]

#: The most values of a target that look like codes of classes: whole numbers, one after the other, from 0 or 1.
MOST_CODES = 10


@dataclass(frozen=True)
class Classes:
    """The labels of a target, and what a model's outputs say of them.

    Attributes
    ----------
    labels : tuple of str
        In their order: of numbers by value, of text by character.
    positive : int or None
        The label that the one unit of ``binary_crossentropy`` stands for; None: there is a unit for each label.
    """

    labels: tuple[str, ...]
    positive: int | None = None

    def forward(self, codes: Labels) -> npt.NDArray[np.float32]:
        """Labels, by their number, as the loss sees them: 0 and 1, shape (rows,), or one-hot, (rows, labels)."""
        if self.positive is not None:
            return np.asarray(codes == self.positive, np.float32)
        one_hot: npt.NDArray[np.float32] = np.eye(len(self.labels), dtype=np.float32)[codes]
        return one_hot

    def inverse(self, outputs: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """The probability of each label, shape (rows, labels), of a model's outputs before the last activation.

        In float64, so that small probabilities keep their digits: float32 has none between 1 - 6e-8 and 1.

        Parameters
        ----------
        outputs : array, shape (rows,) or (rows, labels)
        """
        exact = np.asarray(outputs, np.float64)
        with np.errstate(over="ignore"):
            if self.positive is None:
                powers = np.exp(exact - exact.max(axis=1, keepdims=True))
                whole: npt.NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
                return whole
            both = 1 / (1 + np.exp(exact)), 1 / (1 + np.exp(-exact))
        return np.stack(both if self.positive else both[::-1], axis=1)

    def likely(self, probabilities: npt.NDArray[np.floating[Any]]) -> Labels:
        """The number of each row's most probable label; of two equally probable ones not the positive."""
        if self.positive is not None:
            return np.where(probabilities[:, self.positive] > 0.5, self.positive, 1 - self.positive)
        return np.asarray(probabilities.argmax(axis=1), np.int64)

    def named(self, codes: Labels) -> npt.NDArray[np.object_]:
        """The labels with these numbers."""
        return np.array(self.labels, dtype=object)[codes]

    def codes(self, texts: Iterable[str]) -> Labels:
        """The number of each label; -1 for text that is none."""
        return pd.Index(self.labels).get_indexer(pd.Index(list(texts), dtype=object)).astype(np.int64)


#: What a model's outputs mean.
Target = TargetScaling | Classes


def target_of(facts: TableFacts, spec: RunSpec) -> Target:
    """The target as a run recorded it."""
    if spec.has_classes:
        return _classes(facts.labels, spec)
    return TargetScaling.of(facts, spec.scale_target)


def _classes(labels: tuple[str, ...], spec: RunSpec) -> Classes:
    if spec.loss != "binary_crossentropy":
        return Classes(labels)
    return Classes(labels, 1 if spec.positive is None else labels.index(spec.positive))


def label_texts(cells: Iterable[str], labels: Sequence[str]) -> list[str]:
    """Cells of text as labels are written: where all labels are numbers, ``1.0`` is ``1``."""
    if not are_numbers(labels):
        return [cell.strip() for cell in cells]
    return [label_of(float(cell)) if _is_number(cell) else cell.strip() for cell in cells]


def are_numbers(labels: Iterable[str]) -> bool:
    """Whether all labels are numbers."""
    return all(map(_is_number, labels))


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def table_labels(table: Table, target: str) -> npt.NDArray[np.object_]:
    """The label of each row of a table, shape (rows,)."""
    column = table.frame[target]
    texts = (
        column if target in table.faults else ("" if cell != cell else label_of(cell) for cell in column.tolist())
    )
    return np.array(list(texts), dtype=object)


def check_labels(table: Table, spec: RunSpec) -> Classes:
    """The classes of a target.

    Raises
    ------
    DataError
        If it is no column of the table, or has other labels than the loss and ``positive`` need; with the flag
        that helps.
    """
    name = spec.target
    find_target(table, name)
    cells = table.frame[name]
    where = f"{table.source}: column {name!r}"
    unique = sorted(cells[cells != ""].dropna().unique())
    labels = tuple(unique) if name in table.faults else tuple(map(label_of, unique))
    shown = some_of([one_line(label)[:60] for label in labels])
    if len(labels) < 2:
        rows = "every row" if len(cells) == (cells == cells[0]).sum() else "every row that is not empty"
        raise DataError(f"{where}: expected a target that varies, found {shown} in {rows}")
    if spec.loss == "binary_crossentropy" and len(labels) > 2:
        raise DataError(
            f"{where}: expected two labels for binary_crossentropy, found {len(labels):,}: {shown}; "
            + (
                "--loss categorical_crossentropy takes more"
                if len(labels) <= MAX_LABELS
                else _too_many(name in table.faults)
            )
        )
    if len(labels) > MAX_LABELS:
        raise DataError(f"{where}: expected at most {MAX_LABELS} labels, found {len(labels):,}: {shown}; "
                        f"{_too_many(name in table.faults)}")  # fmt: skip
    if wrong := next((label for label in labels if not is_label(label)), None):
        raise DataError(f"{where}: expected labels of 1 to 200 printable characters, found {wrong[:60]!r}")
    if twins := _alike(labels):
        raise DataError(
            f"{where}: expected labels that predictions.csv tells apart, found {twins[0][:60]!r} beside "
            f"{twins[1][:60]!r}, {twins[2]}; rename one"
        )
    if spec.positive is not None and spec.positive not in labels:
        hint = nearest(spec.positive, labels)
        raise DataError(f"{where}: positive: expected one of its labels, {shown}; found {spec.positive!r}{hint}")
    return _classes(labels, spec)


def _alike(labels: Sequence[str]) -> tuple[str, str, str] | None:
    """Two labels of which a file of predictions would make one, and where; None if there are none."""
    cells: dict[str, str] = {}
    for label in labels:
        if f"mc_{label}" in labels:
            return f"mc_{label}", label, f"whose passes are in column p_mc_{label}"
        if (other := cells.setdefault(csv_cell(label), label)) != label:
            return label, other, f"which is written as {csv_cell(label)[:60]}"
    return None


def _too_many(is_text: bool) -> str:
    return "a text of that many values is no class" if is_text else "--loss mae predicts a number"


def loss_for(labels: int) -> str:
    """The flag of the loss that suits a number of labels."""
    return f"--loss {'binary' if labels == 2 else 'categorical'}_crossentropy"


def class_hint(table: Table, target: str) -> str:
    """The flag that learns a target of text, for an error; empty if that cannot be classes."""
    count = table.category_counts.get(target, 0)
    if not 2 <= count <= MAX_LABELS:
        return ""
    return f"; {loss_for(count)} learns the probabilities of its {count} labels"


def class_note(table: Table, target: str) -> str | None:
    """A note on a target of numbers that look like codes of classes; None for others.

    They are two whole numbers, or up to ten, one after the other, from 0 or 1 on. Red wine's quality, 3 to 8, is
    none: such a grade is a number as well.
    """
    values = np.unique(table.frame[target].dropna().to_numpy(np.float64)[: 10**6])
    count = len(values)
    if count > MOST_CODES or not (values == np.round(values)).all():
        return None
    if count != 2 and not (values[0] in (0, 1) and np.array_equal(values, values[0] + np.arange(count))):
        return None
    shown = ", ".join(map(label_of, values.tolist()))
    return (
        f"{table.source}: column {target!r} has the values {shown} alone, and is learnt as a number; if they are "
        f"classes, {loss_for(count)} learns their probabilities"
    )
