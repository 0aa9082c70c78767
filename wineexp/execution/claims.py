"""Who trains which run of a folder: one owner a run, whatever the number of processes and machines.

A claim is a small hidden file beside the run directories, ``.<signature>.claim``, made before a run is begun and
removed once it is recorded. It is a lease: its owner renews it while it lives. A claim of a process on this
machine that no longer runs is taken over at once, one that nobody renewed for ``LEASE_SECONDS`` by the clock of
the process that watches it; no clocks are compared. What is no claim of ours (another version's, a planted file)
is left alone, and whoever waits for it is told which file it is. Only the exclusive creation of files is asked of
the file system, which NFS gives too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from pathlib import Path

import psutil
from filelock import LeaseSettingsMismatch, SoftFileLease, Timeout

from wineexp import files
from wineexp.errors import RunError

__all__ = ["LEASE_SECONDS", "Claims"]

#: All processes must agree on it. It is renewed three times as often.
LEASE_SECONDS = 60.0


class Claims:
    """The claims of this process on runs of ``folder``, each known by its signature."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._leases: dict[str, SoftFileLease] = {}

    def take(self, signature: str, *, to_remove: bool = False) -> bool:
        """Whether the run is this process's now, or was already; False where it is another's.

        A full disk has no room for a claim. Who takes a run ``to_remove`` it needs none there, as long as nobody
        else has it: whoever trains it wrote a claim while there was room, and nobody can write one now.

        Raises
        ------
        RunError
            When the folder cannot be written.
        """
        lease = self._leases.setdefault(signature, self._lease(signature))  # kept: it watches the other's renewals
        with files.refusing(Path(lease.lock_file), RunError):
            for _ in range(2):  # the first may find a dead process's and remove it
                if lease.is_locked:
                    return True
                # The second: a claim that another version, or someone else, wrote. Whose it is, we cannot know.
                with contextlib.suppress(Timeout, LeaseSettingsMismatch):
                    try:
                        lease.acquire(blocking=False)
                    except OSError as error:
                        if not to_remove or error.errno not in (errno.ENOSPC, errno.EDQUOT):
                            raise
        return lease.is_locked or (to_remove and self._is_free(signature))

    def path(self, signature: str) -> Path:
        """The file of a claim."""
        return self._folder / f".{signature}.claim"

    def owner(self, signature: str) -> str:
        """Who holds the run, for people; a claim that says nothing of it has no owner that we know."""
        known = self._lease(signature).owner
        return f"process {known.pid} on {known.hostname}" if known else "another process"

    def release(self, signature: str) -> None:
        """Let others have the run; nothing happens where it is not ours."""
        if signature in self._leases:
            with contextlib.suppress(OSError):  # the folder may be gone
                self._leases.pop(signature).release()

    def close(self) -> None:
        """Release what is left, and remove what dead processes left of the runs that were asked for."""
        for signature in list(self._leases):
            with contextlib.suppress(RunError):
                self.take(signature)
            self.release(signature)

    def _is_free(self, signature: str) -> bool:
        """Whether there is no claim on the run, or one of a process of this machine that no longer runs."""
        if not os.path.lexists(self.path(signature)):
            return True
        known = self._lease(signature).owner
        return known is not None and known.hostname == socket.gethostname() and not psutil.pid_exists(known.pid)

    def _lease(self, signature: str) -> SoftFileLease:
        # A generator that is closed elsewhere must release it too, hence not of one thread alone.
        return SoftFileLease(self.path(signature), lease_duration=LEASE_SECONDS, thread_local=False)
