"""The command line on a terminal: a pseudo one, read to its end."""

from __future__ import annotations

import os
import pty
import subprocess
import sys


def shown_on_a_terminal(arguments, cwd, **environment):
    """What ``wineexp`` shows on stderr where that is a terminal, control codes and all; it must end with 0."""
    leader, follower = pty.openpty()
    variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", **environment}
    process = subprocess.Popen(
        [sys.executable, "-m", "wineexp", *map(str, arguments)],
        cwd=cwd, stdout=subprocess.DEVNULL, stderr=follower, env=variables,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
    os.close(leader)
    assert process.wait(120) == 0
    return shown.decode()
