"""Classes from a table to predictions, on the tables that scikit-learn ships."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets, metrics
from support.batches import plan, train

import wineexp
from wineexp.data.table import read_table
from wineexp.errors import DataError, RunError, SpecError
from wineexp.runs.probabilities import probability_columns
from wineexp.runs.run import Run
from wineexp.specs.run_spec import RunSpec

BINARY = {
    "target": "diagnosis", "loss": "binary_crossentropy", "widths": "16", "epochs": 12, "scale": "standard",
    "dropout": 0.2, "mc_passes": 10, "test_fraction": 0.1, "batch_size": 64, "learning_rate": 0.01,
}  # fmt: skip
SEVERAL = {**BINARY, "target": "cultivar", "loss": "categorical_crossentropy"}
DIGITS = {
    "target": "digit", "loss": "categorical_crossentropy", "widths": "32", "epochs": 10, "scale": "minmax",
    "learning_rate": 0.01,
}  # fmt: skip


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Name -> a CSV: labels as text, as numbers, and ten of them."""
    folder = tmp_path_factory.mktemp("tables")
    cancer = datasets.load_breast_cancer(as_frame=True)
    frames = {
        "cancer": cancer.data.assign(diagnosis=[cancer.target_names[code] for code in cancer.target]),
        "wine": (wine := datasets.load_wine(as_frame=True)).data.assign(cultivar=wine.target),
        "digits": (digits := datasets.load_digits(as_frame=True)).data.assign(digit=digits.target),
    }
    for name, frame in frames.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return {name: folder / f"{name}.csv" for name in frames}


@pytest.fixture(scope="module")
def runs(tables, tmp_path_factory, tensorflow):
    """Name of the table -> a run on it."""
    specs = {"cancer": BINARY, "wine": SEVERAL, "digits": DIGITS}
    out = tmp_path_factory.mktemp("runs")
    return {
        name: train([RunSpec.parse(fields)], read_table(tables[name]), out / name)[0]
        for name, fields in specs.items()
    }


LABELS = {
    "cancer": ("benign", "malignant"), "wine": ("0", "1", "2"), "digits": tuple("0123456789"),
}  # fmt: skip
each_table = pytest.mark.parametrize("name", LABELS)


def columns(table, name, *, passes=False):
    return table[probability_columns(LABELS[name], passes=passes)].to_numpy()


@each_table
def test_a_run_keeps_labels_probabilities_and_their_scores(runs, tables, name):
    run = Run(runs[name].path)
    table, source, known = run.predictions, pd.read_csv(tables[name]), run.record.metrics
    labels, target = LABELS[name], run.spec.target
    assert run.record.data.labels == labels
    assert table["actual"].tolist() == source[target].astype(str)[table["row"]].tolist()
    p = columns(table, name)
    assert p.sum(axis=1) == pytest.approx(np.ones(len(table)), abs=1e-12)
    assert table["predicted"].tolist() == [labels[number] for number in p.argmax(axis=1)]
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    clipped = clipped / clipped.sum(axis=1, keepdims=True) if len(labels) > 2 else clipped
    assert known.val_log_loss == pytest.approx(metrics.log_loss(table["actual"], clipped, labels=labels), abs=1e-6)
    assert known.val_accuracy == pytest.approx(
        metrics.accuracy_score(table["actual"], table["predicted"]), abs=1e-9
    )
    assert known.val_error_rate == pytest.approx(1 - known.val_accuracy)
    if len(labels) == 2:
        positive = table["actual"] == labels[1]
        assert known.val_auc == pytest.approx(metrics.roc_auc_score(positive, p[:, 1]))
        assert known.val_brier == pytest.approx(metrics.brier_score_loss(positive, p[:, 1]))
    else:
        assert known.val_auc == pytest.approx(metrics.roc_auc_score(table["actual"], p, multi_class="ovr"))
    held_out = {*table["row"], *([] if run.test_predictions is None else run.test_predictions["row"])}
    shares = source.drop(index=list(held_out))[target].astype(str).value_counts(normalize=True)
    assert run.record.data.shares == pytest.approx(shares[list(labels)].to_numpy())
    constant = -np.log(shares[table["actual"]].to_numpy()).mean()
    assert known.baseline_log_loss == pytest.approx(constant)
    assert known.baseline_loss == pytest.approx(constant, rel=1e-5)
    assert known.skill == pytest.approx(1 - known.val_log_loss / constant)
    assert known.skill > 0.5, "it learns"
    history = run.history
    assert list(history)[-2:] == ["accuracy", "val_accuracy"]
    assert history["val_accuracy"].iloc[-1] == pytest.approx(known.val_accuracy)
    assert history["val_loss"].iloc[-1] == pytest.approx(known.val_log_loss, rel=1e-4)


