"""A run on the disk, from plan to comparison."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wineexp.errors import NoRunError, RunError
from wineexp.runs.directory import (
    CURVES,
    ERROR,
    HISTORY,
    MODEL,
    PREDICTIONS,
    RECORD,
    read_bounded,
    run_folders,
)
from wineexp.runs.record import Metrics, Record, Status
from wineexp.specs.run_spec import RunSpec

if TYPE_CHECKING:  # these load pandas
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from wineexp.runs.history_file import LoneHistory
    from wineexp.runs.prediction_file import LonePredictions
    from wineexp.runs.tables import Tables

__all__ = ["Run", "find_runs", "readable_runs"]


@dataclass(frozen=True)
class Run:
    """A run on the disk. Its record and tables are read and checked once, on first use, and kept.

    Usually it has a directory. A run that is only compared may be a single file: a picture, or a history.

    Attributes
    ----------
    path : Path
        Its directory, or that file.
    number : int or None
        From 1, in a history file of several trainings.
    alone : LoneHistory, LonePredictions or None
        A history or predictions without a run directory: nothing else is known of its run.
    """

    path: Path
    number: int | None = field(default=None, repr=False)
    alone: LoneHistory | LonePredictions | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of_file(cls, path: Path, record: Record, history: pd.DataFrame) -> Run:
        """A run of which one file is given, with the record that belongs to it."""
        from wineexp.runs.tables import Tables

        run = cls(path)
        vars(run).update(record=record, _tables=Tables(history))  # known, so not read
        return run

    @property
    def history_path(self) -> Path:
        return self.path / HISTORY

    @property
    def curves_path(self) -> Path:
        return self.path / CURVES

    @property
    def predictions_path(self) -> Path:
        return self.path / PREDICTIONS

    @property
    def model_path(self) -> Path:
        return self.path / MODEL

    @property
    def error_path(self) -> Path:
        return self.path / ERROR

    @cached_property
    def record(self) -> Record:
        """run.json; raise ``RunError`` if it is absent or damaged."""
        file = self.path / RECORD
        try:
            content = read_bounded(file)
        except RunError:
            if file.exists():
                raise
            raise NoRunError(f"{self.path}: no run here: expected a directory with {RECORD}") from None
        return Record.of_file(content, file)

    @property
    def is_recorded(self) -> bool:
        """Whether it has a record, and so a spec: a lone history has none, nor have lone predictions."""
        return self.alone is None

    @property
    def spec(self) -> RunSpec:
        return self.record.spec

    @property
    def seed(self) -> int:
        """Its spec's; of lone predictions, as they say or a number below 0 of their own."""
        return self.record.spec.seed if self.alone is None else self.alone.seed

    @property
    def split_seed(self) -> int:
        return self.record.spec.split_number if self.alone is None else self.alone.split

    @property
    def has_classes(self) -> bool:
        """Whether it predicts classes; of a lone history that is not known."""
        return self.record.spec.has_classes if self.alone is None else self.alone.has_classes

    @property
    def is_fixed(self) -> bool:
        """Whether training it again is known to change nothing."""
        return self.alone is not None and self.alone.is_fixed

    @property
    def status(self) -> Status:
        return "done" if self.alone else self.record.status

    @property
    def label(self) -> str:
        """Its name, or the settings that differ from the defaults; for a lone history, the file's name."""
        if self.alone is None:
            return self.record.label
        if self.alone.name:
            return self.alone.name
        name = self.path.parent.resolve().name if self.path.name == HISTORY else self.path.stem
        name = re.sub(r"[^\x20-\x7e\w]", "", name)
        return name if self.number is None else f"{name}, training {self.number}"

    @property
    def signature(self) -> str:
        return self.record.signature

    @property
    def known_metrics(self) -> Metrics:
        """The record's; for a lone history, those that follow from its losses."""
        return self.alone.metrics if self.alone else self.record.metrics

    @property
    def history(self) -> pd.DataFrame:
        """``epoch, loss, val_loss``, with ``eval_train`` ``train_loss``, with classes ``accuracy, val_accuracy``.

        Epochs are counted from 0. A lone history has its own epochs.
        """
        return self.alone.history if self.alone else self._tables.history

    @property
    def predictions(self) -> pd.DataFrame | None:
        """``row, actual, predicted, twin`` of each validation row; None unless done, and for a single file.

        With ``mc_passes`` also ``predicted_mc`` and ``predicted_mc_sd``; of classes the probability of each label.
        """
        return self.alone.predictions if self.alone else self._tables.predictions

    @property
    def test_predictions(self) -> pd.DataFrame | None:
        """The same of each test row, if there are any."""
        return None if self.alone else self._tables.test_predictions

    @cached_property
    def _tables(self) -> Tables:
        return self.read_tables()

    def read_tables(self) -> Tables:
        """Its tables, without keeping them; raise ``RunError`` if one is damaged or contradicts the record."""
        from wineexp.runs.tables import read_tables

        return read_tables(self.path, self.record)

    def written(self, loss: str) -> npt.NDArray[np.bool_]:
        """For each row of the history, whether the run wrote this loss there, even if it was not a number."""
        import numpy as np

        return np.ones(len(self.history), bool) if self.alone is None else ~self.alone.gaps[loss].to_numpy(bool)


def find_runs(folder: Path, damaged: Callable[[RunError], None] | None = None) -> Iterator[Run]:
    """The runs directly below ``folder``, by name; those with an unreadable record go to ``damaged``."""
    return readable_runs(run_folders(folder), damaged)


def readable_runs(paths: Iterable[Path], damaged: Callable[[RunError], None] | None = None) -> Iterator[Run]:
    """The runs of these directories; those with an unreadable record go to ``damaged``."""
    for path in paths:
        run = Run(path)
        try:
            run.record  # noqa: B018 - reads and checks it
        except NoRunError:
            continue
        except RunError as error:
            if damaged is not None:
                damaged(error)
            continue
        yield run
