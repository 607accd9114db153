"""Brushes of figures and images: shaded ribbons, noise sheets and halving sizes.

Every shape of a figure is a *ribbon*, a left and a right edge of equally many points. One
representation serves limbs, torsos, heads and bags, so one routine can round them all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..drawn.paint import Colour, Floats, Image, clouds, rng_for, to_u8

NEUTRAL = 200
"""Shade value that leaves a colour as it is; lower darkens, higher lightens."""

_SHIFT = 4
# Where each inner band of a ribbon starts (0 edge, 1 lit crest) and how bright it is: the profile
# of a matt cylinder, sampled coarsely because a blur follows.
_BAND_AT = np.array([0.0, 0.16, 0.34, 0.54, 0.76], np.float32)
_BAND_SHADE = np.array([128.0, 163.0, 190.0, 209.0, 222.0], np.float32)


@dataclass(frozen=True)
class Canvas:
    """What a figure is drawn on: premultiplied colours with alpha, and a shade map beside them."""

    rgba: Image
    shade: Image

    @staticmethod
    def blank(height: int, width: int) -> Canvas:
        """Return an empty canvas."""
        return Canvas(np.zeros((height, width, 4), np.uint8), np.full((height, width), NEUTRAL, np.uint8))


@dataclass(frozen=True)
class Ribbon:
    """A shape between two edges, both (n, 2) arrays of pixel coordinates."""

    left: Floats
    right: Floats

    def strip(self, low: float, high: float, start: int = 0, stop: int | None = None) -> Floats:
        """Return the outline of the part between two positions across, 0 left and 1 right."""
        left, across = self.left[start:stop], self.right[start:stop] - self.left[start:stop]
        return np.concatenate((left + across * low, (left + across * high)[::-1]))

    def slice(self, low: float, high: float) -> Floats:
        """Return the quadrilateral between two positions along, 0 first point and 1 last."""
        span = len(self.left) - 1
        corners = [
            _along(edge, at * span)
            for edge, at in ((self.left, low), (self.right, low), (self.right, high), (self.left, high))
        ]
        return np.array(corners, np.float32)


def _along(edge: Floats, at: float) -> Floats:
    index = min(int(at), len(edge) - 2)
    part: Floats = edge[index] + (edge[index + 1] - edge[index]) * np.float32(at - index)
    return part


def ribbon(centres: Floats, halves: Floats) -> Ribbon:
    """Lay a ribbon of half-widths `halves` along the polyline `centres`."""
    run = np.empty_like(centres)
    run[1:-1] = centres[2:] - centres[:-2]
    run[0], run[-1] = centres[1] - centres[0], centres[-1] - centres[-2]
    length = np.sqrt(np.square(run).sum(axis=1)) + np.float32(1e-6)
    side = run[:, ::-1] * (halves / length)[:, None]
    side[:, 1] *= -1
    return Ribbon(centres - side, centres + side)


def fixed_point(points: Floats) -> npt.NDArray[np.int32]:
    """Convert coordinates to the fixed-point numbers OpenCV fills sub-pixel polygons from."""
    return (points * (1 << _SHIFT)).astype(np.int32)


def fill(image: Image, points: Floats, colour: Colour, alpha: float = 255) -> None:
    """Fill a polygon on a colour image (three channels, or four with alpha)."""
    cv2.fillPoly(image, [fixed_point(points)], (*colour, alpha), cv2.LINE_8, _SHIFT)


def stamp(canvas: Canvas, shape: Ribbon, colour: Colour, light: float, gain: float = 1.0) -> None:
    """Draw a ribbon as a rounded body lit from `light` (-1 left, 1 right)."""
    fill(canvas.rgba, shape.strip(0.0, 1.0), colour)
    across = shape.right - shape.left
    # A forearm held up runs the other way, so which edge is lit depends on where the edges lie.
    turned = light if float(across[:, 0].sum()) > 0 else -light
    crest = 0.5 + 0.3 * turned
    low = (crest * _BAND_AT)[:, None, None]
    high = (1.0 - (1.0 - crest) * _BAND_AT)[:, None, None]
    bands = np.concatenate((shape.left + across * low, (shape.left + across * high)[:, ::-1]), axis=1)
    for points, value in zip(fixed_point(bands), _BAND_SHADE, strict=True):
        cv2.fillPoly(canvas.shade, [points], (float(value) * gain,), cv2.LINE_8, _SHIFT)


def disc(centre: tuple[float, float], across: float, along: float, tilt: float = 0.0) -> Ribbon:
    """Return an ellipse as a ribbon that runs from its top to its bottom."""
    left, right = _half_circles()
    middle = np.array(centre, np.float32)
    if tilt:
        cos, sin = math.cos(tilt), math.sin(tilt)
        turn = np.array(((across * cos, across * sin), (-along * sin, along * cos)), np.float32)
        return Ribbon(left @ turn + middle, right @ turn + middle)
    axes = np.array((across, along), np.float32)
    return Ribbon(left * axes + middle, right * axes + middle)


@lru_cache(maxsize=1)
def _half_circles() -> tuple[Floats, Floats]:
    angle = np.linspace(0.0, np.pi, 11)
    right = np.stack((np.sin(angle), -np.cos(angle)), axis=1).astype(np.float32)
    return right * np.array((-1, 1), np.float32), right


def spread(mask: Floats) -> Floats:
    """Repeat a mask over three channels; several times as fast as broadcasting it."""
    return np.asarray(cv2.cvtColor(mask, cv2.COLOR_GRAY2RGB), np.float32)


@lru_cache(maxsize=1)
def fold_sheet() -> Image:
    """Return the cloth texture every figure is multiplied with: soft, slanted creases."""
    rng = rng_for("folds")
    size = 512
    streaks = clouds(rng, size, size, (40, 14), 3) + clouds(rng, size, size, (12, 40), 2) * np.float32(0.6)
    slant = np.array([[1, 0.35, -90], [-0.25, 1, 60]], np.float32)
    tilted = np.asarray(cv2.warpAffine(streaks, slant, (size, size), borderMode=cv2.BORDER_REFLECT), np.float32)
    return to_u8(NEUTRAL + tilted * 34)


@lru_cache(maxsize=1)
def grain_sheet() -> Image:
    """Return sensor noise about 128 with a standard deviation of 32, slightly coloured and coarse."""
    rng = rng_for("grain")
    shape = (900, 700)
    shared = rng.normal(0.0, 0.85, (*shape, 1))
    raw = (shared + rng.normal(0.0, 0.5, (*shape, 3))).astype(np.float32)
    soft = np.asarray(cv2.GaussianBlur(raw, (3, 3), 0.55), np.float32)
    return to_u8(soft * np.float32(32 / float(soft.std())) + 128)


def halvings(image: Image, least: int = 24) -> tuple[Image, ...]:
    """Return an image and its repeated halvings, so that plain linear scaling never skips pixels."""
    levels = [image]
    while min(levels[-1].shape[:2]) >= 2 * least:
        rows, columns = levels[-1].shape[:2]
        even = levels[-1][: rows // 2 * 2, : columns // 2 * 2]
        levels.append(np.asarray(cv2.resize(even, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA), np.uint8))
    return tuple(levels)


def halving_for(ratio: float, levels: int) -> int:
    """Return which halving to scale from when the full image would shrink `ratio` times."""
    return min(levels - 1, max(0, round(math.log2(max(ratio, 1e-6)) - 0.1)))
