"""A DataFrame that is shown whole."""

from __future__ import annotations

import contextlib

import pandas as pd

__all__ = ["WholeFrame"]

#: Rows up to which all of them are shown; of more, pandas shows the ends.
MOST_ROWS = 200


class WholeFrame(pd.DataFrame):
    """A DataFrame whose display leaves out no column and cuts no text; what is made of it is plain pandas.

    pandas puts ``...`` in place of the middle columns where there are more than 20, and of what a cell has beyond
    50 letters, whatever stands there.
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
