"""Pictures of a manifest as arrays of one size, read ahead by several threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, TypeVar

from ..images import RESIZE, resize
from ..manifest import ImageRef, image_refs, read_image
from .extractor import Extractor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "RESIZE",
    "ImageRef",
    "compute_features",
    "image_refs",
    "prefetch_in_pool",
    "read_batch",
    "read_image",
    "resize",
]

T = TypeVar("T")
U = TypeVar("U")


def read_batch(pictures: Sequence[ImageRef], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the pixels of several images, shape (B, *size, 3)."""
    import numpy as np

    batch = np.empty((len(pictures), *size, 3), np.uint8)
    for number, picture in enumerate(pictures):
        batch[number] = read_image(picture, size)
    return batch


def compute_features(pictures: Sequence[ImageRef], extractor: Extractor) -> npt.NDArray[np.float32]:
    """Return the features of several images, shape (B, dim)."""
    return extractor(read_batch(pictures, extractor.input_size))


def prefetch_in_pool(pool: Executor, function: Callable[[U], T], tasks: Iterable[U], window: int) -> Iterator[T]:
    """Yield ``function(task)`` for each task, in order, with at most `window` of them under way or waiting.

    Tasks that have not begun are cancelled when one fails or the iterator is closed.

    Parameters
    ----------
    pool : Executor
        Where the function runs. It must be able to take the function and the tasks: by pickling, for processes.
    function : callable
        From a task to its result.
    tasks : iterable
        Read only as far as the window needs.
    window : int
        Tasks under way or waiting at a time; it bounds the memory that finished results take.
    """
    waiting: deque[Future[T]] = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
