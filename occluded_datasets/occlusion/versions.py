"""Some source pictures to their occluded versions: the shard of work that `simulate` and `replay` share."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InputError
from ..hashing import pixel_digest
from ..images import decode, encode
from .pool import read_picture
from .simulator import Simulator
from .work import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

EFFORT = 1
"""zlib's level of the PNGs: they are many and soon read again."""


class Clean(NamedTuple):
    """A source picture: its row, where it is on this machine, and the mask of its person if there is one."""

    image_id: str
    pid: int
    file: str
    sha256: str
    pixel_sha256: str
    mask: str = ""

    def pixels(self) -> Pixels:
        """Return the pixels, shape (H, W, 3), checked against both hashes.

        Raises
        ------
        InputError
            If the file is gone or changed, or this decoder reads other pixels.
        """
        pixels = read_picture(self.image_id, self.file, self.sha256)
        if pixel_digest(pixels) != self.pixel_sha256:
            raise InputError(
                f"{self.image_id}: the decoder here reads other pixels than the manifest vouches for.",
                f"Expected pixel_sha256 {self.pixel_sha256}, found {pixel_digest(pixels)}.",
                "occreid-prepare verify --full the source's manifest",
            )
        return pixels


class Version(NamedTuple):
    """One way to occlude each picture: a simulator, its level as text (empty for the recipe's range), and the copy."""

    simulator: Simulator
    level: str
    copy: int

    @property
    def name(self) -> str:
        """What is added to a picture's name."""
        return "-".join([self.simulator.recipe.name, *([self.level] if self.level else []), str(self.copy)])


class Output(NamedTuple):
    """How pictures are written: below which folder (None for not at all), ``png`` or ``jpeg``, and its quality."""

    folder: str | None
    format: str = "png"
    quality: int = 92

    @property
    def extension(self) -> str:
        """The extension of the pictures."""
        return ".png" if self.format == "png" else ".jpg"


class Made(NamedTuple):
    """One occluded picture as its row says it."""

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


def name_of(image_id: str, version: Version) -> str:
    """Return the path of an occluded picture below its folder, without extension."""
    return f"{image_id}-{version.name}"


def make_shard(start: int, rows: Sequence[Clean], versions: Sequence[Version], output: Output) -> list[Made]:
    """Return what was made of some rows, in order; a picture that was left as it is has no entry.

    Parameters
    ----------
    start : int
        Position of the first row, which `Made.clean` counts from.
    rows : sequence of Clean
        Source pictures.
    versions : sequence of Version
        Each is made of each picture.
    output : Output
        Where and how to write.
    """
    made = []
    for number, row in enumerate(rows, start):
        pixels = row.pixels()
        person = read_picture(row.image_id, row.mask)[..., 0] if row.mask else None
        for index, version in enumerate(versions):
            image, mask, record = version.simulator(pixels, row.pixel_sha256, version.copy, pid=row.pid, person=person)
            if record.boxes:
                facts = _written(name_of(row.image_id, version), image, mask, output)
                made.append(Made(number, index, *facts, record, _visible(mask, person)))
    return made


def _written(name: str, image: Pixels, mask: Pixels, output: Output) -> tuple[int, int, int, str, str, str, str]:
    """Write a picture and its mask, and return width, height, bytes and the four digests."""
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


def check_files(folder: Path, made: Sequence[Made], names: Sequence[str], extension: str) -> bool:
    """Return whether the pictures of a finished shard are there, each with its size."""
    try:
        return all(
            (folder / "images" / f"{name}{extension}").stat().st_size == one.bytes
            and (folder / "masks" / f"{name}.png").stat().st_size > 0
            for one, name in zip(made, names, strict=True)
        )
    except OSError:
        return False
