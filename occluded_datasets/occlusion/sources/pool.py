"""The training images that occluders are cut from, kept apart from every test identity."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import InputError, UsageError
from ...hashing import file_digests, merge_digests
from ...manifest import IGNORED_ROLES, ImageRef, read_image
from ...paths import contained
from ..blend import SOLID
from ..recipes.keys import below

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from ...manifest import Manifest

KEPT = 256
"""Decoded images that a process remembers."""


class PoolImage(NamedTuple):
    """One image that may occlude others."""

    image_id: str
    pid: int
    file: str
    sha256: str
    pixel_sha256: str
    mask: str = ""
    mask_sha256: str = ""


@dataclass
class Pool:
    """Pictures of training identities, and a keyed choice among the other people's.

    Parameters
    ----------
    dataset : str
        The set that the identities are of. Equal numbers never occlude each other, of whatever set: sets that are made
        of one another share them.
    people : mapping of int to sequence of PoolImage
        Images by identity.
    """

    dataset: str
    people: Mapping[int, Sequence[PoolImage]]
    pids: tuple[int, ...] = field(init=False)
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        self.pids = tuple(sorted(self.people))
        rows = (
            "|".join(filter(None, (str(pid), one.pixel_sha256, one.mask_sha256)))
            for pid in self.pids
            for one in self.people[pid]
        )
        self.hash = merge_digests(hashlib.sha256(row.encode()).digest() for row in rows)

    @classmethod
    def of(cls, manifest: Manifest, masks: Path | None = None, rows: pd.DataFrame | None = None) -> Pool:
        """Return the pool of a manifest's training rows.

        Parameters
        ----------
        manifest : Manifest
            Rows with body ``full`` are taken, junk and distractors never.
        masks : Path, optional
            A folder with the mask of each image: its path with the suffix ``.png``. Rows without one are left out.
        rows : pandas.DataFrame, optional
            The rows of the manifest that are trained on; by default those of split ``train``.

        Raises
        ------
        UsageError
            If no row may give an occluder.
        """
        frame = manifest.frame[manifest.frame["split"] == "train"] if rows is None else rows
        rows = frame[(frame["body"] == "full") & ~frame["role"].isin(IGNORED_ROLES)]
        people: dict[int, list[PoolImage]] = {}
        names = ("image_id", "pid", "root", "path", "sha256", "pixel_sha256")
        cells = zip(*(rows[name] for name in names), strict=True)
        for image_id, pid, root, path, sha256, pixels in cells:
            mask = mask_of(masks, path) if masks else None
            if mask is None or mask.is_file():
                place = str(contained(manifest.root(root), path))
                said = (str(mask), file_digests(mask)[0]) if mask else ("", "")
                source = PoolImage(image_id, int(pid), place, sha256, pixels, *said)
                people.setdefault(int(pid), []).append(source)
        if len(people) < 2:
            raise UsageError(
                f"{manifest.dataset}: no occluders can be cut from this manifest.",
                f"Expected full-body training rows of two identities or more, found {len(people)} identities"
                + (f" with masks in {masks}." if masks else "."),
                "name a set with a training part: --pool MANIFEST",
            )
        order = {pid: sorted(own, key=lambda one: (one.pixel_sha256, one.image_id)) for pid, own in people.items()}
        return cls(manifest.dataset, order)

    def pick(self, person: int, picture: int, pid: int | None) -> PoolImage:
        """Return an image of an identity other than `pid`, from two words.

        Parameters
        ----------
        person, picture : int
            Words of 64 bits: they decide the identity, and the image of that identity.
        pid : int or None
            The identity that is occluded, which is never taken; None where it is not known.
        """
        count = len(self.pids)
        own = self._place(pid)
        at = below(person, count - (own is not None))
        if own is not None and at >= own:
            at += 1
        pictures = self.people[self.pids[at]]
        return pictures[below(picture, len(pictures))]

    def _place(self, pid: int | None) -> int | None:
        if pid is None or pid not in self.people:
            return None
        return bisect_left(self.pids, pid)

    def pixels(self, source: PoolImage) -> npt.NDArray[np.uint8]:
        """Return the image, shape (H, W, 3), checked against its hash.

        Raises
        ------
        InputError
            If the file is gone or is not the one of the manifest.
        """
        return remembered(source.image_id, source.file, source.sha256)


def mask_of(masks: Path, path: str) -> Path:
    """Return where the mask of a row's image is: its path as a ``.png``, or that without the leading ``raw/``.

    Examples
    --------
    >>> mask_of(Path("masks"), "raw/train/0002_c1.jpg").as_posix()
    'masks/train/0002_c1.png'
    """
    whole = (masks / path).with_suffix(".png")
    # A twin's masks lie as in its raw tree, which a build puts below raw/.
    return whole if whole.is_file() else (masks / path.removeprefix("raw/")).with_suffix(".png")


def mask_at(image_id: str, file: str, pixels: npt.NDArray[np.uint8], sha256: str) -> npt.NDArray[np.uint8]:
    """Return the mask of an image's person, shape (H, W), dtype uint8, 128 or more where it is.

    Parameters
    ----------
    image_id : str
        What errors call the image.
    file : str
        The path of the mask. Of a mask in colour, each pixel is the greatest of its channels.
    pixels : numpy.ndarray
        The image, shape (H, W, 3): the mask must have its height and width.
    sha256 : str
        The digest that the mask's file must have.

    Raises
    ------
    InputError
        If it has another size, shows no person, or is not the file that it was.
    ImageError
        If it cannot be decoded to its end.
    """
    mask: npt.NDArray[np.uint8] = pixels_of(f"{image_id}, its mask", file, sha256).max(axis=2)
    why = ""
    if not (mask >= SOLID).any():
        why = f"It shows nobody: expected 255 where the person is, found {mask.max()} at most."
    if mask.shape != pixels.shape[:2]:
        found, expected = (f"{size[1]}x{size[0]}" for size in (mask.shape, pixels.shape[:2]))
        why = f"Expected {expected} pixels, found {found}."
    if why:
        raise InputError(f"{image_id}: {file} is not the mask of this picture.", why, "make the masks again")
    return mask


def pixels_of(image_id: str, file: str, sha256: str) -> npt.NDArray[np.uint8]:
    """Return an image's pixels, shape (H, W, 3), read-only, sure that its file has this sha256."""
    pixels = read_image(ImageRef(image_id, file, sha256))
    pixels.flags.writeable = False
    return pixels


@lru_cache(maxsize=KEPT)
def remembered(image_id: str, file: str, sha256: str) -> npt.NDArray[np.uint8]:
    """Return an image's pixels as `pixels_of` does, the last `KEPT` ones from memory.

    Parameters
    ----------
    image_id : str
        What errors call the image.
    file : str
        Its path.
    sha256 : str
        The digest that the file must have. It is checked when the file is read, not again when memory answers.

    Returns
    -------
    numpy.ndarray
        Shape (H, W, 3), dtype uint8, RGB, read-only: all callers share it.

    Raises
    ------
    InputError
        If the file is gone or changed.
    ImageError
        If it cannot be decoded to its end.
    """
    return pixels_of(image_id, file, sha256)
