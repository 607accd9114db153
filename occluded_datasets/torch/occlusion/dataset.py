"""`occlude`: anybody's dataset, with clean, occluded and mask views beside its own sample."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import UnknownNameError, UsageError
from ...hashing import pixel_digest
from ...occlusion import OccludedBatch, Pool, Recipe
from ...occlusion.recipes.keys import PPM
from ...occlusion.sources.occluders import Items
from ...occlusion.training.base import Chance, EpochTransform, Visits, record_dict
from ..buffers import Buffers
from ..checks import require_labels, require_one_numbering
from ..images import opened

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

VIEWS = ("clean", "occluded", "mask")
HELP = "see docs/tasks/occlude-in-training.md"


class OccludedDataset(EpochTransform):
    """A dataset whose samples have occluded views beside them; made by `occlude`."""

    def __init__(
        self,
        dataset: Any,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe,
        seed: int,
        *,
        views: Sequence[str],
        image: int | str,
        into: str | None,
        transform: Callable[[dict[str, Any]], dict[str, Any]] | None,
        key: Callable[[int], str] | None,
        pid: Callable[[int], int | None] | None,
        p: Chance,
        pool: Pool | None,
        bank: Items | None,
    ) -> None:
        if not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
            found = type(dataset).__name__
            raise UsageError("dataset: expected one with __getitem__ and __len__.", f"Found {found}.", HELP)
        for view in (*views, *([into] if into else ())):
            if view not in VIEWS:
                raise UnknownNameError.of("view", view, VIEWS, HELP)
        if into and into not in views:
            raise UsageError(f"into={into!r}: expected one of the views {tuple(views)}.")
        require_one_numbering(dataset, "dataset")
        require_labels(dataset, "dataset")
        super().__init__(recipe, seed, p=p, pool=pool, bank=bank, capacity=max(1, len(dataset)))
        self.dataset, self.views, self._image = dataset, tuple(views), image
        self._buffers = Buffers()
        self._into, self._transform, self._key = into, transform, key
        self._pid = pid or getattr(dataset, "pid_of", None)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Return the sample of the dataset with a dict of views appended."""
        index = self._counted(index)
        sample = self.dataset[index]
        own = self._picture(sample)
        image = opened(own)
        pid = self._pid(index) if self._pid else None
        done = self._occlude(image.pixels, self._named(index), counted=index, pid=pid)
        made = {"clean": own, "occluded": image.picture(done.image), "mask": image.mask(done.mask)}
        extra = {view: made[view] for view in self.views}
        if self._transform:
            extra = self._transform(extra)
        if self._into:
            sample = self._put(sample, extra[self._into])
        return _appended(sample, {**extra, "fraction": done.record.realised / PPM, "record": record_dict(done.record)})

    def meet(self, indices: Sequence[int]) -> Visits:
        """Count a visit of each index, and return the epoch and how often each was visited before in it."""
        return self._tally.meet_all(map(self._counted, indices))

    def occluded(self, pixels: Pixels, indices: Sequence[int], met: Visits) -> OccludedBatch:
        """Return the images at `indices`, whose pixels are given, shape (N, H, W, 3), as those visits show them.

        They and their masks lie in memory that is used again once nobody holds it; where no clean view is asked for,
        the pixels given are written to.
        """
        keys = [self._named(index) or pixel_digest(one) for index, one in zip(indices, pixels, strict=True)]
        pids = [self._pid(index) for index in indices] if self._pid else [None] * len(keys)
        made = self._buffers.empty(pixels.shape, np.uint8) if "clean" in self.views else pixels
        return self._occlude_all(pixels, keys, met, pids, (made, self._buffers.empty(pixels.shape[:3], np.uint8)))

    def _counted(self, item: Any) -> int:
        """Return an index from 0 to the length, of one that may count from the end."""
        count = len(self.dataset)
        if isinstance(item, bool) or not hasattr(item, "__index__"):
            raise UsageError(f"index: expected a whole number, found {item!r}.", "Visits are counted by it.", HELP)
        index = int(item.__index__())
        if not -count <= index < count:
            raise IndexError(f"index {index}: the dataset has {count} samples")
        return index % count

    def _named(self, index: int) -> str | None:
        if self._key:
            return self._key(index)
        offered = getattr(self.dataset, "pixel_sha256", None)
        return None if offered is None else str(offered[index])

    def _picture(self, sample: Any) -> Any:
        if not isinstance(sample, (tuple, list, dict)):
            return sample
        try:
            return sample[self._image]  # type: ignore[index]
        except (KeyError, IndexError, TypeError) as error:
            has = f"keys {list(sample)}" if isinstance(sample, dict) else f"{len(sample)} items"
            raise UsageError(
                f"image={self._image!r}: not in the sample, a {type(sample).__name__} with {has}."
            ) from error

    def _put(self, sample: Any, picture: Any) -> Any:
        """Return the sample with `picture` where its own was."""
        if isinstance(sample, dict):
            return {**sample, self._image: picture}
        if not isinstance(sample, (tuple, list)):
            return picture
        items = list(sample)
        items[int(self._image)] = picture
        return items if isinstance(sample, list) else tuple(items)


