"""What is recorded of a table and its split: plain facts, checked, read without loading pandas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Kind", "ScalingFacts", "TableFacts"]

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
        In the order that the model takes them.
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
    ranges: tuple[tuple[_Finite, _Finite], ...] = ()
    scaling: ScalingFacts
