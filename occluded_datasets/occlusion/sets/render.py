"""Some source images to their occluded versions: the shard of work that `simulate` and `replay` share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import ImageError, InputError, UsageError
from ...hashing import pixel_digest
from ...images import decode, encode
from ..engine.application import Record
from ..engine.simulator import Simulator
from ..recipes.recipe import POOLED, Recipe
from ..sources.occluders import Items
from ..sources.pool import Pool, mask_at, pixels_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

EFFORT = 1
"""zlib's level of the PNGs: they are many and soon read again."""


class SourceImage(NamedTuple):
    """A source image: its row, where it is on this machine, and the mask of its person if there is one."""

    image_id: str
    pid: int
    file: str
    sha256: str
    pixel_sha256: str
    mask: str = ""
    mask_sha256: str = ""

    def pixels(self) -> Pixels:
        """Return the pixels, shape (H, W, 3), checked against both hashes.

        Raises
        ------
        InputError
            If the file is gone or changed, or this decoder reads other pixels.
        """
        pixels = pixels_of(self.image_id, self.file, self.sha256)
        if pixel_digest(pixels) != self.pixel_sha256:
            raise InputError(
                f"{self.image_id}: the decoder here reads other pixels than the manifest vouches for.",
                f"Expected pixel_sha256 {self.pixel_sha256}, found {pixel_digest(pixels)}.",
                "occreid-prepare verify --full the source's manifest",
            )
        return pixels


