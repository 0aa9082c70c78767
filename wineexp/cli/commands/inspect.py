"""``wineexp inspect``: the inside of a saved run's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.completers import RunName
from wineexp.cli.notes import note, say
from wineexp.cli.options import data_option, named_runs_option, output_option
from wineexp.cli.tables import Part, print_result, table_options
from wineexp.text import align, one_line

if TYPE_CHECKING:
    from wineexp.runs.inspection import Inspection


@click.command()
@click.argument("run", metavar="RUN", type=RunName())
@click.argument("csv", metavar="[CSV]", required=False, type=click.Path(path_type=Path))
@data_option
@named_runs_option
@output_option("The figure: .png, .svg or .pdf.", "inspect.png")
@table_options
def command(
    run: str, csv: Path | None, data: str | None, sep: str | None, out: Path, output: Path, form: str
) -> None:
    """Look inside a saved run: what its layers give, and whether its moving averages fit.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT.

    For each layer mean, spread and zeros of its activations, in inference mode and as in training: dropout on,
    batch normalization by the statistics of each batch. For each batch normalization gamma, beta, and its moving
    averages against what its input has on these rows. The rows are RUN's training rows, whose table is found as
    train finds it or given with --data; or those of CSV, with the columns that RUN was trained on.
    """
    from wineexp.api.comparing import check_figure_name
    from wineexp.api.inspecting import inspect, write_inspection

    check_figure_name(output)
    found = inspect(run, csv, data=data, sep=sep, out=out)
    write_inspection(found, output)
    say(f"figure: {output}")
    print_result(form, lambda: _parts(found), found.table, found.as_json)
    for text in found.notes:
        note(text)


def _parts(found: Inspection) -> list[Part]:
    output = align([[one_line(name), text] for name, text in found.output])
    return [one_line(f"{found.title}: {found.where}"), *found.listings(), output]
