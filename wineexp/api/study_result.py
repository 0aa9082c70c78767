"""What a study found, and how a notebook shows it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wineexp.api.loading import SavedRuns
from wineexp.comparison.comparison import Comparison
from wineexp.notebook.render import to_html
from wineexp.runs.display import counted, runs_card
from wineexp.text import one_line

__all__ = ["StudyResult"]

#: What is said of a study that was interrupted.
INTERRUPTED = "interrupted; the same call trains the rest"


@dataclass(frozen=True)
class StudyResult:
    """The result of a study.

    Attributes
    ----------
    runs : list of SavedRun
        In the config's order; fewer than planned after an interruption.
    comparison : Comparison or None
        None if it was interrupted; the same call then trains the rest.
    folder : Path
        Where ``compare.png``, ``compare.csv`` and ``report.html`` are, and ``study.json``, which lists its runs;
        with ``overrides`` a folder of its own.
    """

    runs: SavedRuns
    comparison: Comparison | None
    folder: Path

    def __repr__(self) -> str:
        return one_line(f"StudyResult({self._told()}; {self.comparison or INTERRUPTED})")

    def _repr_html_(self) -> str:
        if self.comparison is None:
            card = runs_card(self.runs)
            return to_html(replace(card, lines=(*card.lines, INTERRUPTED)))
        card = self.comparison.card(self.folder.name)
        return to_html(replace(card, lines=(*card.lines, self._told())))

    def _told(self) -> str:
        return f"{counted(self.runs)}; files in {self.folder}/"
