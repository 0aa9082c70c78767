"""The figures, by their artists."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wineexp.data.facts import ScalingFacts, TableFacts
from wineexp.errors import RunError
from wineexp.runs.curves import Curve, figure
from wineexp.runs.picture import draw, read_png
from wineexp.runs.record import Metrics, Record
from wineexp.runs.result import history_frame
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
    return Curve(label, "1024x3", record, history_frame(losses))


def test_a_figure_shows_both_losses_and_the_constant():
    (ax,) = figure(curve()).axes
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
    (ax,) = figure(curve(loss=loss)).axes
    assert any(name in str(line.get_label()) for line in ax.lines)


def test_runs_on_one_table_share_their_axes_and_what_is_above_is_marked():
    low, high = figure(curve()), figure(curve(losses=[(9.0, float("nan")), (1.2, 1.4), (0.5, 0.4)]))
    assert low.axes[0].get_xlim() == high.axes[0].get_xlim() == (0, 100)
    assert low.axes[0].get_ylim() == high.axes[0].get_ylim() == (0, 2 * 0.6646)
    marks = [line for line in high.axes[0].lines if line.get_label() == "_above"]
    assert [line.get_xdata().tolist() for line in marks] == [[0, 1], [0]]
    assert all((line.get_ydata() == 2 * 0.6646).all() for line in marks)
    assert not [line for line in low.axes[0].lines if line.get_label() == "_above"]


def test_the_full_range_shows_all():
    (ax,) = figure(curve(losses=[(9.0, 8.0)]), full_range=True).axes
    assert ax.get_ylim()[0] == 0
    assert ax.get_ylim()[1] >= 9


@pytest.mark.parametrize("name", ["$$", "$\\frac{", "<script>alert(1)</script>", "😀 🍷", "x" * 200, "%s {} \\n"])
def test_names_are_drawn_as_they_are(name):
    shown = replace(curve(label=name), title=name)
    (ax,) = figure(shown).axes
    if len(name) < 90:
        assert ax.get_title(loc="left") == name
    assert Image.open(io.BytesIO(draw(shown))).size == (880, 550)


def test_a_png_carries_its_record_and_history(tmp_path):
    shown = curve(label="é 😀", losses=[(0.1, 1 / 3), (float("inf"), float("nan"))])
    path = tmp_path / "mailed.png"
    path.write_bytes(draw(shown))
    back = read_png(path)
    assert (back.label, back.title, back.record) == (shown.label, shown.title, shown.record)
    np.testing.assert_array_equal(back.history.to_numpy(), shown.history.to_numpy())


def test_another_png_or_no_png_is_refused(tmp_path):
    path = tmp_path / "x.png"
    Image.new("RGB", (3, 3)).save(path)
    with pytest.raises(RunError, match=r"expected a curves\.png written by wineexp"):
        read_png(path)
    path.write_text("no picture")
    with pytest.raises(RunError, match=r"expected a curves\.png"):
        read_png(path)


def test_a_run_without_epochs_is_drawn():
    assert draw(curve(losses=[]))
