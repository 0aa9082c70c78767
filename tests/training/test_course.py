"""The course that the lesson is from: each model beside plain Keras's, each preparation beside scikit-learn's."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from conftest import ROOT
from sklearn import preprocessing
from sklearn.impute import SimpleImputer
from support.batches import plan, train
from support.configs import read_config

from wineexp.data.split import split_table
from wineexp.data.table import read_table

COURSE = ROOT / "configs/course"

#: Config -> its table, and the features of the course's models, by variant: see :func:`layers`.
CONFIGS = {
    "1-linear": ("red-wine", {"linear": []}),
    "2-concrete": ("concrete", {"linear": [], "three layers": [512, 512, 512]}),
    "3-sgd": ("red-wine", {"as they are": [512, 512, 512], "lesson": [512, 512, 512]}),
    "3-fuel": ("fuel", {"log": [128, 128, 64], "as it is": [128, 128, 64]}),
    "4-early-stopping": ("red-wine", {"lesson": [512, 512, 512], "the last weights": [512, 512, 512]}),
    "4-spotify": ("spotify", {"linear": [], "two layers": [128, 64]}),
    "5-lesson": ("red-wine", {"dropout0.3-bn_after": [1024, 0.3, "bn", 1024, 0.3, "bn", 1024, 0.3, "bn"]}),
    "5-spotify": ("spotify", {0.0: [128, 64], 0.3: [128, 0.3, 64, 0.3]}),
    "5-concrete": ("concrete", {"plain": [512, 512, 512], "batch norm": ["bn", 512, "bn", 512, "bn", 512, "bn"]}),
    "6-ionosphere": ("ion", {"logistic": [], "lesson": [4, 4]}),
    "6-hotel": ("hotel", {0.3: ["bn", 256, "bn", 0.3, 256, "bn", 0.3], 0.0: ["bn", 256, "bn", 256, "bn"]}),
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory, red_wine):
    """Name -> a table of the course's columns and kinds, as the script beside the configs makes it."""
    spec = importlib.util.spec_from_file_location("make_tables", COURSE / "make_tables.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    folder = tmp_path_factory.mktemp("tables")
    script.main(folder)
    return {path.stem: read_table(path) for path in folder.glob("*.csv")} | {"red-wine": red_wine}


def specs(name):
    """Variant, by its name or rate or label -> its spec with the first seed."""
    found = {}
    for spec in read_config(COURSE / f"{name}.yaml").specs:
        key = spec.dropout if "grid" in (COURSE / f"{name}.yaml").read_text() else spec.label()
        found.setdefault(key, spec)
    return found


def layers(parts, features, output):
    """A model as the course writes it: a number of units, a rate of dropout, or batch normalization."""
    import keras

    made = {int: lambda units: keras.layers.Dense(units, activation="relu"), float: keras.layers.Dropout,
            str: lambda _: keras.layers.BatchNormalization()}  # fmt: skip
    stack = [made[type(part)](part) for part in parts]
    return keras.Sequential([keras.Input((features,)), *stack, keras.layers.Dense(1, activation=output)])


def test_every_row_of_the_course_is_a_config_with_a_question():
    assert {path.stem for path in COURSE.glob("*.yaml")} == set(CONFIGS)
    for path in COURSE.glob("*.yaml"):
        assert path.read_text().startswith(f"# Lesson {path.stem[0]}")
        assert "?" in path.read_text().splitlines()[0] + path.read_text().splitlines()[1]


@pytest.mark.parametrize("name", CONFIGS)
def test_each_model_is_the_courses_layer_for_layer(tables, tmp_path, tensorflow, name):
    from wineexp.training.model import build_model

    table, models = tables[CONFIGS[name][0]], CONFIGS[name][1]
    found = specs(name)
    assert found.keys() == models.keys()
    plan(read_config(COURSE / f"{name}.yaml").specs, table, tmp_path)
    for key, spec in found.items():
        split = split_table(table, spec)
        ours = build_model(spec, len(split.features), len(split.labels))
        theirs = layers(models[key], len(split.features), "sigmoid" if spec.has_classes else "linear")
        assert [type(layer).__name__ for layer in ours.layers] == [type(layer).__name__ for layer in theirs.layers]
        for one, other in zip(ours.layers, theirs.layers, strict=True):
            config, expected = one.get_config(), other.get_config()
            for key_ in ("units", "activation", "use_bias", "rate", "momentum", "epsilon"):
                assert config.get(key_) == expected.get(key_), (one.name, key_)
        assert ours.count_params() == theirs.count_params() == spec.parameter_count(len(split.features))


def encoded(frame, numbers, words, train, scaler):
    """Numbers by a scaler and text by ``OneHotEncoder``, both fitted on the training rows."""
    scaled = scaler().fit(frame.loc[train, numbers]).transform(frame[numbers])
    hot = preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame.loc[train, words])
    return scaled, hot.transform(frame[words])


PREPARED = [
    ("3-sgd", "lesson", preprocessing.MinMaxScaler), ("3-fuel", "log", preprocessing.StandardScaler),
    ("4-spotify", "two layers", preprocessing.StandardScaler),
    ("6-ionosphere", "lesson", preprocessing.MinMaxScaler),
    ("6-hotel", 0.3, preprocessing.StandardScaler),
]  # fmt: skip


@pytest.mark.parametrize(("name", "variant", "scaler"), PREPARED)
def test_each_preparation_is_that_of_scikit_learn(tables, name, variant, scaler):
    table, spec = tables[CONFIGS[name][0]], specs(name)[variant]
    split, frame = split_table(table, spec), table.frame
    words = [column for column in split.encoding.columns if column in split.encoding.categories]
    numbers = [column for column in split.encoding.columns if column not in words]
    if spec.missing == "zero":
        filled = SimpleImputer(strategy="constant", fill_value=0.0).fit_transform(frame[numbers])
        frame = frame.assign(**dict(zip(numbers, filled.T, strict=True)))
    scaled, hot = encoded(frame, numbers, words, split.train_rows, scaler)
    by_name = {feature: number for number, feature in enumerate(split.features)}
    ours = split.x_train[:, [by_name[name] for name in numbers]]
    np.testing.assert_allclose(ours, scaled[split.train_rows], rtol=1e-5, atol=1e-6)
    if words:
        ours = split.x_valid[:, [by_name[f] for f in split.features if "=" in f]]
        np.testing.assert_array_equal(ours, hot[split.valid_rows])
    if spec.group is not None:  # GroupShuffleSplit's promise
        artists = [set(frame[spec.group][rows]) for rows in (split.train_rows, split.valid_rows)]
        assert not artists[0] & artists[1]
        assert len(split.train_rows) / len(split.rows) == pytest.approx(0.75, abs=0.01)
        assert len(split.rows) == int((frame.notna().all(axis=1) & (frame["track_artist"] != "")).sum())
    if spec.split == "stratified":
        shares = [labels.mean() for labels in (split.y_train, split.y_valid)]
        assert shares[0] == pytest.approx(shares[1], abs=0.001)


@pytest.mark.parametrize("name", CONFIGS)
def test_each_config_trains(tables, tmp_path, tensorflow, name):
    table = tables[CONFIGS[name][0]]
    small = [
        spec.model_copy(update={"epochs": 2, "widths": tuple(min(width, 16) for width in spec.widths)})
        for spec in specs(name).values()
    ]
    runs = train(small, replace(table), tmp_path)
    assert all(run.status == "done" or run.record.reason == "diverged" for run in runs)
