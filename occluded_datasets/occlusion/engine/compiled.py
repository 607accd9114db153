"""Compiled forms of what costs most in a silhouette, byte-equal to the NumPy and OpenCV code. Needs numba.

OpenCV's bit-exact bilinear kernel is fixed-point arithmetic: a target position is ``scale * (i + 0.5) - 0.5`` in
doubles, its fraction is rounded to eight bits, half to even, and edges repeat. The weighted sum of four pixels is then
exact in 24 bits and rounded once, so rows and columns may be taken in either order. Here rows come first: that loop is
contiguous, only the part inside the image is computed, and the blend follows while the values are in registers.
"""

from __future__ import annotations

from math import floor, sqrt
from typing import TYPE_CHECKING, Any

import numba
import numpy as np

from ..blend import SOLID
from ..recipes.keys import PPM
from .fitting import LARGEST, TOLERANCE, TRIES

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from ..recipes.placement import Place
    from ..sources.occluders import Item
    from .fitting import CoverageCanvas

    Pixels = npt.NDArray[np.uint8]

ONE = 256
"""A weight of 1: eight bits of fraction along each axis."""

HALF = ONE * ONE // 2
"""Half of the unit of a weighted sum."""

SOLID_SUM = SOLID * ONE * ONE - HALF
"""Least weighted sum that is rounded to a solid alpha."""

LEVELS = 8
"""Sizes that a pyramid is padded to, so that one compiled form serves all."""


