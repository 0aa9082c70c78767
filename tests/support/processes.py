"""The command line as a process of its own, to be signalled, stopped and killed; and the workers it has."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil


def answer_signals():
    """In the child, before it starts: a CI without a terminal may run us with signals ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


#: Seconds after which what is waited for is taken to hang. No test says how long anything takes.
GUARD = 1200

#: The command line, which writes a line into the file ``trains`` as a run's eleventh epoch is told, and goes on
#: from there once there is no file ``hold``. Its workers may take as long as they need to start.
TELLING = f"""
import time
from functools import partial
from pathlib import Path
from wineexp.cli import main
from wineexp.execution import workers
from wineexp.execution.progress import BatchProgress

workers.LocalWorkers = partial(workers.LocalWorkers, start_timeout={GUARD})
plain = BatchProgress.epoch

def epoch(self, spec, number, *losses):
    plain(self, spec, number, *losses)
    if number == 10:
        with open("trains", "a") as file:
            print(spec.label(), spec.seed, file=file)
        while Path("hold").exists():
            time.sleep(0.01)

BatchProgress.epoch = epoch
main()
"""

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


def start(arguments, cwd, *, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, code=None, before=()):
    """Begin ``wineexp`` with these arguments, or ``code`` in its place; its stderr can be read.

    What stands ``before``, as ``nohup``, begins it.
    """
    program = ["-m", "wineexp"] if code is None else ["-c", code]
    process = subprocess.Popen(
        [*before, sys.executable, *program, *map(str, arguments)],
        cwd=cwd,
        stdout=stdout,
        stderr=stderr,
        text=True,
        preexec_fn=answer_signals,
        env=os.environ | {"PYTHONFAULTHANDLER": "1"},  # a crash leaves its stack in stderr
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


def count_training(folder):
    """How many runs of a ``TELLING`` command line have got to their eleventh epoch."""
    path = folder / "trains"
    return len(path.read_text().splitlines()) if path.exists() else 0


def answers(process):
    """Whether a process answers SIGINT, SIGTERM and SIGHUP by itself, by Linux's account."""
    caught = re.search(r"^SigCgt:\s*(\w+)", Path(f"/proc/{process.pid}/status").read_text(), re.M)[1]
    return all(int(caught, 16) >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))


def loads_tensorflow(process):
    """Whether a process loads TensorFlow, or has it: Linux knows what is mapped into its memory."""
    return "tensorflow" in Path(f"/proc/{process.pid}/maps").read_text()


def check_gone(processes):
    """Assert that each of them ends."""
    _, alive = psutil.wait_procs(processes, timeout=GUARD)
    assert not alive


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
