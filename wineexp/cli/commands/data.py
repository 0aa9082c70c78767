"""``wineexp data``: which table, and why."""

from __future__ import annotations

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import data_option
from wineexp.specs.run_spec import RunSpec
from wineexp.streams import print_json, print_out
from wineexp.text import align, one_line


@click.command()
@click.argument("action", type=click.Choice(["info", "fetch"]), default="info")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def command(action: str, data: str | None, sep: str | None, as_json: bool) -> None:
    """Show which table would be used and why, or fetch it.

    \b
    info   what train would use, and each source that was tried
    fetch  download the real table into the cache
    """
    from wineexp.data.encoding import index_notes
    from wineexp.data.sources import find_table

    if action == "fetch":
        from wineexp.data.download import fetch

        path, address = fetch()
        if as_json:
            print_json({"path": str(path), "address": address})
        else:
            print_out(f"{address}\n-> {path}")
        return
    found = find_table(data, stand_in=True, sep=sep)
    table = found.table
    notes = [*table.notes, *index_notes(table, table.frame.columns, RunSpec()).values()]
    text = table.category_counts.items()
    facts = {
        "kind": table.kind,
        "source": table.source,
        "fingerprint": table.fingerprint,
        "rows": len(table.frame),
        "distinct_rows": len(table.frame.drop_duplicates()),
        "columns": list(table.frame.columns),
        "steps": list(found.steps),
        "text": dict(table.category_counts),
        "notes": notes,
    }
    if as_json:
        print_json(facts)
        return
    for step in found.steps:
        say(f"  {step}")
    for told in notes:
        note(told)
    rows = [
        ("table", table.source),
        ("kind", table.kind),
        ("rows", f"{facts['rows']} ({facts['distinct_rows']} distinct)"),
        ("columns", ", ".join(table.frame.columns)),
        *([("text", ", ".join(f"{name} ({count} different)" for name, count in text))] if text else []),
        ("fingerprint", table.fingerprint),
    ]
    print_out(align([[name, one_line(value)] for name, value in rows]))
