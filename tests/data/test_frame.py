"""A DataFrame as the table: as good as the CSV of it, and refused by column where it is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wineexp.data.sources import find_table
from wineexp.data.table import read_table, table_of_frame
from wineexp.errors import DataError


def test_a_frame_and_its_csv_are_one_table(small_table, small_csv):
    shuffled_index = small_table.frame.set_index(np.arange(120)[::-1])
    found = find_table(shuffled_index, stand_in=False)
    assert found.table.fingerprint == read_table(small_csv).fingerprint
    assert found.table.frame.index.tolist() == list(range(120))
    assert found.steps == ("a DataFrame: given as data",)


def test_the_real_table_is_known_in_a_frame(red_wine):
    assert table_of_frame(red_wine.frame.astype({"quality": int})).kind == "red-wine"


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pd.DataFrame(), "expected rows of numbers, found shape (0, 0)"),
        (pd.DataFrame({"a": []}), "expected rows of numbers, found shape (0, 1)"),
        (pd.DataFrame({0: [1, 2]}), "expected text as a column's name, found 0"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "column 'a' occurs twice"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), "column 'b': expected numbers, found str"),
        (pd.DataFrame({"a": [True, False]}), "column 'a': expected numbers, found bool"),
        (
            pd.DataFrame({"a": [1.0, np.nan]}),
            "column 'a': expected a number, found nothing",
        ),
    ],
)
def test_what_is_no_table_is_named(frame, says):
    with pytest.raises(DataError) as caught:
        table_of_frame(frame).check_numbers()
    assert says in str(caught.value)


@pytest.mark.parametrize("data", [3, [[1]], np.zeros((2, 2))])
def test_what_is_neither_frame_nor_path_is_refused(data):
    with pytest.raises(DataError, match="data: expected a DataFrame, a path, red-wine or simulated"):
        find_table(data, stand_in=True)
