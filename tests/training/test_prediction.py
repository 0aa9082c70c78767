"""``wineexp predict``: a saved run on new rows, against Keras itself and by hand."""

from __future__ import annotations

import gzip
import io
import json

import numpy as np
import pandas as pd
import pytest
from support.batches import train

import wineexp
from wineexp.data.table import read_table
from wineexp.runs.run import find_runs


@pytest.fixture(scope="module")
def runs(small_table, tmp_path_factory, tensorflow):
    """Three seeds scaled and with dropout, one plain, trained for real."""
    from wineexp.specs.run_spec import RunSpec

    out = tmp_path_factory.mktemp("runs")
    common = {"widths": "8,8", "epochs": 3, "batch_size": 32}
    specs = [
        RunSpec.parse({**common, "dropout": 0.3, "bn": "after", "scale": "standard", "seed": s}) for s in range(3)
    ]
    specs += [RunSpec.parse(common), RunSpec.parse({**common, "dropout_input": 0.3, "seed": 7})]
    train(specs, small_table, out)
    return {(run.spec.has_dropout(), run.spec.seed): run for run in find_runs(out)}


@pytest.fixture
def valid_rows(runs, small_table, tmp_path):
    """The validation rows as a CSV, columns in another order, with one nobody asked for."""
    rows = pd.read_csv(runs[True, 0].predictions_path)["row"]
    frame = small_table.frame.loc[rows, ["c", "quality", "a", "b"]].assign(vineyard="north")
    path = tmp_path / "new.csv"
    frame.to_csv(path, index=False, sep=";")
    return path


def read(text):
    return pd.read_csv(io.StringIO(text))


def test_the_validation_rows_get_the_predictions_on_record(cli, runs, valid_rows):
    for run in (runs[True, 0], runs[False, 0]):
        code, out, err = cli("predict", run.path, valid_rows)
        assert code == 0
        record = pd.read_csv(run.predictions_path)
        np.testing.assert_array_equal(read(out)["predicted"], record["predicted"])
        assert "note: not used: vineyard" in err
        metrics = run.record.metrics
        assert f"MAE {metrics.val_mae:.4f}, RMSE {metrics.val_rmse:.4f}, skill {metrics.skill:+.1%}" in err


def test_without_the_target_there_are_predictions_alone(cli, runs, valid_rows, tmp_path):
    read(valid_rows.read_text().replace(";", ",")).drop(columns=["quality"]).to_csv(
        tmp_path / "x.csv", index=False
    )
    code, out, err = cli("predict", runs[True, 0].path, tmp_path / "x.csv", "-o", tmp_path / "p.csv")
    assert (code, out) == (0, "")
    assert list(pd.read_csv(tmp_path / "p.csv").columns) == ["row", "predicted"]
    assert "MAE" not in err


def test_all_seeds_are_averaged_with_their_spread(cli, runs, valid_rows):
    _, out, err = cli("predict", runs[True, 0].path, valid_rows, "--run-seeds")
    each = np.stack([pd.read_csv(runs[True, seed].predictions_path)["predicted"] for seed in range(3)])
    np.testing.assert_allclose(read(out)["predicted"], each.mean(axis=0), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(read(out)["sd"], each.std(axis=0, ddof=1), rtol=1e-4, atol=1e-7)
    assert "seeds 0, 1, 2" in err


def by_hand(table, median):
    """MAE, RMSE and skill of predictions beside their actual values."""
    error = (table["actual"] - table["predicted"]).abs()
    constant = (table["actual"] - median).abs().mean()
    return {"mae": error.mean(), "rmse": (error**2).mean() ** 0.5, "skill": 1 - error.mean() / constant}


def in_words(metrics):
    return f"MAE {metrics['mae']:.4f}, RMSE {metrics['rmse']:.4f}, skill {metrics['skill']:+.1%}"


@pytest.fixture
def at_hand(monkeypatch, small_csv):
    """The table that trained is the one that the environment names."""
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))


