"""Reading a table: the real one, other ones, and everything that can be wrong with one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from wineexp.data.split import split_table
from wineexp.data.table import RED_WINE_FINGERPRINT, Table, check_target, fingerprint, read_table
from wineexp.errors import DataError
from wineexp.specs.run_spec import RunSpec

BAD = [
    ("", ":1: expected a header"),
    ("\n\n", ":1: expected a header"),
    ("1;2\n3;4\n", ":1: expected a header with column names, found numbers"),
    ("a,a\n1,2\n", ":1: column 'a' occurs twice"),
    ("a,\n1,2\n", ":1: expected a name for every column"),
    ("a,b\n", ": expected rows of numbers below the header, found none"),
    ("a,b\n1,2\n3,x\n", ":3: column 'b': expected a number, found 'x'"),
    ("a,b\n1,2\n3,\n", ":3: column 'b': expected a number, found nothing"),
    ("a,b\n1,nan\n", ":2: column 'b': expected a finite number, found 'nan'"),
    ("a,b\n1,2\n\n-inf,2\n", ":4: column 'a': expected a finite number, found '-inf'"),
    ("a,b\n1,1e999\n", ":2: column 'b': expected a finite number, found '1e999'"),
    ("a,b\n1,NA\n", ":2: column 'b': expected a number, found 'NA'"),
    ("a,b\n1,1_000\n", ":2: column 'b': expected a number, found '1_000'"),
    ("a,b\n1,True\n", ":2: column 'b': expected a number, found 'True'"),
    ("a,b\n1,2,3\n", ":2: expected 2 values, found 3"),
    ("a,b\n1,2\n1\n", ":3: expected 2 values, found 1"),
    (b"a,b\n\xff\xfe,2\n", ": expected a CSV file in UTF-8"),
    (b"PK\x03\x04\0\0\0", ":1: expected a CSV file, found binary bytes"),
]


@pytest.mark.parametrize(("text", "says"), BAD)
def test_a_fault_is_named_with_file_line_and_column(tmp_path, text, says):
    path = tmp_path / "t.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError) as error:
        read_table(path).check_numbers()
    assert str(error.value).startswith(f"{path}{says}")


def test_a_missing_file_and_a_directory_are_named(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="found a directory"):
        read_table(tmp_path)


def test_the_real_table_has_the_published_rows(red_wine):
    assert red_wine.kind == "red-wine"
    assert red_wine.fingerprint == RED_WINE_FINGERPRINT
    assert red_wine.frame.shape == (1599, 12)
    assert len(red_wine.frame.drop_duplicates()) == 1359
    assert set(red_wine.frame["quality"]) == {3, 4, 5, 6, 7, 8}


def test_a_comma_copy_has_the_same_fingerprint(red_wine, tmp_path):
    copy = tmp_path / "copy.csv"
    red_wine.frame.to_csv(copy, index=False)
    assert read_table(copy).fingerprint == red_wine.fingerprint
    assert read_table(copy).kind == "red-wine"


def test_the_fingerprint_sees_every_value_and_the_columns_order():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, -0.0]})
    assert fingerprint(frame) == fingerprint(frame.abs())
    assert fingerprint(frame) != fingerprint(frame[["b", "a"]])
    assert fingerprint(frame) != fingerprint(frame.assign(b=frame["b"] + 1e-15))


def test_a_byte_order_mark_and_quotes_are_read(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbf"a";"b"\r\n1;0.1\r\n2;.25\r\n')
    frame = read_table(path).frame
    assert list(frame.columns) == ["a", "b"]
    assert frame["b"].tolist() == [0.1, 0.25]


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ({"a": [1.0, 2.0]}, "no column 'quality'; --target names the column to predict, one of: a"),
        ({"qualitty": [1.0], "a": [2.0]}, "did you mean 'qualitty'"),
        ({"quality": [1.0, 2.0]}, "expected features other than the target"),
        ({"quality": [1.0, 1.0], "a": [1.0, 2.0]}, "expected a target that varies, found 1 in every row"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(frame, says):
    with pytest.raises(DataError, match=says):
        check_target(Table(pd.DataFrame(frame), "t", "custom"), "quality")


def test_too_few_rows_to_split_are_refused():
    table = Table(pd.DataFrame({"a": np.arange(3.0), "quality": np.arange(3.0)}), "t", "custom")
    with pytest.raises(DataError, match=r"3 rows are too few to split by 0.7.*found 2 and 1"):
        split_table(table, RunSpec())
