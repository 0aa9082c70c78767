"""The command line on a terminal: a pseudo one, read to its end."""

from __future__ import annotations

import os
import pty
import subprocess
import sys


def shown_on_a_terminal(arguments, cwd, **environment):
    """What ``wineexp`` shows on stderr where that is a terminal, control codes and all; it must end with 0."""
    variables = {"TERM": "xterm-256color", "COLUMNS": "120", **environment}
    code, shown = _read(arguments, variables, cwd=cwd, stdout=subprocess.DEVNULL)
    assert code == 0
    return shown


def answered_on_a_terminal(arguments, answer):
    """Exit code and screen of ``wineexp`` where a person types ``answer``, bytes."""
    return _read(arguments, {}, answer, start_new_session=True)


def _read(arguments, environment, answer=b"", **streams):
    """Exit code and screen; all streams but those given are the terminal, stdin where there is an answer."""
    leader, follower = pty.openpty()
    ends = {"stdout": follower, "stderr": follower, **({"stdin": follower} if answer else {}), **streams}
    command = [sys.executable, "-m", "wineexp", *map(str, arguments)]
    process = subprocess.Popen(command, env={**os.environ, **environment}, **ends)
    os.close(follower)
    if answer:
        os.write(leader, answer)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
    os.close(leader)
    return process.wait(120), shown.decode()