@each_table
def test_keras_alone_and_every_way_to_predict_give_the_same_probabilities(runs, tables, name):
    import keras

    run, source = runs[name], pd.read_csv(tables[name])
    recorded, x = run.predictions, source.drop(columns=run.spec.target).to_numpy("float32")
    model = keras.models.load_model(run.model_path)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    found = model.predict(x, verbose=0)[recorded["row"]]
    p = columns(recorded, name)
    np.testing.assert_allclose(found, p[:, 1:] if len(LABELS[name]) == 2 else p, atol=2e-6)
    for rows in (tables[name], source, source.drop(columns=run.spec.target)):
        predicted = wineexp.predict(run, rows)
        table = predicted.table
        np.testing.assert_allclose(columns(table, name)[recorded["row"]], p, atol=1e-6)
        assert table["predicted"][recorded["row"]].tolist() == recorded["predicted"].tolist()
        assert (predicted.metrics is None) == (
            run.spec.target not in (rows if isinstance(rows, pd.DataFrame) else source)
        )
    unseen = wineexp.predict(run, source).metrics_unseen
    if run.test_predictions is None:
        assert unseen["log_loss"] == pytest.approx(run.record.metrics.val_log_loss, abs=1e-6)
    assert unseen["accuracy"] == pytest.approx(1 - unseen["error_rate"])


def test_passes_are_of_probabilities_and_a_finished_run_is_amended_to_the_same_bytes(runs, tables, tmp_path):
    table = read_table(tables["cancer"])
    (plain,) = train([RunSpec.parse({**BINARY, "mc_passes": 0})], table, tmp_path)
    assert not any(name.startswith("p_mc_") for name in plain.predictions)
    (amended,) = train([RunSpec.parse(BINARY)], table, tmp_path)
    assert amended.path == plain.path
    assert (amended.path / "history.csv").stat().st_mtime == (plain.path / "history.csv").stat().st_mtime
    for file in ("predictions.csv", "test_predictions.csv"):
        assert (amended.path / file).read_bytes() == (runs["cancer"].path / file).read_bytes()
    found, known = Run(amended.path), Run(amended.path).record.metrics
    means = columns(found.predictions, "cancer", passes=True)
    assert means.sum(axis=1) == pytest.approx(np.ones(len(means)), abs=1e-12)
    assert known.val_log_loss_mc == pytest.approx(metrics.log_loss(found.predictions["actual"], means), abs=1e-6)
    assert known.val_error_rate_mc != known.val_log_loss_mc
    assert known.test_brier_mc is not None
    assert abs(means[:, 1] - columns(found.predictions, "cancer")[:, 1]).max() > 1e-3


def test_the_positive_label_is_the_second_or_the_one_that_is_named(tables, tmp_path, tensorflow):
    import keras

    table = read_table(tables["cancer"])
    fields = {**BINARY, "mc_passes": 0, "dropout": 0}
    second, first, same = train(
        [RunSpec.parse({**fields, **more}) for more in ({}, {"positive": "benign"}, {"positive": "malignant"})],
        table, tmp_path,
    )  # fmt: skip
    assert list(second.predictions) == list(first.predictions), "the labels keep their order"
    x = table.frame.drop(columns="diagnosis").to_numpy("float32")
    for run, label in ((second, "malignant"), (first, "benign")):
        p = keras.models.load_model(run.model_path).predict(x, verbose=0)[run.predictions["row"], 0]
        np.testing.assert_allclose(p, run.predictions[f"p_{label}"], atol=2e-6)
    assert same.predictions.equals(second.predictions)
    assert first.record.metrics.val_log_loss == pytest.approx(second.record.metrics.val_log_loss, rel=0.5)
    assert wineexp.compare(str(second.path), str(first.path)).metric == "test log loss"


@pytest.mark.parametrize(
    "cells", [["no", "yes"], ["False", "True"], [0, 1], [1, 2], [-1.5, 2.5], ["+2 b", "=1+1"]]
)
def test_labels_may_be_any_text_or_numbers(tmp_path, cells, tensorflow):
    random = np.random.RandomState(0)
    x = random.normal(size=(60, 2))
    frame = pd.DataFrame(x, columns=["a", "b"]).assign(y=[cells[int(value > 0)] for value in x[:, 0]])
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = {"target": "y", "loss": "binary_crossentropy", "widths": 4, "epochs": 2, "out": tmp_path / "out"}
    run = wineexp.train(data=tmp_path / "t.csv", **options)
    assert run.record.data.labels == tuple(map(str, cells))
    predicted = wineexp.predict(run, tmp_path / "t.csv")
    assert set(predicted.table["actual"]) == set(map(str, cells))
    assert predicted.metrics["log_loss"] > 0
    text = (run.path / "predictions.csv").read_text()
    assert "\n0,=" not in text, "no spreadsheet runs a label"
    assert wineexp.compare(run).metric == "val log loss"
    of_frame = wineexp.train(data=frame, **options | {"out": tmp_path / "other"})
    assert of_frame.record.data.labels == run.record.data.labels


