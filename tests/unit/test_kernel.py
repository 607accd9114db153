"""The compiled kernel gives the bytes of the NumPy and OpenCV code, and nobody notices where it is missing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from occlusionkit import bank, blob, picture, pool

from occluded_datasets.occlusion import Recipe, Simulator, blend
from occluded_datasets.occlusion.engine import simulator
from occluded_datasets.occlusion.engine.fitting import CoverageCanvas, silhouette
from occluded_datasets.occlusion.recipes.placement import Box, Place

CASES = {
    "bank": {"occluder": "bank", "fraction": [0.05, 0.6]},
    "of a person": {"occluder": "bank", "fraction": [0.1, 0.6], "of": "person"},
    "stages": {"occluder": "bank", "fraction": [0.05, 0.9], "feather": 0.1, "colour_match": 0.5, "shadow": 0.5},
    "several": {"occluder": "bank", "fraction": [0.2, 0.8], "count": [1, 3]},
    "background": {"occluder": "self-background", "fraction": [0.05, 0.6], "feather": 0.1},
    "strip": {"occluder": "strip", "fraction": [0.05, 0.6]},
    "person": {"occluder": "person", "fraction": [0.1, 0.5], "placement": "entering"},
}


@pytest.fixture(scope="module")
def kernel() -> Any:
    """Return the kernel, or skip."""
    pytest.importorskip("numba")
    from occluded_datasets.occlusion.engine import compiled as kernel

    return kernel


def sizes(rng: Any) -> tuple[int, int]:
    """Return a random (height, width), tiny ones often."""
    high, wide = rng.integers(1, rng.choice([4, 40, 260]), 2)
    return int(high), int(wide)


def window(rng: Any, length: int) -> tuple[int, int]:
    """Return a random (start, count) within `length`."""
    start = int(rng.integers(0, length))
    return start, int(rng.integers(1, length - start + 1))


def test_bilinear_is_opencvs_bit_exact_one(kernel: Any) -> None:
    """Any part, at any size, of three or four channels: `cv2.INTER_LINEAR_EXACT` to the byte."""
    rng = np.random.default_rng(0)
    for number in range(2000):
        channels = 3 + number % 2
        pixels = rng.integers(0, 256, (*sizes(rng), channels), np.uint8)
        if number % 5 == 0:
            pixels = (pixels & 1) * np.uint8(255)
        high, wide = sizes(rng)
        (left, w), (top, h) = window(rng, wide), window(rng, high)
        expected = blend.resized(pixels, wide, high)[top : top + h, left : left + w]
        assert (kernel.rendered(pixels, wide, high, left, top, w, h) == expected).all(), (pixels.shape, high, wide)


def test_enlarging_by_columns_first_is_the_same(kernel: Any) -> None:
    """A whole picture at any other size: `blend.resized` to the byte."""
    rng = np.random.default_rng(3)
    for _ in range(1000):
        pixels, (high, wide) = rng.integers(0, 256, (*sizes(rng), 3), np.uint8), sizes(rng)
        assert (kernel.resize_compiled(pixels, wide, high) == blend.resized(pixels, wide, high)).all(), (
            pixels.shape,
            high,
            wide,
        )


def test_composite_is_resize_blend_and_mask(kernel: Any) -> None:
    """One pass over the picture gives what the three steps give, for alpha of every value."""
    rng = np.random.default_rng(1)
    for _ in range(500):
        level = blend.premultiplied(rng.integers(0, 256, (*sizes(rng), 4), np.uint8))
        high, wide = sizes(rng)
        (left, w), (top, h) = window(rng, wide), window(rng, high)
        x, y = (int(value) for value in rng.integers(0, 9, 2))
        images = [picture("below", y + h + 3, x + w + 2) for _ in range(2)]
        masks = [np.zeros(image.shape[:2], np.uint8) for image in images]
        kernel.composite(images[0], masks[0], level, wide, high, left, top, x, y, w, h)
        patch = blend.resized(level, wide, high)[top : top + h, left : left + w]
        blend.over(images[1], patch, Box(x, y, w, h))
        blend.cover(masks[1], patch, Box(x, y, w, h))
        assert (images[0] == images[1]).all()
        assert (masks[0] == masks[1]).all()


def test_the_search_ends_at_the_same_size(kernel: Any) -> None:
    """The compiled search of a silhouette's size takes the steps of the plain one."""
    rng = np.random.default_rng(2)
    items = bank()
    for number in range(400):
        height, width = (int(value) for value in rng.integers(8, 200, 2))
        person = blob(height, width) if number % 3 == 0 else None
        canvas = CoverageCanvas.of(width, height, person)
        at = Place(*(int(value) for value in rng.integers(0, 1_000_001, 2)), "")
        target = max(1, canvas.whole * int(rng.integers(1, 100)) // 100)
        item = items[number % len(items)]
        ours, plain = (silhouette(canvas, target, item, at, one) for one in (kernel, None))
        assert ours[1:3] == plain[1:3]
        assert ours.level is plain.level or (ours.level == plain.level).all()
        assert (ours.shown(kernel) == plain.shown(None)).all()


@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_a_simulator_never_shows_which_one_it_used(
    kernel: Any, changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the kernel from the first picture, and without it: the same pictures, masks and records."""
    recipe = Recipe.of("afpb", **{"placement": "lower-side-uniform", "options": {}, **changes})
    pixels = [picture(f"{number}", 103, 45) for number in range(60)]
    persons, given = [blob(103, 45)] * 60, {"bank": bank(), "pool": pool(tmp_path)}
    monkeypatch.setattr(simulator, "PATIENCE", 0)
    ours = Simulator(recipe, 7, **given).batch(pixels, persons=persons)
    monkeypatch.setattr(simulator, "_kernel", lambda: None)
    plain = Simulator(recipe, 7, **given).batch(pixels, persons=persons)
    assert (ours.images == plain.images).all()
    assert (ours.masks == plain.masks).all()
    assert ours.records == plain.records


def test_without_numba_the_plain_code_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba cannot be imported there is no kernel, and a simulator says nothing about it."""
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "occluded_datasets.occlusion.engine.compiled", raising=False)
    monkeypatch.delattr("occluded_datasets.occlusion.engine.compiled", raising=False)
    monkeypatch.setattr(simulator, "PATIENCE", 0)
    simulator._kernel.cache_clear()
    try:
        assert simulator._kernel() is None
        done = Simulator(Recipe.of("bank", fraction=[0.3, 0.3]), 7, bank=bank())(picture("0", 64, 32))
        assert done.mask.any()
    finally:
        simulator._kernel.cache_clear()
