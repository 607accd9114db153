"""`Buffers`: memory is used again when nobody holds it, and never before."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

from occluded_datasets.torch.buffers import KEPT, LEAST, Buffers

SHAPE = (4, LEAST // 4)


def place(array: Any) -> int:
    """Return where an array's memory begins."""
    return int(array.ctypes.data)


def held_by(kind: str, array: Any) -> Any:
    """Return something that needs an array's memory and is not the array."""
    if kind == "slice":
        return array[1:, ::3].view(np.int8).T
    if kind == "buffer":
        return memoryview(array)
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(array)
    holders = {
        "tensor": lambda: tensor,
        "view": lambda: tensor[2:].permute(1, 0),
        "detached": lambda: tensor.view(torch.int8).detach(),
        "storage": tensor.untyped_storage,
        "array": lambda: tensor.numpy()[1:],
        "dlpack": lambda: torch.utils.dlpack.to_dlpack(tensor),
    }
    return holders[kind]()


@pytest.mark.parametrize("kind", ["slice", "buffer", "tensor", "view", "detached", "storage", "array", "dlpack"])
def test_what_is_held_is_not_given_again(kind: str) -> None:
    """Whatever holds the memory: another request gets other memory, until it is let go."""
    buffers = Buffers()
    array = buffers.empty(SHAPE, np.uint8)
    first = place(array)
    holder = held_by(kind, array)
    del array
    for _ in range(3):
        assert place(buffers.empty(SHAPE, np.uint8)) != first
    del holder
    assert first in {place(one) for one in [buffers.empty(SHAPE, np.uint8) for _ in range(3)]}


def test_sizes_and_types() -> None:
    """A smaller last batch takes the memory of a larger one; a much smaller array does not."""
    buffers = Buffers()
    first = place(buffers.empty((9, LEAST), np.uint8))
    last = buffers.empty((5, LEAST), np.uint8)
    assert place(last) == first
    del last
    floats = buffers.empty((2, LEAST), np.float32)
    assert (place(floats), floats.dtype, floats.shape, floats.flags.c_contiguous) == (
        first,
        np.float32,
        (2, LEAST),
        True,
    )
    del floats
    assert place(buffers.empty((4, LEAST), np.uint8)) != first
    assert buffers.empty((0, 3), np.uint8).shape == (0, 3)


def test_it_keeps_a_bounded_number() -> None:
    """Who holds an epoch gets it, and afterwards the pool is as small as ever."""
    buffers = Buffers()
    held = [buffers.empty(SHAPE, np.uint8) for _ in range(KEPT + 9)]
    assert len({place(one) for one in held}) == KEPT + 9
    del held
    assert len(buffers._kept) == KEPT
    assert pickle.loads(pickle.dumps(buffers))._kept == []


def test_threads_never_share_memory() -> None:
    """Four threads that write their own number into what they are given and read it back."""
    buffers, wrong = Buffers(), []

    def work(number: int) -> None:
        for _ in range(200):
            array = buffers.empty(SHAPE, np.uint8)
            array[:] = number
            if not (array == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not wrong
