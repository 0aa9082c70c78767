"""``wineexp data``: which table, and why."""

from __future__ import annotations

import json

import click

from wineexp.cli.notes import say
from wineexp.cli.options import data_option


@click.command()
@click.argument("action", type=click.Choice(["info", "fetch"]), default="info")
@data_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def command(action: str, data: str | None, as_json: bool) -> None:
    """Show which table would be used and why, or fetch it.

    \b
    info   what train would use, and each source that was tried
    fetch  download the real table into the cache
    """
    from wineexp.data.sources import find_table

    if action == "fetch":
        from wineexp.data.download import fetch

        path, address = fetch()
        click.echo(json.dumps({"path": str(path), "address": address}) if as_json else f"{address}\n-> {path}")
        return
    found = find_table(data, stand_in=True)
    table = found.table
    facts = {
        "kind": table.kind,
        "source": table.source,
        "fingerprint": table.fingerprint,
        "rows": len(table.frame),
        "distinct_rows": len(table.frame.drop_duplicates()),
        "columns": list(table.frame.columns),
        "steps": list(found.steps),
    }
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for step in found.steps:
        say(f"  {step}")
    click.echo(f"table        {table.source}")
    click.echo(f"kind         {table.kind}")
    click.echo(f"rows         {facts['rows']} ({facts['distinct_rows']} distinct)")
    click.echo(f"columns      {', '.join(table.frame.columns)}")
    click.echo(f"fingerprint  {table.fingerprint}")
