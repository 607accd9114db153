"""Deterministic pictures, cut-outs and a pool for the simulator's tests; no random generator that a release may change."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import encode
from occluded_datasets.occlusion import Pool
from occluded_datasets.occlusion.sources.occluders import cut
from occluded_datasets.occlusion.sources.pool import PoolImage

KINDS = ("car", "bicycle", "bench", "umbrella", "bag", "bush", "pole", "board", "person")
SHAPES = ((200, 300), (150, 220), (37, 53), (300, 200), (400, 31), (64, 64), (9, 11), (17, 300))


class Bank(list[Any]):
    """A bank that is a list of cut-outs."""

    hash = "0" * 64


def noise(name: str, *shape: int) -> Any:
    """Return random bytes of a shape that hang on a name alone."""
    count = int(np.prod(shape))
    return np.frombuffer(hashlib.shake_128(name.encode()).digest(count), np.uint8).reshape(shape).copy()


def picture(name: str, height: int, width: int) -> Any:
    """Return a picture, shape (H, W, 3): ramps and noise."""
    rows, columns = np.mgrid[:height, :width]
    ramps = np.dstack([columns * 255 // width, rows * 255 // height, (rows + columns) * 255 // (height + width)])
    return ((ramps * 3 + noise(name, height, width, 3)) // 4).astype(np.uint8)


def blob(height: int, width: int, softness: int = 400) -> Any:
    """Return the alpha of an ellipse, shape (H, W), whose edge is as soft as asked for."""
    rows, columns = np.mgrid[:height, :width]
    across, down = (2 * columns + 1 - width) * height, (2 * rows + 1 - height) * width
    away = (across * across + down * down) * 1000 // (width * height) ** 2
    return np.clip((1000 - away) * 255 // softness, 0, 255).astype(np.uint8)


def bank() -> Bank:
    """Return 18 cut-outs, hard and soft, small and large, of every class."""
    sizes = [(high + number, wide + 3 * number) for number, (high, wide) in enumerate(SHAPES * 3)][:18]
    return Bank(
        cut(
            f"item/{number}",
            KINDS[number % 9],
            noise(f"bank {number}", *size, 3),
            blob(*size, 1 if number % 4 else 400),
        )
        for number, size in enumerate(sizes)
    )


def pool(folder: Path, masks: bool = False) -> Pool:
    """Write four identities of two pictures as PNG, half of them with a mask if asked for, and return their pool."""
    people: dict[int, list[PoolImage]] = {}
    for number, size in enumerate(((128, 64), (131, 60), (90, 47), (256, 128)) * 2):
        pixels = picture(f"person {number}", *size)
        file, mask = folder / f"{number}.png", folder / f"{number}-mask.png"
        data = encode(pixels, ".png")
        file.write_bytes(data)
        if masks and number % 2:
            mask.write_bytes(encode(np.ascontiguousarray(np.dstack([blob(*size)] * 3)), ".png"))
        facts = [str(file), hashlib.sha256(data).hexdigest(), pixel_digest(pixels)]
        if mask.exists():
            facts += [str(mask), hashlib.sha256(mask.read_bytes()).hexdigest()]
        people.setdefault(number // 2, []).append(PoolImage(f"person/{number}", number // 2, *facts))
    return Pool("twin", people)
