"""What a camera sees when nobody is there: a place painted once, and a window of it for each image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from ..drawn.paint import Colour, Image, between, jitter, rng_for, scaled, to_u8
from .paint import halving_for, halvings
from .places import PLACES
from .setting import HEIGHT, WIDTH


@dataclass(frozen=True)
class Scene:
    """A painted place, in halving sizes, and its light."""

    panorama: tuple[Image, ...]
    light: float
    pitch: float
    tint: Colour
    shadow: float


def _drab(image: Image) -> Image:
    """Take colour and contrast out of a place: haze and cheap lenses do, and clothes must stand out."""
    grey = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.float32)
    return to_u8((image * np.float32(0.6) + grey * np.float32(0.4)) * np.float32(0.82) + np.float32(22))


@lru_cache(maxsize=48)
def scene(seed: int, camera: int) -> Scene:
    """Return the place a camera looks at; eleven kinds, then the same kinds in other colours."""
    rng = rng_for("scene", seed, camera)
    painter, tint, shadow = PLACES[camera % len(PLACES)]
    image: Image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    painter(image, rng)
    # A lens focused on people leaves walls soft; it also hides how simple they are.
    soft = np.asarray(cv2.GaussianBlur(_drab(image), (0, 0), 1.5), np.uint8)
    return Scene(
        panorama=halvings(soft),
        light=between(rng, 0.35, 1.0) * (-1 if rng.random() < 0.5 else 1),
        pitch=between(rng, 0.08, 0.26),
        tint=jitter(rng, scaled(tint, 100), 3),
        shadow=shadow,
    )


def view(place: Scene, rng: np.random.Generator, size: tuple[int, int]) -> Image:
    """Return the background of one image: a window of the panorama, shifted a little each time."""
    width, height = size
    tall = int(HEIGHT * between(rng, 0.82, 0.97))
    wide = min(WIDTH, max(2, round(tall * width / height)))
    if wide == WIDTH:
        tall = max(2, round(wide * height / width))
    left = int(rng.random() * (WIDTH - wide + 1))
    top = HEIGHT - tall - int(rng.random() * (HEIGHT - tall + 1))
    level = halving_for(tall / height, len(place.panorama))
    source = place.panorama[level]
    y, x = max(0, top) >> level, left >> level
    part = source[y : y + max(1, tall >> level), x : x + max(1, wide >> level)]
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_LINEAR), np.uint8)
