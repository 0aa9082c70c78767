"""Options as values: a command or a public function fills them once, and use cases take them whole."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from wineexp.errors import SelectionError
from wineexp.specs.fields import Judge, JudgedRows, ScoreChoice

if TYPE_CHECKING:
    import pandas as pd

    from wineexp.comparison.comparison import Layout
    from wineexp.comparison.scale import Metric, Style

__all__ = ["Drawing", "Judging", "PathLike", "Sending", "Source", "Where"]

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Source:
    """The table, the folder of run directories, and which of its runs are trained again.

    Attributes
    ----------
    data : path-like, DataFrame or None
        None: the table that ``wineexp data`` shows.
    sep : str or None
        The CSV file's separator; None: it is found from the content.
    out : path-like
    force, skip_failed : bool
        Train finished runs again; leave failed ones alone.
    """

    data: PathLike | pd.DataFrame | None = None
    sep: str | None = None
    out: PathLike = "outputs"
    force: bool = False
    skip_failed: bool = False

    @property
    def folder(self) -> Path:
        return Path(self.out)


@dataclass(frozen=True)
class Where:
    """Where a config's runs are trained, and how failures are handled.

    Attributes
    ----------
    jobs : int or None
        Worker processes; None: one per core, as memory allows; 0: this process.
    dask : str or None
        A Dask scheduler's address, instead of ``jobs``.
    timeout : float or None
        Limit for a run's seconds in a worker.
    retries : int
        How often to retry a run whose worker died.
    fail_fast, keep_model : bool
        Stop at the first run that fails; save each model.
    """

    jobs: int | None = None
    dask: str | None = None
    timeout: float | None = None
    retries: int = 1
    fail_fast: bool = False
    keep_model: bool = True

    def check(self) -> None:
        """Raise ``SelectionError`` if these cannot be combined, or are out of range."""
        if self.jobs is not None and self.jobs < 0:
            raise SelectionError(f"jobs: expected a whole number of at least 0, found {self.jobs}")
        if self.timeout is not None and not self.timeout > 0:
            raise SelectionError(f"timeout: expected seconds above 0, found {self.timeout:g}")
        if self.retries < 0:
            raise SelectionError(f"retries: expected a whole number of at least 0, found {self.retries}")
        if self.dask is not None and self.jobs is not None:
            raise SelectionError("jobs and dask: expected only one of them; a cluster has its own workers")
        if self.jobs == 0 and self.timeout is not None:
            raise SelectionError("timeout: needs a worker process that can be stopped; with jobs 0 there is none")


@dataclass(frozen=True)
class Sending:
    """Where runs are sent besides their directories.

    Attributes
    ----------
    tensorboard : path-like or None
        A folder for event files.
    mlflow : str or None
        The address of an MLflow server; empty for ``$MLFLOW_TRACKING_URI``.
    experiment : str or None
        MLflow's; None: ``$MLFLOW_EXPERIMENT_NAME``, else the study's name.
    """

    tensorboard: PathLike | None = None
    mlflow: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class Judging:
    """What variants are compared with, by which score, and the size below which a difference does not matter.

    Attributes
    ----------
    reference : str or None
    margin : float or None
        In the unit of the score.
    judge : str or None
        See :class:`~wineexp.runs.score.Score`; None: as a study's config says, else ``mae``, or ``log_loss`` for
        classes.
    judge_rows : {"valid", "test"} or None
        None: test rows, if the runs have them.
    """

    reference: str | None = None
    margin: float | None = None
    judge: Judge | None = None
    judge_rows: JudgedRows | None = None

    def check(self) -> None:
        """Raise ``SelectionError`` if one of them is none of its legal values."""
        if self.margin is not None and not (isinstance(self.margin, (int, float)) and 0 < self.margin < math.inf):
            raise SelectionError(f"margin: expected a number above 0, in the target's unit; found {self.margin!r}")
        for name, value, legal in (("judge", self.judge, Judge), ("judge_rows", self.judge_rows, JudgedRows)):
            if value is not None and value not in get_args(legal):
                raise SelectionError(f"{name}: expected one of {', '.join(get_args(legal))}; found {value!r}")

    def choice(self, planned: Judge | None = None) -> ScoreChoice:
        """The score: the one asked for, else the ``planned`` one."""
        return ScoreChoice(self.judge or planned, self.judge_rows)


@dataclass(frozen=True)
class Drawing:
    """How curves are drawn; see :func:`wineexp.study`."""

    layout: Layout = "auto"
    metric: Metric = "both"
    smooth: int | None = None
    full_range: bool = False

    def check(self) -> None:
        """Raise ``SelectionError`` for a figure that cannot be drawn like this."""
        from wineexp.comparison.comparison import Layout
        from wineexp.comparison.scale import Metric

        for name, value, legal in (("layout", self.layout, Layout), ("metric", self.metric, Metric)):
            if value not in get_args(legal):
                raise SelectionError(f"{name}: expected one of {', '.join(get_args(legal))}; found {value!r}")
        if self.smooth is not None and not (isinstance(self.smooth, int) and self.smooth > 1):
            raise SelectionError(f"smooth: expected a whole number of epochs from 2, found {self.smooth!r}")

    @property
    def style(self) -> Style:
        from wineexp.comparison.scale import Style

        return Style(self.metric, self.smooth, self.full_range)
