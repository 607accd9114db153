"""What a patch looks like in the image: the exact integer blend, and the mask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .recipes.placement import Box

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

SOLID = 128
"""Least alpha of a pixel that counts as occluded."""


def divided(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Return round(values / 255), in place; exact for 0 to 65025.

    Examples
    --------
    >>> x = np.arange(65026, dtype=np.uint16)
    >>> bool((divided(x.copy()) == np.floor(x / 255 + 0.5)).all())
    True
    """
    values += np.uint16(128)
    values += values >> np.uint16(8)
    values >>= np.uint16(8)
    return values


def premultiplied(rgba: Pixels) -> Pixels:
    """Return RGBA pixels, shape (H, W, 4), uint8, with each colour times its alpha, rounded exactly."""
    alpha = rgba[..., 3:].astype(np.uint16)
    colour = divided(rgba[..., :3] * alpha)
    return np.concatenate([colour.astype(np.uint8), rgba[..., 3:]], axis=2)


def paste(image: Pixels, mask: Pixels, patch: Pixels, box: Box) -> None:
    """Put an opaque patch, shape (h, w, 3), at `box`, in place; the mask becomes 255 there."""
    rows, columns = slice(box.y, box.y + box.h), slice(box.x, box.x + box.w)
    image[rows, columns] = patch
    mask[rows, columns] = 255


def over(image: Pixels, patch: Pixels, box: Box) -> None:
    """Blend a premultiplied patch, shape (h, w, 4), over the image at `box`, in place.

    Each channel becomes s + round(d (255 - a) / 255), which is round((255 s + d (255 - a)) / 255): s the premultiplied
    colour, a the alpha, d the pixel below.
    """
    import cv2

    below = image[box.y : box.y + box.h, box.x : box.x + box.w]
    # Channels side by side: one long loop, not many short ones.
    inverse: Any = cv2.bitwise_not(cv2.merge([cv2.extractChannel(patch, 3)] * 3))
    colour: Any = cv2.cvtColor(patch, cv2.COLOR_BGRA2BGR)
    mixed = divided(np.multiply(below, inverse, dtype=np.uint16))
    mixed += colour
    below[...] = mixed


def cover(mask: Pixels, patch: Pixels, box: Box) -> None:
    """Set the mask to 255 where the patch's alpha is `SOLID` or more, in place."""
    mask[box.y : box.y + box.h, box.x : box.x + box.w] |= (patch[..., 3] >> 7) * np.uint8(255)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return pixels at another size: bilinear by OpenCV's bit-exact kernel.

    Parameters
    ----------
    pixels : numpy.ndarray
        Shape (H, W, C), dtype uint8.
    width, height : int
        The size to return, in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (height, width, C), dtype uint8; `pixels` itself where it has this size already.
    """
    import cv2

    if pixels.shape[1] == width and pixels.shape[0] == height:
        return pixels
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR_EXACT)  # type: ignore[return-value]
