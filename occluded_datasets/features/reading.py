"""Pictures of a manifest as arrays of one size, read ahead by several threads."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from ..errors import InputError
from ..images import decode
from ..manifest import Manifest
from ..paths import contained, safe_name
from .extractor import Extractor

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

RESIZE = "OpenCV INTER_AREA where no side grows, else INTER_LINEAR"
"""The kernel, as the header names it."""

T = TypeVar("T")
U = TypeVar("U")


class Picture(NamedTuple):
    """Where a row's picture is, and what its bytes must hash to."""

    image_id: str
    path: str
    sha256: str


def pictures_of(manifest: Manifest) -> list[Picture]:
    """Return one entry a row, in the manifest's order, junk and distractors included.

    Raises
    ------
    UsageError
        If a root is not known on this machine.
    UnsafeNameError
        If a path could leave its root, or a folder on the way is a symbolic link.
    """
    frame = manifest.frame
    folders: dict[tuple[str, str], str] = {}
    pictures = []
    columns = (frame[name] for name in ("image_id", "root", "path", "sha256"))
    for image_id, root, path, sha256 in zip(*columns, strict=True):
        parent, _, name = safe_name(path).rpartition("/")
        if (root, parent) not in folders:
            top = manifest.root(root)
            folders[root, parent] = str(contained(top, parent) if parent else top)
        pictures.append(Picture(image_id, f"{folders[root, parent]}/{name}", sha256))
    return pictures


def read_picture(picture: Picture, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the pixels, shape (*size, 3), of a picture that is still the one its manifest vouches for.

    Raises
    ------
    InputError
        If the file is missing, a link, or has other bytes than when the manifest was built.
    ImageError
        If it cannot be decoded to its end.
    """
    try:
        with open(picture.path, "rb", buffering=0, opener=_no_link) as stream:
            data = stream.read()
    except OSError as error:
        raise InputError(
            f"{picture.image_id}: its picture cannot be read.",
            f"Expected a file at {picture.path}; the system says: {error.strerror}.",
            "occreid-prepare verify MANIFEST, then build the set again",
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != picture.sha256:
        raise InputError(
            f"{picture.image_id}: {picture.path} changed since its manifest was built.",
            f"Expected sha256 {picture.sha256}, found {found}.",
            "occreid-prepare verify MANIFEST --full, then build the set again",
        )
    return resize(decode(data, picture.image_id), size)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def resize(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return `pixels` at `size` (height, width), by the kernel that `RESIZE` names."""
    import cv2

    height, width = pixels.shape[:2]
    if (height, width) == size:
        return pixels
    kernel = cv2.INTER_AREA if size[0] <= height and size[1] <= width else cv2.INTER_LINEAR
    resized: Any = cv2.resize(pixels, size[::-1], interpolation=kernel)
    return resized  # type: ignore[no-any-return]


def read_batch(pictures: Sequence[Picture], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the pixels of several pictures, shape (B, *size, 3)."""
    import numpy as np

    batch = np.empty((len(pictures), *size, 3), np.uint8)
    for number, picture in enumerate(pictures):
        batch[number] = read_picture(picture, size)
    return batch


def read_features(pictures: Sequence[Picture], extractor: Extractor) -> npt.NDArray[np.float32]:
    """Return the features of several pictures, shape (B, dim)."""
    return extractor(read_batch(pictures, extractor.input_size))


def ahead(pool: Executor, function: Callable[[U], T], tasks: Iterable[U], window: int) -> Iterator[T]:
    """Yield ``function(task)`` for each task, in order, with at most `window` of them under way or waiting."""
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
