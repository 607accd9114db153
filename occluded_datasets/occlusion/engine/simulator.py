"""The simulator: from an image and its key to the occluded image, the mask and the record."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import UsageError
from ...hashing import pixel_digest
from ..recipes.keys import PPM, Key, below, draw_choice
from ..recipes.recipe import POOLED, Branch, Recipe
from ..sources.occluders import PLAIN, Items
from ..sources.pool import Pool
from .application import Application, OccluderSources, Record
from .fitting import CoverageCanvas

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

LEAST_SIDE = 8
"""Shortest side of an image, pixels."""

PATIENCE = 4096
"""Pictures that a simulator occludes before it loads the compiled kernel, which takes seconds the first time."""


class Occluded(NamedTuple):
    """An image, shape (H, W, 3); its mask, shape (H, W), 255 where it is occluded, else 0; and the record."""

    image: Pixels
    mask: Pixels
    record: Record


class OccludedBatch(NamedTuple):
    """Pictures, shape (N, H, W, 3), masks, shape (N, H, W), and N records."""

    images: Pixels
    masks: Pixels
    records: list[Record]


class Simulator:
    """Occludes images; the same call gives the same pixels anywhere, in any order.

    Parameters
    ----------
    recipe : str, path, mapping or Recipe
        A preset's name, or what `Recipe.of` takes.
    seed : int
        The base seed.
    pool : Pool, optional
        Training images that ``person``, ``other-background`` and ``strip`` are cut from.
    bank : Bank, optional
        Cut-outs for ``bank``; by default the drawn one.

    Raises
    ------
    UsageError
        If the recipe needs a pool and there is none, or a bank has nothing to choose from.

    Examples
    --------
    >>> import numpy as np
    >>> out = Simulator("afpb", seed=7)(np.zeros((128, 64, 3), np.uint8))
    >>> out.image.shape, out.mask.shape, out.record.occluder
    ((128, 64, 3), (128, 64), 'self-background')
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
        seed: int = 0,
        pool: Pool | None = None,
        bank: Items | None = None,
    ) -> None:
        self.recipe = Recipe.of(recipe)
        self.seed, self.pool, self.bank = seed, pool, bank
        self._done = 0
        if type(seed) is not int or seed < 0:
            raise UsageError(f"seed: expected a whole number of 0 or more, found {seed!r}.")
        needy = sorted(self.recipe.kinds & set(POOLED))
        if needy and pool is None:
            raise UsageError(
                f"{self.recipe.name}: {', '.join(needy)} is cut from other training pictures.",
                "Expected a pool of them, found none.",
                "give pool=Pool.of(manifest), or --pool MANIFEST",
            )
        if "bank" in self.recipe.kinds and bank is None:
            self.bank = _drawn()
        self._weights = tuple(arm.weight for arm in self.recipe.arms)
        self._sources = [OccluderSources(pool, self.bank, _choice(self.bank, arm)) for arm in self.recipe.arms]

    def __call__(
        self,
        image: Pixels,
        key: str | None = None,
        copy: int = 0,
        *,
        occurrence: int = 0,
        pid: int | None = None,
        person: Pixels | None = None,
    ) -> Occluded:
        """Return the occluded image; the one given is left as it is.

        Parameters
        ----------
        image : numpy.ndarray
            Shape (H, W, 3), dtype uint8, RGB.
        key : str, optional
            The image's pixel_sha256; computed where not given.
        copy, occurrence : int
            Which of the image's versions: a copy or epoch, and how often it was met within it.
        pid : int, optional
            The identity, in the pool's set: it never occludes itself.
        person : numpy.ndarray, optional
            Shape (H, W), uint8: 255 where the person is. The fraction of recipes with ``of: person`` is of it.

        Raises
        ------
        UsageError
            If shapes or types are others, or the image is smaller than 8 pixels on a side.
        """
        _check(image, person)
        out = np.array(image, order="C")
        mask = np.zeros(out.shape[:2], np.uint8)
        return Occluded(out, mask, self._occlude(out, mask, key or pixel_digest(out), copy, occurrence, pid, person))

    def batch(
        self,
        images: Pixels | Sequence[Pixels],
        keys: Sequence[str] | None = None,
        copies: Sequence[int] | int = 0,
        *,
        occurrences: Sequence[int] | int = 0,
        pids: Sequence[int | None] | None = None,
        persons: Sequence[Pixels] | None = None,
        out: tuple[Pixels, Pixels] | None = None,
    ) -> OccludedBatch:
        """Return images of one size occluded, each with the same pixels as in a single call.

        Parameters
        ----------
        images : numpy.ndarray or sequence of numpy.ndarray
            Shape (N, H, W, 3), dtype uint8.
        keys : sequence of str, optional
            One pixel_sha256 an image.
        copies, occurrences : sequence of int or int
            One an image, or one for all.
        pids : sequence of int or None, optional
            One identity an image, None where it is not known.
        persons : sequence of numpy.ndarray, optional
            One mask an image, shape (H, W).
        out : tuple of numpy.ndarray, optional
            Where to put images, which may be `images` themselves, and masks; C-contiguous.

        Examples
        --------
        >>> import numpy as np
        >>> sim = Simulator("random-erasing", seed=7)
        >>> pictures = np.zeros((2, 128, 64, 3), np.uint8)
        >>> done = sim.batch(pictures, copies=[0, 1])
        >>> bool((done.images[1] == sim(pictures[1], copy=1).image).all())
        True
        """
        if len({one.shape for one in images}) > 1:
            raise UsageError("images: expected pictures of one size.", "Found several.", "call the simulator for each")
        if out is None:
            done = np.array(images, order="C")
            masks = np.zeros(done.shape[:3], np.uint8)
        else:
            done, masks = out
            if done is not images:
                np.copyto(done, images)
            masks.fill(0)
        count = len(done)
        for name, given in (("keys", keys), ("copies", copies), ("occurrences", occurrences), ("pids", pids)):
            if given is not None and not isinstance(given, int) and len(given) != count:
                raise UsageError(f"{name}: expected {count}, one a picture, found {len(given)}.")
        records = []
        for index in range(count):
            own = None if persons is None else persons[index]
            if index == 0 or own is not None:
                _check(done[index], own)
            records.append(
                self._occlude(
                    done[index],
                    masks[index],
                    pixel_digest(done[index]) if keys is None else keys[index],
                    copies if isinstance(copies, int) else int(copies[index]),
                    occurrences if isinstance(occurrences, int) else int(occurrences[index]),
                    None if pids is None or (pid := pids[index]) is None else int(pid),
                    own,
                )
            )
        return OccludedBatch(done, masks, records)

    def _occlude(
        self,
        out: Pixels,
        mask: Pixels,
        picture: str,
        copy: int,
        occurrence: int,
        pid: int | None,
        person: Pixels | None,
    ) -> Record:
        """Occlude `out` in place, write its mask into zeros, and return the record."""
        key = Key(self.seed, picture, copy, occurrence)
        words = key.words("shape")
        recipe = self.recipe
        if recipe.probability < PPM and below(words[0], PPM) >= recipe.probability:
            return Record(key)
        number = draw_choice(words[1], self._weights)
        arm = recipe.arms[number]
        if arm.of == "person" and person is None:
            raise UsageError(
                f"{recipe.name}: the fraction is of the person, and the picture came without a mask.",
                "Expected person=MASK, shape (H, W).",
                "give masks, or say of: box",
            )
        canvas = CoverageCanvas.of(out.shape[1], out.shape[0], person if arm.of == "person" else None)
        self._done += 1
        kernel = _kernel() if self._done > PATIENCE and arm.occluder not in PLAIN else None
        work = Application(key, arm, canvas, self._sources[number], pid, kernel)
        if arm.occluder == "random-erasing":
            return work.erase(out, mask)
        if arm.occluder == "partial-crop":
            return work.crop(out, mask, words)
        return work.cover(out, mask, words)