TABLE = "a,y,z,n\n" + "".join(
    f"{number / 7:.3f},{'no' if number % 3 else 'yes'},{number % 4},{number / 3:.3f}\n" for number in range(40)
)
#: What is asked of TABLE (with one line changed, perhaps, or labels), and what the answer says.
REFUSED = [
    ({"target": "y"}, None, "column 'y': expected a number, found 'yes'; --loss binary_crossentropy learns"),
    ({"target": "y", "loss": "mse"}, None, "the probabilities of its 2 labels"),
    ({"target": "z", "loss": "binary_crossentropy"}, None, "expected two labels for binary_crossentropy, found 4"),
    ({"target": "z", "loss": "binary_crossentropy"}, None, "--loss categorical_crossentropy takes more"),
    ({"target": "w", "loss": "binary_crossentropy"}, None, "no column 'w'"),
    ({"target": "y", "loss": "binary_crossentropy", "positive": "yess"}, None, "(did you mean 'yes'?)"),
    ({"target": "y", "loss": "binary_crossentropy"}, {"yes": "mc_no"}, "'mc_no' beside 'no', whose passes are in"),
    ({"target": "y", "loss": "binary_crossentropy"}, {"yes": "@a", "no": "'@a"}, "is written as '@a; rename"),
    ({"target": "y", "loss": "binary_crossentropy"}, {"yes": "train", "no": "valid"}, "make it a split column"),
    ({"target": "y", "loss": "binary_crossentropy"}, {"yes": ""}, "found no in every row that is not empty"),
    ({"target": "y", "loss": "binary_crossentropy", "positive": "ja"}, None, "its labels, no; yes; found 'ja'"),
    ({"target": "y", "loss": "binary_crossentropy"}, (3, "1.0,,2,1.0"), ":4: column 'y': expected a label, found"),
    ({"target": "y", "loss": "binary_crossentropy"}, (3, "1.0,perhaps,2,1.0"), "found 3: no; perhaps; yes"),
    ({"target": "y", "loss": "categorical_crossentropy"}, (3, "1.0,a\tb,2,1.0"), "printable"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "changed", "says"), REFUSED)
def test_a_target_that_cannot_be_learnt_so_is_refused_with_the_flag_that_helps(tmp_path, fields, changed, says):
    lines = TABLE.splitlines()
    if isinstance(changed, dict):
        lines = [",".join(changed.get(cell, cell) for cell in line.split(",")) for line in lines]
    elif changed:
        lines[changed[0]] = changed[1]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(DataError) as error:
        plan(
            [RunSpec.parse({"drop": ["y"] if fields["target"] != "y" else None, **fields})],
            read_table(path),
            tmp_path,
        )
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("value", "label"), [(0, "0"), (False, "False"), (1.0, "1"), (2.5, "2.5"), (float("inf"), "inf"), (None, None)]
)
def test_a_positive_label_may_be_what_yaml_reads_as_a_number_or_a_truth(value, label):
    assert RunSpec.parse({"target": "y", "loss": "binary_crossentropy", "positive": value}).positive == label


def test_one_row_is_predicted_with_its_scores_and_columns_of_probabilities_carry_nothing(runs, tables):
    run = runs["cancer"]
    rows = pd.read_csv(tables["cancer"]).iloc[:1]
    found = wineexp.predict(run.path, rows)
    assert found.metrics["log_loss"] == pytest.approx(
        -np.log(found.table[f"p_{rows['diagnosis'][0]}"][0]), abs=1e-6
    )
    for name in ("p_benign", "p_mc_benign"):
        with pytest.raises(DataError, match="the same name as an output column"):
            wineexp.predict(run.path, rows.assign(**{name: 1}), id_column=name)


