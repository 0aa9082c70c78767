"""``wineexp study``: batch, compare and report in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.cli.comparison_options import figure_options, margin_option, reference_option
from wineexp.cli.notes import INTERRUPTED, note, say
from wineexp.cli.options import data_option, out_option
from wineexp.cli.training_options import execution_options
from wineexp.streams import print_out


@click.command()
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@execution_options
@data_option
@out_option
@reference_option("The variant to compare the others with; by default the config's first.")
@margin_option("The size below which a difference in val MAE does not matter; overrides the config's.")
@figure_options
@click.option(
    "--no-report",
    "page",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not write the page; the extra wineexp[report] is then not needed.",
)
def command(
    config: Path,
    overrides: dict[str, Any],
    metric: Any,
    smooth: int | None,
    full_range: bool,
    page: bool,
    **how: Any,
) -> int:
    """Train a config's runs, compare them and write a report.

    Figure, table and page are written to OUT/STUDY/, the runs to OUT as always. Repeating it trains only
    what is missing.
    """
    from wineexp.api.inputs import read_study

    asked = read_study(config, overrides)  # report mistakes before loading anything heavy

    from wineexp.api.studying import study
    from wineexp.cli.answer import answer
    from wineexp.cli.watch import CommandObserver
    from wineexp.comparison.scale import Style

    observer = CommandObserver()
    found = study(asked, page=page, style=Style(metric, smooth, full_range), observer=observer, **how)
    if found.comparison is None:
        say("interrupted; the same command trains the rest")
        return INTERRUPTED
    print_out(answer(found.comparison))
    for text in found.comparison.notes:
        note(text)
    say(f"figure, table{' and report' if page else ''}: {found.folder}/")
    return observer.exit_code(found.runs)
