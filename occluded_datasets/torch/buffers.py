"""`Buffers`: memory for batches that is used again once nobody holds it.

A fresh batch of floats is 25 MB of pages that the system must clear before they can be written. Python's own count
tells who holds a batch: an array's views, and tensors made of them, each hold the array that owns the memory.
"""

from __future__ import annotations

import sys
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

KEPT = 24
"""Buffers that are kept for later: as many as a few threads and a training step hold of three views."""

LEAST = 1 << 20
"""Bytes below which memory is not worth keeping."""


class Buffers:
    """A pool of memory; a copy or a pickle of it is an empty one.

    Examples
    --------
    >>> buffers = Buffers()
    >>> first = buffers.empty((2, 1 << 20), np.uint8)
    >>> place = first.ctypes.data
    >>> buffers.empty((2, 1 << 20), np.uint8).ctypes.data == place
    False
    >>> del first
    >>> buffers.empty((2, 1 << 20), np.uint8).ctypes.data == place
    True
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: list[npt.NDArray[np.uint8]] = []

    def empty(self, shape: tuple[int, ...], dtype: Any) -> npt.NDArray[Any]:
        """Return an array of anything, C-contiguous, that shares memory with no array or tensor anybody holds."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        # Never waited for: a process that is forked while a thread is here would wait for ever.
        if size < LEAST or not self._lock.acquire(blocking=False):
            return np.empty(shape, dtype)
        try:
            made: npt.NDArray[Any] = self._owner(size)[:size].view(dtype).reshape(shape)
        finally:
            self._lock.release()
        return made

    def _owner(self, size: int) -> npt.NDArray[np.uint8]:
        """Return an array of `size` bytes or more that nobody else holds; the last batch of an epoch is smaller."""
        for number in range(len(self._kept)):
            # A mask must not take the place of floats.
            if size <= self._kept[number].nbytes < 2 * size and _holders(self._kept, number) == _IDLE:
                return self._kept[number]
        made = np.empty(size, np.uint8)
        if len(self._kept) < KEPT:
            self._kept.append(made)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Buffers, ()


def _holders(kept: list[npt.NDArray[np.uint8]], number: int) -> int:
    return sys.getrefcount(kept[number])


_IDLE = _holders([np.empty(1, np.uint8)], 0)
"""What Python counts where the list alone holds an array; this differs between its releases."""
