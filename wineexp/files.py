"""Files and directories written whole or not at all: to a temporary name first, then renamed into place.

A leaf: run directories, figures, pages, tables and the cache of downloads are all written through it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wineexp.errors import OutputError, WineexpError

__all__ = [
    "check_replaceable",
    "check_writable",
    "ours_among",
    "refusing",
    "remove_files",
    "write_directory",
    "write_file",
]

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
    with refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        staged = _staged_beside(path)
        try:
            _write(staged, content)
            staged.replace(path)
        finally:
            staged.unlink(missing_ok=True)


def write_directory(
    path: Path, files: Mapping[str, bytes], *, ours: Sequence[str] = (), error: Refusal = OutputError
) -> None:
    """Write ``files``, name to content, into a new directory and rename it to ``path``.

    The files are flushed to the disk first, in the order given. An existing directory is replaced if it may be,
    by :func:`check_replaceable`. Where it holds files of others too, these stay, and ours are replaced in it one
    by one, the last of ``ours`` last. What an earlier process on this machine left half-written is removed.
    ``ours`` are by default the names of ``files``. Raises ``error`` if disk or permissions do not allow it.
    """
    ours = ours or tuple(files)
    check_replaceable(path, ours, error=error)
    with refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        staged = _staged_beside(path)
        staged.mkdir()
        try:
            for name, content in files.items():
                _write(staged / name, content)
            _put(staged, path, files, ours)
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def check_replaceable(path: Path, ours: Sequence[str], *, error: Refusal = OutputError) -> None:
    """Raise ``error`` if writing a directory at ``path`` would remove what is not ours.

    Parameters
    ----------
    path : Path
        It may be free, an empty directory, or one that holds the first or the last of ``ours``: then we wrote it,
        whatever else it holds by now.
    ours : sequence of str
        Names of the files that we write; the first and the last are always among them.
    """
    if not os.path.lexists(path):
        return
    wrong = None
    with refusing(path, error):
        if path.is_symlink():
            wrong = "a symbolic link"
        elif not path.is_dir():
            wrong = "a file"
        else:
            there = {entry.name: entry for entry in os.scandir(path)}
            planted = [name for name in ours if name in there and not there[name].is_file(follow_symlinks=False)]
            if there and not there.keys() & {ours[0], ours[-1]}:
                wrong = f"a folder without {ours[-1]} that holds {min(there)}"
            elif planted:
                wrong = f"a folder whose {planted[0]} is no file"
    if wrong:
        raise error(f"{path}: stands where a run is to be written: {wrong}; move it away")


def remove_files(path: Path, ours: Sequence[str], *, error: Refusal = OutputError) -> list[str]:
    """Remove our files from a directory, the last of ``ours`` first, and the directory once it is empty.

    Returns the names of what is not ours and stays: other files, folders, links. Raises ``error`` if ``path`` is
    a link, or the system does not allow it.
    """
    if path.is_symlink():
        raise error(f"{path}: expected a directory, found a symbolic link; remove the link by hand")
    with refusing(path, error, "removed"):
        for name in reversed(ours_among(path, ours)):
            (path / name).unlink(missing_ok=True)
        left = os.listdir(path)
        if not left:
            path.rmdir()
    return sorted(left)


def ours_among(path: Path, ours: Sequence[str]) -> list[str]:
    """Those of ``ours`` that are files of a directory; what we write is never a link."""
    there = {entry.name for entry in os.scandir(path) if entry.is_file(follow_symlinks=False)}
    return [name for name in ours if name in there]


def check_writable(folder: Path, *, error: Refusal = OutputError) -> None:
    """Create ``folder``; raise ``error`` unless files can be written there: better before the work than after."""
    with refusing(folder, error):
        folder.mkdir(parents=True, exist_ok=True)
        probe = _staged_beside(folder / "probe")
        probe.mkdir()
        probe.rmdir()


@contextlib.contextmanager
def refusing(path: Path, error: Refusal, done: str = "written") -> Iterator[None]:
    """Raise ``error``, with ``path`` and the reason, where the system refuses what is to be ``done`` within."""
    try:
        yield
    except OSError as cause:  # a full disk, a folder without permission, a file where a folder should be
        raise error(f"{path}: cannot be {done}: {cause.strerror or cause}") from cause


def _put(staged: Path, path: Path, files: Mapping[str, bytes], ours: Sequence[str]) -> None:
    """Rename ``staged`` to ``path``; an existing one is removed only once the new one is in place."""
    with contextlib.suppress(OSError):
        path.rmdir()  # empty
    if not path.exists():
        staged.rename(path)
        return
    if not set(os.listdir(path)) <= set(ours):
        _put_within(staged, path, files, ours)
        return
    old = _staged_beside(path)
    path.rename(old)
    try:
        staged.rename(path)
    except OSError:
        old.rename(path)
        raise
    for name in ours:
        with contextlib.suppress(OSError):  # the new one is in place
            (old / name).unlink()
    for name in os.listdir(old):  # put there by someone in this moment
        with contextlib.suppress(OSError):
            (old / name).rename(path / name)
    with contextlib.suppress(OSError):
        old.rmdir()


def _put_within(staged: Path, path: Path, files: Mapping[str, bytes], ours: Sequence[str]) -> None:
    """Replace our files in a directory that holds others too; until the last one is there it disagrees with it."""
    *others, last = ours
    for name in others:
        if name in files:
            (staged / name).replace(path / name)
        else:
            (path / name).unlink(missing_ok=True)
    (staged / last).replace(path / last)


def _write(path: Path, content: bytes) -> None:
    """Write and flush to the disk: what is renamed before that may be empty after a power failure."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
