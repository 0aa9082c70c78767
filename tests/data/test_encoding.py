"""Which columns a model is given, and text as features: by hand, against pandas, and what is refused."""

from __future__ import annotations

import csv
import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wineexp.data.dialect import NUMBER
from wineexp.data.encoding import Encoding, most_features
from wineexp.data.facts import MAX_CATEGORIES, TableFacts
from wineexp.data.split import split_notes, split_table, table_facts
from wineexp.data.table import Table, fingerprint, read_table, table_of_frame
from wineexp.errors import DataError
from wineexp.runs.new_rows import read_rows
from wineexp.specs.run_spec import RunSpec

#: Six kinds of columns, in twelve rows.
SONGS = "".join(
    [
        "id,artist,length,hp,bar,quality\n",
        *(
            f"{n},{'ABBA' if n % 3 else ' Queen '},{n % 5},{'x' if n == 4 else n},{n}-x,{n % 4}\n"
            for n in range(12)
        ),
    ]
)


def write(folder, text):
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def parts(path, **fields):
    """What a spec makes of a table."""
    return split_table(read_table(path), RunSpec.parse(fields))


#: What it is -> the spec's fields, and the features.
USED = {
    "a column dropped": ({"drop": "artist,hp,bar"}, ["id", "length"]),
    "columns dropped in any order": ({"drop": ["hp", "bar", "id", "artist"]}, ["length"]),
    "columns named, in the table's order": ({"features": "length,id"}, ["id", "length"]),
    "text encoded in its place": (
        {"drop": "hp,bar", "encode": "onehot"},
        ["id", "artist=ABBA", "artist=Queen", "length"],
    ),
    "the group left out": ({"drop": "hp,bar", "split": "grouped", "group": "artist", "train_fraction": 0.5}, None),
    "nothing to encode": ({"features": "length", "encode": "onehot"}, ["length"]),
    "another target": ({"target": "length", "features": "quality"}, ["quality"]),
}

#: What it is -> the spec's fields, and what is said behind the file's name.
REFUSED = {
    "text": (
        {},
        ":2: column 'artist': expected a number, found ' Queen '; others like it: hp; bar; "
        "leave them out with --drop artist,hp,bar",
    ),
    "text that can be encoded": (
        {"features": "artist"},
        ":2: column 'artist': expected a number, found ' Queen '; leave it out of features, or encode it with "
        "--encode onehot",
    ),
    "a number among text": (
        {"drop": "artist,id,bar", "encode": "onehot"},
        ":2: column 'hp': expected text in most rows to encode it, found the number '0'; leave it out with --drop "
        "artist,bar,id,hp",
    ),
    "no such feature": (
        {"features": "lenght"},
        ": features: no column 'lenght' (did you mean 'length'?); it has: id",
    ),
    "no such column to drop": ({"drop": "x"}, ": drop: no column 'x'; it has: id, artist, length"),
    "a rate for dropout": ({"drop": "0.3"}, ": drop: no column '0.3' (did you mean dropout: 0.3?)"),
    "no such group": (
        {"split": "grouped", "group": "artists"},
        ": group: no column 'artists' (did you mean 'artist'?)",
    ),
    "a target of text": ({"target": "artist"}, ":2: column 'artist': expected a number, found ' Queen '"),
    "no feature left": (
        {"drop": "id,artist,length,hp,bar"},
        ": expected features other than the target 'quality', found none",
    ),
}


@pytest.mark.parametrize(("fields", "features"), USED.values(), ids=USED)
def test_what_is_used_of_a_table(tmp_path, fields, features):
    if features is None:  # two artists are two groups: one on each side
        split = parts(write(tmp_path, SONGS), **fields)
        assert split.features == ("id", "length")
        assert {len(split.y_train), len(split.y_valid)} == {4, 8}
    else:
        assert parts(write(tmp_path, SONGS), **fields).features == tuple(features)


@pytest.mark.parametrize(("fields", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_with_its_place_and_what_to_do(tmp_path, fields, says):
    path = write(tmp_path, SONGS)
    with pytest.raises(DataError) as caught:
        parts(path, **fields)
    assert str(caught.value).startswith(f"{path}{says}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        (
            ["a", "", "b"],
            ":5: column 'x': expected text to encode, found nothing; x: 1 of 3 rows empty; --missing",
        ),
        (["a", "8", "7"], ":5: column 'x': expected text in most rows to encode it, found the number '8'"),
        (["a", "b", "y" * 201], ":6: column 'x': expected at most 200 characters to encode, found more"),
        (
            [f"n{n}" for n in range(MAX_CATEGORIES + 1)],
            ": column 'x': expected at most 1000 categories to encode, found 1,001",
        ),
        (
            [f"n{n}" for n in range(101)],
            ": column 'x': expected categories that rows share to encode it, found 101 in 101 rows",
        ),
    ],
)
def test_text_that_cannot_be_encoded_is_named_by_line(tmp_path, cells, says):
    rows = "".join(f"{cell},{n}\n" for n, cell in enumerate(cells))
    path = write(tmp_path, f'x,"quality"\n\n\n{rows}' if len(cells) == 3 else f"x,quality\n{rows}")
    with pytest.raises(DataError) as caught:
        parts(path, encode="onehot")
    assert str(caught.value).startswith(f"{path}{says}")


