"""CSV tables of numbers, against what pandas writes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wineexp.data.csv_source import MAX_LINE
from wineexp.runs.number_table import as_frame, read_columns

NUMBERS = st.one_of(st.floats(), st.floats(width=32), st.integers(-(10**6), 10**6).map(float))


@given(st.lists(st.tuples(st.integers(0, 10**9), NUMBERS, NUMBERS), max_size=20))
def test_what_pandas_writes_is_read_to_the_last_bit(rows):
    frame = pd.DataFrame(rows, columns=["epoch", "loss", "val_loss"]).astype(
        {"epoch": np.int64, "loss": np.float64, "val_loss": np.float64}
    )
    content = frame.to_csv(index=False, na_rep="nan").encode()
    found = as_frame(read_columns(content, ("epoch", "val_loss"), ("epoch",)))
    pd.testing.assert_frame_equal(found, frame[["epoch", "val_loss"]], check_exact=True)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "expected columns a, b; found none"),
        (b"a,c\n1,2\n", "expected columns a, b; found a, c"),
        (b"a,b\n1,2\n3\n", "expected 2 cells in line 3, found 1"),
        (b"a,b\n1,2,3\n", "expected 2 cells in line 2, found 3"),
        (b"a,b\n1,much\n", "could not convert string to float: 'much'"),
        (b"a,b\n1.5,2\n", "invalid literal for int"),
        (b"a,b\n1_0,2\n", "found '_'"),
        (b"a,b\n1,\n", "could not convert string to float: ''"),
        (b"a,b\n1,\xff\n", "codec can't decode"),
        (b'a,b\n1,"2\n', "line 2: unexpected end of data"),
        pytest.param(b"2" * (MAX_LINE + 1), "expected lines of at most 1,048,576 bytes", id="a long line"),
    ],
)
def test_what_is_no_table_of_numbers_is_refused(content, says):
    with pytest.raises(ValueError, match=says):
        read_columns(content, ("a", "b"), ("a",))


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfa,b\r\n1,2\r\n",
        b"b,x,a\n2,my_model,1\n",
        b"\na,b\r1,2\r",
        b"a,b\n1,2\n   \n",
        b"a,b\n\n1,2\n\n",
        b'"a","b"\n"1","2"',
    ],
)
def test_forms_of_one_table_are_read_alike(content):
    found = read_columns(content, ("a", "b"), ("a",))
    assert (found["a"].tolist(), found["b"].tolist()) == ([1], [2.0])


def test_a_whole_number_beyond_64_bits_is_refused():
    with pytest.raises(OverflowError):
        read_columns(b"a\n99999999999999999999\n", ("a",), ("a",))
