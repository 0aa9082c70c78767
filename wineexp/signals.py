"""The signals that end a program: answered like Ctrl-C, held back while something is written, kept from workers.

SIGTERM comes from ``kill``, a service manager or a batch system, SIGHUP from a terminal that is closed.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

__all__ = ["Answered", "answering", "blocked", "came", "cause_of_end", "check", "held"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Answered:
    """The answer to these signals while :func:`answering`.

    Attributes
    ----------
    number : int or None
        The signal that came, None as long as there was none.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._holds = 0
        self._caught: int | None = None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells count; 130, that of Ctrl-C, where none came."""
        return 128 + (signal.SIGINT if self.number is None else self.number)

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self._holds:
            self._caught = number
            return
        if self.number is not None:  # the second one
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.number = number
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep a signal until the end, and answer it then."""
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds and self._caught is not None:
                caught, self._caught = self._caught, None
                self(caught, None)


@contextlib.contextmanager
def answering() -> Iterator[Answered]:
    """Raise ``KeyboardInterrupt`` for each of these signals; a second one ends the program at once.

    A signal that was ignored before (``nohup``) stays ignored. Does nothing outside the main thread, where
    Python delivers no signals.
    """
    answered = Answered()
    with _handling(answered):
        yield answered


def check() -> None:
    """Raise again for a signal that came and whose interrupt was lost.

    Python ignores an exception in a destructor or a callback from C, the interrupt of a signal too, and
    loading TensorFlow runs many of both. Loops that may run for hours look here.
    """
    if came():
        raise KeyboardInterrupt


def came() -> bool:
    """Whether such a signal came; what fails afterwards may be its interrupt in another shape."""
    return any(isinstance(one, Answered) and one.number is not None for one in map(signal.getsignal, ENDING))


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold these signals back, then let one that came through; how it is answered does not change."""
    for answered in map(signal.getsignal, ENDING):
        if isinstance(answered, Answered):  # no handler is exchanged, so that none can be lost in between
            with answered.held():
                yield
            return
    caught: list[int] = []
    try:
        with _handling(lambda number, _: caught.append(number)):
            yield
    finally:
        if caught:
            signal.raise_signal(caught[0])


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Let a process that is started within begin with these signals blocked: its parent alone answers them.

    Ctrl-C and a closed terminal reach every process of a terminal's group, and service managers signal all
    processes of a service; workers that died of it could not be told from workers that crashed.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cause_of_end(code: int | None) -> str:
    """How a process ended that has this return code, of ``subprocess``."""
    if code is None or code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:
        return "SIGKILL; out of memory?"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    """Answer those that are not ignored with ``handler``, and as before afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = {number: signal.getsignal(number) for number in ENDING}
    before = {number: old for number, old in known.items() if old not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        with blocked():
            for number, old in before.items():
                signal.signal(number, old)
