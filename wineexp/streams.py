"""Text on stdout and stderr: safe for a terminal, in the stream's own encoding; no stream stops the work.

Data and answers go to stdout. Where they cannot be written, the command says so and fails, once its work is done
and recorded. What goes to stderr is for a person, who may have closed it: then it is dropped.
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
    """Whoever read stdout has stopped, as ``head`` does. The exit code is that of a tool ended by SIGPIPE."""

    exit_code = 141


def secure() -> None:
    """Set up the three standard streams of the process, before anything else is opened.

    A closed one (``2>&-``) gets the null device in its place: the next file opened would take its number, and what
    a library prints would be written into that file. What a stream's encoding lacks is shown as an escape.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # by workers too
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - as long as the process; libraries ask it this and that
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
    """Print ``value`` as JSON on stdout; in an encoding other than UTF-8 every other letter is escaped.

    Raises
    ------
    OutputError
        When stdout is closed or full.
    """
    plain = "utf" not in (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    _print_out(json_text(value, plain=plain))


def print_err(text: str) -> None:
    """Print a line on stderr, if there is anyone to read it."""
    with contextlib.suppress(OSError, ValueError):  # full, gone, or closed
        _write(sys.stderr, visible(text) + "\n")


def _print_out(text: str) -> None:
    if sys.stdout is None:
        raise OutputError("stdout is closed: what was asked for cannot be printed")
    with refusing_stdout():
        _write(sys.stdout, text)


@contextlib.contextmanager
def refusing_stdout() -> Iterator[None]:
    """Raise :class:`OutputError` where writing to stdout fails within."""
    try:
        yield
    except BrokenPipeError:
        _drop_stdout()
        raise ClosedPipeError("stdout was closed by its reader") from None
    except OSError as error:
        _drop_stdout()
        raise OutputError(f"stdout: cannot be written: {error.strerror or error}") from None


def _write(stream: TextIO | None, text: str) -> None:
    if stream is None:
        return
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def _drop_stdout() -> None:
    """Let what is left in its buffer go nowhere; else Python would complain of it when it ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
