"""Promises of what is drawn: the same bytes everywhere, proper cut-outs, chance that hangs on a key alone."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from occluded_datasets.drawn.dice import Keyed
from occluded_datasets.drawn.paint import clouds
from occluded_datasets.drawn.prop import ExactSheet, poly, sheet
from occluded_datasets.drawn.things import THINGS, things
from occluded_datasets.occlusion.sources.bank import Bank

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = "878bd50a047b274249b42846adc83be095b4852c6d16042631ff13ede70dd454"
ASKED = {"car", "bicycle", "bench", "umbrella", "bag", "bush", "pole", "board", "litter-bin", "luggage", "fence"}
FOUND = things()


def test_the_drawn_bank_is_the_one_that_recipes_name() -> None:
    """Its hash stands in recipes: another hash is another bank, for everybody."""
    assert Bank.drawn().hash == GOLDEN


def test_another_process_draws_the_same_bank() -> None:
    """Whatever the hash seed, the threads and the kernels OpenCV was built with."""
    code = "from occluded_datasets.occlusion.sources.bank import Bank; print(Bank.drawn().hash)"
    env = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(ROOT), "OPENCV_IPP": "disabled"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == GOLDEN


def test_there_is_several_of_each_thing() -> None:
    """About sixty things; two or more of each class, and no two alike."""
    found = things()
    assert set(THINGS) >= ASKED
    assert 50 <= len(FOUND) <= 80
    assert min(sum(kind == other for _, other, _ in FOUND) for kind in THINGS) >= 2
    assert len({picture.tobytes() for _, _, picture in found}) == len(FOUND)


@pytest.mark.parametrize("number", range(len(FOUND)), ids=[name for name, _, _ in FOUND])
def test_a_thing_is_a_proper_cut_out(number: int) -> None:
    """Premultiplied, neither empty nor a full rectangle, and not of one colour."""
    picture = FOUND[number][2]
    assert (picture.dtype, picture.shape[2]) == (np.uint8, 4)
    assert (picture[..., :3] <= picture[..., 3:]).all()
    solid = picture[..., 3] >= 128
    assert 0.05 < solid.mean() < 0.98
    assert picture[solid][:, :3].std() > 8


def test_keyed_dice_give_known_numbers() -> None:
    """Eight bytes of sha256(key|block) a draw, little-endian, the upper 53 bits of it."""
    block = hashlib.sha256(b"a|7|0").digest()
    word = int.from_bytes(block[:8], "little")
    assert Keyed("a", 7).random() == (word >> 11) / 2**53
    assert Keyed("a", 7).integers(10) == word * 10 >> 64
    assert Keyed("a", 7).random((2, 3)).ravel().tolist() == Keyed("a", 7).random(6).tolist()


def test_keyed_dice_stay_in_range() -> None:
    """Whole numbers below the bound, all of them; floats in [0, 1)."""
    dice = Keyed("range")
    assert {dice.integers(7) for _ in range(300)} == set(range(7))
    draws = dice.random(3000)
    assert 0 <= draws.min() < draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.03


def test_exact_clouds_are_golden() -> None:
    """Enlarged by single products and sums: a digest that holds on every machine."""
    found = clouds(Keyed("clouds"), 37, 53, (9, 11))
    assert found.dtype == np.float32
    assert float(np.abs(found).max()) == 1
    digest = hashlib.sha256(found.astype("<f4").tobytes()).hexdigest()
    assert digest == "e0bec2c61a95eca61206bdfb887335fbb99fa46e1480ffdaff692465d3d35035"


def test_a_polygon_holds_the_pixels_whose_middle_it_holds() -> None:
    """Against the crossing-number rule in fractions, for polygons that cross themselves and leave the sheet."""
    dice = np.random.default_rng(4)
    for _ in range(40):
        points = dice.integers(-9, 30, (int(dice.integers(3, 8)), 2)).tolist()
        image = sheet(Keyed(), 24, 17)
        poly(image, points, (10, 20, 30))
        assert isinstance(image, ExactSheet)
        for y in range(17):
            for x in range(24):
                assert (image[y, x].tolist() == [10, 20, 30, 255]) == _holds(points, x, y), (points, x, y)


def _holds(points: list[list[int]], x: int, y: int) -> bool:
    crossed = 0
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        if (2 * y0 < 2 * y + 1) != (2 * y1 < 2 * y + 1):
            at = x0 + Fraction((x1 - x0) * (2 * y + 1 - 2 * y0), 2 * (y1 - y0))
            crossed += at <= x + Fraction(1, 2)
    return crossed % 2 == 1


def test_numpys_dice_get_opencvs_polygons() -> None:
    """Twins are painted as before."""
    image = sheet(np.random.default_rng(0), 9, 9)
    assert not isinstance(image, ExactSheet)
    poly(image, [(1, 1), (6, 1), (6, 6), (1, 6)], (1, 2, 3))
    assert int((image[..., 3] == 255).sum()) == 36
