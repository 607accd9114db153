"""Strokes that places are painted with: walls, windows, doors, trees, paving, parked cars."""

from __future__ import annotations

import cv2
import numpy as np

from ..drawn.paint import Colour, Image, clouds, jitter, scaled, to_u8

HEIGHT, WIDTH = 400, 760
"""Pixels of a painted panorama; an image shows a window of nearly its whole height."""


_Pair = tuple[int, int]


def box(image: Image, area: tuple[float, float, float, float], colour: Colour) -> None:
    """Fill the rectangle x, y, w, h."""
    x, y, w, h = area
    cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), colour, -1)


def vertical_gradient(image: Image, top: float, bottom: float, first: Colour, second: Colour) -> None:
    """Fill rows `top` to `bottom` with a vertical gradient."""
    low, high = int(top), int(bottom)
    ramp = np.linspace(0, 1, max(1, high - low), dtype=np.float32)[:, None, None]
    band = np.array(first, np.float32) * (1 - ramp) + np.array(second, np.float32) * ramp
    image[low:high] = to_u8(np.broadcast_to(band, (band.shape[0], WIDTH, 3)).astype(np.float32))


def gradient_box(image: Image, area: tuple[int, int, int, int], first: Colour, second: Colour) -> None:
    """Fill a rectangle with a vertical gradient."""
    x, y, w, h = area
    ramp = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    part = np.array(first, np.float32) * (1 - ramp) + np.array(second, np.float32) * ramp
    room = image[y : y + h, x : x + w]
    room[:] = to_u8(np.broadcast_to(part, (h, w, 3)).astype(np.float32))[: room.shape[0], : room.shape[1]]


def mottle(image: Image, rng: np.random.Generator, rows: _Pair, amount: float, cell: _Pair) -> None:
    """Make rows uneven, so that no wall or floor is one colour."""
    top, bottom = rows
    part = image[top:bottom].astype(np.float32)
    part += clouds(rng, bottom - top, WIDTH, cell, 4)[:, :, None] * np.float32(amount)
    image[top:bottom] = to_u8(part)


