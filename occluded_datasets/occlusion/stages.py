"""What makes a patch look as if it had been there: soft edges, colours like the picture's, a shadow. Integers only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .keyed import PPM
from .placement import Box

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


def ramp_width(feather: int, w: int, h: int) -> int:
    """Return how many pixels of a soft edge lie outside the box, as many inside; 0 for none."""
    return (feather * min(w, h) + PPM // 2) // PPM if feather else 0


def widened(box: Box, soft: int, width: int, height: int) -> Box:
    """Return the box with `soft` pixels on every side, as far as the picture goes."""
    return Box(box.x - soft, box.y - soft, box.w + 2 * soft, box.h + 2 * soft).clipped(width, height)


def soft_edges(patch: Pixels, outer: Box, core: Box, soft: int) -> Pixels:
    """Return the opaque patch of `outer`, shape (h, w, 3), premultiplied with an alpha that falls off around `core`.

    The alpha is 128 or more within the core and less outside it, so the core is what counts as occluded. A side of the
    core that lies on the picture's edge stays hard.
    """
    across = _ramp(outer.w, core.x - outer.x, core.w, soft)
    down = _ramp(outer.h, core.y - outer.y, core.h, soft)
    alpha = np.minimum(down[:, None], across[None, :])
    wide = alpha[..., None].astype(np.uint16)
    colour = patch * wide + np.uint16(128)
    colour = (colour + (colour >> np.uint16(8))) >> np.uint16(8)
    return np.dstack([colour.astype(np.uint8), alpha.astype(np.uint8)])


def _ramp(length: int, before: int, core: int, soft: int) -> npt.NDArray[np.int64]:
    """Return the alpha along one side: from 0 towards 255 over 2 `soft` pixels centred on each inner edge."""
    at = np.arange(length)
    alpha = np.full(length, 255)
    if before:
        alpha = np.minimum(alpha, (2 * (at - before + soft) + 1) * 255 // (4 * soft))
    if before + core < length:
        alpha = np.minimum(alpha, (2 * (before + core + soft - 1 - at) + 1) * 255 // (4 * soft))
    ramp: npt.NDArray[np.int64] = np.clip(alpha, 0, 255)
    return ramp


def feathered(patch: Pixels, box: Box, radius: int, width: int, height: int) -> Pixels:
    """Return a premultiplied patch, shape (h, w, 4), whose outline falls off softly inwards.

    The alpha becomes the lesser of itself and its mean over squares of side 2 `radius` + 1. Beyond the picture's edge
    the shape goes on: it stays hard where it is cut off.
    """
    alpha = np.pad(patch[..., 3], radius, mode="edge")
    for side, inside in enumerate((box.y > 0, box.x > 0, box.y + box.h < height, box.x + box.w < width)):
        if inside:
            np.rot90(alpha, -side)[:radius] = 0  # a view: the rows above, left of, below, right of the patch
    soft = np.minimum(blurred(alpha, radius)[radius:-radius, radius:-radius], patch[..., 3])
    share = soft.astype(np.uint32)[..., None]
    full = np.maximum(patch[..., 3:], 1).astype(np.uint32)
    colour = (patch[..., :3] * share + full // 2) // full
    return np.dstack([colour.astype(np.uint8), soft])


def blurred(alpha: Pixels, radius: int) -> Pixels:
    """Return values, shape (H, W), averaged over squares of side 2 `radius` + 1, exactly rounded; outside is 0."""
    side = 2 * radius + 1
    total = np.zeros((alpha.shape[0] + side, alpha.shape[1] + side), np.int64)
    total[radius + 1 : -radius or None, radius + 1 : -radius or None] = alpha
    total = total.cumsum(axis=0).cumsum(axis=1)
    window = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    mean: Pixels = ((2 * window + side * side) // (2 * side * side)).astype(np.uint8)
    return mean


def coloured(patch: Pixels, image: Pixels, strength: int) -> Pixels:
    """Return the patch with each channel multiplied so that its mean moves towards the picture's.

    Black stays black: light is matched, not paint. A channel changes by a factor of 0.7 to 1.4 at most.

    Parameters
    ----------
    patch : numpy.ndarray
        Shape (h, w, 3), or premultiplied (h, w, 4), where the mean is over what the alpha shows.
    image : numpy.ndarray
        Shape (H, W, 3): the picture it is put into.
    strength : int
        How far, in parts per million: 0 not at all, 1,000,000 all the way.
    """
    alpha = patch[..., 3] if patch.shape[2] == 4 else np.full(patch.shape[:2], 255, np.uint8)
    weight = int(alpha.sum(dtype=np.int64))
    if not weight:
        return patch
    result = patch.copy()
    own, there = (pixels[..., :3].sum(axis=(0, 1), dtype=np.int64).tolist() for pixels in (patch, image))
    size = image.shape[0] * image.shape[1]
    for channel in range(3):
        gain = 256 * there[channel] * weight // max(1, 255 * own[channel] * size)
        gain = 256 + (min(max(gain, 179), 358) - 256) * strength // PPM
        moved = (patch[..., channel] * np.uint32(gain) + np.uint32(128)) >> np.uint32(8)
        result[..., channel] = np.minimum(moved, alpha)
    return result


def shadow(alpha: Pixels, strength: int, radius: int) -> Pixels:
    """Return a black premultiplied patch, shape (h + 2 radius, w + 2 radius, 4): the blurred shape, less dark."""
    soft = blurred(np.pad(alpha, radius), radius)
    dark = np.zeros((*soft.shape, 4), np.uint8)
    dark[..., 3] = soft.astype(np.int64) * strength // PPM
    return dark
