"""Samplers whose order is a function of (seed, epoch), so that every rank and every resume agrees on it.

No random state is kept anywhere: an order is sorted by keyed hashes (`occluded_datasets.hashing.key`). Batches of the
whole run are made first and then dealt to the ranks, so ranks share no index.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..hashing import key
from ..occlusion.training.visits import whole
from .checks import LABELLED, require_labels, require_one_numbering
from .groups import by_body, by_camera, filled, pieces
from .rows import BODIES, HELP

if TYPE_CHECKING:
    import numpy.typing as npt

    from .datasets import ReidDataset

FULL = BODIES.index("full")
HIDDEN = (BODIES.index("occluded"), BODIES.index("partial"))


class EpochSampler:
    """Batches of indices in an order that (seed, epoch) alone decide; each iteration gives one rank's share.

    It is a batch sampler: give it to a ``DataLoader`` as ``batch_sampler=``, or use `loader`. A rank's batches are
    disjoint from the others' and as many; what cannot be dealt evenly is left out of the epoch. With ``shuffle=False``
    nothing is left out: the ranks' shares, one behind the other, are the dataset's own order.

    Parameters
    ----------
    dataset : ReidDataset or PairedOcclusionDataset
        Its pixel_sha256 and index decide the order, so renaming files does not.
    batch_size : int
        Images a batch on one rank.
    seed : int
        Another seed, another order.
    shuffle : bool
        False: the dataset's own order, every index once; seed and epoch change nothing.
    rank, world : int, optional
        Of the distributed run; by default torch.distributed's where it is started, else 0 of 1.

    Raises
    ------
    UsageError
        If the dataset has no images' digests, a number is none, there are fewer images than ranks, images without
        a label would be shuffled into training, or its labels mean different identities.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> data = SimpleNamespace(pixel_sha256=["aa", "bb", "cc", "dd", "ee"])
    >>> sampler = EpochSampler(data, 2, seed=7, rank=0, world=1)
    >>> [len(batch) for batch in sampler], sorted(index for batch in sampler for index in batch)
    ([2, 2, 1], [0, 1, 2, 3, 4])
    >>> list(EpochSampler(data, 2, shuffle=False, rank=0, world=1))
    [[0, 1], [2, 3], [4]]
    """

    _keeps_unlabelled = True

    def __init__(
        self,
        dataset: Any,
        batch_size: int,
        seed: int = 0,
        *,
        shuffle: bool = True,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        self.batch_size, self.seed = whole(batch_size, "batch_size", least=1), whole(seed, "seed")
        self.shuffle = flag(shuffle, "shuffle")
        self.rank, self.world = _ranks(rank, world)
        require_one_numbering(dataset, "dataset")
        self._pixels = _column(dataset, "pixel_sha256")
        if self.shuffle and self._keeps_unlabelled:
            require_labels(dataset, "dataset", f"{LABELLED}; or shuffle=False, for features")
        self._epoch = self._skip = 0
        self._made: tuple[int, list[list[int]]] = (-1, [])
        if len(self._pixels) < self.world:
            raise UsageError(
                f"{len(self._pixels)} pictures: fewer than the {self.world} ranks.", "Each rank needs one.", HELP
            )

    @property
    def epoch(self) -> int:
        """The epoch at present."""
        return self._epoch

    @property
    def received(self) -> int:
        """How many batches the next iteration leaves out, because they were received before it was resumed."""
        return self._skip

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch from its start."""
        self._epoch, self._skip = whole(epoch, "epoch"), 0

    def batches(self) -> list[list[int]]:
        """Return all batches of this rank in this epoch, whatever was resumed."""
        if self._made[0] != self._epoch:
            self._made = (self._epoch, self._share())
        return self._made[1]

    def _share(self) -> list[list[int]]:
        order = np.arange(len(self._pixels))
        if self.shuffle:
            order = self._order(order)
            own = order[: len(order) - len(order) % self.world][self.rank :: self.world].tolist()
        else:
            own = np.array_split(order, self.world)[self.rank].tolist()
        return [own[start : start + self.batch_size] for start in range(0, len(own), self.batch_size)]

    def _order(self, indices: npt.NDArray[np.int64], purpose: str = "picture") -> npt.NDArray[np.int64]:
        """Return indices, given ascending, in this epoch's keyed order; equal images by their index."""
        keys = (key(self.seed, purpose, self._epoch, self._pixels[index]) for index in indices.tolist())
        # An array: a million keys as Python's bytes would be five times as much, of which workers forked later see a
        # heap full of holes.
        return indices[np.argsort(np.fromiter(keys, "S32", len(indices)), kind="stable")]

    def __iter__(self) -> Iterator[list[int]]:
        """Yield batches of indices; after `load_state_dict`, those that were not received yet."""
        skip, self._skip = self._skip, 0
        yield from self.batches()[skip:]

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch of one rank."""
        return len(self.batches())

    def state_dict(self, received: int) -> dict[str, Any]:
        """Return where an epoch stands after `received` batches, ready for JSON.

        Workers load ahead, so only who receives the batches can count them.
        """
        return {**self._own(), "epoch": self._epoch, "received": whole(received, "received")}

    def _own(self) -> dict[str, Any]:
        return {
            "sampler": type(self).__name__,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "world": self.world,
            "shuffle": self.shuffle,
            "pictures": len(self._pixels),
            "set": self._set,
        }

    @cached_property
    def _set(self) -> str:
        """A digest of the images in their order: another set with as many is another one."""
        digest = hashlib.sha256()
        for index in range(len(self._pixels)):
            digest.update(self._pixels[index].encode())
        return digest.hexdigest()[:16]

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` stood: the next iteration gives the rest of that epoch.

        Raises
        ------
        UsageError
            If the state is of another sampler, order, seed, batch size, world size or set.
        """
        if not isinstance(state, Mapping):
            raise UsageError("The state is not of this sampler.", f"Found {type(state).__name__}.", HELP)
        own, state = self._own(), {"shuffle": True, **state}  # earlier versions only shuffled, and did not write it
        differing = {name: state.get(name) for name, value in own.items() if state.get(name) != value}
        if differing:
            expected = {name: own[name] for name in differing}
            raise UsageError(
                "The state is not of this sampler.", f"Expected {expected}, found {differing}.", "begin the epoch again"
            )
        epoch, received = (whole(state.get(name), f"The state's {name}") for name in ("epoch", "received"))
        if received > len(self):
            raise UsageError(
                "The state is not of this sampler.", f"Expected {len(self)} batches or fewer, found {received}."
            )
        self._epoch, self._skip = epoch, received


