"""Brushes of everything that is drawn: keyed randomness, colours and clouds."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import numpy.typing as npt

from .dice import Dice, Keyed

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]


def rng_for(*parts: object) -> np.random.Generator:
    """Return a generator that depends on nothing but the text of `parts`."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def pick(rng: Dice, weights: tuple[float, ...]) -> int:
    """Draw an index with probability proportional to its weight."""
    at = float(rng.random()) * sum(weights)
    for index, weight in enumerate(weights):
        at -= weight
        if at < 0:
            return index
    return len(weights) - 1


def between(rng: Dice, low: float, high: float) -> float:
    """Draw a plain float from [low, high)."""
    return low + (high - low) * float(rng.random())


def jitter(rng: Dice, colour: Colour, amount: float) -> Colour:
    """Shift a colour a little in brightness (shared) and in hue (each channel)."""
    noise = rng.random(4) - 0.5
    shared = float(noise[3]) * 2 * amount
    red, green, blue = (
        min(255.0, max(6.0, c + shared + float(n) * 0.7 * amount)) for c, n in zip(colour, noise, strict=False)
    )
    return red, green, blue


def scaled(colour: Colour, gain: float) -> Colour:
    """Return a lighter (gain > 1) or darker colour."""
    return min(255.0, colour[0] * gain), min(255.0, colour[1] * gain), min(255.0, colour[2] * gain)


def clouds(rng: Dice, height: int, width: int, cell: tuple[int, int], octaves: int = 3) -> Floats:
    """Return smooth noise in -1..1; `cell` is the (height, width) of its coarsest blobs in pixels.

    Exact for `Keyed` dice; others get OpenCV's cubic enlargement, whose last bits depend on how OpenCV was built.
    """
    enlarged = _smooth if isinstance(rng, Keyed) else _cubic
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        rows = max(2, (height << octave) // max(1, cell[0]))
        columns = max(2, (width << octave) // max(1, cell[1]))
        grid = (rng.random((rows, columns)) * 2 - 1).astype(np.float32)
        total += enlarged(grid, height, width) / (1 << octave)
    peak = float(np.abs(total).max()) or 1.0
    return total / np.float32(peak)


def _cubic(grid: Floats, height: int, width: int) -> Floats:
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _smooth(grid: Floats, height: int, width: int) -> Floats:
    """Return a grid enlarged by smooth steps, one product and one sum at a time: the same bits everywhere."""
    first, rest = _steps(grid.shape[0], height)
    tall = grid[first] * (1 - rest[:, None]) + grid[first + 1] * rest[:, None]
    first, rest = _steps(grid.shape[1], width)
    return np.asarray(tall[:, first] * (1 - rest) + tall[:, first + 1] * rest, np.float32)


def _steps(knots: int, length: int) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return for each of `length` pixels the knot before it and how far it is on the way to the next, 0..1."""
    at = np.arange(length, dtype=np.int64) * ((knots - 1) << 10) // length
    t = ((at & 1023) / 1024).astype(np.float32)
    return at >> 10, t * t * (3 - 2 * t)


def to_u8(values: Floats) -> Image:
    """Clip to 0..255 and round down to bytes."""
    return np.clip(values, 0, 255).astype(np.uint8)
