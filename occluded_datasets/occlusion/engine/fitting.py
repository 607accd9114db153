"""How large an occluder must be, so that it hides the fraction that was asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..blend import SOLID, resized
from ..recipes.keys import PPM, Words, draw_between
from ..recipes.placement import Box, Place, sized, stood
from ..recipes.recipe import Branch
from ..sources.occluders import Item, level_for

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

TOLERANCE = 5_000
"""What a silhouette may be off before its size is corrected, ppm of the image."""

TRIES = 6
LARGEST = 4
"""How many times an image's side an occluder may measure."""


class CoverageCanvas(NamedTuple):
    """An image's size and, where the fraction is of a person, the running count of the person's pixels.

    `running` has shape (H + 1, W + 1); its entry (y, x) counts the person above y and left of x.
    """

    width: int
    height: int
    person: Pixels | None = None
    running: npt.NDArray[np.int64] | None = None

    @classmethod
    def of(cls, width: int, height: int, person: Pixels | None) -> CoverageCanvas:
        """Return the canvas of an image.

        Parameters
        ----------
        width, height : int
            The image's size, in pixels.
        person : numpy.ndarray or None
            The person's mask, shape (height, width), dtype uint8: 128 or more where the person is. None where the
            fraction is of the whole image.
        """
        if person is None:
            return cls(width, height)
        count = np.zeros((height + 1, width + 1), np.int64)
        count[1:, 1:] = (person >= SOLID).cumsum(axis=0).cumsum(axis=1)
        return cls(width, height, person, count)

    @property
    def whole(self) -> int:
        """Pixels that the fraction is of."""
        return self.width * self.height if self.running is None else int(self.running[-1, -1])

    def hidden_by(self, box: Box) -> int:
        """Return how many of these pixels a box hides."""
        if self.running is None:
            return box.w * box.h
        x, y, right, low = box.x, box.y, box.x + box.w, box.y + box.h
        return int(self.running[low, right] - self.running[y, right] - self.running[low, x] + self.running[y, x])

    def solid(self, alpha: Pixels, box: Box) -> int:
        """Return how many of these pixels an alpha, shape (h, w), hides that stands at `box`."""
        shape = alpha >= SOLID
        if self.person is not None:
            shape &= self.person[box.y : box.y + box.h, box.x : box.x + box.w] >= SOLID
        return int(np.count_nonzero(shape))

    def hidden(self, mask: Pixels) -> int:
        """Return how many of these pixels a mask, shape (H, W), hides."""
        if self.person is None:
            return int(np.count_nonzero(mask))
        return int(np.count_nonzero(mask[self.person >= SOLID]))


def rectangle(canvas: CoverageCanvas, target: int, aspect: int, at: Place) -> Box:
    """Return the box at a place that hides about `target` of the canvas's pixels."""
    width, height = canvas.width, canvas.height
    if canvas.running is None:
        return stood(at, *sized(target, aspect, at.span, width, height), width, height)

    def box(area: int) -> Box:
        return stood(at, *sized(area, aspect, at.span, width, height), width, height)

    area = _least(lambda value: canvas.hidden_by(box(value)) >= target, 1, width * height)
    return min((box(area), box(max(1, area - 1))), key=lambda one: abs(canvas.hidden_by(one) - target))


