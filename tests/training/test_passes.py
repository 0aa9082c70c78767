"""The mean of passes with dropout on: Keras's own layers, in every order, and always the same bytes."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from support.batches import train

import wineexp
from wineexp.specs.run_spec import RunSpec

#: Each place that dropout may have, and rates that differ.
ORDERS = {
    "dropout alone": {"dropout": "0.3,0.1"},
    "dropout before bn": {"dropout": 0.3, "bn": "after"},
    "dropout after bn": {"dropout": 0.3, "bn": "after", "dropout_place": "after_bn"},
    "bn before the activation": {"dropout": 0.3, "bn": "before"},
    "dropout_input": {"dropout": 0.2, "dropout_input": 0.3, "bn": "after", "bn_input": True},
}

#: Narrow and few rows: many passes a call. Wide or many rows: one pass in one call, or in several.
SIZES = {"narrow": ("8,6", 101), "one row": ("64", 1), "wide": ("1100", 480), "more rows": ("1100,9", 1201)}


def model_of(spec, features=3):
    """The spec's model with moving averages, gammas and betas unlike those of a new one."""
    import keras

    from wineexp.training.model import build_model

    model, random = build_model(spec, features), np.random.default_rng(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (random.normal(size=weight.shape) for weight in layer.get_weights())
            layer.set_weights([1 + 0.2 * gamma, beta, 0.5 * mean, np.exp(0.3 * variance)])
    return model


def rows_of(count, features=3):
    return np.random.default_rng(4).normal(size=(count, features)).astype(np.float32)


def passes(spec, count, rows=101):
    from wineexp.training.passes import drop_passes

    return np.stack(list(drop_passes(model_of(spec), spec, rows_of(rows), count)))


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_they_are_kerass_own_layers_with_dropout_on_and_batch_norm_frozen(order):
    import keras

    from wineexp.training.passes import drop_passes, mean_of_passes

    spec, count = RunSpec.parse({"widths": "16,8", **order}), 2000
    model, x = model_of(spec), rows_of(40)
    mean, sd = mean_of_passes(drop_passes(model, spec, x, count))
    keras.utils.set_random_seed(5)
    values = np.tile(x, (count, 1))  # each row of each pass has its own masks
    for layer in model.layers:
        values = layer(values, training=isinstance(layer, keras.layers.Dropout))
    kerass = np.asarray(values).reshape(count, len(x))
    assert (sd > 0).all()
    # 40 rows, each the difference of two means over passes: 4 standard errors are exceeded once in 400 times.
    error = np.sqrt((sd**2 + np.var(kerass, axis=0, ddof=1)) / count)
    assert (np.abs(mean - np.mean(kerass, axis=0)) < 4 * error).all()
    np.testing.assert_allclose(sd, np.std(kerass, axis=0, ddof=1), rtol=0.1)


@pytest.mark.usefixtures("tensorflow")
def test_mean_and_sd_are_numpys_also_for_values_far_from_zero():
    from wineexp.training.passes import mean_of_passes

    samples = (1e4 + np.random.default_rng(0).normal(size=(300, 7))).astype(np.float32)
    mean, sd = mean_of_passes(iter(samples))
    np.testing.assert_allclose(mean, samples.mean(axis=0, dtype=np.float64), rtol=1e-7)
    np.testing.assert_allclose(sd, samples.std(axis=0, ddof=1, dtype=np.float64), rtol=1e-6)
    mean, sd = mean_of_passes(iter(samples[:1]))
    np.testing.assert_array_equal(mean, samples[0])
    assert np.isnan(sd).all()


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(("widths", "rows"), SIZES.values(), ids=SIZES)
def test_they_are_the_same_bytes_again_and_the_first_of_more(widths, rows):
    import keras

    spec = RunSpec.parse({"widths": widths, "dropout": 0.3, "seed": 2})
    more = passes(spec, 20, rows)
    assert more.shape == (20, rows)
    assert all((one != other).any() for one, other in itertools.combinations(more, 2)), "no pass is another"
    keras.utils.set_random_seed(11)
    for count in (1, 10, 20):
        np.testing.assert_array_equal(passes(spec, count, rows), more[:count])
    assert (passes(spec.with_seed(3), 1, rows) != more[0]).any()


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(("widths", "rows"), [("8", 101), ("8", 1201), ("1100", 600)])
def test_a_row_has_its_own_masks_in_every_pass(widths, rows):
    """Equal rows differ: no part of a pass, nor the next pass, takes the masks of the one before."""
    from wineexp.training.passes import drop_passes

    spec = RunSpec.parse({"widths": widths, "dropout_input": 0.5})
    equal = np.tile(rows_of(1, 40), (rows, 1))
    found = np.stack(list(drop_passes(model_of(spec, 40), spec, equal, 4)))
    assert len(np.unique(found)) > 0.99 * found.size


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_masks_keep_one_minus_the_rate(rate):
    """A layer of ones after dropout sums what is kept, divided by the share that is."""
    from wineexp.training.passes import drop_passes

    spec, features, count = RunSpec.parse({"widths": "1", "dropout_input": rate}), 400, 20
    model = model_of(spec, features)
    for layer in model.layers[1:]:
        layer.set_weights([np.ones_like(weight) if weight.ndim == 2 else weight for weight in layer.get_weights()])
    sums = np.stack(list(drop_passes(model, spec, np.ones((50, features), np.float32), count)))
    kept, values = sums.mean() / features * (1 - rate), sums.size * features
    assert abs(kept - (1 - rate)) < 4 * np.sqrt(rate * (1 - rate) / values)


def test_predict_gives_the_bytes_that_the_run_recorded(cli, small_table, tmp_path, tensorflow):
    spec = {"widths": "8,8", "epochs": 3, "dropout": 0.3, "bn": "after", "scale": "standard", "mc_passes": 30}
    for target in ("none", "standard"):
        (run,) = train([RunSpec.parse({**spec, "scale_target": target})], small_table, tmp_path / target)
        record = pd.read_csv(run.predictions_path, dtype=str)
        small_table.frame.loc[record["row"].astype(int)].to_csv(tmp_path / "valid.csv", index=False)
        output = tmp_path / "predicted.csv"
        assert cli("predict", run.path, tmp_path / "valid.csv", "--mc-dropout", 30, "-o", output)[0] == 0
        predicted = pd.read_csv(output, dtype=str)
        assert predicted["predicted"].tolist() == record["predicted_mc"].tolist()
        assert predicted["sd"].tolist() == record["predicted_mc_sd"].tolist()


def test_passes_of_several_runs_count_together(small_table, tmp_path, tensorflow):
    common = {"widths": "8", "epochs": 2, "dropout": 0.3}
    runs = train([RunSpec.parse({**common, "seed": seed}) for seed in range(2)], small_table, tmp_path)
    from wineexp.training.passes import drop_passes
    from wineexp.training.prediction import load_model

    x = small_table.frame[["a", "b", "c"]].to_numpy(np.float32)
    each = np.concatenate([list(drop_passes(load_model(run), run.spec, x, 7)) for run in runs])
    table = wineexp.predict(runs[0], small_table.frame, run_seeds=True, mc_dropout=7).table
    np.testing.assert_allclose(table["predicted"], each.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(table["sd"], each.std(axis=0, ddof=1), rtol=1e-4)
    alone = wineexp.predict(runs[0], small_table.frame, mc_dropout=1).table
    assert list(alone.columns) == ["row", "predicted", "actual"]
    np.testing.assert_array_equal(alone["predicted"], each[0])
