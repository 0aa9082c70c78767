"""``wineexp why``: what is wrong with a run."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.notes import note
from wineexp.cli.options import RunName, data_option, named_runs_option
from wineexp.cli.tables import print_answer
from wineexp.streams import print_json


@click.command()
@click.argument("run", metavar="RUN", type=RunName())
@data_option
@named_runs_option
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(run: str, data: str | None, sep: str | None, out: Path, as_json: bool) -> None:
    """Say what is wrong with a run, with its figures and a command to try.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT. Faults come
    first, the worst on top; below them, what looks like a fault and is none. Dead units, and what dropout and
    batch normalization do to the predictions, are read from the run's model, on the table that train would use or
    on --data.
    """
    from wineexp.api.explaining import why

    diagnosis = why(run, data=data, sep=sep, out=out)
    if as_json:
        print_json(diagnosis.as_json())
        return
    print_answer(diagnosis.parts())
    for text in diagnosis.left_out:
        note(text)
