"""Epochs are whole numbers, and so are the ticks of their axis, however few there are."""

from __future__ import annotations

import io
import re

import matplotlib.pyplot as plt
import pytest
from support import fabricate

from wineexp.comparison.comparison import compare_runs
from wineexp.page.render import render
from wineexp.runs.curves import figure
from wineexp.runs.picture import read_png
from wineexp.runs.reader import load


def ticks(fig):
    fig.savefig(io.BytesIO(), format="png")  # a locator is asked when it is drawn
    for ax in fig.axes:
        if ax.get_xlabel() == "epoch":
            low, high = ax.get_xlim()
            yield [tick for tick in ax.get_xticks() if low <= tick <= high]


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 7, 40])
def test_in_curves_comparisons_and_pages(small_table, tmp_path, epochs):
    runs = [fabricate.save(tmp_path, small_table, epochs=epochs, dropout=rate) for rate in (0, 0.3)]
    found = compare_runs(load([tmp_path]))
    drawn = (found.draw(layout="overlay"), found.draw(layout="grid"), figure(*read_png(runs[0].curves_path)))
    places = [tick for fig in drawn for each in ticks(fig) for tick in each]
    assert places
    assert all(float(tick).is_integer() for tick in places)
    charts = render(found).partition("</figure>")[0]
    on_page = re.findall(r'id="[^"]*xtick_\d+".*?<text[^>]*>([^<]*)</text>', charts, re.S)
    assert on_page
    assert all(text.isdigit() for text in on_page)


def test_many_epochs_have_the_ticks_that_matplotlib_chooses(small_table, tmp_path):
    fig = figure(*read_png(fabricate.save(tmp_path, small_table, epochs=100).curves_path))
    plain, ax = plt.subplots(figsize=(8, 5), dpi=110)
    ax.set_position(fig.axes[0].get_position())
    ax.set_xlim(0, 100)
    assert list(fig.axes[0].get_xticks()) == list(ax.get_xticks())
    plt.close(plain)
