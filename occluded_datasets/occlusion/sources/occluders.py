"""What is put in front: the content of rectangles, and silhouettes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ...errors import UsageError
from ..blend import SOLID, premultiplied, resized
from ..recipes.keys import NOISE_BYTES, PPM, Words, below, draw_between, noise_tape
from ..recipes.placement import Box
from ..recipes.recipe import Branch
from .pool import KEPT, Pool, PoolImage, mask_at, pixels_of

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

LEAST_LEVEL = 8
"""Shorter side at which a pyramid of sizes ends, pixels."""


class Item(Protocol):
    """A cut-out: its id, class, premultiplied RGBA in halving sizes, and how many pixels of the first are solid."""

    @property
    def id(self) -> str:
        """Unique in its bank."""

    @property
    def kind(self) -> str:
        """Its class, which the placement may depend on."""

    @property
    def levels(self) -> tuple[Pixels, ...]:
        """Premultiplied RGBA, (h, w, 4), largest first."""

    @property
    def coverage(self) -> int:
        """Pixels of the first level with alpha 128 or more."""


class Items(Protocol):
    """A bank as the simulator sees it."""

    hash: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Item: ...


class Cut(NamedTuple):
    """A cut-out that was made of a training image."""

    id: str
    kind: str
    levels: tuple[Pixels, ...]
    coverage: int


class Job(NamedTuple):
    """One occluder of one image: what it goes into and what its choices hang on."""

    image: Pixels
    arm: Branch
    words: Words
    pool: Pool | None
    pid: int | None
    kernel: Any = None


Filled = tuple["Pixels", str]
"""The opaque pixels of a box, shape (h, w, 3) or one row for all, (1, w, 3), and the occluder's id."""


def _constant(job: Job, box: Box) -> Filled:
    return _row(*job.arm.options["colour"], box.w)


@lru_cache(maxsize=1024)
def _row(red: int, green: int, blue: int, width: int) -> Filled:
    """Return one row of a colour, shape (1, width, 3): a whole row is copied far faster than a pixel at a time."""
    row = np.full((1, width, 3), (red, green, blue), np.uint8)
    row.setflags(write=False)
    return row, f"constant/{red:02x}{green:02x}{blue:02x}"


