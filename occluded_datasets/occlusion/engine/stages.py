"""What makes a patch look as if it had been there: soft edges, colours like the image's, a shadow. Integers only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..recipes.keys import PPM
from ..recipes.placement import Box

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


def ramp_width(feather: int, w: int, h: int) -> int:
    """Return how many pixels of a soft edge lie outside the box, as many inside; 0 for none.

    Parameters
    ----------
    feather : int
        Width of the soft edge as a share of the box's shorter side, parts per million; 0 for a hard edge.
    w, h : int
        The box's width and height, in pixels.
    """
    return (feather * min(w, h) + PPM // 2) // PPM if feather else 0


def widened(box: Box, soft: int, width: int, height: int) -> Box:
    """Return the box with `soft` pixels more on every side, as far as the image goes.

    Parameters
    ----------
    box : Box
        The box to widen, in the image's pixels.
    soft : int
        How much is added on each side, in pixels.
    width, height : int
        The image's size, in pixels.
    """
    return Box(box.x - soft, box.y - soft, box.w + 2 * soft, box.h + 2 * soft).clipped(width, height)


def soft_edges(patch: Pixels, outer: Box, core: Box, soft: int) -> Pixels:
    """Return the opaque patch of `outer`, shape (h, w, 3), premultiplied with an alpha that falls off around `core`.

    The alpha is 128 or more within the core and less outside it, so the core is what counts as occluded. A side of the
    core that lies on the image's edge stays hard.
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
    """Return a premultiplied patch whose outline falls off softly inwards.

    The alpha becomes the lesser of itself and its mean over squares of side 2 `radius` + 1. Beyond the image's edge
    the shape goes on: it stays hard where it is cut off.

    Parameters
    ----------
    patch : numpy.ndarray
        Premultiplied RGBA, shape (h, w, 4), dtype uint8; it is not changed.
    box : Box
        Where the patch lies in the image. A side on the image's edge stays hard.
    radius : int
        1 or more, in pixels.
    width, height : int
        The image's size, in pixels.

    Returns
    -------
    numpy.ndarray
        Premultiplied RGBA, shape (h, w, 4), dtype uint8.
    """
    import cv2

    hard: Any = cv2.extractChannel(patch, 3)
    alpha: Any = cv2.copyMakeBorder(hard, radius, radius, radius, radius, cv2.BORDER_REPLICATE)
    if box.y > 0:
        alpha[:radius] = 0
    if box.x > 0:
        alpha[:, :radius] = 0
    if box.y + box.h < height:
        alpha[-radius:] = 0
    if box.x + box.w < width:
        alpha[:, -radius:] = 0
    soft = cv2.min(np.ascontiguousarray(blurred(alpha, radius)[radius:-radius, radius:-radius]), hard)
    # Exact in float32: the quotients of whole numbers below 2**16 by n are 1 / n apart, and rounding moves them less.
    full = np.maximum(hard, 1)
    scaled = np.multiply(patch, cv2.merge([soft] * 4), dtype=np.uint16).astype(np.float32)
    scaled += cv2.merge([full // 2] * 4)
    scaled /= cv2.merge([full] * 4)
    result = scaled.astype(np.uint8)
    result[..., 3] = soft
    return result


def blurred(alpha: Pixels, radius: int) -> Pixels:
    """Return values, shape (H, W), averaged over squares of side 2 `radius` + 1, exactly rounded; outside is 0."""
    import cv2

    side = 2 * radius + 1
    total: Any = cv2.boxFilter(alpha, cv2.CV_64F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    total += side * side / 2  # whole numbers and halves: exact, and so is the floor of their quotient
    total /= side * side
    mean: Pixels = total.astype(np.uint8)
    return mean


def coloured(patch: Pixels, image: Pixels, strength: int) -> Pixels:
    """Return the patch with each channel multiplied so that its mean moves towards the image's.

    Black stays black: light is matched, not paint. A channel changes by a factor of 0.7 to 1.4 at most.

    Parameters
    ----------
    patch : numpy.ndarray
        Shape (h, w, 3), or premultiplied (h, w, 4), where the mean is over what the alpha shows.
    image : numpy.ndarray
        Shape (H, W, 3): the image it is put into.
    strength : int
        How far, in parts per million: 0 not at all, 1,000,000 all the way.
    """
    import cv2

    own, there = ([int(value) for value in cv2.sumElems(pixels)] for pixels in (patch, image))
    channels = patch.shape[2]
    weight = own[3] if channels == 4 else 255 * patch.shape[0] * patch.shape[1]
    if not weight:
        return patch
    size = image.shape[0] * image.shape[1]
    gains = [256] * channels  # the alpha stays
    for channel in range(3):
        gain = 256 * there[channel] * weight // max(1, 255 * own[channel] * size)
        gains[channel] = 256 + (min(max(gain, 179), 358) - 256) * strength // PPM
    tables = np.minimum((np.multiply.outer(np.arange(256), gains) + 128) >> 8, 255).astype(np.uint8)[None]
    if channels == 3:
        return cv2.LUT(patch, tables)  # type: ignore[return-value]
    return cv2.min(cv2.LUT(patch, tables), cv2.merge([cv2.extractChannel(patch, 3)] * 4))  # type: ignore[return-value]


def shadow(alpha: Pixels, strength: int, radius: int) -> Pixels:
    """Return a black premultiplied patch: the blurred shape, less dark.

    Parameters
    ----------
    alpha : numpy.ndarray
        The shape, (h, w), dtype uint8: 0 where nothing is, 255 where it is solid.
    strength : int
        How dark the shadow is, in parts per million: 0 not at all, 1,000,000 black where the blurred shape is solid.
    radius : int
        The alpha is averaged over squares of side 2 `radius` + 1, in pixels; the patch is `radius` wider on every
        side.

    Returns
    -------
    numpy.ndarray
        RGBA, shape (h + 2 radius, w + 2 radius, 4), dtype uint8.
    """
    import cv2

    wider: Any = cv2.copyMakeBorder(alpha, radius, radius, radius, radius, cv2.BORDER_CONSTANT)
    soft = blurred(wider, radius)
    black = np.zeros_like(soft)
    dark = cv2.LUT(soft, (np.arange(256) * strength // PPM).astype(np.uint8))
    return cv2.merge([black, black, black, dark])  # type: ignore[return-value]
