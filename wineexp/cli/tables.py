"""Tables on stdout: aligned text, JSON or CSV, from the same rows."""

from __future__ import annotations

import contextlib
import functools
import gc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click

from wineexp.runs.columns import Column, row_texts
from wineexp.streams import print_json, print_out
from wineexp.text import align, csv_text, one_line

__all__ = ["collector_at_rest", "print_csv", "print_table", "table_options", "text_table"]

Row = dict[str, Any]


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """``--json`` and ``--csv``, as the parameter ``form``: json, csv or None for text."""

    @functools.wraps(function)
    def command(*arguments: Any, as_json: bool, as_csv: bool, **others: Any) -> Any:
        if as_json and as_csv:
            raise click.UsageError("--json and --csv: expected one of them")
        form = "json" if as_json else "csv" if as_csv else None
        return function(*arguments, form=form, **others)

    for form in ("csv", "json"):
        text = f"Print the table as {form.upper()}, and nothing else."
        command = click.option(f"--{form}", f"as_{form}", is_flag=True, help=text)(command)
    return command


def print_table(
    columns: Sequence[Column[Any]], rows: Sequence[Row], form: str | None, *, empty: str = "nothing to show"
) -> None:
    """Print these columns of ``rows``, dicts keyed by column. Only the text table formats values."""
    keys = [column.key for column in columns]
    if form == "json":
        print_json([{key: row.get(key) for key in keys} for row in rows])
    elif form == "csv":
        print_csv([{key: row.get(key) for key in keys} for row in rows])
    else:
        print_out(text_table(columns, rows) if rows else empty)


def print_csv(rows: Sequence[Row]) -> None:
    """Print ``rows``, which all have the same keys, as CSV."""
    print_out(csv_text(rows), end="")


def text_table(columns: Sequence[Column[Any]], rows: Sequence[Row]) -> str:
    """The table for people: headings, all with as many lines as the longest; numbers right-aligned."""
    body = [_cells([column for column in columns if column.key in row], row, columns) for row in rows]
    numeric = [i for i, column in enumerate(columns) if all(_is_number(row.get(column.key)) for row in rows)]
    headings = [column.heading.split("\n") for column in columns]
    depth = max(map(len, headings), default=1)
    lines = [[""] * (depth - len(lines)) + lines for lines in headings]
    return align([*zip(*lines, strict=True), *body], right=numeric)


def _cells(present: Sequence[Column[Any]], row: Row, columns: Sequence[Column[Any]]) -> list[str]:
    """A row's cells; empty in columns that the row does not have."""
    texts = row_texts(present, [row[column.key] for column in present])
    cells = {column.key: one_line(text) for column, text in zip(present, texts, strict=True)}
    return [cells.get(column.key, "") for column in columns]


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


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
