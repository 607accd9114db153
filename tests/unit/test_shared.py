"""Arrays that spawned workers share: moved once, still the object's own."""

from __future__ import annotations

from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

from occluded_datasets.torch.shared import Arrays

COUNT = 100_000


class Held(Arrays):
    """Arrays that can be shared, and some that cannot."""

    def __init__(self) -> None:
        self.numbers: Any = np.arange(COUNT)
        self.pairs: Any = np.zeros(COUNT, [("first", "<i4"), ("second", "<f8")])
        self.names: Any = np.array(["a", None] * COUNT, object)
        self.few: Any = np.arange(3)


def add(held: Held, told: Any) -> None:
    """Add one to a number, if this process and its parent share it, and tell what is held."""
    held.numbers[1] += 1
    told.put((held.pairs.dtype.names, int(held.pairs["first"][7]), held.names[:2].tolist(), int(held.few.sum())))


@pytest.fixture
def spawned() -> Any:
    """Return a function that runs `add` in a spawned process and returns what it told."""
    context = get_context("spawn")

    def run(held: Held) -> Any:
        told = context.Queue()
        process = context.Process(target=add, args=(held, told))
        process.start()
        found = told.get(timeout=300)
        process.join()
        return found

    return run


def test_spawned_processes_share(spawned: Any) -> None:
    """What one writes all see, structured types arrive whole, objects and small arrays go by value."""
    held = Held()
    held.pairs["first"][7] = 5
    assert spawned(held) == (("first", "second"), 5, ["a", None], 3)
    spawned(held)
    assert held.numbers[1] == 3


def test_another_array_is_shared_anew(spawned: Any) -> None:
    """An attribute that was set after the first spawn is what the next one gets; the old array stays whole."""
    held = Held()
    spawned(held)
    old, held.numbers = held.numbers, np.full(COUNT, 7)
    spawned(held)
    assert (held.numbers[1], old[1], old.sum()) == (8, 2, sum(range(COUNT)) + 1)
