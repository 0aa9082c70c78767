"""A column whose spread is rounding is reported before it is scaled to full size."""

from __future__ import annotations

import numpy as np
import pytest

from wineexp.data.table import Table
from wineexp.execution.plan import check_table
from wineexp.specs.run_spec import RunSpec


def rounded(small_table, base, step):
    values = base + step * np.random.RandomState(3).randint(0, 2, len(small_table.frame))
    return Table(small_table.frame.assign(b=values), "small", "custom")


@pytest.mark.parametrize("scale", ["standard", "minmax"])
@pytest.mark.parametrize(("base", "step"), [(14.62, 8e-15), (1e9, 1e-6), (-3e-7, 1e-22)])
def test_it_is_noted_with_what_to_do(small_table, scale, base, step):
    (note,) = check_table([RunSpec(scale=scale)], rounded(small_table, base, step))[1]
    assert note.startswith("small: column 'b': its values differ by ")
    assert note.endswith("if it is constant, leave it out with --drop b")
    assert scale in note


@pytest.mark.parametrize(
    ("base", "step", "fields"),
    [
        (14.62, 8e-15, {"scale": "standard", "drop": ("b",)}),
        (14.62, 0, {"scale": "standard"}),
        (14.62, 1e-6, {"scale": "standard"}),
        (0, 1e-30, {"scale": "minmax"}),
    ],
)
def test_what_is_not_used_is_constant_or_differs_is_not(small_table, base, step, fields):
    assert check_table([RunSpec(**fields)], rounded(small_table, base, step))[1] == ()


def test_the_real_table_has_none(red_wine):
    assert check_table([RunSpec(scale=scale) for scale in ("standard", "minmax")], red_wine)[1] == ()
