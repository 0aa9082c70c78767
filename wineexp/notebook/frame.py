"""A DataFrame that is shown whole."""

from __future__ import annotations

import contextlib

import pandas as pd

__all__ = ["WholeFrame"]

#: Up to this many rows, all are shown; of more, pandas shows the beginning and the end.
MOST_ROWS = 200


class WholeFrame(pd.DataFrame):
    """A DataFrame whose display leaves out no column and cuts no text; operations on it return plain pandas.

    pandas shows ``...`` for the middle columns if there are more than 20, and for the rest of a cell with more
    than 50 letters, whatever it is.
    """

    def _repr_html_(self) -> str | None:
        with self._whole():
            shown: str | None = super()._repr_html_()  # type: ignore[misc]  # pandas's types leave it out
            return shown

    def __repr__(self) -> str:
        with self._whole():
            return super().__repr__()

    def _whole(self) -> contextlib.AbstractContextManager[None]:
        rows = None if len(self) <= MOST_ROWS else pd.get_option("display.max_rows")
        return pd.option_context(
            "display.max_columns", None, "display.max_colwidth", None, "display.max_rows", rows
        )
