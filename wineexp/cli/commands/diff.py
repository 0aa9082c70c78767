"""``wineexp diff``: two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.completers import RunName
from wineexp.cli.notes import note
from wineexp.cli.options import named_runs_option
from wineexp.cli.tables import print_csv, table_options
from wineexp.streams import print_json, print_out
from wineexp.text import align, one_line

if TYPE_CHECKING:
    from wineexp.runs.difference import Difference


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
    from wineexp.api.saved_run import diff

    difference = diff(first, second, out=out)
    if form == "json":
        print_json(difference.as_json())
    elif form == "csv":
        print_csv(difference.rows())
    else:
        print_out(_as_text(difference))
    for text in difference.notes:
        note(text)


def _as_text(difference: Difference) -> str:
    """The whole difference, with a blank line between the parts."""
    from wineexp.runs.difference import NO_SETTING

    parts = [align([["first", one_line(str(difference.first))], ["second", one_line(str(difference.second))]])]
    if not difference.part("setting"):
        parts.append(NO_SETTING)
    for heads, rows in difference.tables():
        body = [list(map(one_line, row)) for row in (heads, *rows)]
        parts.append(align(body, right=(1, 2, 3) if heads[0] == "metric" else ()))
    return "\n\n".join(parts)
