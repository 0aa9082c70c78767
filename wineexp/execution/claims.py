"""Who trains which run of a folder: one owner per run, across all processes and machines.

A claim is a small hidden file beside the run directories, ``.<signature>.claim``, made before a run is begun and
removed once it is recorded. It is a lease: its owner renews it while it lives. A claim is taken over at once if
its process was on this machine and no longer runs, otherwise if nobody renewed it for ``LEASE_SECONDS`` by the
clock of the process that watches it; clocks are not compared. A file that is not our claim (another version's, a
planted file) is left alone, and a process that waits for it names the file. The file system only needs exclusive
creation of files, which NFS has too.
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
        """Whether this process now has the run, or had it already; False if another process has it.

        A full disk has no room for a claim. To take a run ``to_remove``, no claim is needed there, as long as
        nobody else has one: a process that trains the run wrote its claim while there was room, and nobody can
        write one now.

        Raises
        ------
        RunError
            If the folder cannot be written.
        """
        lease = self._leases.setdefault(signature, self._lease(signature))  # kept: it watches the other's renewals
        with files.refusing(Path(lease.lock_file), RunError):
            for _ in range(2):  # the first may find and remove a dead process's
                if lease.is_locked:
                    return True
                # The second: a claim that another version, or someone else, wrote. Its owner is unknown.
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
        """The owner of the run, for people; a claim without an owner has none that we know."""
        known = self._lease(signature).owner
        return f"process {known.pid} on {known.hostname}" if known else "another process"

    def release(self, signature: str) -> None:
        """Release the run for others; without effect if it is not ours."""
        if signature in self._leases:
            with contextlib.suppress(OSError):  # the folder may be gone
                self._leases.pop(signature).release()

    def close(self) -> None:
        """Release the remaining claims, and remove those of dead processes on runs that were asked for."""
        for signature in list(self._leases):
            with contextlib.suppress(RunError):
                self.take(signature)
            self.release(signature)

    def _is_free(self, signature: str) -> bool:
        """Whether there is no claim on the run, or only that of a process of this machine that no longer runs."""
        if not os.path.lexists(self.path(signature)):
            return True
        known = self._lease(signature).owner
        return known is not None and known.hostname == socket.gethostname() and not psutil.pid_exists(known.pid)

    def _lease(self, signature: str) -> SoftFileLease:
        # A generator that is closed in another thread must release it too, hence it is not bound to one thread.
        return SoftFileLease(self.path(signature), lease_duration=LEASE_SECONDS, thread_local=False)
