"""Splits that keep classes' shares, that take the rows in their order, and that are given by a column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.batches import plan, train

import wineexp
from wineexp.comparison.comparison import compare_runs
from wineexp.data.sides import sides_hash
from wineexp.data.split import split_table
from wineexp.data.table import Table, read_table, table_of_frame
from wineexp.errors import ConfigError, DataError, SpecError
from wineexp.runs.reader import load
from wineexp.runs.run import Run
from wineexp.specs.config import read_mapping
from wineexp.specs.run_spec import RunSpec

ROWS = 60
CLASSES = {"target": "y", "loss": "binary_crossentropy", "widths": "4", "epochs": 2}


def frame(**columns):
    random = np.random.RandomState(0)
    x = random.normal(size=(ROWS, 2)).round(3)
    return pd.DataFrame(x, columns=["a", "b"]).assign(
        y=["rare" if number % 5 == 0 else "usual" for number in range(ROWS)], **columns
    )


def folds(seed=0, words=("train", "valid", "test")):
    shares = {3: [0.6, 0.2, 0.2], 2: [0.7, 0.3], 1: [1.0]}[len(words)]
    return np.random.RandomState(seed).choice(words, ROWS, p=shares).tolist()


def of(table, **fields):
    return split_table(table, RunSpec.parse({**CLASSES, **fields}))


@given(
    labels=st.lists(st.sampled_from("abc"), min_size=60, max_size=150),
    fraction=st.floats(0.4, 0.8), test=st.sampled_from([0.0, 0.15]), seed=st.integers(0, 99),
)  # fmt: skip
def test_stratified_sides_have_each_labels_share_to_within_a_row(labels, fraction, test, seed):
    labels = [*"aaaaaaaaaabbbbbbbbbbcccccccccc", *labels]
    table = table_of_frame(pd.DataFrame({"x": np.arange(len(labels)) / 7, "y": labels}))
    fields = {"loss": "categorical_crossentropy", "split": "stratified", "split_seed": seed}
    split = of(table, **fields, train_fraction=fraction, test_fraction=test)
    whole = pd.Series(labels)
    for rows, share in ((split.train_rows, fraction), (split.test_rows, test)):
        for label in "abc":
            assert abs((whole[rows] == label).sum() - share * (whole == label).sum()) <= 1.5
    assert sorted([*split.train_rows, *split.valid_rows, *split.test_rows]) == list(range(len(labels)))


def test_stratified_groups_stay_whole_and_classes_are_on_both_sides():
    random = np.random.RandomState(0)
    patients = [f"p{number // 3}" for number in range(ROWS)]
    table = table_of_frame(frame(patient=patients).assign(y=[("rare" if random.rand() < 0.2 else "usual")
                                                            for _ in range(20) for _ in range(3)]))  # fmt: skip
    split = of(table, split="stratified", group="patient", drop=None, train_fraction=0.6)
    sides = [{patients[row] for row in rows} for rows in (split.train_rows, split.valid_rows)]
    assert not sides[0] & sides[1]
    assert all(len(np.unique(labels)) == 2 for labels in (split.y_train, split.y_valid))


@pytest.mark.parametrize("test", [0.0, 0.2])
def test_ordered_trains_on_the_first_rows_validates_behind_them_and_tests_on_the_last(test):
    split = of(table_of_frame(frame()), split="ordered", train_fraction=0.5, test_fraction=test)
    sides = [rows.tolist() for rows in (split.train_rows, split.valid_rows, split.test_rows)]
    assert [*sides[0], *sides[1], *sides[2]] == list(range(ROWS))
    assert [len(side) for side in sides] == [30, 30 - round(test * ROWS), round(test * ROWS)]
    seeds = [RunSpec.parse({**CLASSES, "split": "ordered", "split_seed": seed}) for seed in (0, 1)]
    assert seeds[0].signature("t") == seeds[1].signature("t"), "a seed decides nothing there"


def test_a_split_column_says_each_rows_side_and_is_never_a_feature_nor_the_tables_identity(tmp_path):
    cells = folds()
    with_column = frame(fold=cells, other=folds(1, ("train", "valid")))
    with_column.to_csv(tmp_path / "t.csv", index=False)
    for table in (read_table(tmp_path / "t.csv"), table_of_frame(with_column)):
        assert list(table.frame.columns) == ["a", "b", "y"]
        assert table.identity == table_of_frame(frame()).identity
        split = of(table, split="column", split_column="fold")
        assert split.features == ("a", "b")
        for rows, word in ((split.train_rows, "train"), (split.valid_rows, "valid"), (split.test_rows, "test")):
            assert rows.tolist() == [row for row, cell in enumerate(cells) if cell == word]
        assert len(of(table, split="column", split_column="other").test_rows) == 0
        assert of(table, drop=["fold"]).features == ("a", "b"), "leaving it out changes nothing"


def test_a_second_file_gives_the_same_splits_and_runs(tmp_path, tensorflow):
    cells = folds()
    frame(fold=cells).to_csv(tmp_path / "with.csv", index=False)
    frame().to_csv(tmp_path / "without.csv", index=False)
    pd.DataFrame({"id": range(ROWS), "fold": cells}).to_csv(tmp_path / "folds.csv", index=False)
    spec = {**CLASSES, "split": "column", "split_column": "fold"}
    one = wineexp.train(spec, data=tmp_path / "with.csv", out=tmp_path / "one")
    given_by = {**spec, "splits": str(tmp_path / "folds.csv")}
    where = {"data": tmp_path / "without.csv", "out": tmp_path / "two"}
    other = wineexp.train(given_by, **where)
    assert one.signature == other.signature
    assert one.record.data.sides == sides_hash(
        np.array([["train", "valid", "test"].index(cell) for cell in cells])
    )
    for file in ("history.csv", "predictions.csv", "test_predictions.csv"):
        assert (one.path / file).read_bytes() == (other.path / file).read_bytes()
    stamp = (other.path / "run.json").stat().st_mtime_ns
    wineexp.train(given_by, **where)
    assert (other.path / "run.json").stat().st_mtime_ns == stamp, "it is done"
    cells[0] = "valid" if cells[0] == "train" else "train"
    pd.DataFrame({"fold": cells}).to_csv(tmp_path / "folds.csv", index=False)
    changed = wineexp.train(given_by, **where)
    assert changed.signature != other.signature, "other rows are another split, under any name"


def test_what_needs_a_runs_rows_refuses_a_split_column_that_was_changed_since(tmp_path, tensorflow):
    cells = folds()
    frame(fold=cells).to_csv(tmp_path / "t.csv", index=False)
    spec = {**CLASSES, "split": "column", "split_column": "fold"}
    run = wineexp.train(spec, data=tmp_path / "t.csv", out=tmp_path / "runs")
    wineexp.inspect(run, data=tmp_path / "t.csv")
    frame(fold=[" " + cell for cell in cells]).to_csv(tmp_path / "t.csv", index=False)
    wineexp.inspect(run, data=pd.read_csv(tmp_path / "t.csv"))  # the same words
    frame(fold=cells[::-1]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"expected the sides that .+ was trained on, found others"):
        wineexp.inspect(run, data=tmp_path / "t.csv")


REFUSED = [
    ({"split": "stratified", "loss": "mae", "target": "a"}, SpecError, "expected a loss of classes"),
    ({"split": "column"}, SpecError, "split: expected split_column beside column, to say which"),
    ({"split_column": "fold"}, SpecError, "split_column: expected with split column; found it with split random"),
    ({"splits": "folds.csv"}, SpecError, "splits: expected with split column"),
    ({"split": "column", "split_column": "fodl"}, DataError, "in every row (did you mean 'fold'?)"),
    ({"split": "column", "split_column": "a"}, DataError, "column 'a': expected train, valid or test, found"),
    ({"split": "column", "split_column": "Word"}, DataError, "'Word': expected train, valid or test, found"),
    ({"split": "column", "split_column": "hole"}, DataError, "row 4, counted from 0: column 'hole': expected"),
    ({"split": "column", "split_column": "only", "drop": ["Word", "hole"]}, DataError, "split by column 'only'"),
    ({"split": "column", "split_column": "fold", "splits": "no.csv"}, DataError, "no.csv: no such file"),
    ({"split": "column", "split_column": "fold", "splits": "short.csv"}, DataError, "expected 60 rows"),
    ({"target": "fold"}, DataError, "a split column and no target; rename them"),
    ({"features": ["a", "fold"]}, DataError, "no column 'fold'"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "error", "says"), REFUSED)
def test_what_is_no_split_is_refused_before_anything_is_trained(tmp_path, monkeypatch, fields, error, says):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"fold": folds()[:50], "x": range(50)}).to_csv("short.csv", index=False)
    wrong = {name: [*folds()[:4], cell, *folds()[5:]] for name, cell in (("Word", "Train"), ("hole", None))}
    table = table_of_frame(frame(fold=folds(), only=folds(0, ("train",)), **wrong))
    with pytest.raises(error) as caught:
        plan([RunSpec.parse({**CLASSES, **fields})], table, tmp_path)
    assert says in str(caught.value)


def test_a_list_of_split_columns_is_crossed_with_seeds_of_their_own():
    names = [f"fold{number}" for number in range(5)]
    config = {"defaults": {**CLASSES, "split": "column", "split_column": names}, "grid": {"dropout": [0, 0.3]}}
    specs = read_mapping(config | {"seeds": 2}).specs
    assert [(spec.split_column, spec.seed) for spec in specs[:10]] == [
        (names[number // 2], number) for number in range(10)
    ]
    assert len(specs) == 20
    assert len({spec.split_number for spec in specs}) == 5
    wrongs = {"at least 5": names[:3], "found one twice": [*names, "fold0"], "twice or none": []}
    for says, wrong in wrongs.items():
        with pytest.raises(ConfigError, match=says):
            read_mapping({"defaults": {**config["defaults"], "split_column": wrong}, "runs": [{}]})
    with pytest.raises(ConfigError, match="either a list of columns or split_seeds"):
        read_mapping(config | {"split_seeds": 5})


def test_runs_on_five_split_columns_are_judged_over_splits_and_on_two_refused(tmp_path, tensorflow):
    names = [f"fold{number}" for number in range(5)]
    table = table_of_frame(frame(**{name: folds(seed, ("train", "valid")) for seed, name in enumerate(names)}))
    config = {"defaults": {**CLASSES, "split": "column", "split_column": names}, "grid": {"dropout": [0, 0.5]}}
    runs = train(read_mapping(config).specs, table, tmp_path)
    found = compare_runs(load([run.path for run in runs]))
    assert [variant.label for variant in found.variants] == ["dropout 0", "dropout 0.5"]
    assert all(variant.across_splits and len(variant.split_errors) == 5 for variant in found.variants)
    assert "judged over 5 splits" in " ".join(found.notes)
    by_hand = [Run(run.path).record.metrics.val_log_loss * (1 if run.spec.dropout else -1) for run in runs]
    (verdict,) = found.verdicts
    assert verdict.difference.mean == pytest.approx(sum(by_hand) / 5, rel=0.05, abs=0.01)
    with pytest.raises(Exception, match="split_column is fold0"):
        compare_runs(load([runs[0].path, runs[1].path]))


def test_every_old_spec_has_its_signature():
    assert RunSpec().signature("t") == RunSpec(split_column=None, missing="refuse", positive=None).signature("t")
    assert isinstance(Table(frame(), "t", "custom", faults={"y": ""}).splits, dict)
