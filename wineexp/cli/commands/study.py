"""``wineexp study``: batch, compare and report in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.cli.codes import exit_code
from wineexp.cli.commands.batch import execution_options, find, read, train_all
from wineexp.cli.commands.compare import answer, figure_options, write_figure
from wineexp.cli.notes import note, say
from wineexp.cli.options import data_option, out_option


@click.command()
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@execution_options
@data_option
@out_option
@click.option(
    "--reference", metavar="VARIANT", help="What the others are held against; by default the config's first."
)
@figure_options
@click.option("--no-report", is_flag=True, help="No page; then the extra wineexp[report] is not needed.")
def command(
    config: Path, overrides: dict[str, Any], data: str | None, out: Path, reference: str | None, layout: str,
    metric: str, smooth: int | None, full_range: bool, no_report: bool, **how: Any,
) -> int:  # fmt: skip
    """Train a config's runs, compare them and write a report.

    Figure, table and page are written to OUT/STUDY/, the runs to OUT as always. Repeating it trains only
    what is missing.
    """
    from wineexp.extras import require

    if not no_report:
        require("report", "the page of a study (or leave it out: --no-report)")
    study = read([config], overrides)
    table = find(data)
    planned, runs, unsent = train_all(study, table, out, **how)
    code = exit_code(len(planned), runs, unsent=unsent)
    if code == 130:
        say("interrupted; the same command trains the rest")
        return code

    from wineexp.comparison.judge import compare
    from wineexp.runs.directory import folder_name, write_file
    from wineexp.runs.reader import load

    comparison = compare(load([run.path for run in runs]), reference=reference, first=True)
    folder = out / folder_name(study.name)
    write_figure(
        comparison, folder / "compare.png", study.name, layout=layout, metric=metric, smooth=smooth,
        full_range=full_range,
    )  # fmt: skip
    write_file(folder / "compare.csv", comparison.table.to_csv(index=False, lineterminator="\n").encode())
    if not no_report:
        from wineexp.report.page import render

        repeat = f"wineexp study {config.name}, which is:"
        write_file(folder / "report.html", render(comparison, title=study.name, repeat=repeat).encode())
    click.echo(answer(comparison))
    for text in comparison.notes:
        note(text)
    say(f"figure, table{'' if no_report else ' and report'}: {folder}/")
    return code
