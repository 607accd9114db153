"""Read every image of a tree once: decode it in full, hash its bytes and its pixels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from .errors import ImageError
from .hashing import pixel_digest
from .images import decode

SHARD = 256

Progress = Callable[[int, int], None]
"""Called with (images done, images in all)."""


class Scanned(NamedTuple):
    """What one full read of an image says."""

    name: str
    width: int
    height: int
    bytes: int
    sha256: str
    pixel_sha256: str
    mtime_ns: int


def scan_file(folder: str, name: str) -> Scanned:
    """Return the facts of the image ``folder/name``.

    Raises
    ------
    ImageError
        If it cannot be decoded to its end.
    """
    with open(f"{folder}/{name}", "rb", buffering=0) as stream:
        data = stream.read()
        time = os.fstat(stream.fileno()).st_mtime_ns
    pixels = decode(data, name)
    height, width = pixels.shape[:2]
    return Scanned(name, width, height, len(data), hashlib.sha256(data).hexdigest(), pixel_digest(pixels), time)


def scan_shard(folder: str, names: Sequence[str]) -> tuple[list[Scanned], list[tuple[str, str]]]:
    """Return (facts of the readable images, (name, why) of the unreadable ones), in order."""
    good, bad = [], []
    for name in names:
        try:
            good.append(scan_file(folder, name))
        except ImageError as error:
            bad.append((name, f"{error.what} {error.why}"))
    return good, bad


def scan(
    folder: Path,
    names: Sequence[str],
    executor: Executor | None = None,
    workers: int | None = None,
) -> Iterator[tuple[list[Scanned], list[tuple[str, str]]]]:
    """Yield the result of `scan_shard` for each shard of `names`, in order.

    Parameters
    ----------
    folder : Path
        The folder that `names` are relative to.
    names : sequence of str
        POSIX names; unreadable ones are reported, never skipped in silence.
    executor : concurrent.futures.Executor, optional
        Who does the work; by default a pool of threads of our own, since decoding and hashing release the GIL.
    workers : int, optional
        Threads of that pool; by default the cores this process may use.
    """
    shards = [names[start : start + SHARD] for start in range(0, len(names), SHARD)]
    if executor is not None:
        yield from executor.map(scan_shard, [str(folder)] * len(shards), shards)
    elif (workers or cores()) == 1:
        yield from (scan_shard(str(folder), shard) for shard in shards)
    else:
        pool = ThreadPoolExecutor(workers or cores())
        try:
            yield from pool.map(scan_shard, [str(folder)] * len(shards), shards)
        finally:  # an interrupt must not wait for shards that nobody wants any more
            pool.shutdown(cancel_futures=True)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield (POSIX name relative to `folder`, entry) of everything below it but folders, sorted within each folder.

    Links are yielded, never followed.
    """
    stack = [("", str(folder))]
    while stack:
        prefix, path = stack.pop()
        with os.scandir(path) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                stack.append((f"{prefix}{entry.name}/", entry.path))
            else:
                yield prefix + entry.name, entry
