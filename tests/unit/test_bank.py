"""Promises of the bank: exact sizes, one map, the same bytes, and nothing that is not as it was written."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest

from occluded_datasets.occlusion.bank import Bank
from occluded_datasets.occlusion.pyramid import LONGEST, MOST_PIXELS, base_level, level_sizes, pyramid, trimmed

Pixels = np.ndarray


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    """Return premultiplied noise, shape (height, width, 4), opaque at the corners."""
    rgba = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    rgba[0, 0, 3] = rgba[-1, -1, 3] = 255
    rgba[..., :3] = np.minimum(rgba[..., :3], rgba[..., 3:])
    return rgba


@pytest.mark.parametrize(("height", "width"), [(64, 32), (33, 17), (16, 200), (9, 9), (1, 1), (255, 101)])
def test_each_level_is_the_rounded_mean_of_the_one_before(height: int, width: int) -> None:
    """(a + b + c + d + 2) >> 2 of each 2 x 2, the last line of an odd side repeated; checked pixel by pixel."""
    levels = pyramid(noise(height, width))
    assert [level.shape[1::-1] for level in levels] == level_sizes(width, height)
    for big, small in pairwise(levels):
        rows, columns = big.shape[:2]
        for y in range(small.shape[0]):
            for x in range(small.shape[1]):
                ys, xs = (2 * y, min(2 * y + 1, rows - 1)), (2 * x, min(2 * x + 1, columns - 1))
                total = sum(big[a, b].astype(int) for a in ys for b in xs)
                assert (small[y, x] == (total + 2) >> 2).all()


def test_levels_end_at_a_side_of_about_eight() -> None:
    """The last level's shorter side is 8 to 15, or the item was smaller from the start."""
    for width in (1, 7, 8, 15, 16, 17, 100, 255, 256):
        last = level_sizes(width, 215)[-1]
        assert min(last) < 16
        assert min(last) >= min(8, width)


@pytest.mark.parametrize(("height", "width"), [(3000, 200), (257, 1), (256, 256), (240, 229), (700, 699)])
def test_a_base_level_fits(height: int, width: int) -> None:
    """No side beyond the limit, no more pixels, never halved without need, colours never above their alpha."""
    base = base_level(noise(height, width))
    assert max(base.shape[:2]) <= LONGEST
    assert base.shape[0] * base.shape[1] <= MOST_PIXELS
    assert (base[..., :3] <= base[..., 3:]).all()
    doubled = (base.shape[0] * 2, base.shape[1] * 2)
    assert base.shape[0] == height or max(doubled) > LONGEST or doubled[0] * doubled[1] > MOST_PIXELS - 600


def test_an_item_with_all_its_levels_is_below_300_kilobytes() -> None:
    """So a thousand items stay below 300 MB whatever their shape."""
    sizes = [(w, min(LONGEST, MOST_PIXELS // w)) for w in range(215, LONGEST + 1)]
    assert max(sum(4 * w * h for w, h in level_sizes(*size)) for size in sizes) < 300_000


def test_margins_are_cut_off() -> None:
    """Rows and columns that are transparent go; what is transparent altogether leaves nothing."""
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[4:9, 7:21] = 3
    assert (trimmed(rgba) == 3).all()
    assert trimmed(rgba).shape == (5, 14, 4)
    assert trimmed(np.zeros((5, 6, 4), np.uint8)).size == 0


def test_the_drawn_bank_keeps_its_promises() -> None:
    """Sorted ids, premultiplied read-only levels of the sizes said, and coverage counted."""
    bank = Bank.drawn()
    items = [bank[index] for index in range(len(bank))]
    assert [item.id for item in items] == sorted({item.id for item in items})
    for item in items:
        assert [level.shape[1::-1] for level in item.levels] == level_sizes(*item.levels[0].shape[1::-1])
        assert all((level[..., :3] <= level[..., 3:]).all() for level in item.levels)
        assert item.coverage == (item.levels[0][..., 3] >= 128).sum()
        assert not any(level.flags.writeable or level.flags.owndata for level in item.levels)
        assert trimmed(item.levels[0]).shape == item.levels[0].shape
    assert bank.kinds() == tuple(sorted({item.kind for item in items}))
    assert bank[-1] is items[-1]
    with pytest.raises(IndexError):
        bank[len(bank)]


def test_the_drawn_bank_is_drawn_once_and_crosses_processes() -> None:
    """Cached in a process; what a worker unpickles is its own cached one."""
    assert Bank.drawn() is Bank.drawn()
    assert pickle.loads(pickle.dumps(Bank.drawn())) is Bank.drawn()
