"""Tables on stdout: aligned text, JSON or CSV, from the same rows."""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from wineexp.runs.summary import columns

__all__ = ["print_table", "table_options"]

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


def print_table(rows: Sequence[Row], form: str | None, *, empty: str = "nothing to show") -> None:
    """Print ``rows``, which all have the same keys. Numbers are rounded in text alone."""
    if form == "json":
        click.echo(json.dumps(list(rows), indent=2, ensure_ascii=False))
    elif form == "csv":
        stream = io.StringIO()
        writer = csv.DictWriter(stream, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        click.echo(stream.getvalue(), nl=False)
    elif not rows:
        click.echo(empty)
    else:
        names = list(rows[0])
        numeric = tuple(
            i
            for i, name in enumerate(names)
            if all(isinstance(row[name], (int, float, type(None))) for row in rows)
        )
        shown = [
            [name.replace("_", " ") for name in names],
            *([_cell(row[name]) for name in names] for row in rows),
        ]
        click.echo(columns(shown, right=numeric))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
