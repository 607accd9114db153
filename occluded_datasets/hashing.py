"""Digests of files, pixels and trees, and the keyed order behind every random choice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

CHUNK = 1 << 20


def file_digests(path: Path) -> tuple[str, str]:
    """Return (sha256, git blob id) of a file, read once in chunks.

    The git blob id is ``sha1("blob <size>\\0" + content)``, what ``git hash-object`` prints.
    """
    sha256 = hashlib.sha256()
    blob = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            sha256.update(chunk)
            blob.update(chunk)
    return sha256.hexdigest(), blob.hexdigest()


def pixel_digest(pixels: Any) -> str:
    r"""Return the sha256 of ``WxH\n`` followed by the RGB bytes, row by row.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (H, W, 3), dtype uint8, RGB, C-contiguous.

    Examples
    --------
    >>> import numpy as np
    >>> pixel_digest(np.zeros((2, 1, 3), np.uint8))[:16]
    '5282df4d9959fdec'
    """
    height, width = pixels.shape[:2]
    digest = hashlib.sha256(f"{width}x{height}\n".encode())
    digest.update(pixels.data)
    return digest.hexdigest()


def merge_digests(digests: Iterable[bytes]) -> str:
    """Return the sha256 over 32-byte digests in ascending order: the digest of a multiset."""
    return hashlib.sha256(b"".join(sorted(digests))).hexdigest()


def key(seed: int, purpose: str, draw: int, item: object) -> bytes:
    """Return the 32-byte key of `item` in one draw: sha256 of ``seed|purpose|draw|item`` in UTF-8.

    Examples
    --------
    >>> key(0, "half", 0, 1).hex()[:16]
    '02842656cc589036'
    """
    return hashlib.sha256(f"{seed}|{purpose}|{draw}|{item}".encode()).digest()
