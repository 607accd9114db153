"""Find a dataset's facts by its id: the files of this folder, entry points and what `register` was given."""

from __future__ import annotations

from functools import cache
from importlib import import_module, metadata

from ..errors import UnknownNameError
from .spec import Dataset, check

ENTRY_POINT = "occluded_datasets.catalog"
_FILES = {
    "occluded-reid": "occluded_reid",
    "p-dukemtmc-reid": "p_dukemtmc_reid",
    "p-ethz": "p_ethz",
    "partial-reid": "partial_reid",
    "partial-ilids": "partial_ilids",
    "occluded-dukemtmc": "occluded_dukemtmc",
    "occluded-market": "occluded_market",
    "market-1501": "market_1501",
    "dukemtmc-reid": "dukemtmc_reid",
    "mars": "mars",
}
_registered: dict[str, Dataset] = {}


def ids() -> list[str]:
    """Return the ids of all known datasets: the four sets first, then neighbours, parents and added ones.

    Examples
    --------
    >>> ids()[:4]
    ['occluded-reid', 'p-dukemtmc-reid', 'p-ethz', 'partial-reid']
    """
    return list(dict.fromkeys([*_FILES, *_entry_points(), *_registered]))


def get(dataset: str) -> Dataset:
    """Return the facts of `dataset`.

    Parameters
    ----------
    dataset : str
        An id of `ids`.

    Raises
    ------
    UnknownNameError
        If there is none of that id; the message names the nearest ones.

    Examples
    --------
    >>> get("partial-reid").variants[0].count.images
    900
    """
    dataset = dataset if dataset in _registered else dataset.lower()
    if dataset in _registered:
        return _registered[dataset]
    if dataset in _FILES:
        module = import_module(f"{__package__}.{_FILES[dataset]}")
        return check(module.DATASET)
    if dataset in _entry_points():
        return check(_entry_points()[dataset].load())
    raise UnknownNameError.of("dataset", dataset, ids(), "occreid-prepare list")


def register(dataset: Dataset) -> Dataset:
    """Add a dataset to this process's catalog and return it.

    A package does the same for every process with an entry point in the group ``occluded_datasets.catalog`` whose
    name is the id and whose object is the `Dataset`.

    Raises
    ------
    ValueError
        If the record is inconsistent or its id is taken.

    Examples
    --------
    >>> from dataclasses import replace
    >>> mine = register(replace(get("p-ethz"), id="my-set", title="My set"))
    >>> get("my-set").title
    'My set'
    >>> unregister("my-set")
    """
    if dataset.id in ids():
        raise ValueError(f"dataset id {dataset.id!r} is taken")
    _registered[dataset.id] = check(dataset)
    return dataset


def unregister(dataset: str) -> None:
    """Take a dataset that `register` added out again."""
    _registered.pop(dataset, None)


@cache
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINT)}
