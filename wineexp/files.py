"""Files and directories written whole or not at all: to a temporary name first, then renamed into place.

A leaf: run directories, figures, pages, tables and the cache of downloads are all written through it.

A directory is built as ``.wineexp-HOST-PROCESS-RANDOM/NAME``, beside its place and under its own name, and then
exchanged with whatever is at its place. So one that a dead process left behind shows where it belongs.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import socket
import stat
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
    "restore",
    "write_directory",
    "write_file",
]

#: Start of the hidden name of whatever is being written; host, process and a random part follow.
_STAGED = ".wineexp-"

#: Flags of Linux's renameat2: paths are relative to the working directory; exchange the two.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

#: Errors by which a system or a file system says that it cannot exchange two directories.
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP)

Refusal = type[WineexpError]


def write_file(path: Path, content: bytes, *, error: Refusal = OutputError) -> None:
    """Write ``content`` to ``path``, replacing an existing file.

    Parameters
    ----------
    path : Path
        Missing parent folders are created.
    content : bytes
    error : type of WineexpError
        Raised, with path and reason, if the file cannot be written; nothing is left behind in that case.
    """
    with refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, content)


def write_directory(
    path: Path, files: Mapping[str, bytes], *, ours: Sequence[str], error: Refusal = OutputError
) -> None:
    """Write ``files``, name to content, into a new directory, and put it at ``path`` in one step.

    The files are flushed to the disk first, in the order given. An existing directory is replaced if
    :func:`check_replaceable` allows it; other files in it stay. Wherever this ends, even if the process dies,
    either the old or the new directory is whole, and :func:`restore`, which is called first here, puts it back.
    ``ours`` are the names that may be written; the last of them is written last, and marks a directory as whole.
    Raises ``error`` if disk or permissions do not allow it.
    """
    check_replaceable(path, ours, error=error)
    with refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        restore(path.parent, ours)
        staged = _staged_beside(path) / path.name
        try:
            staged.mkdir(parents=True)
            for name, content in files.items():
                _write_whole(staged / name, content)
            _put(staged, path, ours)
        finally:
            with contextlib.suppress(OSError):
                _discard(staged, path, ours)


def restore(folder: Path, ours: Sequence[str]) -> None:
    """Tidy up in ``folder`` after processes of this machine that ended while they wrote.

    A whole directory is put at its place, or removed if another whole one is there. Files that are not ours go
    back to where they were. Whatever the system refuses is left for the next time.
    """
    with contextlib.suppress(OSError):
        for left in folder.glob(f"{_STAGED}{socket.gethostname()}-*"):
            process = left.name.rsplit("-", 2)[1]
            if process.isdigit() and int(process) != os.getpid() and not _alive(int(process)):
                _tidy_up(left, ours)


def check_replaceable(path: Path, ours: Sequence[str], *, error: Refusal = OutputError) -> None:
    """Raise ``error`` if writing a directory at ``path`` would remove something that is not ours.

    Parameters
    ----------
    path : Path
        May be free, an empty directory, or a directory with the first or the last of ``ours``: we wrote that one,
        whatever else it holds by now.
    ours : sequence of str
        Names of the files that we write; the first and the last are always written.
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
            entries = {entry.name: entry for entry in os.scandir(path)}
            planted = [
                name for name in ours if name in entries and not entries[name].is_file(follow_symlinks=False)
            ]
            if entries and not entries.keys() & {ours[0], ours[-1]}:
                wrong = f"a folder without {ours[-1]} that holds {min(entries)}"
            elif planted:
                wrong = f"a folder whose {planted[0]} is not a file"
    if wrong:
        raise error(f"{path}: expected a free place for a run, found {wrong}; move it away")


def remove_files(path: Path, ours: Sequence[str], *, error: Refusal = OutputError) -> list[str]:
    """Remove our files from a directory, the last of ``ours`` first, and the directory once it is empty.

    Returns the names of everything else, which stays: other files, folders, links. Raises ``error`` if ``path``
    is a link, or the system does not allow it.
    """
    if path.is_symlink():
        raise error(f"{path}: expected a directory, found a symbolic link; remove the link by hand")
    with refusing(path, error, "removed"):
        return sorted(_remove(path, ours))