def _compiled(function: Callable[..., Any]) -> Any:
    """Return the function compiled, kept on disk where there is a place for it."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder that can be written to
        return numba.njit(nogil=True)(function)


@_compiled
def _taps(source: int, size: int, start: int, count: int) -> Any:
    """Return for `count` target positions from `start` the first of two source positions and 256 x the second's share.

    `source` pixels become `size`. The share is 0 where the edge repeats, so the pixel beyond the edge never counts.
    """
    scale = 1.0 / (size / source)
    first = np.zeros(count, np.uint64)  # unsigned: no test for negative indices in the loops
    share = np.zeros(count, np.int32)
    for i in range(count):
        at = scale * (start + i + 0.5) - 0.5
        whole = floor(at)
        first[i] = min(max(whole, 0), source - 1)
        if 0 <= whole < source - 1:
            exact = (at - whole) * 256.0
            part = floor(exact + 0.5)
            share[i] = part - (exact + 0.5 == part and part & 1)
    return first, share


@_compiled
def _between(upper: Any, lower: Any, share: int, line: Any) -> None:
    """Write the weighted sums of two rows, shape (n,), into `line`, int32."""
    part = np.int32(share)
    for i in range(len(upper)):
        value = np.int32(upper[i])
        line[i] = value * np.int32(ONE) + (np.int32(lower[i]) - value) * part


@_compiled
def _alpha(level: Any) -> Any:
    """Return the alpha, shape (H, W), of a level in one piece."""
    plane = np.empty(level.shape[:2], np.uint8)
    for j in range(level.shape[0]):
        for i in range(level.shape[1]):
            plane[j, i] = level[j, i, 3]
    return plane


@_compiled
def _solid(plane: Any, wide: int, high: int, left: int, top: int, w: int, h: int, person: Any, x: int, y: int) -> int:
    """Return how many pixels are solid in the part at (left, top), w x h, of an alpha at the size wide x high."""
    near, right = _taps(plane.shape[1], wide, left, w)
    rows, down = _taps(plane.shape[0], high, top, h)
    begin, end = near[0], min(near[w - 1] + np.uint64(2), np.uint64(plane.shape[1]))
    near -= begin
    line = np.zeros(plane.shape[1] + 1, np.int32)
    count = 0
    for j in range(h):
        _between(plane[rows[j], begin:end], plane[rows[j] + np.uint64(down[j] > 0), begin:end], down[j], line)
        if person.shape[0]:
            for i in range(w):
                total = line[near[i]] * ONE + (line[near[i] + np.uint64(1)] - line[near[i]]) * right[i]
                count += total >= SOLID_SUM and person[y + j, x + i] >= SOLID
        else:
            for i in range(w):
                total = line[near[i]] * ONE + (line[near[i] + np.uint64(1)] - line[near[i]]) * right[i]
                count += total >= SOLID_SUM
    return count


@_compiled
def _root(value: int) -> int:
    """Return the integer square root, below 2**52."""
    root = int(sqrt(value))
    while root * root > value:
        root -= 1
    while (root + 1) * (root + 1) <= value:
        root += 1
    return root


@_compiled
def _offset(share: int, play: int) -> int:
    """As `placement.stood` does."""
    if play < 0:
        return share * play // PPM
    return min(play, share * (play + 1) // PPM)


@_compiled
def _measured(levels: Any, area: int, width: int, height: int) -> Any:
    """Return (level, w, h) for a whole box of `area` pixels, as `fitting.measured` does."""
    tall, broad = levels[0].shape[:2]
    w = max(1, min(LARGEST * width, (_root(4 * area * broad // tall) + 1) // 2))
    h = max(1, min(LARGEST * height, (2 * area + w) // (2 * w)))
    level = 0
    for number in range(1, len(levels)):
        if levels[number].shape[1] < w or levels[number].shape[0] < h:
            break
        level = number
    return level, w, h


NOBODY = np.zeros((0, 0), np.uint8)


def fit_compiled(canvas: CoverageCanvas, target: int, item: Item, at: Place, wanted: int) -> tuple[Pixels, int, int]:
    """Return the level of the pyramid and the size that the search of `fitting.silhouette` finds.

    Parameters
    ----------
    canvas : CoverageCanvas
        The image's size and, where the fraction is of a person, the person's mask.
    target : int
        How many of the canvas's pixels the item should hide.
    item : Item
        The cut-out, with `LEVELS` levels at most.
    at : Place
        Where it is put.
    wanted : int
        The area of its whole box at which the search begins, in pixels.

    Returns
    -------
    tuple of (numpy.ndarray, int, int)
        The level to render from, premultiplied RGBA, shape (H, W, 4), dtype uint8, and the width and the height to
        render it at, in pixels.
    """
    width, height = canvas.width, canvas.height
    levels = item.levels + item.levels[-1:] * (LEVELS - len(item.levels))
    wanted = min(max(1, wanted), LARGEST * LARGEST * width * height * 4)  # within 64 bits
    person = NOBODY if canvas.person is None else canvas.person
    level, w, h = _fit(levels, wanted, target, canvas.whole, width, height, person, at.u, at.v)
    return levels[level], w, h


@_compiled
def _fit(
    levels: Any, wanted: int, target: int, whole: int, width: int, height: int, person: Any, u: int, v: int
) -> Any:
    """Return (level, w, h) at which a silhouette hides about `target` of the canvas's pixels.

    The search of `fitting.silhouette`.
    """
    low, high = 1, LARGEST * LARGEST * width * height * 4
    best, least, ready = -1, 0, 0
    plane = _alpha(levels[0][:0])
    for _ in range(TRIES):
        wanted = min(max(wanted, low), high)
        level, w, h = _measured(levels, wanted, width, height)
        x, y = _offset(u, width - w), _offset(v, height - h)
        left, top = max(0, x), max(0, y)
        right, end = min(width, x + w), min(height, y + h)
        if not plane.shape[0] or level != ready:
            plane, ready = _alpha(levels[level]), level
        hidden = _solid(plane, w, h, left - x, top - y, right - left, end - top, person, left, top)
        away = abs(hidden - target)
        if best < 0 or away < least:
            best, least = wanted, away
        if away * PPM <= TOLERANCE * whole or low >= high:
            break
        if hidden < target:
            low = wanted + 1
        else:
            high = wanted - 1
        wanted = wanted * target // hidden if hidden else wanted * 2
        if not low <= wanted <= high:
            wanted = (low + high) // 2
    return _measured(levels, best, width, height)


@_compiled
def rendered(pixels: Any, wide: int, high: int, left: int, top: int, w: int, h: int) -> Any:
    """Return the part at (left, top), w x h, of pixels, shape (H, W, C), at the size wide x high."""
    channels = pixels.shape[2]
    near, right = _taps(pixels.shape[1], wide, left, w)
    rows, down = _taps(pixels.shape[0], high, top, h)
    line = np.zeros((pixels.shape[1] + 1) * channels, np.int32)
    step = np.uint64(channels)
    patch = np.empty((h, w, channels), np.uint8)
    for j in range(h):
        upper, lower = pixels[rows[j]].reshape(-1), pixels[rows[j] + np.uint64(down[j] > 0)].reshape(-1)
        _between(upper, lower, down[j], line)
        for i in range(w):
            at = near[i] * step
            for c in range(channels):
                value = line[at + np.uint64(c)]
                patch[j, i, c] = (value * ONE + (line[at + step + np.uint64(c)] - value) * right[i] + HALF) >> 16
    return patch


@_compiled
def resize_compiled(pixels: Any, w: int, h: int) -> Any:
    """Return pixels at another size, as `blend.resized` does: columns first, as most are enlarged.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (H, W, 3), dtype uint8.
    w, h : int
        The width and the height to return, in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (h, w, 3), dtype uint8.
    """
    near, right = _taps(pixels.shape[1], w, 0, w)
    rows, down = _taps(pixels.shape[0], h, 0, h)
    first, last = rows[0], min(rows[h - 1] + np.uint64(2), np.uint64(pixels.shape[0]))
    lines = np.empty((pixels.shape[0], 3 * w), np.int32)
    for j in range(first, last):
        for i in range(w):
            far = near[i] + np.uint64(right[i] > 0)
            for c in range(3):
                value = np.int32(pixels[j, near[i], c])
                lines[j, 3 * i + c] = value * np.int32(ONE) + (np.int32(pixels[j, far, c]) - value) * right[i]
    patch = np.empty((h, 3 * w), np.uint8)
    for j in range(h):
        upper, lower, share = lines[rows[j]], lines[rows[j] + np.uint64(down[j] > 0)], np.int32(down[j])
        line = patch[j]
        for i in range(3 * w):
            line[i] = (upper[i] * np.int32(ONE) + (lower[i] - upper[i]) * share + np.int32(HALF)) >> np.int32(16)
    return patch.reshape(h, w, 3)


@_compiled
def composite(
    image: Any, mask: Any, level: Any, wide: int, high: int, left: int, top: int, x: int, y: int, w: int, h: int
) -> None:
    """Blend a part of a premultiplied level over the image, in place, and mark it in the mask.

    The bytes are those of `rendered`, `blend.over` and `blend.cover`, one after another.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (H, W, 3), dtype uint8.
    mask : numpy.ndarray
        Shape (H, W), dtype uint8; becomes 255 where the alpha is `SOLID` or more.
    level : numpy.ndarray
        A level of the item's pyramid, premultiplied RGBA, shape (h', w', 4), dtype uint8.
    wide, high : int
        The width and the height that the whole level is rendered at, in pixels.
    left, top : int
        Where the part begins within the rendered level, in pixels from its top left.
    x, y : int
        Where the part is put in the image, in pixels from the top left.
    w, h : int
        The width and the height of the part, in pixels. It must lie within both the rendered level and the image:
        the loops do not check it.
    """
    near, right = _taps(level.shape[1], wide, left, w)
    rows, down = _taps(level.shape[0], high, top, h)
    begin, end = near[0], min(near[w - 1] + np.uint64(2), np.uint64(level.shape[1]))
    line = np.zeros((level.shape[1] + 1) * 4, np.int32)
    for j in range(h):
        upper = level[rows[j], begin:end].reshape(-1)
        lower = level[rows[j] + np.uint64(down[j] > 0), begin:end].reshape(-1)
        _between(upper, lower, down[j], line)
        for i in range(w):
            at, share = (near[i] - begin) * np.uint64(4), right[i]
            far = at + np.uint64(4)
            alpha = (
                line[at + np.uint64(3)] * ONE + (line[far + np.uint64(3)] - line[at + np.uint64(3)]) * share + HALF
            ) >> 16
            if alpha >= SOLID:
                mask[y + j, x + i] = 255
            if alpha:
                for c in range(3):
                    value = line[at + np.uint64(c)]
                    colour = (value * ONE + (line[far + np.uint64(c)] - value) * share + HALF) >> 16
                    below = image[y + j, x + i, c] * (255 - alpha) + 128
                    image[y + j, x + i, c] = colour + ((below + (below >> 8)) >> 8)
