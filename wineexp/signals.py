"""The signals that end a program: answered like Ctrl-C, held back while something is written, kept from workers.

SIGTERM comes from ``kill``, a service manager or a batch system, SIGHUP from a terminal that is closed.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

__all__ = ["Answered", "answering", "blocked", "held"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Answered:
    """The signal that came, None as long as there was none."""

    number: int | None = None

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells count; 130, that of Ctrl-C, where none came."""
        return 128 + (signal.SIGINT if self.number is None else self.number)


@contextlib.contextmanager
def answering() -> Iterator[Answered]:
    """Raise ``KeyboardInterrupt`` for each of these signals; a second one ends the program at once.

    A signal that was ignored before (``nohup``) stays ignored. Does nothing outside the main thread, where
    Python delivers no signals.
    """
    answered = Answered()

    def answer(number: int, _: FrameType | None) -> None:
        if answered.number is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        answered.number = number
        raise KeyboardInterrupt

    with _handling(answer):
        yield answered


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold these signals back, then let the first of them through."""
    caught: list[int] = []
    with _handling(lambda number, _: caught.append(number)):
        yield
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


@contextlib.contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    """Answer those that are not ignored with ``handler``, and as before afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ENDING}
    replaced = [number for number, known in before.items() if known not in (signal.SIG_IGN, None)]
    for number in replaced:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in replaced:
            signal.signal(number, before[number])
