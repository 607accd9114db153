"""Plants, columns, signs and walls."""

from __future__ import annotations

import cv2
import numpy as np

from .dice import Dice
from .paint import Colour, Image, clouds, jitter, scaled
from .prop import Sprite, lit, poly, rect, rough, shade_cylinder, sheet


def foliage(image: Image, rng: Dice, count: int, green: Colour, reach: float) -> None:
    """Paint `count` leaves, dark ones behind, over the part of a sheet that `reach` (0..1) spans."""
    height, width = image.shape[:2]
    draws = rng.random((count, 5))
    # Painted from the back: dark leaves first, sunlit ones last.
    for order, (u, v, size, tone, turn) in enumerate(draws):
        depth = order / count
        x = width * (0.5 + (float(u) - 0.5) * reach)
        top = height * (0.06 + 0.3 * abs(2 * float(u) - 1) ** 2.2)
        y = top + (height - top) * float(v) ** (1.0 if depth < 0.6 else 1.35)
        shade = scaled(green, 0.35 + 0.55 * depth + 0.4 * float(tone) - 0.25 * y / height)
        axes = (int(7 + 11 * size), int(4 + 5 * size))
        cv2.ellipse(image, (int(x), int(y)), axes, 180 * float(turn), 0, 360, (*shade, 255), -1)


def bush(rng: Dice) -> Sprite:
    """Paint a bush, leaf by leaf."""
    image = sheet(rng, 520, 360)
    green = jitter(rng, ((74, 112, 54), (92, 116, 62), (58, 96, 62), (112, 118, 60))[int(rng.integers(4))], 16)
    cv2.ellipse(image, (260, 380), (225, 285), 0, 0, 360, (*scaled(green, 0.4), 255), -1)
    foliage(image, rng, 950, green, 1.0)
    return Sprite((image,), 0.78, "bottom")


def planter(rng: Dice) -> Sprite:
    """Paint a concrete trough with a shrub in it."""
    image = sheet(rng, 420, 400)
    top = image[:260]
    green = jitter(rng, (84, 114, 60), 22)
    cv2.ellipse(top, (210, 230), (165, 150), 0, 0, 360, (*scaled(green, 0.45), 255), -1)
    foliage(top, rng, 520, green, 0.9)
    stone = jitter(rng, (164, 158, 148), 16)
    poly(image, [(26, 232), (394, 232), (372, 400), (48, 400)], stone)
    rect(image, (14, 226, 392, 30), scaled(stone, 1.14))
    rect(image, (30, 256, 360, 8), scaled(stone, 0.6))
    low = image[226:]
    rough(low, rng, 0.16, (20, 26))
    shade_cylinder(low, 14, 406)
    return Sprite((image,), 0.8, "bottom")


def trunk(rng: Dice) -> Sprite:
    """Paint a tree trunk with bark, wider at its foot."""
    image = sheet(rng, 200, 720)
    bark = jitter(rng, ((98, 80, 64), (120, 110, 98), (84, 74, 66))[int(rng.integers(3))], 14)
    rows = np.linspace(0, 719, 24)
    sway = 10 * np.sin(rows / 150 + 6 * rng.random())
    half = np.interp(rows, [0, 500, 660, 719], [62, 66, 78, 98])
    edge = [(float(100 + s - h), float(y)) for y, s, h in zip(rows, sway, half, strict=True)]
    edge += [(float(100 + s + h), float(y)) for y, s, h in zip(rows[::-1], sway[::-1], half[::-1], strict=True)]
    poly(image, edge, bark)
    lit(image, 1 + clouds(rng, 720, 200, (120, 13), 3) * np.float32(0.42))
    shade_cylinder(image, 30, 170)
    return Sprite((image,), 1.25, "side")


def pillar(rng: Dice) -> Sprite:
    """Paint a concrete, tiled or steel column, some with a poster."""
    image = sheet(rng, 190, 720)
    kind = int(rng.integers(3))
    tone = jitter(rng, ((168, 164, 156), (206, 200, 188), (92, 100, 104))[kind], 14)
    rect(image, (8, 0, 174, 720), tone)
    if kind == 1:
        for y in range(0, 720, 44):
            rect(image, (8, y, 174, 3), scaled(tone, 0.72))
        for x in range(8, 182, 44):
            rect(image, (x, 0, 3, 720), scaled(tone, 0.72))
    elif rng.random() < 0.6:
        paper = jitter(rng, (214, 196, 150), 60)
        rect(image, (44, 190, 100, 140), paper)
        for k in range(5):
            rect(image, (54, 206 + 22 * k, 80 if k % 2 else 56, 8), scaled(paper, 0.5))
    rect(image, (0, 662, 190, 58), scaled(tone, 0.82))
    rough(image, rng, 0.13, (90, 60))
    shade_cylinder(image, 8, 182)
    return Sprite((image,), 1.25, "side")


def sign(rng: Dice) -> Sprite:
    """Paint a traffic sign or a plate on a pole."""
    image = sheet(rng, 300, 720)
    rect(image, (136, 60, 28, 660), (140, 142, 146))
    shade_cylinder(image, 136, 164)
    kind = int(rng.integers(3))
    if kind == 0:
        for radius, tone in ((140, (236, 236, 232)), (134, (186, 32, 36)), (100, (238, 238, 234))):
            cv2.circle(image, (150, 210), radius, (*tone, 255), -1)
        for k in range(2):
            rect(image, (92 + 64 * k, 172, 50, 76), (40, 40, 44))
    elif kind == 1:
        poly(image, [(150, 62), (292, 320), (8, 320)], (190, 34, 38))
        poly(image, [(150, 120), (242, 294), (58, 294)], (240, 238, 230))
        rect(image, (138, 170, 24, 70), (32, 32, 34))
        cv2.circle(image, (150, 266), 14, (32, 32, 34, 255), -1)
    else:
        rect(image, (14, 70, 272, 300), (34, 84, 156))
        rect(image, (26, 82, 248, 276), (44, 98, 176))
        poly(
            image,
            [(150, 110), (214, 190), (176, 190), (176, 320), (124, 320), (124, 190), (86, 190)],
            (238, 240, 240),
        )
    rect(image, (124, 420, 52, 120), (176, 172, 160))
    rough(image, rng, 0.1, (160, 160))
    return Sprite((image,), 1.3, "side")


def wall(rng: Dice) -> Sprite:
    """Paint the edge of a wall of brick or plaster."""
    image = sheet(rng, 420, 720)
    brick = rng.random() < 0.6
    tone = jitter(rng, (146, 96, 78) if brick else (188, 180, 164), 18)
    rect(image, (0, 0, 400, 720), scaled(tone, 0.78) if brick else tone)
    if brick:
        for row, y in enumerate(range(0, 720, 24)):
            for x in range(-60 + 30 * (row % 2), 400, 60):
                rect(image, (max(0, x), y, min(57, 397 - x), 21), jitter(rng, tone, 14))
    rect(image, (396, 0, 24, 720), scaled(tone, 0.55))
    rough(image, rng, 0.2, (140, 90))
    return Sprite((image,), 1.75, "side")
