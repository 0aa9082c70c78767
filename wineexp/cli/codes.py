"""Exit codes of commands that train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wineexp.runs.directory import Run

__all__ = ["exit_code"]


def exit_code(planned: int, runs: Sequence[Run], *, unsent: bool = False) -> int:
    """0 when all that was planned is done (and sent), 1 when something failed, 130 when it was interrupted."""
    states = {run.status for run in runs}
    if "interrupted" in states:
        return 130
    if "failed" in states:
        return 1
    if len(runs) < planned:
        return 130
    return 1 if unsent else 0
