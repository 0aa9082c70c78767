"""Python's collector of reference cycles, at rest while a command reads and draws thousands of runs."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["collector_at_rest"]


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """No collection of cycles within; also a decorator.

    What such a command allocates, modules above all, lives until it ends. The collector would look through all
    of it again whenever it has grown by a quarter, and find next to nothing.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
