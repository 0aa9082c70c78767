"""``wineexp inspect``: against Keras's own layers on the model's file, and by hand."""

from __future__ import annotations

import csv
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from support import fabricate
from support.batches import train

from wineexp.data.split import split_table
from wineexp.runs.run import Run, find_runs
from wineexp.specs.run_spec import RunSpec

COMMON = {"widths": "16,8", "epochs": 3, "batch_size": 32, "dropout": 0.3}

#: Name -> what else the spec says.
SPECS = {
    "dropped": {},
    "after": {"bn": "after", "scale": "standard"},
    "before": {"bn": "before", "bn_input": True},
    "plain": {"dropout": 0},
    "on the features": {"dropout_input": 0.2, "bn": "after", "dropout_place": "after_bn", "bn_input": True},
}


@pytest.fixture(scope="module")
def runs(small_table, tmp_path_factory, tensorflow):
    out = tmp_path_factory.mktemp("runs")
    train([RunSpec.parse({**COMMON, **more, "name": name}) for name, more in SPECS.items()], small_table, out)
    return {run.label: run for run in find_runs(out)}


@pytest.fixture
def inspect(cli, runs, small_csv, tmp_path, monkeypatch):
    """The layers of a run by name, from ``--json``, with the rest of it."""
    monkeypatch.chdir(tmp_path)

    def call(name, *arguments):
        given = arguments or ("--data", small_csv)
        code, out, err = cli("inspect", runs[name].path, *given, "--json")
        assert code == 0, err
        found = json.loads(out)
        return {layer["name"]: layer for layer in found["layers"]}, found

    return call


def loaded(run):
    """The model as anyone loads its file, without wineexp."""
    import keras

    return keras.models.load_model(run.model_path)


def training_rows(run, table):
    """As the trained layers take them."""
    return split_table(table, run.spec).x_train


def raw_rows(run, table):
    """The same as the file's model takes them, which begins with the scaling."""
    return table.frame.loc[split_table(table, run.spec).train_rows, ["a", "b", "c"]].to_numpy("float32")


def trained_layers(model):
    """All but the scaling, which is no part of what was trained."""
    import keras

    return [layer for layer in model.layers if not isinstance(layer, keras.layers.Normalization)]


def expect(layer, values, mode=""):
    """That the figures of a layer are those of ``values``, in float64."""
    values = np.asarray(values).astype(np.float64)
    figures = {
        "mean": values.mean(),
        "sd": values.std(),
        "zeros": (values == 0).mean(),
        "dead": (values == 0).all(axis=0).mean(),
    }
    found = {key: layer[f"{key}{mode}"] for key in figures}
    assert found == pytest.approx(figures, rel=1e-5, abs=1e-6), layer["name"]


