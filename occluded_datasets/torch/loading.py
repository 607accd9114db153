"""`loader`: batches of a dataset, by threads where they are made as a whole, else by worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from inspect import signature
from typing import Any

from ..errors import OccludedDatasetsError, UnknownNameError, UsageError
from ..occlusion.training.visits import whole
from ..scan import cores
from .datasets import require_torch
from .normalizing import Normalizer, parse_mean_std
from .prefetch import prefetch
from .rows import HELP
from .samplers import EpochSampler, RandomIdentitySampler, flag

THREADS = 2
"""Threads that ``auto`` takes at most, and none where images are occluded: what is Python is done by one at a time."""

OF_PROCESSES = {"multiprocessing_context", "prefetch_factor", "persistent_workers", "worker_init_fn", "timeout"}
"""Options of PyTorch's loader that only worker processes have: who gives one is given processes."""

HONOURED = {*OF_PROCESSES, "pin_memory"}
"""Options of PyTorch's loader that are passed on."""

_KEYED = "The order is made here, of the seed and the epoch, so that ranks share it and a resume finds it again."
REFUSED = {
    "sampler": (_KEYED, "shuffle=False for the dataset's own order, or seed= for another shuffled one"),
    "batch_sampler": (_KEYED, "torch.utils.data.DataLoader(dataset, batch_sampler=...), which takes the dataset too"),
    "generator": (_KEYED, "seed=NUMBER"),
    "num_workers": ("The number of worker processes has another name here.", "workers=NUMBER"),
    "collate_fn": (
        "Batches come collated: most are made as a whole, without samples.",
        "change the batch in your loop, or torch.utils.data.DataLoader(dataset, collate_fn=...)",
    ),
    "drop_last": (
        "The last batch of an epoch is smaller where the images do not fill it.",
        "identities= and instances=, whose batches are all full, or pass over the small batch in your loop",
    ),
    "in_order": ("Batches always come in order: a resume counts them.", "leave it out"),
    "pin_memory_device": ("Memory is pinned for the GPU in use.", "pin_memory=True"),
}
"""Options of PyTorch's loader that are not offered: the reason, and what to write instead."""


class Failed:
    """What a worker process says in place of a batch."""

    def __init__(self, error: OccludedDatasetsError) -> None:
        self.error = error


