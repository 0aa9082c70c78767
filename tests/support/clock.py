"""A clock that a test moves on, so that nothing has to take as long as it says."""

from __future__ import annotations

import time


class Clock:
    """What a module of ours may have in place of ``time``.

    Attributes
    ----------
    ahead : float
        Seconds that ``monotonic`` is ahead of the real one.
    """

    def __init__(self):
        self.ahead, self._real = 0.0, time.monotonic

    def monotonic(self):
        return self._real() + self.ahead

    def __getattr__(self, name):
        return getattr(time, name)
