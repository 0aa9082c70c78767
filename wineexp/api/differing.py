"""Two single runs side by side, as ``wineexp diff`` shows them."""

from __future__ import annotations

from wineexp.api.inputs import PathLike, read_run
from wineexp.runs.difference import Difference, difference
from wineexp.runs.directory import Run
from wineexp.runs.reader import check_run

__all__ = ["diff"]


def diff(first: Run | PathLike, second: Run | PathLike, *, out: PathLike = "outputs") -> Difference:
    """Two runs side by side: the settings that differ, then their metrics. No verdict: :func:`compare` judges.

    Parameters
    ----------
    first, second : SavedRun or path-like
        A run, its directory or a file of it; or its directory name, signature, label or study in ``out``.
    out : path-like
        The folder in which runs are looked for by name.

    Returns
    -------
    Difference
        With ``pairs`` (``part``, ``key``, ``first``, ``second``, ``difference``: the second minus the first),
        ``rows()`` and ``notes``.

    Raises
    ------
    RunError
        When there is no such run, several go by a name, or one is damaged.

    Examples
    --------
    >>> import wineexp
    >>> plain = wineexp.train(widths=8, epochs=2, data="simulated")
    >>> dropped = wineexp.train(widths=8, epochs=2, dropout=0.3, data="simulated")
    >>> [(pair.key, pair.first, pair.second) for pair in wineexp.diff(plain, dropped).part("setting")]
    [('dropout', 0.0, 0.3)]
    """
    runs = [Run(read_run(run, out)) for run in (first, second)]
    for run in runs:
        check_run(run)
    return difference(*runs)
