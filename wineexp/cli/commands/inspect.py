"""``wineexp inspect``: the inside of a saved run's model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import RunName, data_option, named_runs_option, output_option
from wineexp.cli.tables import print_result, table_options
from wineexp.listing import Part
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
    """Look inside a saved run: its layers' activations, and whether its moving averages fit.

    RUN is a run directory or a file of it; or a directory name, signature or label of a run in OUT.

    For each layer: mean, spread and zeros of its activations, in inference mode and in training mode (dropout on,
    batch normalization with batch statistics). For each batch normalization layer: gamma, beta, and its moving
    averages against the mean and variance of its input. The rows are RUN's training rows, from the table that
    train would use or from --data; or those of CSV, with the columns that RUN was trained on.
    """
    from wineexp.api.comparing import check_figure_name
    from wineexp.api.inspecting import inspect, write_inspection

    check_figure_name(output)
    inspection = inspect(run, csv, data=data, sep=sep, out=out)
    write_inspection(inspection, output)
    say(f"figure: {output}")
    print_result(form, lambda: _parts(inspection), inspection.table, inspection.as_json)
    for text in inspection.notes:
        note(text)


def _parts(inspection: Inspection) -> list[Part]:
    output = align([[one_line(name), text] for name, text in inspection.output])
    return [one_line(f"{inspection.title}: {inspection.where}"), *inspection.listings(), output]
