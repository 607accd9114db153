"""Strokes that things in front of people are painted with, on premultiplied RGBA sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from .dice import Dice, Keyed
from .paint import Colour, Floats, Image, clouds

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Sprite:
    """A painted thing in halving sizes, its height in body heights and the edge it comes from."""

    levels: tuple[Image, ...]
    height: float
    enters: str


class ExactSheet(np.ndarray[Any, np.dtype[np.uint8]]):
    """A sheet whose polygons are filled by our own rule: OpenCV's differs from release to release."""


def sheet(rng: Dice, width: int, height: int) -> Image:
    """Return an empty sheet, an exact one for `Keyed` dice."""
    empty: Image = np.zeros((height, width, 4), np.uint8)
    return empty.view(ExactSheet) if isinstance(rng, Keyed) else empty


def poly(image: Image, points: Points, colour: Colour) -> None:
    """Fill a polygon."""
    corners = np.array(points, np.int32)
    if isinstance(image, ExactSheet):
        _fill(image, corners.astype(np.int64), np.rint((*colour, 255)).astype(np.uint8))
    else:
        cv2.fillPoly(image, [corners], (*colour, 255), cv2.LINE_8)


def _fill(image: Image, corners: npt.NDArray[np.int64], colour: Image) -> None:
    """Fill what an odd number of edges lies left of, seen from the middle of each pixel; whole numbers only."""
    height, width = image.shape[:2]
    (left, top), (right, bottom) = np.maximum(corners.min(axis=0), 0), corners.max(axis=0)
    right, bottom = min(int(right), width), min(int(bottom), height)
    if right <= left or bottom <= top:
        return
    turns = np.zeros((bottom - top, right - left + 1), np.uint8)
    for (x0, y0), (x1, y1) in zip(corners.tolist(), np.roll(corners, -1, axis=0).tolist(), strict=True):
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0  # noqa: PLW2901 - an edge has no direction
        rows = np.arange(max(y0, int(top)), min(y1, bottom), dtype=np.int64)
        if rows.size:
            # The first pixel whose middle is not left of the edge: the ceiling of the crossing less a half.
            at = -(-((x1 - x0) * (2 * (rows - y0) + 1) + (2 * x0 - 1) * (y1 - y0)) // (2 * (y1 - y0)))
            turns[rows - top, np.clip(at - left, 0, right - left)] ^= 1
    inside = np.bitwise_xor.accumulate(turns, axis=1)[:, :-1].view(bool)
    area = np.asarray(image)[top:bottom, left:right].view(np.uint32)[:, :, 0]
    np.copyto(area, colour.view(np.uint32)[0], where=inside)


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


def shade_cylinder(image: Image, left: int, right: int, light: float = -0.25) -> None:
    """Shade the columns `left` to `right` as an upright cylinder."""
    u = np.linspace(-1, 1, max(2, right - left), dtype=np.float32)
    gain = 0.5 + 0.62 * np.sqrt(np.clip(1 - (u - light) ** 2 / (1 + abs(light)) ** 2, 0, 1))
    part = image[:, left:right]
    lit(part, np.broadcast_to(gain.astype(np.float32), part.shape[:2]))


def rough(image: Image, rng: Dice, amount: float, cell: tuple[int, int]) -> None:
    """Make a surface uneven; `cell` is the (height, width) of its coarsest stains."""
    height, width = image.shape[:2]
    lit(image, 1 + clouds(rng, height, width, cell, 3) * np.float32(amount))
