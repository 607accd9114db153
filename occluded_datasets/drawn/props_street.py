"""More that stands in a street: hatchbacks and vans, single bicycles, posts, boards, barriers, shrubs."""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

from .dice import Dice
from .paint import Colour, Image, between, jitter, scaled
from .prop import Points, Sprite, line, lit, poly, rect, rough, shade_cylinder, sheet
from .props_low import PAINTS
from .props_tall import foliage


class _Shape(NamedTuple):
    """The side of a vehicle that looks to the left, in pixels of a sheet `size` wide and high."""

    size: tuple[int, int]
    body: Points
    panes: tuple[Points, ...]
    doors: tuple[int, ...]
    wheels: tuple[int, int, int]
    belt: int


_HATCHBACK = _Shape(
    (760, 350),
    (
        *((6, 306), (2, 214), (26, 184), (176, 150), (296, 38), (350, 18)),
        *((620, 12), (690, 40), (742, 150), (756, 176), (756, 306)),
    ),
    (
        ((206, 148), (306, 52), (352, 34), (428, 32), (428, 146)),
        ((446, 32), (606, 30), (650, 52), (686, 146), (446, 146)),
    ),
    (196, 436, 628),
    (150, 612, 70),
    168,
)
_VAN = _Shape(
    (900, 470),
    ((6, 424), (2, 300), (24, 262), (120, 232), (226, 60), (286, 22), (330, 12), (878, 14), (894, 40), (896, 424)),
    (((150, 232), (240, 82), (288, 50), (344, 46), (344, 234)),),
    (136, 366, 620),
    (176, 730, 74),
    262,
)


def hatchback(rng: Dice) -> Sprite:
    """Paint a small car's side."""
    return _vehicle(rng, _HATCHBACK, 0.86)


def van(rng: Dice) -> Sprite:
    """Paint a delivery van's side, with or without lettering."""
    thing = _vehicle(rng, _VAN, 1.15)
    if rng.random() < 0.6:
        ink = jitter(rng, ((40, 70, 140), (170, 40, 40), (60, 110, 70))[int(rng.integers(3))], 20)
        rect(thing.levels[0], (440, 120, 300, 44), ink)
        rect(thing.levels[0], (440, 180, 210, 16), scaled(ink, 1.4))
    return thing


def _vehicle(rng: Dice, shape: _Shape, tall: float) -> Sprite:
    width, height = shape.size
    image = sheet(rng, width, height)
    paint = jitter(rng, PAINTS[int(rng.integers(len(PAINTS)))], 14)
    foot = shape.body[0][1]
    poly(image, shape.body, paint)
    knots = [0, 20, shape.belt - 12, shape.belt, shape.belt + 14, foot - 60, foot]
    ramp = np.interp(np.arange(height), knots, [1.22, 1.1, 0.96, 1.26, 1.0, 0.84, 0.52]).astype(np.float32)
    lit(image, np.repeat(ramp[:, None], width, axis=1))
    for pane in shape.panes:
        poly(image, pane, (48, 56, 64))
        (x, low), (_, top) = pane[0], pane[2]
        poly(image, ((x + 90, low), (x + 150, top + 6), (x + 176, top + 6), (x + 118, low)), (98, 114, 126))
    for x in shape.doors:
        line(image, ((x, shape.belt - 20), (x + 4, foot - 20)), scaled(paint, 0.5), 3)
        rect(image, (x - 58, shape.belt + 8, 40, 9), scaled(paint, 0.5))
    rect(image, (6, shape.belt + 20, 34, 30), (234, 232, 216))
    rect(image, (width - 24, shape.belt, 22, 44), (152, 26, 26))
    rect(image, (10, foot - 26, width - 20, 26), (34, 34, 36))
    first, last, radius = shape.wheels
    for x in (first, last):
        wheel(image, (x, height - radius), radius)
    rough(image, rng, 0.06, (120, 200))
    return Sprite((image,), tall, "bottom")


def wheel(image: Image, centre: tuple[int, int], radius: int) -> None:
    """Draw a car's wheel in its arch."""
    x, y = centre
    for share, tone in ((1.0, (20, 20, 22)), (0.86, (42, 42, 44)), (0.56, (160, 162, 166))):
        cv2.circle(image, (x, y - int(4 * (share == 1))), int(radius * share), (*tone, 255), -1)
    for k in range(5):
        turn = 0.3 + k * 2 * math.pi / 5
        tip = (x + 0.52 * radius * math.cos(turn), y + 0.52 * radius * math.sin(turn))
        line(image, (centre, tip), (84, 86, 90), 7)


