"""What a bank is cut from: a folder of cut-outs or of images with masks, or a manifest's training rows."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import BankError, ImageError, UsageError
from ...hashing import pixel_digest
from ...images import EXTENSIONS, decode, decode_rgba
from ...manifest import IGNORED_ROLES
from ...paths import contained
from ..blend import SOLID, premultiplied
from .pool import mask_of
from .pyramid import base_level

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from ...manifest import Manifest

    Pixels = npt.NDArray[np.uint8]

BY_FOLDER = "folder"
PERSON = "person"
MASKS, MASK_END = "masks", "_mask"


class Given(NamedTuple):
    """One image to cut out: what it is called, where it is, and its mask unless it is transparent itself."""

    id: str
    kind: str
    name: str
    picture: Path
    mask: Path | None = None
    pid: int | None = None
    sha256: str = ""


def from_folder(folder: Path, kind: str = BY_FOLDER) -> list[Given]:
    """Return the images below a folder, sorted by id.

    Parameters
    ----------
    folder : Path
        RGBA images, or images with masks: ``NAME_mask.png`` beside ``NAME.jpg``, or ``NAME.png`` in a folder
        ``masks`` beside it or below `folder`.
    kind : str
        ``folder``: the first folder below `folder` is the class; anything else is the class of all.

    Raises
    ------
    BankError
        If there is no folder or no image, an image has no class or id, two have one id, or a mask no image.
    """
    if not folder.is_dir():
        raise BankError(f"{folder}: no such folder.", "Expected a folder of cut-outs.", "name it with --from DIR")
    files = [path for path in sorted(folder.rglob("*")) if _is_picture(path, folder)]
    masks = {path for path in files if path.stem.endswith(MASK_END) or MASKS in path.relative_to(folder).parts[:-1]}
    given = [_given(path, folder, kind, masks) for path in files if path not in masks]
    if not given:
        raise BankError(
            f"{folder}: no picture to cut out.",
            f"Expected RGBA PNG files, or pictures with masks NAME{MASK_END}.png, found {len(masks)} masks alone.",
            "name another folder with --from DIR",
        )
    lone = sorted(masks - {one.mask for one in given})
    if lone:
        raise BankError(
            f"{lone[0].relative_to(folder).as_posix()}: a mask without its picture.",
            "Expected a picture of the same name.",
            "add the picture, or move the mask away",
        )
    return _sorted(given)


def rows_for_cutouts(manifest: Manifest) -> pd.DataFrame:
    """Return the rows that persons may be cut from: split ``train``, junk and distractors never."""
    frame = manifest.frame
    return frame[(frame["split"] == "train") & ~frame["role"].isin(IGNORED_ROLES)]


def from_manifest(manifest: Manifest, masks: Path) -> list[Given]:
    """Return the training images of a manifest that have a mask, sorted by id.

    Parameters
    ----------
    manifest : Manifest
        Only rows of split ``train`` are taken, junk and distractors never.
    masks : Path
        A folder with the mask of each image, as `mask_of` finds it. Rows without one are left out.

    Raises
    ------
    BankError
        If no training row has a mask.
    """
    rows = rows_for_cutouts(manifest)
    given = []
    cells = zip(*(rows[name] for name in ("image_id", "pid", "root", "path", "sha256")), strict=True)
    for image_id, pid, root, path, sha256 in cells:
        mask = mask_of(masks, path)
        if mask.is_file():
            place = contained(manifest.root(root), path)
            given.append(Given(_id_of(image_id, image_id), PERSON, image_id, place, mask, int(pid), sha256))
    if not given:
        example = f", such as {mask_of(masks, rows['path'].iloc[0])}" if len(rows) else ""
        raise BankError(
            f"{manifest.dataset}: no person can be cut from this manifest.",
            f"Expected rows of split train with masks below {masks}{example}, found {len(rows)} such rows and no mask.",
            "name the folder of masks with --masks DIR",
        )
    return _sorted(given)


def refused_pictures(manifests: Iterable[Manifest]) -> dict[str, str]:
    """Return pixel_sha256 -> image_id of every test-side row: split ``test``, or role ``probe`` or ``gallery``."""
    found: dict[str, str] = {}
    for manifest in manifests:
        frame = manifest.frame
        rows = frame[(frame["split"] == "test") | frame["role"].isin(("probe", "gallery"))]
        found.update(zip(rows["pixel_sha256"], rows["image_id"], strict=True))
    return found


def cut_out(given: Given, refused: dict[str, str]) -> tuple[Pixels, str]:
    """Return the first level of an item, premultiplied, shape (h, w, 4), and the sha256 of the image's file.

    Raises
    ------
    BankError
        If the image cannot be read, is a test image, or the mask is of another size or shows nothing or all.
    ImageError
        If the image is damaged, or has neither transparency nor a mask.
    """
    data = _read(given.picture, given.name)
    sha256 = hashlib.sha256(data).hexdigest()
    if given.sha256 and sha256 != given.sha256:
        raise BankError(
            f"{given.name}: {given.picture} is not the picture of the manifest.",
            f"Expected sha256 {given.sha256}, found {sha256}.",
            "occreid-prepare verify the manifest, or build the set again",
        )
    rgba = _transparent(data, given.name) if given.mask is None else _masked(data, given.mask, given.name)
    row = refused.get(pixel_digest(np.ascontiguousarray(rgba[..., :3])))
    if row is not None:
        raise BankError(
            f"{given.name}: a picture of a test identity.",
            f"Its pixels are those of {row}, a probe or gallery row.",
            "take the file away: occluders of a benchmark's own people would leak",
        )
    return _shown(rgba, given), sha256


def _shown(rgba: Pixels, given: Given) -> Pixels:
    low, high = int(rgba[..., 3].min()), int(rgba[..., 3].max())
    what = given.name if given.mask is None else f"{given.name}: its mask {given.mask}"
    if low == 255:
        raise BankError(f"{what}: nothing is cut out.", "Expected alpha below 255 somewhere, found 255 everywhere.",
                        f"give a cut-out, or a mask: NAME{MASK_END}.png")  # fmt: skip
    base = base_level(premultiplied(rgba))
    if high < SOLID or not (base[..., 3] >= SOLID).any():
        raise BankError(f"{what}: nothing is shown.", f"Expected alpha of {SOLID} to 255 on the object, found {high} "
                        "at most, or too few pixels to see.", "make the object's alpha 255")  # fmt: skip
    return base


def _transparent(data: bytes, name: str) -> Pixels:
    try:
        return decode_rgba(data, name)
    except ImageError as error:
        hint = f"save it as a PNG with transparency, or give its mask: NAME{MASK_END}.png"
        raise ImageError(error.what, error.why, hint) from error


def _masked(data: bytes, mask: Path, name: str) -> Pixels:
    pixels, shape = decode(data, name), decode(_read(mask, str(mask)), str(mask))
    if pixels.shape != shape.shape:
        sizes = [f"{found.shape[1]}x{found.shape[0]}" for found in (pixels, shape)]
        raise BankError(f"{name}: its mask {mask} is of another size.", f"Expected {sizes[0]}, found {sizes[1]}.",
                        "make the mask of the picture's size")  # fmt: skip
    if (shape[..., :1] != shape[..., 1:]).any():
        raise BankError(f"{name}: its mask {mask} has colours.", "Expected grey: 255 on the object, 0 elsewhere.",
                        "save the mask as an 8-bit grey PNG")  # fmt: skip
    return np.concatenate([pixels, shape[..., :1]], axis=2)


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BankError(f"{name}: {path} cannot be read.", f"The system says: {error.strerror}.") from error


def _is_picture(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.suffix.lower() in EXTENSIONS and path.is_file()


def _given(path: Path, folder: Path, kind: str, masks: set[Path]) -> Given:
    inside = path.relative_to(folder)
    name = inside.as_posix()
    if kind == BY_FOLDER and len(inside.parts) == 1:
        raise BankError(f"{name}: of no class.", "Expected it in a folder that is named like its class, such as "
                        f"car/{name}.", "sort the files into folders, or name one class: --kind-from NAME")  # fmt: skip
    found = sorted(set(_places(path, folder)) & masks)
    if len(found) > 1:
        raise BankError(f"{name}: two masks.", f"Expected one, found {found[0]} and {found[1]}.", "move one away")
    own = inside.parts[0] if kind == BY_FOLDER else kind
    return Given(_id_of(path.stem, name), _id_of(own, name), name, path, found[0] if found else None)


def _places(path: Path, folder: Path) -> Iterator[Path]:
    """Yield where an image's mask may be."""
    yield path.with_name(f"{path.stem}{MASK_END}.png")
    yield path.parent / MASKS / f"{path.stem}.png"
    yield folder / MASKS / path.relative_to(folder).with_suffix(".png")


def _id_of(text: str, name: str) -> str:
    """Return a name as an id: lower case, and a hyphen for what an id may not hold."""
    found = re.sub(r"[^a-z0-9._/-]+", "-", text.lower()).strip("-")
    if not found:
        raise BankError(f"{name}: {text!r} gives no id.", "Expected a letter a-z or a digit in it.", "rename it")
    return found


def _sorted(given: Iterable[Given]) -> list[Given]:
    """Return images by id, sure that no two have one."""
    by_id: dict[str, Given] = {}
    for one in given:
        if one.id in by_id:
            raise BankError(f"{one.name}: its id {one.id!r} is taken.", f"Expected one picture of that id, found "
                            f"{by_id[one.id].name} too.", "rename one of the two files")  # fmt: skip
        by_id[one.id] = one
    return [by_id[name] for name in sorted(by_id)]


def require_class(kind: str) -> None:
    """Raise if this is no name of a class."""
    if not re.fullmatch(r"[a-z0-9._-]+", kind):
        raise UsageError(f"{kind!r} is no name of a class.", "Expected lower-case letters, digits, '.', '_' and '-'.",
                         "--kind-from folder, or a name such as car")  # fmt: skip
