"""Optional packages, each behind an extra: a missing one is reported with the command that installs it."""

from __future__ import annotations

import importlib.util

from wineexp.errors import MissingExtraError

__all__ = ["EXTRAS", "available", "require"]

#: Extra -> the package that shows whether it is installed.
EXTRAS = {"dask": "distributed", "mlflow": "mlflow", "report": "jinja2", "tensorboard": "tensorboard"}


def available(extra: str) -> bool:
    """Whether the extra's package is installed; it is not imported."""
    return importlib.util.find_spec(EXTRAS[extra]) is not None


def require(extra: str, wanted_by: str) -> None:
    """Raise ``MissingExtraError``, with the command that installs the extra, unless it is installed."""
    if not available(extra):
        raise MissingExtraError(
            f"{wanted_by} needs the package {EXTRAS[extra]!r}, which is not installed; "
            f"run: pip install 'wineexp[{extra}]'"
        )
