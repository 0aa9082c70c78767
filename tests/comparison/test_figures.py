"""Figures of many runs, by their artists."""

from __future__ import annotations

import io
import math
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from support import fabricate

from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.layouts import MAX_COLOURED
from wineexp.comparison.scale import Style, seed_mean
from wineexp.errors import SelectionError
from wineexp.runs.curves import COLOURS, TOP, save
from wineexp.runs.reader import load

NAMES = ["$$", "$\\frac{1}{", "<script>alert(1)</script>", "😀", "x" * 200, "%s {} \\n", "_hidden", "a\u200bb"]


@pytest.fixture(scope="module")
def runs(small_table, tmp_path_factory):
    out = fabricate.save_cross(tmp_path_factory.mktemp("runs"), small_table)
    return out


def curves(fig):
    """The part of a figure that has the curves: above the verdicts, where there are any."""
    return fig.subfigs[0] if fig.subfigs else fig


def drawn(fig):
    """Label -> (x, y, colour, style) of every line with a name."""
    lines = [line for ax in fig.axes for line in ax.lines if not str(line.get_label()).startswith("_")]
    return {
        line.get_label(): (
            *(np.asarray(data).tolist() for data in line.get_data()),
            line.get_color(),
            line.get_linestyle(),
        )
        for line in lines
    }


def test_the_same_runs_as_directories_csvs_and_pngs_draw_identical_lines(runs):
    forms = [[runs], sorted(runs.glob("*/history.csv")), sorted(runs.glob("*/curves.png"))]
    mixed = [*forms[1][:5], *forms[2][5:9], *(path.parent for path in forms[2][9:])]
    for layout in ("overlay", "grid"):
        figures = [drawn(compare_runs(load(paths)).draw(layout=layout)) for paths in (*forms, mixed)]
        losses = [label for label in figures[0] if label.endswith(("loss", "(faint)"))]
        assert len(losses) >= 8
        assert figures[1:] == figures[:1] * 3


def test_a_variant_has_a_colour_and_its_losses_a_style(runs):
    found = compare_runs(load([runs]))
    lines = drawn(found.figure)
    for number, variant in enumerate(found.variants):
        histories = [run.history for run in variant.runs]
        for column, style in (("val_loss", "-"), ("loss", "--")):
            _, y, colour, drawn_style = lines[f"{variant.label}: {column}"]
            assert (colour, drawn_style) == (COLOURS[number], style)
            np.testing.assert_allclose(y, np.mean([history[column] for history in histories], axis=0))
    (ax,) = curves(found.figure).axes
    assert ax.get_xlim() == (0, 6)
    baseline = found.runs[0].record.metrics.baseline_loss
    assert ax.get_ylim() == (0, TOP * baseline)


def test_a_variant_keeps_its_colour_in_every_figure_and_when_another_joins(small_table, tmp_path):
    for rate in (0.2, 0.4):
        fabricate.save(tmp_path, small_table, dropout=rate, planned="2026-01-01T10:00:00")
    two = compare_runs(load([tmp_path]))
    fabricate.save(tmp_path, small_table, dropout=0.3, widths="4", planned="2026-01-02T10:00:00")
    three = compare_runs(load([tmp_path]))

    def colours(fig):
        return {(label.count("0.2"), label.count("0.4")): line[2] for label, line in drawn(fig).items()
                if label.endswith(": val_loss")}  # fmt: skip

    assert [variant.settings["dropout"] for variant in three.variants] == ["0.3", "0.2", "0.4"]
    expected = {(1, 0): COLOURS[0], (0, 1): COLOURS[1]}
    assert colours(two.draw(layout="overlay")) == colours(two.draw(layout="grid")) == expected
    for layout in ("overlay", "grid"):
        assert colours(three.draw(layout=layout)) == {**expected, (0, 0): COLOURS[2]}


def test_up_to_four_variants_with_seeds_are_overlaid_and_more_are_panels(small_table, tmp_path):
    for number in range(5):
        for seed in range(2):
            fabricate.save(tmp_path, small_table, widths=str(number + 1), seed=seed)
    paths = sorted(tmp_path.iterdir())
    few, many = compare_runs(load(paths[:8])), compare_runs(load(paths))
    assert [len(curves(found.figure).axes) for found in (few, many)] == [1, 6]
    assert sum(ax.get_visible() for ax in curves(many.figure).axes) == 5
    singles = compare_runs(load(paths[::2]))
    assert len(curves(singles.figure).axes) == 1


