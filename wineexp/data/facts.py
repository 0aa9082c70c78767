"""The recorded facts of a table and its split: plain data, checked, read without loading pandas."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "MAX_CATEGORIES",
    "MAX_LABELS",
    "RED_WINE_COLUMNS",
    "RED_WINE_FINGERPRINT",
    "Kind",
    "ScalingFacts",
    "TableFacts",
    "TargetFacts",
    "category_features",
    "headings",
    "same_table",
    "table_identity",
]

#: Limit of an encoded column's categories: with more it is a name or a description, and hardly any rows share one.
MAX_CATEGORIES = 1000

#: Limit of a target's labels.
MAX_LABELS = 100

#: The real red-wine table, its stand-in, or any other file.
Kind = Literal["red-wine", "simulated", "custom"]

#: The red-wine table's columns, and the decimals of their values; the simulated table has the same.
RED_WINE_COLUMNS = {
    "fixed acidity": 1,
    "volatile acidity": 3,
    "citric acid": 2,
    "residual sugar": 2,
    "chlorides": 3,
    "free sulfur dioxide": 1,
    "total sulfur dioxide": 1,
    "density": 5,
    "pH": 2,
    "sulphates": 2,
    "alcohol": 2,
    "quality": 0,
}

#: The fingerprint of the red-wine table's values; a copy of UCI's file with ``,`` separators has the same one.
RED_WINE_FINGERPRINT = "b5664dbe786986a1b3838a92884cc19d31bec1404f3975952f5f17c71999665c"

_Count = Annotated[int, Field(ge=0)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class ScalingFacts(BaseModel):
    """The scaling that ``predict`` applies to new rows: ``(features - center) / scale``, one number per feature.

    ``in_model``: model.keras begins with the scaling and takes raw features; not written if it takes scaled
    features, as in earlier runs.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    center: tuple[_Finite, ...]
    scale: tuple[_Finite, ...]
    in_model: bool = False


class TargetFacts(BaseModel):
    """The scaling of the target for the loss: ``(target - center) / scale``."""

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    center: _Finite
    scale: Annotated[_Finite, Field(gt=0.0)]