def _appended(sample: Any, extra: dict[str, Any]) -> Any:
    if isinstance(sample, dict):
        return {**sample, "occlusion": extra}
    if isinstance(sample, list):
        return [*sample, extra]
    return (*sample, extra) if isinstance(sample, tuple) else (sample, extra)


def occlude(
    dataset: Any,
    recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
    seed: int = 0,
    *,
    views: Sequence[str] = VIEWS,
    image: int | str = 0,
    into: str | None = None,
    transform: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    key: Callable[[int], str] | None = None,
    pid: Callable[[int], int | None] | None = None,
    p: Chance = None,
    pool: Pool | None = None,
    bank: Items | None = None,
) -> OccludedDataset:
    """Return the dataset with a dict appended to each sample: the views, ``fraction`` and ``record``.

    A tuple or list gets one more item, a dict the key ``occlusion``. Views have the type of the sample's image, as
    `Occlude` takes it; the mask is uint8, (H, W), 255 where something stands in front. ``fraction`` is the realised
    occluded fraction, ``record`` plain numbers and texts that the default collation of PyTorch can batch.

    What is promised: within an epoch, the n-th visit of an index gives the same pixels for any number of workers,
    forked or spawned, persistent or not, in any order, and in any process of a distributed run whose ranks share no
    index; so an epoch is the same multiset of images and occlusions. Ranks count alone: where a sampler gives one
    index to two ranks (padding at the end), both make its first version. A second visit is another version.

    Parameters
    ----------
    dataset : map-style dataset
        With ``__getitem__`` and ``__len__``; its images must be whole and uint8, before random transforms.
    recipe, seed, p, pool, bank
        As of `Occlude`.
    views : sequence of str
        Of ``clean``, ``occluded`` and ``mask``.
    image : int or str
        Where in the sample the image is.
    into : str, optional
        A view that also takes the place of the sample's own image: ``occluded`` makes a training set of it.
    transform : callable, optional
        Given the dict of views, returns the dict that takes its place: so one crop can be made of all of them.
    key : callable, optional
        From an index to the image's pixel_sha256, which saves the hashing. By default ``dataset.pixel_sha256[index]``
        where there is such a thing, else the hash is computed.
    pid : callable, optional
        From an index to the identity in the pool's numbering (not a relabelled one). By default ``dataset.pid_of``
        where there is such a method, as a `ReidDataset` has it, else the identity is known by the pixels.

    Raises
    ------
    UsageError
        If it is no map-style dataset, there is no such view, or, later, no such image in a sample. Of a
        `ReidDataset`, also within PyTorch's Subset or ConcatDataset: if images have no label, or labels mean
        different identities.

    Examples
    --------
    >>> import numpy as np
    >>> data = [(np.zeros((128, 64, 3), np.uint8), 3), (np.ones((128, 64, 3), np.uint8), 4)]
    >>> picture, pid, extra = occlude(data, "afpb", seed=7)[1]
    >>> pid, sorted(extra), extra["mask"].shape
    (4, ['clean', 'fraction', 'mask', 'occluded', 'record'], (128, 64))
    """
    return OccludedDataset(
        dataset, recipe, seed, views=views, image=image, into=into, transform=transform, key=key, pid=pid, p=p,
        pool=pool, bank=bank,
    )  # fmt: skip
