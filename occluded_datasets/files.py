"""Writing that is whole or absent, and one run at a time in a folder."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import StorageError

_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file grew over the size limit",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENAMETOOLONG: "the path is too long for this file system",
    errno.EIO: "the device reported an input/output error",
    errno.ENOTDIR: "a part of the path is a file",
    errno.EEXIST: "a file is where a folder should be",
    errno.EISDIR: "a folder is where a file should be",
    errno.ENOENT: "a file or folder vanished",
    errno.ELOOP: "a part of the path is a symbolic link to itself",
    errno.EBUSY: "the file is in use",
    errno.EMFILE: "too many files are open",
}


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn a disk's refusals inside the block into `StorageError`, naming the file."""
    try:
        yield
    except OSError as error:
        reason = _STORAGE.get(error.errno or 0)
        if reason is None:
            raise
        where = f" ({error.filename})" if error.filename else ""
        raise StorageError(
            f"{what}: {reason}{where}.",
            "Nothing was published.",
            "free some space or choose another folder with --root or --out, then run the same command again",
        ) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader meets the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk where the platform can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(folder: Path) -> None:
    """Remove a folder or file of ours, if it is there; never follow a link out of it."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


@contextmanager
def exclusive(lock: Path) -> Iterator[None]:
    """Hold the lock file `lock` for the block; a killed holder leaves none behind.

    The lock only spares two runs the same work and a clear error tells the second; what makes results right is
    that everything is staged and renamed.
    """
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("a+b") as stream:
            try:
                _lock(stream.fileno())
            except OSError as error:
                raise StorageError(
                    f"{lock.parent}: another run is at work here.", "", "wait for it to end, then run the command again"
                ) from error
            if not _still(stream.fileno(), lock):
                continue
            try:
                yield
            finally:
                with suppress(OSError):
                    lock.unlink()
            return


def _still(descriptor: int, lock: Path) -> bool:
    """Whether the file that was locked is still the one of that name: its last holder may have removed it."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), lock.stat())
    return False


if os.name == "posix":
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

else:  # pragma: no cover - not run on the platforms of the test suite
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
