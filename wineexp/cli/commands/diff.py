"""``wineexp diff``: two runs side by side."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.completers import RunName
from wineexp.cli.notes import note
from wineexp.cli.options import named_runs_option
from wineexp.cli.tables import print_csv, table_options
from wineexp.streams import print_json, print_out


@click.command()
@click.argument("first", metavar="RUN", type=RunName())
@click.argument("second", metavar="RUN", type=RunName())
@named_runs_option
@table_options
def command(first: str, second: str, out: Path, form: str | None) -> None:
    """Show two runs side by side: the settings that differ, then their metrics.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT. Two runs are
    no verdict: wineexp compare judges variants over their seeds.
    """
    from wineexp.api.differing import diff
    from wineexp.cli.side_by_side import side_by_side

    found = diff(first, second, out=out)
    if form == "json":
        print_json(found.as_json())
    elif form == "csv":
        print_csv(found.rows())
    else:
        print_out(side_by_side(found))
    for text in found.notes:
        note(text)
