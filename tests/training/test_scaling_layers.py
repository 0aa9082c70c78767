"""A saved model carries its scaling: whoever loads it feeds raw features, and gets what wineexp predicts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import records
from support.batches import train

import wineexp
from wineexp.data.split import Scaling, split_table
from wineexp.data.table import Table
from wineexp.errors import RunError
from wineexp.runs.record import FileFacts
from wineexp.runs.run import Run, find_runs
from wineexp.specs.run_spec import RunSpec

COMMON = {"widths": "8,8", "epochs": 3, "batch_size": 32, "dropout": 0.3}

#: Name -> what else the spec says.
SPECS = {
    "standard": {"scale": "standard", "bn": "after"},
    "minmax": {"scale": "minmax", "bn": "before", "bn_input": True},
    "unscaled": {"bn_input": True},
    "target": {"scale": "standard", "scale_target": "minmax"},
}
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def trained(small_table, tmp_path_factory, tensorflow):
    out = tmp_path_factory.mktemp("runs")
    train([RunSpec.parse({**COMMON, **more, "name": name}) for name, more in SPECS.items()], small_table, out)
    return {run.label: run for run in find_runs(out)}


@pytest.fixture
def runs(trained, tmp_path):
    """A copy of the runs, to be damaged."""
    return {
        name: Run(shutil.copytree(run.path, tmp_path / "outputs" / run.path.name)) for name, run in trained.items()
    }


@pytest.fixture
def scaled_outside(monkeypatch):
    """Runs as earlier versions made them, and as they are where float32 cannot hold the raw features."""
    from wineexp.training import experiment

    monkeypatch.setattr(experiment, "takes_raw", lambda scaling, features: False)


@pytest.mark.slow
def test_keras_alone_loads_it_and_predicts_raw_rows_as_recorded(trained, small_table, tmp_path):
    small_table.frame[NAMES].to_csv(tmp_path / "x.csv", index=False)
    code = """
import sys, numpy as np, keras
x = np.loadtxt("x.csv", delimiter=",", skiprows=1)
for name, path in zip(sys.argv[1::2], sys.argv[2::2]):
    model = keras.models.load_model(path)
    np.save(f"{name}.npy", model.predict(x, verbose=0)[:, 0])
    print(name, *(layer.name for layer in model.layers[:3]))
