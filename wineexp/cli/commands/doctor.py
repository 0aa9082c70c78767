"""``wineexp doctor``: what this machine has, and what is wrong with it."""

from __future__ import annotations

import json
from pathlib import Path

import click

from wineexp.cli.options import data_option, out_option


@click.command()
@data_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(data: str | None, out: Path, as_json: bool) -> int:
    """Tell what this machine has and what is wrong with it.

    Versions, memory, device, table, cache, extras, in one screen, to paste into a report of a fault. The exit
    code is 1 where something is wrong.
    """
    from wineexp.doctor import examine
    from wineexp.text import align

    found = examine(data, out)
    if as_json:
        facts = {name: value for name, value in found.facts if name}
        click.echo(json.dumps({"facts": facts, "problems": found.problems}, indent=2, ensure_ascii=False))
    else:
        click.echo(align(found.facts))
        wrong = [f"WRONG: {problem}" for problem in found.problems]
        click.echo("\n".join(["", *(wrong or ["nothing is wrong"])]))
    return 1 if found.problems else 0
