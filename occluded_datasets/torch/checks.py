"""What a dataset holds, however it is wrapped: its labels must mean one thing, and each row must have one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UsageError
from .datasets import ReidDataset

if TYPE_CHECKING:
    import numpy.typing as npt

LABELLED = 'ReidDataset(m, split="train"), or rows without the roles junk and distractor'


def held(dataset: Any) -> Iterator[ReidDataset]:
    """Yield each `ReidDataset` that a dataset holds: in pairs, in `occlude`, in PyTorch's Subset and ConcatDataset."""
    if isinstance(dataset, ReidDataset):
        yield dataset
        return
    for one in _inside(dataset):
        yield from held(one)


def sample_labels(dataset: Any) -> npt.NDArray[np.int64]:
    """Return the labels of a dataset's samples, shape (N,); 0 for those of a dataset that is not ours."""
    if isinstance(dataset, ReidDataset):
        return dataset.labels
    unknown = np.zeros(len(dataset) if hasattr(dataset, "__len__") else 0, np.int64)
    if next(held(dataset), None) is None:
        return unknown
    labels = np.concatenate([sample_labels(one) for one in _inside(dataset)])
    if "indices" in dataset.__dict__:
        labels = labels[np.asarray(dataset.__dict__["indices"], np.int64)]
    return labels if len(labels) == len(unknown) else unknown


def require_labels(dataset: Any, what: str, instead: str = LABELLED) -> None:
    """Raise if a dataset gives images without a label: as label -1 they would reach a loss.

    Parameters
    ----------
    dataset : object
        A `ReidDataset`, or a dataset that holds some. Images of any other dataset count as labelled.
    what : str
        The argument that the error message begins with.
    instead : str
        What the error message says to do next.

    Raises
    ------
    UsageError
        With how many there are.
    """
    labels = sample_labels(dataset)
    lacking = int((labels < 0).sum())
    if lacking:
        raise UsageError(
            f"{what}: {lacking:,} of {len(labels):,} images have no label.",
            "Expected images of known identities; junk and distractors have the label -1, which no loss can take.",
            instead,
        )


def require_one_numbering(dataset: Any, what: str) -> None:
    """Raise if a dataset holds several whose labels mean different identities.

    Raises
    ------
    UsageError
        With the first label that means two identities.
    """
    found = [*held(dataset)]
    for first, other in pairwise(found):
        if (first.label_map, first.sets) != (other.label_map, other.sets):
            raise UsageError(
                f"{what}: it joins datasets whose labels mean different identities.",
                f"Labels count from 0 in each: {_clash(first, other)}.",
                "train on one set, since sets cannot be joined yet; parts of one set are joined as rows: "
                "ReidDataset(pandas.concat([rows, more]), manifest=m)",
            )


def _clash(first: ReidDataset, other: ReidDataset) -> str:
    """Return the first label that two datasets understand in two ways."""
    pids = [{label: pid for pid, label in one.label_map.items()} for one in (first, other)]
    names = [f"pid {{}} of {', '.join(sorted(one.sets))}" for one in (first, other)]
    differs = names[0] != names[1]
    label = next(label for label in range(max(map(len, pids))) if differs or pids[0].get(label) != pids[1].get(label))
    said = [name.format(own[label]) if label in own else "no identity" for name, own in zip(names, pids, strict=True)]
    return f"label {label} is {said[0]} in one and {said[1]} in another"


def _inside(dataset: Any) -> list[Any]:
    """Return what a dataset wraps: attributes of the instance alone, so that nothing is computed or made up."""
    own = getattr(dataset, "__dict__", {})
    if isinstance(own.get("datasets"), (list, tuple)):
        return list(own["datasets"])
    return [own[name] for name in ("train", "dataset") if hasattr(own.get(name), "__getitem__")][:1]