def ours_among(path: Path | int, ours: Sequence[str]) -> list[str]:
    """Our files in a directory: those left half-written first, then those of ``ours``; never a link."""
    names = sorted(entry.name for entry in os.scandir(path) if entry.is_file(follow_symlinks=False))
    return [name for name in names if name.startswith(_STAGED)] + [name for name in ours if name in names]


def check_writable(folder: Path, *, error: Refusal = OutputError) -> None:
    """Create ``folder``; raise ``error`` unless files can be written there. For use before the work, not after."""
    with refusing(folder, error):
        folder.mkdir(parents=True, exist_ok=True)
        probe = _staged_beside(folder / "probe")
        probe.mkdir()
        probe.rmdir()


@contextlib.contextmanager
def refusing(path: Path, error: Refusal, done: str = "written") -> Iterator[None]:
    """Raise ``error``, with ``path`` and the reason, if the system refuses the action that ``done`` names."""
    try:
        yield
    except OSError as cause:  # a full disk, a folder without permission, a file where a folder should be
        reason = cause.strerror or cause
        if isinstance(cause, FileExistsError):
            for link in (path, *path.parents):
                if link.is_symlink() and not link.exists():
                    target = os.readlink(link)
                    reason = f"{link} is a link to {target}, which does not exist; create that, or remove the link"
        raise error(f"{path}: cannot be {done}: {reason}") from cause


def _tidy_up(left: Path, ours: Sequence[str]) -> None:
    """Restore or remove what a dead process left under this hidden name, as far as the system allows it."""
    with contextlib.suppress(OSError):
        if left.is_symlink() or not left.is_dir():
            left.unlink()
            return
        for entry in [entry for entry in os.scandir(left) if entry.is_dir(follow_symlinks=False)]:
            staged, home = Path(entry), left.parent / entry.name
            if _is_whole(staged, ours) and not _is_whole(home, ours):
                with contextlib.suppress(OSError):  # the system refuses it unless the place is free
                    staged.rename(home)
            _discard(staged, home, ours)
        _remove(left, ours)  # earlier versions put the files directly into it


def _put(staged: Path, path: Path, ours: Sequence[str]) -> None:
    """Exchange ``staged`` with whatever is at ``path``; files there that are not ours stay at ``path``."""
    if not os.path.lexists(path) or not os.listdir(path):
        staged.rename(path)
        return
    _move_others(path, staged, ours)
    if _exchange(staged, path):
        return
    aside = _staged_beside(path) / path.name
    aside.parent.mkdir()
    try:
        path.rename(aside)
        try:
            staged.rename(path)
        except OSError:
            aside.rename(path)
            raise
    finally:
        with contextlib.suppress(OSError):
            _discard(aside, path, ours)


def _exchange(first: Path, second: Path) -> bool:
    """Exchange two directories in one step; False if the system, or the file system, cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if not renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(first), None, str(second))


def _discard(staged: Path, home: Path, ours: Sequence[str]) -> None:
    """Remove a staged directory, unless it is the only whole one; files that are not ours go home first."""
    if staged.is_dir():
        _move_others(staged, home, ours)
        if _is_whole(staged, ours) and not _is_whole(home, ours):
            return
        _remove(staged, ours)
    staged.parent.rmdir()


def _move_others(source: Path, target: Path, ours: Sequence[str]) -> None:
    """Move everything that is not ours from one directory into another; nothing there is replaced."""
    for name in set(os.listdir(source)) - set(ours_among(source, ours)):
        if not os.path.lexists(target / name):
            (source / name).rename(target / name)


def _remove(path: Path, ours: Sequence[str]) -> list[str]:
    """Remove our files from a directory, the last first, then the directory if it is empty; return what is left.

    The files are removed from this very directory, even if another is put at ``path`` meanwhile.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name in reversed(ours_among(folder, ours)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
        left = os.listdir(folder)
    finally:
        os.close(folder)
    if not left:
        path.rmdir()
    return left


def _is_whole(path: Path, ours: Sequence[str]) -> bool:
    """Whether a directory has the file that is written last and removed first."""
    try:
        return stat.S_ISREG(os.lstat(path / ours[-1]).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write_whole(path: Path, content: bytes) -> None:
    """Write beside ``path``, flush to the disk, rename; without the flush a power failure may leave it empty."""
    staged = _staged_beside(path)
    try:
        with staged.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            staged.unlink()
        raise


def _staged_beside(path: Path) -> Path:
    return path.parent / f"{_STAGED}{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # alive, but owned by another user
    return True
