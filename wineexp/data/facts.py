"""What is recorded of a table and its split: plain facts, checked, read without loading pandas."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MAX_CATEGORIES", "Kind", "ScalingFacts", "TableFacts", "category_features"]

#: Of a column that is encoded: a column with more is a name or a description, and no row is like another by it.
MAX_CATEGORIES = 100

#: The real red-wine table, its stand-in, or any other file.
Kind = Literal["red-wine", "simulated", "custom"]

_Count = Annotated[int, Field(ge=0)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class ScalingFacts(BaseModel):
    """What ``predict`` needs to scale new rows: ``(features - center) / scale``, one number per feature.

    ``in_model``: model.keras begins with it and takes raw features; not written where it takes scaled ones, as in
    earlier runs.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    center: tuple[_Finite, ...]
    scale: tuple[_Finite, ...]
    in_model: bool = False


class TableFacts(BaseModel):
    """The table and its split.

    Attributes
    ----------
    source : str
        For people: the path, address or program that gave the table.
    fingerprint : str
        SHA-256 of the values.
    rows, train_rows, valid_rows, twins : int
        ``twins``: validation rows that also stand in the training rows.
    test_rows : int
        Rows that neither train nor choose; not written where there are none.
    train_median : float or None
        Of the target; None in runs before 0.1.
    features : tuple of str
        In the order that the model takes them; ``column=category`` for each category of a column of text.
    categories : dict of str to tuple of str
        Of each column of text that is encoded those of the training rows, sorted; not written where there is none.
    ranges : tuple of pairs of float
        Lowest and highest value of each feature in the training rows, unscaled; empty in earlier runs.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    source: str
    kind: Kind
    fingerprint: str
    rows: _Count
    train_rows: _Count
    valid_rows: _Count
    twins: _Count
    test_rows: _Count = 0
    train_median: _Finite | None = None
    features: tuple[str, ...]
    categories: dict[str, Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_CATEGORIES)]] = {}
    ranges: tuple[tuple[_Finite, _Finite], ...] = ()
    scaling: ScalingFacts

    def contradiction(self, target: str) -> str | None:
        """What in these facts contradicts the rest of them; None where all agrees."""
        count = len(self.features)
        if self.train_rows + self.valid_rows + self.test_rows != self.rows:
            return f"rows: expected the sum of the sides of the split, found {self.rows}"
        if not count or target in self.features or len(set(self.features)) < count:
            return "features: expected different columns beside the target"
        for column, known in self.categories.items():
            names = category_features(column, known)
            start = self.features.index(names[0]) if names[0] in self.features else 0
            if self.features[start : start + len(names)] != names or column in (*self.features, target):
                return f"categories: expected the features of {column!r}, one after the other"
        if not len(self.scaling.center) == len(self.scaling.scale) == count:
            return f"scaling: expected {count} numbers each, one per feature"
        if len(self.ranges) not in (0, count):
            return f"ranges: expected {count} pairs of numbers, one per feature"
        if 0.0 in self.scaling.scale:
            return "scaling.scale: expected numbers other than 0"
        return None


def category_features(column: str, categories: Iterable[str]) -> tuple[str, ...]:
    """The names of the features that a column of text is encoded as."""
    return tuple(f"{column}={category}" for category in categories)
