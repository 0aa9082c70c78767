"""``scale_target``: the loss sees a scaled target, and whoever reads or predicts sees its own units."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from support.batches import train

import wineexp
from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.scale import shared_scale
from wineexp.data.table import Table
from wineexp.runs.curves import figure
from wineexp.specs.run_spec import RunSpec

KINDS = ("standard", "minmax", "log")
NAMES = ["a", "b", "c"]
COMMON = {
    "widths": "8,8", "epochs": 4, "batch_size": 32, "dropout": 0.2, "scale": "standard", "test_fraction": 0.1,
}  # fmt: skip


@pytest.fixture(scope="module")
def prices():
    """400 houses of about 200,000, which their features decide to a tenth."""
    random = np.random.RandomState(0)
    x = random.normal(size=(400, 3)).round(3)
    price = np.exp(12 + 0.3 * x[:, 0] + 0.2 * x[:, 1] + 0.1 * random.normal(size=400)).round()
    return Table(pd.DataFrame(x, columns=NAMES).assign(price=price), "prices", "custom")


@pytest.fixture(scope="module")
def runs(prices, tmp_path_factory, tensorflow):
    """Kind -> a run of the prices."""
    specs = [RunSpec.parse({**COMMON, "target": "price", "scale_target": kind}) for kind in ("none", *KINDS)]
    return {run.spec.scale_target: run for run in train(specs, prices, tmp_path_factory.mktemp("runs"))}


def by_hand(kind, price, rows):
    """The target that the loss sees, and its inverse, from the training rows' prices."""
    if kind == "log":
        return np.log(price), np.exp
    known = price[rows]
    center, spread = (known.mean(), known.std()) if kind == "standard" else (known.min(), np.ptp(known))
    return (price - center) / spread, lambda values: values * spread + center


def training_rows(table):
    return table.frame.sample(frac=0.7, random_state=0).index


