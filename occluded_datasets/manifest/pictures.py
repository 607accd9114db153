"""The images that a manifest's rows vouch for: where they are, and their bytes once these are proven."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError
from ..images import decode, resize
from ..paths import contained, safe_name
from .core import Manifest

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


class ImageRef(NamedTuple):
    """Where a row's image is, and what its bytes must hash to."""

    image_id: str
    path: str
    sha256: str


def image_refs(manifest: Manifest, rows: pd.DataFrame | None = None) -> list[ImageRef]:
    """Return one entry a row, in order, junk and distractors included.

    Parameters
    ----------
    manifest : Manifest
        Whose roots the rows refer to.
    rows : pandas.DataFrame, optional
        Some of its rows; by default all.

    Raises
    ------
    UsageError
        If a root is not known on this machine.
    UnsafeNameError
        If a path could leave its root, or a folder on the way is a symbolic link.
    """
    frame = manifest.frame if rows is None else rows
    folders: dict[tuple[str, str], str] = {}
    pictures = []
    columns = (frame[name] for name in ("image_id", "root", "path", "sha256"))
    for image_id, root, path, sha256 in zip(*columns, strict=True):
        parent, _, name = safe_name(path).rpartition("/")
        if (root, parent) not in folders:
            top = manifest.root(root)
            folders[root, parent] = str(contained(top, parent) if parent else top)
        pictures.append(ImageRef(image_id, f"{folders[root, parent]}/{name}", sha256))
    return pictures


def read_bytes(picture: ImageRef) -> bytes:
    """Return the file of an image that is still the one its manifest vouches for.

    Raises
    ------
    InputError
        If the file is missing, a link, or has other bytes than when the manifest was built.
    """
    try:
        with open(picture.path, "rb", buffering=0, opener=_no_link) as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise OSError(0, "it is no regular file")
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
    return data


def read_image(picture: ImageRef, size: tuple[int, int] | None = None) -> npt.NDArray[np.uint8]:
    """Return the pixels, shape (H, W, 3), of an image that is still the one its manifest vouches for.

    Parameters
    ----------
    picture : ImageRef
        Which.
    size : tuple of int, optional
        Height and width to resize to; by default its own.

    Raises
    ------
    InputError
        As `read_bytes`.
    ImageError
        If it cannot be decoded to its end.
    """
    pixels = decode(read_bytes(picture), picture.image_id)
    return pixels if size is None else resize(pixels, size)


def _no_link(path: str, flags: int) -> int:
    # A pipe in an image's place must not be waited for.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
