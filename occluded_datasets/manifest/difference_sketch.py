"""A sketch of a set of digests: two of them say how the sets differ, and neither says what is in a set.

It is an invertible Bloom lookup table (Eppstein, Goodrich, Uyeda, Varghese: What's the difference? SIGCOMM 2011). Each
digest is added to three of 120 cells; the difference of two tables is taken apart cell by cell. Differences of 80
digests come apart nine times in ten, fewer nearly always; where they do not, nothing is said, and never a wrong number.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

TABLES = 3
WIDTH = 40
KEY = 16
CHECK = 4
COUNT = 4
CELL = COUNT + KEY + CHECK
LENGTH = 2 * TABLES * WIDTH * CELL
"""Hex digits of a sketch."""

Cell = tuple[int, int, int]  # count, keys, checks


def sketch(digests: Iterable[bytes]) -> str:
    """Return the sketch of a multiset of digests, in hex; the order does not matter.

    Examples
    --------
    >>> a = [bytes([number]) * 32 for number in range(50)]
    >>> difference(sketch(a), sketch(a[3:]))
    (3, 0)
    >>> difference(sketch(a[1:]), sketch(a[:-2]))
    (2, 1)
    """
    cells: list[Cell] = [(0, 0, 0)] * (TABLES * WIDTH)
    for digest, copies in Counter(digests).items():
        for number in range(copies):
            _add(cells, _key(digest, number), 1)
    return b"".join(
        count.to_bytes(COUNT, "big") + keys.to_bytes(KEY, "big") + checks.to_bytes(CHECK, "big")
        for count, keys, checks in cells
    ).hex()


def difference(a: str, b: str) -> tuple[int, int] | None:
    """Return how many digests are in `a` alone and in `b` alone, or None if they are too many to say.

    Raises
    ------
    ValueError
        If one is not a sketch.
    """
    pairs = zip(_cells(a), _cells(b), strict=True)
    cells = [(x[0] - y[0], x[1] ^ y[1], x[2] ^ y[2]) for x, y in pairs]  # what both hold cancels out
    only = {1: 0, -1: 0}
    waiting = list(range(len(cells)))
    while waiting:
        count, keys, checks = cells[waiting.pop()]
        key = keys.to_bytes(KEY, "big")
        if count in only and _check(key) == checks:
            only[count] += 1
            _add(cells, key, -count)
            waiting += _places(key)
        if sum(only.values()) > 2 * len(cells):  # made up: no true pair of sketches comes apart so
            return None
    return None if any(cell != (0, 0, 0) for cell in cells) else (only[1], only[-1])


def _key(digest: bytes, number: int) -> bytes:
    """Return the key of the `number`-th copy of a digest."""
    return hashlib.sha256(digest + str(number).encode()).digest()[:KEY]


def _check(key: bytes) -> int:
    return int.from_bytes(hashlib.sha256(b"check" + key).digest()[:CHECK], "big")


def _places(key: bytes) -> list[int]:
    digest = hashlib.sha256(b"place" + key).digest()
    return [table * WIDTH + int.from_bytes(digest[4 * table : 4 * table + 4], "big") % WIDTH for table in range(TABLES)]


def _add(cells: list[Cell], key: bytes, count: int) -> None:
    word, check = int.from_bytes(key, "big"), _check(key)
    for place in _places(key):
        old = cells[place]
        cells[place] = (old[0] + count, old[1] ^ word, old[2] ^ check)


def _cells(text: str) -> list[Cell]:
    if len(text) != LENGTH:
        raise ValueError(f"a sketch has {LENGTH} hex digits, this has {len(text)}")
    data = bytes.fromhex(text)
    rows = (data[start : start + CELL] for start in range(0, len(data), CELL))
    return [
        (
            int.from_bytes(row[:COUNT], "big"),
            int.from_bytes(row[COUNT:-CHECK], "big"),
            int.from_bytes(row[-CHECK:], "big"),
        )
        for row in rows
    ]
