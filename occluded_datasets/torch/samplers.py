"""Samplers whose order is a function of (seed, epoch), so that every rank and every resume agrees on it.

No random state is kept anywhere: an order is sorted by keyed hashes (`occluded_datasets.hashing.key`). Batches of the
whole run are made first and then dealt to the ranks, so ranks share no index.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from ..hashing import key
from .rows import BODIES, HELP

if TYPE_CHECKING:
    import numpy.typing as npt

    from .datasets import ReidDataset

FULL = BODIES.index("full")
HIDDEN = (BODIES.index("occluded"), BODIES.index("partial"))


class EpochSampler:
    """Batches of indices in an order that hangs on (seed, epoch) alone; each iteration gives one rank's share.

    It is a batch sampler: give it to a ``DataLoader`` as ``batch_sampler=``, or use `loader`. A rank's batches are
    disjoint from the others' and as many; what cannot be dealt evenly is left out of the epoch.

    Parameters
    ----------
    dataset : ReidDataset
        Its pixel_sha256 and index decide the order, so renaming files does not.
    batch_size : int
        Pictures a batch on one rank.
    seed : int
        Another seed, another order.
    rank, world : int, optional
        Of the distributed run; by default torch.distributed's where it is started, else 0 of 1.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> data = SimpleNamespace(pixel_sha256=["aa", "bb", "cc", "dd", "ee"])
    >>> sampler = EpochSampler(data, 2, seed=7, rank=0, world=1)
    >>> [len(batch) for batch in sampler], sorted(index for batch in sampler for index in batch)
    ([2, 2, 1], [0, 1, 2, 3, 4])
    """

    def __init__(
        self, dataset: Any, batch_size: int, seed: int = 0, *, rank: int | None = None, world: int | None = None
    ) -> None:
        if batch_size < 1:
            raise UsageError(f"batch_size {batch_size}: expected 1 or more.")
        self.batch_size, self.seed = batch_size, seed
        self.rank, self.world = _ranks(rank, world)
        self._pixels = dataset.pixel_sha256
        self._epoch = self._skip = 0
        self._made: tuple[int, list[list[int]]] = (-1, [])
        if len(self._pixels) < self.world:
            raise UsageError(f"{len(self._pixels)} pictures: fewer than the {self.world} ranks.")

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
        self._epoch, self._skip = epoch, 0

    def batches(self) -> list[list[int]]:
        """Return all batches of this rank in this epoch, whatever was resumed."""
        if self._made[0] != self._epoch:
            self._made = (self._epoch, self._share())
        return self._made[1]

    def _share(self) -> list[list[int]]:
        order = self._order(np.arange(len(self._pixels)))
        own = order[: len(order) - len(order) % self.world][self.rank :: self.world].tolist()
        return [own[start : start + self.batch_size] for start in range(0, len(own), self.batch_size)]

    def _order(self, indices: npt.NDArray[np.int64], purpose: str = "picture") -> npt.NDArray[np.int64]:
        """Return indices in this epoch's keyed order; equal pictures by their index."""
        keys = [
            (key(self.seed, purpose, self._epoch, self._pixels[index]), index) for index in map(int, indices)
        ]  # fmt: skip
        return np.array([index for _, index in sorted(keys)], np.int64)

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
        return {**self._own(), "epoch": self._epoch, "received": received}

    def _own(self) -> dict[str, Any]:
        return {
            "sampler": type(self).__name__,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "world": self.world,
            "pictures": len(self._pixels),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` stood: the next iteration gives the rest of that epoch.

        Raises
        ------
        UsageError
            If the state is of another sampler, seed, batch size, world size or set.
        """
        own = self._own()
        differing = {name: state.get(name) for name, value in own.items() if state.get(name) != value}
        if differing or not isinstance(state.get("epoch"), int) or not isinstance(state.get("received"), int):
            expected = {name: own[name] for name in differing}
            raise UsageError(
                "The state is not of this sampler.", f"Expected {expected}, found {differing}.", "begin the epoch again"
            )
        self._epoch, self._skip = state["epoch"], state["received"]


class RandomIdentitySampler(EpochSampler):
    """Batches of `identities` people with `instances` pictures each, as triplet losses need them.

    Each person's pictures, in keyed order, are cut into groups of `instances`; a person with fewer repeats them, and a
    rest that fills no group waits for another epoch. No batch has a person twice, no picture is in two groups, and the
    epoch ends when fewer people than `identities` have a group left; every epoch has the same number of batches.

    Parameters
    ----------
    dataset : ReidDataset
        Rows whose pid stands for no one are left out.
    identities, instances : int
        People a batch, and pictures a person.
    seed : int
        Another seed, another order.
    body_aware : bool
        Each group of a person who has both holds at least one full-body picture and one occluded or partial one. A
        person then has only as many groups as the rarer kind allows.
    rank, world : int, optional
        As of `EpochSampler`.

    Raises
    ------
    UsageError
        If there are fewer people than `identities`, or too few groups for one batch on each rank.

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

    def __init__(
        self,
        dataset: ReidDataset | Any,
        identities: int = 16,
        instances: int = 4,
        seed: int = 0,
        *,
        body_aware: bool = False,
        rank: int | None = None,
        world: int | None = None,
    ) -> None:
        if identities < 1 or instances < (2 if body_aware else 1):
            raise UsageError(
                f"identities {identities}, instances {instances}: too few.",
                "Expected 1 or more, and 2 or more instances where groups are body-aware.",
                HELP,
            )
        super().__init__(dataset, identities * instances, seed, rank=rank, world=world)
        self.identities, self.instances, self.body_aware = identities, instances, body_aware
        self._bodies = np.asarray(dataset.bodies)
        labels = np.asarray(dataset.labels)
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
            raise UsageError(f"There are fewer batches than the {self.world} ranks.", "", "give fewer identities")

    def _own(self) -> dict[str, Any]:
        return {**super()._own(), "instances": self.instances, "body_aware": self.body_aware}

    def _share(self) -> list[list[int]]:
        batches = self._deal()
        whole = len(batches) - len(batches) % self.world
        return [[*chain(*batch)] for batch in batches[:whole][self.rank :: self.world]]

    def _deal(self) -> list[list[list[int]]]:
        """Return the batches of all ranks, each a list of groups of different people.

        Who has most groups left comes next, equals in keyed order: so every epoch has the same number of batches, the
        largest that can be. Those people would come first, so the batches are put in keyed order then.
        """
        groups = [self._groups(own) for own in self._people]
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

    def _groups(self, own: npt.NDArray[np.int64]) -> list[list[int]]:
        size = self.instances
        order = self._order(own).tolist()
        if len(order) < size:
            order = [order[number % len(order)] for number in range(size)]
        hidden = [index for index in order if self._bodies[index] in HIDDEN]
        full = [index for index in order if self._bodies[index] == FULL]
        if not (self.body_aware and hidden and full):
            return [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
        count = min(len(order) // size, len(hidden), len(full))
        pairs = [[hidden[number], full[number]] for number in range(count)]
        rest = iter(_without(order, pairs))
        return [[*pair, *(next(rest) for _ in range(size - 2))] for pair in pairs]


def _without(order: list[int], pairs: list[list[int]]) -> list[int]:
    """Return `order` less one of each index in `pairs`: a person with few pictures has some more than once."""
    left = list(order)
    for index in chain(*pairs):
        left.remove(index)
    return left


def _ranks(rank: int | None, world: int | None) -> tuple[int, int]:
    if rank is None and world is None:
        rank, world = _distributed()
    if rank is None or world is None or not 0 <= rank < world:
        raise UsageError(f"rank {rank}, world {world}: expected both, the rank below the world.")
    return rank, world


def _distributed() -> tuple[int, int]:
    try:
        from torch import distributed
    except ImportError:
        return 0, 1
    started = distributed.is_available() and distributed.is_initialized()
    return (distributed.get_rank(), distributed.get_world_size()) if started else (0, 1)
