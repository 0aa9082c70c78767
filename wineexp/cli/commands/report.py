"""``wineexp report``: a comparison as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import output_option, selection_options
from wineexp.cli.tables import collector_at_rest


@click.command()
@selection_options
@output_option("The file to write.", "report.html")
@click.option("--title", help="The page's title.")
@collector_at_rest()
def command(runs: tuple[str, ...], output: Path, title: str | None, **selection: Any) -> None:
    """Write one self-contained page: the answer, the curves, the table, the runs.

    RUN is a run directory, a folder of them, a history.csv, a saved curves.png or a CSV with predictions of any
    tool (actual,predicted; NAME=FILE names them), in any mix; or a directory name, signature, label or study of
    runs in OUT. The page
    opens from an email, in any browser, without a network. Needs the extra wineexp[report].
    """
    from wineexp.api.comparing import report

    path = report(
        runs, output=output, title=title, **selection, on_damaged=lambda error: note(f"left out: {error}")
    )
    say(f"report: {path}")
