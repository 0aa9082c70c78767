"""The figure of the verdicts, by its artists."""

from __future__ import annotations

import numpy as np
import pytest
from support import fabricate

from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.effects import effect_sections
from wineexp.comparison.forest import INK, MAX_ROWS, forest_height
from wineexp.errors import SelectionError
from wineexp.runs.curves import save
from wineexp.runs.reader import load


@pytest.fixture(scope="module")
def cross(small_table, tmp_path_factory):
    return fabricate.save_interaction(tmp_path_factory.mktemp("cross"), small_table)


def texts(fig):
    return [text.get_text() for ax in fig.axes for text in ax.texts]


def test_each_verdict_and_effect_is_a_point_with_the_interval_of_its_words(cross):
    found = compare_runs(load([cross]), margin=0.01)
    ax, shares = found.draw(layout="verdict").axes
    points = {round(float(line.get_xdata()[0]), 9) for line in ax.lines if line.get_marker() == "o"}
    told = [effect for _, effects in effect_sections(found.effects) for effect in effects]
    assert {effect.kind for effect in told} == {"interaction", "simple"}, (
        "averages that hide a difference are left out"
    )
    estimates = [*found.verdicts, *told]
    assert points == {round(one.difference.mean, 9) for one in estimates}
    ends = {tuple(np.round(line.get_xdata(), 9)) for line in ax.lines if len(line.get_xdata()) == 2}
    assert {tuple(np.round(one.interval, 9)) for one in estimates} <= ends
    colours = {line.get_color() for line in ax.lines if line.get_marker() == "o"}
    assert {INK[verdict.kind] for verdict in found.verdicts} <= colours
    words = texts(ax.figure)
    for verdict in found.verdicts:
        low, high = verdict.interval
        assert f"{verdict.difference.mean:+.3f} [{low:+.3f}, {high:+.3f}]" in words
        letters = found.groups[verdict.variant_label]
        assert {f"{verdict.word}; group {letters}", verdict.variant_label} <= set(words)
    assert f"(group {found.groups[found.reference.label]}): left of 0 is better" in ax.get_xlabel()
    (band,) = [patch for patch in ax.patches if str(patch.get_label()) == "within 0.01"]
    assert (band.get_x(), band.get_width()) == pytest.approx((-0.01, 0.02))
    widths = [bar.get_width() for bar in shares.patches if bar.get_y() < 0 and bar.get_width()]
    assert sum(widths) == pytest.approx(1), "the shares of the first row"


def test_verdicts_stand_below_the_curves_which_keep_their_place(cross):
    runs = load([cross])
    both, alone = compare_runs(runs).draw(layout="overlay"), compare_runs(runs[:1]).draw(layout="overlay")
    assert forest_height(compare_runs(runs).verdicts, ()) > 0

    def place(fig, axes):
        box = axes.get_window_extent()
        return box.x0, fig.bbox.height - box.y1, box.width, box.height

    assert place(both, both.subfigs[0].axes[0]) == pytest.approx(place(alone, alone.axes[0]), abs=1)
    assert save(both, "png")


def test_one_seed_is_a_hollow_point_without_an_interval(small_table, tmp_path):
    fabricate.save(tmp_path, small_table, error=0.3)
    fabricate.save(tmp_path, small_table, error=0.4, dropout=0.3)
    fig = compare_runs(load([tmp_path])).draw(layout="verdict")
    (point,) = [line for line in fig.axes[0].lines if line.get_marker() == "o"]
    assert point.get_markerfacecolor() == "white"
    assert "one seed: cannot tell" in texts(fig)
    assert save(fig, "svg")


def test_without_verdicts_there_is_nothing_to_draw(cross):
    with pytest.raises(SelectionError, match="no verdicts to draw; --layout overlay draws the curves"):
        compare_runs(load([cross])[:1]).draw(layout="verdict")


def test_of_very_many_the_rest_is_counted(small_table, tmp_path):
    for number in range(MAX_ROWS + 3):
        fabricate.save(tmp_path, small_table, learning_rate=0.001 * (number + 1), error=0.3)
    words = texts(compare_runs(load([tmp_path])).draw(layout="verdict"))
    assert "... and 2 more: see the table" in words


def test_names_are_drawn_as_they_are(small_table, tmp_path):
    for number, name in enumerate(("$$", "<b>x</b>", "$\\frac{1}{", "x" * 200)):
        for seed in range(2):
            fabricate.save(tmp_path, small_table, name=name, dropout=number / 10, seed=seed)
    found = compare_runs(load([tmp_path]))
    for form in ("png", "svg", "pdf"):
        assert save(found.draw(layout="verdict", title="$$"), form)