assert "wineexp" not in sys.modules
"""
    paths = [str(part) for name, run in trained.items() for part in (name, run.model_path)]
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code, *paths],
        check=True, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert sorted(done.stdout.splitlines()) == [
        "minmax normalization batch_normalization dense",
        "standard normalization dense dropout",
        "target normalization dense dropout",
        "unscaled batch_normalization dense dropout",
    ]
    for name, run in trained.items():
        recorded = pd.read_csv(run.predictions_path)
        found = np.load(tmp_path / f"{name}.npy")[recorded["row"]]
        np.testing.assert_allclose(found, recorded["predicted"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SPECS)
def test_the_python_that_the_docs_show_predicts_raw_rows(name, trained, small_csv, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained[name].path, "outputs/SOME-RUN")
    shutil.copy(small_csv, "new-wines.csv")
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "formats.md").read_text(), re.S)
    shown = {"__name__": "formats"}
    exec(compile(text.replace("print(", "print(*"), "formats.md", "exec"), shown)
    printed = np.array(capsys.readouterr().out.split()[-120:], float)
    np.testing.assert_allclose(printed, wineexp.predict(trained[name], small_csv).table["predicted"], atol=1e-4)


@pytest.mark.parametrize("name", SPECS)
def test_a_runs_own_load_model_gives_what_keras_loads(name, trained, small_table):
    import keras

    of_file = keras.models.load_model(trained[name].model_path)
    (run,) = wineexp.load_runs(trained[name].path)
    model = run.load_model()
    x = small_table.frame[NAMES].to_numpy("float32")
    assert [layer.name for layer in model.layers] == [layer.name for layer in of_file.layers]
    np.testing.assert_array_equal(model(x).numpy(), of_file(x).numpy())
    cut = keras.Model(model.inputs[0], model.layers[1].output)  # its layers are in no other model
    np.testing.assert_array_equal(
        cut(x).numpy(), keras.Model(of_file.inputs[0], of_file.layers[1].output)(x).numpy()
    )


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    powers=st.lists(st.integers(-12, 12), min_size=1, max_size=4), far=st.floats(-100, 100),
    scale=st.sampled_from(["standard", "minmax"]), bn_input=st.booleans(), seed=st.integers(0, 1000),
)  # fmt: skip
def test_raw_rows_of_any_size_are_predicted_as_wineexp_does(
    powers, far, scale, bn_input, seed, tmp_path, tensorflow
):
    """Spreads from 1e-12 to 1e12 side by side, and means up to a hundred spreads from zero."""
    import keras

    random = np.random.RandomState(seed)
    values = {f"x{at}": 10.0**power * (far + random.normal(size=60)) for at, power in enumerate(powers)}
    table = Table(pd.DataFrame(values).assign(quality=random.normal(size=60)), "any", "custom")
    spec = RunSpec(widths="16", activation="tanh", epochs=1, scale=scale, bn_input=bn_input, seed=seed)
    (run,) = train([spec], table, tmp_path / f"{table.fingerprint}-{scale}-{bn_input}")
    assert run.record.data.scaling.in_model
    expected = wineexp.predict(run, table.frame).table["predicted"]
    assert np.ptp(expected) > 0.01
    model = keras.models.load_model(run.model_path)
    found = model.predict(table.frame[list(values)].to_numpy(), verbose=0)[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-3 if bn_input else 2e-4)


ROWS = np.arange(120.0)

#: Values of a feature -> whether Keras's layers can scale them from float32.
FEATURES = {
    "the usual": (3.3 + 0.15 * np.sin(ROWS), True),
    "all the same": (np.full(120, 0.1), True),
    "concentrations": (1e-9 * (1 + ROWS), True),
    "cross sections": (1e-20 * (1 + ROWS), True),
    "a large spread": (1e20 * ROWS, True),
    "too small": (1e-30 * ROWS, False),
    "too large": (1e30 * ROWS, False),
    "beyond float32": (1e100 * ROWS, False),
    "seconds since 1970 over weeks": (1.7e9 + 86400 * ROWS, True),
    "seconds since 1970 over an hour": (1.7e9 + 30 * ROWS, False),
    "what float32 cannot tell apart": (1 + 1e-12 * ROWS, False),
}


def scaled_by_keras(values, scale):
    """The scaling of a table with such a feature, its raw features, and what Keras's layers make of them."""
    from wineexp.training.model import build_model
    from wineexp.training.scaling_layers import carry_scaling

    table = Table(pd.DataFrame({"a": values, "b": ROWS, "quality": ROWS}), "t", "custom")
    scaling = split_table(table, RunSpec(scale=scale)).scaling
    raw = table.frame[["a", "b"]].to_numpy()
    *layers, _, _ = carry_scaling(build_model(RunSpec(widths="4"), 2), scaling).layers
    with np.errstate(over="ignore"):
        found = raw.astype(np.float32)
    for layer in layers:
        found = layer(found).numpy()
    return scaling, raw, found, len(layers)


@pytest.mark.parametrize(("values", "raw"), FEATURES.values(), ids=FEATURES)
@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.filterwarnings("error")
def test_what_float32_cannot_scale_is_found_before_it_is_saved(values, raw, scale, tensorflow):
    from wineexp.training.scaling_layers import takes_raw

    scaling, features, found, _ = scaled_by_keras(values, scale)
    error = np.abs(found - scaling.exact(features)).max()
    assert (error < 1e-3) == takes_raw(scaling, features) == raw


def test_one_normalization_scales_a_usual_table_to_float32s_rounding(tensorflow):
    scaling, features, found, layers = scaled_by_keras(FEATURES["the usual"][0], "standard")
    assert layers == 1
    rounding = 2 * np.spacing(np.float32(3.45)) / scaling.scale[0]  # of value and mean
    assert np.abs(found - scaling.exact(features))[:, 0].max() < rounding


