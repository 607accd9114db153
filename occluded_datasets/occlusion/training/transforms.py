"""A transform in the habit of albumentations: named images, masks and keypoints in, a mapping out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UsageError
from ..recipes.placement import Box
from ..recipes.recipe import Recipe
from ..sources.occluders import Items
from ..sources.pool import Pool
from .base import Chance, EpochTransform, record_dict
from .visits import PICTURES

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


class Transform(EpochTransform):
    """Occludes an image and flags the keypoints that are hidden; made by `transform`."""

    def __call__(
        self,
        *,
        image: Pixels,
        mask: npt.NDArray[Any] | None = None,
        keypoints: npt.ArrayLike | None = None,
        person: Pixels | None = None,
        key: str | None = None,
        pid: int | None = None,
    ) -> dict[str, Any]:
        """Return ``image``, ``occlusion``, ``record``, and ``mask`` and ``keypoints`` where they were given.

        Parameters
        ----------
        image : numpy.ndarray
            Shape (H, W, 3), dtype uint8, RGB; it is not changed.
        mask : numpy.ndarray, optional
            Labels, shape (H, W) or (H, W, C), any dtype; what is occluded keeps its label.
        keypoints : array, optional
            Shape (N, 2) of x, y in pixels, origin top-left, or (N, 3) with a flag of visibility.
        person : numpy.ndarray, optional
            Shape (H, W), uint8: 255 where the person is, for recipes whose fraction is of it.
        key : str, optional
            The image's pixel_sha256; computed where not given.
        pid : int, optional
            The identity, in the pool's set: it never occludes itself.

        Returns
        -------
        dict
            ``occlusion`` is uint8, shape (H, W), 255 where something stands in front. ``keypoints`` is float64, shape
            (N, 3), in the order given; the flag is 0 where a point is hidden, else what it was, or 1. ``record`` is
            plain numbers and texts. ``partial-crop`` moves what it keeps: labels (nearest) and keypoints go with the
            image, while ``occlusion`` and its flags are of the whole image, 255 where it was cut off.
        """
        points = None if keypoints is None else _points(keypoints)
        done = self._occlude(image, key, pid=pid, person=person)
        if mask is not None and np.shape(mask)[:2] != done.mask.shape:
            raise UsageError(f"mask: expected the picture's size {done.mask.shape}, found {np.shape(mask)}.")
        out: dict[str, Any] = {"image": done.image, "occlusion": done.mask, "record": record_dict(done.record)}
        kept = done.record.boxes[0] if done.record.occluder == "partial-crop" and done.record.boxes else None
        if mask is not None:
            out["mask"] = mask if kept is None else _cropped(mask, kept)
        if points is not None:
            _flag(points, done.mask)
            out["keypoints"] = points if kept is None else _moved(points, kept, done.mask.shape)
        return out


def transform(
    recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
    seed: int = 0,
    *,
    p: Chance = None,
    pool: Pool | None = None,
    bank: Items | None = None,
    capacity: int = PICTURES,
) -> Transform:
    """Return a transform, called as ``t(image=, mask=, keypoints=, person=)``.

    It needs no PyTorch. Its versions are keyed by the image's pixels, the epoch (``set_epoch``) and how often the
    image was met within it, across worker processes.

    Parameters
    ----------
    recipe : str, path, mapping or Recipe
        A preset's name, or what `Recipe.of` takes.
    seed : int
        The base seed, 0 or more.
    p : float or callable, optional
        Replaces the recipe's probability, 0 to 1; a function is given the epoch, and must return the same each time.
    pool : Pool, optional
        Training images that ``person``, ``other-background`` and ``strip`` are cut from. An image that is in the pool
        itself is known by its pixels, and its identity never occludes it.
    bank : Bank, optional
        Cut-outs for ``bank``; by default the drawn ones.
    capacity : int
        How many different images there is room for in an epoch; one more is an error. It decides the size of the
        shared memory.

    Raises
    ------
    UsageError
        If the recipe needs a pool and there is none, or a parameter is impossible.

    Examples
    --------
    >>> import numpy as np
    >>> t = transform("afpb", seed=7)
    >>> out = t(image=np.zeros((128, 64, 3), np.uint8), keypoints=[[32, 100], [0, 0]])
    >>> out["keypoints"][:, 2].tolist(), out["record"]["occluder"]
    ([0.0, 1.0], 'self-background')
    """
    return Transform(recipe, seed, p=p, pool=pool, bank=bank, capacity=capacity)


def _points(given: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return keypoints as a new array, shape (N, 3)."""
    try:
        points = np.array(given, np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError("keypoints: expected numbers.", f"NumPy says: {error}.") from error
    if points.size == 0:
        return np.zeros((0, 3))
    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise UsageError(
            f"keypoints: expected shape (N, 2) or (N, 3), found {points.shape}.", "x, y and a flag of visibility."
        )
    return points if points.shape[1] == 3 else np.column_stack([points, np.ones(len(points))])


def _flag(points: npt.NDArray[np.float64], mask: Pixels) -> None:
    """Set the flag to 0, in place, of points on a pixel that the mask marks; a point outside keeps its flag."""
    height, width = mask.shape
    x, y = np.floor(points[:, 0]), np.floor(points[:, 1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)  # false for NaN
    hidden = inside.copy()
    hidden[inside] = mask[y[inside].astype(int), x[inside].astype(int)] > 0
    points[hidden, 2] = 0


def _cropped(mask: npt.NDArray[Any], kept: Box) -> npt.NDArray[Any]:
    """Return the labels of the kept box at the image's size: the nearest of each pixel's centre."""
    height, width = mask.shape[:2]
    rows = kept.y + (2 * np.arange(height) + 1) * kept.h // (2 * height)
    columns = kept.x + (2 * np.arange(width) + 1) * kept.w // (2 * width)
    labels: npt.NDArray[Any] = mask[rows[:, None], columns[None, :]]
    return labels


def _moved(points: npt.NDArray[np.float64], kept: Box, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Return the points where they are after the kept box was scaled to the image's size."""
    height, width = shape
    scale = np.array([width / kept.w, height / kept.h, 1])
    moved: npt.NDArray[np.float64] = (points - [kept.x, kept.y, 0]) * scale
    return moved
