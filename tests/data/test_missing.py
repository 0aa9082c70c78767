"""Cells without a value: what is read, what is refused with which advice, and what is put in their place."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from support.batches import plan, train

import wineexp
from wineexp.data.encoding import rows_with_values
from wineexp.data.split import split_table
from wineexp.data.table import Table, read_table, table_of_frame
from wineexp.errors import DataError
from wineexp.specs.run_spec import RunSpec

ROWS = 40
NUMBERS = [f"{number / 7:.3f}" for number in range(ROWS)]
CITIES = ["Bern", "Basel", "Zug", "Chur"]
BASE = {"target": "y", "widths": "4", "epochs": 2, "batch_size": 16}


def csv(folder, **columns):
    """A table of ``a``, ``y`` and these columns; a dict replaces some of the cells of ``b``."""
    whole = {"a": NUMBERS, "b": NUMBERS[::-1], "y": [f"{number / 3:.3f}" for number in range(ROWS)]}
    for name, cells in columns.items():
        if isinstance(cells, dict):
            base = whole.get(name, [CITIES[number % 4] for number in range(ROWS)])
            cells = [cells.get(number, cell) for number, cell in enumerate(base)]
        whole[name] = cells
    path = folder / "t.csv"
    pd.DataFrame(whole).to_csv(path, index=False, na_rep="")
    return path


#: What stands in cells 3 and 7 of a column of numbers, and whether that is no value there.
FORMS = [
    *((form, True) for form in (
        "", " ", "NA", "N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None", "#N/A", "<NA>", "?", " NA ",
    )),
    *((form, False) for form in ("-", "--", ".", "missing", "unknown", "inf", "x", "none at all", "1.2.3")),
]  # fmt: skip


@pytest.mark.parametrize(("form", "is_hole"), FORMS)
def test_a_column_with_holes_is_numbers_with_holes_and_never_text(tmp_path, form, is_hole):
    table = read_table(csv(tmp_path, b={3: form, 7: form}))
    if not is_hole:
        assert table.holes == {}
        with pytest.raises(DataError, match=r"t\.csv:5: column 'b': expected a (finite )?number, found"):
            plan([RunSpec.parse(BASE)], table, tmp_path)
        return
    assert (table.holes["b"].count, table.holes["b"].row) == (2, 3)
    assert table.frame["b"].isna().tolist() == [row in (3, 7) for row in range(ROWS)]
    assert "b" not in table.faults
    with pytest.raises(DataError) as error:
        plan([RunSpec.parse(BASE)], table, tmp_path)
    for said in (
        ":5: column 'b': expected a number, found nothing", "b: 2 of 40 rows empty",
        "--missing drop leaves such rows out", "--missing median fills them in", "leave it out with --drop b",
    ):  # fmt: skip
        assert said in str(error.value)
    assert plan([RunSpec.parse({**BASE, "drop": ["b"]})], table, tmp_path).notes == ()


REFUSED = [
    ({"y": {5: ""}}, {}, [":7: column 'y': expected a number", "y: 1 of 40 rows empty", "--missing drop"]),
    ({"c": {}}, {}, ["column 'c': expected a number, found 'Bern'", "--encode onehot"]),
    ({"c": {2: ""}}, {"encode": "onehot"}, [":4: column 'c': expected text to encode", "--missing median"]),
    ({"c": {2: "NA"}}, {"encode": "onehot"}, None),
    ({"g": {2: ""}}, {"split": "grouped", "group": "g"}, [":4: column 'g': expected a group, found nothing"]),
    ({"b": {1: ""}, "c": {}}, {"drop": ["c"]}, ["b: 1 of 40 rows empty"]),
    ({"b": {1: ""}, "d": [*NUMBERS[:-1], "?"]}, {}, ["also d: 1 of 40 rows empty", "them out with --drop b,d"]),
    ({"d": ["2019-05-01"] * 20 + ["2020-01-02"] * 20}, {}, ["'2019-05-01', a date", "days since a first one"]),
    ({"d": ["1.5.2019", "13.12.19"] * 20}, {"encode": "onehot"}, ["a date; leave it out with --drop d"]),
    ({"d": ["2019-05-01T10:00:00", "2019-05-01 11:00"] * 20}, {}, ["a date"]),
    ({"d": ["5/1/2019", ""] * 20}, {"missing": "median", "encode": "onehot"}, ["a date"]),
    ({"d": ["2019-05", "2019-06"] * 20}, {"encode": "onehot"}, None),
    ({"b": dict.fromkeys(range(ROWS), "")}, {}, None),
    ({"b": dict.fromkeys(range(ROWS), "NA")}, {}, ["expected a number, found 'NA'"]),
    ({"y": [""] * 39 + ["1"]}, {"missing": "drop"}, ["expected a target that varies"]),
    ({"y": [""] * 37 + ["1", "2", "3"]}, {"missing": "drop"}, ["3 rows, without the 37 that lack a value"]),
    ({"b": [*NUMBERS[:2], *[""] * 38]}, {"missing": "drop"}, ["2 rows, without the 38 that lack a value"]),
    ({"y": ["no", "yes"] * 20}, {"loss": "binary_crossentropy"}, None),
    ({"y": ["no", "yes"] * 19 + ["", "no"]}, {"loss": "binary_crossentropy"}, [":40: column 'y': expected"]),
    ({"y": ["no", "yes"] * 19 + ["", "no"]}, {"loss": "binary_crossentropy", "missing": "zero"}, None),
    ({"y": ["0", "1"] * 19 + ["", "0"]}, {"loss": "binary_crossentropy", "missing": "drop"}, None),
    ({"y": ["0", "1"] * 19 + ["", "0"]}, {"loss": "binary_crossentropy"}, ["expected a label, found nothing"]),
]  # fmt: skip


@pytest.mark.parametrize(("columns", "fields", "says"), REFUSED)
def test_what_is_refused_says_line_column_number_and_what_helps(tmp_path, columns, fields, says):
    table, spec = read_table(csv(tmp_path, **columns)), RunSpec.parse({**BASE, **fields})
    if says is None:
        plan([spec], table, tmp_path)
        return
    with pytest.raises(DataError) as error:
        plan([spec], table, tmp_path)
    for said in says:
        assert said in str(error.value)


def test_rows_are_left_out_before_the_split_and_counted(tmp_path, tensorflow, monkeypatch):
    path = csv(tmp_path, b={3: "", 7: "NA"}, y={7: "", 20: ""}, c={30: ""})
    table = read_table(path)
    spec = RunSpec.parse({**BASE, "missing": "drop", "encode": "onehot", "test_fraction": 0.1})
    assert np.flatnonzero(~rows_with_values(table, ["a", "b", "c"], spec)).tolist() == [3, 7, 20, 30]
    (note,) = plan([spec], table, tmp_path).notes
    for said in (
        "4 of 40 rows left out",
        "b: 2 of 40 rows empty",
        "y: 2 of 40 rows empty",
        "c: 1 of 40 rows empty",
    ):
        assert said in note
    clean = table.frame.drop(index=[3, 7, 20, 30])
    split = split_table(table, spec)
    assert split.train_rows.tolist() == clean.sample(frac=0.7, random_state=0).index.tolist()
    assert sorted([*split.train_rows, *split.valid_rows, *split.test_rows]) == clean.index.tolist()
    (run,) = train([spec], table, tmp_path)
    assert (run.record.data.rows, run.record.data.left_out) == (40, 4)
    monkeypatch.setenv("WINEEXP_DATA", str(path))
    found = wineexp.predict(run, clean.reset_index(drop=True))
    assert found.trained_rows == len(split.train_rows)


@pytest.mark.parametrize("split", ["random", "grouped"])
@pytest.mark.parametrize(("missing", "fill"), [("zero", 0.0), ("median", None)])
def test_numbers_are_filled_as_by_hand_and_empty_text_is_a_category(tmp_path, tensorflow, missing, fill, split):
    path = csv(tmp_path, b={3: "", 7: "?"}, c={5: "", 6: ""}, y={20: ""}, d=NUMBERS)
    table = read_table(path)
    spec = RunSpec.parse({**BASE, "missing": missing, "encode": "onehot", "scale": "standard", "split": split})
    found = split_table(table, spec)
    known = table.frame.loc[found.train_rows, "b"]
    fill = float(known.median()) if fill is None else fill
    assert found.encoding.fills["b"] == pytest.approx(fill)
    assert "" in found.encoding.categories["c"]
    by_hand = table.frame.assign(b=table.frame["b"].fillna(fill)).drop(index=20)
    features = np.column_stack([by_hand[name] for name in ("a", "b")])
    chosen = [found.features.index(name) for name in ("a", "b")]
    raw = found.encoding(table.frame.drop(index=20))[:, chosen]
    np.testing.assert_allclose(raw, features)
    assert np.isfinite(found.x_train).all()
    notes = plan([spec], table, tmp_path).notes
    assert any(f"b: 2 of 40 rows empty, taken as {missing}" in note for note in notes)
    assert any("c: 2 of 40 rows empty, taken as a category of its own" in note for note in notes)
    assert any("1 of 40 rows left out (y: 1 of 40 rows empty)" in note for note in notes)


def test_empty_text_of_no_training_row_is_none_of_the_categories_and_is_said_so(tmp_path):
    spec = RunSpec.parse({**BASE, "missing": "median", "encode": "onehot"})
    row = int(split_table(read_table(csv(tmp_path, c={})), spec).valid_rows[0])
    table = read_table(csv(tmp_path, c={row: ""}))
    assert "" not in split_table(table, spec).encoding.categories["c"]
    [note] = [note for note in plan([spec], table, tmp_path).notes if "c: 1 of 40" in note]
    assert note.endswith("taken as none of the categories, as no training row is empty")


@pytest.mark.parametrize("scale", ["none", "standard", "minmax"])
def test_raw_rows_with_holes_are_predicted_by_keras_alone_and_by_every_other_way(tmp_path, tensorflow, scale):
    import keras

    path = csv(tmp_path, b={3: "", 7: ""}, d={9: ""})
    path.write_text(
        path.read_text().replace("Bern", "1").replace("Basel", "2").replace("Zug", "3").replace("Chur", "4")
    )
    table = read_table(path)
    (run,) = train([RunSpec.parse({**BASE, "missing": "median", "scale": scale})], table, tmp_path)
    raw = table.frame[["a", "b", "d"]]
    assert raw.isna().to_numpy().sum() == 3
    recorded = run.predictions
    model = keras.models.load_model(run.model_path)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    found = model.predict(raw.to_numpy("float32"), verbose=0)[:, 0]
    np.testing.assert_allclose(found[recorded["row"]], recorded["predicted"], rtol=1e-5, atol=1e-5)
    ours = wineexp.load_runs(run.path)[0].load_model().predict(raw.to_numpy("float32"), verbose=0)[:, 0]
    np.testing.assert_array_equal(ours, found)
    for rows in (path, table.frame, raw):
        np.testing.assert_allclose(wineexp.predict(run, rows).table["predicted"], found, rtol=1e-5, atol=1e-5)
    nothing = raw.head(3).assign(b=None)
    filled = raw.head(3).assign(b=run.record.data.fills["b"])
    one, other = (wineexp.predict(run, rows).table["predicted"] for rows in (nothing, filled))
    np.testing.assert_array_equal(one, other)
    nothing.to_csv(tmp_path / "new.csv", index=False)
    np.testing.assert_array_equal(wineexp.predict(run, tmp_path / "new.csv").table["predicted"], other)


def test_a_run_that_does_not_fill_refuses_rows_with_holes(tmp_path, tensorflow):
    path = csv(tmp_path)
    (run,) = train([RunSpec.parse(BASE)], read_table(path), tmp_path)
    holed = read_table(path).frame.assign(b=lambda frame: frame["b"].where(frame.index != 4))
    with pytest.raises(DataError, match="row 4, counted from 0: column 'b': expected a number, found nothing"):
        wineexp.predict(run, holed)
    holed.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match=r"new\.csv:6: column 'b': expected a number, found nothing"):
        wineexp.predict(run, tmp_path / "new.csv")


def test_a_table_with_holes_has_one_fingerprint_however_it_is_written_and_its_earlier_one(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n1,2,3\n4,,6\n7,NA,9\n10,1.50,2\n")
    digest = hashlib.sha256(np.array([1.0, 4, 7, 10], "<f8").tobytes() + b"text")
    for cell in (b"2", b"", b"NA", b"1.50"):
        digest.update(len(cell).to_bytes(8, "little") + cell)
    digest.update(np.array([3.0, 6, 9, 2], "<f8").tobytes())
    table = read_table(path)
    assert table.earlier == digest.hexdigest()  # of the text, which earlier versions read
    nan = np.nan
    values = np.array([[1.0, 4, 7, 10], [2, nan, nan, 1.5], [3, 6, 9, 2]], "<f8")
    assert table.fingerprint == hashlib.sha256(values.tobytes()).hexdigest()
    assert table_of_frame(pd.read_csv(path)).fingerprint == table.fingerprint
    path.write_text("a;b;y\n1;2.0;3\n4;?;6\n7;null;9\n10;1.5;2\n")
    assert read_table(path).fingerprint == table.fingerprint


def test_a_run_of_an_earlier_version_on_a_table_with_holes_is_known(tmp_path, tensorflow):
    path = csv(tmp_path, b={3: "", 7: "NA"})
    table = read_table(path)
    spec = RunSpec.parse({**BASE, "features": ["a"]})
    text = pd.read_csv(path, dtype=str, keep_default_na=False)["b"]
    earlier = Table(table.frame.assign(b=text), table.source, "custom", faults={"b": "text"})
    assert earlier.fingerprint == table.earlier != table.fingerprint
    train([spec], earlier, tmp_path / "runs")
    [same] = train([spec], table, tmp_path / "runs")
    assert len(list((tmp_path / "runs").glob("*/run.json"))) == 1
    assert same.record.data.fingerprint == table.earlier
    assert len(wineexp.predict(same.path, pd.DataFrame({"a": [1.0]})).table) == 1


@pytest.mark.parametrize("name", ["self", "other"])
@pytest.mark.parametrize("missing", ["refuse", "median"])
def test_new_rows_may_have_any_headings_and_words_of_splits(tmp_path, tensorflow, missing, name):
    words = ["train", "valid"] * (ROWS // 2)
    words[5] = "none"  # a word more, so that it is a feature
    path = csv(tmp_path, **{name: words}, **({"b": {3: ""}} if missing == "median" else {}))
    spec = RunSpec.parse({**BASE, "missing": missing, "encode": "onehot"})
    [run] = train([spec], read_table(path), tmp_path / "runs")
    rows = pd.read_csv(path, keep_default_na=False, na_values={"b": [""]})
    whole = wineexp.predict(run.path, path).table["predicted"].to_numpy()
    np.testing.assert_allclose(wineexp.predict(run.path, rows).table["predicted"], whole, rtol=1e-5)
    some = rows.iloc[[0, 2, 4]].reset_index(drop=True)  # all of them "train"
    found = wineexp.predict(run.path, some).table["predicted"]
    np.testing.assert_allclose(found, whole[[0, 2, 4]], rtol=1e-5)


def test_words_in_the_place_of_a_number_are_refused_in_new_rows(tmp_path, tensorflow):
    [run] = train([RunSpec.parse(BASE)], read_table(csv(tmp_path)), tmp_path / "runs")
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": ["train", "valid"]})
    rows.to_csv(tmp_path / "new.csv", index=False)
    for source in (rows, tmp_path / "new.csv"):
        with pytest.raises(DataError, match="column 'b': expected a number, found 'train'"):
            wineexp.predict(run.path, source)


def test_text_alone_is_filled_in_new_rows_as_in_its_table(tmp_path, tensorflow):
    path = csv(tmp_path, city={3: "", 7: ""})
    spec = RunSpec.parse({**BASE, "missing": "median", "encode": "onehot"})
    [run] = train([spec], read_table(path), tmp_path / "runs")
    of_file = wineexp.predict(run.path, path).table["predicted"]
    of_frame = wineexp.predict(run.path, pd.read_csv(path)).table["predicted"]
    np.testing.assert_allclose(of_frame, of_file, rtol=1e-5)


def test_rows_without_a_group_are_alone(tmp_path):
    names = [f"g{number % 8}" if number % 5 else "" for number in range(ROWS)]
    table = read_table(csv(tmp_path, g=names))
    spec = RunSpec.parse({**BASE, "group": "g", "split": "grouped", "missing": "drop"})
    split = split_table(table, spec)
    sides = [{names[row] for row in rows} for rows in (split.train_rows, split.valid_rows)]
    assert all(sides)
    assert not sides[0] & sides[1]
    assert "" not in sides[0] | sides[1]


def test_the_target_must_vary_among_the_rows_that_are_used(tmp_path):
    y = [str(number) if number < 3 else "5" for number in range(ROWS)]
    table = read_table(csv(tmp_path, y=y, b=dict.fromkeys(range(3), "")))
    with pytest.raises(DataError, match="expected a target that varies, found 5 in every row that is used"):
        split_table(table, RunSpec.parse({**BASE, "missing": "drop"}))
    labels = read_table(csv(tmp_path, city=["Bern"] * 3 + ["Zug"] * 37, b=dict.fromkeys(range(3), "")))
    classes = RunSpec.parse({**BASE, "missing": "drop", "target": "city", "loss": "binary_crossentropy"})
    with pytest.raises(DataError, match="expected a target that varies, found Zug in every row that is used"):
        split_table(labels, classes)
    few = read_table(csv(tmp_path, b=dict.fromkeys(range(38), "")))
    with pytest.raises(DataError, match="2 rows, without the 38 that lack a value, are too few to split"):
        split_table(few, RunSpec.parse({**BASE, "missing": "drop"}))
    left_out = read_table(csv(tmp_path, y={3: "-1", 0: "1"}, b={3: ""}))
    split_table(left_out, RunSpec.parse({**BASE, "missing": "drop", "scale_target": "log"}))


@pytest.mark.parametrize(
    "column",
    [
        [1.5, None, 2.5, 3.0], pd.array([1, None, 2, 3], dtype="Int64"), np.array([1.5, np.nan, 2.5, 3.0]),
        pd.Series([1, None, 2, 3], dtype=object), pd.array([1.5, None, 2.5, 3.0], dtype="Float64"),
    ],
    ids=["list", "Int64", "float64", "object", "Float64"],
)  # fmt: skip
def test_a_frames_missing_numbers_are_holes_whatever_their_type(column):
    table = table_of_frame(pd.DataFrame({"b": column, "y": [1.0, 2, 3, 4]}))
    assert (table.holes["b"].count, table.holes["b"].row, table.faults) == (1, 1, {})
    assert table.frame["b"].dtype == np.float64
    text = table_of_frame(pd.DataFrame({"b": [True, None, 2.5, 3.0], "y": [1.0, 2, 3, 4]}))
    assert "b" in text.faults


def test_the_data_command_counts_what_is_missing(tmp_path, cli):
    path = csv(tmp_path, b={3: "", 7: ""}, y={1: "NA"}, city={2: ""})
    _, out, _ = cli("data", "--data", path)
    assert "b: 2 of 40 rows empty; y: 1 of 40 rows empty; city: 1 of 40 rows empty" in out
    _, out, _ = cli("data", "--data", path, "--json")
    assert '"empty_cells": {\n    "b": 2,\n    "y": 1,\n    "city": 1\n  }' in out