class TableFacts(BaseModel):
    """The table and its split.

    Attributes
    ----------
    source : str
        For people: the path, address or program that gave the table.
    fingerprint : str
        SHA-256 of the values.
    columns : tuple of str
        The headings of all columns, in the table's order; empty until schema 2.
    rows, train_rows, valid_rows, twins : int
        ``twins``: validation rows that also occur in the training rows.
    test_rows : int
        Rows that are used neither to train nor to choose; not written if there are none.
    train_median, train_mean : float or None
        Median and mean of the target in the training rows; None in earlier runs, and with classes.
    labels : tuple of str
        The target's labels in their order; not written unless it is learnt as classes.
    shares : tuple of float
        The share of each label in the training rows; not written either.
    features : tuple of str
        In the order that the model takes them; ``column=category`` for each category of a column of text.
    fills : dict of str to float
        For each column of numbers among the features the number that stands for a missing one; not written unless
        the spec's ``missing`` fills.
    left_out : int
        Rows that were left out, as a value was missing; not written if there are none.
    sides : str
        A hash of the side of each row, with a split column; not written otherwise.
    categories : dict of str to tuple of str
        For each encoded column of text its categories in the training rows, sorted; not written if there is none.
    ranges : tuple of pairs of float
        Lowest and highest value of each feature in the training rows, unscaled; empty in earlier runs.
    target_scaling : TargetFacts or None
        Not written unless the target is standardized or min-max scaled.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="allow")

    source: str
    kind: Kind
    fingerprint: str
    columns: tuple[str, ...] = ()
    rows: _Count
    train_rows: _Count
    valid_rows: _Count
    twins: _Count
    test_rows: _Count = 0
    train_median: _Finite | None = None
    train_mean: _Finite | None = None
    labels: Annotated[tuple[str, ...], Field(max_length=MAX_LABELS)] = ()
    shares: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...] = ()
    features: tuple[str, ...]
    categories: dict[str, Annotated[tuple[str, ...], Field(min_length=1, max_length=MAX_CATEGORIES)]] = {}
    fills: dict[str, _Finite] = {}
    left_out: _Count = 0
    sides: Annotated[str, Field(pattern="^([0-9a-f]{16})?$")] = ""
    ranges: tuple[tuple[_Finite, _Finite], ...] = ()
    scaling: ScalingFacts
    target_scaling: TargetFacts | None = None

    @property
    def identity(self) -> str:
        """The table's identity, as far as it was recorded: see :func:`table_identity`."""
        return table_identity(self.fingerprint, self.columns) if self.columns else self.fingerprint

    @property
    def signed(self) -> str:
        """What a signature has of the table: its identity, and the sides of a split column."""
        return f"{self.identity}+{self.sides}" if self.sides else self.identity

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns that the features are made from."""
        if not self.categories:
            return self.features
        owner = {
            name: column
            for column, categories in self.categories.items()
            for name in category_features(column, categories)
        }
        return tuple(dict.fromkeys(owner.get(name, name) for name in self.features))

    def is_of(self, fingerprint: str, columns: Iterable[str]) -> bool:
        """Whether this is the table with these values and headings.

        Earlier runs recorded no headings; their features must be columns of the table, in its order.
        """
        if self.columns:
            return self.identity == table_identity(fingerprint, columns)
        return self.fingerprint == fingerprint and _in_order(self.sources, columns)

    def contradiction(
        self, target: str, scale: str, scale_target: str = "none", *, has_classes: bool = False
    ) -> str | None:
        """The first contradiction within these facts, in words; None if they agree."""
        if fault := self._other_labels(has_classes=has_classes):
            return fault
        count = len(self.features)
        if not count or target in self.features or len(set(self.features)) < count:
            return "features: expected distinct columns without the target"
        if self.columns and not _in_order(self.sources, self.columns):
            return "features: expected columns of the table, in its order"
        if self.columns and target not in self.columns:
            return f"columns: expected the target {target!r} among them"
        if self.train_rows + self.valid_rows + self.test_rows + self.left_out != self.rows:
            return f"rows: expected the sum of the sides of the split, found {self.rows}"
        if self.fills and [*self.fills] != [name for name in self.sources if name not in self.categories]:
            return "fills: expected a number for each column of numbers among the features"
        for column, categories in self.categories.items():
            names = category_features(column, categories)
            start = self.features.index(names[0]) if names[0] in self.features else 0
            if self.features[start : start + len(names)] != names or column in (*self.features, target):
                return f"categories: expected the features of {column!r}, one after the other"
        if not len(self.scaling.center) == len(self.scaling.scale) == count:
            return f"scaling: expected {count} numbers each, one per feature"
        if len(self.ranges) not in (0, count):
            return f"ranges: expected {count} pairs of numbers, one per feature"
        if min(self.scaling.scale) <= 0.0:
            return "scaling.scale: expected numbers above 0"
        return self._other_scaling(scale) or self._other_target_scaling(scale_target)

    def _other_labels(self, *, has_classes: bool) -> str | None:
        """Why the labels cannot be those of a target that is, or is not, learnt as classes; None if they can."""
        count = len(self.labels)
        if has_classes != bool(count) or len(set(self.labels)) < count:
            return f"labels: expected {'two or more' if has_classes else 'none'}, by the spec's loss"
        if len(self.shares) != count or (count and abs(sum(self.shares) - 1) > 1e-9):
            return "shares: expected one for each label, with a sum of 1"
        if count and (self.train_median is not None or self.train_mean is not None):
            return "train_median, train_mean: expected none, as the target has labels"
        return None

    def _other_scaling(self, scale: str) -> str | None:
        """Why the scaling cannot be the result of ``scale`` on rows of these ranges; None if it can."""
        if scale == "none":
            fits = not any(self.scaling.center) and set(self.scaling.scale) == {1.0}
            return None if fits else "scaling: expected zeros and ones, as the spec's scale is none"
        parts = zip(self.features, self.ranges, self.scaling.center, self.scaling.scale, strict=False)
        encoded = {
            name
            for column, categories in self.categories.items()
            for name in category_features(column, categories)
        }
        for name, (low, high), center, spread in (part for part in parts if part[0] not in encoded):
            slack = 1e-9 * max(abs(low), abs(high))
            if not low - slack <= center <= high + slack or not (spread == 1.0 or spread <= high - low + slack):
                return f"scaling: expected that of values from {low:g} to {high:g} for {name!r}"
        return None

    def _other_target_scaling(self, scale_target: str) -> str | None:
        """Why the target's scaling cannot be that of rows of this median; None if it can."""
        fitted = self.target_scaling
        if (fitted is not None) != (scale_target in ("standard", "minmax")):
            expected = "none" if fitted else "center and scale"
            return f"target_scaling: expected {expected}, as the spec's scale_target is {scale_target}"
        if fitted is None or self.train_median is None:
            return None
        # A median is at most one standard deviation from the mean.
        low = fitted.center - (fitted.scale if scale_target == "standard" else 0.0)
        high = fitted.center + fitted.scale
        slack = 1e-6 * max(abs(low), abs(high))  # the median is that of float32 targets
        if not low - slack <= self.train_median <= high + slack:
            return f"target_scaling: expected that of a target with the median {self.train_median:g}"
        return None


def category_features(column: str, categories: Iterable[str]) -> tuple[str, ...]:
    """The names of a text column's features, one per category."""
    return tuple(f"{column}={category}" for category in categories)


def headings(columns: Iterable[str]) -> tuple[str, ...]:
    """A table's headings without the spaces around them, which do not count."""
    return tuple(name.strip() for name in columns)


def table_identity(fingerprint: str, columns: Iterable[str]) -> str:
    """A table's identity: made from the fingerprint of its values and its headings, in their order.

    SHA-256 of both as JSON; under the red-wine table's headings the fingerprint alone, as in earlier signatures.
    """
    return _identity(fingerprint, tuple(columns))


@functools.lru_cache(maxsize=64)
def _identity(fingerprint: str, columns: tuple[str, ...]) -> str:
    """:func:`table_identity`, computed once for many runs on one table."""
    named = headings(columns)
    if named == tuple(RED_WINE_COLUMNS):
        return fingerprint
    return hashlib.sha256(json.dumps([fingerprint, named]).encode()).hexdigest()


def same_table(one: TableFacts, other: TableFacts) -> bool:
    """Whether two runs used the same table, as far as their records say."""
    if one.columns:
        return other.is_of(one.fingerprint, one.columns)
    if other.columns:
        return one.is_of(other.fingerprint, other.columns)
    return one.fingerprint == other.fingerprint


def _in_order(names: Iterable[str], columns: Iterable[str]) -> bool:
    """Whether ``names`` are among ``columns``, in their order."""
    rest = iter(columns)
    return all(name in rest for name in names)