class RandomIdentitySampler(EpochSampler):
    """Batches of `identities` people with `instances` images each, as triplet losses need them.

    Each person's images, in keyed order, are cut into groups of `instances`; a person with fewer repeats them, and a
    rest that fills no group waits for another epoch. No batch has a person twice, no image is in two groups, and the
    epoch ends when fewer people than `identities` have a group left; every epoch has the same number of batches.

    Parameters
    ----------
    dataset : ReidDataset or PairedOcclusionDataset
        Rows whose pid stands for no one are left out.
    identities, instances : int
        People a batch, and images a person.
    seed : int
        Another seed, another order.
    body_aware : bool
        Each group of a person who has both holds at least one full-body image and one occluded or partial one. A
        person then has only as many groups as the rarer kind allows.
    camera_aware : bool
        Each group's images are from as many different cameras as it can hold: `instances`, or all that the person was
        seen by. A person then has only as many groups as that allows. Not together with `body_aware`.
    rank, world : int, optional
        As of `EpochSampler`.

    Raises
    ------
    UsageError
        If there are fewer people than `identities`, too few groups for one batch on each rank, or images without a
        real camera where groups are camera-aware.

    Examples
    --------
    >>> import numpy as np
    >>> from types import SimpleNamespace
    >>> data = SimpleNamespace(
    ...     pixel_sha256=["aa", "bb", "cc", "dd", "ee"], labels=np.array([0, 0, 1, 1, 1]), bodies=np.zeros(5, np.uint8)
    ... )
    >>> [batch] = RandomIdentitySampler(data, 2, 2, rank=0, world=1)
    >>> data.labels[batch].tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])
    True
    """

    _keeps_unlabelled = False

    def __init__(
        self,
        dataset: ReidDataset | Any,
        identities: int = 16,
        instances: int = 4,
        seed: int = 0,
        *,
        body_aware: bool = False,
        camera_aware: bool = False,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        if body_aware and camera_aware:
            raise UsageError(
                "body_aware and camera_aware: expected one of the two.",
                "A person's only occluded picture and only full-body one may be of one camera.",
                "leave one of them out",
            )
        self.identities = whole(identities, "identities", least=1)
        self.instances = whole(instances, "instances", least=1)
        self.body_aware, self.camera_aware = bool(body_aware), bool(camera_aware)
        if self.instances < 2 and (body_aware or camera_aware):
            raise UsageError(
                f"instances {instances}: too few.",
                "Expected 2 or more instances where groups are aware of bodies or cameras.",
                HELP,
            )
        super().__init__(dataset, self.identities * self.instances, seed, rank=rank, world=world)
        labels = np.asarray(_column(dataset, "labels"))
        self._bodies = np.asarray(_column(dataset, "bodies")) if body_aware else None
        self._cameras = _cameras(dataset, labels) if camera_aware else None
        order = np.argsort(labels, kind="stable")
        order = order[labels[order] >= 0]
        cuts = np.flatnonzero(np.diff(labels[order])) + 1
        self._people = [own for own in np.split(order, cuts) if len(own)]
        if len(self._people) < identities:
            raise UsageError(
                f"identities={identities}: the rows have fewer people.",
                f"Expected {identities} or more, found {len(self._people)}.",
                f"give identities={max(1, len(self._people))} or less",
            )
        if not self.batches():
            raise UsageError(
                f"There are fewer batches than the {self.world} ranks.",
                f"{len(self._people)} people give too few groups of {self.instances}, {self.identities} a batch.",
                "give fewer identities= or instances=",
            )

    def _own(self) -> dict[str, Any]:
        aware = {"body_aware": self.body_aware, "camera_aware": self.camera_aware}
        return {**super()._own(), "instances": self.instances, **aware}

    def _share(self) -> list[list[int]]:
        batches = self._deal()
        whole = len(batches) - len(batches) % self.world
        return [[*chain(*batch)] for batch in batches[:whole][self.rank :: self.world]]

    def _deal(self) -> list[list[list[int]]]:
        """Return the batches of all ranks, each a list of groups of different people.

        Who has most groups left comes next, equals in keyed order: so every epoch has the same number of batches, the
        largest that can be. Those people would come first, so the batches are put in keyed order then.
        """
        groups = [self._groups(person, own) for person, own in enumerate(self._people)]
        heap = [self._turn(person, len(own)) for person, own in enumerate(groups) if own]
        heapq.heapify(heap)
        batches: list[list[list[int]]] = []
        while len(heap) >= self.identities:
            chosen = [heapq.heappop(heap)[2] for _ in range(self.identities)]
            batches.append([groups[person].pop() for person in chosen])
            for person in chosen:
                if groups[person]:
                    heapq.heappush(heap, self._turn(person, len(groups[person])))
        order = sorted(range(len(batches)), key=lambda number: key(self.seed, "batch", self._epoch, number))
        return [batches[number] for number in order]

    def _turn(self, person: int, left: int) -> tuple[int, bytes, int]:
        return -left, key(self.seed, "turn", self._epoch, f"{person}|{left}"), person

    def _groups(self, person: int, own: npt.NDArray[np.int64]) -> list[list[int]]:
        order = filled(self._order(own).tolist(), self.instances)
        if self._cameras is not None:
            cameras = self._cameras
            return by_camera(
                order,
                self.instances,
                lambda index: int(cameras[index]),
                lambda camera: key(self.seed, "camera", self._epoch, f"{person}|{camera}"),
            )
        if self._bodies is not None:
            hidden = [index for index in order if self._bodies[index] in HIDDEN]
            full = [index for index in order if self._bodies[index] == FULL]
            if hidden and full:
                return by_body(order, self.instances, full, hidden)
        return pieces(order, self.instances)


def flag(value: Any, name: str) -> bool:
    """Return `value` as a bool.

    Raises
    ------
    UsageError
        If it is none: None would count as False, and "no" as True.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise UsageError(f"{name} {value!r}: expected True or False.")
    return bool(value)


def _column(dataset: Any, name: str) -> Any:
    """Return what a dataset knows of its rows; of pairs, their training set may know it."""
    for known in (dataset, getattr(dataset, "train", None)):
        if hasattr(known, name):
            return getattr(known, name)
    raise UsageError(
        f"dataset: expected a ReidDataset or a PairedOcclusionDataset; a sampler needs its {name}.",
        f"Found {type(dataset).__name__}.",
        "give a part of a set as rows: ReidDataset(rows, manifest=m)",
    )


def _cameras(dataset: Any, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    cameras = np.asarray(_column(dataset, "camids"))
    somebody = labels >= 0
    lacking = int((cameras[somebody] < 0).sum())
    if lacking:
        raise UsageError(
            f"camera_aware: {lacking:,} of {int(somebody.sum()):,} pictures have no real camera.",
            "Expected a recorded camera with every picture of a person; many sets publish none.",
            "leave camera_aware= out",
        )
    return cameras


def _ranks(rank: int | None, world: int | None) -> tuple[int, int]:
    if rank is None and world is None:
        rank, world = _distributed()
    if rank is None or world is None:
        raise UsageError(f"rank {rank}, world {world}: expected both.", "", "give both, or neither under torchrun")
    rank, world = whole(rank, "rank"), whole(world, "world", least=1)
    if rank >= world:
        raise UsageError(f"rank {rank}, world {world}: expected the rank below the world.", "They count from 0.", HELP)
    return rank, world


def _distributed() -> tuple[int, int]:
    try:
        from torch import distributed
    except ImportError:
        return 0, 1
    started = distributed.is_available() and distributed.is_initialized()
    return (distributed.get_rank(), distributed.get_world_size()) if started else (0, 1)
