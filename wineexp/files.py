"""Files and directories written whole or not at all: to a temporary name first, then renamed into place.

A leaf: run directories, figures, pages, tables and the cache of downloads are all written through it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from wineexp.errors import OutputError, WineexpError

__all__ = ["check_writable", "write_directory", "write_file"]

#: Start of the hidden name that something has while it is written; host, process and a random part follow.
_STAGED = ".wineexp-"

Refusal = type[WineexpError]


def write_file(path: Path, content: bytes, *, error: Refusal = OutputError) -> None:
    """Write ``content`` to ``path``, replacing an existing file.

    Parameters
    ----------
    path : Path
        Missing parent folders are created.
    content : bytes
    error : type of WineexpError
        What to raise, with path and reason, if it cannot be written; nothing is left behind in that case.
    """
    with _refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = _staged_beside(path)
        try:
            staged.write_bytes(content)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)


def write_directory(path: Path, files: Mapping[str, bytes], *, error: Refusal = OutputError) -> None:
    """Write ``files``, name to content, into a new directory and rename it to ``path``.

    The files are flushed to the disk first, in the order given. An existing directory is replaced.
    What an earlier process on this machine left half-written beside it is removed.
    Raises ``error`` if the disk or the permissions do not allow it.
    """
    with _refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        staged = _staged_beside(path)
        staged.mkdir()
        try:
            for name, content in files.items():
                with (staged / name).open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            _put(staged, path)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def check_writable(folder: Path, *, error: Refusal = OutputError) -> None:
    """Create ``folder``; raise ``error`` unless files can be written there: better before the work than after."""
    with _refusing(folder, error):
        folder.mkdir(parents=True, exist_ok=True)
        probe = _staged_beside(folder / "probe")
        probe.mkdir()
        probe.rmdir()


@contextlib.contextmanager
def _refusing(path: Path, error: Refusal) -> Iterator[None]:
    try:
        yield
    except OSError as cause:  # a full disk, a folder without permission, a file where a folder should be
        raise error(f"{path}: cannot be written: {cause.strerror or cause}") from cause


def _put(staged: Path, path: Path) -> None:
    """Rename ``staged`` to ``path``; an existing one is removed only once the new one is in place."""
    if not path.exists():
        staged.rename(path)
        return
    old = _staged_beside(path)
    path.rename(old)
    try:
        staged.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _staged_beside(path: Path) -> Path:
    return path.parent / f"{_STAGED}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _sweep(folder: Path) -> None:
    """Remove leftovers of processes of this machine that no longer run."""
    for left in folder.glob(f"{_STAGED}{socket.gethostname()}-*"):
        process = left.name.rsplit("-", 2)[1]
        if process.isdigit() and int(process) != os.getpid() and not _alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, but owned by another user
    return True
