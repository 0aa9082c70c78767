"""How heavy packages are imported: without what they would load for others, and without collecting garbage."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["lean", "leave_out"]

_left_out: tuple[str, ...] = ()


def leave_out(*modules: str) -> None:
    """Have what is imported within :func:`lean` do without these; for a process that is wineexp's alone.

    Keras imports Matplotlib's pyplot and scikit-learn where they are installed, for galleries and wrappers that
    nothing here uses: up to a second of the four that it takes to load with TensorFlow.
    """
    global _left_out
    _left_out = modules


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """Import within: modules that are left out seem not to be installed, and no garbage is collected.

    TensorFlow's own 350,000 objects stay. To walk them again and again while they come takes a fifth of its
    loading (0.7 of 3.5 s, AMD EPYC, Zen 4), and would take 50 ms after each run: they are exempt from now on.
    """
    hidden = [name for name in _left_out if name not in sys.modules]
    known: dict[str, Any] = sys.modules
    known.update(dict.fromkeys(hidden))  # None is Python's own way to say so
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        for name in hidden:
            known.pop(name, None)
        gc.freeze()
        if collects:
            gc.enable()
