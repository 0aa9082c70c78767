"""``wineexp rm``: runs and studies removed, once they are listed and confirmed."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from wineexp.cli.notes import note, say
from wineexp.cli.options import RunName, named_runs_option
from wineexp.streams import print_err
from wineexp.text import align, format_bytes, one_line


@click.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=RunName(several=True))
@named_runs_option
@click.option("--yes", is_flag=True, help="Remove without asking: for scripts.")
def command(runs: tuple[str, ...], out: Path, yes: bool) -> int:
    """Remove runs and studies, after listing them and asking.

    RUN is a run directory; or a directory name, signature, label or study of runs in OUT. Removing a study also
    removes its runs, except those of another study, and its figure, table and page. Files that wineexp did not
    write stay. A run that another process is training is not removed.
    """
    from wineexp.api.removing import plan_removal, remove_planned

    if not yes and not sys.stdin.isatty():
        raise click.UsageError("expected a terminal to ask on, found none; --yes removes without asking")
    planned = plan_removal(*runs, out=out)
    if not yes:  # the person who is asked must see the list, even under --quiet
        rows = [[one_line(str(removal.path)), removal.what, format_bytes(removal.size)] for removal in planned]
        print_err(align(rows, right=(2,)))
    for removal in planned:
        if removal.stays:
            theirs = ", ".join(one_line(str(removal.path / name)) for name in removal.stays)
            note(f"kept, not written by wineexp: {theirs}")
    what = f"{len(planned)} directories" if len(planned) > 1 else "it"
    if not yes and not click.confirm(f"remove {what} for good?", err=True):
        say("nothing was removed")
        return 1
    for path in remove_planned(planned):
        say(f"removed: {path}")
    return 0
