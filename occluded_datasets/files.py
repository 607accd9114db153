"""Writing that is whole or absent, and one run at a time in a folder."""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Sequence
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


STALE = 24 * 3600
"""Seconds after which a temporary file is a killed run's: no writer holds one longer than its one write takes."""

Moves = Sequence[tuple["Path | None", Path]]
"""What is ready, and the place that it goes to; None where the place is to be left empty."""


@contextmanager
def storage_errors(what: str, result: Path | None = None, *, reading: bool = False) -> Iterator[None]:
    """Turn a disk's refusals inside the block into `StorageError`, naming the file.

    The message says what is at the place afterwards, as it is found there.

    Parameters
    ----------
    what : str
        What the block is about: a path, as the user gave it.
    result : Path, optional
        The file whose presence says that a result is published; by default the path `what`.
    reading : bool
        Whether the block reads alone.
    """
    place = Path(what) if result is None else result
    before = _seen(place)
    try:
        yield
    except OSError as error:
        reason = _STORAGE.get(error.errno or 0)
        if reason is None:
            raise
        where = f" ({error.filename})" if error.filename else ""
        if reading:
            why, then = f"The system says: {error.strerror}.", "make it readable, then run the same command again"
        else:
            why = _left(before, _seen(place))
            then = "free some space or choose another folder with --root or --out, then run the same command again"
        raise StorageError(f"{what}: {reason}{where}.", why, then) from error


def _seen(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _left(before: os.stat_result | None, after: os.stat_result | None) -> str:
    """Return in a sentence what is at the place after a fault."""
    if after is None:
        return "Nothing was published." if before is None else "The earlier one is set aside beside it."
    if stat.S_ISDIR(after.st_mode):
        return "What was being written there is not complete."
    if before is None or before.st_ino != after.st_ino:
        return "The new one is in its place."
    same = (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    return "The earlier one is still there." if same else "It was changed before this happened."


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that a reader meets the old file or the whole new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)
    _sweep(path)


def _sweep(path: Path) -> None:
    """Remove the temporary files that killed writers of `path` left.

    Another writer may be at work, on another machine too, where no lock is sure: only what is older than `STALE` goes.
    """
    ours = re.compile(re.escape(f".{path.name}.") + r"[0-9a-f]+\.part")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name) and time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE:
                os.unlink(entry.path)


def swap_in(moves: Moves) -> None:
    """Put what is ready in its place, all of it or, on any error, nothing: then the old is where it was.

    The last place is the one that says that all is whole: its old file goes first and its new one comes last. A swap
    that was killed is ended by the same call, or undone by `put_back`, which is called before another one is begun.
    """
    try:
        for ready, place in reversed(moves):
            if os.path.lexists(place) and (ready is None or ready.exists()):
                os.replace(place, _aside(place))
        for ready, place in moves:
            if ready is not None and ready.exists():
                os.replace(ready, place)
    except BaseException:
        put_back(moves)
        raise
    sync_folder(moves[-1][1].parent)
    put_back(moves)


def put_back(moves: Moves) -> None:
    """Undo a swap that did not come to its end, by an error or a kill; of one that did, remove the old.

    It did if something is at the last place. What had been put in is ready again afterwards.
    """
    last_ready, last = moves[-1]
    alive = last_ready is not None and last_ready.exists()
    if not os.path.lexists(last) and (alive or os.path.lexists(_aside(last))):
        for ready, place in moves:
            old = _aside(place)
            if os.path.lexists(place) and ready is not None and not ready.exists() and (alive or os.path.lexists(old)):
                ready.parent.mkdir(parents=True, exist_ok=True)  # the new one is here
                os.replace(place, ready)
            if os.path.lexists(old) and (ready is None or not os.path.lexists(place)):
                remove_tree(place)
                os.replace(old, place)
    for _, place in reversed(moves):
        remove_tree(_aside(place))


def _aside(place: Path) -> Path:
    """Return where the old one is kept while the new one takes its place."""
    return place.with_name(f".{place.name}.replaced")


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