@pytest.mark.usefixtures("at_hand")
def test_rows_that_trained_are_scored_apart(cli, runs, small_table, tmp_path):
    run, frame = runs[True, 0], small_table.frame
    train = frame.sample(frac=0.7, random_state=0)  # the lesson's split
    valid = frame.drop(train.index)
    path = tmp_path / "rows.csv"
    new = pd.DataFrame({"a": [0.5], "b": [-0.25], "c": [0.125], "quality": [5.5]})
    # Copies count, wherever they come from; equal features with another target are another row.
    other = train.head(1).assign(quality=train["quality"].head(1) + 1)
    pd.concat([valid.head(6), new, train.head(9), train.head(2), other]).to_csv(path, index=False, sep=";")
    _, out, err = cli("predict", run.path, path, "--json")
    table, found = pd.DataFrame(json.loads(out)["predictions"]), json.loads(out)
    trained = (np.arange(19) >= 7) & (np.arange(19) < 18)
    assert (found["trained_rows"], found["validation_rows"]) == (11, 6)
    parts = {"metrics": table, "metrics_trained": table[trained], "metrics_unseen": table[~trained]}
    for name, part in parts.items():
        assert found[name] == pytest.approx(by_hand(part, train["quality"].median())), name
    assert err == (
        "note: 6 rows of 19 validated it, and chose nothing\n"
        f"8 rows that did not train it: {in_words(found['metrics_unseen'])}; "
        f"11 rows that trained it: {in_words(found['metrics_trained'])}\n"
    )
    predictions = wineexp.predict(run, path)
    assert {name: getattr(predictions, name) for name in found if name != "predictions"} == {
        name: found[name] for name in found if name != "predictions"
    }
    assert predictions.measured in err


@pytest.mark.usefixtures("at_hand")
def test_sides_without_rows_are_not_scored(cli, runs, small_table, valid_rows, tmp_path):
    path = tmp_path / "train.csv"
    small_table.frame.sample(frac=0.7, random_state=0).to_csv(path, index=False)
    for rows, says, absent in (
        (path, "84 rows that trained it: MAE", "did not train"),
        (valid_rows, "36 rows that did not train it: MAE", "that trained"),
    ):
        _, _, err = cli("predict", runs[True, 0].path, rows)
        assert says in err
        assert absent not in err
    _, _, err = cli("predict", runs[True, 0].path, path, "--run-seeds")
    assert "84 rows that trained them: MAE" in err


@pytest.mark.usefixtures("at_hand")
def test_without_the_target_the_rows_that_trained_are_counted(cli, runs, small_table, tmp_path):
    path = tmp_path / "rows.csv"
    train = small_table.frame.sample(frac=0.7, random_state=0)
    pd.concat([train.head(3), train.head(1)]).drop(columns="quality").to_csv(path, index=False)
    _, out, err = cli("predict", runs[True, 0].path, path, "--json")
    assert err == "note: 4 rows of 4 trained it\n"
    found = json.loads(out)
    assert (found["trained_rows"], found["metrics_trained"], found["metrics_unseen"]) == (4, None, None)


def test_the_table_itself_is_recognized_and_any_other_is_unknown(cli, runs, small_table, valid_rows, tmp_path):
    path = tmp_path / "table.csv"
    small_table.frame.to_csv(path, index=False, sep="\t")
    _, _, err = cli("predict", runs[True, 0].path, path)
    assert "note: 36 rows of 120 validated it, and chose nothing\n36 rows that did not train it: MAE" in err
    assert "; 84 rows that trained it: MAE" in err
    assert wineexp.predict(runs[True, 0], small_table.frame).trained_rows == 84
    _, _, err = cli("predict", runs[True, 0].path, valid_rows)
    assert "36 rows (unknown whether they trained it: its table is not at hand): MAE" in err
    changed = small_table.frame.assign(quality=small_table.frame["quality"] + 1)
    found = wineexp.predict(runs[True, 0], changed)
    assert (found.trained_rows, found.validation_rows, found.metrics_unseen) == (None, None, None)
    assert found.metrics is not None


