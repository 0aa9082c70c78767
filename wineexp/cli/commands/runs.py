"""``wineexp runs``: many runs as a table."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.completers import complete_columns, complete_conditions
from wineexp.cli.notes import note, say
from wineexp.cli.options import out_option
from wineexp.cli.tables import collector_at_rest, print_table, table_options
from wineexp.text import count_of


@click.command()
@click.argument(
    "folders", metavar="[FOLDER]...", nargs=-1, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@out_option
@click.option("--study", metavar="NAME", help="Only the runs of this study, in its order.")
@click.option(
    "--where",
    metavar="CONDITION",
    multiple=True,
    shell_complete=complete_conditions,
    help="Only runs that meet it: dropout=0.3, val_mae<0.6, status=failed. May be given several times.",
)
@click.option(
    "--sort",
    metavar="COLUMN",
    shell_complete=complete_columns,
    help="Sort by a column; -COLUMN sorts in descending order.",
)
@click.option("--newest", is_flag=True, help="The newest first, with the time: as --sort -recorded.")
@click.option(
    "--columns",
    metavar="A,B,...",
    shell_complete=complete_columns,
    help="The columns to show; by default the settings that differ and the main metrics.",
)
@click.option("--check", is_flag=True, help="Verify every file of every run; exit code 1 if one is damaged.")
@table_options
@collector_at_rest()
def command(
    folders: tuple[Path, ...],
    out: Path,
    study: str | None,
    where: tuple[str, ...],
    sort: str | None,
    newest: bool,
    columns: str | None,
    check: bool,
    form: str,
) -> int:
    """List runs as a table: filter, sort, choose columns.

    FOLDER holds run directories; by default OUT does. Columns are the fields of the spec (its loss is called
    loss_name), the metrics of run.json, and run, status, reason, error, label, kind, source, fingerprint,
    threads, device, seconds, recorded.
    """
    if newest and sort:
        raise click.UsageError("--newest and --sort: expected one of them")

    from wineexp.listing import Listing
    from wineexp.runs.columns import COLUMNS, find_column
    from wineexp.runs.directory import run_folders
    from wineexp.runs.integrity import sound
    from wineexp.runs.names import study_runs
    from wineexp.runs.run import Run
    from wineexp.runs.run_table import damaged_row, default_columns, parse_conditions, row, select, sort_rows

    known = COLUMNS.values()
    wanted = parse_conditions(where)
    chosen = [find_column(name, known) for name in columns.split(",")] if columns else None
    find_column((sort or "run").removeprefix("-"), known)
    paths = [
        path
        for folder in folders or (out,)
        for path in (run_folders(folder) if study is None else study_runs(study, folder))
    ]
    found = list(sound(paths))
    if check:
        from wineexp.runs.reader import check_runs

        found = check_runs(found)
    rows = [row(run) if isinstance(run, Run) else damaged_row(path, run) for path, run in found]
    count = sum(row["status"] == "damaged" for row in rows)
    rows = select(rows, wanted)
    if sort or newest:
        rows = sort_rows(rows, sort or "-recorded")
    shown = chosen or default_columns(rows) + ([COLUMNS["recorded"]] if newest else [])
    print_table(Listing(tuple(shown), tuple(rows)), form, empty="no runs")
    if check:
        say(f"{len(found)} runs checked, {count} damaged")
    elif count:
        note(f"{count} damaged: left out of comparisons, trained again by batch and train")
    earlier = sum(isinstance(run, Run) and not run.record.is_sealed for _, run in found)
    if earlier and not check:
        note(
            f"{count_of(earlier, 'run')} written before run.json had a checksum: metrics as recorded; --check, "
            "compare and report compute them from the files"
        )
    return 1 if check and count else 0
