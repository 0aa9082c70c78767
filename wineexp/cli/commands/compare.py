"""``wineexp compare``: saved runs on the same axes, and an honest verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wineexp.cli.completers import RunPath, complete_conditions
from wineexp.cli.notes import note, say
from wineexp.cli.tables import print_table, table_options
from wineexp.runs.summary import columns, interval

if TYPE_CHECKING:
    from wineexp.comparison.judge import Comparison

__all__ = ["answer", "figure_options", "read_comparison", "selection_options", "write_figure"]

#: Formats a figure can be saved as.
FORMATS = (".png", ".svg", ".pdf")


def selection_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Which runs, and against what."""
    options = [
        click.argument("paths", metavar="RUN...", nargs=-1, required=True, type=RunPath()),
        click.option(
            "--reference", metavar="VARIANT",
            help="What the others are held against: a label, a run's directory, or settings such as "
            "dropout=0,bn=none. By default the first run given; of a folder, the variant nearest the defaults.",
        ),
        click.option(
            "--where", "conditions", metavar="CONDITION", multiple=True, shell_complete=complete_conditions,
            help="Only runs that meet it: dropout=0.3, val_mae<0.6. May be given several times.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def figure_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """How the figure is drawn."""
    options = [
        click.option(
            "--layout", type=click.Choice(["overlay", "grid"]), default="overlay", show_default=True,
            help="All curves in one, or a panel a variant, laid out by two factors where the runs cross two.",
        ),
        click.option(
            "--metric", type=click.Choice(["both", "val_loss", "loss"]), default="both", show_default=True,
            help="Which losses are drawn.",
        ),
        click.option(
            "--smooth", metavar="EPOCHS", type=click.IntRange(2, 10**6),
            help="An exponentially weighted mean of this span beside the raw line.",
        ),
        click.option(
            "--full-range", is_flag=True, help="Show all, rather than up to twice the constant predictor's loss."
        ),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def _figure_path(_: click.Context, __: click.Parameter, path: Path) -> Path:
    if path.suffix.lower() not in FORMATS:
        raise click.BadParameter(f"expected a name that ends in {', '.join(FORMATS)}; found {path.name!r}")
    return path


@click.command()
@selection_options
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), default=Path("compare.png"),
    show_default=True, callback=_figure_path, help="The figure: .png, .svg or .pdf.",
)  # fmt: skip
@figure_options
@table_options
def command(
    paths: tuple[Path, ...], reference: str | None, conditions: tuple[str, ...], output: Path, form: str | None,
    **style: Any,
) -> None:  # fmt: skip
    """Compare runs: one figure, one table, and which differences are real.

    RUN is a run directory, a folder of them, a history.csv or a saved curves.png, in any mix. Runs that differ
    in the seed alone are one variant. Each variant is judged against the reference on the validation rows,
    paired seed with seed and row with row: better, worse or cannot tell. CSV and PNG files hold no
    predictions, so they give curves and no verdict.
    """
    comparison = read_comparison(paths, reference, conditions)
    write_figure(comparison, output, None, **style)
    say(f"figure: {output}")
    if form == "json":
        click.echo(json.dumps(comparison.as_json(), indent=2, ensure_ascii=False))
    elif form == "csv":
        print_table(comparison.rows(), form)
    else:
        click.echo(answer(comparison))
    for text in comparison.notes:
        note(text)


def read_comparison(paths: Sequence[Path], reference: str | None, conditions: Sequence[str]) -> Comparison:
    """The runs below ``paths`` that meet the conditions, compared."""
    from wineexp.runs.run_table import Condition

    wanted = [Condition.parse(text) for text in conditions]

    from wineexp.comparison.judge import compare
    from wineexp.errors import SelectionError
    from wineexp.runs.directory import RECORD
    from wineexp.runs.reader import load
    from wineexp.runs.run_table import row_of

    found = load(paths, lambda error: note(f"left out: {error}"))
    if wanted:
        chosen = [
            saved for saved in found if saved.record and _meets(row_of(saved.path.name, saved.record), wanted)
        ]
        if not chosen:
            raise SelectionError(f"none of {len(found)} runs meets {' and '.join(conditions)}")
        found = chosen
    single = not paths[0].is_dir() or (paths[0] / RECORD).exists()
    return compare(found, reference=reference, first=single)


def _meets(row: dict[str, Any], wanted: Sequence[Any]) -> bool:
    return all(condition.met(row) for condition in wanted)


def write_figure(comparison: Comparison, path: Path, title: str | None, *, layout: Any, metric: Any,
                 smooth: int | None, full_range: bool) -> None:  # fmt: skip
    """Draw the curves into ``path``, in the format that its name asks for."""
    from wineexp.comparison.figures import Style
    from wineexp.runs.curves import save
    from wineexp.runs.directory import write_file

    figure = comparison.draw(Style(metric, smooth, full_range), layout=layout, title=title)
    write_file(path, save(figure, path.suffix[1:].lower()))


def answer(comparison: Comparison) -> str:
    """The table, what did not finish, the effects of crossed factors, and the verdicts in words."""
    parts = []
    if rows := comparison.rows():
        parts.append(_table(rows, comparison.simulated))
    if comparison.unfinished:
        lines = [
            f"{run.status:<12} {run.path}{'  ' + run.record['reason'] if run.record.get('reason') else ''}"
            for run in comparison.unfinished
        ]
        parts.append("not ranked:\n" + "\n".join(f"  {line}" for line in lines))
    if comparison.effects:
        parts.append(_effects(comparison))
    if sentences := comparison.sentences():
        parts.append("\n".join(sentences))
    return "\n\n".join(parts) if parts else "no finished runs"


def _table(rows: Sequence[dict[str, Any]], simulated: bool) -> str:
    heads = ["variant", "seeds", "val MAE [95 %]", "verdict", "skill", "train MAE", "gap", "MAE twins",
             "MAE unseen", "best epoch", "parameters", "seconds"]  # fmt: skip
    body = [
        [
            row["variant"],
            str(row["seeds"]),
            interval(row["val_mae"], row["low"], row["high"]),
            "reference" if row["reference"] else row["verdict"] or "",
            _shown(row["skill"], "+.1%"),
            _shown(row["train_mae"], ".4f"),
            _shown(row["gap"], "+.4f"),
            _shown(row["val_mae_twins"], ".4f"),
            _shown(row["val_mae_unseen"], ".4f"),
            _shown(row["best_epoch"], ".0f"),
            _shown(row["parameters"], ",d"),
            _shown(row["seconds"], ".1f"),
        ]
        for row in rows
    ]
    text = columns([heads, *body], right=(1, *range(4, len(heads))))
    return f"SIMULATED table: these figures say nothing about wine\n{text}" if simulated else text


def _effects(comparison: Comparison) -> str:
    from wineexp.comparison.verdict import format_p

    heads = ["effect on val MAE", "against", "change [95 %]", "p"]
    body = [
        [
            effect.label,
            " and ".join(f"{field} {value}" for field, value in effect.base.items()),
            interval(effect.difference.mean, *effect.difference.interval(), sign="+"),
            format_p(effect.p),
        ]
        for effect in comparison.effects
    ]
    return columns([heads, *body], right=(3,))


def _shown(value: Any, form: str) -> str:
    return "" if value is None else format(value, form)
