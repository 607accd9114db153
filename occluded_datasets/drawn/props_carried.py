"""Things that people carry: umbrellas and bags."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .dice import Dice
from .paint import Colour, Image, between, jitter, scaled
from .prop import Points, Sprite, line, lit, poly, rect, rough, shade_cylinder, sheet

_CLOTHS: tuple[Colour, ...] = (
    (40, 40, 48),
    (150, 34, 44),
    (48, 78, 130),
    (196, 170, 96),
    (86, 120, 96),
    (214, 210, 204),
    (120, 64, 110),
)
_LEATHERS: tuple[Colour, ...] = (
    (44, 40, 40),
    (116, 74, 46),
    (150, 42, 48),
    (60, 68, 92),
    (186, 160, 124),
    (88, 94, 80),
)
_PAPERS: tuple[Colour, ...] = ((196, 160, 116), (228, 226, 222), (186, 44, 50), (60, 110, 150), (70, 70, 74))
_GAINS = (0.72, 0.95, 1.2, 1.1, 0.86, 0.62)


def canopy(image: Image, tone: Colour) -> None:
    """Draw an open umbrella of six lit panels over the upper part of a 420 wide sheet."""
    cv2.line(image, (212, 20), (226, 330), (112, 96, 80, 255), 6)
    for k, gain in enumerate(_GAINS):
        panel, crown = _panel(k)
        poly(image, panel, scaled(tone, gain))
        cv2.polylines(image, [np.array(crown, np.int32)], False, (*scaled(tone, gain * 0.7), 255), 2)


def _panel(k: int) -> tuple[Points, Points]:
    """Return the outline of one of six panels, and the rib at its right."""
    ribs = np.linspace(-1, 1, 7)
    low, high = float(ribs[k]), float(ribs[k + 1])
    scallop = np.linspace(low, high, 8)
    rim = [
        (
            210 + 205 * float(a),
            205 - 16 * math.sin(math.pi * i / 7) + 30 * math.sqrt(max(0.0, 1 - float(a) ** 2)),
        )
        for i, a in enumerate(scallop)
    ]
    crown = [(210 + 205 * high * math.sin(t), 210 - 200 * math.cos(t)) for t in np.linspace(1.5, 0.02, 10)]
    other = [(210 + 205 * low * math.sin(t), 210 - 200 * math.cos(t)) for t in np.linspace(0.02, 1.5, 10)]
    return rim + crown + other, crown


def _turned(points: Points, turn: float, centre: tuple[float, float]) -> Points:
    """Return points of a canopy turned about its middle, which comes to lie at `centre`."""
    cos, sin = math.cos(turn), math.sin(turn)
    moved = [(x - 210, y - 205) for x, y in points]
    return [(centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y) for x, y in moved]


def open_umbrella(rng: Dice) -> Sprite:
    """Paint an open umbrella from the side, tilted, with its stick and handle."""
    image = sheet(rng, 520, 560)
    turn, centre = between(rng, -0.42, 0.42), (260.0, 265.0)
    tone = jitter(rng, _CLOTHS[int(rng.integers(len(_CLOTHS)))], 14)
    second = scaled(tone, 1.5 if sum(tone) < 300 else 0.6) if rng.random() < 0.3 else tone
    stick = _turned(((210, 0), (210, 440)), turn, centre)
    line(image, stick, (96, 84, 74), 8)
    handle = _turned(((210, 400), (210, 452), (222, 470), (240, 470), (250, 452)), turn, centre)
    line(image, handle, (70, 50, 38), 15)
    for k, gain in enumerate(_GAINS):
        panel, rib = _panel(k)
        poly(image, _turned(panel, turn, centre), scaled(tone if k % 2 else second, gain))
        line(image, _turned(rib, turn, centre), scaled(tone, gain * 0.7), 3)
    rough(image, rng, 0.12, (110, 110))
    return Sprite((image,), 0.6, "walk")


def umbrella_towards(rng: Dice) -> Sprite:
    """Paint an open umbrella held towards the camera: eight panels around its tip."""
    image = sheet(rng, 520, 480)
    tone = jitter(rng, _CLOTHS[int(rng.integers(len(_CLOTHS)))], 14)
    second = scaled(tone, 1.6 if sum(tone) < 300 else 0.6) if rng.random() < 0.4 else tone
    tip = (260 + between(rng, -70, 70), 190 + between(rng, -50, 40))
    corners = [_round(k * math.pi / 4 + 0.2) for k in range(9)]
    for k in range(8):
        middle = _round((k + 0.5) * math.pi / 4 + 0.2, 0.9)
        # Light falls from above and the left.
        gain = 0.9 - 0.22 * math.sin((k + 0.5) * math.pi / 4 + 0.2) - 0.16 * math.cos((k + 0.5) * math.pi / 4 + 0.2)
        poly(image, (tip, corners[k], middle, corners[k + 1]), scaled(second if k % 2 else tone, gain))
        line(image, (tip, corners[k]), scaled(tone, 0.6), 4)
    cv2.circle(image, (int(tip[0]), int(tip[1])), 9, (60, 56, 54, 255), -1)
    rough(image, rng, 0.12, (110, 110))
    return Sprite((image,), 0.56, "walk")


def _round(turn: float, reach: float = 1.0) -> tuple[float, float]:
    return 260 + 240 * reach * math.cos(turn), 240 + 215 * reach * math.sin(turn)


def backpack(rng: Dice) -> Sprite:
    """Paint a backpack with pockets and straps."""
    image = sheet(rng, 360, 470)
    tone = jitter(rng, (*_LEATHERS, *_CLOTHS)[int(rng.integers(13))], 16)
    cv2.ellipse(image, (180, 34), (40, 28), 0, 180, 360, (*scaled(tone, 0.6), 255), 12)
    for x in (34, 326):
        line(image, ((180 + (x - 180) * 0.7, 90), (x, 220), (180 + (x - 180) * 0.8, 420)), scaled(tone, 0.6), 24)
    cv2.ellipse(image, (180, 160), (136, 130), 0, 0, 360, (*tone, 255), -1)
    poly(image, ((44, 158), (316, 158), (332, 410), (306, 454), (54, 454), (28, 410)), tone)
    cv2.ellipse(image, (180, 150), (112, 104), 0, 190, 350, (*scaled(tone, 0.55), 255), 6)
    pocket = scaled(tone, 1.18 if sum(tone) < 420 else 0.86)
    poly(image, ((78, 272), (282, 272), (294, 420), (270, 438), (90, 438), (66, 420)), pocket)
    line(image, ((82, 292), (278, 292)), scaled(tone, 0.5), 6)
    for x in (110, 250):
        line(image, ((x, 160), (x, 268)), scaled(tone, 0.7), 8)
    rough(image, rng, 0.2, (90, 60))
    shade_cylinder(image, 20, 340)
    return Sprite((image,), 0.3, "walk")


def handbag(rng: Dice) -> Sprite:
    """Paint a handbag with two handles and a clasp."""
    image = sheet(rng, 420, 430)
    tone = jitter(rng, _LEATHERS[int(rng.integers(len(_LEATHERS)))], 16)
    cv2.ellipse(image, (214, 176), (106, 150), 0, 180, 360, (*scaled(tone, 0.5), 255), 14)
    cv2.ellipse(image, (202, 182), (104, 156), 0, 180, 360, (*scaled(tone, 0.78), 255), 16)
    poly(image, ((56, 172), (364, 172), (404, 396), (384, 424), (36, 424), (16, 396)), tone)
    poly(image, ((56, 172), (364, 172), (376, 246), (300, 276), (120, 276), (44, 246)), scaled(tone, 0.86))
    rect(image, (56, 172, 308, 10), scaled(tone, 1.25))
    rect(image, (188, 258, 44, 34), (196, 172, 104))
    for x in (98, 306):
        cv2.circle(image, (x, 184), 10, (196, 172, 104, 255), -1)
    rough(image, rng, 0.18, (70, 90))
    lit(image, np.broadcast_to(np.linspace(1.1, 0.72, 430, dtype=np.float32)[:, None], image.shape[:2]))
    return Sprite((image,), 0.24, "walk")


def shopping_bag(rng: Dice) -> Sprite:
    """Paint a paper or plastic carrier bag with its handles."""
    image = sheet(rng, 340, 480)
    tone = jitter(
        rng, ((196, 160, 116), (228, 226, 222), (186, 44, 50), (60, 110, 150), (70, 70, 74))[int(rng.integers(5))], 14
    )
    for lift, gain in ((0, 0.5), (10, 0.75)):
        cv2.ellipse(image, (160, 120 + lift), (62, 96), 0, 180, 360, (*scaled(tone, gain), 255), 10)
    poly(image, ((24, 110), (276, 110), (286, 474), (12, 474)), tone)
    poly(image, ((276, 110), (318, 96), (332, 452), (286, 474)), scaled(tone, 0.66))
    poly(image, ((276, 110), (298, 102), (306, 300), (284, 474)), scaled(tone, 0.78))
    ink = scaled(tone, 0.45 if sum(tone) > 380 else 1.9)
    cv2.circle(image, (150, 260), 52, (*ink, 255), -1)
    rect(image, (80, 340, 140, 22), ink)
    rect(image, (24, 110, 252, 12), scaled(tone, 0.85))
    rough(image, rng, 0.22, (140, 60))
    return Sprite((image,), 0.32, "walk")


def trolley_case(rng: Dice) -> Sprite:
    """Paint one upright suitcase with its handle pulled out."""
    image = sheet(rng, 330, 640)
    tone = jitter(rng, (*_CLOTHS, *_LEATHERS)[int(rng.integers(13))], 18)
    for x in (112, 206):
        rect(image, (x, 14, 12, 220), (148, 150, 154))
    rect(image, (100, 6, 130, 22), (46, 46, 48))
    poly(image, ((40, 190), (58, 172), (272, 172), (290, 190), (294, 590), (276, 612), (54, 612), (36, 590)), tone)
    for x in range(66, 280, 34):
        rect(image, (x, 184, 8, 416), scaled(tone, 0.74))
        rect(image, (x + 8, 184, 5, 416), scaled(tone, 1.24))
    rect(image, (36, 388, 258, 12), scaled(tone, 0.5))
    rect(image, (128, 166, 74, 14), (40, 40, 42))
    for x in (70, 260):
        cv2.circle(image, (x, 618), 20, (26, 26, 28, 255), -1)
    rough(image, rng, 0.15, (80, 80))
    shade_cylinder(image, 20, 310)
    return Sprite((image,), 0.55, "bottom")
