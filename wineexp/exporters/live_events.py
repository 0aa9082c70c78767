"""The event file of a run that trains: appended to, so that TensorBoard shows it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from wineexp import files
from wineexp.errors import ExportError
from wineexp.exporters.events import Moment, begun, epoch_summary, records, settings
from wineexp.runs.result import LOSS_COLUMNS
from wineexp.specs.run_spec import RunSpec

__all__ = ["LiveEvents"]

#: Least time between two writings: of quick epochs many are written at once, and training does not wait.
WRITE_SECONDS = 1.0


class LiveEvents:
    """One run's file. Every write appends whole records, so a reader never meets half of one for long.

    Attributes
    ----------
    path : Path
        It keeps its name to the end: a reader would take a renamed file for another one.
    start : float
        When its first epoch was heard of.
    epochs : int
        Those that it has, or that are about to be written.

    Raises
    ------
    ExportError
        From every method, where it cannot be written.
    """

    def __init__(self, folder: Path, spec: RunSpec, signature: str) -> None:
        self.start = time.time()
        self.path = folder / f"events.out.tfevents.{self.start:.0f}.live.wineexp"
        self.epochs = 0
        self._unwritten: list[Moment] = []
        with files.refusing(folder, ExportError):
            folder.mkdir(parents=True, exist_ok=True)
            for old in folder.glob("events.out.tfevents.*.wineexp"):  # of an earlier training
                old.unlink()
        self._append(begun(self.start) + records([settings(spec, signature, self.start)]))

    def hear(self, epoch: int, losses: Sequence[float]) -> bool:
        """Take an epoch, counted from 0; False where it does not follow those before, so that some are missing."""
        if epoch != self.epochs:
            return False
        self.epochs += 1
        values = dict(zip(LOSS_COLUMNS, losses, strict=False))
        self._unwritten.append((time.time(), epoch, epoch_summary(values)))
        if epoch == 0 or time.monotonic() - self._written >= WRITE_SECONDS:
            self._append(self._taken())
        return True

    def finish(self, rest: bytes) -> None:
        """Write what is left, then ``rest``."""
        self._append(self._taken() + rest)

    def _taken(self) -> bytes:
        content = records(self._unwritten)
        self._unwritten.clear()
        return content

    def _append(self, content: bytes) -> None:
        with files.refusing(self.path, ExportError), self.path.open("ab", buffering=0) as file:
            file.write(content)
        self._written = time.monotonic()
