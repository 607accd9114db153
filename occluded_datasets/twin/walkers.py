"""Other people in front of a person, with and without an umbrella."""

from __future__ import annotations

import numpy as np

from ..drawn.paint import jitter, to_u8
from ..drawn.prop import Sprite, rough, sheet
from ..drawn.props_carried import canopy
from .body import Frame
from .figure import draw_figure
from .person import appearance, pose


def walker(rng: np.random.Generator) -> Sprite:
    """Draw another pedestrian, nearer the camera and so a little larger."""
    look = appearance(-1, int(rng.integers(1 << 30)))
    stance = pose(look, rng, 0.12, 0.5)
    rgb, cover = draw_figure(look, stance, Frame(130, 452, 430), (260, 470))
    premultiplied = np.dstack((rgb, cover * 255))
    return Sprite((to_u8(premultiplied.astype(np.float32)),), 1.13, "walk")


def umbrella(rng: np.random.Generator) -> Sprite:
    """Paint a pedestrian under an open umbrella."""
    image = sheet(rng, 420, 600)
    person = walker(rng).levels[0]
    image[130:600, 80:340] = person
    tone = jitter(
        rng,
        ((40, 40, 48), (150, 34, 44), (48, 78, 130), (196, 170, 96), (86, 120, 96))[int(rng.integers(5))],
        16,
    )
    cloth = sheet(rng, 420, 360)
    canopy(cloth, tone)
    rough(cloth, rng, 0.12, (90, 90))
    image[:235] = np.where(cloth[:235, :, 3:] > 0, cloth[:235], image[:235])
    return Sprite((image,), 1.42, "walk")
