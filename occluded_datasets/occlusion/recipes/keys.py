"""Keyed randomness: every draw is a function of what it is for, never of who asks or in which order.

A block of eight 64-bit words is ``blake2b`` (64 bytes, read as little-endian integers) of the UTF-8 text
``seed|purpose|copy|occurrence|key|number``. The place of a word within its block is fixed by what it decides, so a new
decision never shifts an old one. Words are mapped to ranges by integer arithmetic alone: no library and no release of
one can change an image.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

Words = tuple[int, ...]
"""Eight integers of 64 bits."""

PPM = 1_000_000
"""Fractions and ratios are integers in parts per million."""

_UNPACK = Struct("<8Q").unpack
_BLAKE = hashlib.blake2b


class Key(NamedTuple):
    """What an image's draws depend on.

    Parameters
    ----------
    seed : int
        The base seed of the set.
    picture : str
        The image's pixel_sha256: a renamed copy gives the same images.
    copy : int
        The copy of a written set, the epoch of a training run.
    occurrence : int
        How often the image was met before within the copy.
    """

    seed: int
    picture: str
    copy: int = 0
    occurrence: int = 0

    def words(self, purpose: str, number: int = 0) -> Words:
        """Return eight words for `purpose`, block `number`.

        Examples
        --------
        >>> Key(7, "00").words("shape")[0]
        10712388388752145983
        """
        text = f"{self.seed}|{purpose}|{self.copy}|{self.occurrence}|{self.picture}|{number}"
        return _UNPACK(_BLAKE(text.encode()).digest())


def below(word: int, count: int) -> int:
    """Return an integer from 0 to `count` - 1: the upper half of ``word * count``.

    Examples
    --------
    >>> below(0, 10), below((1 << 64) - 1, 10)
    (0, 9)
    """
    return word * count >> 64


def draw_between(word: int, low: int, high: int) -> int:
    """Return an integer from `low` to `high`, both included."""
    return low + (word * (high - low + 1) >> 64)


def draw_choice(word: int, weights: tuple[int, ...]) -> int:
    """Return an index with a chance proportional to its weight.

    Examples
    --------
    >>> draw_choice(0, (1, 1)), draw_choice(1 << 63, (1, 1))
    (0, 1)
    """
    if len(weights) == 1:
        return 0
    left = word * sum(weights) >> 64
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return len(weights) - 1


NOISE_BYTES = 1 << 22


@lru_cache(maxsize=1)
def noise_tape() -> bytes:
    """Return the 4 MiB of noise that every noise patch is cut from: SHAKE-128 of ``occluded-datasets noise``."""
    return hashlib.shake_128(b"occluded-datasets noise").digest(NOISE_BYTES)
