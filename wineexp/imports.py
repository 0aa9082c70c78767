"""How heavy packages are imported: without the parts that only others need, and without collecting garbage."""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

__all__ = ["TENSORFLOW_LATER", "lean", "leave_out", "postpone", "show_warnings", "showing_warnings"]

#: Parts of TensorFlow's interface that nothing here uses: version 1, which loads all of TensorFlow Lite, and a
#: client for the profilers of other machines. They take a twentieth of its loading time, and 36 MB of 650.
TENSORFLOW_LATER = tuple(
    f"tensorflow._api.v2.{public}" for public in ("compat.v1", "compat.v2", "lite", "profiler.experimental.client")
)

_left_out: tuple[str, ...] = ()
_postponed: tuple[str, ...] = ()


def leave_out(*modules: str) -> None:
    """Hide these modules from imports within :func:`lean`; only for a process that is wineexp's alone.

    Keras imports Matplotlib's pyplot and scikit-learn if they are installed, for galleries and wrappers that
    nothing here uses: up to a second of the four that Keras and TensorFlow take to load.
    """
    global _left_out
    _left_out = modules


def postpone(*modules: str) -> None:
    """Have imports within :func:`lean` load these modules at their first use; only for a process of wineexp alone.

    Their users, a user's callback for example, see no difference. ``from module import name`` in another module
    loads such a module at once.
    """
    global _postponed
    _postponed = modules


class _Later(ModuleType):
    """Stands in for a module until it is used.

    Python's own ``importlib.util.LazyLoader`` refuses a module that replaces itself while it is loaded, as
    TensorFlow's version 1 does.
    """

    def __getattr__(self, name: str) -> Any:
        # Code that walks through all modules (`inspect`, `warnings`) asks each for such names.
        if name.startswith("__") and name not in ("__all__", "__path__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self._loaded(), name)

    def __dir__(self) -> list[str]:
        return dir(self._loaded())

    def _loaded(self) -> ModuleType:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return importlib.import_module(self.__name__)


def show_warnings() -> None:
    """Show warnings that the user turned into errors (``-W error``) once, as by default.

    Most come from other libraries, about each other, and would end the work although nothing is wrong.
    """
    kept = [("default" if action == "error" else action, *rest) for action, *rest in warnings.filters]
    warnings.filters[:] = kept  # type: ignore[index]


@contextlib.contextmanager
def showing_warnings() -> Iterator[None]:
    """:func:`show_warnings` in the block; afterwards the filters are as before."""
    if all(action != "error" for action, *_ in warnings.filters):
        yield  # the filters are not touched: another thread may use them
        return
    with warnings.catch_warnings():
        show_warnings()
        yield


@contextlib.contextmanager
def lean() -> Iterator[None]:
    """For imports in the block: modules are left out or postponed, and no garbage is collected.

    TensorFlow's own 350,000 objects stay. Walking them again and again while they are made takes a fifth of its
    loading time (0.7 of 3.5 s, AMD EPYC, Zen 4), and would take 50 ms after each run: they are exempt from now on.
    """
    hidden = [name for name in _left_out if name not in sys.modules]
    known: dict[str, Any] = sys.modules
    known.update(dict.fromkeys(hidden))  # None is Python's own mark of a missing module
    known.update((name, _Later(name)) for name in _postponed if name not in known)
    collects = gc.isenabled()
    gc.disable()
    try:
        with showing_warnings():
            yield
    finally:
        for name in hidden:
            known.pop(name, None)
        gc.freeze()
        if collects:
            gc.enable()
