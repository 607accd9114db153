"""Strokes that things in front of people are painted with, on premultiplied RGBA sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from .dice import Dice
from .paint import Colour, Floats, Image, clouds

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Sprite:
    """A painted thing in halving sizes, its height in body heights and the edge it comes from."""

    levels: tuple[Image, ...]
    height: float
    enters: str


def sheet(width: int, height: int) -> Image:
    """Return an empty sheet."""
    return np.zeros((height, width, 4), np.uint8)


def poly(image: Image, points: Points, colour: Colour) -> None:
    """Fill a polygon."""
    cv2.fillPoly(image, [np.array(points, np.int32)], (*colour, 255), cv2.LINE_8)


def rect(image: Image, area: tuple[float, float, float, float], colour: Colour) -> None:
    """Fill the rectangle x, y, w, h."""
    x, y, w, h = area
    cv2.rectangle(image, (int(x), int(y)), (int(x + w) - 1, int(y + h) - 1), (*colour, 255), -1)


def line(image: Image, points: Points, colour: Colour, thickness: int) -> None:
    """Draw a line through points."""
    cv2.polylines(image, [np.array(points, np.int32)], False, (*colour, 255), thickness)


def lit(image: Image, gain: Floats) -> None:
    """Multiply the colours by a gain field, in place, leaving the alpha."""
    # Colours apart from their alpha, and the gain three times: several times as fast as broadcasting it.
    colours = np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGBA2RGB), np.float32)
    colours *= np.asarray(cv2.cvtColor(np.ascontiguousarray(gain, np.float32), cv2.COLOR_GRAY2RGB), np.float32)
    # Premultiplied colours must not outshine their alpha; a gain is never negative.
    np.minimum(colours, np.float32(255), out=colours)
    image[:, :, :3] = np.minimum(colours.astype(np.uint8), image[:, :, 3:])


def rounded(image: Image, left: int, right: int, light: float = -0.25) -> None:
    """Shade the columns `left` to `right` as an upright cylinder."""
    u = np.linspace(-1, 1, max(2, right - left), dtype=np.float32)
    gain = 0.5 + 0.62 * np.sqrt(np.clip(1 - (u - light) ** 2 / (1 + abs(light)) ** 2, 0, 1))
    part = image[:, left:right]
    lit(part, np.broadcast_to(gain.astype(np.float32), part.shape[:2]))


def rough(image: Image, rng: Dice, amount: float, cell: tuple[int, int]) -> None:
    """Make a surface uneven; `cell` is the (height, width) of its coarsest stains."""
    height, width = image.shape[:2]
    lit(image, 1 + clouds(rng, height, width, cell, 3) * np.float32(amount))
