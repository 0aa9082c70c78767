"""Messages on stderr, as many as ``--quiet`` and ``--verbose`` allow; data goes to stdout."""

from __future__ import annotations

import click

from wineexp.streams import print_err

__all__ = ["INTERRUPTED", "common_options", "detail", "is_quiet", "note", "say"]

#: Return value of a command that was interrupted; the process ends with 128 + the signal's number.
INTERRUPTED = 130

_KEY = "wineexp.loudness"
QUIET, NORMAL, VERBOSE = 0, 1, 2


def say(text: str) -> None:
    """Print a line, except under ``--quiet``."""
    if _loudness() >= NORMAL:
        print_err(text)


def note(text: object) -> None:
    """Like :func:`say`, with ``note:`` in front."""
    say(f"note: {text}")


def detail(text: str) -> None:
    """A line for ``--verbose``."""
    if _loudness() >= VERBOSE:
        print_err(text)


def is_quiet() -> bool:
    """Whether ``--quiet`` was given."""
    return _loudness() < NORMAL


def _loudness() -> int:
    context = click.get_current_context(silent=True)
    return NORMAL if context is None else int(context.find_root().meta.get(_KEY, NORMAL))


def _set(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.find_root().meta[_KEY] = QUIET if parameter.name == "quiet" else VERBOSE


def common_options() -> list[click.Option]:
    """The options that every command has."""
    quiet = "Print nothing on stderr except errors."
    verbose = "Print more on stderr: where the table came from, threads, versions."
    return [
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=_set, help=quiet),
        click.Option(["-v", "--verbose"], is_flag=True, expose_value=False, callback=_set, help=verbose),
    ]
