"""`loader`: batches of a dataset, by threads where they are made as a whole, else by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ..errors import OccludedDatasetsError, UsageError
from ..scan import cores
from .ahead import ahead
from .datasets import require_torch
from .normalizing import Normalizer, figures
from .rows import HELP
from .samplers import EpochSampler, RandomIdentitySampler

THREADS = 2
"""Threads that ``auto`` takes at most: what is left in Python is done by one at a time."""

OF_PROCESSES = {"multiprocessing_context", "prefetch_factor", "persistent_workers", "worker_init_fn", "timeout"}
"""Options that only worker processes have: who gives one is given processes."""


class Failed:
    """What a worker process says in place of a batch."""

    def __init__(self, error: OccludedDatasetsError) -> None:
        self.error = error


class Batches:
    """A dataset whose items are whole batches, so that a store is asked once a batch."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, indices: Sequence[int]) -> Any:
        from torch.utils.data import get_worker_info

        try:
            return self._batch(indices)
        except OccludedDatasetsError as error:
            if get_worker_info() is None:
                raise
            return Failed(error)  # PyTorch would put the worker's traceback into its message

    def _batch(self, indices: Sequence[int]) -> Any:
        if hasattr(self.dataset, "batch"):
            return self.dataset.batch(indices)
        from torch.utils.data import default_collate

        many = getattr(self.dataset, "__getitems__", None)
        return default_collate(many(indices) if many else [self.dataset[index] for index in indices])

    def __len__(self) -> int:
        return len(self.dataset)


def as_it_is(batch: Any) -> Any:
    """Return the batch: it is one already, and PyTorch would walk through every text in it."""
    return batch