def _noise(job: Job, box: Box) -> Filled:
    count = box.w * box.h * 3
    start = below(job.words[5], max(1, NOISE_BYTES - count))
    tape = _tape()
    if start + count > NOISE_BYTES:  # an image beyond a million pixels: the tape goes round
        tape = np.tile(tape, count // NOISE_BYTES + 2)
    return tape[start : start + count].reshape(box.h, box.w, 3), f"{job.arm.occluder}/{start}"


@lru_cache(maxsize=1)
def _tape() -> Pixels:
    return np.frombuffer(noise_tape(), np.uint8)


def _self_background(job: Job, box: Box) -> Filled:
    window = _window(job, box, job.image)
    return _enlarged(job, job.image, window, box), f"self/{window.x}:{window.y}:{window.w}:{window.h}"


def _other_background(job: Job, box: Box) -> Filled:
    source, pixels = _other(job)
    window = _window(job, box, pixels)
    return _enlarged(job, pixels, window, box), f"{source}/{window.x}:{window.y}:{window.w}:{window.h}"


def _strip(job: Job, box: Box) -> Filled:
    """Return the same part of another training image, in shares of its sides."""
    source, pixels = _other(job)
    height, width = pixels.shape[:2]
    high, wide = job.image.shape[:2]
    x, y = box.x * width // wide, box.y * height // high
    window = Box(x, y, max(1, box.w * width // wide), max(1, box.h * height // high)).clipped(width, height)
    return _enlarged(job, pixels, window, box), f"{source}/{window.x}:{window.y}:{window.w}:{window.h}"


CONTENT: Mapping[str, Callable[[Job, Box], Filled]] = {
    "constant": _constant,
    "noise": _noise,
    "random-erasing": _noise,
    "self-background": _self_background,
    "other-background": _other_background,
    "strip": _strip,
}
"""Kinds that fill a rectangle."""

PLAIN = ("constant", "noise", "random-erasing")
"""Those among them that compute no pixel, so that there is nothing to compile."""


def _window(job: Job, box: Box, pixels: Pixels) -> Box:
    """Return a piece of background: at an upper corner, a share of the width wide, of the box's shape."""
    height, width = pixels.shape[:2]
    w = min(width, max(2, draw_between(job.words[2], *job.arm.window) * width // PPM))
    h = min(max(2, height * 2 // 5), max(2, (2 * w * box.h + box.w) // (2 * box.w)))
    corners = job.arm.options["corners"]
    x = 0 if corners[below(job.words[3], len(corners))] == "top-left" else width - w
    return Box(x, min(height - h, below(job.words[4], height // 10 + 1)), w, h)


def _enlarged(job: Job, pixels: Pixels, window: Box, box: Box) -> Pixels:
    part = np.ascontiguousarray(pixels[window.y : window.y + window.h, window.x : window.x + window.w])
    return resized(part, box.w, box.h) if job.kernel is None else job.kernel.resize_compiled(part, box.w, box.h)


def _other(job: Job) -> tuple[str, Pixels]:
    pool = _needed(job.pool)
    source = pool.pick(job.words[0], job.words[1], job.pid)
    return source.image_id, pool.pixels(source)


def _needed(pool: Pool | None) -> Pool:
    if pool is None:  # the simulator refuses such a recipe when it is made
        raise ValueError("a pool is needed")
    return pool


def person(job: Job) -> Item:
    """Return another person: the silhouette where the pool has masks, else a soft crop of the image."""
    pool = _needed(job.pool)
    return _person(pool.pick(job.words[0], job.words[1], job.pid))


@lru_cache(maxsize=KEPT)
def _person(source: PoolImage) -> Cut:
    """Return the cut-out of a pool's image; the last ones made are remembered, as their images are."""
    pixels = pixels_of(source.image_id, source.file, source.sha256)
    if not source.mask:
        return cut(source.image_id, "person", pixels, _body_shape(*pixels.shape[:2]))
    return cut(source.image_id, "person", pixels, mask_at(source.image_id, source.mask, pixels, source.mask_sha256))


def cut(name: str, kind: str, pixels: Pixels, alpha: Pixels) -> Cut:
    """Return the cut-out of an image where `alpha` shows it; margins are cut off.

    Parameters
    ----------
    name, kind : str
        The cut-out's id, and its class.
    pixels : numpy.ndarray
        The image, shape (H, W, 3), dtype uint8, RGB.
    alpha : numpy.ndarray
        Shape (H, W), dtype uint8: 0 where the image is not seen, 255 where it is solid. It must not be 0 everywhere.

    Returns
    -------
    Cut
        Its levels are premultiplied RGBA, shape (h, w, 4), dtype uint8, read-only; each has half the size of the one
        before, rounded up.
    """
    rows, columns = (np.flatnonzero((alpha > 0).any(axis=axis)) for axis in (1, 0))
    rgba = np.dstack([pixels, alpha])[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    levels = [premultiplied(rgba)]
    while min(levels[-1].shape[:2]) >= 2 * LEAST_LEVEL:
        levels.append(halved(levels[-1]))
    for level in levels:
        level.setflags(write=False)
    return Cut(name, kind, tuple(levels), int((levels[0][..., 3] >= SOLID).sum()))


def halved(pixels: Pixels) -> Pixels:
    """Return pixels, shape (H, W, C), at half their size, rounded up: exact means of 2 x 2, the last line repeated."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge").astype(np.uint16)
    total = even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]
    return ((total + np.uint16(2)) >> np.uint16(2)).astype(np.uint8)


_OUTLINE = ((0, 0), (30, 90), (90, 130), (150, 120), (190, 250), (300, 300), (520, 260), (800, 220), (1000, 200))
"""Half the width of a standing person by height, both in thousandths of the image."""


@lru_cache(maxsize=16)
def _body_shape(height: int, width: int) -> Pixels:
    """Return the alpha, shape (H, W), of a soft upright outline such as a person's in a tight crop."""
    at = (1000 * (2 * np.arange(height) + 1)) // (2 * height)
    knots = np.array(_OUTLINE)
    segment = np.clip(np.searchsorted(knots[:, 0], at, side="right") - 1, 0, len(knots) - 2)
    low, high = knots[segment], knots[segment + 1]
    half = low[:, 1] + (high[:, 1] - low[:, 1]) * (at - low[:, 0]) // (high[:, 0] - low[:, 0])
    away = np.abs(1000 * (2 * np.arange(width) + 1) // (2 * width) - 500)
    edge = 60
    alpha = 255 * (half[:, None] + edge // 2 - away[None, :]) // edge
    shape: Pixels = np.clip(alpha, 0, 255).astype(np.uint8)
    return shape


def of_bank(job: Job, bank: Items, chosen: Sequence[int]) -> Item:
    """Return one of the items of a bank that may be chosen, or the next one that is not of the same identity.

    Raises
    ------
    UsageError
        If all are of the identity that is occluded.
    """
    start = below(job.words[0], len(chosen))
    for step in range(len(chosen)):
        item = bank[chosen[(start + step) % len(chosen)]]
        if job.pid is None or getattr(item, "pid", None) != job.pid:
            return item
    raise UsageError(
        f"The bank has nothing but identity {job.pid}, which is the one to occlude.", "", "choose another bank"
    )


def level_for(item: Any, width: int, height: int) -> Pixels:
    """Return the smallest level that is not smaller than `width` x `height`, or the largest."""
    levels: tuple[Pixels, ...] = item.levels
    best = levels[0]
    for level in levels[1:]:
        if level.shape[1] < width or level.shape[0] < height:
            break
        best = level
    return best
