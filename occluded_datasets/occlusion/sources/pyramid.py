"""Cut-outs in halving sizes: premultiplied RGBA, margins cut off, exact means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .occluders import LEAST_LEVEL, halved

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

LONGEST = 256
"""Longer side of a base level at most, pixels."""

MOST_PIXELS = 55_000
"""Pixels of a base level at most: with all its levels an item then stays below 300 kB."""


def base_level(rgba: Pixels) -> Pixels:
    """Return premultiplied pixels, shape (H, W, 4), without transparent margins and halved until they fit.

    Examples
    --------
    >>> base_level(np.full((1000, 300, 4), 255, np.uint8)).shape
    (250, 75, 4)
    """
    rgba = trimmed(rgba)
    while max(rgba.shape[:2]) > LONGEST or rgba.shape[0] * rgba.shape[1] > MOST_PIXELS:
        rgba = halved(rgba)
    return trimmed(rgba)


def trimmed(rgba: Pixels) -> Pixels:
    """Return pixels, shape (H, W, 4), without the rows and columns at their edges that nothing of is seen.

    Pixels that are transparent altogether come back as shape (0, 0, 4).
    """
    rows, columns = (np.flatnonzero((rgba[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return rgba[:0, :0]
    return np.ascontiguousarray(rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def pyramid(base: Pixels) -> list[Pixels]:
    """Return `base`, shape (H, W, 4), and its halvings, as many as `level_sizes` says."""
    levels = [base]
    for _ in level_sizes(base.shape[1], base.shape[0])[1:]:
        levels.append(halved(levels[-1]))
    return levels


def level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return (width, height) of every level, the last one with a side of about 8.

    Examples
    --------
    >>> level_sizes(75, 250)
    [(75, 250), (38, 125), (19, 63), (10, 32)]
    """
    sizes = [(width, height)]
    while min(sizes[-1]) >= 2 * LEAST_LEVEL:
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    return sizes
