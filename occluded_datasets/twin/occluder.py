"""Choose what stands in front of a person and slide it in until it hides the share wanted.

Sprites are painted once. How one enters the image belongs to its kind: things on the ground rise
from the bottom edge, tall things come from a side, other people walk in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import cv2
import numpy as np

from ..drawn import props_low, props_tall
from ..drawn.paint import Floats, Image, between, pick, rng_for
from ..drawn.prop import Sprite
from . import walkers
from .body import Frame
from .paint import halving_for, halvings

_MAKERS: dict[str, tuple[Callable[[np.random.Generator], Sprite], float, int]] = {
    "car": (props_low.car, 3.0, 8),
    "bicycle": (props_low.bicycle, 1.6, 4),
    "bush": (props_tall.bush, 1.6, 4),
    "planter": (props_tall.planter, 0.8, 3),
    "trunk": (props_tall.trunk, 1.6, 4),
    "pillar": (props_tall.pillar, 1.6, 5),
    "sign": (props_tall.sign, 0.7, 4),
    "bench": (props_low.bench, 0.9, 3),
    "bin": (props_low.litter_bin, 0.9, 4),
    "umbrella": (walkers.umbrella, 0.8, 6),
    "walker": (walkers.walker, 2.6, 12),
    "luggage": (props_low.luggage, 1.0, 4),
    "wall": (props_tall.wall, 1.2, 4),
    "fence": (props_low.fence, 0.8, 3),
}


_KINDS = tuple(_MAKERS)


_WEIGHTS = tuple(weight for _, weight, _ in _MAKERS.values())


def draw_kind(rng: np.random.Generator) -> tuple[str, float]:
    """Draw a kind of occluder and a number in 0..1 that tells its variants apart."""
    return _KINDS[pick(rng, _WEIGHTS)], float(rng.random())


def sprite(kind: str, which: float) -> Sprite:
    """Return a sprite of a kind; mirrored, scaled and relit, the few variants look like many."""
    return _sprite(kind, int(which * _MAKERS[kind][2]))


@lru_cache(maxsize=80)
def _sprite(kind: str, variant: int) -> Sprite:
    painted = _MAKERS[kind][0](rng_for("sprite", kind, variant))
    return replace(painted, levels=halvings(painted.levels[0]))


_PROBE_ROWS = 96
_LEAST_HIDDEN, _MOST_HIDDEN = 0.25, 0.65


@dataclass(frozen=True)
class Layer:
    """Premultiplied colours, 0..255, and their cover, 0..1."""

    rgb: Floats
    cover: Floats


@dataclass(frozen=True)
class _Ask:
    """Where the person is, in an image of what size, and the chances drawn for its occluder."""

    frame: Frame
    size: tuple[int, int]
    grow: float
    aside: float
    from_left: bool
    mirrored: bool


@dataclass(frozen=True)
class _Spot:
    """Where a sprite is put: its top-left corner, its size in pixels and its side."""

    x: float
    y: float
    width: float
    height: float
    mirrored: bool


def occluder(rng: np.random.Generator, cover: Floats, frame: Frame) -> Layer:
    """Choose a thing and where it stands so that it hides about the share drawn for this photo."""
    height, width = cover.shape
    wanted = between(rng, 0.27, 0.62)
    chosen, which = draw_kind(rng)
    grow, aside, first, second, light = rng.random(5)
    ask = _Ask(frame, (width, height), float(grow), float(aside), bool(first < 0.5), bool(second < 0.5))
    small = (max(4, _PROBE_ROWS * width // height), _PROBE_ROWS)
    probe = np.asarray(cv2.resize(cover, small, interpolation=cv2.INTER_LINEAR), np.float32)
    tried: list[tuple[float, Sprite, _Spot]] = []
    # A thing too thin for the share asked for (a pole beside a coat) gives way to a broad one.
    for kind in (chosen, "car", "wall"):
        thing = sprite(kind, which)
        spot, hidden = _slide(thing, probe, ask, wanted)
        tried.append((abs(hidden - wanted), thing, spot))
        if _LEAST_HIDDEN < hidden < _MOST_HIDDEN:
            break
    _, thing, spot = min(tried, key=lambda item: item[0])
    return _cut(thing, spot, ask.size, 0.86 + 0.24 * float(light))


def _spot(thing: Sprite, ask: _Ask, slide: float) -> _Spot:
    """Return where a thing stands when it has come `slide` (0 not at all, 1 fully) of its way in."""
    width, height = ask.size
    scale, middle = ask.frame.scale, ask.frame.foot_x
    aspect = thing.levels[0].shape[1] / thing.levels[0].shape[0]
    tall = thing.height * scale * (0.92 + 0.28 * ask.grow)
    if thing.enters == "bottom":
        top = height * (1 - 0.8 * slide)
        # What is nearer the camera stands lower than the feet: enlarge it rather than lift it.
        tall = max(tall, height * 1.01 - top)
        wide = tall * aspect
        slack = min(0.36, max(0.08, 0.5 - 0.2 * scale / wide))
        return _Spot(middle - wide * (0.5 + slack * (2 * ask.aside - 1)), top, wide, tall, ask.mirrored)
    base = ask.frame.foot_y + (0.03 + 0.06 * ask.aside) * scale
    if thing.enters == "side":
        base = max(base, height * 1.01)
        tall = max(tall, base + 1)
    wide = tall * aspect
    left = slide * (middle + wide / 2) - wide if ask.from_left else width - slide * (width - middle + wide / 2)
    # The finished edge of a wall is painted on its right, so it must face into the image.
    mirrored = not ask.from_left if thing.enters == "side" else ask.mirrored
    return _Spot(left, base - tall, wide, tall, mirrored)


def _slide(thing: Sprite, probe: Floats, ask: _Ask, wanted: float) -> tuple[_Spot, float]:
    """Find by bisection, on a small copy, how far in a thing must come to hide `wanted`."""
    total = float(probe.sum()) * 255 + 1e-6
    low, high = 0.0, 1.0
    best = (2.0, 0.0, 1.0)
    for step in range(7):
        middle = 1.0 if step == 0 else (low + high) / 2
        hidden = _hidden(thing, _spot(thing, ask, middle), probe, ask.size[1]) / total
        if abs(hidden - wanted) < best[0]:
            best = (abs(hidden - wanted), hidden, middle)
        if best[0] < 0.02 or (step == 0 and hidden < wanted):
            break
        low, high = (middle, high) if hidden < wanted else (low, middle)
    return _spot(thing, ask, best[2]), best[1]


def _hidden(thing: Sprite, spot: _Spot, probe: Floats, height: int) -> float:
    """Return how much of the probe a sprite covers, times 255."""
    rows, columns = probe.shape
    by = rows / height
    small = _Spot(spot.x * by, spot.y * by, spot.width * by, spot.height * by, spot.mirrored)
    patch = _patch(thing, small, (columns, rows))
    if patch is None:
        return 0.0
    pixels, (x, y, w, h) = patch
    return float((probe[y : y + h, x : x + w] * pixels[:, :, 3]).sum())


def _patch(thing: Sprite, spot: _Spot, size: tuple[int, int]) -> tuple[Image, tuple[int, int, int, int]] | None:
    """Return the part of a sprite inside the image, scaled, with its x, y, w, h there."""
    x0, y0 = max(0, round(spot.x)), max(0, round(spot.y))
    x1, y1 = min(size[0], round(spot.x + spot.width)), min(size[1], round(spot.y + spot.height))
    if x1 <= x0 or y1 <= y0:
        return None
    image = thing.levels[halving_for(thing.levels[0].shape[0] / spot.height, len(thing.levels))]
    rows, columns = image.shape[:2]
    fx, fy = columns / spot.width, rows / spot.height
    near, far = x0 - spot.x, x1 - spot.x
    if spot.mirrored:
        near, far = spot.width - far, spot.width - near
    sx0, sx1 = _span(near * fx, far * fx, columns)
    sy0, sy1 = _span((y0 - spot.y) * fy, (y1 - spot.y) * fy, rows)
    part = image[sy0:sy1, sx0:sx1]
    scaled = np.asarray(cv2.resize(part, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR), np.uint8)
    return scaled[:, ::-1] if spot.mirrored else scaled, (x0, y0, x1 - x0, y1 - y0)


def _span(low: float, high: float, room: int) -> tuple[int, int]:
    """Return whole pixels from low to high, at least one, inside 0..room."""
    start = min(room - 1, max(0, int(low)))
    return start, min(room, max(start + 1, int(high)))


def _cut(thing: Sprite, spot: _Spot, size: tuple[int, int], gain: float) -> Layer:
    """Scale a sprite into a layer of the image's size."""
    rgb = np.zeros((size[1], size[0], 3), np.float32)
    cover = np.zeros((size[1], size[0]), np.float32)
    patch = _patch(thing, spot, size)
    if patch is not None:
        pixels, (x, y, w, h) = patch
        colours = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGBA2RGB)
        rgb[y : y + h, x : x + w] = np.asarray(colours, np.float32) * np.float32(gain)
        cover[y : y + h, x : x + w] = pixels[:, :, 3] * np.float32(1 / 255)
    return Layer(rgb, cover)
