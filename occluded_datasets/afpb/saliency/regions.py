"""Which images maps are measured on, and what is where on them: occluder, visible body and the rest, from masks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import InputError, UsageError
from ...hashing import key, pixel_digest
from ...images import decode
from ...manifest import IGNORED_ROLES, Manifest
from ...occlusion.blend import SOLID
from ...occlusion.sources.pool import mask_of
from ...paths import contained

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    Masks = npt.NDArray[np.bool_]

OCCLUDER, BODY, REST = "occluder", "visible body", "rest"
CROPPED = "partial-crop"
"""The simulator's kind that puts nothing in front: its mask is of the image before it was cropped."""


class Chosen(NamedTuple):
    """The rows that are looked at, in keyed order, of how many, and whether masks of occluders lie beside them."""

    rows: pd.DataFrame
    available: int
    masked: bool


def choose_images(manifest: Manifest, limit: int, seed: int = 0) -> Chosen:
    """Return the first `limit` rows by a key of their pixels, of those that are occluded where a set was simulated.

    Junk and distractors are left out, and of a simulated set the clean images it refers to and crops.

    Parameters
    ----------
    manifest : Manifest
        Of the images.
    limit : int
        The largest number of rows.
    seed : int
        Of the order. The same seed and images give the same rows.

    Raises
    ------
    UsageError
        If there are none, or the set has rows and no images.
    """
    recipe = manifest.header.get("recipe")
    if isinstance(recipe, Mapping) and recipe.get("rows_only"):
        raise UsageError(
            f"{manifest.dataset} ({manifest.variant}): the set has rows alone.", "Expected its pictures and masks.",
            "occreid-prepare replay MANIFEST --clean MANIFEST --out DIR, which makes them",
        )  # fmt: skip
    frame = manifest.frame
    kept = frame[~frame["role"].isin(IGNORED_ROLES)]
    masked = "mask_path" in frame and bool(frame["mask_path"].astype(bool).any())
    if masked:
        kept = kept[kept["mask_path"].astype(bool) & (kept["x_occluder"] != CROPPED)]
    if kept.empty:
        raise UsageError(
            f"{manifest.dataset} ({manifest.variant}): no picture to look at.",
            f"Expected people, found {len(frame)} rows of junk, distractors or crops alone.",
            "name another manifest",
        )
    keys = [
        (key(seed, "saliency", 0, pixels), image_id, place)
        for place, (pixels, image_id) in enumerate(zip(kept["pixel_sha256"], kept["image_id"], strict=True))
    ]
    order = [place for _, _, place in sorted(keys)[:limit]]
    return Chosen(kept.iloc[order].reset_index(drop=True), len(kept), masked)


def regions(manifest: Manifest, chosen: Chosen, size: tuple[int, int], bodies: Path | None = None) -> dict[str, Masks]:
    """Return by region where it is, each bool, (N, H, W); nothing where no mask is known.

    Parameters
    ----------
    manifest : Manifest
        Of the rows; masks of a simulated set lie beside it.
    chosen : Chosen
        Its rows that are looked at.
    size : tuple of int
        Height and width that images are resized to; masks are by nearest neighbour.
    bodies : Path, optional
        Masks of the images' persons, as a twin has them. A simulated image's is that of its clean image, less
        the occluder.

    Raises
    ------
    InputError
        If a mask is missing, changed, of another size than its image, or shows nobody.
    """
    if not chosen.masked and bodies is None:
        return {}
    rows = _records(chosen.rows)
    known: dict[str, Masks] = {}
    if chosen.masked:
        known[OCCLUDER] = np.stack([_occluder(manifest, row, size) for row in rows])
    if bodies is not None:
        clean = dict(zip(manifest.frame["image_id"], manifest.frame["path"], strict=True))
        found = np.stack([_body(bodies, _clean_path(row, clean), row, size) for row in rows])
        known[BODY] = found & ~known[OCCLUDER] if chosen.masked else found
    known[REST] = ~np.any(list(known.values()), axis=0)
    return known


def resize_mask(mask: Masks, size: tuple[int, int]) -> Masks:
    """Return a mask at another size, each pixel that of the nearest centre.

    Examples
    --------
    >>> resize_mask(np.array([[True, False]]), (1, 4)).tolist()
    [[True, True, False, False]]
    """
    down, across = ((2 * np.arange(new) + 1) * old // (2 * new) for old, new in zip(mask.shape, size, strict=True))
    resized: Masks = mask[down[:, None], across]
    return resized


def _records(rows: pd.DataFrame) -> list[dict[str, str]]:
    return rows.to_dict("records")  # type: ignore[return-value]


def _occluder(manifest: Manifest, row: Mapping[str, str], size: tuple[int, int]) -> Masks:
    path = contained(manifest.root(row["root"]), row["mask_path"])
    mask = _read(path, row, "occreid-prepare replay MANIFEST --clean MANIFEST says which pictures still hold")
    found = pixel_digest(mask)
    if found != row["mask_sha256"]:
        raise InputError(
            f"{row['image_id']}: its mask {path} changed since the set was made.",
            f"Expected pixels {row['mask_sha256']}, found {found}.",
            "occreid-prepare simulate, which makes the set again",
        )
    return resize_mask(mask >= SOLID, size)


def _body(bodies: Path, path: str, row: Mapping[str, str], size: tuple[int, int]) -> Masks:
    place = mask_of(bodies, path)
    mask = _read(place, row, "name the folder of person masks with --bodies DIR, or leave it out") >= SOLID
    if not mask.any():
        raise InputError(
            f"{row['image_id']}: its mask {place} shows nobody.", f"Expected {SOLID} or more where the person is.",
            "make the masks again",
        )  # fmt: skip
    return resize_mask(mask, size)


def _clean_path(row: Mapping[str, str], clean: Mapping[str, str]) -> str:
    """Return the path of the image whose person it is: a simulated row's source, which need not be in the table."""
    source = row.get("source_image_id")
    if not source:
        return row["path"]
    return clean.get(source) or source.partition("/")[2] + ".png"


def _read(path: Path, row: Mapping[str, str], cure: str) -> npt.NDArray[np.uint8]:
    """Return a mask, (H, W), of an image's own size."""
    name = f"{row['image_id']}: its mask {path}"
    try:
        mask = decode(path.read_bytes(), name).max(axis=2)
    except OSError as error:
        raise InputError(
            f"{name} cannot be read.", f"Expected one for every picture; the system says: {error.strerror}.", cure
        ) from error
    own = int(row["height"]), int(row["width"])
    if mask.shape != own:
        raise InputError(
            f"{name} is of another size.",
            f"Expected the picture's {own[1]}x{own[0]} pixels, found {mask.shape[1]}x{mask.shape[0]}.", cure,
        )  # fmt: skip
    return np.ascontiguousarray(mask)