def single_bicycle(rng: Dice) -> Sprite:
    """Paint one bicycle, some with a basket or bags."""
    image = sheet(rng, 700, 440)
    tone = jitter(rng, PAINTS[int(rng.integers(len(PAINTS)))], 24)
    rear, front, crank, seat, head = (150, 300), (550, 300), (312, 304), (256, 140), (486, 128)
    for hub in (rear, front):
        cv2.circle(image, hub, 124, (28, 28, 30, 255), 15)
        cv2.circle(image, hub, 112, (150, 152, 154, 255), 4)
        for turn in np.arange(0, math.pi, 0.26).tolist():
            dx, dy = 110 * math.cos(turn), 110 * math.sin(turn)
            line(image, ((hub[0] - dx, hub[1] - dy), (hub[0] + dx, hub[1] + dy)), (148, 150, 154), 2)
        cv2.ellipse(image, hub, (140, 140), 0, 190, 330, (*scaled(tone, 0.7), 255), 8)
        cv2.circle(image, hub, 12, (70, 72, 74, 255), -1)
    for a, b in ((rear, crank), (rear, seat), (crank, (250, 112)), (seat, head), (crank, (492, 160))):
        line(image, (a, b), tone, 14)
    line(image, ((480, 100), (500, 176), front), scaled(tone, 0.85), 13)
    line(image, ((250, 126), (244, 92)), (120, 122, 126), 9)
    cv2.ellipse(image, (240, 86), (52, 15), 4, 0, 360, (36, 32, 30, 255), -1)
    line(image, ((478, 104), (470, 62), (430, 56), (404, 70)), (56, 58, 60), 11)
    cv2.circle(image, crank, 34, (64, 66, 68, 255), 9)
    line(image, (crank, (340, 366)), (70, 72, 76), 9)
    line(image, ((322, 368), (362, 366)), (34, 34, 36), 12)
    line(image, ((96, 156), (236, 158)), (60, 62, 64), 9)
    if rng.random() < 0.5:
        _basket(image, rng)
    if rng.random() < 0.5:
        bag = jitter(rng, (66, 66, 72), 50)
        poly(image, ((88, 166), (214, 166), (204, 284), (100, 284)), bag)
        rect(image, (92, 166, 120, 40), scaled(bag, 0.75))
    rough(image, rng, 0.16, (60, 60))
    return Sprite((image,), 0.6, "bottom")


def _basket(image: Image, rng: Dice) -> None:
    weave = jitter(rng, (128, 108, 84), 36)
    poly(image, ((470, 70), (612, 70), (590, 176), (496, 176)), weave)
    for y in range(84, 174, 16):
        line(image, ((478, y), (606, y)), scaled(weave, 0.6), 4)
    for x in range(490, 606, 18):
        line(image, ((x, 72), (x + (542 - x) * 0.2, 174)), scaled(weave, 0.75), 3)
    rect(image, (466, 64, 150, 12), scaled(weave, 0.7))


def lamp_post(rng: Dice) -> Sprite:
    """Paint the lower part of a lamp post with its door, some with stickers."""
    image = sheet(rng, 120, 760)
    tone = jitter(rng, ((120, 124, 126), (58, 72, 66), (70, 72, 76))[int(rng.integers(3))], 12)
    poly(image, ((44, 0), (76, 0), (80, 520), (40, 520)), tone)
    poly(image, ((34, 510), (86, 510), (90, 740), (30, 740)), scaled(tone, 0.94))
    rect(image, (32, 506, 56, 10), scaled(tone, 0.6))
    rect(image, (46, 580, 28, 96), scaled(tone, 0.74))
    rect(image, (14, 734, 92, 26), scaled(tone, 0.7))
    for _ in range(int(rng.integers(4))):
        rect(image, (46, between(rng, 180, 440), 26, between(rng, 24, 46)), jitter(rng, (200, 180, 140), 70))
    rough(image, rng, 0.14, (90, 40))
    shade_cylinder(image, 28, 92)
    return Sprite((image,), 1.3, "side")


def bollard(rng: Dice) -> Sprite:
    """Paint a bollard of steel or concrete with a reflecting band."""
    image = sheet(rng, 150, 430)
    tone = jitter(rng, ((70, 74, 78), (166, 160, 150), (44, 66, 54), (176, 132, 40))[int(rng.integers(4))], 12)
    cv2.ellipse(image, (75, 40), (48, 36), 0, 0, 360, (*tone, 255), -1)
    rect(image, (27, 40, 96, 380), tone)
    band = (226, 224, 216) if rng.random() < 0.6 else (190, 44, 40)
    for y in (90, 150):
        rect(image, (27, y, 96, 32), band)
    rect(image, (16, 394, 118, 36), scaled(tone, 0.72))
    rough(image, rng, 0.14, (60, 60))
    shade_cylinder(image, 20, 130)
    return Sprite((image,), 0.56, "bottom")


