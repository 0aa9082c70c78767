"""The command line as a process of its own, to be signalled, stopped and killed; and the workers it has."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time

import psutil


def answer_signals():
    """In the child, before it starts: a CI without a terminal may run us with signals ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


#: Seconds after which what is waited for is taken to hang. No test says how long anything takes.
GUARD = 900

STARTED: list[subprocess.Popen] = []


def end_started():
    """End what a failed test has left behind: a batch of hours would slow every later one."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()  # its workers end with it
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def start(arguments, cwd, *, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, code=None):
    """Begin ``wineexp`` with these arguments, or ``code`` in its place; its stderr can be read."""
    program = ["-m", "wineexp"] if code is None else ["-c", code]
    process = subprocess.Popen(
        [sys.executable, *program, *map(str, arguments)],
        cwd=cwd,
        stdout=stdout,
        stderr=stderr,
        text=True,
        preexec_fn=answer_signals,
    )
    STARTED.append(process)
    return process


def wait_for(condition):
    """Wait until ``condition()`` holds, and return what it gave."""
    until = time.monotonic() + GUARD
    while not (found := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
    return found


def texts(paths):
    """What those of the files hold that are there still when they are read."""
    found = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found.append(path.read_text())
    return found


def children(process):
    """The workers of a process that live; one that ends while it is looked at is none.

    A test's own process has others too: a browser, a server, Python's resource tracker.
    """
    found = []
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one of these
                if "worker_main" in " ".join(child.cmdline()):
                    found.append(child)
    return found