def test_a_cross_stays_one_beside_a_variant_that_is_not_of_it(runs, small_table, tmp_path):
    import shutil

    shutil.copytree(runs, tmp_path / "all")
    fabricate.save(tmp_path / "all", small_table, widths="4", dropout=0.3, bn="after")
    fig = compare_runs(load([tmp_path / "all"])).draw(layout="grid")
    places = {}
    for ax in curves(fig).axes:
        if ax.get_visible():
            spec = ax.get_subplotspec()
            title = ax.get_title(loc="left").replace("\n", " ")
            places[title.partition(" (")[0]] = (spec.rowspan.start, spec.colspan.start)
    assert sorted(places.values()) == [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
    assert places["4x1, dropout 0.3, batch norm after the activation"] == (2, 0)


def test_two_or_three_seeds_are_drawn_one_by_one_and_more_as_a_band(small_table, tmp_path):
    for seed in range(4):
        fabricate.save(tmp_path, small_table, seed=seed)
    paths = sorted(tmp_path.iterdir())
    few, many = (curves(compare_runs(load(paths[:count])).figure) for count in (3, 4))
    seeds = [[line for line in fig.axes[0].lines if line.get_label() == "_seed"] for fig in (few, many)]
    assert [len(lines) for lines in seeds] == [3, 0]
    assert [len(fig.axes[0].collections) for fig in (few, many)] == [0, 1]
    texts = [[text.get_text() for text in fig.legends[1].get_texts()] for fig in (few, many)]
    assert "single seeds (val_loss)" in texts[0]
    assert "95 % interval of the mean over seeds" in texts[1]


def test_the_third_curve_is_drawn_where_there_is_one(small_table, tmp_path):
    losses = [(1.0, 0.9, 0.8), (0.7, 0.6, 0.5)]
    fabricate.save(tmp_path, small_table, losses=losses, epochs=2, eval_train=True, dropout=0.2)
    fig = compare_runs(load([tmp_path])).figure
    (third,) = [line for label, line in drawn(fig).items() if label.endswith(": train_loss")]
    assert third[1] == [0.8, 0.5]
    texts = [text.get_text() for text in curves(fig).legends[1].get_texts()]
    assert {"loss (training rows, dropout on)", "train_loss (training rows, dropout off)"} <= set(texts)


def test_dropout_is_named_only_where_there_is_any(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, bn="after")
    texts = [text.get_text() for text in curves(compare_runs(load([tmp_path])).figure).legends[1].get_texts()]
    assert "loss (training rows, during the epoch)" in texts


def test_order_and_colours_do_not_hang_on_the_call(runs):
    paths = sorted(runs.iterdir())
    assert drawn(compare_runs(load(paths)).figure) == drawn(compare_runs(load(paths[::-1])).figure)


def test_the_band_is_students_interval_of_the_mean():
    lines = [np.array([1.0, 2.0]), np.array([2.0, 2.5]), np.array([4.5, 2.1])]
    mean, half = seed_mean(lines)
    for epoch in range(2):
        values = [line[epoch] for line in lines]
        low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
        assert (mean[epoch] - half[epoch], mean[epoch] + half[epoch]) == pytest.approx((low, high))


def test_the_legend_holds_only_what_differs(runs):
    texts = [
        text.get_text()
        for legend in curves(compare_runs(load([runs])).figure).legends
        for text in legend.get_texts()
    ]
    assert texts[0] == "no dropout, no batch norm, 3 seeds (reference)"
    assert "dropout 0.3, batch norm after the activation, 3 seeds" in texts
    assert not any("relu" in text or "8x1" in text for text in texts)


def test_smoothing_stands_beside_the_raw_line(runs):
    found = compare_runs(load([runs]))
    raw, smooth = drawn(found.figure), drawn(found.draw(Style(smooth=3)))
    label = found.variants[0].label
    for column in ("val_loss", "loss"):
        assert smooth[f"{label}: raw {column}"][1] == raw[f"{label}: {column}"][1]
        assert smooth[f"{label}: {column}"][1] != raw[f"{label}: {column}"][1]
    _, legend = curves(found.draw(Style(smooth=3))).legends
    assert "raw (smoothed over 3)" in [text.get_text() for text in legend.get_texts()]


def test_one_metric_alone(runs):
    found = compare_runs(load([runs]))
    assert not any(label.endswith(": loss") for label in drawn(found.draw(Style("val_loss"))))
    assert not any(label.endswith(": val_loss") for label in drawn(found.draw(Style("loss"))))


def test_a_cross_of_two_factors_is_a_grid_of_both(runs):
    fig = compare_runs(load([runs])).draw(layout="grid")
    axes = curves(fig).axes
    assert [ax.get_title(loc="left") for ax in axes] == [
        "no dropout, no batch norm, 3 seeds (reference)",
        "no dropout, batch norm after the activation, 3 seeds",
        "dropout 0.3, no batch norm, 3 seeds",
        "dropout 0.3, batch norm after the activation, 3 seeds",
    ]
    assert [ax.get_subplotspec().rowspan.start for ax in axes] == [0, 0, 1, 1]
    assert len({(ax.get_xlim(), ax.get_ylim()) for ax in axes}) == 1


def test_of_many_variants_the_best_and_the_reference_stay_in_colour(small_table, tmp_path):
    for number in range(14):
        fabricate.save(tmp_path, small_table, error=0.5 - number / 50, widths=str(number + 1))
    found = compare_runs(load([tmp_path]), reference="1x1")
    fig = found.draw(layout="overlay")
    texts = [text.get_text() for text in curves(fig).legends[0].get_texts()]
    assert texts[0] == "1x1 (reference)"
    assert sum("x1" in text for text in texts) == MAX_COLOURED
    assert "4 others (val_loss)" in texts
    assert "14x1" in texts


def test_too_many_panels_are_refused_with_what_to_narrow(small_table, tmp_path):
    run = fabricate.save(tmp_path, small_table)
    found = compare_runs(load([shutil.copy(run.history_path, tmp_path / f"{i}.csv") for i in range(40)]))
    assert save(found.figure, "png")
    with pytest.raises(SelectionError, match=r"40 variants are too many for a grid.*--where"):
        found.draw(layout="grid")


def test_different_losses_are_drawn_over_their_constants(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, loss="mae")
    fabricate.save(tmp_path, small_table, loss="mse")
    found = compare_runs(load([tmp_path]))
    (ax,) = curves(found.figure).axes
    assert ax.get_ylim() == (0, TOP)
    assert ax.get_ylabel() == "loss / the constant predictor's loss"
    run = found.variants[0].runs[0]
    expected = run.history["val_loss"] / run.record.metrics.baseline_loss
    np.testing.assert_allclose(drawn(found.figure)["loss mae: val_loss"][1], expected)


def test_what_is_above_the_axis_is_drawn_at_its_edge(small_table, tmp_path):
    losses = [(math.inf, math.nan), (50.0, 40.0), (0.1, 0.1)]
    fabricate.save(tmp_path, small_table, losses=losses, epochs=3)
    found = compare_runs(load([tmp_path]))
    top = TOP * found.runs[0].record.metrics.baseline_loss
    lines = drawn(found.figure)
    assert [line[1] for label, line in lines.items() if label.endswith(": loss")] == [[top, min(50.0, top), 0.1]]
    linear = curves(found.draw(Style(full_range=True)))
    assert linear.axes[0].get_ylim()[1] > 50
    assert linear.axes[0].get_yscale() == "linear"


def test_seeds_of_different_lengths_have_a_mean_where_all_are(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, losses=[(1, 1), (1, 2), (1, 3)], seed=0, patience=1)
    fabricate.save(tmp_path, small_table, losses=[(1, 3)], seed=1, patience=1)
    (variant,) = compare_runs(load([tmp_path])).variants
    lines = drawn(compare_runs(load([tmp_path])).draw(Style("val_loss")))
    y = lines[f"{variant.label}: val_loss"][1]
    assert y[0] == 2
    assert np.isnan(y[1:]).all()


@pytest.mark.parametrize("form", ["png", "svg", "pdf"])
@pytest.mark.parametrize("layout", ["overlay", "grid"])
def test_names_are_drawn_as_they_are(small_table, tmp_path, form, layout):
    for seed, name in enumerate(NAMES):
        if name.isprintable():
            fabricate.save(tmp_path, small_table, seed=0, name=name, dropout=seed / 10)
    found = compare_runs(load([tmp_path]))
    fig = found.draw(layout=layout, title="$$ <b>")
    content = save(fig, form)
    if form == "png":
        assert Image.open(io.BytesIO(content)).size[0] > 500
    if layout == "overlay":
        texts = " ".join(text.get_text().replace("\n", " ") for text in curves(fig).legends[0].get_texts())
        for name in ("$$ (no dropout)", "<script>alert(1)</script> (dropout 0.2)", "😀 (dropout 0.3)", "_hidden"):
            assert name in texts


def test_no_one_rate_is_stated_for_variants_that_differ_in_it(small_table, tmp_path):
    for rate in (0.1, 0.01):
        fabricate.save(tmp_path, small_table, optimizer="sgd", learning_rate=rate)
    (ax,) = curves(compare_runs(load([tmp_path])).figure).axes
    (shared,) = [text.get_text() for text in ax.texts if text.get_text().startswith("all: ")]
    assert shared == "all: 8x1 relu, sgd, mae, batch 256, 6 epochs"