def test_more_labels_than_classes_have_are_refused_and_a_scale_of_labels_is_too(tmp_path):
    frame = pd.DataFrame({"a": np.arange(300) / 7, "y": [f"name {number}" for number in range(300)]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    for loss in ("categorical_crossentropy", "binary_crossentropy"):
        with pytest.raises(DataError, match=r"found 300.*no class"):
            plan([RunSpec(target="y", loss=loss)], table, tmp_path)
    with pytest.raises(DataError, match=r"expected a number, found 'name 0'$"):
        plan([RunSpec(target="y")], table, tmp_path)
    with pytest.raises(SpecError, match="labels have no scale"):
        RunSpec.parse({"loss": "binary_crossentropy", "scale_target": "standard"})


@pytest.mark.parametrize(
    ("values", "noted"),
    [
        ([0, 1], "--loss binary_crossentropy"), ([3, 7], "--loss binary_crossentropy"),
        ([0, 1, 2], "--loss categorical_crossentropy"), ([1, 2, 3, 4], "--loss categorical_crossentropy"),
        ([3, 4, 5, 6, 7, 8], None), ([0, 2, 4], None), ([0.5, 1], None), (list(range(11)), None),
    ],
)  # fmt: skip
def test_numbers_that_look_like_classes_are_noted_with_the_loss_that_learns_them(tmp_path, values, noted):
    frame = pd.DataFrame({"a": np.arange(60) / 7, "y": np.resize(values, 60)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    notes = plan([RunSpec(target="y")], read_table(tmp_path / "t.csv"), tmp_path).notes
    found = [note for note in notes if "classes" in note]
    assert len(found) == (noted is not None)
    if noted:
        assert noted in found[0]


def test_the_red_wine_tables_quality_is_not_taken_for_codes(red_wine, tmp_path):
    assert plan([RunSpec()], red_wine, tmp_path).notes == ()


def test_rows_with_a_label_that_the_run_does_not_know_are_not_scored(runs, tables):
    frame = pd.read_csv(tables["cancer"])
    frame.loc[5, "diagnosis"] = "unclear"
    with pytest.raises(DataError, match="expected one of the labels benign; malignant, found 'unclear' in row 5"):
        wineexp.predict(runs["cancer"], frame)
    frame["diagnosis"] = None
    assert wineexp.predict(runs["cancer"], frame).metrics is None


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("benign,benign,", "benign,kind,", "expected one of benign; malignant in predicted, found 'kind'"),
        ("p_benign,p_malignant", "p_benign,p_other", "columns p_benign, p_malignant"),
    ],
)
def test_changed_predictions_are_seen_as_damage(runs, tmp_path, old, new, says):
    import shutil

    copied = tmp_path / runs["cancer"].path.name
    shutil.copytree(runs["cancer"].path, copied)
    text = (copied / "predictions.csv").read_text()
    assert old in text
    (copied / "predictions.csv").write_text(text.replace(old, new, 1))
    record = (copied / "run.json").read_text()
    with pytest.raises(RunError, match="not what was written"):
        Run(copied).read_tables()
    (copied / "run.json").write_text(_without_checks(record))
    with pytest.raises(RunError) as error:
        Run(copied).read_tables()
    assert says in str(error.value)


def _without_checks(text):
    """A record as an earlier version wrote it: without hashes."""
    import json

    record = json.loads(text)
    del record["checksum"], record["files"]
    return json.dumps(record | {"schema": 2})


def test_what_is_said_of_a_run_of_classes(runs, tables, cli):
    run = runs["cancer"]
    path, table = run.path, tables["cancer"]
    _, shown, _ = cli("show", path)
    assert "it predicts the probability of 'malignant'" in shown
    assert "Dense    1 units, sigmoid" in shown
    assert "MAE" not in cli("why", path, "--data", table)[1]
    assert "share of malignant" in cli("inspect", path, "--data", table, "-o", path.parent / "inside.png")[1]
    assert "log loss" in cli("predict", path, table)[2]
    _, listed, _ = cli("runs", "--out", path.parent)
    assert "val error rate" in listed
    assert "val MAE" not in listed


def test_tensorboard_gets_accuracies_by_epoch_live_and_afterwards(tables, tmp_path, tensorflow):
    from support.events import read
    from support.events import reader as read_events

    options = {"data": tables["wine"], "tensorboard": tmp_path / "tb", "out": tmp_path / "out", **SEVERAL}
    run = wineexp.train(**options)
    events = read_events(tmp_path / "tb" / run.path.name)
    for tag in ("loss", "val_loss", "accuracy", "val_accuracy"):
        assert read(events, tag)[1] == pytest.approx(run.history[tag].tolist(), rel=1e-6), tag
    _, (area,) = read(events, "metrics/val_auc")
    assert area == pytest.approx(run.record.metrics.val_auc)


def test_a_numeric_target_of_a_real_table_keeps_its_scores(tmp_path, tensorflow):
    """Diabetes, 442 patients: no classes, and by scikit-learn the same errors."""
    found = datasets.load_diabetes(as_frame=True)
    found.frame.to_csv(tmp_path / "t.csv", index=False)
    run = wineexp.train(data=tmp_path / "t.csv", target="target", widths=8, epochs=3, out=tmp_path / "out")
    table, known = run.predictions, run.record.metrics
    assert known.val_mae == pytest.approx(
        metrics.mean_absolute_error(table["actual"], table["predicted"]), rel=1e-6
    )
    squared = metrics.mean_squared_error(table["actual"], table["predicted"])
    assert known.val_rmse == pytest.approx(squared**0.5, rel=1e-6)
    assert known.val_log_loss is None
