"""People read significant digits, whatever the target's unit; ordinary numbers look as they always did."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import fabricate

from wineexp import compare, load_runs
from wineexp.comparison.comparison import compare_runs
from wineexp.data.table import Table
from wineexp.listing import Listing, as_text
from wineexp.page.render import render
from wineexp.runs.curves import figure
from wineexp.runs.difference import difference
from wineexp.runs.picture import read_png
from wineexp.runs.reader import load
from wineexp.runs.summary import outcome, seeds_table, summary
from wineexp.text import format_interval, format_number


def shown(comparison):
    """A comparison as the terminal shows it."""
    return "\n".join(as_text(part) if isinstance(part, Listing) else part for part in comparison.parts())


#: A number as people read it here: decimals, and an exponent where it is far from 1.
NUMBER = re.compile(r"(?<![\w.])[+-]?\d+\.\d{3,}(?:e[+-]\d+)?(?![\d%])")


@pytest.mark.parametrize(
    ("value", "form", "size", "text"),
    [
        (0.63125, ".4f", None, "0.6312"),
        (0.0242, ".4f", 0.6313, "0.0242"),
        (-0.00004, "+.3f", 0.5, "-0.000"),
        (153.25, ".4f", None, "153.2500"),
        (2.01344e-7, ".4f", None, "2.0134e-07"),
        (1.9e-8, ".4f", 2.0e-7, "0.1900e-07"),
        (1662683363.5556, ".4f", None, "1.6627e+09"),
        (50123.4567, ".4f", None, "50123.457"),
        (0.0051234, ".4f", None, "0.00512"),
        (0, "+.3f", None, "+0.000"),
        (math.inf, ".4f", None, "inf"),
        (math.nan, ".4f", 1e-9, "nan"),
    ],
)
def test_a_number(value, form, size, text):
    assert format_number(value, form, size) == text


@given(
    value=st.floats(0.1, 999), form=st.sampled_from([".4f", "+.4f", ".3f", "+.3f"]), sign=st.sampled_from([1, -1])
)
def test_ordinary_ones_look_as_python_formats_them(value, form, sign):
    assert format_number(sign * value, form) == format(sign * value, form)


@given(value=st.floats(1e-90, 1e90), form=st.sampled_from([".4f", ".3f"]))
def test_any_one_is_within_its_last_digits_and_short(value, form):
    text = format_number(value, form)
    assert float(text) == pytest.approx(value, rel=0.051), "two digits at the least"
    assert len(text) <= 12


def test_an_interval_shares_its_decimals():
    assert format_interval(0.5052, 0.4621, 0.5482) == "0.5052 [0.4621, 0.5482]"
    assert format_interval(2e-7, 1e-7, 1.2e-6) == "0.2000e-06 [0.1000e-06, 1.2000e-06]"
    assert format_interval(None, 1, 2) == ""


def places_of(small_table, folder, factor):
    """Everything that people read of runs whose target has another unit: place -> text."""
    table = Table(small_table.frame.assign(quality=small_table.frame["quality"] * factor), "small", "custom")
    for seed in range(3):
        for rate, error in ((0, 0.5), (0.3, 0.7)):
            own = {"error": error * factor, "own": 0.01 * factor, "train_error": 0.45 * factor}
            fabricate.save(folder, table, seed=seed, dropout=rate, **own)
    found = compare_runs(load([folder]))
    runs = load_runs(folder)
    (ax,) = figure(*read_png(runs[0].curves_path)).axes
    main = found.figure.subfigs[0]
    return {
        "summary": summary(runs[0]).partition("\ntime")[0],
        "outcome": outcome(runs[0], "x").rpartition("  ")[0],
        "seeds": seeds_table(runs[:3]).partition("\n3 of")[0],
        "runs": "\n".join(map(str, runs._repr_html_().split("<tr")[2:])),
        "diff": "\n".join(" ".join(pair.told) for pair in difference(runs[0], runs[3]).pairs if "mae" in pair.key),
        "answer": shown(found),
        "sentences": "\n".join(found.sentences()),
        "questions": "\n".join(f"{one.answer} {one.detail}" for one in found.questions),
        "plan": repr(found),
        "page": re.sub(
            r"(?s)<script.*?</script>|<svg.*?</svg>|<style.*?</style>|<pre.*?</pre>", "", render(found)
        ),
        "legend": " ".join(text.get_text() for text in ax.get_legend().get_texts()),
        "legends": " ".join(text.get_text() for legend in main.legends for text in legend.get_texts()),
        "forest": " ".join(text.get_text() for text in found.figure.subfigs[1].axes[0].texts),
        "lines": "\n".join(map(repr, runs)),
    }


def told(text):
    return [float(number) for number in NUMBER.findall(text)]


@pytest.mark.parametrize("factor", [4e-7, 1e-3, 3e9])
def test_everything_that_people_read_has_as_many_digits_in_another_unit(small_table, tmp_path, factor):
    usual, scaled = (places_of(small_table, tmp_path / str(one), one) for one in (1, factor))
    for place, text in scaled.items():
        assert not re.search(r"(?<![\d.])[+-]?0\.0000?(?![\de])", re.sub(r"p [<0]+\S*", "", text)), (place, text)
        assert not re.search(r"\d{8}", re.sub(r"[0-9a-f]{8,}", "", text)), (place, text)
        if place in ("sentences", "forest", "legend", "outcome"):
            pairs = zip(told(usual[place]), told(text), strict=False)
            ratios = [new / old for old, new in pairs if abs(old) > 0.05 and old != new]
            assert ratios, place
            assert np.allclose(ratios, factor, rtol=0.05), (place, usual[place], text)


def test_the_real_tables_numbers_stay_as_they_are(red_wine, tmp_path):
    for seed in range(2):
        for rate, error in ((0, 0.505), (0.3, 0.602)):
            fabricate.save(tmp_path, red_wine, error=error, seed=seed, dropout=rate)
    text = shown(compare(tmp_path)) + summary(load_runs(tmp_path)[0])
    assert "e-0" not in text
    assert not re.search(r"\d\.\d{5}", text)
    assert re.search(r"0\.5\d{3} \[0\.\d{4}, 0\.\d{4}\]", text)
    assert re.search(r"val MAE \+0\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\]", text)