def bricks(image: Image, rng: np.random.Generator, rows: _Pair, colour: Colour, size: _Pair) -> None:
    """Lay courses of bricks, each a little different, between two rows."""
    top, bottom = rows
    wide, high = size
    box(image, (0, top, WIDTH, bottom - top), scaled(colour, 0.8))
    for row, y in enumerate(range(top, bottom, high)):
        for x in range(-wide + (row % 2) * wide // 2, WIDTH, wide):
            box(image, (x, y, wide - 2, min(high - 2, bottom - y - 1)), jitter(rng, colour, 13))


def slabs(image: Image, horizon: int, colour: Colour, gap: float, vanish: float = 0.5) -> None:
    """Draw the joints of a paved floor in perspective."""
    line = scaled(colour, 0.78)
    depth = HEIGHT - horizon
    for k in range(1, 14):
        y = horizon + int(depth / (1 + (k - 1) * gap))
        cv2.line(image, (0, y), (WIDTH, y), line, 1 if k > 4 else 2)
    middle = WIDTH * vanish
    for k in range(-16, 17):
        far, near = middle + k * 34, middle + k * 34 * 2.6
        cv2.line(image, (int(far), horizon), (int(near), HEIGHT), line, 1, cv2.LINE_AA)


def windows(
    image: Image, rng: np.random.Generator, area: tuple[int, int, int, int], step: _Pair, glass: Colour
) -> None:
    """Draw a grid of windows; `area` is x, y, w, h and `step` the pitch of the grid."""
    left, top, wide, high = area
    for y in range(top, top + high - step[1] + 1, step[1]):
        for x in range(left, left + wide - step[0] + 1, step[0]):
            w, h = int(step[0] * 0.6), int(step[1] * 0.68)
            box(image, (x - 3, y - 3, w + 6, h + 6), (196, 192, 186))
            pane = jitter(rng, glass, 20)
            box(image, (x, y, w, h), pane)
            corners = np.array([[x, y + h], [x, y + h // 2], [x + w, y], [x + w, y + h // 3]], np.int32)
            cv2.fillPoly(image, [corners], scaled(pane, 1.35), cv2.LINE_AA)
            cv2.line(image, (x + w // 2, y), (x + w // 2, y + h), (180, 176, 170), 2)
            box(image, (x - 5, y + h + 3, w + 10, 4), (150, 146, 140))


def door(image: Image, area: tuple[int, int, int, int], colour: Colour) -> None:
    """Draw a panelled door in its frame; `area` is x, y, w, h."""
    x, y, w, h = area
    box(image, (x - 5, y - 6, w + 10, h + 6), scaled(colour, 0.55))
    box(image, (x, y, w, h), colour)
    box(image, (x + w * 0.15, y + h * 0.08, w * 0.7, h * 0.36), scaled(colour, 1.25))
    box(image, (x + w * 0.15, y + h * 0.54, w * 0.7, h * 0.36), scaled(colour, 0.86))
    cv2.circle(image, (int(x + w * 0.9), int(y + h * 0.52)), 3, (210, 200, 160), -1, cv2.LINE_AA)


def leaves(
    image: Image,
    rng: np.random.Generator,
    area: tuple[float, float, float, float],
    colour: Colour,
    count: int,
) -> None:
    """Dab foliage inside an ellipse (x, y, half-width, half-height), lighter towards its top."""
    x, y, a, b = area
    cv2.ellipse(image, (int(x), int(y)), (int(a * 0.92), int(b * 0.92)), 0, 0, 360, scaled(colour, 0.62), -1)
    draws = rng.random((count, 5))
    for u, v, size, tone, turn in draws:
        angle, far = 2 * np.pi * float(u), float(v) ** 0.5
        dx, dy = far * float(np.cos(angle)), far * float(np.sin(angle))
        shade = scaled(colour, 0.62 + 0.3 * float(tone) - 0.28 * dy)
        reach = (int(3 + 7 * size), int(2 + 4 * size))
        cv2.ellipse(image, (int(x + a * dx), int(y + b * dy)), reach, 180 * float(turn), 0, 360, shade, -1)


def tree(image: Image, rng: np.random.Generator, x: float, ground: float, size: float) -> None:
    """Draw a broadleaf tree."""
    trunk = jitter(rng, (84, 68, 54), 14)
    box(image, (x - 0.05 * size, ground - 0.6 * size, 0.1 * size, 0.6 * size), trunk)
    box(image, (x - 0.05 * size, ground - 0.6 * size, 0.03 * size, 0.6 * size), scaled(trunk, 1.3))
    green = jitter(rng, (74, 106, 58), 20)
    for dx, dy, r in ((-0.2, -0.8, 0.32), (0.2, -0.75, 0.34), (0.0, -1.0, 0.36)):
        leaves(image, rng, (x + dx * size, ground + dy * size, r * size, r * size * 0.85), green, 130)


def parked_car(image: Image, x: float, ground: float, length: float, colour: Colour) -> None:
    """Draw a parked car from the side, small and far."""
    u = length / 10
    cv2.ellipse(
        image,
        (int(x + 5 * u), int(ground)),
        (int(5.2 * u), int(0.5 * u)),
        0,
        0,
        360,
        (48, 48, 50),
        -1,
        cv2.LINE_AA,
    )
    outline = [
        (0, -0.4),
        (0.1, -1.6),
        (1.9, -1.9),
        (3.1, -3.0),
        (6.7, -3.0),
        (8.2, -1.9),
        (9.9, -1.5),
        (10, -0.4),
    ]
    glass = [(2.3, -1.9), (3.3, -2.75), (6.5, -2.75), (7.6, -1.9)]
    for points, tone in ((outline, colour), (glass, (44, 52, 60))):
        cv2.fillPoly(image, [np.array([(x + a * u, ground + b * u) for a, b in points], np.int32)], tone, cv2.LINE_AA)
    box(image, (x + 4.9 * u, ground - 2.8 * u, 0.25 * u, 1.0 * u), colour)
    box(image, (x + 0.1 * u, ground - 1.0 * u, 9.8 * u, 0.6 * u), scaled(colour, 0.7))
    for at in (2.1, 7.9):
        cv2.circle(image, (int(x + at * u), int(ground - 0.5 * u)), int(0.85 * u), (26, 26, 28), -1, cv2.LINE_AA)
        cv2.circle(image, (int(x + at * u), int(ground - 0.5 * u)), int(0.45 * u), (150, 152, 156), -1, cv2.LINE_AA)
