"""``wineexp help``: prints the same as ``--help``."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

from wineexp.streams import print_out


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from wineexp.cli import COMMANDS

    return [CompletionItem(name) for name in COMMANDS if name.startswith(incomplete)]


@click.command()
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=_complete)
@click.pass_context
def command(context: click.Context, name: str | None) -> None:
    """Show the help of wineexp, or of one command.

    The same as wineexp --help and wineexp COMMAND --help.
    """
    whole = context.find_root()
    if name is None:
        print_out(whole.get_help())
        return
    assert isinstance(whole.command, click.Group)
    _, found, _ = whole.command.resolve_command(whole, [name])
    assert found is not None  # an unknown name is refused before
    with click.Context(found, info_name=name, parent=whole, **found.context_settings) as asked:
        print_out(asked.get_help())
