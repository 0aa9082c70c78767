"""The split against the published facts, and its laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wineexp.data.scaling import TargetScaling
from wineexp.data.split import split_table
from wineexp.data.table import Table
from wineexp.errors import DataError
from wineexp.runs.metrics import baselines, best_constant
from wineexp.specs.run_spec import RunSpec


def test_the_lessons_split_has_the_published_facts(red_wine):
    split = split_table(red_wine, RunSpec())
    assert (len(split.y_train), len(split.y_valid)) == (1119, 480)
    assert split.train_rows[:8].tolist() == [1109, 1032, 1002, 487, 979, 1054, 542, 853]
    row = [10.8, 0.47, 0.43, 2.1, 0.171, 27, 66, 0.9982, 3.17, 0.76, 10.8]
    np.testing.assert_array_equal(split.x_train[0], np.array(row, np.float32))
    assert split.y_train[0] == 6
    assert round(float(split.y_train.mean(dtype=float)), 4) == 5.6202
    assert round(float(split.y_valid.mean(dtype=float)), 4) == 5.6729
    assert int(split.twins.sum()) == 90


def test_the_split_is_the_lessons_row_for_row(red_wine):
    train = red_wine.frame.sample(frac=0.7, random_state=0)
    valid = red_wine.frame.drop(train.index)
    split = split_table(red_wine, RunSpec())
    np.testing.assert_array_equal(split.x_train, train.drop(columns="quality").to_numpy("float32"))
    np.testing.assert_array_equal(split.y_valid, valid["quality"].to_numpy("float32"))
    np.testing.assert_array_equal(split.valid_rows, valid.index)


def test_the_constant_predictors_errors_are_the_published_ones(red_wine):
    split = split_table(red_wine, RunSpec())
    assert round(baselines("mae", split)["baseline_mae"], 4) == 0.6646
    error = np.abs(split.y_valid - 6.0)
    assert round(float(error.std(ddof=1) / np.sqrt(480)), 3) == 0.027
    mean = float(np.abs(split.y_valid - split.y_train.mean(dtype=float)).mean())
    assert round(mean, 4) == 0.7026


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=30))
def test_the_best_constant_is_beaten_by_no_other(values):
    y = np.array(values, float) / 4

    def huber(c):
        e = np.abs(y - c)
        return np.where(e <= 1, e**2 / 2, e - 0.5).mean()

    losses = {"mae": lambda c: np.abs(y - c).mean(), "mse": lambda c: ((y - c) ** 2).mean(), "huber": huber}
    for name, loss in losses.items():
        best = loss(best_constant(name, y))
        assert all(best <= loss(c) + 1e-9 for c in np.linspace(y.min() - 1, y.max() + 1, 101))


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=12, max_size=60),
    fraction=st.floats(0.2, 0.8),
    seed=st.integers(0, 100),
)
@settings(max_examples=60)
def test_a_grouped_split_keeps_identical_rows_on_one_side(rows, fraction, seed):
    frame = pd.DataFrame(rows, columns=["a", "quality"], dtype=float)
    frame.loc[len(frame)] = [9.0, 9.0]
    frame.loc[len(frame)] = [8.0, 8.0]
    frame.loc[len(frame)] = [7.0, 8.0]
    table = Table(frame, "t", "custom")
    spec = RunSpec(split="grouped", train_fraction=fraction, split_seed=seed)
    largest = frame.groupby(["a", "quality"]).size().max()
    try:
        split = split_table(table, spec)
    except DataError:  # one side has fewer than two rows
        assert largest > 0.3 * len(frame) or len(frame) < 20
        return
    assert not split.twins.any()
    both = sorted([*split.train_rows, *split.valid_rows])
    assert both == list(range(len(frame)))
    assert abs(len(split.y_train) - fraction * len(frame)) <= largest


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0.0, -0.0, 1.0, 2.0**53]), st.sampled_from(["", "a", "A"]), st.integers(0, 2)),
        min_size=20,
        max_size=60,
    ),
    seed=st.integers(0, 100),
)
@settings(max_examples=60)
def test_a_twin_is_a_row_that_equals_one_of_the_training_rows(rows, seed):
    frame = pd.DataFrame([*rows, (0.0, "a", 0), (1.0, "A", 1)], columns=["a", "kind", "quality"])
    frame = frame.astype({"a": float, "kind": object, "quality": float})
    table = Table(frame, "t", "custom", faults={"kind": "line 2"})
    spec = RunSpec(split_seed=seed, test_fraction=0.1, drop=("kind",))
    split = split_table(table, spec)
    every = list(frame.itertuples(index=False, name=None))
    trained = {every[row] for row in split.train_rows}
    assert split.twins.tolist() == [every[row] in trained for row in split.valid_rows]
    assert split.test_twins.tolist() == [every[row] in trained for row in split.test_rows]


@pytest.mark.parametrize("scale", ["standard", "minmax"])
def test_scaling_is_fitted_on_the_training_rows(red_wine, scale):
    split = split_table(red_wine, RunSpec(scale=scale))
    x = split.x_train.astype(float)
    if scale == "standard":
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
        np.testing.assert_allclose(x.std(axis=0), 1, atol=1e-5)
    else:
        np.testing.assert_allclose(x.min(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(x.max(axis=0), 1, atol=1e-6)
        assert split.x_valid.max() > 1 or split.x_valid.min() < 0  # the validation rows had no say


@pytest.mark.parametrize(("kind", "scaler"), [("standard", "StandardScaler"), ("minmax", "MinMaxScaler")])
def test_the_loss_sees_the_target_as_scikit_learn_scales_it(red_wine, kind, scaler):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    split, plain = (split_table(red_wine, RunSpec(scale_target=name)) for name in (kind, "none"))
    fitted = getattr(preprocessing, scaler)().fit(plain.y_train[:, None].astype(float))
    for side in ("train", "valid"):
        own = getattr(plain, f"y_{side}")
        assert getattr(plain, f"loss_{side}") is own
        np.testing.assert_array_equal(getattr(split, f"y_{side}"), own)
        scaled = fitted.transform(own[:, None].astype(float))[:, 0]
        np.testing.assert_allclose(getattr(split, f"loss_{side}"), scaled, rtol=1e-6)
        back = split.target.inverse(scaled)
        np.testing.assert_allclose(back, fitted.inverse_transform(scaled[:, None])[:, 0], rtol=1e-12)


@given(
    values=st.lists(st.floats(1e-30, 1e30), min_size=2, max_size=30),
    kind=st.sampled_from(["none", "standard", "minmax", "log"]),
)
def test_a_targets_scaling_is_undone_by_its_inverse(values, kind):
    y = np.array(values)
    scaling = TargetScaling.fit(kind, y)
    rounding = 1e-13 if kind == "log" else 1e-15  # of the logarithm, up to 70
    np.testing.assert_allclose(
        scaling.inverse(scaling.forward(y)), y, rtol=4 * rounding, atol=8 * rounding * y.max() * (kind != "log")
    )


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_a_target_that_is_constant_in_the_training_rows_is_divided_by_1(small_table, kind):
    frame = small_table.frame.assign(quality=0.1)
    rest = frame.index.difference(frame.sample(frac=0.7, random_state=0).index)
    frame.loc[rest, "quality"] = 0.6
    split = split_table(Table(frame, "t", "custom"), RunSpec(scale_target=kind))
    assert (split.loss_train == 0).all()
    np.testing.assert_allclose(split.loss_valid, 0.5)


@pytest.mark.parametrize("value", [3.0, 0.1, 1e9 + 0.1])  # the mean of many times 0.1 is not 0.1
def test_a_constant_feature_is_scaled_to_zero_not_to_nan(small_table, value):
    frame = small_table.frame.assign(a=value)
    for scale in ("standard", "minmax"):
        split = split_table(Table(frame, "t", "custom"), RunSpec(scale=scale))
        assert (split.x_train[:, 0] == 0).all()
        assert split.scaling(np.array([[value + 1, 0.0, 0.0]]))[0, 0] == pytest.approx(1.0), "not 1e16"


@pytest.mark.parametrize(
    ("fields", "change", "column"),
    [
        ({}, {"quality": 1e39}, "quality"),
        ({}, {"b": 1e300}, "b"),
        ({"scale": "standard"}, {"a": 1e200}, "a"),
        ({"scale": "minmax"}, {"c": 1.7e308}, "c"),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_float32_cannot_hold_is_refused_with_its_column(small_table, fields, change, column):
    frame = small_table.frame.assign(**{name: small_table.frame[name] * value for name, value in change.items()})
    with pytest.raises(DataError, match=f"column '{column}': expected values that float32 can hold"):
        split_table(Table(frame, "large", "custom"), RunSpec.parse(fields))


@given(
    fraction=st.floats(0.3, 0.7), test=st.floats(0.05, 0.25), seed=st.integers(0, 50),
    kind=st.sampled_from(["random", "grouped"]), levels=st.integers(2, 40),
)  # fmt: skip
def test_test_rows_neither_train_nor_validate_and_leave_the_training_rows_as_they_are(
    fraction, test, seed, kind, levels
):
    random = np.random.RandomState(seed)
    frame = pd.DataFrame(random.randint(0, levels, (120, 2)).astype(float), columns=["a", "quality"])
    frame["quality"] += np.arange(120) % 2
    table, spec = Table(frame, "t", "custom"), {"train_fraction": fraction, "split_seed": seed, "split": kind}
    try:
        plain, three = (split_table(table, RunSpec(**spec, test_fraction=share)) for share in (0.0, test))
    except DataError:  # large groups leave a side empty
        assert kind == "grouped"
        return
    np.testing.assert_array_equal(plain.train_rows, three.train_rows)
    np.testing.assert_array_equal(plain.x_train, three.x_train)
    assert len(plain.y_test) == 0
    assert sorted([*three.valid_rows, *three.test_rows]) == sorted(plain.valid_rows)
    np.testing.assert_array_equal(three.y_test, frame["quality"].to_numpy(np.float32)[three.test_rows])
    if kind == "random":
        assert len(three.y_test) == pytest.approx(test * 120, abs=1.5)
    else:
        sides = [
            set(map(tuple, frame.to_numpy()[rows]))
            for rows in (three.train_rows, three.valid_rows, three.test_rows)
        ]
        assert not sides[0] & sides[1]
        assert not sides[1] & sides[2]
        assert not sides[0] & sides[2]


def test_the_lessons_split_is_unchanged_by_test_rows(red_wine):
    """`table.sample(frac=0.7, random_state=0)` trains; a sixth of the table tests."""
    split = split_table(red_wine, RunSpec(test_fraction=1 / 6))
    lesson = red_wine.frame.sample(frac=0.7, random_state=0)
    np.testing.assert_array_equal(split.train_rows, lesson.index)
    assert (len(split.y_valid), len(split.y_test)) == (214, 266)


def test_too_few_test_rows_are_refused(small_table):
    with pytest.raises(DataError, match=r"too few to split by 0.7 and 0.001: .* found 84 and 36 and 0"):
        split_table(small_table, RunSpec(test_fraction=0.001))


def test_a_group_that_takes_all_rows_is_refused_with_test_rows_too():
    frame = pd.DataFrame({"a": [1.0] * 10 + [2.0], "quality": [3.0] * 10 + [4.0]})
    for seed in range(3):
        with pytest.raises(DataError, match="too few to split"):
            split_table(Table(frame, "t", "custom"), RunSpec(split="grouped", test_fraction=0.1, split_seed=seed))