def test_rows_with_text_and_test_rows_are_told_apart(small_table, tmp_path, tensorflow, monkeypatch):
    from wineexp.specs.run_spec import RunSpec

    frame = small_table.frame.assign(c=np.where(small_table.frame["c"] > 0, "up", "down"))
    frame.to_csv(tmp_path / "text.csv", index=False)
    monkeypatch.setenv("WINEEXP_DATA", str(tmp_path / "text.csv"))
    settings = {"widths": "8", "epochs": 2, "encode": "onehot", "test_fraction": 0.1, "patience": 1}
    (run,) = train([RunSpec.parse(settings)], read_table(tmp_path / "text.csv"), tmp_path)
    found = wineexp.predict(run, frame)
    tested = pd.read_csv(run.path / "test_predictions.csv")
    assert (found.trained_rows, found.validation_rows, len(tested)) == (84, 24, 12)
    assert found.remarks == ["24 rows of 120 validated it, and chose its epoch"]
    renamed = wineexp.predict(run, frame.assign(c="sideways"))
    assert (renamed.trained_rows, renamed.validation_rows) == (0, 0)


def test_a_runs_own_figures_of_the_red_wine_table(cli, red_wine_path, tmp_path, tensorflow, monkeypatch):
    """90 of the 480 validation rows stand in the training rows too: run.json has the MAE on both."""
    from wineexp.specs.run_spec import RunSpec

    (run,) = train([RunSpec.parse({"widths": "8", "epochs": 1})], read_table(red_wine_path), tmp_path)
    monkeypatch.setenv("WINEEXP_DATA", str(red_wine_path))
    _, out, err = cli("predict", run.path, red_wine_path, "--json")
    assert "390 rows that did not train it: MAE" in err
    assert "; 1,209 rows that trained it: MAE" in err  # 1,119 and 90 copies of them
    metrics, found = run.record.metrics, json.loads(out)
    assert found["metrics_unseen"]["mae"] == pytest.approx(metrics.val_mae_unseen)
    seen = (1119 * metrics.train_mae + 90 * metrics.val_mae_twins) / 1209
    assert found["metrics_trained"]["mae"] == pytest.approx(seen, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 7])  # after the hidden layers, and on the features
