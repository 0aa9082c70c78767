"""wineexp: does dropout help on this table? does batch normalization, and before or after the activation?

The public names are imported at their first use, so that ``import wineexp`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wineexp.api import SavedRun, batch, compare, load_runs, train
    from wineexp.errors import WineexpError
    from wineexp.specs.run_spec import RunSpec

__all__ = ["RunSpec", "SavedRun", "WineexpError", "batch", "compare", "load_runs", "train"]

_ROOMS = {"RunSpec": "specs.run_spec", "WineexpError": "errors"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'wineexp' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"wineexp.{_ROOMS.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return __all__
