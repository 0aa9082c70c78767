"""Files and directories written whole or not at all: to a temporary name first, then renamed into place.

A leaf: run directories, figures, pages, tables and the cache of downloads are all written through it.

A directory is built as ``.wineexp-HOST-PROCESS-RANDOM/NAME``, beside its place and under its own name, and then
exchanged with what stands at its place. So whoever finds one that a dead process left knows where it belongs.
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

#: Start of the hidden name that something has while it is written; host, process and a random part follow.
_STAGED = ".wineexp-"

#: Of Linux's renameat2: paths as the working directory has them; exchange the two.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2

#: How a system or a file system says that it cannot exchange two directories.
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
        What to raise, with path and reason, if it cannot be written; nothing is left behind in that case.
    """
    with refusing(path, error):
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(path, content)


def write_directory(
    path: Path, files: Mapping[str, bytes], *, ours: Sequence[str] = (), error: Refusal = OutputError
) -> None:
    """Write ``files``, name to content, into a new directory, and put it at ``path`` in one step.

    The files are flushed to the disk first, in the order given. An existing directory is replaced if it may be,
    by :func:`check_replaceable`; files of others in it stay. Wherever this ends, even with the process, the old
    one or the new one is whole, and :func:`restore`, which comes first here, puts it back. ``ours`` are by
    default the names of ``files``; the last of them is written last, and says that a directory is whole. Raises
    ``error`` if disk or permissions do not allow it.
    """
    ours = ours or tuple(files)
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

    A whole directory is put at its place, or removed where another whole one stands there. Files of others go
    back to where they were. What the system refuses is left for the next time.
    """
    with contextlib.suppress(OSError):
        for left in folder.glob(f"{_STAGED}{socket.gethostname()}-*"):
            process = left.name.rsplit("-", 2)[1]
            if process.isdigit() and int(process) != os.getpid() and not _alive(int(process)):
                _tidy_up(left, ours)


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
        return sorted(_remove(path, ours))


def ours_among(path: Path | int, ours: Sequence[str]) -> list[str]:
    """Those of ``ours`` that are files of a directory, after what was left half-written; none is ever a link."""
    there = sorted(entry.name for entry in os.scandir(path) if entry.is_file(follow_symlinks=False))
    return [name for name in there if name.startswith(_STAGED)] + [name for name in ours if name in there]


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
        reason = cause.strerror or cause
        if isinstance(cause, FileExistsError):
            for link in (path, *path.parents):
                if link.is_symlink() and not link.exists():
                    there = os.readlink(link)
                    reason = f"{link} is a link to {there}, which does not exist; create that, or remove the link"
        raise error(f"{path}: cannot be {done}: {reason}") from cause


def _tidy_up(left: Path, ours: Sequence[str]) -> None:
    """Restore or remove what a dead process left under that hidden name, as far as the system allows it."""
    with contextlib.suppress(OSError):
        if left.is_symlink() or not left.is_dir():
            left.unlink()
            return
        for entry in [entry for entry in os.scandir(left) if entry.is_dir(follow_symlinks=False)]:
            staged, home = Path(entry), left.parent / entry.name
            if _is_whole(staged, ours) and not _is_whole(home, ours):
                with contextlib.suppress(OSError):  # refused unless its place is free
                    staged.rename(home)
            _discard(staged, home, ours)
        _remove(left, ours)  # earlier versions had the files in it


def _put(staged: Path, path: Path, ours: Sequence[str]) -> None:
    """Rename ``staged`` to ``path``; what stands there takes its place, but for files of others, which stay."""
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


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two directories in one step; False where the system, or the file system, cannot."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if not renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one), None, str(other))


def _discard(staged: Path, home: Path, ours: Sequence[str]) -> None:
    """Remove a staged directory; what is not ours goes home first, and the only whole one stays."""
    if staged.is_dir():
        _move_others(staged, home, ours)
        if _is_whole(staged, ours) and not _is_whole(home, ours):
            return
        _remove(staged, ours)
    staged.parent.rmdir()


def _move_others(source: Path, target: Path, ours: Sequence[str]) -> None:
    """Move what is not ours from one directory into another; nothing there is replaced."""
    for name in set(os.listdir(source)) - set(ours_among(source, ours)):
        if not os.path.lexists(target / name):
            (source / name).rename(target / name)


def _remove(path: Path, ours: Sequence[str]) -> list[str]:
    """Remove our files from a directory, the last first, and it once it is empty; return what stays.

    They are removed from this very directory, whatever is put at ``path`` meanwhile.
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
    """Whether a directory has the file that is written last, and removed first."""
    try:
        return stat.S_ISREG(os.lstat(path / ours[-1]).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write_whole(path: Path, content: bytes) -> None:
    """Write to a name beside it, and rename; flushed to the disk first, or a power failure may leave it empty."""
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
