"""The signals that end a program: answered like Ctrl-C, held back while something is written, kept from workers.

SIGTERM comes from ``kill``, a service manager or a batch system, SIGHUP from a terminal that is closed.
"""

from __future__ import annotations

import _thread
import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

__all__ = ["Answered", "answering", "blocked", "came", "cause_of_end", "check", "held"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

#: Seconds until a lost interrupt is raised again: destructors and callbacks have ended by then.
AGAIN = 0.01


class Answered:
    """The answer to these signals while :func:`answering`.

    Attributes
    ----------
    number : int or None
        The signal that came; None until one comes.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._holds = 0
        self._caught: int | None = None
        self._lost = self._sent = False
        self._ended = self._hearing = False
        self._sending = threading.Lock()

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as in shells; 130, as for Ctrl-C, if no signal came."""
        return 128 + (signal.SIGINT if self.number is None else self.number)

    def __call__(self, number: int, _: FrameType | None) -> None:
        if self._holds:
            self._caught = number
            return
        if self._sent:
            self._sent = False
            if not self._lost:  # noticed in the meantime
                return
            if self._hearing:  # Python would ignore the interrupt here too
                self._begin_sending(number)
                return
            self._lost = False
        elif self.number is not None:  # the second signal
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.number = number
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def raising_lost_ones(self) -> Iterator[None]:
        """Raise interrupts again that Python ignores, as it does in destructors and callbacks of weak references.

        Python writes a traceback of an ignored exception to stderr, and goes on as if no signal had come.
        """
        before = sys.unraisablehook

        def hear(ignored: sys.UnraisableHookArgs) -> None:
            if self.number is None or not issubclass(ignored.exc_type, KeyboardInterrupt):
                before(ignored)
                return
            self._hearing = self._lost = True
            try:
                self._begin_sending(self.number)
            finally:
                self._hearing = False

        sys.unraisablehook = hear
        try:
            yield
        finally:
            sys.unraisablehook = before
            with self._sending:
                self._ended = True

    def heard(self) -> None:
        """Do not raise the lost interrupt again."""
        with self._sending:
            self._lost = False

    def _begin_sending(self, number: int) -> None:
        # Not `threading`: its locks may be held by the code that the destructor interrupted.
        _thread.start_new_thread(self._send_again, (number,))

    def _send_again(self, number: int) -> None:
        time.sleep(AGAIN)
        with self._sending:
            if self._lost and not self._ended:
                self._sent = True
                signal.pthread_kill(threading.main_thread().ident or 0, number)  # this ends its waits too

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold a signal back until the end of the block, and answer it then."""
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
    with _handling(answered), answered.raising_lost_ones():
        yield answered


def check() -> None:
    """Raise ``KeyboardInterrupt`` again if a signal came, as its interrupt may have been lost.

    :class:`Answered` raises interrupts again that Python ignores, but does not notice those that an extension's
    code swallows; loading TensorFlow runs much of that. Loops that may run for hours call this.
    """
    if came():
        raise KeyboardInterrupt


def came() -> bool:
    """Whether such a signal came; a later error may be its interrupt in another shape.

    Asking counts as noticing it: it is not raised a second time while the interrupted work is recorded.
    """
    for answered in map(signal.getsignal, ENDING):
        if isinstance(answered, Answered) and answered.number is not None:
            answered.heard()
            return True
    return False


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Hold these signals back, then let one that came through; its handler does not change."""
    for answered in map(signal.getsignal, ENDING):
        if isinstance(answered, Answered):  # no handler is exchanged, so no signal can be lost in between
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
    """Let processes started in the block begin with these signals blocked: their parent alone answers them.

    Ctrl-C and a closed terminal reach every process of a terminal's group, and service managers signal all
    processes of a service; workers that died of a signal would look like workers that crashed.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def cause_of_end(code: int | None) -> str:
    """In words, how a process with this return code (``subprocess``'s) ended."""
    if code is None or code >= 0:
        return f"exit code {code}"
    if code == -signal.SIGKILL:
        return "SIGKILL; out of memory?"
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"


@contextlib.contextmanager
def _handling(handler: signal._HANDLER) -> Iterator[None]:
    """Answer the signals that are not ignored with ``handler``, and afterwards as before."""
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
