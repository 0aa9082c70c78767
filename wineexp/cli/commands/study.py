"""``wineexp study``: batch, compare and report in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from wineexp.api.options import Judging
from wineexp.cli.notes import INTERRUPTED, note, say
from wineexp.cli.options import (
    dry_run_option,
    execution_options,
    figure_options,
    filling,
    judge_options,
    margin_option,
    reference_option,
)
from wineexp.cli.tables import print_answer


def _counts(_: click.Context, __: click.Parameter, text: str | None) -> list[int] | None:
    """``5,10,20`` as numbers."""
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected numbers of seeds such as 5,10,20; found {text!r}") from None


@click.command()
@click.argument("config", metavar="CONFIG", type=click.Path(path_type=Path))
@execution_options
@reference_option("The variant to compare the others with; by default the config's first.")
@margin_option("The size below which a difference in the score does not matter; overrides the config's.")
@judge_options(of_study=True)
@click.option(
    "--looks",
    metavar="SEEDS",
    callback=_counts,
    help="Seeds at each planned look, such as 5,10,20: after each, only variants not yet told apart from the "
    "reference get more seeds; the overall error rate is kept. Overrides the config's.",
)
@dry_run_option
@figure_options
@click.option(
    "--no-report",
    "page",
    is_flag=True,
    flag_value=False,
    default=True,
    help="Do not write the page, which needs the extra wineexp[report].",
)
@filling(Judging, "judging")
def command(
    config: Path,
    overrides: dict[str, Any],
    looks: list[int] | None,
    page: bool,
    dry_run: bool,
    **options: Any,
) -> int:
    """Train a config's runs, compare them and write a report.

    Figure, table and page are written to OUT/STUDY/, the runs to OUT as usual. Repeating the command trains only
    what is missing.
    """
    from wineexp.api.inputs import read_study

    asked = read_study(config, overrides, looks)  # report mistakes before loading anything heavy

    if dry_run:
        from wineexp.api.studying import plan_study
        from wineexp.cli.plan_table import show_plan, tell_comparison

        plan, reference = plan_study(asked, options["judging"], options["source"], page=page)
        show_plan(plan, "text", options["where"])
        tell_comparison(plan, reference, page=page)
        return 0

    from wineexp.api.studying import run_study
    from wineexp.cli.watch import CommandObserver

    observer = CommandObserver()
    result = run_study(asked, **options, observer=observer.all, page=page)
    if result.comparison is None:
        say("interrupted; the same command trains the rest")
        return INTERRUPTED
    print_answer(result.comparison.parts())
    for text in result.comparison.notes:
        note(text)
    say(f"figure, table{' and report' if page else ''}: {result.folder}/")
    return observer.exit_code(result.runs)
