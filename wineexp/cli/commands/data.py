"""``wineexp data``: show which table is used, and why; put the real one into the cache."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import data_option
from wineexp.specs.run_spec import RunSpec
from wineexp.streams import print_json, print_out
from wineexp.text import align, one_line


class _Action(click.Choice[str]):
    """The action of ``data``; a file in its place gets a hint with the two ways to name a file."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices and Path(value).is_file():
            meant = f"did you mean wineexp data add {value}, or wineexp data --data {value}?"
            raise click.UsageError(f"data: expected {', '.join(self.choices)}; found a file ({meant})")
        return super().convert(value, param, ctx)


@click.command()
@click.argument("action", type=_Action(["info", "fetch", "add"]), default="info")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def command(action: str, file: Path | None, data: str | None, sep: str | None, as_json: bool) -> None:
    """Show which table would be used and why, fetch it, or add a copy of it.

    \b
    info      what train would use, and each source that was tried
    fetch     download the real table into the cache
    add FILE  put a copy of the real table into the cache: a CSV, or UCI's zip
    """
    _check(action, file, data, sep)
    if action == "info":
        _tell(data, sep, as_json)
        return
    if action == "add":
        from wineexp.data.download import add_table

        assert file is not None
        path, origin = add_table(file, sep=sep), {"file": str(file)}
    else:
        from wineexp.data.download import fetch

        path, address = fetch()
        origin = {"address": address}
    if as_json:
        print_json({"path": str(path), **origin})
    else:
        print_out(f"{one_line(*origin.values())}\n-> {path}")


def _check(action: str, file: Path | None, data: str | None, sep: str | None) -> None:
    """Refuse arguments that the action does not use."""
    if action == "add" and file is None:
        raise click.UsageError("add: expected FILE, a copy of the red-wine table, found nothing")
    if action != "add" and file is not None:
        raise click.UsageError(f"{action}: expected no FILE, found {str(file)!r}; name a table with --data")
    if action != "info" and data is not None:
        raise click.UsageError(
            f"--data: expected with info, found with {action}, which takes only the red-wine table"
        )
    if action == "fetch" and sep is not None:
        raise click.UsageError("--sep: expected with a CSV file, found with fetch")


def _tell(data: str | None, sep: str | None, as_json: bool) -> None:
    from wineexp.data.encoding import has_holes, index_notes, is_missing, told_holes
    from wineexp.data.sources import find_table

    found = find_table(data, stand_in=True, sep=sep)
    table = found.table
    notes = [*found.notes, *table.notes, *index_notes(table, table.frame.columns, RunSpec()).values()]
    text = table.category_counts.items()
    holed = [name for name in table.frame.columns if has_holes(table, name)]
    facts = {
        "kind": table.kind,
        "source": table.source,
        "fingerprint": table.fingerprint,
        "rows": len(table.frame),
        "distinct_rows": len(table.frame.drop_duplicates()),
        "columns": list(table.frame.columns),
        "steps": list(found.steps),
        "text": dict(table.category_counts),
        "split_columns": list(table.splits),
        "empty_cells": {name: int(is_missing(table, name).sum()) for name in holed},
        "notes": notes,
    }
    if as_json:
        print_json(facts)
        return
    for step in found.steps:
        say(f"  {step}")
    rows = [
        ("table", table.source),
        ("kind", table.kind),
        ("rows", f"{facts['rows']} ({facts['distinct_rows']} distinct)"),
        ("columns", ", ".join(table.frame.columns)),
        *([("text", ", ".join(f"{name} ({count} different)" for name, count in text))] if text else []),
        *([("empty cells", "; ".join(told_holes(table, name) for name in holed))] if holed else []),
        *([("split columns", ", ".join(table.splits))] if table.splits else []),
        ("fingerprint", table.fingerprint),
    ]
    print_out(align([[name, one_line(value)] for name, value in rows]))
    for line in notes:
        note(line)
