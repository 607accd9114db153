"""One image at work: where, how large, what, and the record of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..blend import cover, over, paste, resized
from ..recipes.keys import PPM, Key, Words, draw_between
from ..recipes.placement import Box, Place, place, sized, stood
from ..recipes.recipe import Branch
from ..sources.occluders import CONTENT, Items, Job, of_bank, person
from ..sources.pool import Pool
from .fitting import CoverageCanvas, entering, erased, rectangle, silhouette
from .stages import coloured, feathered, ramp_width, shadow, soft_edges, widened

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

REACHED = 10_000
"""How far the realised fraction may be from the requested one before the record says ``unreachable``, ppm."""


class Record(NamedTuple):
    """Everything that says how an image came about.

    Parameters
    ----------
    key : Key
        Seed, image, copy and occurrence.
    occluder, placement : str
        The kind and the prior's name; empty where nothing was done.
    occluders : tuple of str
        What was put in front, in order.
    boxes : tuple of Box
        Where, integer pixels, origin top-left; for ``partial-crop`` what was kept.
    requested, realised : int or None
        Fractions in parts per million: asked for, and counted on the mask.
    note : str
        ``unreachable`` where the two differ by more than 1 %, else empty.
    """

    key: Key
    occluder: str = ""
    placement: str = ""
    occluders: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    requested: int = 0
    realised: int = 0
    note: str = ""


class OccluderSources(NamedTuple):
    """What occluders are taken from; `chosen` are the items of the bank that the arm may take."""

    pool: Pool | None
    bank: Items | None
    chosen: Sequence[int]


class Application(NamedTuple):
    """One image at work: its key, the arm of the recipe, its size, and what there is to take."""

    key: Key
    arm: Branch
    canvas: CoverageCanvas
    sources: OccluderSources
    pid: int | None
    kernel: Any

    def cover(self, out: Pixels, mask: Pixels, words: Words) -> Record:
        """Put one or several occluders in front of the image, and return the record of it.

        Parameters
        ----------
        out : numpy.ndarray
            The image, shape (H, W, 3), dtype uint8, RGB; changed in place.
        mask : numpy.ndarray
            Shape (H, W), dtype uint8; becomes 255 in place where the image is occluded.
        words : Words
            The words of ``shape``, block 0. Word 2 decides the fraction, word 3 the count, words 4 to 6 the place of
            the first occluder, and word 7 its aspect if it is a rectangle. Further occluders draw from their own
            blocks.
        """
        arm, canvas = self.arm, self.canvas
        requested = draw_between(words[2], *arm.fraction)
        count = draw_between(words[3], *arm.count) if arm.count[1] > 1 else arm.count[0]
        # Pixels that each occluder hides: its equal share, rounded half up in whole numbers.
        target = (2 * canvas.whole * requested + PPM * count) // (2 * PPM * count)
        first = self._one(out, mask, 0, words, target)
        if count == 1:
            # One hard rectangle hides its box: nothing to count.
            plain = arm.occluder in CONTENT and not arm.feather and canvas.person is None
            hidden = first[1].w * first[1].h if plain else canvas.hidden(mask)
            return self._record(hidden, (first[0],), (first[1],), requested)
        rest = (self._one(out, mask, number, self.key.words("shape", number), target) for number in range(1, count))
        names, boxes = zip(first, *rest, strict=True)
        return self._record(canvas.hidden(mask), names, boxes, requested)

    def _job(self, out: Pixels, number: int) -> Job:
        words = () if self.arm.occluder == "constant" else self.key.words("content", number)
        return Job(out, self.arm, words, self.sources.pool, self.pid, self.kernel)

    def _one(self, out: Pixels, mask: Pixels, number: int, shape: Words, target: int) -> tuple[str, Box]:
        arm, canvas = self.arm, self.canvas
        job = self._job(out, number)
        fill = CONTENT.get(arm.occluder)
        if fill is None:
            return self._silhouette(out, mask, job, shape, target)
        at = place(arm.prior, arm.occluder, shape[4], shape[5], shape[6])
        box = rectangle(canvas, target, draw_between(shape[7], *arm.aspect), at)
        soft = ramp_width(arm.feather, box.w, box.h)
        outer = widened(box, soft, canvas.width, canvas.height) if soft else box
        patch, name = fill(job, outer)
        if arm.colour_match:
            patch = coloured(patch, out, arm.colour_match)
        if arm.shadow:
            _darken(out, np.full((box.h, box.w), 255, np.uint8), box, arm.shadow)
        if not soft:
            paste(out, mask, patch, box)
            return name, box
        whole = np.ascontiguousarray(np.broadcast_to(patch, (outer.h, outer.w, 3)))
        edged = soft_edges(whole, outer, box, soft)
        over(out, edged, outer)
        cover(mask, edged, outer)
        return name, box

    def _silhouette(self, out: Pixels, mask: Pixels, job: Job, shape: Words, target: int) -> tuple[str, Box]:
        arm, canvas = self.arm, self.canvas
        bank = self.sources.bank
        item = person(job) if bank is None or arm.occluder != "bank" else of_bank(job, bank, self.sources.chosen)
        at = place(arm.prior, item.kind, shape[4], shape[5], shape[6])
        if arm.scale is None:
            fitted = silhouette(canvas, target, item, at, self.kernel)
        else:
            fitted = entering(canvas, target, item, at, draw_between(job.words[6], *arm.scale), self.kernel)
        whole, box = fitted.whole, fitted.box
        if self.kernel is not None and not (arm.feather or arm.colour_match or arm.shadow):
            left, top = box.x - whole.x, box.y - whole.y
            self.kernel.composite(out, mask, fitted.level, whole.w, whole.h, left, top, *box)
            return item.id, box
        patch = fitted.shown(self.kernel)
        if arm.feather:
            radius = max(1, ramp_width(arm.feather, box.w, box.h))
            patch = feathered(patch, box, radius, canvas.width, canvas.height)
        if arm.colour_match:
            patch = coloured(patch, out, arm.colour_match)
        if arm.shadow:
            _darken(out, patch[..., 3], box, arm.shadow)
        over(out, patch, box)
        cover(mask, patch, box)
        return item.id, box

    def erase(self, out: Pixels, mask: Pixels) -> Record:
        """Erase one rectangle as Random Erasing does; nothing if none fits within the attempts."""
        found = erased(lambda number: self.key.words("erase", number), self.arm, self.canvas.width, self.canvas.height)
        if found is None:
            return Record(self.key, self.arm.occluder, self.arm.placement, note="unreachable")
        box, requested = found
        patch, name = CONTENT["noise"](self._job(out, 0), box)
        paste(out, mask, patch, box)
        hidden = box.w * box.h if self.canvas.person is None else self.canvas.hidden(mask)
        return self._record(hidden, (name,), (box,), requested)

    def crop(self, out: Pixels, mask: Pixels, words: Words) -> Record:
        """Keep one band, away from where the prior puts the loss, and scale it back to the image's size.

        Parameters
        ----------
        out : numpy.ndarray
            The image, shape (H, W, 3), dtype uint8, RGB; changed in place.
        mask : numpy.ndarray
            Shape (H, W), dtype uint8; set in place to 255 where the image is lost and to 0 where it is kept. It is in
            the pixels of the whole image, before the scaling.
        words : Words
            The words of ``shape``, block 0. Word 2 decides the fraction that is lost, words 4 to 6 the place.

        Returns
        -------
        Record
            Its only box is the kept band, in the pixels of the whole image.
        """
        arm, canvas = self.arm, self.canvas
        requested = draw_between(words[2], *arm.fraction)
        lost = place(arm.prior, arm.occluder, words[4], words[5], words[6])
        at = Place(PPM - lost.u, PPM - lost.v, lost.span or "width")
        kept = canvas.width * canvas.height * (PPM - requested) // PPM
        box = stood(at, *sized(kept, PPM, at.span, canvas.width, canvas.height), canvas.width, canvas.height)
        part = np.ascontiguousarray(out[box.y : box.y + box.h, box.x : box.x + box.w])
        out[...] = resized(part, canvas.width, canvas.height)
        mask[...] = 255
        mask[box.y : box.y + box.h, box.x : box.x + box.w] = 0
        return self._record(canvas.hidden(mask), ("partial-crop",), (box,), requested)

    def _record(self, hidden: int, names: tuple[str, ...], boxes: tuple[Box, ...], requested: int) -> Record:
        whole = self.canvas.whole
        realised = (2 * PPM * hidden + whole) // (2 * whole) if whole else 0
        note = "unreachable" if abs(realised - requested) > REACHED else ""
        arm = self.arm
        return Record(self.key, arm.occluder, arm.placement, names, boxes, requested, realised, note)


def _darken(out: Pixels, alpha: Pixels, box: Box, strength: int) -> None:
    """Lay the shadow of a shape on the image: wider than the shape, a little lower."""
    radius = max(1, min(box.w, box.h) // 12)
    dark = shadow(alpha, strength, radius)
    whole = Box(box.x - radius, box.y - radius + radius // 2, box.w + 2 * radius, box.h + 2 * radius)
    seen = whole.clipped(out.shape[1], out.shape[0])
    part = dark[seen.y - whole.y : seen.y - whole.y + seen.h, seen.x - whole.x : seen.x - whole.x + seen.w]
    over(out, part, seen)