@pytest.mark.parametrize("name", SPECS)
def test_figures_are_those_of_a_keras_model_cut_at_that_layer(name, inspect, runs, small_table):
    import keras

    model, x = loaded(runs[name]), raw_rows(runs[name], small_table)
    layers, found = inspect(name)
    assert list(layers) == ["input", *(layer.name for layer in trained_layers(model))]
    assert (len(layers) <= len(model.layers)) == (name == "after"), "the one that is scaled"
    assert found["rows"] == len(x)
    expect(layers["input"], training_rows(runs[name], small_table))
    for layer in trained_layers(model):
        cut = keras.Model(model.inputs[0], layer.output)
        values = cut.predict(x, verbose=0)
        expect(layers[layer.name], values)
        assert (layers[layer.name]["kind"], layers[layer.name]["units"]) == (type(layer).__name__, values.shape[1])
        signal = np.sqrt(values.astype(np.float64).var(axis=0).mean())
        assert layers[layer.name]["signal"] == pytest.approx(signal, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("name", SPECS)
def test_training_mode_is_kerass_own_batch_by_batch(name, inspect, runs, small_table):
    """Keras's model called with ``training=True`` on the batches of the run's first epoch."""
    import keras

    from wineexp.training.model import derive_seed
    from wineexp.training.trainer import shuffled

    model, x = loaded(runs[name]), raw_rows(runs[name], small_table)
    tensors = [keras.Input((x.shape[1],))]
    for layer in model.layers:  # called anew: in a loaded Sequential, each output hangs on calls of its own
        tensors.append(layer(tensors[-1]))
    trained = trained_layers(model)
    whole = keras.Model(tensors[0], tensors[-len(trained) :])
    order = shuffled(len(x), derive_seed(0, 0, "order"))(0)
    quiet = [np.asarray(part) for part in whole(x[order], training=False)]
    batches = [whole(x[order[at : at + 32]], training=True) for at in range(0, len(x), 32)]
    layers, _ = inspect(name)
    for layer, inference, *parts in zip(trained, quiet, *batches, strict=True):
        values = np.concatenate([np.asarray(part) for part in parts])
        expect(layers[layer.name], values, "_training")
        noise = np.sqrt((values.astype(np.float64) - inference).var(axis=0).mean())
        assert layers[layer.name]["noise"] == pytest.approx(noise, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["after", "before", "on the features"])
def test_moving_averages_are_held_against_what_comes_into_the_layer(name, inspect, runs, small_table):
    import keras

    model, x = loaded(runs[name]), raw_rows(runs[name], small_table)
    layers, _ = inspect(name)
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(normalizations) == 2 + (name != "after")
    for layer in normalizations:
        into = np.asarray(keras.Model(model.inputs[0], layer.input)(x)).astype(np.float64)
        varies = into.var(axis=0) > 0
        gamma, beta, mean, variance = (np.asarray(value).astype(np.float64) for value in layer.get_weights())
        distance = (np.abs(mean - into.mean(axis=0)) / np.where(varies, into.std(axis=0), 1))[varies]
        ratio = (variance / np.where(varies, into.var(axis=0), 1))[varies]
        figures = {
            "gamma_mean": gamma.mean(), "gamma_least": gamma.min(), "gamma_most": gamma.max(),
            "beta_mean": beta.mean(), "beta_least": beta.min(), "beta_most": beta.max(),
            "constant": 1 - varies.mean(),
            "distance_median": np.median(distance), "distance_most": distance.max(),
            "distance_high": np.quantile(distance, 0.95),
            "ratio_median": np.median(ratio), "ratio_least": ratio.min(), "ratio_most": ratio.max(),
            "ratio_low": np.quantile(ratio, 0.05), "ratio_high": np.quantile(ratio, 0.95),
        }  # fmt: skip
        found = layers[layer.name]
        assert {key: found[key] for key in figures} == pytest.approx(figures, rel=1e-4, abs=1e-6)
    assert layers["dense"]["gamma_mean"] is None


def test_the_variance_with_dropout_on_is_larger_by_what_dropout_adds(inspect, runs):
    """Dropout of rate p adds p / (1 - p) (mean**2 + variance) to a unit's variance."""
    layers, _ = inspect("after")
    assert layers["batch_normalization"]["training_ratio_median"] < layers["batch_normalization"]["ratio_median"]
    _, off, on = (layers["dropout"][key] for key in ("name", "sd", "sd_training"))
    square = layers["dropout"]["mean"] ** 2 + off**2
    expected = np.sqrt(square / 0.7 - layers["dropout"]["mean"] ** 2)
    assert on == pytest.approx(expected, rel=0.1)


def test_inspecting_changes_neither_the_model_nor_itself(runs, small_table):
    from wineexp.training.inspection import inspect_model
    from wineexp.training.prediction import load_model

    for run in runs.values():
        model, x = load_model(run), training_rows(run, small_table)
        before = [np.array(variable.numpy()) for layer in model.layers for variable in layer.variables]
        first = inspect_model(model, x, batch_size=32, seed=0)
        assert inspect_model(model, x, batch_size=32, seed=0) == first
        after = [np.array(variable.numpy()) for layer in model.layers for variable in layer.variables]
        for one, other in zip(before, after, strict=True):
            np.testing.assert_array_equal(one, other)


def test_many_rows_far_from_zero_keep_their_variance():
    """In float32, or from sums of squares, it would be lost: 1e6 + noise of 1, over several parts."""
    from wineexp.training.inspection import _Moments

    values = (1e6 + np.random.RandomState(0).normal(size=(3000, 2))).astype(np.float32)
    moments = _Moments(2)
    for at in range(0, 3000, 700):
        moments.add(values[at : at + 700])
    np.testing.assert_allclose(moments.variance, values.astype(np.float64).var(axis=0), rtol=1e-9)
    np.testing.assert_allclose(moments.mean, values.astype(np.float64).mean(axis=0), rtol=1e-12)


def test_rows_of_a_csv_are_scaled_as_the_runs_own(inspect, runs, small_table, tmp_path):
    split = split_table(small_table, runs["after"].spec)
    frame = small_table.frame.loc[split.train_rows, ["c", "b", "quality", "a"]].assign(vineyard="north")
    frame.to_csv(tmp_path / "new.csv", index=False, sep=";")
    own, whole = inspect("after")
    new, found = inspect("after", tmp_path / "new.csv")
    assert new == own
    assert found["source"] == str(tmp_path / "new.csv")
    assert found["notes"] == ["not used: vineyard"]
    assert found["actual_mean"] == pytest.approx(whole["actual_mean"], rel=1e-6)
    frame.head(5)[["a", "b", "c"]].to_csv(tmp_path / "few.csv", index=False)
    _, found = inspect("after", tmp_path / "few.csv")
    assert found["actual_mean"] is None
    (note,) = found["notes"]
    assert "of 5 rows here, of 32 in training" in note


def test_text_and_csv_hold_the_same_and_the_figure_is_written(cli, runs, small_csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in SPECS:
        code, out, err = cli("inspect", runs[name].path, "--data", small_csv)
        assert (code, err) == (0, "figure: inspect.png\n")
        assert (tmp_path / "inspect.png").read_bytes().startswith(b"\x89PNG")
        assert max(map(len, out.splitlines())) <= 105
        assert str(small_csv.parent) not in out, "neither it nor the figure tells the author's folders"
        assert ("moving averages" in out) == ("bn" in SPECS[name])
        code, text, _ = cli("inspect", runs[name].path, "--data", small_csv, "--csv", "-o", "x.svg")
        rows = list(csv.DictReader(io.StringIO(text)))
        for row in rows:
            (line,) = [line for line in out.splitlines() if line.split()[:2] == [row["name"], row["units"]]]
            assert f"{float(row['mean']):.3g}" in line.split()
            assert f"{float(row['zeros_training']):.0%}" in line.split()
    drawn = (tmp_path / "x.svg").read_text()
    assert drawn.startswith("<?xml")
    assert str(small_csv.parent) not in drawn


def test_a_figure_has_a_row_per_layer_and_both_modes(runs, small_table):
    import wineexp

    found = wineexp.inspect(runs["after"], data=small_table.frame)
    spread, zeros, dead, mean, variances = found.figure.axes
    assert [label.get_text() for label in spread.get_yticklabels()] == [layer.name for layer in found.layers]
    for ax, key in ((spread, "sd"), (zeros, "zeros"), (dead, "dead"), (mean, "mean")):
        lines = {line.get_label(): line.get_xdata() for line in ax.lines}
        assert list(lines["off"]) == [getattr(layer.inference, key) for layer in found.layers]
        assert list(lines["on"]) == [getattr(layer.training, key) for layer in found.layers]
    medians = [line.get_xdata()[0] for line in variances.lines if line.get_marker() in ("o", "D")]
    expected = [
        ratio.median
        for layer in found.normalizations
        for ratio in (layer.normalization.ratio, layer.normalization.training_ratio)
    ]
    assert medians == expected
    assert len(wineexp.inspect(runs["plain"], data=small_table.frame).figure.axes) == 4


def test_the_table_is_found_as_train_finds_it(inspect, runs, cli, small_csv, tmp_path, monkeypatch):
    layers, _ = inspect("plain")
    monkeypatch.setenv("WINEEXP_DATA", str(small_csv))
    code, out, _ = cli("inspect", runs["plain"].path, "--json")
    assert code == 0
    assert {layer["name"]: layer for layer in json.loads(out)["layers"]} == layers
    monkeypatch.delenv("WINEEXP_DATA")
    run = fabricate.save(tmp_path / "runs", small_table_simulated())
    code, _, err = cli("inspect", run.path)
    assert (code, "has no model.keras" in err) == (1, True), "the simulated table was made anew"


def small_table_simulated():
    from wineexp.data.simulated import simulated_table

    return simulated_table()


def test_what_cannot_be_inspected_is_one_line(cli, runs, small_table, small_csv, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    without = fabricate.save(tmp_path / "runs", small_table)
    failed = fabricate.fail(tmp_path / "runs", small_table, seed=4)
    damaged = tmp_path / "damaged"
    shutil.copytree(runs["plain"].path, damaged)
    (damaged / "model.keras").write_bytes(b"no model")
    other, less, text, huge = (tmp_path / f"{name}.csv" for name in ("other", "less", "text", "huge"))
    small_table.frame.assign(a=1.5).to_csv(other, index=False)
    less.write_text("a,b\n1,2\n")
    text.write_text("a,b,c\n1,2,x\n")
    huge.write_text("a,b,c\n1,2,3\n1e300,0,0\n")
    plain = runs["plain"].path
    whose = f"the run's table (small, fingerprint {small_table.fingerprint[:8]})"
    for arguments, code, says in (
        ([without.path, small_csv], 1, "has no model.keras: it was trained with --no-model"),
        ([failed.path, small_csv], 1, "expected a finished run, found one that is failed"),
        ([damaged, small_csv], 1, "model.keras: is damaged"),
        ([tmp_path, small_csv], 1, "no run here: expected a directory with run.json"),
        ([plain, less], 2, "no column 'c'; the run was trained on: a, b, c"),
        ([plain, text], 2, "column 'c': expected a number, found 'x'"),
        ([plain, tmp_path / "none.csv"], 2, "no such file"),
        ([plain, huge], 1, "row 1, counted from 0: cannot be predicted: a feature is too large for float32"),
        ([plain], 2, f"expected {whose}, found no table; give it with --data PATH or $WINEEXP_DATA"),
        ([plain, "--data", other], 2, f"{other}: expected {whose}, found fingerprint"),
        ([plain, "--data", "simulated"], 2, f"expected {whose}, found fingerprint"),
        ([plain, "--data", "none.csv"], 2, "none.csv: no such file"),
        ([plain, small_csv, "--data", small_csv], 2, "expected rows of your own or the run's table, found both"),
        ([plain, small_csv, "-o", "x.gif"], 2, "expected a name that ends in .png, .svg, .pdf; found 'x.gif'"),
        ([plain, small_csv, "--json", "--csv"], 2, "--json and --csv: expected one of them"),
    ):
        found, out, err = cli("inspect", *arguments)
        assert (found, out) == (code, ""), err
        assert says in err
        assert len(err.splitlines()) == 1
    assert not list(tmp_path.glob("*.png"))


def test_a_unit_that_never_varies_is_left_out_and_counted(runs, small_table, tmp_path):
    """A batch normalization after a layer whose units are all dead."""
    from wineexp.training.inspection import inspect_model
    from wineexp.training.prediction import load_model

    model = load_model(Run(runs["after"].path))
    dense = model.layers[0]
    dense.set_weights([np.zeros((3, 16), np.float32), np.full(16, -1, np.float32)])
    layers = inspect_model(model, training_rows(runs["after"], small_table), batch_size=32, seed=0)
    (_, first, _, normalized, *_) = layers
    assert (first.inference.dead, first.inference.zeros, first.noise_ratio) == (1, 1, None)
    found = normalized.normalization
    assert (found.constant, found.distance, found.ratio, found.training_ratio) == (1, None, None, None)


def test_activations_that_overflow_are_refused_with_row_and_layer(runs, small_table):
    from wineexp.errors import RunError
    from wineexp.training.inspection import inspect_model
    from wineexp.training.prediction import load_model

    model, x = load_model(runs["plain"]), training_rows(runs["plain"], small_table)
    model.layers[0].set_weights([np.ones((3, 16), np.float32), np.zeros(16, np.float32)])
    x[7] = 2e38
    with pytest.raises(RunError, match=r"row 7, counted from 0: expected finite activations, .* in layer dense;"):
        inspect_model(model, x, batch_size=32, seed=0)


def test_a_frame_of_rows_is_taken_too(runs, small_table):
    import wineexp

    frame = pd.DataFrame(small_table.frame)
    found = wineexp.inspect(runs["plain"], frame)
    assert (found.source, found.rows) == ("a DataFrame", 120)
    assert found.actual == pytest.approx(frame["quality"].mean())
