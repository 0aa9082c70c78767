"""``wineexp show RUN``: everything about one run."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.completers import RunPath
from wineexp.streams import print_json, print_out


@click.command()
@click.argument("run", type=RunPath())
@click.option("--json", "as_json", is_flag=True, help="Print run.json.")
def command(run: Path, as_json: bool) -> None:
    """Show everything about one run.

    Prints its spec, layers, metrics, where the time went, and its environment.
    """
    from wineexp.runs.directory import Run
    from wineexp.runs.summary import whole_run

    shown = Run(run)
    if as_json:
        print_json(shown.record.as_json())
    else:
        print_out(whole_run(shown))
