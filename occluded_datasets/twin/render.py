"""Render one image of a twin: person, place, light, and what stands in the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from ..drawn.paint import Floats, Image, between, rng_for, to_u8
from .body import Frame
from .figure import draw_figure
from .occluder import Layer, occluder
from .paint import grain_sheet, spread
from .person import appearance, pose
from .scene import Scene, scene, view

_GRID = (24, 12)
_SEEN = 0.5
"""Share of a pixel that must be the person's for the mask to be set."""


@dataclass(frozen=True)
class Shot:
    """One image to render: what was asked for.

    Attributes
    ----------
    pid
        Identity of the person.
    index
        Which image of that identity; with `pid` and `body` it names one photo.
    body
        "full" or "occluded".
    camera
        Background, light and viewpoint depend on it.
    width, height
        Pixels of the result.
    """

    pid: int
    index: int
    body: str
    camera: int
    width: int
    height: int


@dataclass(frozen=True)
class Rendered:
    """One rendered image and what is known about it.

    Attributes
    ----------
    image
        (height, width, 3) RGB, contiguous.
    visible_box
        x, y, w, h of the largest part of the person that nothing covers.
    visible_fraction
        Share of the person's drawn pixels left visible; 1.0 for a full body.
    mask
        (height, width): 255 where the person is seen, else 0.
    """

    image: Image
    visible_box: tuple[int, int, int, int]
    visible_fraction: float
    mask: Image


def render(shot: Shot, seed: int = 0) -> Rendered:
    """Render a shot; the same shot and seed give the same pixels in any process.

    Parameters
    ----------
    shot
        What to render.
    seed
        Another seed gives other people, places and images.

    Raises
    ------
    ValueError
        If `shot.body` is neither "full" nor "occluded", or a side is not positive.
    """
    if shot.body not in ("full", "occluded"):
        raise ValueError(f"body must be 'full' or 'occluded', got {shot.body!r}")
    if min(shot.width, shot.height) < 1:
        raise ValueError(f"a picture needs at least one pixel, got {shot.width}x{shot.height}")
    # Neither size nor camera is part of the key: a photo keeps its content at every size.
    rng = rng_for("shot", seed, shot.pid, shot.index, shot.body)
    size = (shot.width, shot.height)
    place = scene(seed, shot.camera)
    look = appearance(seed, shot.pid)
    frame = _frame(rng, look.stature, size)
    rgb, cover = draw_figure(look, pose(look, rng, place.pitch, place.light), frame, size)
    picture = view(place, rng, size).astype(np.float32)
    _cast_shadow(picture, frame, place)
    picture *= spread(1 - cover)
    picture += rgb
    hidden = None
    if shot.body == "occluded":
        layer = occluder(rng_for("occluder", seed, shot.pid, shot.index), cover, frame)
        _lay_over(picture, layer)
        hidden = layer.cover
    box, fraction = _visible(cover, hidden)
    seen = cover if hidden is None else cover * (1 - hidden)
    mask: Image = np.where(seen > _SEEN, 255, 0).astype(np.uint8)
    return Rendered(_expose(picture, rng, place), box, fraction, mask)


def _frame(rng: np.random.Generator, stature: float, size: tuple[int, int]) -> Frame:
    """Place the body as a detector's box would: nearly filling the height, never quite centred."""
    width, height = size
    # A box is scaled to the body, so only part of the difference in stature survives.
    scale = min(height * between(rng, 0.87, 0.93) * math.sqrt(stature), width * 2.3)
    foot_x = width * between(rng, 0.45, 0.55)
    foot_y = height * between(rng, 0.95, 0.98)
    if scale < 0.75 * height:
        foot_y = min(foot_y, height * 0.5 + scale * 0.55)
    return Frame(foot_x, foot_y, scale)


def _cast_shadow(picture: Floats, frame: Frame, place: Scene) -> None:
    """Darken the ground: a tight patch under the soles and a long one away from the light."""
    height, width = picture.shape[:2]
    top = max(0, int(frame.foot_y - 0.13 * frame.scale))
    mask = np.zeros((height - top, width), np.uint8)
    if mask.shape[0] < 2:
        return
    s, x, y = frame.scale, frame.foot_x, frame.foot_y - top
    away = -math.copysign(1.0, place.light)
    reach = (max(1, int(0.26 * s)), max(1, int(0.03 * s)))
    cv2.ellipse(mask, (int(x + away * 0.2 * s), int(y - 0.03 * s)), reach, -5 * away, 0, 360, (120,), -1)
    patch = (max(1, int(0.12 * s)), max(1, int(0.028 * s)))
    cv2.ellipse(mask, (int(x), int(y - 0.015 * s)), patch, 0, 0, 360, (230,), -1)
    soft = int(0.035 * s) | 1
    mask = np.asarray(cv2.blur(mask, (soft, soft)), np.uint8)
    picture[top:] *= 1 - mask[:, :, None] * np.float32(place.shadow * 1.3 / 255)