def test_an_empty_column_may_be_dropped_and_is_no_feature(tmp_path):
    path = write(tmp_path, "a,x,quality\n" + "".join(f"{n},,{n}\n" for n in range(9)))
    assert parts(path, drop="x").features == ("a",)
    with pytest.raises(DataError, match="features: column 'x': expected a value, found nothing in every row"):
        parts(path, features="a,x")


def test_a_group_that_a_row_does_not_have_is_named(tmp_path):
    path = write(tmp_path, "a,g,quality\n" + "".join(f"{n},{'' if n == 3 else 'x'},{n}\n" for n in range(9)))
    with pytest.raises(DataError, match=r"mine.csv:5: column 'g': expected a group, found nothing"):
        parts(path, split="grouped", group="g")


def test_features_of_one_name_are_refused(tmp_path):
    path = write(tmp_path, "x,x=a,quality\n" + "a,1,2\nb,3,4\n" * 5)
    with pytest.raises(DataError, match="expected features of different names, found 'x=a' twice"):
        parts(path, encode="onehot")


def frame_of(artists, rows):
    random = np.random.RandomState(rows)
    return pd.DataFrame(
        {
            "a": random.normal(size=rows),
            "artist": random.choice(np.array(artists, object), rows),  # as text NumPy would lose a NUL at the end
            "b": random.normal(size=rows),
            "key": random.choice(["C", "Am"], rows),
            "quality": random.normal(size=rows),
        }
    )


@example(artists=["\0", "a\0"], rows=20, seed=0)
@given(
    artists=st.lists(
        st.text(min_size=1, max_size=4).filter(str.strip), min_size=1, max_size=6, unique_by=str.strip
    ),
    rows=st.integers(8, 60),
    seed=st.integers(0, 20),
)
def test_the_matrix_is_that_of_pandas_get_dummies(artists, rows, seed):
    artists = [name.strip() for name in artists if not NUMBER.fullmatch(name.strip())] or ["x"]
    frame = frame_of(artists, rows)
    split = split_table(table_of_frame(frame), RunSpec(encode="onehot", split_seed=seed))
    known = {name: sorted(set(frame[name][split.train_rows])) for name in ("artist", "key")}
    seen = frame.assign(
        **{
            name: pd.Categorical(frame[name].where(frame[name].isin(kinds)), kinds)
            for name, kinds in known.items()
        }
    )
    dummies = pd.get_dummies(seen, columns=list(known), prefix_sep="=", dtype=float)
    assert set(split.features) == set(dummies) - {"quality"}
    assert [name.partition("=")[0] for name in split.features] == sorted(
        (name.partition("=")[0] for name in split.features), key=list(frame).index
    )
    expected = dummies[list(split.features)].to_numpy(np.float32)
    np.testing.assert_array_equal(split.x_train, expected[split.train_rows])
    np.testing.assert_array_equal(split.x_valid, expected[split.valid_rows])  # a category unseen is 0 in all
    assert most_features(table_of_frame(frame), RunSpec(encode="onehot")) >= len(split.features)


def test_categories_stay_0_and_1_where_numbers_are_scaled():
    table = table_of_frame(frame_of(["ABBA", "Queen"], 60))
    split = split_table(table, RunSpec(encode="onehot", scale="standard"))
    encoded = split.encoding.encoded
    assert encoded.tolist() == [False, True, True, False, True, True]
    assert set(np.unique(split.x_train[:, encoded])) == {0.0, 1.0}
    np.testing.assert_allclose(split.x_train[:, ~encoded].mean(axis=0), 0, atol=1e-6)


def test_a_category_that_no_training_row_has_is_told():
    frame = frame_of(["ABBA"], 20)
    train = split_table(table_of_frame(frame), RunSpec(encode="onehot")).train_rows
    frame.loc[next(row for row in range(20) if row not in train), "artist"] = "Queen"
    table = table_of_frame(frame)
    spec = RunSpec(encode="onehot")
    (note,) = split_notes(table, spec, split_table(table, spec)).values()
    assert note == (
        "a DataFrame: column 'artist': 1 validation or test row has a category that no training row of split_seed "
        "0 has, encoded as all zeros: 'Queen'"
    )


@pytest.mark.parametrize(
    ("column", "told"), [("id", "numbers the rows"), ("Unnamed: 0", "has a name that pandas")]
)
def test_what_may_be_an_index_is_told_only_where_it_is_a_feature(tmp_path, column, told):
    numbers = range(1, 21) if column == "id" else np.random.RandomState(0).permutation(20)
    path = write(tmp_path, f"{column},a,quality\n" + "".join(f"{n},{n % 7},{n % 3 / 2}\n" for n in numbers))
    table = read_table(path)
    (note,) = split_notes(table, RunSpec(), split_table(table, RunSpec())).values()
    quoted = column if column == "id" else f"'{column}'"
    assert f"column '{column}' {told}" in note
    assert note.endswith(f"if it is an index, leave it out with --drop {quoted}")
    for fields in ({"drop": column}, {"features": "a"}):
        spec = RunSpec.parse(fields)
        assert split_notes(table, spec, split_table(table, spec)) == {}


