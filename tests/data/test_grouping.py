"""Rows that stay together: the laws of a grouped split, and one by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wineexp.data.split import identity, row_groups, split_table, whole_groups
from wineexp.data.table import Table, table_of_frame
from wineexp.errors import DataError
from wineexp.specs.run_spec import RunSpec

GROUPED = {"split": "grouped", "group": "artist"}


def test_groups_by_hand():
    """ABBA's first row is Queen's last, so their groups are one."""
    frame = pd.DataFrame(
        {
            "artist": ["ABBA", "ABBA", "Queen", "Queen", "Björk", "Nico", "Cher", "Cher"],
            "a": [1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 6.0, 7.0],
            "quality": [1.0, 2.0, 3.0, 1.0, 4.0, 5.0, 6.0, 7.0],
        }
    )
    table, spec = table_of_frame(frame), RunSpec(**GROUPED)
    groups = row_groups(table, ["a"], spec)
    assert groups.tolist() == [0, 0, 0, 0, 1, 2, 3, 3]
    # RandomState(0).permutation(4) is 2, 3, 1, 0: half of 8 rows are those of Nico, Cher and Björk
    assert np.random.RandomState(0).permutation(4).tolist() == [2, 3, 1, 0]
    assert sorted(whole_groups(table.frame, groups, 0.5, 0).index) == [4, 5, 6, 7]
    # a third of 8 rows, 2.67: with Nico 1, with Cher 3, which is nearer
    assert sorted(whole_groups(table.frame, groups, 1 / 3, 0).index) == [5, 6, 7]


@given(
    rows=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 40), st.integers(0, 40)), min_size=20, max_size=80),
    fraction=st.floats(0.3, 0.6),
    test=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 50),
    numbers=st.booleans(),
)
def test_a_group_and_identical_rows_stay_on_one_side(rows, fraction, test, seed, numbers):
    frame = pd.DataFrame(rows, columns=["artist", "a", "quality"], dtype=float)
    if not numbers:
        frame["artist"] = frame["artist"].map("artist {:g}".format)
    table = table_of_frame(frame)
    spec = RunSpec(**GROUPED, train_fraction=fraction, test_fraction=test, split_seed=seed)
    sizes = np.bincount(row_groups(table, ["a"], spec))
    try:
        split = split_table(table, spec)
    except DataError:  # the target is constant, or one group leaves a side empty
        assert frame["quality"].nunique() == 1 or sizes.max() > 0.1 * len(frame)
        return
    sides = [split.train_rows, split.valid_rows, split.test_rows]
    assert sorted(np.concatenate(sides)) == list(range(len(frame)))
    assert abs(len(split.train_rows) - fraction * len(frame)) <= sizes.max()
    assert not split.twins.any()
    assert not split.test_twins.any()
    for column in (["artist"], ["a", "quality"]):
        values = [set(map(tuple, frame[column].to_numpy()[rows].tolist())) for rows in sides]
        assert not values[0] & values[1]
        assert not values[0] & values[2]
        assert not values[1] & values[2]
    again = split_table(table, spec)
    np.testing.assert_array_equal(again.train_rows, split.train_rows)
    whole = split_table(table, spec.model_copy(update={"test_fraction": 0.0}))
    np.testing.assert_array_equal(whole.train_rows, split.train_rows)


@given(seed=st.integers(0, 30), fraction=st.floats(0.3, 0.7))
def test_without_a_group_it_is_the_split_that_it_was(seed, fraction):
    """As wineexp 0.1.0 drew it."""
    random = np.random.RandomState(seed)
    frame = pd.DataFrame(random.randint(0, 6, (80, 3)).astype(float), columns=["a", "b", "quality"])
    group = frame.groupby(list(frame.columns), sort=False).ngroup().to_numpy()
    order = np.random.RandomState(seed).permutation(group.max() + 1)
    filled = np.bincount(group)[order].cumsum()
    chosen = order[: np.searchsorted(filled, fraction * len(frame), side="left") + 1]
    if len(chosen) > 1 and filled[len(chosen) - 1] + filled[len(chosen) - 2] > 2 * fraction * len(frame):
        chosen = chosen[:-1]
    expected = frame[np.isin(group, chosen)].sample(frac=1.0, random_state=seed)
    spec = RunSpec(split="grouped", train_fraction=fraction, split_seed=seed)
    np.testing.assert_array_equal(split_table(table_of_frame(frame), spec).train_rows, expected.index)


@pytest.mark.parametrize("split", ["random", "grouped"])
def test_leaving_out_a_feature_leaves_the_split_and_its_twins(red_wine: Table, split):
    whole = split_table(red_wine, RunSpec(split=split))
    less = split_table(red_wine, RunSpec(split=split, drop=("alcohol", "pH")))
    np.testing.assert_array_equal(whole.train_rows, less.train_rows)
    np.testing.assert_array_equal(whole.twins, less.twins)
    assert less.x_train.shape[1] == 9


def test_an_id_that_is_left_out_hides_no_twins(red_wine: Table):
    frame = red_wine.frame.assign(id=[f"w{n}" for n in range(len(red_wine.frame))])
    table = table_of_frame(frame)
    plain, without = RunSpec(split="grouped"), RunSpec(split="grouped", drop=("id",))
    np.testing.assert_array_equal(split_table(table, without).train_rows, split_table(red_wine, plain).train_rows)
    assert "id" in identity(table, [*red_wine.frame.columns[:-1], "id"], plain)


def test_too_few_groups_are_counted():
    frame = pd.DataFrame({"artist": ["x"] * 9 + ["y"], "a": np.arange(10.0), "quality": np.arange(10.0)})
    with pytest.raises(DataError, match=r"10 rows in 2 groups are too few to split by 0.7"):
        split_table(table_of_frame(frame), RunSpec(**GROUPED))
