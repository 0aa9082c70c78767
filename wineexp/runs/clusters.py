"""Which judged rows of a run belong together: as its predictions say, or else its table."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from wineexp.data.encoding import check_columns
from wineexp.data.sources import at_hand
from wineexp.data.split import cluster_labels
from wineexp.data.table import is_recorded
from wineexp.errors import DataError
from wineexp.runs.run import Run

__all__ = ["clusters_of"]


def clusters_of(run: Run, predictions: pd.DataFrame) -> pd.Series | None:
    """The label of each row's cluster, by row of the table, for rows of a run; None if they are not known.

    Runs of earlier versions did not write them: then they are those of the run's table, if that is at hand.
    """
    rows = pd.Index(predictions["row"].to_numpy(), name="row")
    if "cluster" in predictions:
        return pd.Series(predictions["cluster"].to_numpy(), rows)
    if not run.is_recorded:
        return None
    try:
        return pd.Series(_of_table(_Asked(run))[rows], rows)
    except DataError:
        return None


class _Asked:
    """A run, as a key: equal to those of the same table in which the same rows belong together."""

    def __init__(self, run: Run) -> None:
        self.run = run
        spec, data = run.spec, run.record.data
        self._key = data.identity, data.sources, spec.target, spec.group

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Asked) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=16)
def _of_table(asked: _Asked) -> npt.NDArray[np.int64]:
    """The cluster of each row of the table, shape (rows,); raise ``DataError`` if it is not at hand.

    What is raised is not kept: the table may be found the next time.
    """
    run = asked.run
    table = at_hand(run.record.data)
    if table is None or not is_recorded(table, run.record.data):
        raise DataError(f"expected the table of {run.path}, found none")
    return cluster_labels(table, check_columns(table, run.spec), run.spec)
