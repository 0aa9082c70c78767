"""``wineexp compare``: saved runs on the same axes, and an honest verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.api.options import Drawing
from wineexp.cli.notes import note, say
from wineexp.cli.options import figure_options, output_option, selection_options
from wineexp.cli.tables import collector_at_rest, print_result, table_options


@click.command()
@selection_options
@output_option("The figure: .png, .svg or .pdf.", "compare.png")
@click.option(
    "--plan",
    metavar="SIZE",
    type=click.FloatRange(min=0, min_open=True),
    help="Also print how many seeds, or splits, a new study needs to detect a difference of SIZE with 80 % power.",
)
@figure_options
@table_options
@collector_at_rest()
def command(
    runs: tuple[str, ...],
    where: tuple[str, ...],
    output: Path,
    plan: float | None,
    drawing: Drawing,
    form: str,
    **selection: Any,
) -> None:
    """Compare runs: one figure, one table, and which differences are real.

    RUN is a run directory, a folder of them, a history.csv, a saved curves.png or a CSV with predictions of any
    tool (actual,predicted; NAME=FILE names them), in any mix; or a directory name, signature, label or study of
    runs in OUT. A CSV may also come from Keras's CSVLogger or a saved History. Runs
    that differ only in the seed are one variant. Each variant is compared with the reference on the validation
    rows, paired by seed and by row: better, worse or cannot tell. Histories and PNGs hold no predictions, so they
    give curves but no verdict. If a folder also has runs on the real table, those on the simulated one are left
    out.
    """
    from wineexp.runs.columns import parse_conditions

    parse_conditions(where)  # report mistakes before loading anything heavy

    from wineexp.api.comparing import check_figure_name, compare, write_figure
    from wineexp.comparison.comparison import NOTHING_TO_DRAW

    check_figure_name(output)
    comparison = compare(runs, where=where, **selection, on_damaged=lambda error: note(f"left out: {error}"))
    if comparison.is_drawable:
        write_figure(comparison, output, drawing)
        say(f"figure: {output}")
    planned = None if plan is None else comparison.plan(plan)
    told = [] if planned is None else ["\n".join(planned) or "nothing to plan: there are no verdicts"]
    print_result(
        form,
        lambda: [*comparison.parts(), *told],
        comparison.rows,
        lambda: comparison.as_json() | ({} if planned is None else {"plan": planned}),
    )
    for text in planned or [] if form == "csv" else []:
        note(text.strip())
    for text in (*comparison.notes, *([] if comparison.is_drawable else [NOTHING_TO_DRAW])):
        note(text)
