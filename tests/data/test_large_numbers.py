"""Whole numbers that float64 would merge are refused wherever they are used, and told apart where they group."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support import fabricate

from wineexp.data.split import split_table
from wineexp.data.table import read_table, table_of_frame
from wineexp.errors import DataError
from wineexp.runs.new_rows import read_rows
from wineexp.specs.run_spec import RunSpec

STARTS = {"2^53": 2**53, "2^63": 2**63, "-2^53": -(2**53) - 40, "2^64": 2**64, "10^30": 10**30}
ROWS = 40


def frame_of(start, dtype=object, step=1):
    random = np.random.RandomState(2)
    large = pd.Series([start + step * number for number in range(ROWS)], dtype=dtype)
    return pd.DataFrame(
        {"id": large, "a": random.normal(size=ROWS).round(3), "quality": random.randint(3, 8, ROWS)}
    )


def tables(start, tmp_path):
    """The same numbers as a CSV, as one that pandas does not read as it stands, and in DataFrames."""
    frame = frame_of(start)
    path = tmp_path / "plain.csv"
    frame.to_csv(path, index=False)
    yield read_table(path)
    odd = tmp_path / "odd.csv"
    odd.write_text(path.read_text().replace("\n", "\n\n") + ";;\n".replace(";", ","))
    yield read_table(odd)
    decimal = tmp_path / "decimal.csv"
    mixed = frame.astype({"id": str})
    mixed.loc[0, "id"] = "0.5"
    mixed.to_csv(decimal, index=False)
    yield read_table(decimal)
    for dtype in ("int64", "uint64", "Int64", "UInt64"):
        try:
            yield table_of_frame(frame_of(start, dtype))
        except (OverflowError, TypeError):  # too large for it
            continue
    yield table_of_frame(frame)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_they_are_refused_as_target_and_as_feature_and_left_alone_where_unused(start, tmp_path):
    for table in tables(start, tmp_path):
        for fields in ({}, {"target": "id"}, {"features": ("id",)}, {"encode": "onehot"}):
            with pytest.raises(DataError, match=r"column 'id': expected (a whole number|numbers)"):
                split_table(table, RunSpec(**fields))
        split_table(table, RunSpec(drop=("id",)))
        split_table(table, RunSpec(features=("a",)))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_groups_of_them_are_told_apart(start, tmp_path):
    frame = frame_of(start)
    frame["id"] = [start + number // 2 for number in range(ROWS)]
    frame.to_csv(tmp_path / "t.csv", index=False)
    split = split_table(read_table(tmp_path / "t.csv"), RunSpec(group="id", split="grouped"))
    groups = [set(frame["id"].iloc[rows]) for rows in (split.train_rows, split.valid_rows)]
    assert not groups[0] & groups[1]
    assert sum(map(len, groups)) == ROWS // 2


def test_the_refusal_says_where_what_and_what_to_do(tmp_path):
    frame_of(2**63).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError) as caught:
        split_table(read_table(tmp_path / "t.csv"), RunSpec())
    told = str(caught.value)
    assert told.startswith(f"{tmp_path}/t.csv:3: column 'id': expected a whole number that float64 can hold")
    assert "found '9223372036854775809'" in told
    assert "--drop id" in told
    assert "onehot" not in told


@pytest.mark.parametrize(
    "text", ["9007199254740992", "20000000000000000000", "9.1e15", "1e300", "9007199254740993.5"]
)
def test_what_float64_holds_and_decimals_are_read_as_before(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(
        "a,quality\n" + "".join(f"{cell},{number}\n" for number, cell in enumerate([text, "1", "2.5"]))
    )
    table = read_table(path)
    assert not table.faults
    assert table.frame["a"].tolist() == [float(text), 1.0, 2.5]


@pytest.mark.parametrize("start", [2**53, 2**63])
def test_new_rows_hold_none_either(small_table, tmp_path, start):
    run = fabricate.save(tmp_path / "runs", small_table)
    rows = pd.DataFrame({name: [start + number for number in range(4)] for name in "abc"}, dtype="uint64")
    rows.to_csv(tmp_path / "rows.csv", index=False)
    for source in (rows, rows.astype(object), tmp_path / "rows.csv"):
        with pytest.raises(DataError, match=r"column 'a': expected (a whole number|numbers)"):
            read_rows(source, run)
    fine = small_table.frame[["a", "b", "c"]].head(4)
    for source in (fine.assign(key=rows["a"]), tmp_path / "keyed.csv"):
        fine.assign(key=rows["a"]).to_csv(tmp_path / "keyed.csv", index=False)
        name, ids = read_rows(source, run, id_column="key").ids
        assert (name, list(map(int, ids))) == ("key", [start + number for number in range(4)])
