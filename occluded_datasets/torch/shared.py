"""Arrays that worker processes share, spawned ones too."""

from __future__ import annotations

import ctypes
from multiprocessing.context import get_spawning_popen
from multiprocessing.sharedctypes import RawArray, rebuild_ctype, reduce_ctype  # type: ignore[attr-defined]
from typing import Any

import numpy as np

LEAST = 1 << 16
"""Bytes; smaller arrays go to each worker as they are."""


class Arrays:
    """The base of what holds large NumPy arrays as attributes.

    A forked worker sees its parent's memory. To the first worker that is spawned the arrays are moved into shared
    memory, where they stay, so it and all later ones get a few hundred bytes and no copy. A plain pickle and a deep
    copy hold the numbers themselves.

    Examples
    --------
    >>> import pickle
    >>> held = Arrays()
    >>> held.numbers = np.arange(3)
    >>> pickle.loads(pickle.dumps(held)).numbers
    array([0, 1, 2])
    """

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name != "_blocks"}
        if get_spawning_popen() is None:
            return state
        blocks: dict[str, _Block] = self.__dict__.setdefault("_blocks", {})
        for name, value in state.items():
            if type(value) is not np.ndarray or value.nbytes < LEAST or value.dtype.hasobject:
                continue
            if name not in blocks or blocks[name].array is not value:
                blocks[name] = _Block(value)
                setattr(self, name, blocks[name].array)
            state[name] = blocks[name]
        return state


class _Block:
    """A copy of an array in shared memory; what a process that is being spawned unpickles is the array."""

    def __init__(self, array: Any) -> None:
        self.memory = RawArray(ctypes.c_uint8, array.nbytes)
        self.array = _seen(self.memory, array.dtype, array.shape)
        self.array[...] = array

    def __reduce__(self) -> tuple[Any, ...]:
        # The pickler's list of reducers was made before this memory's type, so it cannot do it by itself.
        return _attached, (reduce_ctype(self.memory)[1], self.array.dtype, self.array.shape)


def _attached(memory: tuple[Any, ...], dtype: Any, shape: tuple[int, ...]) -> Any:
    return _seen(rebuild_ctype(*memory), dtype, shape)


def _seen(memory: Any, dtype: Any, shape: tuple[int, ...]) -> Any:
    return np.frombuffer(memory, dtype).reshape(shape)