@pytest.mark.parametrize("kind", KINDS)
def test_it_trains_as_on_a_table_whose_target_was_scaled_by_hand(runs, prices, tmp_path, kind):
    run, price = runs[kind], prices.frame["price"].to_numpy()
    trained_rows = training_rows(prices)
    scaled, inverse = by_hand(kind, price, trained_rows)
    table = Table(prices.frame.assign(price=scaled), "by hand", "custom")
    (hand,) = train([RunSpec.parse({**COMMON, "target": "price"})], table, tmp_path)
    pd.testing.assert_frame_equal(run.history, hand.history, rtol=1e-5)
    metrics = run.record.metrics
    assert metrics.baseline_loss == pytest.approx(hand.record.metrics.baseline_loss, rel=1e-5)
    for side in ("predictions", "test_predictions"):
        found, expected = getattr(run, side), getattr(hand, side)
        np.testing.assert_allclose(found["predicted"], inverse(expected["predicted"]), rtol=1e-5)
        np.testing.assert_array_equal(found["actual"], price[found["row"]])
    error = np.abs(run.predictions["actual"] - run.predictions["predicted"])
    constant = np.abs(run.predictions["actual"] - np.median(price[trained_rows]))
    assert metrics.val_mae == pytest.approx(error.mean(), rel=1e-5)
    assert metrics.baseline_mae == pytest.approx(constant.mean(), rel=1e-5)
    assert metrics.skill == pytest.approx(1 - error.mean() / constant.mean(), rel=1e-4)
    assert metrics.train_mae == pytest.approx(metrics.val_mae, rel=0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_keras_alone_and_every_way_to_predict_give_the_targets_own_units(runs, prices, kind):
    import keras

    run, x = runs[kind], prices.frame[NAMES].to_numpy("float32")
    recorded = run.predictions
    model = keras.models.load_model(run.model_path)
    assert all(type(layer).__module__.startswith("keras.") for layer in model.layers)
    found = model.predict(x, verbose=0)[:, 0]
    np.testing.assert_allclose(found[recorded["row"]], recorded["predicted"], rtol=2e-6)
    np.testing.assert_array_equal(wineexp.load_runs(run.path)[0].load_model().predict(x, verbose=0)[:, 0], found)
    table = wineexp.predict(run, prices.frame).table
    np.testing.assert_allclose(table["predicted"][recorded["row"]], recorded["predicted"], rtol=1e-6)
    passes = wineexp.predict(run, prices.frame, mc_dropout=200)
    assert passes.table["predicted"].median() == pytest.approx(table["predicted"].median(), rel=0.5)
    by_keras = np.stack([model(x, training=True).numpy()[:, 0] for _ in range(200)])
    assert passes.table["predicted"].mean() == pytest.approx(by_keras.mean(), rel=0.05)
    assert passes.table["sd"].mean() == pytest.approx(by_keras.std(axis=0).mean(), rel=0.2)


@pytest.mark.parametrize("size", [1e-30, 1e-12, 1e-4, 1e12, 1e30])
@pytest.mark.parametrize("kind", KINDS)
def test_a_target_of_any_size_is_given_back_by_keras(small_table, tmp_path, tensorflow, kind, size):
    import keras

    table = Table(small_table.frame.assign(quality=size * small_table.frame["quality"]), "sized", "custom")
    (run,) = train([RunSpec(widths="4", epochs=2, scale_target=kind)], table, tmp_path)
    recorded = run.predictions
    found = keras.models.load_model(run.model_path).predict(table.frame[NAMES].to_numpy(), verbose=0)[:, 0]
    rounding = 1e-5 * np.abs(recorded["predicted"])
    assert (np.abs(found[recorded["row"]] - recorded["predicted"]) <= rounding).all()


def test_prices_are_learnt_only_where_the_loss_sees_them_standardized(prices, tmp_path, tensorflow):
    common = {"widths": "32", "epochs": 20, "batch_size": 32, "target": "price"}
    plain, scaled = train([RunSpec(**common), RunSpec(**common, scale_target="standard")], prices, tmp_path)
    assert plain.record.metrics.skill < 0 < 0.5 < scaled.record.metrics.skill
    assert plain.record.metrics.val_loss > plain.record.metrics.baseline_loss
    assert scaled.record.metrics.val_loss < scaled.record.metrics.baseline_loss < 2, "in standard deviations"


@pytest.mark.parametrize("value", [0, -2.5])
def test_a_target_without_a_logarithm_is_refused_with_its_row_before_anything_is_trained(
    cli, small_table, tmp_path, value
):
    path = tmp_path / "t.csv"
    frame = small_table.frame.copy()
    frame.loc[[7, 30], "quality"] = value
    frame.to_csv(path, index=False)
    code, out, err = cli("train", "--scale-target", "log", "--data", path, "--out", tmp_path / "runs")
    assert (code, out) == (2, "")
    assert (
        f"{path}: row 7, counted from 0: column 'quality': expected a number above 0, for the logarithm of" in err
    )
    assert f"scale_target log; found {value:g}; use scale_target standard, or leave such rows out" in err
    assert not (tmp_path / "runs").exists()


def test_a_prediction_without_a_float_in_the_targets_units_is_a_run_that_diverged(prices, tmp_path, tensorflow):
    frame = prices.frame.assign(**{name: 1e4 * prices.frame[name] for name in NAMES})
    spec = RunSpec(widths="8", epochs=1, target="price", scale_target="log", learning_rate=1e-6)
    (run,) = train([spec], Table(frame, "large features", "custom"), tmp_path)
    assert (run.status, run.record.reason) == ("failed", "diverged")
    assert "a prediction of 'price' is not finite" in run.record.error
    assert len(run.history) == 1


def test_the_curves_say_of_which_target_their_loss_is(runs):
    for kind, label in {
        "none": "mean absolute error",
        "standard": "mean absolute error of the standardized target",
        "minmax": "mean absolute error of the min-max scaled target",
        "log": "mean absolute error of the log target",
    }.items():
        (ax,) = figure(runs[kind].record, runs[kind].history).axes
        assert ax.get_ylabel() == label


def test_losses_in_different_units_are_shown_over_their_constants_and_a_note_says_so(runs):
    both = compare_runs([runs["none"], runs["standard"]])
    scale = shared_scale(both.variants)
    assert scale.relative
    for variant in both.variants:
        (run,) = variant.runs
        expected = run.history["val_loss"] / run.record.metrics.baseline_loss
        np.testing.assert_allclose(scale.values(variant, "val_loss")[0], expected)
    (note,) = [note for note in both.notes if "different units" in note]
    assert note == (
        "losses are in different units (target as it is: scale_target none; standardized target: scale_target "
        "standard): each is shown over its constant's loss; errors are in the target's own"
    )
    alike = shared_scale(compare_runs([runs["standard"]]).variants)
    assert (alike.relative, alike.loss_name) == (False, "mean absolute error of the standardized target")


def test_it_is_asked_in_words(prices, tmp_path, tensorflow):
    common = {"widths": "8", "epochs": 1, "target": "price"}
    specs = [
        RunSpec(**common, seed=seed, scale_target=kind) for kind in ("none", "standard", "log") for seed in (0, 1)
    ]
    comparison = compare_runs(train(specs, prices, tmp_path))
    assert [question.question for question in comparison.questions] == [
        "Does a standardized target help?", "Does a log target help?",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_shown_of_a_run_says_which_units(runs, prices, cli, tmp_path, kind):
    path = tmp_path / "p.csv"
    prices.frame.to_csv(path, index=False)
    assert "it predicts price in its own units" in cli("show", runs[kind].path)[1]
    found = wineexp.inspect(runs[kind], data=path)
    assert found.layers[-1].name == "dense_2", "without the layer that takes the scaling back"
    rows = training_rows(prices)
    scaled, _ = by_hand(kind, prices.frame["price"].to_numpy(), rows)
    assert found.actual == pytest.approx(scaled[rows].mean(), abs=1e-5)
    assert any(note.startswith("mean prediction and mean price: of the ") for note in found.notes)
    of_file = wineexp.inspect(runs[kind], path)
    assert of_file.actual == pytest.approx(scaled.mean(), abs=1e-5)
