"""``wineexp completion``: the script that lets a shell complete commands, fields, values and runs."""

from __future__ import annotations

import click

from wineexp.streams import print_out


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a shell's completion script.

    \b
    bash   wineexp completion bash > ~/.local/share/bash-completion/completions/wineexp
    zsh    wineexp completion zsh > "${fpath[1]}/_wineexp"
    fish   wineexp completion fish > ~/.config/fish/completions/wineexp.fish
    """
    from click.shell_completion import get_completion_class

    from wineexp.cli import group

    completion = get_completion_class(shell)
    assert completion is not None
    script = completion(group, {}, "wineexp", "_WINEEXP_COMPLETE")
    print_out(script.source_template % script.source_vars())
