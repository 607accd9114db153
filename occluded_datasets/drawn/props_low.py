"""Things that stand on the ground and hide legs: cars, bicycles, benches, bins, luggage, fences."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .dice import Dice
from .paint import Colour, between, clouds, jitter, scaled
from .prop import Sprite, lit, poly, rect, rough, shade_cylinder, sheet

PAINTS: tuple[Colour, ...] = (
    (196, 200, 204),
    (54, 56, 62),
    (150, 34, 36),
    (44, 66, 120),
    (228, 228, 226),
    (96, 102, 106),
    (120, 128, 110),
)


def car(rng: Dice) -> Sprite:
    """Paint a car's side with bonnet, window, door line and wheel."""
    image = sheet(rng, 900, 330)
    paint = jitter(rng, PAINTS[int(rng.integers(len(PAINTS)))], 12)
    body = [
        (8, 300),
        (4, 196),
        (24, 168),
        (210, 138),
        (330, 26),
        (380, 12),
        (640, 10),
        (700, 22),
        (806, 128),
        (884, 142),
        (896, 200),
        (892, 300),
    ]
    poly(image, body, paint)
    ramp = np.interp(np.arange(330), [0, 20, 140, 162, 176, 230, 300], [1.25, 1.1, 0.95, 1.28, 0.98, 0.82, 0.5]).astype(
        np.float32
    )
    lit(image, np.repeat(ramp[:, None], 900, axis=1))
    glass = (46, 54, 62)
    for pane in (
        [(238, 136), (342, 38), (384, 26), (478, 24), (478, 134)],
        [(496, 24), (634, 24), (690, 36), (768, 130), (496, 134)],
    ):
        poly(image, [(float(x), float(y)) for x, y in pane], glass)
    poly(image, [(300, 128), (392, 30), (436, 28), (350, 130)], (104, 122, 134))
    poly(image, [(560, 130), (600, 28), (628, 28), (600, 130)], (92, 108, 120))
    for x in (232, 486, 700):
        cv2.line(image, (x, 140), (x + 4, 286), (*scaled(paint, 0.5), 255), 2)
    for x in (430, 650):
        rect(image, (x, 160, 40, 8), scaled(paint, 0.55))
    rect(image, (6, 178, 34, 24), (236, 232, 214))
    rect(image, (866, 160, 28, 26), (150, 26, 26))
    rect(image, (196, 118, 34, 22), scaled(paint, 0.7))
    rect(image, (14, 276, 872, 24), (34, 34, 36))
    for x in (176, 724):
        cv2.circle(image, (x, 262), 72, (22, 22, 24, 255), -1)
        cv2.circle(image, (x, 266), 60, (40, 40, 42, 255), -1)
        cv2.circle(image, (x, 266), 38, (158, 160, 164, 255), -1)
        for k in range(5):
            turn = k * 2 * math.pi / 5
            cv2.line(
                image,
                (x, 266),
                (int(x + 36 * math.cos(turn)), int(266 + 36 * math.sin(turn))),
                (84, 86, 90, 255),
                7,
            )
    return Sprite((image,), 0.84, "bottom")


def bicycle(rng: Dice) -> Sprite:
    """Paint a full rack: bicycles with baskets and bags, close enough to hide legs."""
    image = sheet(rng, 620, 330)
    for k in range(4):
        x, tone = (
            90 + 105 * k + int(between(rng, -14, 14)),
            jitter(rng, PAINTS[int(rng.integers(len(PAINTS)))], 20),
        )
        for cx in (x, x + 190):
            cv2.circle(image, (cx, 240), 80, (30, 30, 32, 255), 11)
            cv2.circle(image, (cx, 240), 70, (150, 152, 154, 255), 3)
            for turn in np.arange(0, math.pi, 0.3):
                dx, dy = int(68 * math.cos(turn)), int(68 * math.sin(turn))
                cv2.line(image, (cx - dx, 240 - dy), (cx + dx, 240 + dy), (140, 142, 146, 210), 2)
        joints = [(x, 240), (x + 62, 130), (x + 156, 124), (x + 190, 240), (x + 96, 242)]
        for a, b in ((0, 1), (1, 2), (2, 3), (1, 4), (2, 4), (0, 4)):
            cv2.line(image, joints[a], joints[b], (*tone, 255), 11)
        cv2.line(image, joints[2], (x + 150, 78), (*scaled(tone, 0.7), 255), 9)
        cv2.line(image, (x + 122, 70), (x + 176, 82), (40, 40, 42, 255), 11)
        cv2.ellipse(image, (x + 56, 108), (36, 11), 0, 0, 360, (34, 30, 30, 255), -1)
        basket = jitter(rng, (120, 108, 88), 40)
        poly(image, [(x + 150, 84), (x + 236, 84), (x + 222, 152), (x + 164, 152)], basket)
        for y in range(92, 150, 12):
            cv2.line(image, (x + 154, y), (x + 232, y), (*scaled(basket, 0.6), 255), 3)
        if rng.random() < 0.7:
            poly(
                image,
                [(x - 50, 132), (x + 40, 132), (x + 34, 210), (x - 42, 210)],
                jitter(rng, (60, 62, 66), 50),
            )
    rough(image, rng, 0.2, (40, 40))
    return Sprite((image,), 0.66, "bottom")


