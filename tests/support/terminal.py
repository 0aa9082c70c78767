"""The command line on a terminal: a pseudo one, read to its end, and what a person sees on it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from support.processes import GUARD

#: Lines of the terminal.
HEIGHT = 40

#: Movements and colours, as ``\x1b[2K``.
_CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


def shown_on_a_terminal(arguments, cwd, columns=120, **environment):
    """What ``wineexp`` shows on stderr where that is a terminal, control codes and all; it must end with 0."""
    variables = {"TERM": "xterm-256color", **environment}
    code, shown = _read(_command(arguments), variables, columns=columns, cwd=cwd, stdout=subprocess.DEVNULL)
    assert code == 0
    return shown


def answered_on_a_terminal(arguments, answer):
    """Exit code and screen of ``wineexp`` where a person types ``answer``, bytes."""
    return _read(_command(arguments), {}, answer, start_new_session=True)


def screens_of(command, cwd, columns, **environment):
    """Exit code of a command, and each screen that it showed: its lines, from the first to the last."""
    variables = {"TERM": "xterm-256color", "NO_COLOR": "1", **environment}
    code, text = _read(command, variables, columns=columns, cwd=cwd)
    return code, Screen(columns).screens(text)


def _command(arguments):
    return [sys.executable, "-m", "wineexp", *map(str, arguments)]


def _read(command, environment, answer=b"", *, columns=80, **streams):
    """Exit code and screen; all streams but those given are the terminal, stdin where there is an answer."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, columns, 0, 0))
    ends = {"stdout": follower, "stderr": follower, **({"stdin": follower} if answer else {}), **streams}
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(command, env={**variables, **environment}, **ends)
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
    return process.wait(GUARD), shown.decode()


class Screen:
    """What the text that a terminal got looks like: lines as wide as the terminal, rewritten where it was told to.

    It knows what rich's live view uses: the cursor moves up, a line is cleared. What scrolls away stays.
    """

    def __init__(self, columns):
        self.columns = columns
        self._rows, self._row, self._column = [""], 0, 0

    def screens(self, text):
        """Each screen that a text shows: the lines whenever they are about to be cleared, and at the end.

        Until then lines are only added. So whatever stood there, however briefly, is on one of the screens, and
        none of them is half drawn.
        """
        screens, at, added = [], 0, False
        while at < len(text):
            control = _CONTROL.match(text, at)
            if control is None:
                self._put(text[at])
                at, added = at + 1, True
                continue
            if control[2] == "K" and added:
                screens.append(self.lines())
                added = False
            self._obey(control[1], control[2])
            at = control.end()
        return [*screens, self.lines()]

    def lines(self):
        """Its lines, without blanks at their ends and empty ones below."""
        lines = [row.rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _put(self, letter):
        assert letter != "\x1b", "what a terminal does at this control code is not known here"
        if letter == "\r":
            self._column = 0
            return
        if letter == "\n":
            self._down()
            return
        if self._column == self.columns:
            self._column = 0
            self._down()
        row = self._rows[self._row].ljust(self._column)
        self._rows[self._row] = row[: self._column] + letter + row[self._column + 1 :]
        self._column += 1

    def _down(self):
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")

    def _obey(self, number, code):
        if code == "A":
            self._row = max(0, self._row - int(number or 1))
        elif code == "K":
            row = self._rows[self._row]
            self._rows[self._row] = "" if number == "2" else row[: self._column]
        else:
            assert code in "mhl", f"what a terminal does at {code!r} is not known here"
