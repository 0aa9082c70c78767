"""``wineexp report``: a comparison as one self-contained page."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.commands.compare import read_comparison, selection_options
from wineexp.cli.notes import say


@click.command()
@selection_options
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), default=Path("report.html"),
    show_default=True, help="The page.",
)  # fmt: skip
@click.option("--title", help="The page's title.")
def command(
    paths: tuple[Path, ...], reference: str | None, conditions: tuple[str, ...], output: Path, title: str | None
) -> None:
    """Write one self-contained page: the answer, the curves, the table, the runs.

    RUN is a run directory, a folder of them, a history.csv or a saved curves.png, in any mix. The page
    opens from a mail, in any browser, without a network. Needs the extra wineexp[report].
    """
    from wineexp.extras import require

    require("report", "wineexp report")

    from wineexp.report.page import render
    from wineexp.runs.directory import write_file

    comparison = read_comparison(paths, reference, conditions)
    write_file(output, render(comparison, title=title).encode())
    say(f"report: {output}")