def bench(rng: Dice) -> Sprite:
    """Paint a slatted park bench seen from behind."""
    image = sheet(rng, 620, 300)
    wood = jitter(rng, ((150, 106, 66), (112, 78, 54), (86, 96, 84))[int(rng.integers(3))], 14)
    for y in (6, 50, 94, 138):
        rect(image, (10, y, 600, 37), jitter(rng, wood, 12))
        rect(image, (10, y, 600, 6), scaled(wood, 1.3))
        rect(image, (10, y + 32, 600, 5), scaled(wood, 0.55))
    rect(image, (0, 182, 620, 28), scaled(wood, 0.8))
    for x in (44, 300, 556):
        rect(image, (x, 0, 20, 300), (44, 46, 48))
    lit(image, 1 + clouds(rng, 300, 620, (10, 160), 3) * np.float32(0.2))
    return Sprite((image,), 0.62, "bottom")


def litter_bin(rng: Dice) -> Sprite:
    """Paint a wheeled rubbish bin or a litter bin."""
    image = sheet(rng, 300, 400)
    tone = jitter(rng, ((52, 84, 62), (60, 64, 68), (44, 66, 112), (150, 118, 48))[int(rng.integers(4))], 14)
    poly(image, [(22, 70), (278, 70), (256, 400), (44, 400)], tone)
    poly(image, [(8, 66), (24, 22), (150, 6), (276, 22), (292, 66)], scaled(tone, 1.18))
    rect(image, (8, 62, 284, 16), scaled(tone, 0.6))
    rect(image, (92, 130, 116, 92), scaled(tone, 0.78) if rng.random() < 0.5 else (210, 208, 200))
    for x in (60, 232):
        rect(image, (x, 86, 7, 300), scaled(tone, 0.75))
    rough(image, rng, 0.16, (70, 50))
    shade_cylinder(image, 10, 290)
    return Sprite((image,), 0.74, "bottom")


def luggage(rng: Dice) -> Sprite:
    """Paint suitcases stacked on a trolley."""
    image = sheet(rng, 380, 420)
    rect(image, (40, 0, 14, 400), (150, 152, 156))
    rect(image, (330, 0, 14, 400), (132, 134, 138))
    rect(image, (34, 0, 316, 16), (60, 62, 66))
    y = 400.0
    for k in range(3):
        tall, wide = between(rng, 96, 150), between(rng, 250, 340)
        tone = jitter(
            rng,
            ((44, 46, 56), (130, 40, 44), (60, 88, 120), (142, 110, 74), (92, 96, 98))[int(rng.integers(5))],
            18,
        )
        x, y = 190 - wide / 2 + between(rng, -14, 14), y - tall
        rect(image, (x, y + 2, wide, tall - 4), tone)
        for j in range(5):
            rect(
                image,
                (x + wide * (0.1 + 0.18 * j), y + 8, 7, tall - 16),
                scaled(tone, 0.72 if k % 2 else 1.25),
            )
        rect(image, (x, y + 2, wide, 8), scaled(tone, 1.3))
        rect(image, (x, y + tall - 12, wide, 10), scaled(tone, 0.5))
        rect(image, (x + wide / 2 - 30, y - 6, 60, 10), (30, 30, 32))
    for x in (70, 312):
        cv2.circle(image, (x, 404), 16, (24, 24, 26, 255), -1)
    rough(image, rng, 0.15, (60, 60))
    return Sprite((image,), 0.8, "bottom")


def fence(rng: Dice) -> Sprite:
    """Paint a board fence with narrow gaps."""
    image = sheet(rng, 620, 360)
    wood = jitter(rng, ((140, 112, 82), (196, 192, 184), (92, 84, 76))[int(rng.integers(3))], 14)
    rect(image, (0, 84, 620, 26), scaled(wood, 0.6))
    rect(image, (0, 286, 620, 26), scaled(wood, 0.6))
    for x in range(4, 620, 44):
        board = jitter(rng, wood, 14)
        poly(image, [(x, 360), (x, 26), (x + 19, 6), (x + 38, 26), (x + 38, 360)], board)
        rect(image, (x, 26, 6, 334), scaled(board, 1.2))
        rect(image, (x + 33, 26, 5, 334), scaled(board, 0.66))
    lit(image, 1 + clouds(rng, 360, 620, (120, 12), 3) * np.float32(0.22))
    return Sprite((image,), 0.7, "bottom")