class RecipeLevels(NamedTuple):
    """A recipe and its levels (none for the recipe's own range); a set of several families names each."""

    recipe: Recipe
    levels: tuple[float, ...] = ()
    name: str = ""

    def level_names(self) -> list[str]:
        """Return what the column `level` says: ``0.3``, or ``noise-30`` in a set of several families.

        Raises
        ------
        UsageError
            If a level stands there twice.
        """
        names = [f"{self.name}-{100 * one:g}" if self.name else f"{one:g}" for one in self.levels]
        if len(set(names)) != len(names):
            raise UsageError(f"levels: {', '.join(names)}.", "Expected each once.")
        return names

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that a header keeps."""
        return {"name": self.name, "recipe": self.recipe.to_dict(), "levels": list(self.levels)}


class Condition(NamedTuple):
    """One way to occlude each image: a simulator, its level as text (empty for the recipe's range), and the copy."""

    simulator: Simulator
    family: RecipeLevels
    level: str
    copy: int

    @property
    def name(self) -> str:
        """What is added to an image's name."""
        words = [self.family.recipe.name] if not self.family.name else []
        return "-".join([*words, *([self.level] if self.level else []), str(self.copy)])


def versions_of(
    families: Sequence[RecipeLevels], seed: int, copies: int, pool: Pool | None, bank: Items | None
) -> list[Condition]:
    """Return every way in which each image is occluded.

    Parameters
    ----------
    families : sequence of RecipeLevels
        The recipes, each with its levels.
    seed : int
        The base seed, 0 or more.
    copies : int
        Versions of each image and level.
    pool : Pool or None
        Training images that occluders are cut from; given only to a recipe with a kind that needs it.
    bank : Items or None
        Cut-outs; given only to a recipe with ``bank``. None for the drawn ones.

    Returns
    -------
    list of Condition
        By family, then level, then copy; `OccludedImage.version` is a position in it.

    Raises
    ------
    UsageError
        If a level is named twice, a recipe needs a pool and there is none, or the bank has no item of its classes.
    """
    versions = []
    for family in families:
        pairs: list[tuple[str, float | None]] = [*zip(family.level_names(), family.levels, strict=True)]
        pairs = pairs or [("", None)]
        for name, level in pairs:
            recipe = family.recipe if level is None else Recipe.of(family.recipe, fraction=(level, level))
            needed = pool if recipe.kinds & set(POOLED) else None
            simulator = Simulator(recipe, seed, needed, bank if "bank" in recipe.kinds else None)
            versions += [Condition(simulator, family, name, copy) for copy in range(copies)]
    return versions


class ImageOutput(NamedTuple):
    """How images are written: below which folder (None for not at all), ``png`` or ``jpeg``, and its quality."""

    folder: str | None
    format: str = "png"
    quality: int = 92

    @property
    def extension(self) -> str:
        """The extension of the images."""
        return ".png" if self.format == "png" else ".jpg"


class OccludedImage(NamedTuple):
    """One occluded image as its row says it."""

    clean: int
    version: int
    width: int
    height: int
    bytes: int
    sha256: str
    pixel_sha256: str
    drawn_sha256: str
    mask_sha256: str
    record: Record
    visible: int | None


def name_of(image_id: str, version: Condition) -> str:
    """Return the path of an occluded image below its folder, without extension."""
    return f"{image_id}-{version.name}"


def make_shard(
    start: int, rows: Sequence[SourceImage], versions: Sequence[Condition], output: ImageOutput
) -> list[OccludedImage]:
    """Return what was made of some rows, in order; an image that was left as it is has no entry.

    Parameters
    ----------
    start : int
        Position of the first row, which `Made.clean` counts from.
    rows : sequence of SourceImage
        Source images.
    versions : sequence of Condition
        Each is made of each image.
    output : ImageOutput
        Where and how to write.
    """
    made = []
    for number, row in enumerate(rows, start):
        pixels = row.pixels()
        person = mask_at(row.image_id, row.mask, pixels, row.mask_sha256) if row.mask else None
        for index, version in enumerate(versions):
            try:
                image, mask, record = version.simulator(
                    pixels, row.pixel_sha256, version.copy, pid=row.pid, person=person
                )
            except UsageError as error:
                raise InputError(f"{row.image_id}: {error.what}", error.why, error.next_command) from error
            if record.boxes:
                facts = _written(name_of(row.image_id, version), image, mask, output)
                made.append(OccludedImage(number, index, *facts, record, _visible(mask, person)))
    return made


def _written(name: str, image: Pixels, mask: Pixels, output: ImageOutput) -> tuple[int, int, int, str, str, str, str]:
    """Write an image and its mask, and return width, height, bytes and the four digests."""
    data = encode(image, output.extension, output.quality, EFFORT)
    drawn = kept = pixel_digest(image)
    if output.format != "png":
        kept = pixel_digest(decode(data, name))
    if output.folder is not None:
        with open(f"{output.folder}/images/{name}{output.extension}", "wb") as stream:
            stream.write(data)
        with open(f"{output.folder}/masks/{name}.png", "wb") as stream:
            stream.write(encode(mask, ".png", effort=EFFORT))
    height, width = mask.shape
    return width, height, len(data), hashlib.sha256(data).hexdigest(), kept, drawn, pixel_digest(mask)


def _visible(mask: Pixels, person: Pixels | None) -> int | None:
    """Return how much of the person is still seen, parts per million; None where nobody knows where it is."""
    if person is None:
        return None
    shown = person >= 128
    whole = int(shown.sum())
    return (2_000_000 * int((shown & (mask == 0)).sum()) + whole) // (2 * whole) if whole else None


def check_files(folder: Path, made: Sequence[OccludedImage], names: Sequence[str], extension: str) -> bool:
    """Return whether the images of a finished shard are there to the byte, and their masks to the pixel.

    Parameters
    ----------
    folder : Path
        The folder with ``images/`` and ``masks/``.
    made : sequence of OccludedImage
        The occluded images, with the digests that are expected.
    names : sequence of str
        The path of each, below ``images/`` and ``masks/``, without extension; as many as `made`.
    extension : str
        Of the images: ``.png`` or ``.jpg``. Masks are always PNG.
    """
    try:
        for one, name in zip(made, names, strict=True):
            if hashlib.sha256((folder / "images" / f"{name}{extension}").read_bytes()).hexdigest() != one.sha256:
                return False
            mask = decode((folder / "masks" / f"{name}.png").read_bytes(), name)
            if pixel_digest(mask[..., 0].copy()) != one.mask_sha256:
                return False
    except (OSError, ImageError):
        return False
    return True
