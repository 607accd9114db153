"""Things that people carry: umbrellas and bags."""

from __future__ import annotations

import math

import cv2
import numpy as np

from .paint import Colour, Image, scaled
from .prop import poly


def canopy(image: Image, tone: Colour) -> None:
    """Draw an open umbrella of six lit panels over the upper part of a 420 wide sheet."""
    ribs = np.linspace(-1, 1, 7)
    cv2.line(image, (212, 20), (226, 330), (112, 96, 80, 255), 6)
    for k, gain in enumerate((0.72, 0.95, 1.2, 1.1, 0.86, 0.62)):
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
        poly(image, rim + crown + other, scaled(tone, gain))
        cv2.polylines(image, [np.array(crown, np.int32)], False, (*scaled(tone, gain * 0.7), 255), 2)
