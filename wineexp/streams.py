"""Text on stdout and stderr: safe for a terminal, in the stream's own encoding; no stream stops the work.

Data and answers go to stdout. If they cannot be written, the command says so and fails, once its work is done
and recorded. Text on stderr is for a person, who may have closed it: then the text is dropped.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from wineexp.errors import OutputError
from wineexp.text import json_text, visible

__all__ = ["ClosedPipeError", "print_err", "print_json", "print_out", "refusing_stdout", "secure"]


class ClosedPipeError(OutputError):
    """The reader of stdout has stopped, as ``head`` does. The exit code is the one of a tool ended by SIGPIPE."""

    exit_code = 141


def secure() -> None:
    """Set up the three standard streams of the process, before anything else is opened.

    A closed one (``2>&-``) is replaced by the null device: the next file opened would take its number, and a
    library's output would be written into that file. Characters that the encoding lacks are shown as escapes.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # for workers too
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - open as long as the process; libraries use its methods
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def print_out(text: str, end: str = "\n") -> None:
    """Print ``text`` on stdout.

    Raises
    ------
    OutputError
        When stdout is closed or full.
    """
    _print_out(visible(text) + end)


def print_json(value: Any) -> None:
    """Print ``value`` as JSON on stdout; unless the encoding is Unicode, all but ASCII is escaped.

    Raises
    ------
    OutputError
        When stdout is closed or full.
    """
    plain = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    _print_out(json_text(value, plain=plain))


def print_err(text: str) -> None:
    """Print a line on stderr, if there is anyone to read it."""
    try:
        _write(sys.stderr, visible(text) + "\n")
    except OSError:  # full, or gone
        _drop(sys.stderr)
    except ValueError:
        pass  # closed


def _print_out(text: str) -> None:
    if sys.stdout is None:
        raise OutputError("stdout is closed: the output cannot be printed")
    with refusing_stdout():
        _write(sys.stdout, text)


@contextlib.contextmanager
def refusing_stdout() -> Iterator[None]:
    """Raise :class:`OutputError` if writing to stdout fails in the block."""
    try:
        yield
    except BrokenPipeError:
        _drop(sys.stdout)
        raise ClosedPipeError("stdout was closed by its reader") from None
    except OSError as error:
        _drop(sys.stdout)
        raise OutputError(f"stdout: cannot be written: {error.strerror or error}") from None


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _drop(stream: TextIO) -> None:
    """Send the rest of its buffer to the null device, and what follows.

    Otherwise Python would complain of it at exit, and whoever else writes there would fail: with Python 3.11.2 a
    training ended without a word, with exit code 120.
    """
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