def _lines(image: Image, rng: Dice, area: tuple[int, int, int, int], ink: Colour) -> None:
    """Write rows of something that looks like text into x, y, w, h."""
    x, y, w, h = area
    rect(image, (x + w * 0.1, y, w * 0.8, 26), ink)
    for top in range(y + 48, y + h - 14, 30):
        rect(image, (x, top, w * between(rng, 0.45, 1.0), 10), scaled(ink, 0.9))


def sandwich_board(rng: Dice) -> Sprite:
    """Paint a shop's chalk or poster board on two legs."""
    image = sheet(rng, 380, 560)
    wood = jitter(rng, ((140, 98, 62), (66, 60, 56), (186, 150, 104))[int(rng.integers(3))], 14)
    poly(image, ((70, 40), (330, 10), (372, 540), (352, 540)), scaled(wood, 0.5))
    poly(image, ((44, 6), (318, 6), (348, 556), (14, 556)), wood)
    chalk = rng.random() < 0.6
    paper = jitter(rng, (42, 46, 46) if chalk else (214, 196, 150), 8 if chalk else 50)
    poly(image, ((66, 34), (298, 34), (320, 470), (46, 470)), paper)
    _lines(image, rng, (84, 76, 196, 250), (222, 222, 214) if chalk else scaled(paper, 0.4))
    tone = jitter(rng, (190, 120, 80), 70)
    cv2.circle(image, (180, 396), 46, (*tone, 255), -1)
    cv2.circle(image, (180, 396), 30, (*scaled(tone, 0.7), 255), -1)
    image[500:, 56:308] = 0
    rough(image, rng, 0.14, (80, 80))
    return Sprite((image,), 0.68, "bottom")


def notice_board(rng: Dice) -> Sprite:
    """Paint a poster case or a map on two posts."""
    image = sheet(rng, 460, 620)
    frame = jitter(rng, ((66, 70, 74), (110, 82, 58), (40, 70, 60))[int(rng.integers(3))], 12)
    for x in (50, 382):
        rect(image, (x, 330, 28, 290), scaled(frame, 0.8))
    rect(image, (10, 10, 440, 420), frame)
    paper = jitter(rng, ((226, 222, 206), (150, 190, 210), (230, 208, 120), (206, 226, 190))[int(rng.integers(4))], 24)
    rect(image, (34, 36, 392, 368), paper)
    if rng.random() < 0.5:
        _lines(image, rng, (64, 66, 330, 120), scaled(paper, 0.4))
        for k in range(3):
            rect(image, (64 + 114 * k, 220, 96, 150), jitter(rng, (150, 130, 110), 80))
    else:
        for _ in range(9):
            at = [(between(rng, 40, 420), between(rng, 42, 398)) for _ in range(2)]
            line(image, tuple(at), scaled(paper, 0.75), 12)
        _lines(image, rng, (64, 306, 150, 84), scaled(paper, 0.35))
    poly(image, ((60, 36), (150, 36), (34, 260), (34, 90)), scaled(paper, 1.06))
    rough(image, rng, 0.12, (110, 110))
    return Sprite((image,), 0.9, "bottom")


def barrier(rng: Dice) -> Sprite:
    """Paint a striped barrier of road works."""
    image = sheet(rng, 640, 380)
    stripe = jitter(rng, ((196, 44, 38), (222, 110, 30))[int(rng.integers(2))], 14)
    for x in (70, 540):
        rect(image, (x, 20, 30, 340), (132, 134, 138))
        poly(image, ((x - 50, 380), (x - 30, 350), (x + 60, 350), (x + 80, 380)), (52, 52, 54))
    for y in (20, 160):
        plank = sheet(rng, 620, 96)
        rect(plank, (0, 0, 620, 96), (228, 226, 220))
        for x in range(-96, 620, 124):
            poly(plank, ((x, 96), (x + 62, 96), (x + 124, 0), (x + 62, 0)), stripe)
        image[y : y + 96, 10:630] = plank
    rect(image, (60, 286, 520, 20), (140, 142, 146))
    rough(image, rng, 0.16, (70, 120))
    return Sprite((image,), 0.6, "bottom")


def shrub(rng: Dice) -> Sprite:
    """Paint a round bush that stands free."""
    image = sheet(rng, 520, 420)
    green = jitter(rng, ((74, 112, 54), (92, 116, 62), (58, 96, 62), (112, 118, 60))[int(rng.integers(4))], 12)
    cv2.ellipse(image, (260, 300), (196, 160), 0, 0, 360, (*scaled(green, 0.35), 255), -1)
    foliage(image[:410], rng, 1100, green, 0.86)
    return Sprite((image,), 0.78, "bottom")
