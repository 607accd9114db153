"""How often each image was met in an epoch, counted across processes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np

from ...errors import StorageError, UsageError

PICTURES = 400_000
"""How many different images there is room for by default: 6 MiB of shared memory."""

PATIENCE = 60
"""Seconds to wait for a process that holds the lock, before it is taken for dead."""

EPOCH, USED = 0, 1


class VisitCounter:
    """An epoch, and a count for each 64-bit key, in memory that worker processes share.

    Workers that are forked or spawned by `multiprocessing` count in the same table, under one lock; a plain pickle and
    a deep copy are tables of their own that begin with the same counts. The table is of open addressing and never
    grows: shared memory cannot. Two images whose keys agree would share a count: among 400,000 images, a chance of
    1 in 200 million.

    Parameters
    ----------
    capacity : int
        Different keys between two calls of `start`; one more is an error, never a wrong count. The table takes 12
        bytes for each of its slots, of which there are 1.25 to 2.5 a key.

    Examples
    --------
    >>> tally = VisitCounter(capacity=100)
    >>> tally.meet(7), tally.meet(7), tally.meet(8)
    ((0, 0), (0, 1), (0, 0))
    >>> tally.start(1)
    >>> tally.meet(7)
    (1, 0)
    """

    def __init__(self, capacity: int = PICTURES, _shared: tuple[Any, Any, Any, Any] | None = None) -> None:
        self.capacity = whole(capacity, "capacity", least=1)
        self._shared = _shared or _made(1 << (self.capacity * 5 // 4).bit_length())
        self._lock, self._head, self._keys, self._counts = self._shared

    @property
    def epoch(self) -> int:
        """The epoch that was started last, by any process."""
        return int(self._head[EPOCH])

    def start(self, epoch: int) -> None:
        """Begin an epoch: all counts are 0 again."""
        self.load(epoch, ())

    def meet(self, key: int) -> tuple[int, int]:
        """Return the epoch and how often `key` was met before in it, and count this meeting; atomic.

        Raises
        ------
        UsageError
            If this is one key more than there is room for.
        StorageError
            If the lock is not given back within a minute.
        """
        self._acquire()
        try:
            return self.epoch, self._add(key, 1)
        finally:
            self._lock.release()

    def meet_all(self, keys: Iterable[int]) -> tuple[int, list[int]]:
        """Return the epoch and, as `meet` does one after the other, how often each key was met before in it."""
        self._acquire()
        try:
            return self.epoch, [self._add(key, 1) for key in keys]
        finally:
            self._lock.release()

    def state(self) -> dict[str, Any]:
        """Return the epoch and the (key, count) pairs, ascending; ready for JSON."""
        self._acquire()
        try:
            epoch, counts = self.epoch, np.frombuffer(self._counts, np.uint32)
            met = np.flatnonzero(counts)
            keys, counts = np.frombuffer(self._keys, np.uint64)[met], counts[met]
        finally:
            self._lock.release()
        order = np.argsort(keys)
        return {"epoch": epoch, "counts": [*map(list, zip(keys[order].tolist(), counts[order].tolist(), strict=True))]}

    def load(self, epoch: int, counts: Iterable[tuple[int, int]]) -> None:
        """Begin an epoch with these (key, count) pairs."""
        epoch = whole(epoch, "epoch")
        self._acquire()
        try:
            ctypes.memset(self._counts, 0, ctypes.sizeof(self._counts))
            self._head[EPOCH], self._head[USED] = epoch, 0
            for key, count in counts:
                self._add(key, count)
        finally:
            self._lock.release()

    def _add(self, key: int, number: int) -> int:
        """Return the count of `key` and raise it; the caller holds the lock."""
        keys, counts = self._keys, self._counts
        last = len(keys) - 1
        slot = key & last
        while (count := counts[slot]) and keys[slot] != key:
            slot = (slot + 1) & last
        if not count:
            if self._head[USED] >= self.capacity:
                raise self._full()
            self._head[USED] += 1
            keys[slot] = key
        counts[slot] = count + number
        return int(count)

    def _full(self) -> UsageError:
        return UsageError(
            f"More than {self.capacity:,} different pictures were met since the epoch began.",
            "After a random crop or flip every picture is a new one; without set_epoch counts go on for ever.",
            "call set_epoch(epoch) before each epoch, occlude before random transforms, or give a larger capacity=",
        )

    def _acquire(self) -> None:
        if not self._lock.acquire(timeout=PATIENCE):
            raise StorageError(
                "The shared counter is locked.",
                f"Expected the process that holds it to let go within {PATIENCE} seconds; it was probably killed.",
                "start the training again",
            )

    def __reduce__(self) -> tuple[Any, ...]:
        """Share the table with a worker that is being started; else write down what it holds."""
        if get_spawning_popen() is not None:
            return VisitCounter, (self.capacity, self._shared)
        return VisitCounter, (self.capacity,), self.state()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.load(**state)


def _made(slots: int) -> tuple[Any, Any, Any, Any]:
    """Return a lock, the head (epoch, slots used), keys and counts; a count of 0 marks an empty slot."""
    lock = get_context("spawn").Lock()  # the one kind that forked and spawned workers can both take
    head, keys = RawArray(ctypes.c_uint64, 2), RawArray(ctypes.c_uint64, slots)
    return lock, head, keys, RawArray(ctypes.c_uint32, slots)


def whole(value: Any, name: str, least: int = 0) -> int:
    """Return `value` as an integer of `least` or more.

    Raises
    ------
    UsageError
        If it is none.
    """
    try:
        number = value.__index__()
    except AttributeError:
        number = None
    if number is None or isinstance(value, bool) or not least <= number < 1 << 64:
        raise UsageError(f"{name}: expected a whole number of {least} or more, found {value!r}.")
    return int(number)
