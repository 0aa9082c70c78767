"""Tables on stdout, as ``--format`` asks for them, and answers that are made of text and tables."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from wineexp.listing import Listing, Part, Row, as_markdown, as_text, marked
from wineexp.streams import print_json, print_out
from wineexp.text import csv_text

__all__ = ["collector_at_rest", "print_answer", "print_result", "print_table", "table_options"]

FORMATS = ("text", "json", "csv", "md")


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--format``, ``--json`` and ``--csv``, as the parameter ``form``."""

    @functools.wraps(function)
    def command(*arguments: Any, form: str | None, as_json: bool, as_csv: bool, **others: Any) -> Any:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv: expected one of them")
        short = "json" if as_json else "csv" if as_csv else None
        if form and short and form != short:
            raise click.UsageError(f"--{short} and --format {form}: expected one of them")
        return function(*arguments, form=form or short or "text", **others)

    for short in ("csv", "json"):
        text = f"Print the table as {short.upper()}, and nothing else."
        command = click.option(f"--{short}", f"as_{short}", is_flag=True, help=text)(command)
    text = "Output format; md is Markdown."
    return click.option("--format", "form", type=click.Choice(FORMATS), help=text)(command)


def print_table(listing: Listing, form: str, *, empty: str = "nothing to show") -> None:
    """Print a table; ``empty`` to people if it has no rows."""
    print_result(form, lambda: [listing if listing.rows else empty], listing.data, listing.data)


def print_result(
    form: str, parts: Callable[[], Sequence[Part]], rows: Callable[[], Sequence[Row]], whole: Callable[[], Any]
) -> None:
    """Print a result: its parts to people, its rows, which all have the same keys, as CSV, all of it as JSON."""
    if form == "json":
        print_json(whole())
    elif form == "csv":
        print_out(csv_text(rows()), end="")
    else:
        print_answer(parts(), form)


def print_answer(parts: Sequence[Part], form: str = "text") -> None:
    """Print text and tables with a blank line between them; in Markdown two spaces keep a line of text apart."""
    table, text = (as_markdown, _lines_marked) if form == "md" else (as_text, str)
    print_out("\n\n".join(table(part) if isinstance(part, Listing) else text(part) for part in parts))


def _lines_marked(text: str) -> str:
    return "  \n".join(map(marked, text.splitlines()))


@contextlib.contextmanager
def collector_at_rest() -> Iterator[None]:
    """Switch the collector of cycles off in the block; also a decorator.

    The objects that such a command allocates, mostly modules, live until it ends. The collector would look through
    all of them again whenever they have grown by a quarter, and find next to nothing.
    """
    at_work = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if at_work:
            gc.enable()