def _lay_over(picture: Floats, layer: Layer) -> None:
    """Put a layer in front, with the soft shade it throws on what is close behind it."""
    reach = max(3, picture.shape[0] // 16 | 1)
    near = np.asarray(cv2.blur(layer.cover, (reach, reach)), np.float32)
    picture *= spread((1 - layer.cover) * (1 - np.float32(0.45) * near))
    picture += layer.rgb


@lru_cache(maxsize=4)
def _rectangles(rows: int, columns: int) -> tuple[npt.NDArray[np.intp], ...]:
    """Return y0, y1, x0, x1 of every rectangle of whole cells in a grid."""
    y0, y1 = np.triu_indices(rows + 1, 1)
    x0, x1 = np.triu_indices(columns + 1, 1)
    return np.repeat(y0, len(x0)), np.repeat(y1, len(x0)), np.tile(x0, len(y0)), np.tile(x1, len(y0))


def _visible(cover: Floats, hidden: Floats | None) -> tuple[tuple[int, int, int, int], float]:
    """Return the box of the largest visible part and the visible share of the person."""
    if hidden is None:
        return _bounds(cover, (0, 0, cover.shape[1], cover.shape[0])), 1.0
    seen = cover * (1 - hidden)
    fraction = float(seen.sum()) / (float(cover.sum()) + 1e-6)
    height, width = cover.shape
    # A good crop keeps person, leaves out what is in front of it and does not mind background.
    worth = np.asarray(
        cv2.resize(seen - np.float32(1.3) * hidden - np.float32(0.01), _GRID[::-1], interpolation=cv2.INTER_AREA)
    )
    sums = np.zeros((_GRID[0] + 1, _GRID[1] + 1), np.float32)
    sums[1:, 1:] = worth.cumsum(0).cumsum(1)
    y0, y1, x0, x1 = _rectangles(*_GRID)
    flat = sums.ravel()
    stride = _GRID[1] + 1
    score = flat[y1 * stride + x1] - flat[y0 * stride + x1] - flat[y1 * stride + x0] + flat[y0 * stride + x0]
    at = int(score.argmax())
    left, right = int(x0[at]) * width // _GRID[1], -(-int(x1[at]) * width // _GRID[1])
    top, bottom = int(y0[at]) * height // _GRID[0], -(-int(y1[at]) * height // _GRID[0])
    return _bounds(seen, (left, top, right - left, bottom - top)), fraction


def _bounds(seen: Floats, room: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the box around the pixels of `seen` inside `room`, at least 16 wide and high."""
    left, top, wide, high = room
    mask = seen[top : top + high, left : left + wide] > 0.4
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = seen.shape
    if rows.size == 0:
        rows, columns = np.array([0, high - 1]), np.array([0, wide - 1])
    x, w = _at_least(left + int(columns[0]) - 1, int(columns[-1] - columns[0]) + 3, width)
    y, h = _at_least(top + int(rows[0]) - 1, int(rows[-1] - rows[0]) + 3, height)
    return x, y, w, h


def _at_least(start: int, length: int, room: int, least: int = 16) -> tuple[int, int]:
    """Keep a span inside 0..room, widened to `least` about its middle where there is room."""
    stop = min(room, start + length)
    start = max(0, start)
    missing = min(least, room) - (stop - start)
    if missing > 0:
        start = min(max(0, start - missing // 2), room - min(least, room))
        stop = start + min(least, room)
    return start, stop - start


def _expose(picture: Floats, rng: np.random.Generator, place: Scene) -> Image:
    """Turn scene light into a camera's bytes: exposure, white balance, focus and noise."""
    draws = rng.random(9)
    gain = 0.87 + 0.24 * float(draws[0])
    warm = 0.05 * (float(draws[1]) - 0.5)
    gamma = 0.92 + 0.18 * float(draws[2])
    lift = 9 * float(draws[3])
    levels = (np.linspace(0, 1, 256) ** gamma)[:, None]
    balance = np.array((1 + warm, 1 + 0.03 * (float(draws[4]) - 0.5), 1 - warm)) * place.tint * (2.55 * gain)
    table = to_u8(np.asarray(lift + levels * balance, np.float32))
    pixels = np.asarray(cv2.LUT(to_u8(picture), table[None]), np.uint8)
    height, width = pixels.shape[:2]
    sigma = (0.2 + 0.45 * float(draws[5])) * height / 200
    if sigma > 0.3:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (3, 3) if sigma < 0.8 else (0, 0), sigma), np.uint8)
    sheet = grain_sheet()
    y, x = int(draws[6] * max(1, sheet.shape[0] - height)), int(draws[7] * max(1, sheet.shape[1] - width))
    grain = sheet[y : y + height, x : x + width]
    if grain.shape[:2] != (height, width):
        grain = np.resize(grain, pixels.shape)
    strength = 0.03 + 0.09 * float(draws[8])
    noisy = cv2.addWeighted(pixels, 1.0, grain, strength, -128 * strength)
    return np.ascontiguousarray(np.asarray(noisy, np.uint8))