def test_the_fingerprint_of_text_is_that_of_its_utf_8(tmp_path):
    """By hand: float64 of numbers; of text `text`, then each cell with its length in front."""
    import hashlib

    path = write(tmp_path, "a;künstler\n1,5; Björk \n2;x\n")
    expected = hashlib.sha256(
        np.array([1.5, 2.0], "<f8").tobytes() + b"text\x06\0\0\0\0\0\0\0Bj\xc3\xb6rk\x01\0\0\0\0\0\0\0x"
    ).hexdigest()
    assert read_table(path).fingerprint == expected
    frame = pd.DataFrame({"a": [1.5, 2.0], "künstler": pd.Categorical(["Björk", "x"])})
    assert table_of_frame(frame).fingerprint == expected
    assert fingerprint(pd.DataFrame({"a": ["ab", "c"]})) != fingerprint(pd.DataFrame({"a": ["a", "bc"]}))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pd.Series(["x", None, "y"]), ["x", "", "y"]),
        (pd.Categorical(["x", "y", "x"]), ["x", "y", "x"]),
        ([True, False, True], ["True", "False", "True"]),
    ],
)
def test_a_frames_column_is_the_text_of_its_csv(column, text):
    frame = pd.DataFrame({"x": column, "quality": [1.0, 2.0, 3.0]})
    table = table_of_frame(frame)
    assert table.frame["x"].tolist() == text
    assert table.faults.keys() == {"x"}
    written = frame.to_csv(index=False)
    assert [row["x"] for row in csv.DictReader(io.StringIO(written))] == text


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5).filter(
    lambda text: text.strip() and not NUMBER.fullmatch(text.strip())
)


@settings(max_examples=60)
@given(
    known=st.lists(TEXTS, min_size=1, max_size=5),
    seed=st.integers(0, 1000),
    separator=st.sampled_from(",;\t|"),
    order=st.permutations(["a", "artist", "other", "quality"]),
    target=st.booleans(),
)
def test_a_table_that_trains_also_predicts(tmp_path_factory, known, seed, separator, order, target):
    """What a run recorded makes the same features of the same rows, whatever else a file holds, in any order."""
    random = np.random.RandomState(seed)
    rows = 30
    frame = pd.DataFrame(
        {
            "a": random.normal(size=rows).round(6),
            "artist": random.choice(np.array(known, dtype=object), rows),
            "other": "7,5 %",
            "quality": random.normal(size=rows).round(6),
        }
    )
    path = tmp_path_factory.getbasetemp() / "one.csv"
    frame.to_csv(path, index=False, sep=separator, quoting=csv.QUOTE_ALL)
    spec = RunSpec(encode="onehot", drop=("other",), scale="minmax", split_seed=seed)
    table = read_table(path)
    split = split_table(table, spec)
    facts = TableFacts.model_validate_json(table_facts(table, split).model_dump_json())
    assert facts.contradiction("quality", spec.scale) is None
    left = [name for name in order if target or name != "quality"]
    new = frame[left].iloc[split.valid_rows].assign(**{"a ": "?"})
    run = SimpleNamespace(record=SimpleNamespace(data=facts), spec=spec)
    new.to_csv(path, index=False, sep=separator, quoting=csv.QUOTE_ALL)
    for source in (path, new):
        found = read_rows(source, run)
        np.testing.assert_array_equal(split.scaling(found.features), split.x_valid)
        assert (found.actual is not None) == target
        assert set(found.extra) == {"other", "a "}


def test_an_encoding_is_plain_where_all_are_numbers():
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    encoding = Encoding(("b", "a"), {})
    assert encoding.features == ("b", "a")
    np.testing.assert_array_equal(encoding(frame), [[3.0, 1.0], [4.0, 2.0]])
    assert not list(encoding.unseen(frame))


def test_the_lessons_table_keeps_its_features(red_wine: Table):
    assert len(split_table(red_wine, RunSpec()).features) == 11
    assert len(split_table(red_wine, RunSpec(drop=("alcohol",))).features) == 10


def test_features_beyond_what_memory_holds_are_refused_before_they_are_made(tmp_path, monkeypatch):
    from wineexp.data import encoding

    monkeypatch.setattr(encoding, "MAX_FEATURE_CELLS", 100)
    rows = "".join(f"n{n % 9},{n},{n}\n" for n in range(20))
    with pytest.raises(
        DataError, match="at most 100 cells of features, found 20 rows of 9; x alone has 8 categories"
    ):
        parts(write(tmp_path, f"x,a,quality\n{rows}"), encode="onehot")
    assert parts(write(tmp_path, f"x,a,quality\n{rows}"), drop="x").features == ("a",)