def erased(words: Callable[[int], Words], arm: Branch, width: int, height: int) -> tuple[Box, int] | None:
    """Return the first rectangle of Random Erasing that fits, with its requested fraction; None if none does.

    Algorithm 1 of Zhong et al. (AAAI 2020): the area and the aspect h / w are uniform over their ranges, h and w are
    the rounded roots, and the rectangle must be smaller than the image in both.

    Parameters
    ----------
    words : callable
        Takes the number of an attempt, from 0, and returns its words: of the area, the aspect, x and y.
    arm : Branch
        Its `fraction` and its `aspect` are the ranges, in parts per million. Its option ``attempts`` says how often
        to try.
    width, height : int
        The image's size, in pixels.

    Returns
    -------
    tuple of (Box, int) or None
        The rectangle, and the fraction of the image that was drawn for it, in parts per million.
    """
    for attempt in range(arm.options["attempts"]):
        word = words(attempt)
        fraction, aspect = draw_between(word[0], *arm.fraction), draw_between(word[1], *arm.aspect)
        # The rounded root of a is (isqrt(4 a) + 1) // 2, in whole numbers: the same on every machine.
        area = width * height * fraction
        h, w = (isqrt(4 * area * aspect) // PPM + 1) // 2, (isqrt(4 * area // aspect) + 1) // 2
        if 1 <= w < width and 1 <= h < height:
            return Box(draw_between(word[2], 0, width - w), draw_between(word[3], 0, height - h), w, h), fraction
    return None


class Fitted(NamedTuple):
    """A silhouette at its size.

    Parameters
    ----------
    level : numpy.ndarray
        The size of its pyramid that it is made of, premultiplied, shape (H, W, 4).
    whole, box : Box
        Where all of it stands, and the part inside the image.
    patch : numpy.ndarray or None
        That part, shape (h, w, 4); None where nobody has rendered it so far.
    """

    level: Pixels
    whole: Box
    box: Box
    patch: Pixels | None

    def shown(self, kernel: Any) -> Pixels:
        """Return the part inside the image, premultiplied, shape (h, w, 4)."""
        if self.patch is not None:
            return self.patch
        whole, box = self.whole, self.box
        patch: Pixels = kernel.rendered(self.level, whole.w, whole.h, box.x - whole.x, box.y - whole.y, box.w, box.h)
        return patch


def silhouette(canvas: CoverageCanvas, target: int, item: Item, at: Place, kernel: Any = None) -> Fitted:
    """Return the item at the size at which it hides about `target` of the canvas's pixels."""
    base = item.levels[0]
    wanted = target * base.shape[0] * base.shape[1] // item.coverage  # the area of its whole box
    if canvas.running is not None:
        wanted = wanted * canvas.width * canvas.height // max(1, canvas.whole)
    if kernel is not None and len(item.levels) <= kernel.LEVELS:
        level, w, h = kernel.fit_compiled(canvas, target, item, at, wanted)
        return _standing(canvas, level, w, h, at, None)
    best, least = None, 0
    low, high = 1, LARGEST * LARGEST * canvas.width * canvas.height * 4
    for _ in range(TRIES):
        wanted = min(max(wanted, low), high)
        fitted = _rendered(canvas, wanted, item, at)
        hidden = canvas.solid(fitted.shown(kernel)[..., 3], fitted.box)
        away = abs(hidden - target)
        if best is None or away < least:
            best, least = fitted, away
        if away * PPM <= TOLERANCE * canvas.whole or low >= high:
            break
        if hidden < target:
            low = wanted + 1
        else:
            high = wanted - 1
        wanted = wanted * target // hidden if hidden else wanted * 2
        wanted = (low + high) // 2 if not low <= wanted <= high else wanted
    return best if best is not None else _rendered(canvas, low, item, at)


def entering(canvas: CoverageCanvas, target: int, item: Item, at: Place, scale: int, kernel: Any = None) -> Fitted:
    """Return the item at a given size, as far in the image as it must be to hide about `target` pixels.

    It comes from the left where u is 0, from the right where u is 1, else from below; its position
    along the edge is that of the place. Where it cannot hide that much even when it is wholly inside, it is made
    larger.

    Parameters
    ----------
    canvas : CoverageCanvas
        The image's size and, where the fraction is of a person, the person's mask.
    target : int
        How many of the canvas's pixels the item should hide.
    item : Item
        The cut-out.
    at : Place
        Where it is put; see above.
    scale : int
        The item's height as a share of the image's, parts per million.
    kernel : module, optional
        The compiled kernel, for an item that is made larger; None for NumPy and OpenCV alone.
    """
    base = item.levels[0]
    h = max(1, min(LARGEST * canvas.height, (2 * canvas.height * scale + PPM) // (2 * PPM)))
    w = max(1, min(LARGEST * canvas.width, (2 * h * base.shape[1] + base.shape[0]) // (2 * base.shape[0])))
    level = level_for(item, w, h)
    patch = resized(level, w, h)
    alpha = patch[..., 3]
    stands = stood(at, w, h, canvas.width, canvas.height)

    def moved(step: int) -> Box:
        if at.u == 0:
            return Box(step - w, stands.y, w, h)
        return Box(canvas.width - step, stands.y, w, h) if at.u == PPM else Box(stands.x, canvas.height - step, w, h)

    def hidden(step: int) -> int:
        whole = moved(step)
        box = whole.clipped(canvas.width, canvas.height)
        return canvas.solid(_part(alpha, whole, box), box)

    most = min(w, canvas.width) if at.u in (0, PPM) else min(h, canvas.height)
    least = _least(lambda step: hidden(step) >= target, 1, most)
    step = min((least, max(1, least - 1)), key=lambda one: abs(hidden(one) - target))
    if least == most and (target - hidden(step)) * PPM > TOLERANCE * canvas.whole:
        return silhouette(canvas, target, item, at, kernel)
    whole = moved(step)
    box = whole.clipped(canvas.width, canvas.height)
    return Fitted(level, whole, box, _part(patch, whole, box))


def _rendered(canvas: CoverageCanvas, area: int, item: Item, at: Place) -> Fitted:
    """Return the item with a whole box of `area` pixels, cut at the image's edges."""
    base = item.levels[0]
    high, wide = base.shape[:2]
    w = max(1, min(LARGEST * canvas.width, (isqrt(4 * area * wide // high) + 1) // 2))
    h = max(1, min(LARGEST * canvas.height, (2 * area + w) // (2 * w)))  # a row is a finer step than a column
    level = level_for(item, w, h)
    return _standing(canvas, level, w, h, at, resized(level, w, h))


def _standing(canvas: CoverageCanvas, level: Pixels, w: int, h: int, at: Place, patch: Pixels | None) -> Fitted:
    whole = stood(at, w, h, canvas.width, canvas.height)
    box = whole.clipped(canvas.width, canvas.height)
    return Fitted(level, whole, box, None if patch is None else _part(patch, whole, box))


def _part(patch: Pixels, whole: Box, box: Box) -> Pixels:
    """Return the part of a patch, which stands at `whole`, that stands at `box`."""
    x, y = box.x - whole.x, box.y - whole.y
    return patch[y : y + box.h, x : x + box.w]


def _least(holds: Callable[[int], bool], low: int, high: int) -> int:
    """Return the least integer from `low` to `high` for which `holds`, or `high`."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