class WholeBatches:
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
        options = {"persistent_workers": workers > 0, "pin_memory": torch.cuda.is_available(), **options}
        self._pins = bool(options["pin_memory"]) and torch.cuda.is_available()
        try:
            self._inner = torch.utils.data.DataLoader(
                WholeBatches(dataset),
                batch_size=None,
                sampler=sampler,
                num_workers=workers,
                collate_fn=as_it_is,
                **options,
            )
        except (ValueError, TypeError) as error:
            raise UsageError(
                "loader: PyTorch refuses an option.", f"It says: {str(error).rstrip('.')}.", HELP
            ) from error

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: of the order and, where images are occluded, of the occlusions. Call it before each."""
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
        made = prefetch(self._jobs(), self.threads) if self.threads else map(self._shown, self._inner)
        for batch in made:
            self._received += 1
            yield batch

    def _jobs(self) -> Iterator[Callable[[], Any]]:
        """Yield what makes each batch; visits are counted here, in order, so that threads change no image."""
        meet = getattr(self.dataset, "meet", None)
        for indices in self.sampler:
            met = (meet(indices),) if meet else ()
            yield partial(self._made, indices, *met)

    def _made(self, indices: Sequence[int], *met: Any) -> Any:
        batch = self._shown(self.dataset.batch(indices, *met))
        return pin_batch(batch) if self._pins else batch

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
    shuffle: bool = True,
    threads: int | None = None,
    seed: int = 0,
    body_aware: bool = False,
    camera_aware: bool = False,
    rank: int | None = None,
    world: int | None = None,
    **options: Any,
) -> Loader:
    """Return batches of a dataset: images uint8, in an order that (seed, epoch) alone decide, or in its own.

    Parameters
    ----------
    dataset : ReidDataset or PairedOcclusionDataset
        What to batch.
    batch_size : int, optional
        Images a batch on one rank; 64 by default, or identities x instances.
    identities, instances : int, optional
        Identities a batch and images an identity, by `RandomIdentitySampler`; else all images.
    workers : int or "auto"
        Worker processes. ``auto`` is none where batches are made as a whole, but two threads, or no thread where images
        are occluded, which threads do not speed up (unless `normalize` is their work too); and one process a core, up
        to eight, where images go through Python one by one: with a transform, tuples or another kind.
    normalize : bool or (mean, std), optional
        Make ``image``, ``clean`` and ``occluded`` float32, (x / 255 - mean) / std by channel; True is ImageNet's. To do
        it on another device, call `normalized` on the batch there.
    shuffle : bool
        True: another order each epoch, for training. False: the dataset's own order, every row once and none left
        out, for features; the ranks of a distributed run have the first part of the rows, the second, and so on.
    threads : int, optional
        Threads of this process that make batches ahead, instead of worker processes. The same batches in the same
        order for any number.
    seed, body_aware, camera_aware, rank, world
        As of the samplers.
    **options
        Of ``torch.utils.data.DataLoader``: ``pin_memory``, and of worker processes ``multiprocessing_context``,
        ``persistent_workers``, ``prefetch_factor``, ``timeout`` and ``worker_init_fn``. Its others are refused by name.

    Raises
    ------
    MissingPackageError
        If PyTorch is not installed.
    UsageError
        If the sizes do not go together, or an option is refused or unknown.

    Examples
    --------
    >>> for epoch in range(2):  # doctest: +SKIP
    ...     batches.set_epoch(epoch)
    ...     for batch in batches:
    ...         loss = step(batch["image"], batch["label"])
    """
    require_torch("loader")
    _require_known(options)
    if normalize and getattr(dataset, "as_tuple", False):
        raise UsageError("normalize: it is of batches that are mappings.", "Found as_tuple=True.", "leave one out")
    groups = {
        "identities": identities, "instances": instances, "body_aware": body_aware or None,
        "camera_aware": camera_aware or None,
    }  # fmt: skip
    groups = {name: value for name, value in groups.items() if value is not None}
    place = {"seed": seed, "rank": rank, "world": world}
    sampler = _sampler(dataset, batch_size, groups, place, shuffle=flag(shuffle, "shuffle"))
    return Loader(dataset, sampler, *_makers(workers, threads, dataset, options), parse_mean_std(normalize), options)


def _require_known(options: Mapping[str, Any]) -> None:
    for name in options:
        if name in REFUSED:
            why, instead = REFUSED[name]
            raise UsageError(f"loader: {name}= is not taken.", why, instead)
        if name not in HONOURED:
            known = {*HONOURED, *signature(loader).parameters} - {"dataset", "options"}
            raise UnknownNameError.of("option of loader", name, known, HELP)
    if options.get("prefetch_factor") is not None:
        whole(options["prefetch_factor"], "prefetch_factor", least=1)
    if options.get("worker_init_fn") is not None and not callable(options["worker_init_fn"]):
        raise UsageError(
            "worker_init_fn: expected a function of a worker's number.", f"Found {options['worker_init_fn']!r}."
        )


def _sampler(
    dataset: Any, batch_size: int | None, groups: Mapping[str, Any], place: Mapping[str, Any], *, shuffle: bool
) -> EpochSampler:
    """Return the sampler; `groups` is what was given of groups of one identity."""
    if groups and not shuffle:
        given = ", ".join(f"{name}=" for name in groups)
        raise UsageError(
            f"shuffle=False and {given}: expected one of the two.",
            "Groups of one identity are another order than the dataset's own.",
            f"leave out shuffle=False to train, or {given} to get every row in order",
        )
    if not groups:
        return EpochSampler(dataset, 64 if batch_size is None else batch_size, shuffle=shuffle, **place)
    if not {"identities", "instances"} & {*groups}:
        raise UsageError(
            f"{next(iter(groups))}: it is of groups of one person.", "", "give identities= and instances= too"
        )
    sizes = {name: whole(groups[name], name, least=1) for name in ("identities", "instances") if name in groups}
    people, each = _shape(batch_size, **sizes)
    return RandomIdentitySampler(dataset, **{**groups, **place, "identities": people, "instances": each})


def _shape(batch_size: int | None, identities: int | None = None, instances: int = 4) -> tuple[int, int]:
    each = instances
    people = max(1, (64 if batch_size is None else batch_size) // each) if identities is None else identities
    if batch_size is not None and batch_size != people * each:
        raise UsageError(
            f"batch_size {batch_size}: expected identities x instances.",
            f"Found {people} x {each} = {people * each}.",
            f"give batch_size={people * each} or leave it out",
        )
    return people, each


def _makers(workers: int | str, threads: int | None, dataset: Any, options: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many processes and how many threads make batches."""
    entire = bool(getattr(dataset, "batched", False))
    asked = sorted(name for name in OF_PROCESSES if options.get(name))
    for name, value in (("workers", workers), ("threads", threads)):
        known = value is None if name == "threads" else value == "auto"
        if not known and (isinstance(value, (bool, str)) or not isinstance(value, int) or value < 0):
            default = "None" if name == "threads" else '"auto"'
            raise UsageError(f"{name} {value!r}: expected {default} or 0 or more.")
    if threads and (not entire or (isinstance(workers, int) and workers)):
        found = f"workers={workers}" if entire else "a transform, tuples, or a kind that is no tensor"
        raise UsageError("threads: they make whole batches, without worker processes.", f"Found {found}.", HELP)
    if asked and (workers == 0 or (workers == "auto" and threads is not None)):
        found = "workers=0" if workers == 0 else f"threads={threads}"
        raise UsageError(f"{asked[0]}: it is of worker processes.", f"Found {found}.", "workers=2, or leave it out")
    if isinstance(workers, int):
        return workers, threads or 0
    if threads is not None or (entire and not asked):
        automatic = 0 if hasattr(dataset, "meet") else min(THREADS, cores())
        return 0, automatic if threads is None else threads
    return min(8, cores()), 0


def pin_batch(batch: dict[str, Any]) -> dict[str, Any]:
    """Return a batch with its tensors in memory that a GPU copies from without waiting."""
    return {name: value.pin_memory() if hasattr(value, "pin_memory") else value for name, value in batch.items()}
