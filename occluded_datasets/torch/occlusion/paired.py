"""`PairedOcclusionDataset`: the clean image, its occluded twin and the mask, as methods that need both take them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ...errors import InputError, UsageError
from ...occlusion import Pool, Recipe
from ...occlusion.sources.occluders import Items
from ...occlusion.training.base import Chance, Visits, record_dict
from ..datasets import ReidDataset, require_torch, whole_indices
from ..rows import HELP, Digests
from .dataset import VIEWS, occlude


class PairedOcclusionDataset:
    """A training set with each image twice: as it is, and with something in front.

    A sample is a mapping: ``clean``, ``occluded``, ``mask`` (uint8, (H, W), 255 where occluded), ``fraction``,
    ``occluders`` (their ids, ``;`` between them), ``record``, and ``pid``, ``label``, ``camid``, ``body``, ``image_id``
    and ``index`` of the row. What is occluded hangs on (seed, pixels, epoch, visit), as of `od.torch.occlude`, which
    does the work: the same for any workers, ranks and resume.

    Parameters
    ----------
    train : ReidDataset
        Without a transform: both views must be whole and uint8 when one is occluded. Every row needs a label.
    recipe, seed, p, pool, bank
        As of `Occlude`; `p` may be a function of the epoch.
    views : sequence of str
        Of ``clean``, ``occluded`` and ``mask``; ``("occluded",)`` is occlusion as augmentation, at less than half the
        memory.
    transform : callable, optional
        Given the mapping of the views, returns the one that takes its place: so one crop can
        be made of all three.

    Examples
    --------
    >>> import occluded_datasets as od, tempfile
    >>> from occluded_datasets.torch import ReidDataset
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> built = od.build("partial-reid", tree, folder, allow_subset=True)
    >>> train = ReidDataset("partial-reid", size=(128, 64), kind="array", root=folder, split="all")
    >>> pair = PairedOcclusionDataset(train, "afpb", seed=7)[20]
    >>> pair["clean"].shape, pair["mask"].shape, pair["body"], 0 < pair["fraction"] < 1
    ((128, 64, 3), (128, 64), 'full', True)
    """

    def __init__(
        self,
        train: ReidDataset,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
        seed: int = 0,
        *,
        p: Chance = None,
        pool: Pool | None = None,
        bank: Items | None = None,
        views: Sequence[str] = VIEWS,
        transform: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> None:
        if not isinstance(train, ReidDataset) or train.transform or train.as_tuple:
            found = type(train).__name__ if not isinstance(train, ReidDataset) else "one with transform= or as_tuple="
            raise UsageError("train: expected a ReidDataset of plain samples.", f"Found {found}.", HELP)
        self.train, self._transform = train, transform
        self._pairs = occlude(
            train, recipe, seed, views=views, image="image", p=p, pool=pool, bank=bank, transform=transform
        )

    @property
    def labels(self) -> Any:
        """As of the training set."""
        return self.train.labels

    @property
    def bodies(self) -> Any:
        """As of the training set."""
        return self.train.bodies

    @property
    def pixel_sha256(self) -> Digests:
        """As of the training set."""
        return self.train.pixel_sha256

    @property
    def epoch(self) -> int:
        """The epoch at present."""
        return self._pairs.epoch

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch, in every worker."""
        self._pairs.set_epoch(epoch)

    def state_dict(self, delivered: Iterable[int] | None = None) -> dict[str, Any]:
        """Return where the epoch stands, after the indices that were received in it."""
        return self._pairs.state_dict(delivered)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` stood."""
        self._pairs.load_state_dict(state)

    def __len__(self) -> int:
        return len(self.train)

    @property
    def batched(self) -> bool:
        """Whether `batch` makes a batch as a whole."""
        return self.train.batched and not self._transform

    def meet(self, indices: Sequence[int]) -> Visits:
        """Count a visit of each index: `batch` makes what these visits show, whoever calls it, and when."""
        return self._pairs.meet(whole_indices(indices, len(self)))

    def batch(self, indices: Sequence[int], met: Visits | None = None) -> Any:
        """Return a batch: the same as collating the samples, images channels last in memory.

        Parameters
        ----------
        indices : sequence of int
            Of the training set.
        met : tuple, optional
            What `meet` returned for them; by default they are met now.
        """
        torch = require_torch("batch")
        if not self.batched:
            return torch.utils.data.default_collate(self.__getitems__(indices))
        indices = whole_indices(indices, len(self))
        epoch, visits = self.meet(indices) if met is None else met
        at, clean = self.train.gathered(indices)
        if len(at) < len(indices):
            visits = _left(at.tolist(), indices, visits)
        done = self._pairs.occluded(clean, at.tolist(), (epoch, visits))
        record = torch.utils.data.default_collate([record_dict(one) for one in done.records])
        made = {"clean": clean, "occluded": done.images, "mask": done.masks}
        views = {view: torch.from_numpy(made[view]) for view in self._pairs.views}
        return {
            **{view: one if view == "mask" else one.permute(0, 3, 1, 2) for view, one in views.items()},
            "fraction": record["occluded_fraction"],
            "record": record,
            "occluders": record["occluders"],
            **self.train.facts(at),
        }

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return the pair at `index`."""
        sample = self._pairs[index]
        extra = sample.pop("occlusion")
        del sample["image"]
        return {**extra, "occluders": extra["record"]["occluders"], **sample}

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Return several pairs; an image that cannot be read is left out where the training set skips."""
        found = []
        for index in indices:
            try:
                found.append(self[index])
            except InputError:
                if not self.train.skip(index):
                    raise
        if not found:
            raise InputError(
                f"None of {len(indices)} pictures of a batch can be read.", "", "occreid-prepare verify MANIFEST --full"
            )
        return found


def _left(found: Sequence[int], indices: Sequence[int], visits: Sequence[int]) -> list[int]:
    """Return the visits of the indices that were found; both are in one order."""
    rest = iter(zip(indices, visits, strict=True))
    return [next(visit for index, visit in rest if index == one) for one in found]