class Loader:
    """An iterable of batches that can be stopped and resumed; made by `loader`.

    Attributes
    ----------
    sampler : EpochSampler
        Which indices, in which order.
    workers : int
        Worker processes; 0: this process does it.
    threads : int
        Threads of this process that make batches ahead; 0: each is made when it is asked for.
    """

    def __init__(
        self,
        dataset: Any,
        sampler: EpochSampler,
        workers: int,
        threads: int,
        normalize: tuple[Any, Any] | None,
        options: Any,
    ) -> None:
        torch = require_torch("loader")
        self.dataset, self.sampler, self.workers, self.threads = dataset, sampler, workers, threads
        self._received, self._normalize = 0, None if normalize is None else Normalizer(*normalize)
        options = {
            "persistent_workers": workers > 0,
            "collate_fn": as_it_is,
            "pin_memory": torch.cuda.is_available(),
            **options,
        }
        self._inner = torch.utils.data.DataLoader(
            Batches(dataset), batch_size=None, sampler=sampler, num_workers=workers, **options
        )

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: of the order and, where pictures are occluded, of the occlusions. Call it before each."""
        self._received = 0
        self.sampler.set_epoch(epoch)
        if hasattr(self.dataset, "set_epoch"):
            self.dataset.set_epoch(epoch)

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch of this rank."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of the epoch; after `load_state_dict`, those that were not received yet."""
        self._received = self.sampler.received
        made = ahead(self._jobs(), self.threads) if self.threads else map(self._shown, self._inner)
        for batch in made:
            self._received += 1
            yield batch

    def _jobs(self) -> Iterator[Callable[[], Any]]:
        """Yield what makes each batch; visits are counted here, in order, so that threads change no picture."""
        meet = getattr(self.dataset, "meet", None)
        for indices in self.sampler:
            met = (meet(indices),) if meet else ()
            yield partial(self._made, indices, *met)

    def _made(self, indices: Sequence[int], *met: Any) -> Any:
        batch = self._shown(self._inner.collate_fn(self.dataset.batch(indices, *met)))
        return pinned(batch) if self._inner.pin_memory else batch

    def _shown(self, batch: Any) -> Any:
        if isinstance(batch, Failed):
            raise batch.error
        return batch if self._normalize is None else self._normalize(batch)

    def state_dict(self) -> dict[str, Any]:
        """Return where the epoch stands, ready for JSON: after the batches that were received, not loaded ahead."""
        state = {"sampler": self.sampler.state_dict(self._received)}
        if hasattr(self.dataset, "state_dict"):
            delivered = [index for batch in self.sampler.batches()[: self._received] for index in batch]
            state["dataset"] = self.dataset.state_dict(delivered)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` stood, with any number of workers.

        Raises
        ------
        UsageError
            If the state is of another sampler or dataset.
        """
        if (
            not isinstance(state, Mapping)
            or "sampler" not in state
            or ("dataset" in state) != hasattr(self.dataset, "state_dict")
        ):
            raise UsageError("The state is not of this loader.", "Expected what state_dict returns.", HELP)
        self.sampler.load_state_dict(state["sampler"])
        if "dataset" in state:
            self.dataset.load_state_dict(state["dataset"])
        self._received = int(state["sampler"]["received"])


def loader(
    dataset: Any,
    batch_size: int | None = None,
    identities: int | None = None,
    instances: int | None = None,
    workers: int | str = "auto",
    normalize: bool | tuple[Sequence[float], Sequence[float]] | None = None,
    *,
    threads: int | None = None,
    seed: int = 0,
    body_aware: bool = False,
    camera_aware: bool = False,
    rank: int | None = None,
    world: int | None = None,
    **options: Any,
) -> Loader:
    """Return batches of a dataset: pictures uint8, in an order that hangs on (seed, epoch) alone.

    Parameters
    ----------
    dataset : ReidDataset or PairedOcclusionDataset
        What to batch.
    batch_size : int, optional
        Pictures a batch on one rank; 64 by default, or identities x instances.
    identities, instances : int, optional
        People a batch and pictures a person, by `RandomIdentitySampler`; else all pictures, shuffled.
    workers : int or "auto"
        Worker processes. ``auto`` is none but two threads where batches are made as a whole, and one a core, up to
        eight, where pictures go through Python one by one: with a transform, tuples or another kind.
    normalize : bool or (mean, std), optional
        Make ``image``, ``clean`` and ``occluded`` float32, (x / 255 - mean) / std by channel; True is ImageNet's. To do
        it on another device, call `normalized` on the batch there.
    threads : int, optional
        Threads of this process that make batches ahead, instead of worker processes. The same batches in the same
        order for any number.
    seed, body_aware, camera_aware, rank, world
        As of the samplers.
    **options
        Of ``torch.utils.data.DataLoader``, such as ``multiprocessing_context`` and ``prefetch_factor``.

    Raises
    ------
    MissingPackageError
        If PyTorch is not installed.
    UsageError
        If the sizes do not go together.

    Examples
    --------
    >>> for epoch in range(2):  # doctest: +SKIP
    ...     batches.set_epoch(epoch)
    ...     for batch in batches:
    ...         loss = step(batch["image"], batch["label"])
    """
    require_torch("loader")
    if normalize and getattr(dataset, "as_tuple", False):
        raise UsageError("normalize: it is of batches that are mappings.", "Found as_tuple=True.", "leave one out")
    place = {"rank": rank, "world": world}
    if identities is None and instances is None:
        if body_aware or camera_aware:
            what = "body_aware" if body_aware else "camera_aware"
            raise UsageError(f"{what}: it is of groups of one person.", "", "give identities= and instances= too")
        sampler = EpochSampler(dataset, 64 if batch_size is None else batch_size, seed, **place)
    else:
        people, each = _shape(batch_size, identities, instances)
        sampler = RandomIdentitySampler(
            dataset, people, each, seed, body_aware=body_aware, camera_aware=camera_aware, **place
        )
    return Loader(dataset, sampler, *_makers(workers, threads, dataset, options), figures(normalize), options)


def _shape(batch_size: int | None, identities: int | None, instances: int | None) -> tuple[int, int]:
    each = 4 if instances is None else instances
    people = max(1, (64 if batch_size is None else batch_size) // max(1, each)) if identities is None else identities
    if batch_size is not None and batch_size != people * each:
        raise UsageError(
            f"batch_size {batch_size}: expected identities x instances.",
            f"Found {people} x {each} = {people * each}.",
            f"give batch_size={people * each} or leave it out",
        )
    return people, each


def _makers(workers: int | str, threads: int | None, dataset: Any, options: Iterable[str]) -> tuple[int, int]:
    """Return how many processes and how many threads make batches."""
    whole = bool(getattr(dataset, "batched", False))
    for name, value in (("workers", workers), ("threads", threads)):
        known = value is None if name == "threads" else value == "auto"
        if not known and (isinstance(value, (bool, str)) or not isinstance(value, int) or value < 0):
            default = "None" if name == "threads" else '"auto"'
            raise UsageError(f"{name} {value!r}: expected {default} or 0 or more.")
    if threads and (not whole or (isinstance(workers, int) and workers)):
        found = f"workers={workers}" if whole else "a transform, tuples, or a kind that is no tensor"
        raise UsageError("threads: they make whole batches, without worker processes.", f"Found {found}.", HELP)
    if isinstance(workers, int):
        return workers, threads or 0
    if threads is not None or (whole and not OF_PROCESSES & {*options}):
        return 0, min(THREADS, cores()) if threads is None else threads
    return min(8, cores()), 0


def pinned(batch: dict[str, Any]) -> dict[str, Any]:
    """Return a batch with its tensors in memory that a GPU copies from without waiting."""
    return {name: value.pin_memory() if hasattr(value, "pin_memory") else value for name, value in batch.items()}
