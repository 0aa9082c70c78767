"""A figure, a page and a title claim only what every curve in them has."""

from __future__ import annotations

import re
from itertools import chain, combinations

import numpy as np
import pytest
from support import fabricate

from wineexp.comparison.comparison import compare_runs
from wineexp.comparison.scale import Style, loss_axis_of, shared_scale
from wineexp.page.render import render
from wineexp.runs.curves import TOP
from wineexp.runs.reader import load

ORIGINS = ("mae", "dropout", "mse", "unknown", "other unknown")
NAMES = {"mae": "mean absolute error", "mse": "mean squared error"}


@pytest.fixture(scope="module")
def origins(small_table, tmp_path_factory):
    """Runs of two losses, and CSVLogger files of unknown origin."""
    out = tmp_path_factory.mktemp("origins")
    found = {
        "mae": fabricate.save(out, small_table).path,
        "dropout": fabricate.save(out, small_table, dropout=0.3).path,
        "mse": fabricate.save(out, small_table, loss="mse").path,
    }
    for name, last in (("unknown", 30.0), ("other unknown", 0.2)):
        found[name] = out / f"{name}.csv"
        found[name].write_text(f"epoch,loss,val_loss\n0,50,40\n1,{last},{last}\n")
    return found


def subsets():
    return list(chain.from_iterable(combinations(ORIGINS, count) for count in range(1, len(ORIGINS) + 1)))


def upper(fig):
    return fig.subfigs[0] if fig.subfigs else fig


def words_of(fig):
    """All that stands in a figure."""
    part = upper(fig)
    texts = [text.get_text() for text in part.texts]
    for ax in part.axes:
        if ax.get_visible():
            texts += [ax.get_title(loc="left"), *(text.get_text() for text in ax.texts)]
    return texts + [text.get_text() for legend in part.legends for text in legend.get_texts()]


@pytest.mark.parametrize("chosen", subsets(), ids="+".join)
def test_axis_constant_title_and_settings_are_those_of_all_curves(origins, chosen):
    found = compare_runs(load([origins[name] for name in chosen]))
    losses = {"mae" if name == "dropout" else "unknown" if "unknown" in name else name for name in chosen}
    unknown = sum("unknown" in name for name in chosen)
    for layout in ("overlay", "grid"):
        fig = found.draw(layout=layout)
        ax = next(ax for ax in upper(fig).axes if ax.get_visible())
        texts = words_of(fig)
        constants = [text for text in texts if text.startswith("always predicting")]
        lines = [line for line in ax.lines if str(line.get_label()).startswith("always predicting")]
        if "unknown" in losses:
            assert ax.get_ylabel() == "loss"
            assert constants == lines == []
            assert ax.get_ylim()[1] > 40, "every curve is in sight"
        elif len(losses) > 1:
            assert ax.get_ylabel() == "loss / the constant predictor's loss"
            assert ax.get_ylim() == (0, TOP)
        else:
            assert ax.get_ylabel() == NAMES[next(iter(losses))]
            assert len(constants) == len(lines) == 1
        assert any(text.startswith("all: ") for text in texts) == (not unknown)
        assert any("dropout on" in text for text in texts) == ("dropout" in chosen and not unknown)
    known = len(chosen) - unknown
    table = "a table of your own"
    if unknown and known:
        assert found.title == f"{len(chosen)} variants: {known} on {table}, {unknown} of unknown origin"
    else:
        where = "an unknown table" if unknown else table
        assert found.title == f"{len(chosen)} variant{'s' if len(chosen) > 1 else ''} on {where}"


@pytest.mark.parametrize(
    "chosen", [("mae", "unknown"), ("mae", "mse", "unknown"), ("mae", "dropout"), ("unknown",)]
)
def test_the_page_claims_no_more(origins, chosen):
    page = render(compare_runs(load([origins[name] for name in chosen])))
    known = "unknown" not in chosen
    assert ("Dotted: always predicting one constant" in page) == known
    assert ("What all variants share" in page) == known
    assert ("What those of known settings share" in page) == (not known and len(chosen) > 1)
    assert ("mean absolute error" in re.sub(r"<th[^>]*>|<td[^>]*>", "", page)) == known


def test_over_splits_the_constant_is_their_mean_and_says_so(small_table, tmp_path):
    for seed in range(6):
        fabricate.save(tmp_path, small_table, split_seed=seed)
    found = compare_runs(load([tmp_path]))
    constants = [run.record.metrics.baseline_loss for run in found.runs]
    (told,) = [text for text in words_of(found.figure) if text.startswith("always predicting")]
    assert told == f"always predicting the training median: {np.mean(constants):.3f}, the mean over splits"


def test_the_axis_of_runs_of_one_loss_on_one_table_stays_that_of_their_constant(origins):
    found = compare_runs(load([origins["mae"], origins["dropout"]]))
    scale = shared_scale(found.variants)
    assert scale.baseline == found.runs[0].record.metrics.baseline_loss
    assert loss_axis_of(found.variants, scale, Style()).top == TOP * scale.baseline
