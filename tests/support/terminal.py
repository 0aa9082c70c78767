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
    screen, screens = Screen(columns), []

    def look(text):
        screen.feed(text)
        if not screens or screens[-1] != screen.lines():
            screens.append(screen.lines())

    code, _ = _read(command, variables, columns=columns, cwd=cwd, look=look)
    return code, screens


def _command(arguments):
    return [sys.executable, "-m", "wineexp", *map(str, arguments)]


def _read(command, environment, answer=b"", *, columns=80, look=None, **streams):
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
            shown += (piece := os.read(leader, 65536))
        except OSError:  # the other side is closed
            break
        if look is not None and not piece.endswith(b"\x1b"):
            look(shown.decode(errors="ignore"))
    os.close(leader)
    return process.wait(120), shown.decode()


class Screen:
    """What the text that a terminal got looks like: lines as wide as the terminal, rewritten where it was told to.

    It knows what rich's live view uses: the cursor moves up, a line is cleared. What scrolls away stays.
    """

    def __init__(self, columns):
        self.columns = columns

    def feed(self, text):
        """Take all the text so far; a control code may be cut off at its end."""
        self._rows, self._row, self._column = [""], 0, 0
        at = 0
        while at < len(text):
            if found := _CONTROL.match(text, at):
                self._obey(found[1], found[2])
                at = found.end()
                continue
            if text[at] == "\x1b":
                return
            self._put(text[at])
            at += 1

    def lines(self):
        """Its lines, without blanks at their ends and empty ones below."""
        lines = [row.rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def _put(self, letter):
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
