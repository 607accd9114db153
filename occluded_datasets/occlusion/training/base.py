"""What every transform shares: a simulator that knows by itself which version of an image is due."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UsageError
from ...hashing import pixel_digest
from ..engine.application import Record
from ..engine.simulator import Occluded, OccludedBatch, Simulator
from ..recipes.keys import PPM
from ..recipes.recipe import Recipe
from ..sources.occluders import Items
from ..sources.pool import Pool
from .visits import PICTURES, VisitCounter

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

Visits = tuple[int, Sequence[int]]
"""The epoch, and how often each of several images was met before in it."""

Chance = float | Callable[[int], float] | None
"""A probability, a pure function from the epoch to one, or None for the recipe's."""


class EpochTransform:
    """A simulator with an epoch and counts in shared memory; the base of the transforms.

    The version of an image hangs on the seed, its pixels, the epoch and how often it was met before within the epoch.
    The epoch becomes the ``copy`` of `Simulator`, the count its ``occurrence``. Worker processes share both.

    Parameters
    ----------
    recipe : str, path, mapping or Recipe
        A preset's name, or what `Recipe.of` takes.
    seed : int
        The base seed.
    p : float or callable, optional
        Replaces the recipe's probability; a function is given the epoch, and must return the same each time.
    pool, bank : Pool, Bank, optional
        As of `Simulator`. An image that is in the pool itself is known by its pixels, and its identity never occludes
        it.
    capacity : int
        As of `VisitCounter`.
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
        seed: int = 0,
        *,
        p: Chance = None,
        pool: Pool | None = None,
        bank: Items | None = None,
        capacity: int = PICTURES,
    ) -> None:
        self._tally = VisitCounter(capacity)
        self._base = Simulator(recipe, seed, pool, bank)
        self._p = p
        self._people = {one.pixel_sha256: pid for pid, own in pool.people.items() for one in own} if pool else {}
        self._due: tuple[float | None, Simulator] = (None, self._base)
        self._simulator(0)

    @property
    def epoch(self) -> int:
        """The epoch at present."""
        return self._tally.epoch

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, in every worker: its images are others, and counts start anew.

        Call it in the main process before each epoch, as for a ``DistributedSampler``. Without it counts go on, so
        that a second epoch still differs from the first. Persistent workers must have finished the last epoch: what
        they loaded ahead of a ``break`` would be counted in the new one.
        """
        self._tally.start(epoch)

    def state_dict(self, delivered: Iterable[Any] | None = None) -> dict[str, Any]:
        """Return where the epoch stands, ready for JSON, so that it can be resumed in its middle.

        Parameters
        ----------
        delivered : iterable, optional
            What was received in this epoch so far: pixel_sha256 digests, or for a dataset its indices. Worker
            processes load ahead, and what was loaded and never received must not count; so with workers, name them.
        """
        state = self._tally.state()
        if delivered is not None:
            counts: dict[int, int] = {}
            for key in map(self._counted, delivered):
                counts[key] = counts.get(key, 0) + 1
            state["counts"] = sorted([key, count] for key, count in counts.items())
        return {"recipe": self._base.recipe.id, "seed": self._base.seed, **state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` stood.

        Raises
        ------
        UsageError
            If the state is of another recipe or seed, or is none.
        """
        own = {"recipe": self._base.recipe.id, "seed": self._base.seed}
        found = {name: state.get(name) for name in own}
        if found != own:
            raise UsageError("The state is not of this transform.", f"Expected {own}, found {found}.")
        try:
            counts = [(int(key), int(count)) for key, count in state["counts"]]
            epoch = state["epoch"]
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError("The state is not whole.", "Expected what state_dict returns.") from error
        self._tally.load(epoch, counts)

    def _occlude(
        self,
        image: Pixels,
        key: str | None = None,
        *,
        counted: int | None = None,
        pid: int | None = None,
        person: Pixels | None = None,
    ) -> Occluded:
        """Return the version that is due of an image, shape (H, W, 3); `counted` is what to count it by."""
        if key is None:
            key = _digest(image)
        epoch, occurrence = self._tally.meet(short(key) if counted is None else counted)
        known = self._people.get(key) if pid is None else pid
        return self._simulator(epoch)(image, key, epoch, occurrence=occurrence, pid=known, person=person)

    def _occlude_all(
        self, images: Pixels, keys: Sequence[str], met: Visits, pids: Sequence[int | None], out: tuple[Pixels, Pixels]
    ) -> OccludedBatch:
        """Return the versions of images, shape (N, H, W, 3), that `Tally.meet_all` says are due."""
        epoch, occurrences = met
        known = [self._people.get(key) if pid is None else pid for key, pid in zip(keys, pids, strict=True)]
        return self._simulator(epoch).batch(images, keys, epoch, occurrences=occurrences, pids=known, out=out)

    def _counted(self, item: Any) -> int:
        """Return what an item of `delivered` is counted by."""
        if not isinstance(item, str):
            raise UsageError("delivered: expected pixel_sha256 digests.", f"Found {item!r}.")
        return short(item)

    def _simulator(self, epoch: int) -> Simulator:
        """Return the simulator with the probability of an epoch; the last one is kept."""
        chance = self._p(epoch) if callable(self._p) else self._p
        due = self._due  # once: other threads may begin another epoch
        if chance != due[0]:
            if isinstance(chance, bool) or not isinstance(chance, (int, float)) or not 0 <= chance <= 1:
                raise UsageError(f"p: expected a number from 0 to 1, found {chance!r}.", f"The epoch is {epoch}.")
            base = self._base
            recipe = Recipe.of(base.recipe, probability=float(chance))
            self._due = due = (chance, Simulator(recipe, base.seed, base.pool, base.bank))
        return due[1]

    def __repr__(self) -> str:
        chance = "" if self._p is None else f", p={self._p!r}"
        return f"{type(self).__name__}({self._base.recipe.id!r}, seed={self._base.seed}{chance})"


def short(key: str) -> int:
    """Return 64 bits that stand for an image's key."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


def _digest(image: Any) -> str:
    """Return the pixel_sha256 of what may be an image; of what is none, nothing: the simulator says what is wrong."""
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        return ""
    return pixel_digest(np.ascontiguousarray(image))


def record_dict(record: Record) -> dict[str, Any]:
    """Return a record as a plain mapping of numbers and texts, which ``default_collate`` of PyTorch can batch.

    Several occluders and boxes are joined by ``;`` as in a manifest, a box is ``x:y:w:h`` in pixels.

    Examples
    --------
    >>> from occluded_datasets.occlusion import Box, Record
    >>> from occluded_datasets.occlusion.recipes.keys import Key
    >>> row = record_dict(Record(Key(7, "00"), "strip", "left", ("a", "b"), (Box(0, 0, 3, 9), Box(5, 0, 1, 9)), 250000))
    >>> row["occluders"], row["boxes"], row["requested_fraction"]
    ('a;b', '0:0:3:9;5:0:1:9', 0.25)
    """
    return {
        "seed": record.key.seed,
        "key": record.key.picture,
        "copy": record.key.copy,
        "occurrence": record.key.occurrence,
        "occluder": record.occluder,
        "placement": record.placement,
        "occluders": ";".join(record.occluders),
        "boxes": ";".join(":".join(map(str, box)) for box in record.boxes),
        "requested_fraction": record.requested / PPM,
        "occluded_fraction": record.realised / PPM,
        "note": record.note,
    }
