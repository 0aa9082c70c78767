"""Runs as they were saved: whole directories, or what a history CSV or a mailed picture holds of one."""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from wineexp.errors import RunError, SpecError
from wineexp.runs.curves import read_png
from wineexp.runs.directory import HISTORY, RECORD, Run, find_runs
from wineexp.specs.run_spec import RunSpec

__all__ = ["Saved", "load"]


@dataclass(frozen=True)
class Saved:
    """One run as it was found.

    Attributes
    ----------
    path : Path
        The directory or the file.
    label : str
        Its name, or the settings that differ from the defaults; a CSV's own name where nothing is known.
    record : dict
        run.json; less of it from a picture; empty from a CSV that stands alone.
    history : pandas.DataFrame
        ``epoch, loss, val_loss``.
    predictions : pandas.DataFrame or None
        ``row, actual, predicted, twin``; None from a file, and unless the run is done.
    """

    path: Path
    label: str
    record: dict[str, Any] = field(repr=False)
    history: pd.DataFrame = field(repr=False)
    predictions: pd.DataFrame | None = field(default=None, repr=False)

    @cached_property
    def spec(self) -> RunSpec | None:
        """The run's spec, None where it is not known."""
        return RunSpec.parse(self.record["spec"]) if self.record else None

    @property
    def status(self) -> str:
        return str(self.record.get("status", "done"))

    @property
    def metrics(self) -> dict[str, Any]:
        return self.record.get("metrics") or {}

    @property
    def data(self) -> dict[str, Any]:
        """What is known of the table: kind, fingerprint, row counts."""
        return self.record.get("data") or {}


def load(paths: Sequence[Path], damaged: Callable[[RunError], None] | None = None) -> list[Saved]:
    """Read run directories, folders of them, history CSVs and curves PNGs, in any mix.

    Parameters
    ----------
    paths : sequence of Path
    damaged : callable, optional
        Told of what cannot be read within a folder; a run that is named itself raises instead.

    Returns
    -------
    list of Saved
        In the order given, those of a folder by name; the same run given twice stands once, the whole
        directory before a file of it.

    Raises
    ------
    RunError
        For a path that is absent, holds no run, or is neither CSV nor PNG of ours.
    """
    found: dict[str, Saved] = {}
    for saved in (saved for path in paths for saved in _load(path, damaged)):
        key = str(saved.record.get("signature") or saved.path.resolve())
        if key not in found or (found[key].predictions is None and saved.predictions is not None):
            found[key] = saved
    return list(found.values())


def _load(path: Path, damaged: Callable[[RunError], None] | None) -> Iterator[Saved]:
    if path.is_dir():
        if (path / RECORD).exists():
            yield _checked(_directory(Run(path)))
            return
        runs = list(find_runs(path, damaged))
        if not runs:
            raise RunError(f"{path}: expected a run directory or a folder of them; found no {RECORD} in it")
        yield from map(_checked, map(_directory, runs))
    elif not path.exists():
        raise RunError(f"{path}: no such file or directory")
    elif path.suffix.lower() == ".png":
        yield _checked(_picture(path))
    elif path.suffix.lower() == ".csv":
        yield _checked(_csv(path))
    else:
        raise RunError(f"{path}: expected a run directory, a folder of them, a history.csv or a curves.png")


def _checked(saved: Saved) -> Saved:
    """``saved``, whose record a stranger may have written; raise ``RunError`` where it makes no sense."""
    try:
        assert saved.spec is not None or not saved.record
        facts = [saved.metrics.items(), saved.data.items(), (saved.record.get("timing") or {}).items()]
        if not all(isinstance(fact, ItemsView) for fact in facts) or not {"epoch", "loss", "val_loss"} <= {
            *saved.history
        }:
            raise ValueError("metrics, data or history")
        saved.history.astype(float)
        if saved.status == "done" and saved.history.empty:
            raise ValueError("a finished run without epochs")
        if saved.predictions is not None and not np.isfinite(saved.predictions.to_numpy(np.float64)).all():
            raise ValueError("predictions that are no numbers")
    except (SpecError, KeyError, ValueError, TypeError, AttributeError) as error:
        text = "; ".join(str(error).splitlines()) or type(error).__name__
        raise RunError(f"{saved.path}: what it says of its run makes no sense: {text}") from None
    return saved


def _directory(run: Run) -> Saved:
    predictions = None
    if run.status == "done":
        predictions = _read(run.predictions_path, ("row", "actual", "predicted", "twin"))
    return Saved(run.path, run.spec.label(), run.record, _history(run.history_path), predictions)


def _picture(path: Path) -> Saved:
    curve = read_png(path)
    return Saved(path, curve.label, curve.record, curve.history)


def _csv(path: Path) -> Saved:
    """A history alone; the run that it lies in says whose it is."""
    history = _history(path)
    if path.name == HISTORY and (path.parent / RECORD).exists():
        run = Run(path.parent)
        return Saved(path, run.spec.label(), run.record, history)
    name = path.parent.resolve().name if path.name == HISTORY else path.stem
    return Saved(path, re.sub(r"[^\x20-\x7e\w]", "", name), {}, history)


def _history(path: Path) -> pd.DataFrame:
    return _read(path, ("epoch", "loss", "val_loss"))


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        # As text, which Python's float reads exactly in every version of pandas.
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
        missing = [name for name in columns if name not in frame]
        if missing:
            raise ValueError(f"expected columns {', '.join(columns)}; found {', '.join(map(str, frame.columns))}")
        whole = ("epoch", "row", "twin")
        return frame[list(columns)].astype({name: int if name in whole else float for name in columns})
    except (OSError, ValueError) as error:  # pandas' own parser errors are ValueErrors
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: cannot be read: {text}") from None