def test_mc_dropout_is_kerass_own_layers_with_dropout_on(cli, runs, valid_rows, seed):
    import keras

    run = runs[True, seed]
    _, out, _ = cli("predict", run.path, valid_rows, "--mc-dropout", 400, "--json")
    table = pd.DataFrame(json.loads(out)["predictions"])
    assert json.loads(out)["metrics"]["mae"] > 0
    again = pd.DataFrame(
        json.loads(cli("predict", run.path, valid_rows, "--mc-dropout", 400, "--json")[1])["predictions"]
    )
    assert (table["sd"] > 0).all()
    np.testing.assert_array_equal(table["predicted"], again["predicted"])
    # An independent sample: the expected value of the layers' own masks, batch norm in inference mode.
    model = keras.models.load_model(run.model_path)
    x = pd.read_csv(valid_rows, sep=";")[["a", "b", "c"]].to_numpy("float32")
    random, passes = np.random.default_rng(0), []
    for _ in range(400):
        values = x
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                values = values * (random.random(values.shape) >= layer.rate) / (1 - layer.rate)
            else:
                values = np.asarray(layer(np.asarray(values, "float32"), training=False))
        passes.append(values[:, 0])
    error = table["sd"] * np.sqrt(2 / 400)
    assert (np.abs(table["predicted"] - np.mean(passes, axis=0)) < 5 * error).all()
    np.testing.assert_allclose(table["sd"], np.std(passes, axis=0, ddof=1), rtol=0.25)


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        ("a,b\n1,2\n", 2, "no column 'c'; the run was trained on: a, b, c"),
        ("aa,b,c\n1,2,3\n", 2, "no column 'a' (did you mean 'aa'?)"),
        ("a,b,c\n1,2,nan\n", 2, ":2: column 'c': expected a finite number, found 'nan'"),
        ("a,b,c\n1,,3\n", 2, ":2: column 'b': expected a number, found nothing"),
        ("a,b,c\n1,two,3\n", 2, ":2: column 'b': expected a number, found 'two'"),
        ("a,b,c\n", 2, "expected rows of numbers below the header"),
        ("", 2, "expected a header"),
        ("a,a,b,c\n1,2,3,4\n", 2, ":1: column 'a' occurs twice"),
        ("a;b;c\n1,5;2.5;3\n", 2, ":2: column 'b': expected one decimal mark in the whole file, found '2.5'"),
        ("a;b;c;d\n1;2;3\n", 2, ":2: expected 4 values, found 3"),
        ("a,b,c,quality\n1,2,3,\n1,2,3,4\n", 2, ":2: column 'quality': expected a number, found nothing"),
        (None, 2, "no such file"),
    ],
)
def test_a_bad_csv_is_one_line(cli, runs, tmp_path, content, code, says):
    path = tmp_path / "x.csv"
    if content is not None:
        path.write_text(content)
    found, out, err = cli("predict", runs[False, 0].path, path)
    assert (found, out) == (code, "")
    assert says in err
    assert str(path) in err


DIALECTS = {
    "semicolons, decimal commas": lambda frame: frame.to_csv(sep=";", decimal=",", index=False).encode(),
    "quoted decimal commas": lambda frame: frame.to_csv(decimal=",", index=False).encode(),
    "tabs, an index": lambda frame: frame.to_csv(sep="\t").encode(),
    "packed, Windows": lambda frame: gzip.compress(frame.to_csv(index=False, lineterminator="\r\n").encode()),
    "trailing separators": lambda frame: frame.to_csv(index=False).replace("\n", ",\n").encode(),
    "empty lines": lambda frame: frame.to_csv(index=False, sep="|").replace("\n", "\n\n|||\n").encode(),
    "no-break spaces": lambda frame: frame.map("\xa0{}".format).to_csv(index=False).encode(),
}


@pytest.mark.parametrize("form", DIALECTS.values(), ids=DIALECTS)
def test_a_table_that_trains_also_predicts(cli, runs, small_table, tmp_path, form):
    path = tmp_path / "rows.csv"
    path.write_bytes(form(small_table.frame))
    assert read_table(path).fingerprint == small_table.fingerprint
    code, out, err = cli("predict", runs[True, 0].path, path)
    assert code == 0, err
    small_table.frame.to_csv(tmp_path / "plain.csv", index=False)
    assert out == cli("predict", runs[True, 0].path, tmp_path / "plain.csv")[1]


def test_columns_that_are_not_needed_may_have_any_name_and_hold_anything(cli, runs, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        'a;x;;b;x;"note\n(ours)";c;quality\n1,5;1.5;;2;"7;7";"two\nlines";3;\n;;;;;;;\n2;;n/a;2;;;3;\n'
    )
    code, out, err = cli("predict", runs[False, 0].path, path, "--id", "note\n(ours)")
    assert code == 0, err
    table = read(out)
    assert list(table.columns) == ["row", "note\n(ours)", "predicted"]
    assert table["note\n(ours)"].tolist()[0] == "two\nlines"
    assert len(table) == 2
    assert "not used: x, x\n" in err
    assert f"{path}: dropped 1 empty line\n" in err
    assert f"{path}: dropped empty column: 'quality'\n" in err
    assert "MAE" not in err


