"""One config file, read as most tests need it."""

from __future__ import annotations

from wineexp.specs.config import read_configs


def read_config(path, overrides=None):
    """The config of a single file."""
    return read_configs([path], overrides)
