"""`loader`: batches of a dataset, by this process from a pixel store and by worker processes from files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import UsageError
from ..scan import cores
from .datasets import require_torch
from .rows import HELP
from .samplers import EpochSampler, RandomIdentitySampler

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
VIEWS = ("image", "clean", "occluded")
"""What is normalised of a batch."""


class Batches:
    """A dataset whose items are whole batches, so that a store is asked once a batch."""

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __getitem__(self, indices: Sequence[int]) -> Any:
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
    """

    def __init__(
        self, dataset: Any, sampler: EpochSampler, workers: int, normalize: tuple[Any, Any] | None, options: Any
    ) -> None:
        torch = require_torch("loader")
        self.dataset, self.sampler, self.workers = dataset, sampler, workers
        self._received, self._normalize = 0, normalize
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
        for batch in self._inner:
            self._received += 1
            yield batch if self._normalize is None else normalized(batch, *self._normalize)

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
        if "sampler" not in state or ("dataset" in state) != hasattr(self.dataset, "state_dict"):
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
        Worker processes. ``auto`` is none for a pixel store, where processes would only copy what is in memory, and
        else one a core, up to eight.
    normalize : bool or (mean, std), optional
        Make ``image``, ``clean`` and ``occluded`` float32, (x / 255 - mean) / std by channel, as they are received;
        True is ImageNet's. To do it on another device, call `normalized` on the batch there.
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
    return Loader(dataset, sampler, _workers(workers, dataset), _figures(normalize), options)


def normalized(batch: dict[str, Any], mean: Sequence[float], std: Sequence[float]) -> dict[str, Any]:
    """Return the batch with its pictures float32, (x / 255 - mean) / std by channel, on the device where they are.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> batch = {"image": torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)}  # doctest: +SKIP
    >>> normalized(batch, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))["image"].unique()  # doctest: +SKIP
    tensor([1.])
    """
    torch = require_torch("normalized")
    new = dict(batch)
    for name in VIEWS:
        value = batch.get(name)
        if value is None or value.dtype != torch.uint8:
            continue
        figures = [[1 / (255 * one) for one in std], [-middle / one for middle, one in zip(mean, std, strict=True)]]
        new[name] = _scaled(value, *torch.tensor(figures, device=value.device))
    return new


def _scaled(value: Any, scale: Any, shift: Any) -> Any:
    """Return pictures, (B, 3, H, W), times `scale` plus `shift`, (3,), float32, in the same memory order."""
    torch = require_torch("normalized")
    last = value.permute(0, 2, 3, 1)
    if last.is_contiguous():
        # Rows of pixels as one axis: three channels innermost are too short a loop, by a factor of ten.
        source = last.reshape(*last.shape[:2], -1)
        scale, shift = (one.repeat(last.shape[2]) for one in (scale, shift))
    else:
        source, scale, shift = value, scale.view(3, 1, 1), shift.view(3, 1, 1)
    done = torch.empty(source.shape, dtype=torch.float32, device=value.device)
    # One picture after the other on a CPU: the second pass then finds it in the cache, which is five times as fast.
    for out, one in zip(done, source, strict=True) if value.device.type == "cpu" else [(done, source)]:
        out.copy_(one)
        torch.addcmul(shift, out, scale, out=out)
    return done.view(last.shape).permute(0, 3, 1, 2) if last.is_contiguous() else done


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


def _workers(workers: int | str, dataset: Any) -> int:
    if isinstance(workers, int) and not isinstance(workers, bool) and workers >= 0:
        return workers
    if workers != "auto":
        raise UsageError(f'workers {workers!r}: expected "auto" or 0 or more.')
    store = getattr(getattr(dataset, "train", dataset), "store", None)
    in_memory = store is not None and store.kind == "pixels" and not hasattr(dataset, "train")
    return 0 if in_memory and not getattr(dataset, "transform", None) else min(8, cores())


def _figures(normalize: Any) -> tuple[Any, Any] | None:
    if normalize is None or normalize is False:
        return None
    if normalize is True:
        return IMAGENET
    try:
        mean, std = (np.asarray(one, np.float64) for one in normalize)
        fit = mean.shape == std.shape == (3,) and bool((std > 0).all())
    except (TypeError, ValueError):
        fit = False
    if not fit:
        raise UsageError(f"normalize {normalize!r}: expected True or (mean, std), three numbers each.")
    return tuple(mean.tolist()), tuple(std.tolist())