def test_an_id_is_carried_as_it_is_and_safe(cli, runs, tmp_path):
    ids = ["007", "-5", "=1+1", "a\x1b[31m", "", "x,y"]
    path = tmp_path / "x.csv"
    pd.DataFrame({"wine": ids, "a": 1.0, "b": 2.0, "c": 3.0}).to_csv(path, index=False)
    code, out, err = cli("predict", runs[False, 0].path, path, "--id", "wine")
    assert code == 0
    found = pd.read_csv(io.StringIO(out), dtype=str, keep_default_na=False)["wine"].tolist()
    assert found == ["007", "-5", "'=1+1", "a\\x1b[31m", "", "x,y"]
    assert "not used" not in err
    _, out, _ = cli("predict", runs[False, 0].path, path, "--id", "wine", "--json")
    assert [row["wine"] for row in json.loads(out)["predictions"]] == ids
    frame = pd.read_csv(path, dtype={"wine": str}, keep_default_na=False)
    assert wineexp.predict(runs[False, 0], frame, id_column="wine").table["wine"].tolist() == ids


@pytest.mark.parametrize(
    ("column", "says"),
    [
        ("win", ":1: no column 'win' (did you mean 'wine'?)"),
        ("x", ":1: column 'x' occurs twice in the header"),
        ("row", "id: column 'row' has the same name as an output column; rename it in the file"),
    ],
)
def test_an_id_that_cannot_be_carried_is_refused(cli, runs, tmp_path, column, says):
    path = tmp_path / "x.csv"
    path.write_text("wine,x,x,row,a,b,c\nA,1,1,0,1,2,3\n")
    code, out, err = cli("predict", runs[False, 0].path, path, "--id", column)
    assert (code, out) == (2, "")
    assert says in err


def test_rows_far_outside_the_training_range_are_noted(cli, runs, small_table, tmp_path):
    run = runs[True, 0]
    low, high = run.record.data.ranges[0]
    train = small_table.frame["a"].drop(pd.read_csv(run.predictions_path)["row"])
    assert (low, high) == (train.min(), train.max())
    beside, beyond = high + 0.49 * (high - low), low - 0.51 * (high - low)
    path = tmp_path / "x.csv"
    pd.DataFrame({"a": [0.0, beside, beyond], "b": 0.0, "c": 0.0}).to_csv(path, index=False)
    _, _, err = cli("predict", run.path, path)
    assert err == (
        f"note: column 'a': 1 row far outside the training range, {low:g} to {high:g}; "
        f"furthest {beyond:g} in row 2, counted from 0\n"
    )
    frame = pd.DataFrame({"a": [beyond], "b": 0.0, "c": 0.0, "quality": np.nan})
    found = wineexp.predict(run, frame)
    assert len(found.notes) == 1
    assert found.metrics is None


def test_arguments_the_wrong_way_round_are_one_line(cli, runs, valid_rows):
    code, out, err = cli("predict", valid_rows, runs[False, 0].path)
    assert (code, out) == (1, "")
    assert "no run here: expected a directory with run.json" in err


def test_what_cannot_predict_is_refused(cli, runs, valid_rows, small_table, tmp_path):
    from support import fabricate

    without = fabricate.save(tmp_path, small_table)
    failed = fabricate.fail(tmp_path, small_table, seed=4)
    broken = fabricate.save(tmp_path, small_table, seed=5)
    broken.model_path.write_bytes(b"no model")
    for run, flags, says in (
        (runs[False, 0], ["--mc-dropout", 10], "--mc-dropout needs a run with dropout, and this one has none"),
        (without, [], "has no model.keras: it was trained with --no-model"),
        (failed, [], "expected a finished run, found one that is failed"),
        (broken, [], "model.keras: is damaged: the record does not know it"),
    ):
        code, out, err = cli("predict", run.path, valid_rows, *flags)
        assert (code, out) == (1, "")
        assert says in err
        assert len(err.splitlines()) <= 2
