"""The eleven places cameras look at, each painted in one function."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from ..drawn.paint import Colour, Image, jitter, scaled
from .setting import (
    HEIGHT,
    WIDTH,
    box,
    bricks,
    door,
    gradient_box,
    leaves,
    mottle,
    parked_car,
    slabs,
    tree,
    vertical_gradient,
    windows,
)

_CARS: tuple[Colour, ...] = ((190, 194, 198), (60, 62, 68), (146, 40, 40), (50, 72, 118), (226, 226, 224))


def _brick_street(image: Image, rng: np.random.Generator) -> None:
    bricks(image, rng, (0, 236), jitter(rng, (146, 92, 76), 22), (26, 11))
    windows(image, rng, (30, 24, WIDTH, 130), (150, 120), (70, 84, 96))
    door(image, (260, 70, 72, 166), jitter(rng, (52, 74, 66), 20))
    box(image, (0, 222, WIDTH, 16), (108, 104, 100))
    vertical_gradient(image, 238, HEIGHT, (140, 138, 134), (172, 170, 164))
    slabs(image, 238, (156, 154, 148), 0.5)
    mottle(image, rng, (0, HEIGHT), 16, (60, 60))


def _campus(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 120, (198, 212, 226), (222, 226, 226))
    box(image, (330, 20, 300, 150), (176, 158, 134))
    windows(image, rng, (345, 34, 280, 130), (46, 44), (92, 108, 120))
    vertical_gradient(image, 160, HEIGHT, (104, 124, 74), (122, 142, 84))
    for x, size in ((60, 190), (250, 150), (520, 130), (690, 200)):
        tree(image, rng, x, 205, size)
    mottle(image, rng, (180, HEIGHT), 26, (14, 20))
    path = np.array([[0, 268], [WIDTH, 232], [WIDTH, HEIGHT], [0, HEIGHT]], np.int32)
    cv2.fillPoly(image, [path], jitter(rng, (184, 176, 162), 10), cv2.LINE_AA)
    cv2.line(image, (0, 268), (WIDTH, 232), (140, 134, 122), 5, cv2.LINE_AA)
    mottle(image, rng, (230, HEIGHT), 12, (24, 60))


def _hall(image: Image, rng: np.random.Generator) -> None:
    wall = jitter(rng, (206, 200, 188), 12)
    vertical_gradient(image, 0, 220, scaled(wall, 0.9), wall)
    for x in (40, 300, 560):
        box(image, (x, 10, 190, 210), (88, 92, 96))
        for k in range(2):
            gradient_box(image, (x + 6 + 92 * k, 16, 86, 204), (168, 190, 198), (104, 122, 128))
            box(image, (x + (84 if k == 0 else 100), 110, 5, 60), (222, 222, 220))
    for x in (255, 515):
        box(image, (x, 0, 34, 224), (172, 164, 150))
        box(image, (x + 4, 0, 9, 224), (214, 208, 196))
    vertical_gradient(image, 220, HEIGHT, (150, 140, 124), (196, 186, 168))
    slabs(image, 220, (176, 166, 148), 0.42)
    shine = image[8:220][::-1][:180]
    floor = image[220:400]
    image[220:400] = np.asarray(cv2.addWeighted(floor, 0.78, np.asarray(cv2.GaussianBlur(shine, (9, 31), 0)), 0.22, 0))
    mottle(image, rng, (0, HEIGHT), 7, (120, 120))


def _crossing(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 150, (150, 146, 140), (128, 124, 118))
    windows(image, rng, (12, 6, WIDTH, 140), (84, 70), (58, 66, 74))
    box(image, (0, 140, WIDTH, 30), (96, 92, 88))
    vertical_gradient(image, 165, HEIGHT, (84, 84, 88), (106, 106, 108))
    for x in (-30, 230, 505):
        parked_car(image, x, 196, 215, _CARS[int(rng.integers(len(_CARS)))])
    mottle(image, rng, (165, HEIGHT), 12, (16, 30))
    for x in range(-400, WIDTH + 400, 74):
        stripe = np.array([[x + 60, 262], [x + 96, 262], [x + 74, HEIGHT], [x + 18, HEIGHT]], np.int32)
        cv2.fillPoly(image, [stripe], jitter(rng, (206, 206, 200), 10), cv2.LINE_AA)
    mottle(image, rng, (200, HEIGHT), 10, (30, 40))


def _shops(image: Image, rng: np.random.Generator) -> None:
    box(image, (0, 0, WIDTH, 240), (190, 180, 164))
    for x in range(-20, WIDTH, 190):
        sign = jitter(rng, ((40, 76, 110), (140, 44, 40), (46, 88, 64), (60, 56, 60))[int(rng.integers(4))], 14)
        box(image, (x, 8, 176, 34), sign)
        for k in range(6):
            box(image, (x + 24 + 22 * k, 18, 12, 13), (232, 228, 212))
        for k in range(11):
            box(image, (x + 16 * k, 44, 15, 26), sign if k % 2 else (226, 222, 212))
        gradient_box(image, (max(0, x + 8), 74, 112, 150), (92, 98, 96), (168, 152, 122))
        for _ in range(7):
            box(
                image,
                (max(0, x + 12) + rng.random() * 90, 130 + rng.random() * 50, 14, 36),
                jitter(rng, (150, 120, 100), 60),
            )
        door(image, (x + 132, 80, 40, 152), jitter(rng, (70, 66, 62), 14))
    vertical_gradient(image, 236, HEIGHT, (136, 128, 122), (164, 154, 146))
    slabs(image, 236, (150, 142, 134), 0.62, 0.2)
    mottle(image, rng, (0, HEIGHT), 10, (40, 40))


def _underpass(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 232, (96, 98, 96), (134, 132, 126))
    mottle(image, rng, (0, 232), 26, (120, 26))
    for x in range(0, WIDTH, 126):
        cv2.line(image, (x, 0), (x, 230), (82, 82, 80), 3)
        for y in (40, 170):
            cv2.circle(image, (x + 24, y), 4, (84, 84, 82), -1, cv2.LINE_AA)
    for y in (120, 160, 196):
        cv2.line(image, (0, y), (WIDTH, y), (60, 76, 88), 6)
    for x in range(30, WIDTH, 96):
        box(image, (x, 116, 8, 118), (52, 66, 78))
    vertical_gradient(image, 232, HEIGHT, (100, 98, 94), (128, 124, 118))
    mottle(image, rng, (232, HEIGHT), 20, (20, 70))
    box(image, (0, 246, WIDTH, 12), (196, 170, 70))


def _corridor(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 226, (216, 220, 216), (198, 204, 200))
    box(image, (0, 120, WIDTH, 104), jitter(rng, (122, 158, 160), 14))
    for x in (40, 360, 640):
        door(image, (x, 42, 84, 182), jitter(rng, (156, 116, 78), 14))
    for x in (180, 212, 244, 276, 500, 532, 564):
        box(image, (x, 60, 30, 164), jitter(rng, (84, 104, 136), 6))
        box(image, (x + 8, 76, 14, 3), (60, 76, 104))
    box(image, (0, 216, WIDTH, 10), (82, 84, 84))
    vertical_gradient(image, 226, HEIGHT, (160, 164, 160), (188, 192, 186))
    slabs(image, 226, (172, 176, 172), 0.36, 0.6)
    mottle(image, rng, (0, HEIGHT), 6, (150, 90))


def _parking(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 130, (178, 192, 206), (212, 214, 212))
    for x in range(0, WIDTH, 34):
        leaves(image, rng, (x, 112 + 10 * rng.random(), 34, 40), (62, 84, 52), 26)
    vertical_gradient(image, 148, HEIGHT, (122, 120, 118), (146, 142, 138))
    mottle(image, rng, (148, HEIGHT), 14, (14, 26))
    for x in (-60, 190, 430, 650):
        parked_car(image, x, 214, 236, _CARS[int(rng.integers(len(_CARS)))])
    for x in range(-100, WIDTH, 150):
        cv2.line(image, (x + 60, 232), (x, HEIGHT), (214, 212, 204), 7, cv2.LINE_AA)
    mottle(image, rng, (200, HEIGHT), 10, (40, 90))


def _platform(image: Image, rng: np.random.Generator) -> None:
    bricks(image, rng, (0, 220), jitter(rng, (222, 220, 208), 8), (22, 22))
    box(image, (0, 60, WIDTH, 26), jitter(rng, (34, 92, 128), 20))
    for x in (110, 420, 650):
        box(image, (x - 5, 96, 110, 92), (60, 60, 62))
        gradient_box(image, (x, 100, 100, 84), jitter(rng, (186, 146, 90), 50), jitter(rng, (60, 92, 110), 40))
    box(image, (0, 206, WIDTH, 18), (70, 68, 66))
    vertical_gradient(image, 222, HEIGHT, (112, 110, 110), (146, 142, 140))
    box(image, (0, 250, WIDTH, 20), (206, 176, 62))
    slabs(image, 272, (132, 130, 128), 0.7, 0.8)
    mottle(image, rng, (0, HEIGHT), 9, (60, 100))


def _dusk(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 190, (70, 80, 104), (128, 116, 112))
    for x in (-20, 170, 330, 560):
        wall = jitter(rng, (72, 68, 70), 14)
        box(image, (x, int(rng.integers(4, 60)), 160, 220), wall)
        for _ in range(9):
            lit = (222, 188, 120) if rng.random() < 0.45 else (52, 56, 64)
            box(
                image,
                (x + 14 + 36 * int(rng.integers(4)), 50 + 38 * int(rng.integers(4)), 20, 24),
                jitter(rng, lit, 16),
            )
    vertical_gradient(image, 212, HEIGHT, (78, 76, 78), (98, 94, 92))
    slabs(image, 212, (86, 84, 84), 0.5, 0.4)
    mottle(image, rng, (0, HEIGHT), 16, (30, 60))


def _park(image: Image, rng: np.random.Generator) -> None:
    vertical_gradient(image, 0, 140, (204, 210, 206), (168, 182, 146))
    for x in range(0, WIDTH, 40):
        leaves(image, rng, (x, 150, 46, 54), jitter(rng, (66, 92, 52), 16), 56)
    for x in (150, 470, 700):
        tree(image, rng, x, 226, 240)
    vertical_gradient(image, 204, 268, (92, 118, 62), (114, 138, 74))
    mottle(image, rng, (190, 268), 30, (8, 14))
    vertical_gradient(image, 262, HEIGHT, (150, 132, 108), (176, 158, 132))
    mottle(image, rng, (256, HEIGHT), 22, (12, 40))


PLACES: tuple[tuple[Callable[[Image, np.random.Generator], None], Colour, float], ...] = (
    (_brick_street, (1.02, 1.0, 0.97), 0.42),
    (_campus, (1.04, 1.01, 0.95), 0.55),
    (_hall, (1.06, 1.0, 0.9), 0.3),
    (_crossing, (0.97, 1.0, 1.04), 0.45),
    (_shops, (1.03, 1.0, 0.96), 0.4),
    (_underpass, (0.96, 1.02, 0.96), 0.35),
    (_corridor, (0.95, 1.02, 1.02), 0.25),
    (_parking, (1.0, 1.0, 1.02), 0.55),
    (_platform, (0.98, 1.03, 0.95), 0.3),
    (_dusk, (0.96, 0.97, 1.1), 0.3),
    (_park, (1.0, 1.03, 0.94), 0.5),
)
