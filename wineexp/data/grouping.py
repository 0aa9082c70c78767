"""Rows that stay on one side of a split: identical rows, and rows of the same group."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.table import Table
from wineexp.specs.run_spec import RunSpec

__all__ = ["identity", "row_groups", "whole_groups"]

Labels = npt.NDArray[np.int64]


def identity(table: Table, columns: Collection[str], spec: RunSpec) -> list[str]:
    """The columns in which identical rows agree.

    All columns of the table, used or not, so that leaving out a feature does not change the split; except the
    group, as the same row may occur in two, and unused columns that differ in every row, as IDs do.

    Parameters
    ----------
    table : Table
    columns : collection of str
        The columns that the features are made from.
    spec : RunSpec
    """
    used = {*columns, spec.target}
    unused = [name for name in table.frame.columns if name not in used and name != spec.group]
    ignored = {name for name in unused if name in table.distinct} | {spec.group}
    return [name for name in table.frame.columns if name not in ignored]


def row_groups(table: Table, columns: Collection[str], spec: RunSpec) -> Labels:
    """The number of each row's group, shape (rows,); groups are numbered in the order of their first rows.

    Rows are in one group if they are identical, have the same value of ``spec.group``, or are linked so through
    other rows.
    """
    frame = table.frame
    same = np.asarray(frame.groupby(identity(table, columns, spec), sort=False).ngroup(), dtype=np.int64)
    if spec.group is None:
        return same
    from scipy.sparse import coo_array  # other splits do not need it, and it would delay their start
    from scipy.sparse.csgraph import connected_components

    groups = pd.factorize(frame[spec.group])[0].astype(np.int64)
    nodes = int(groups.max()) + 1
    edges = coo_array((np.ones(len(frame)), (groups, nodes + same)), shape=(nodes + len(frame),) * 2)
    labels = connected_components(edges, directed=False)[1][groups]
    return np.asarray(pd.factorize(labels)[0], dtype=np.int64)


def whole_groups(frame: pd.DataFrame, groups: Labels, fraction: float, seed: int) -> pd.DataFrame:
    """Rows of ``frame``, shuffled, in whole groups: as near to this share of the rows as the last group allows.

    Parameters
    ----------
    groups : int64, shape (rows of ``frame``,)
    fraction : float
    seed : int
    """
    group = pd.factorize(groups)[0]
    order = np.random.RandomState(seed).permutation(group.max() + 1)
    filled = np.bincount(group)[order].cumsum()
    chosen = order[: np.searchsorted(filled, fraction * len(frame), side="left") + 1]
    # The last group may overshoot; leave it out if that comes closer to the requested share.
    if len(chosen) > 1 and filled[len(chosen) - 1] + filled[len(chosen) - 2] > 2 * fraction * len(frame):
        chosen = chosen[:-1]
    return frame[np.isin(group, chosen)].sample(frac=1.0, random_state=seed)