def test_a_model_that_float32_cannot_feed_raw_says_so_and_predicts(cli, small_table, tmp_path, tensorflow):
    path = tmp_path / "t.csv"
    small_table.frame.assign(a=1.7e9 + ROWS).to_csv(path, index=False)
    code, out, _ = cli(
        "train", "--widths", 4, "--epochs", 1, "--scale", "standard", "--data", path, "--out", tmp_path
    )
    assert code == 0
    told = "model.keras takes scaled features: (value - center) / scale, of data.scaling in run.json"
    assert told in out
    (run,) = find_runs(tmp_path)
    assert "in_model" not in json.loads((run.path / "run.json").read_text())["data"]["scaling"]
    recorded = pd.read_csv(run.predictions_path)
    found = wineexp.predict(run, path).table["predicted"][recorded["row"]]
    np.testing.assert_allclose(found, recorded["predicted"], rtol=1e-6)
    assert told in cli("show", run.path)[1]


def test_what_a_run_shows_of_its_model(cli, trained):
    for name, says in (
        ("standard", "model.keras takes features as the table has them: it begins with their scaling"),
        ("unscaled", "model.keras takes features as the table has them\n"),
    ):
        assert says in cli("show", trained[name].path)[1]


@pytest.mark.parametrize("name", ["standard", "minmax"])
def test_runs_with_and_without_their_scaling_predict_the_same(
    name, trained, small_table, small_csv, tmp_path, scaled_outside, cli
):
    """An earlier version's run is known by its record, also beside the new ones of its variant."""
    spec = RunSpec.parse({**COMMON, **SPECS[name]})
    old, other = train([spec, spec.model_copy(update={"seed": 1})], small_table, tmp_path)
    assert not old.record.data.scaling.in_model
    assert old.signature == trained[name].signature
    for file in ("history.csv", "predictions.csv"):
        assert (old.path / file).read_bytes() == (trained[name].path / file).read_bytes()
    assert cli("predict", old.path, small_csv) == cli("predict", trained[name].path, small_csv)
    new = shutil.copytree(trained[name].path, tmp_path / "both" / trained[name].path.name)
    shutil.copytree(other.path, tmp_path / "both" / other.path.name)
    found = wineexp.predict(new, small_csv, run_seeds=True)
    assert len(found.runs) == 2
    mean = np.mean([wineexp.predict(run, small_csv).table["predicted"] for run in (old, other)], axis=0)
    np.testing.assert_allclose(found.table["predicted"], mean, rtol=1e-6)


def edit(run, change, name="scaling"):
    records.rewrite(run.path, lambda record: change(record["data"][name]))


