"""A run with early stopping says where it ended and whose weights were kept, and nothing contradicts it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fabricate

from wineexp import load_runs
from wineexp.comparison.comparison import compare_runs
from wineexp.page.render import render
from wineexp.runs.curves import figure
from wineexp.runs.metrics import stopping
from wineexp.runs.picture import read_png
from wineexp.runs.reader import load
from wineexp.runs.summary import summary
from wineexp.specs.run_spec import RunSpec

#: val_loss is lowest in the third epoch; the fourth and the fifth are no better.
FALLS = [(0.9, 0.8), (0.8, 0.7), (0.7, 0.5), (0.6, 0.6), (0.5, 0.7)]

#: Each epoch is better than the one before, by less than 0.2.
CREEPS = [(0.9, 0.8), (0.8, 0.7), (0.7, 0.65)]

MORE = "more of them may lower it"

ENDINGS = {
    "stopped": (FALLS, {"patience": 2, "epochs": 400}, "stopped after epoch 5 of 400; weights of epoch 3 kept"),
    "last weights": (
        FALLS,
        {"patience": 2, "epochs": 400, "restore_best": False},
        "stopped after epoch 5 of 400; weights of the last epoch kept",
    ),
    "not run out": (
        FALLS[:4],
        {"patience": 2, "epochs": 4},
        "patience did not run out in 4 epochs; weights of epoch 3 kept",
    ),
    "in the last": (
        FALLS,
        {"patience": 2, "epochs": 5},
        "patience ran out in the last of 5 epochs; weights of epoch 3 kept",
    ),
    "by too little": (
        CREEPS,
        {"patience": 2, "min_delta": 0.2, "epochs": 200},
        "stopped after epoch 3 of 200; weights of epoch 1 kept",
    ),
    "ended by another": (
        FALLS[:2],
        {"patience": 9, "epochs": 8},
        "ended after epoch 2 of 8; weights of epoch 2 kept",
    ),
}


@pytest.mark.parametrize(("losses", "fields", "says"), ENDINGS.values(), ids=ENDINGS)
def test_summary_show_page_notebook_and_picture_say_the_same(cli, small_table, tmp_path, losses, fields, says):
    run = fabricate.save(tmp_path / "runs", small_table, losses=losses, **fields)
    assert re.search(rf"^early stopping  {says}$", summary(run), re.M)
    assert says in cli("show", run.path)[1]
    assert says in render(compare_runs(load([run.path])))
    assert says in load_runs(run.path)[0]._repr_html_()
    (ax,) = figure(*read_png(run.curves_path)).axes
    (mark,) = [line for line in ax.lines if "weights" in str(line.get_label())]
    (val_loss,) = [line for line in ax.lines if str(line.get_label()).startswith("val_loss")]
    place = int(re.search(r"epoch (\d+)", str(mark.get_label()))[1])
    assert mark.get_xdata().tolist() == [place]
    assert mark.get_ydata().tolist() == [val_loss.get_ydata()[place - 1]]
    assert says.rpartition("; ")[2] in str(mark.get_label())
    assert str(mark.get_label()) in [text.get_text() for text in ax.get_legend().get_texts()]


def test_more_epochs_are_advised_only_where_none_was_saved(small_table, tmp_path):
    def told(losses, **fields):
        run = fabricate.save(tmp_path / "runs", small_table, losses=losses, **fields)
        return next(line for line in summary(run).splitlines() if line.startswith("best epoch"))

    assert MORE in told(CREEPS, epochs=3)
    assert MORE in told(CREEPS, epochs=3, patience=2)
    assert told(CREEPS, epochs=200, patience=2, min_delta=0.2).endswith("the last epoch, by less than min_delta")
    assert told(CREEPS, epochs=3, patience=2, min_delta=0.2).endswith("the last epoch, by less than min_delta")
    assert MORE not in told(CREEPS, epochs=200, patience=9)
    assert told(FALLS, epochs=400, patience=2).endswith("best epoch      3 of 5, val_loss 0.5000; last 0.7000")


def test_without_early_stopping_nothing_is_marked(cli, small_table, tmp_path):
    run = fabricate.save(tmp_path / "runs", small_table, losses=FALLS, epochs=5)
    (ax,) = figure(*read_png(run.curves_path)).axes
    assert len(ax.lines) == 3, "two losses and the constant"
    for text in (summary(run), cli("show", run.path)[1], render(compare_runs(load([run.path])))):
        assert "early stopping" not in text
        assert "kept" not in text


@given(
    losses=st.lists(
        st.integers(1, 40).map(lambda n: n / 10) | st.floats(0.1, 0.1 + 1e-7), min_size=1, max_size=20
    ),
    patience=st.integers(0, 4),
    min_delta=st.sampled_from([0.0, 1e-9, 0.1, 0.5]),
)
def test_keras_itself_stops_there_and_keeps_these_weights(tensorflow, losses, patience, min_delta):
    import keras

    callback = keras.callbacks.EarlyStopping(
        monitor="val_loss", mode="min", patience=patience, min_delta=min_delta, restore_best_weights=False
    )
    model = keras.Model()
    model.stop_training = False
    callback.set_model(model)
    callback.on_train_begin()
    trained = []
    for epoch, loss in enumerate(losses):
        trained.append(loss)
        callback.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    found = stopping(RunSpec(patience=patience, min_delta=min_delta, epochs=len(losses)), trained)
    assert found.best == callback.best_epoch
    assert found.ran_out == model.stop_training
    assert np.isclose(float(callback.best), trained[found.best])
