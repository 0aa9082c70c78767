"""``wineexp doctor``: check the installation and the machine."""

from __future__ import annotations

from pathlib import Path

import click

from wineexp.cli.options import data_option, out_option
from wineexp.streams import print_json, print_out


@click.command()
@data_option
@out_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(data: str | None, sep: str | None, out: Path, as_json: bool) -> int:
    """Check this installation: versions, memory, device, table, extras.

    Prints one screen of facts and problems, to paste into a bug report. The exit code is 1 if there is a
    problem.
    """
    from wineexp.doctor import examine
    from wineexp.text import align

    examination = examine(data, out, sep)
    if as_json:
        facts = {name: value for name, value in examination.facts if name}
        print_json({"facts": facts, "problems": examination.problems})
    else:
        print_out(align(examination.facts))
        wrong = [f"PROBLEM: {problem}" for problem in examination.problems]
        print_out("\n".join(["", *(wrong or ["no problems found"])]))
    return 1 if examination.problems else 0
