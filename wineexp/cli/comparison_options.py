"""The flags of commands that compare: which runs, against what, and how the figure is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from wineexp.api.options import Drawing
from wineexp.cli.completers import RunName, complete_conditions
from wineexp.cli.options import filling, named_runs_option

__all__ = ["figure_options", "margin_option", "reference_option", "selection_options"]

Command = Callable[..., Any]


def selection_options(function: Command) -> Command:
    """Which runs, and against what."""
    options: list[Callable[[Command], Command]] = [
        click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunName(several=True)),
        named_runs_option,
        reference_option(
            "The variant to compare the others with: a label, a run directory, or settings such as "
            "dropout=0,bn=none. By default, of runs given one by one the first, of a study its config's first, "
            "and of a folder the variant nearest the defaults."
        ),
        click.option(
            "--where",
            metavar="CONDITION",
            multiple=True,
            shell_complete=complete_conditions,
            help="Only runs that meet it, such as dropout=0.3. May be given several times. With one about results "
            "(val_mae<0.6) nothing is judged.",
        ),
        margin_option("The size below which a difference in val MAE does not matter."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def reference_option(meaning: str) -> Callable[[Command], Command]:
    """``--reference``."""
    return click.option("--reference", metavar="VARIANT", help=meaning)


def margin_option(meaning: str) -> Callable[[Command], Command]:
    """``--margin``."""
    return click.option(
        "--margin",
        metavar="SIZE",
        type=click.FloatRange(min=0, min_open=True),
        help=f"{meaning} A variant whose 90 % interval lies inside it is `same within SIZE`.",
    )


def figure_options(function: Command) -> Command:
    """The flags of the figure, as ``drawing``."""
    function = filling(Drawing, "drawing")(function)
    options = [
        click.option(
            "--layout",
            type=click.Choice(["auto", "overlay", "grid", "verdict"]),
            default="auto",
            show_default=True,
            help="All curves in one panel; a panel per variant, by two factors if runs cross two; or the verdicts "
            "alone, which else stand below. auto: one panel for what can be told apart in it.",
        ),
        click.option(
            "--metric",
            type=click.Choice(["both", "val_loss", "loss"]),
            default="both",
            show_default=True,
            help="Which losses are drawn.",
        ),
        click.option(
            "--smooth",
            metavar="EPOCHS",
            type=click.IntRange(2, 10**6),
            help="Also draw an exponentially weighted mean of this span.",
        ),
        click.option(
            "--full-range",
            is_flag=True,
            help="A linear axis for all losses; else it is logarithmic far above the constant predictor's loss.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function