def rewrite(run, change):
    """Change the weights in the model's file, and the record's hash of it."""
    with zipfile.ZipFile(run.model_path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    path = run.path / "weights.h5"
    path.write_bytes(files["model.weights.h5"])
    with h5py.File(path, "a") as weights:
        change(weights["layers"])
    files["model.weights.h5"] = path.read_bytes()
    path.unlink()
    with zipfile.ZipFile(run.model_path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    facts = FileFacts.of(run.model_path.read_bytes()).model_dump()
    records.rewrite(run.path, lambda record: record["files"].update({"model.keras": facts}))


def replace(group, name, value):
    del group[name]
    group[name] = value


DISAGREEMENTS = {
    "another mean in the record": (
        "standard", lambda run: edit(run, lambda s: s.update(center=[0.5, *s["center"][1:]])),
        "is damaged: expected mean 0.5 for column 'a' in the scaling layer, as run.json says; found ",
    ),
    "another spread in the record": (
        "minmax", lambda run: edit(run, lambda s: s.update(scale=[*s["scale"][:2], 3.0])),
        "is damaged: expected variance 9 for column 'c' in the scaling layer, as run.json says; found ",
    ),
    "another mean in the model": (
        "standard", lambda run: rewrite(run, lambda w: w["normalization/vars/0"].write_direct(np.ones(3, "f4"))),
        "for column 'a' in the scaling layer, as run.json says; found 1",
    ),
    "no number in the model": (
        "minmax",
        lambda run: rewrite(run, lambda w: w["normalization/vars/1"].write_direct(np.full(3, np.nan, "f4"))),
        "for column 'a' in the scaling layer, as run.json says; found nan",
    ),
    "a record without it": (
        "standard", lambda run: edit(run, lambda s: s.pop("in_model")),
        "is damaged: expected no scaling layer, as run.json says; found 1",
    ),
    "a model without it": (
        "minmax", lambda run: rewrite(run, lambda w: w.pop("normalization")),
        "is damaged: expected 1 scaling layer, as run.json says; found none",
    ),
    "a model with one too many": (
        "standard", lambda run: rewrite(run, lambda w: w.copy("normalization", "normalization_1")),
        "is damaged: expected 1 scaling layer, as run.json says; found 2",
    ),
    "an unscaled model with one": (
        "unscaled", lambda run: rewrite(run, lambda w: w.copy("batch_normalization", "normalization")),
        "is damaged: expected no scaling layer, as run.json says; found 1",
    ),
    "of fewer features": (
        "standard",
        lambda run: rewrite(run, lambda w: replace(w["normalization/vars"], "0", np.ones(2, "f4"))),
        "is damaged: expected 1 scaling layer, as run.json says; found 1, or of another size",
    ),
    "no arrays": (
        "standard", lambda run: rewrite(run, lambda w: replace(w, "normalization", np.ones(3, "f4"))),
        "cannot be loaded",
    ),
    "another center of the target in the record": (
        "target", lambda run: edit(run, lambda s: s.update(center=0.99 * s["center"]), "target_scaling"),
        "for column 'quality' in the scaling layer, as run.json says; found ",
    ),
    "another spread of the target in the model": (
        "target", lambda run: rewrite(run, lambda w: w["normalization_1/vars/1"].write_direct(np.ones(1, "f4"))),
        "for column 'quality' in the scaling layer, as run.json says; found 1",
    ),
    "a model without the target's": (
        "target", lambda run: rewrite(run, lambda w: w.pop("normalization_1")),
        "is damaged: expected 2 scaling layers, as run.json says; found 1",
    ),
    "a target's spread of nothing": (
        "target", lambda run: edit(run, lambda s: s.update(scale=0.0), "target_scaling"),
        "is damaged: data.target_scaling.scale: input should be greater than 0, found 0.0",
    ),
    "a target's scaling that its median is not in": (
        "target", lambda run: edit(run, lambda s: s.update(center=-90.0), "target_scaling"),
        "is damaged: data.target_scaling: expected that of a target with the median ",
    ),
    "a record without the target's": (
        "target", lambda run: records.rewrite(run.path, lambda record: record["data"].pop("target_scaling")),
        "is damaged: data.target_scaling: expected center and scale, as the spec's scale_target is minmax",
    ),
    "a record of an unscaled target with it": (
        "standard",
        lambda run: records.rewrite(
            run.path, lambda record: record["data"].update(target_scaling={"center": 5.0, "scale": 1.0})
        ),
        "is damaged: data.target_scaling: expected none, as the spec's scale_target is none",
    ),
    "a record of an unscaled run with it": (
        "unscaled", lambda run: edit(run, lambda s: s.update(in_model=True)),
        "is damaged: data.scaling.in_model: expected true with a scale alone; the spec's is none",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "damage", "says"), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_a_model_and_a_record_that_disagree_on_the_scaling_are_refused(runs, small_csv, cli, name, damage, says):
    damage(runs[name])
    code, out, err = cli("predict", runs[name].path, small_csv)
    assert (code, out) == (1, "")
    assert says in err
    assert len(err.splitlines()) == 1
    with pytest.raises(RunError):
        wineexp.inspect(runs[name].path, small_csv)


def test_a_record_keeps_what_it_says_of_the_model(trained):
    record = trained["standard"].record
    assert record.as_json()["data"]["scaling"]["in_model"] is True
    assert "in_model" not in trained["unscaled"].record.as_json()["data"]["scaling"]
    scaling = Scaling.of(record.data.scaling)
    assert scaling(np.array([scaling.center])).tolist() == [[0.0, 0.0, 0.0]]
