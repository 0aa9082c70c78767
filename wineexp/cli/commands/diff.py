"""``wineexp diff``: two runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.notes import note
from wineexp.cli.options import RunName, named_runs_option
from wineexp.cli.tables import print_result, table_options
from wineexp.listing import Part
from wineexp.text import align, one_line

if TYPE_CHECKING:
    from wineexp.runs.difference import Difference


@click.command()
@click.argument("first", metavar="RUN", type=RunName())
@click.argument("second", metavar="RUN", type=RunName())
@named_runs_option
@table_options
def command(first: str, second: str, out: Path, form: str) -> None:
    """Show two runs side by side: the settings that differ, then their metrics.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT. Two runs give
    no verdict: wineexp compare judges variants over their seeds.
    """
    from wineexp.api.saved_run import diff

    difference = diff(first, second, out=out)
    print_result(form, lambda: _parts(difference), difference.rows, difference.as_json)
    for text in difference.notes:
        note(text)


def _parts(difference: Difference) -> list[Part]:
    from wineexp.runs.difference import NO_SETTING

    runs = align([["first", one_line(str(difference.first))], ["second", one_line(str(difference.second))]])
    return [runs, *([] if difference.part("setting") else [NO_SETTING]), *difference.listings()]
