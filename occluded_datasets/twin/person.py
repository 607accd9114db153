"""Who a twin is (looks that stay from image to image) and how it stands in one image.

The wardrobe is deliberately narrow: many people wear black, grey, navy or denim, so that colour
alone finds the right identity often but by no means always, as in the real sets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from ..drawn.paint import Colour, between, jitter, pick, rng_for, scaled

if TYPE_CHECKING:
    import numpy as np

_SKINS: tuple[Colour, ...] = (
    (236, 200, 176),
    (224, 182, 152),
    (205, 160, 126),
    (176, 128, 96),
    (134, 92, 66),
    (92, 62, 46),
)
_HAIRS: tuple[Colour, ...] = (
    (26, 22, 22),
    (44, 33, 28),
    (74, 52, 38),
    (116, 82, 52),
    (176, 142, 92),
    (150, 150, 152),
    (112, 52, 34),
)
_HAIR_WEIGHTS = (6, 5, 4, 2, 1.5, 1, 0.6)

_UPPERS: tuple[tuple[Colour, float], ...] = (
    ((30, 30, 33), 7),
    ((58, 60, 64), 4),
    ((112, 114, 116), 4),
    ((164, 166, 168), 3),
    ((226, 226, 224), 6),
    ((34, 42, 70), 5),
    ((70, 96, 140), 3),
    ((140, 170, 204), 2.5),
    ((150, 36, 42), 2.5),
    ((206, 60, 54), 1.5),
    ((58, 84, 60), 2),
    ((96, 104, 72), 1.8),
    ((196, 176, 142), 2.5),
    ((122, 86, 58), 1.8),
    ((222, 186, 74), 1.2),
    ((224, 156, 170), 1.6),
    ((112, 70, 120), 1),
    ((44, 138, 140), 1.1),
    ((226, 122, 48), 0.9),
    ((78, 160, 84), 0.7),
)
_LOWERS: tuple[tuple[Colour, float], ...] = (
    ((28, 28, 32), 7),
    ((44, 50, 70), 5),
    ((66, 86, 122), 6),
    ((116, 140, 172), 2.5),
    ((92, 92, 94), 3),
    ((174, 156, 124), 2.5),
    ((214, 210, 200), 1.2),
    ((90, 80, 58), 1.4),
    ((86, 48, 44), 0.8),
)
_SHOES: tuple[tuple[Colour, float], ...] = (
    ((32, 30, 30), 5),
    ((222, 222, 220), 4),
    ((96, 68, 48), 2),
    ((110, 112, 118), 2),
    ((168, 44, 44), 0.8),
    ((48, 70, 130), 0.8),
)
_BAGS: tuple[tuple[Colour, float], ...] = (
    ((34, 34, 38), 5),
    ((58, 66, 92), 2.5),
    ((112, 76, 48), 2),
    ((154, 40, 44), 1),
    ((92, 98, 84), 1.2),
    ((198, 180, 150), 1),
)

HAIR_STYLES = ("short", "cropped", "long", "ponytail", "bun", "bob", "curly", "cap", "beanie", "hood")
PATTERNS = ("plain", "stripes", "checks", "logo", "open", "block", "zip")


@dataclass(frozen=True)
class Appearance:
    """What belongs to an identity; lengths are fractions of the body height."""

    skin: Colour
    hair: Colour
    hair_style: str
    hat: Colour
    stature: float
    girth: float
    shoulder: float
    hip: float
    upper: Colour
    accent: Colour
    pattern: str
    sleeve: str
    hem: float
    padding: float
    lower: Colour
    lower_kind: str
    trouser_cut: float
    shoe: Colour
    sole: Colour
    bag: str
    bag_colour: Colour
    bag_side: int
    stride: float
    arm_swing: float
    elbow: float
    glasses: bool
    face_mask: bool


@dataclass(frozen=True)
class Pose:
    """What belongs to one image of a person."""

    view: float
    phase: float
    stride: float
    arm_swing: float
    elbows: tuple[float, float]
    lean: float
    head_turn: float
    pitch: float
    light: float
    cloth: int


def _colour(rng: np.random.Generator, palette: tuple[tuple[Colour, float], ...], amount: float = 18) -> Colour:
    return jitter(rng, palette[pick(rng, tuple(weight for _, weight in palette))][0], amount)


@lru_cache(maxsize=4096)
def appearance(seed: int, pid: int) -> Appearance:
    """Return the looks of an identity."""
    rng = rng_for("appearance", seed, pid)
    slight = rng.random() < 0.5
    style = pick(
        rng,
        (1, 0.5, 4, 2.5, 1.2, 2, 0.8, 0.7, 0.5, 0.4) if slight else (7, 2, 0.5, 0.2, 0, 0, 1, 1.5, 1, 0.6),
    )
    upper = _colour(rng, _UPPERS)
    pattern = PATTERNS[pick(rng, (6, 1.8, 1.2, 2, 2.6, 1, 2.2))]
    accent = _colour(rng, _UPPERS)
    # Two near-equal colours would make stripes that nobody sees.
    if sum(abs(a - b) for a, b in zip(upper, accent, strict=True)) < 120:
        accent = scaled(accent, 2.3) if sum(upper) < 330 else scaled(accent, 0.4)
    coat = pattern in ("open", "zip", "plain") and rng.random() < 0.35
    lower_kind = ("trousers", "shorts", "skirt")[pick(rng, (6, 1.4, 2.2) if slight else (8, 2, 0))]
    shoe = _colour(rng, _SHOES)
    return Appearance(
        skin=jitter(rng, _SKINS[pick(rng, (4, 5, 4, 2, 1.5, 1))], 12),
        hair=jitter(rng, _HAIRS[pick(rng, _HAIR_WEIGHTS)], 10),
        hair_style=HAIR_STYLES[style],
        hat=_colour(rng, _BAGS),
        stature=between(rng, 0.92, 0.99) if slight else between(rng, 0.96, 1.05),
        girth=between(rng, 0.84, 1.2),
        shoulder=between(rng, 0.1, 0.114) if slight else between(rng, 0.114, 0.13),
        hip=between(rng, 0.086, 0.1) if slight else between(rng, 0.08, 0.092),
        upper=upper,
        accent=accent,
        pattern=pattern,
        sleeve="long" if coat or pattern in ("open", "zip") else ("long", "short", "none")[pick(rng, (5, 5, 0.6))],
        hem=between(rng, 0.3, 0.4) if coat and rng.random() < 0.5 else between(rng, 0.455, 0.5),
        padding=between(rng, 0.008, 0.022) if coat else between(rng, 0.0, 0.008),
        lower=_colour(rng, _LOWERS),
        lower_kind=lower_kind,
        trouser_cut=between(rng, 0.0, 1.0),
        shoe=shoe,
        sole=(225, 224, 220) if rng.random() < 0.5 else scaled(shoe, 0.5),
        bag=("none", "backpack", "shoulder", "handbag")[pick(rng, (4.5, 3, 1.8, 1.8))],
        bag_colour=_colour(rng, _BAGS),
        bag_side=-1 if rng.random() < 0.5 else 1,
        stride=between(rng, 0.26, 0.48),
        arm_swing=between(rng, 0.15, 0.55),
        elbow=between(rng, 0.12, 0.6),
        glasses=bool(rng.random() < 0.2),
        face_mask=bool(rng.random() < 0.08),
    )


def pose(look: Appearance, rng: np.random.Generator, pitch: float, light: float) -> Pose:
    """Draw how `look` walks or stands in one image of a camera of that pitch and light."""
    # Front and back dominate walkway cameras; sides and three-quarter views fill the rest.
    centre = (0.0, math.pi, 0.75, -0.75, math.pi - 0.7, math.pi + 0.7, math.pi / 2, -math.pi / 2)[
        pick(rng, (3, 3, 1.6, 1.6, 1.3, 1.3, 1.5, 1.5))
    ]
    standing = rng.random() < 0.22
    # A phone at the ear or in the hand, or a hand in the pocket, now and then.
    busy = pick(rng, (7, 1, 1))
    raised = (look.elbow, 1.75, 2.3)[busy]
    return Pose(
        view=centre + between(rng, -0.22, 0.22),
        phase=between(rng, 0.0, 2 * math.pi),
        stride=look.stride * (between(rng, 0.1, 0.3) if standing else between(rng, 0.75, 1.15)),
        arm_swing=look.arm_swing * (0.2 if standing else between(rng, 0.7, 1.2)),
        elbows=(look.elbow, raised) if rng.random() < 0.5 else (raised, look.elbow),
        lean=between(rng, -0.012, 0.012),
        head_turn=between(rng, -0.5, 0.5) if rng.random() < 0.35 else between(rng, -0.12, 0.12),
        pitch=pitch + between(rng, -0.03, 0.03),
        light=light,
        cloth=int(rng.integers(0, 1 << 30)),
    )
