"""The exceptions of wineexp. Imports nothing else of wineexp.

Every error that a user can cause or run into derives from :class:`WineexpError`; the command line turns it
into one line and its exit code in one place. Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "CallbackError",
    "ConfigError",
    "DataError",
    "DownloadError",
    "ExportError",
    "MissingExtraError",
    "NoRunError",
    "OutputError",
    "RunError",
    "RuntimeSetupError",
    "SelectionError",
    "SpecError",
    "WineexpError",
    "WorkerError",
    "closest",
    "first_line",
    "folded",
    "lack_of_memory",
    "nearest",
]


#: The messages of the library loader, the C library and Python when the system gives no memory.
_NO_MEMORY = ("failed to map segment", "Cannot allocate memory", "can't start new thread")


class WineexpError(Exception):
    """Base of all errors that are not bugs.

    ``exit_code`` is the exit code of the command line: 2 only if the request is impossible and nothing was
    touched.
    """

    exit_code = 1


class SpecError(WineexpError):
    """A spec has an unknown field or an invalid value. Holds every problem, one line each."""

    exit_code = 2

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems: tuple[tuple[str, str], ...] = tuple(problems)
        super().__init__("\n".join(f"{field}: {text}" for field, text in self.problems))

    def __reduce__(self) -> Any:  # unpickled in another process, Python would build it from its text alone
        return type(self), (self.problems,)


class ConfigError(WineexpError):
    """A YAML file cannot be used. Holds every problem of every file, one line each."""

    exit_code = 2

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))

    def __reduce__(self) -> Any:
        return type(self), (self.problems,)


class DataError(WineexpError):
    """A table is missing, unreadable or unfit to train on."""

    exit_code = 2


class DownloadError(WineexpError):
    """The table could not be downloaded.

    ``reason`` says why, ``remedy`` what helps, if that is known, ``tried`` what was found at each address.
    """

    def __init__(self, reason: str, remedy: str = "", tried: Iterable[str] = ()) -> None:
        self.reason, self.remedy, self.tried = reason, remedy, tuple(tried)
        super().__init__(f"the red-wine table was not fetched: {reason}; {remedy}" if remedy else reason)

    def __reduce__(self) -> Any:
        return type(self), (self.reason, self.remedy, self.tried)


class RunError(WineexpError):
    """A run directory is missing, damaged or of the wrong kind."""


class NoRunError(RunError):
    """There is no run: one that was listed a moment ago has been removed since."""


class SelectionError(WineexpError):
    """A condition, column or choice on the command line makes no sense."""

    exit_code = 2


class CallbackError(WineexpError):
    """A Keras callback needs hooks that the compiled epoch cannot call."""

    exit_code = 2


class RuntimeSetupError(WineexpError):
    """TensorFlow cannot be set up as asked, for example with another thread count after its start."""

    exit_code = 2


class WorkerError(RuntimeSetupError):
    """A worker process does not start, or cannot train; runs may have been recorded before."""

    exit_code = 1


class ExportError(WineexpError):
    """A finished run could not be sent elsewhere."""


class OutputError(WineexpError):
    """A figure, a table or a page cannot be written."""


class MissingExtraError(WineexpError):
    """An optional package is needed but not installed."""

    exit_code = 2


def first_line(error: BaseException) -> str:
    """The first line of another library's error, for a message of one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def lack_of_memory(error: BaseException | None) -> str | None:
    """The problem in words if an error, or one of its causes, says that the system gave no memory; else None."""
    while error is not None:
        text = first_line(error)
        if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
            given = "" if text == type(error).__name__ else f" ({text})"
            return f"not enough memory{given}; use a smaller model or fewer --jobs, or raise the limit"
        error = error.__cause__ or error.__context__
    return None


def folded(word: str) -> str:
    """The form that a name's spellings share: ``batchsize`` for ``Batch-Size``, ``batch_size``, ``batchSize``."""
    return re.sub(r"[\s_-]+", "", word).lower()


def closest(word: str, legal: Iterable[str], aliases: Mapping[str, str] | None = None) -> str | None:
    """The legal name that ``word`` most likely means, or None.

    Parameters
    ----------
    word : str
    legal : iterable of str
    aliases : mapping, optional
        Other tools' names, :func:`folded`, to names here; they come before any similarity of letters.
    """
    legal = list(legal)
    alias = (aliases or {}).get(folded(word))
    if alias in legal:
        return alias
    same = [name for name in legal if folded(name) == folded(word)]
    return next(iter(same or difflib.get_close_matches(word.lower(), legal, n=1, cutoff=0.6)), None)


def nearest(word: str, legal: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return `` (did you mean 'x'?)`` for the :func:`closest` legal name, or an empty string."""
    name = closest(word, legal, aliases)
    return f" (did you mean {name!r}?)" if name else ""
