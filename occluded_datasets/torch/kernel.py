"""The compiled form of normalising, bit-equal to the table's. Needs numba."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


def _scaled(pixels: Any, scale: Any, shift: Any, out: Any) -> None:
    """Write pixels, shape (N, M), uint8, times `scale` plus `shift`, (M,), float32, into `out`."""
    for j in range(pixels.shape[0]):
        for i in range(pixels.shape[1]):
            out[j, i] = np.float32(pixels[j, i]) * scale[i] + shift[i]


try:
    scaled = numba.njit(cache=True, nogil=True)(_scaled)
except RuntimeError:  # no folder that can be written to
    scaled = numba.njit(nogil=True)(_scaled)
