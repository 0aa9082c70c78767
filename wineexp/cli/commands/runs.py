"""``wineexp runs``: many runs as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import complete_columns, complete_conditions, filling, out_option
from wineexp.cli.tables import collector_at_rest, print_table, table_options
from wineexp.text import count_of

if TYPE_CHECKING:
    from wineexp.listing import Column, Listing, Row
    from wineexp.runs.run import Run


@dataclass(frozen=True)
class View:
    """Which runs are listed, in which order, with which columns: each as its flag has it."""

    where: tuple[str, ...]
    sort: str | None
    newest: bool
    columns: str | None

    def check(self) -> None:
        """Raise ``click.UsageError`` or ``SelectionError`` for a flag that cannot be followed."""
        from wineexp.runs.columns import COLUMNS, find_column, parse_conditions

        if self.newest and self.sort:
            raise click.UsageError("--newest and --sort: expected one of them")
        parse_conditions(self.where)
        self._chosen()
        find_column((self.sort or "run").removeprefix("-"), COLUMNS.values())

    def of(self, rows: Sequence[Row]) -> Listing:
        """The table of these rows."""
        from wineexp.listing import Listing
        from wineexp.runs.columns import COLUMNS, default_columns, parse_conditions, select, sort_rows

        rows = select(rows, parse_conditions(self.where))
        if self.sort or self.newest:
            rows = sort_rows(rows, self.sort or "-recorded")
        columns = self._chosen() or default_columns(rows) + ([COLUMNS["recorded"]] if self.newest else [])
        return Listing(tuple(columns), tuple(rows))

    def _chosen(self) -> list[Column[Run]]:
        from wineexp.runs.columns import COLUMNS, find_column

        return [find_column(name, COLUMNS.values()) for name in self.columns.split(",")] if self.columns else []


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
    help="Only runs that match: dropout=0.3, val_mae<0.6, status=failed. May be given several times.",
)
@click.option(
    "--sort",
    metavar="COLUMN",
    shell_complete=complete_columns,
    help="Sort by a column; -COLUMN sorts in descending order.",
)
@click.option("--newest", is_flag=True, help="Newest first, with the time; same as --sort -recorded.")
@click.option(
    "--columns",
    metavar="A,B,...",
    shell_complete=complete_columns,
    help="The columns to show; by default the settings that differ and the main metrics.",
)
@click.option("--check", is_flag=True, help="Verify every file of every run; exit code 1 if one is damaged.")
@filling(View, "view")
@table_options
@collector_at_rest()
def command(
    folders: tuple[Path, ...],
    out: Path,
    study: str | None,
    check: bool,
    form: str,
    view: View,
) -> int:
    """List runs as a table: filter, sort, choose columns.

    FOLDER holds run directories; the default is OUT. Columns are the fields of the spec (its loss is called
    loss_name), the metrics of run.json, and run, status, reason, error, label, kind, source, fingerprint,
    threads, device, seconds, recorded.
    """
    view.check()  # mistakes are reported before anything is read

    from wineexp.runs.columns import damaged_row, row
    from wineexp.runs.directory import run_folders
    from wineexp.runs.integrity import sound
    from wineexp.runs.names import study_runs
    from wineexp.runs.run import Run

    paths = [
        path
        for folder in folders or (out,)
        for path in (run_folders(folder) if study is None else study_runs(study, folder))
    ]
    checked = list(sound(paths))
    if check:
        from wineexp.runs.reader import check_runs

        checked = check_runs(checked)
    rows = [row(run) if isinstance(run, Run) else damaged_row(path, run) for path, run in checked]
    count = sum(row["status"] == "damaged" for row in rows)
    listing = view.of(rows)
    print_table(listing, form, empty="no runs")
    losing = sum((row.get("skill") or 0.0) < 0 for row in listing.rows)
    if losing and not check:
        note(f"{count_of(losing, 'run')} with a skill below 0: worse than a constant; wineexp why RUN says why")
    if check:
        say(f"{len(checked)} runs checked, {count} damaged")
    elif count:
        note(f"{count} damaged: left out of comparisons, trained again by batch and train")
    earlier = sum(isinstance(run, Run) and not run.record.is_sealed for _, run in checked)
    if earlier and not check:
        note(
            f"{count_of(earlier, 'run')} written before run.json had a checksum: metrics as recorded; --check, "
            "compare and report compute them from the files"
        )
    return 1 if check and count else 0
