"""The figures, by their artists."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wineexp.data.facts import ScalingFacts, TableFacts
from wineexp.errors import RunError
from wineexp.runs.curves import TOP, LossAxis, figure
from wineexp.runs.picture import draw, read_png
from wineexp.runs.record import Metrics, Record
from wineexp.runs.result import LOSS_COLUMNS, history_frame
from wineexp.specs.run_spec import RunSpec


def curve(label="plain", losses=((1.0, 0.9), (0.7, 0.6)), epochs=100, baseline=0.6646, **fields):
    spec = RunSpec.parse({"epochs": epochs, **fields})
    record = Record(
        status="done",
        label=label,
        signature=spec.signature("t"),
        variant_signature=spec.variant_signature("t"),
        spec=spec,
        data=TableFacts(
            source="t", kind="custom", fingerprint="t", rows=4, train_rows=2, valid_rows=2, twins=0,
            features=("a",), scaling=ScalingFacts(center=(0.0,), scale=(1.0,)),
        ),
        metrics=Metrics(baseline_loss=baseline),
    )  # fmt: skip
    return record, history_frame(losses)


def test_a_figure_shows_both_losses_and_the_constant():
    (ax,) = figure(*curve()).axes
    lines = {line.get_label(): line for line in ax.lines}
    (val_loss,) = [line for label, line in lines.items() if label.startswith("val_loss")]
    (loss,) = [line for label, line in lines.items() if label.startswith("loss")]
    constant = lines["always predicting the training median: 0.665"]
    assert val_loss.get_ydata().tolist() == [0.9, 0.6]
    assert loss.get_ydata().tolist() == [1.0, 0.7]
    assert (val_loss.get_linestyle(), loss.get_linestyle(), constant.get_linestyle()) == ("-", "--", ":")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "mean absolute error")


@pytest.mark.parametrize(("loss", "name"), [("mae", "median"), ("mse", "mean"), ("huber", "best constant")])
def test_the_constant_is_named_by_what_it_is(loss, name):
    (ax,) = figure(*curve(loss=loss)).axes
    assert any(name in str(line.get_label()) for line in ax.lines)


def losses_drawn(fig):
    """Column -> the values that its line has."""
    lines = {str(line.get_label()).partition(" ")[0]: line for line in fig.axes[0].lines}
    return {name: lines[name].get_ydata().tolist() for name in LOSS_COLUMNS if name in lines}


def test_runs_on_one_table_share_their_axes_and_what_is_above_is_drawn_at_the_edge():
    low, high = figure(*curve()), figure(*curve(losses=[(900.0, float("nan")), (1.2, 1.4), (0.5, 0.4)]))
    assert low.axes[0].get_xlim() == high.axes[0].get_xlim() == (0, 100)
    assert low.axes[0].get_ylim() == high.axes[0].get_ylim() == (0, TOP * 0.6646)
    assert losses_drawn(high) == {"val_loss": [TOP * 0.6646, 1.4, 0.4], "loss": [TOP * 0.6646, 1.2, 0.5]}


def test_the_third_curve_is_drawn_and_explained():
    shown = curve(losses=[(1.0, 0.9, 0.8), (0.7, 0.6, 0.5)], eval_train=True, dropout=0.3)
    assert losses_drawn(figure(*shown))["train_loss"] == [0.8, 0.5]
    texts = [text.get_text() for text in figure(*shown).axes[0].get_legend().get_texts()]
    assert "train_loss (training rows, dropout off)" in texts
    assert "loss (training rows, dropout on)" in texts


def test_the_axis_is_linear_where_models_differ_and_logarithmic_above():
    """A tenth is as high everywhere below the knee; above it a factor is."""
    (ax,) = figure(*curve()).axes
    heights = ax.transData.transform([(0, value) for value in (0.1, 0.2, 0.7, 0.8, 2.0, 4.0, 8.0)])[:, 1]
    steps = np.diff(heights)
    assert steps[0] == pytest.approx(steps[2])
    assert steps[4] == pytest.approx(steps[5])
    assert steps[4] < 3 * steps[0]
    assert any("logarithmic" in text.get_text() for text in ax.get_legend().get_texts())


def test_a_curve_without_a_constant_fits_its_own_axis():
    """Losses of 8 to 14 once gave an empty picture."""
    (ax,) = figure(*curve(losses=[(14.0, 13.0), (9.0, 8.5), (8.0, 8.2)], baseline=None)).axes
    assert ax.get_ylim() == (0, pytest.approx(1.05 * 14))
    (ax,) = figure(*curve(losses=[(1e6, 1e5)] * 2 + [(2.0, 1.0)] * 98, baseline=None)).axes
    assert ax.get_ylim() == (0, pytest.approx(1.05e6))
    heights = ax.transData.transform([(0, value) for value in (0.0, 1.0, 2.0)])[:, 1]
    assert heights[2] - heights[0] > 0.6 * ax.bbox.height, "what it settles at takes most of the height"


@given(
    st.lists(
        st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), min_size=1, max_size=30), max_size=4
    ),
    st.booleans(),
)
def test_every_axis_holds_every_curve_and_its_places_are_undone(curves, linear):
    axis = LossAxis.of_curves(curves, linear=linear)
    assert axis.bottom <= 0 <= axis.knee <= axis.top
    for values in curves:
        drawn = axis.clipped(values)
        inside = drawn[~np.isnan(drawn) & ~np.isneginf(drawn)]
        assert ((axis.bottom <= inside) & (inside <= axis.top)).all()
        if axis.is_broken:
            np.testing.assert_allclose(axis._value(axis._place(inside)), inside, rtol=1e-6, atol=1e-6 * axis.knee)


def test_a_simulated_table_is_written_across_the_axes():
    shown = record, history = curve()
    simulated = record.model_copy(update={"data": record.data.model_copy(update={"kind": "simulated"})})
    (ax,) = figure(simulated, history).axes
    assert "SIMULATED" in [text.get_text() for text in ax.texts]
    assert "SIMULATED" not in [text.get_text() for text in figure(*shown).axes[0].texts]


def test_the_full_range_shows_all():
    (ax,) = figure(*curve(losses=[(9.0, 8.0)]), full_range=True).axes
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] >= 9


def test_a_title_is_written_for_people():
    spec = RunSpec.parse({"dropout": 0.3, "bn": "after"})
    (ax,) = figure(*curve(label=spec.label(), dropout=0.3, bn="after", epochs=100)).axes
    assert ax.get_title(loc="left") == "dropout 0.3, batch norm after the activation"
    (ax,) = figure(*curve(label="mine", dropout=0.3, bn="after")).axes
    assert ax.get_title(loc="left") == "mine"


@pytest.mark.parametrize("name", ["$$", "$\\frac{", "<script>alert(1)</script>", "😀 🍷", "x" * 200, "%s {} \\n"])
def test_names_are_drawn_as_they_are(name):
    shown = curve(label=name)
    (ax,) = figure(*shown).axes
    if len(name) < 90:
        assert ax.get_title(loc="left") == name
    assert Image.open(io.BytesIO(draw(*shown))).size == (880, 550)


def test_a_png_carries_its_record_and_history(tmp_path):
    shown = curve(label="é 😀", losses=[(0.1, 1 / 3), (float("inf"), float("nan"))])
    path = tmp_path / "mailed.png"
    path.write_bytes(draw(*shown))
    record, history = read_png(path)
    assert record == shown[0]
    np.testing.assert_array_equal(history.to_numpy(), shown[1].to_numpy())


def test_another_png_or_no_png_is_refused(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (3, 3)).save(path)
    with pytest.raises(RunError, match=r"expected a curves\.png written by wineexp"):
        read_png(path)
    path.write_text("no picture")
    with pytest.raises(RunError, match=r"expected a curves\.png"):
        read_png(path)


def test_a_run_without_epochs_is_drawn():
    assert draw(*curve(losses=[]))
