"""``wineexp show RUN``: everything about one run."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.options import RunName, named_runs_option
from wineexp.streams import print_json, print_out


@click.command()
@click.argument("run", metavar="RUN", type=RunName())
@named_runs_option
@click.option("--json", "as_json", is_flag=True, help="Print run.json.")
def command(run: str, out: Path, as_json: bool) -> None:
    """Show everything about one run.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT. Prints its
    spec, layers, metrics, where the time went, and its environment.
    """
    from wineexp.api.inputs import read_run
    from wineexp.runs.run import Run
    from wineexp.runs.summary import whole_run

    shown = Run(read_run(run, out))
    if as_json:
        print_json(shown.record.as_json())
    else:
        print_out(whole_run(shown))
