"""Chance for painters: NumPy's generator, or draws that hang on a key alone."""

from __future__ import annotations

import hashlib
import math
from typing import Any, Protocol

import numpy as np


class Dice(Protocol):
    """What a painter throws: `numpy.random.Generator` or `Keyed`."""

    def random(self, size: Any = ..., /) -> Any:
        """Return floats in [0, 1): one, or an array of shape `size`."""

    def integers(self, high: int, /) -> Any:
        """Return a whole number in 0 .. `high` - 1."""


class Keyed:
    """Draws from sha256 in counter mode, which no release of NumPy can change.

    Parameters
    ----------
    *parts : object
        The key: its text, joined with ``|``.

    Examples
    --------
    >>> dice = Keyed("bank", "car", 0)
    >>> dice.integers(1000), dice.integers(1000)
    (992, 627)
    """

    def __init__(self, *parts: object) -> None:
        self._key = "|".join(map(str, parts)).encode()
        self._block = 0
        self._left = b""

    def random(self, size: int | tuple[int, ...] | None = None, /) -> Any:
        """Return floats in [0, 1), multiples of 2**-53: one, or an array of shape `size` and dtype float64."""
        count = 1 if size is None else math.prod(np.atleast_1d(size).tolist())
        words = np.frombuffer(self._take(8 * count), "<u8") >> np.uint64(11)
        draws = words.astype(np.float64) * 2.0**-53
        return float(draws[0]) if size is None else draws.reshape(size)

    def integers(self, high: int, /) -> int:
        """Return a whole number in 0 .. `high` - 1."""
        return int.from_bytes(self._take(8), "little") * high >> 64

    def _take(self, count: int) -> bytes:
        while len(self._left) < count:
            self._left += hashlib.sha256(self._key + b"|%d" % self._block).digest()
            self._block += 1
        taken, self._left = self._left[:count], self._left[count:]
        return taken
