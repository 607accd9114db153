"""The reference descriptor: colour histograms of six stripes, exact on every platform and free of any weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

STRIPES = 6
GREYS = 8
HUES = 12
COLOURS = GREYS + HUES * 2 * 4


@dataclass(frozen=True)
class Histogram:
    """Colour histograms of six horizontal stripes; a floor to compare with, not a competitor.

    With integers throughout, for an image of H x W pixels:

    1. Columns W // 8 to W - W // 8 are kept: the person stands in the middle. Row y belongs to stripe 6 y // H.
    2. A channel keeps its upper five bits, r, g, b in 0..31. v = max(r, g, b), c = v - min(r, g, b).
    3. Where 5 c < v (pale) or v < 4 (dark) the pixel is grey: bin v // 4 of 8.
    4. Elsewhere it has a colour, bin 8 + (2 hue + strong) * 4 + v // 8. s = g - b if v = r, else 2 c + b - r if
       v = g, else 4 c + r - g; hue = (4 s + c) // (2 c) mod 12, so that red lies in the middle of bin 0;
       strong = 1 where 2 c >= v.
    5. The 6 x 104 counts are divided by the number of pixels counted (L1), and the square root is taken in float64
       and stored as float32. The vector has length 1, and the inner product of two is the Bhattacharyya coefficient.

    Parameters
    ----------
    input_size : tuple of int
        Height and width that images are resized to.

    Examples
    --------
    >>> import numpy as np
    >>> red = np.full((1, 12, 8, 3), (255, 0, 0), np.uint8)
    >>> vector = Histogram()(red)[0]
    >>> vector.shape, np.flatnonzero(vector).tolist()
    ((624,), [15, 119, 223, 327, 431, 535])
    """

    input_size: tuple[int, int] = (128, 64)
    name: str = "histogram"
    weights_sha256: str = ""
    normalisation: str = "counts / pixels, then square root"
    runtime: str = ""
    dim: int = STRIPES * COLOURS
    rowwise: bool = True

    def __call__(self, batch: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the descriptors, shape (B, 624), of RGB images, shape (B, H, W, 3)."""
        import numpy as np

        count, height, width = batch.shape[:3]
        kept = batch[:, :, width // 8 : width - width // 8].astype(np.uint16) >> 3
        bins = _colours()[kept[..., 0] << 10 | kept[..., 1] << 5 | kept[..., 2]].astype(np.int64)
        stripe = np.arange(height) * STRIPES // height + np.arange(count)[:, None] * STRIPES
        bins += stripe[:, :, None] * COLOURS
        counts = np.bincount(bins.ravel(), minlength=count * self.dim).reshape(count, self.dim)
        vectors: npt.NDArray[np.float32] = np.sqrt(counts / (kept.shape[1] * kept.shape[2])).astype(np.float32)
        return vectors


@lru_cache(maxsize=1)
def _colours() -> npt.NDArray[np.uint8]:
    """Return the bin of each colour, shape (32768,), indexed by r << 10 | g << 5 | b."""
    import numpy as np

    red, green, blue = np.indices((32, 32, 32))
    value = np.maximum(np.maximum(red, green), blue)
    chroma = value - np.minimum(np.minimum(red, green), blue)
    turn = np.select([value == red, value == green], [green - blue, 2 * chroma + blue - red], 4 * chroma + red - green)
    hue = (4 * turn + chroma) // np.maximum(2 * chroma, 1) % HUES
    strong = (2 * chroma >= value).astype(np.int64)
    grey = (5 * chroma < value) | (value < 4)
    colour: npt.NDArray[np.uint8] = np.where(grey, value // 4, GREYS + (2 * hue + strong) * 4 + value // 8).astype(
        np.uint8
    )
    return colour.ravel()
