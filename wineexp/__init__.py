"""wineexp: does dropout help on this table? does batch normalization, and before or after the activation?

The public names are imported on first use, so that ``import wineexp`` takes no time.
"""

from __future__ import annotations

import os
import sys

# Like `typing.TYPE_CHECKING`; importing `typing` takes as long as everything else before Ctrl-C is answered.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from wineexp.api.comparing import compare, report
    from wineexp.api.explaining import why
    from wineexp.api.inspecting import inspect
    from wineexp.api.removing import remove
    from wineexp.api.saved_run import SavedRun, diff, load_runs, predict
    from wineexp.api.sending import export
    from wineexp.api.studying import study
    from wineexp.api.training import batch, train
    from wineexp.errors import DataError, RunError, SpecError, WineexpError
    from wineexp.specs.run_spec import RunSpec

__all__ = [
    "DataError",
    "RunError",
    "RunSpec",
    "SavedRun",
    "SpecError",
    "WineexpError",
    "batch",
    "compare",
    "diff",
    "export",
    "inspect",
    "load_runs",
    "predict",
    "remove",
    "report",
    "study",
    "train",
    "why",
]

#: Name -> its module.
_ROOMS = {
    "RunSpec": "specs.run_spec",
    **dict.fromkeys(("DataError", "RunError", "SpecError", "WineexpError"), "errors"),
    **dict.fromkeys(("batch", "train"), "api.training"),
    **dict.fromkeys(("compare", "report"), "api.comparing"),
    "study": "api.studying",
    **dict.fromkeys(("SavedRun", "diff", "load_runs", "predict"), "api.saved_run"),
    "export": "api.sending",
    "remove": "api.removing",
    "inspect": "api.inspecting",
    "why": "api.explaining",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'wineexp' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"wineexp.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return __all__


def _note_fork() -> None:
    if "tensorflow" in sys.modules:
        from wineexp import runtime

        runtime.note_fork()


os.register_at_fork(after_in_child=_note_fork)