def _check(image: Any, person: Any) -> None:
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
        raise UsageError("image: not a picture.", f"Expected a uint8 array of shape (H, W, 3), found {found}.")
    if min(image.shape[:2]) < LEAST_SIDE:
        raise UsageError(
            f"image: {image.shape[1]}x{image.shape[0]} pixels are too few to occlude.",
            f"Expected {LEAST_SIDE} or more on each side.",
        )
    if person is not None and (person.dtype != np.uint8 or person.shape != image.shape[:2]):
        raise UsageError(
            "person: not the picture's mask.",
            f"Expected uint8 of shape {image.shape[:2]}, found {person.dtype} {person.shape}.",
        )


def _choice(bank: Items | None, arm: Branch) -> tuple[int, ...]:
    """Return which items of the bank an arm may take."""
    if bank is None or arm.occluder != "bank":
        return ()
    kinds = [bank[index].kind for index in range(len(bank))]
    wanted = arm.options["kinds"]
    items = tuple(index for index, kind in enumerate(kinds) if not wanted or kind in wanted)
    if not items:
        raise UsageError(
            "The bank has nothing to choose from.",
            f"Expected items of {', '.join(wanted) or 'any class'}, found {', '.join(sorted(set(kinds))) or 'none'}.",
            "occreid-prepare bank list BANK",
        )
    return items


@cache
def _kernel() -> Any:
    """Return the compiled kernel, or None without numba."""
    try:
        from . import compiled as kernel
    except ImportError:
        return None
    return kernel


def _drawn() -> Items:
    """Return the licence-free bank."""
    from ..sources.bank import Bank

    bank: Items = Bank.drawn()
    return bank
