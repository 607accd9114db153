"""The protocols that ship, and those of a user's own files, found by name, by id or by path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ManifestError, ProtocolError, UnknownNameError
from .rules import Protocol, fault_of

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PACKAGE = "occluded_datasets.manifests"


def protocols(dataset: str) -> list[Protocol]:
    """Return the protocols that ship for `dataset`, by name.

    Examples
    --------
    >>> [protocol.name for protocol in protocols("partial-ilids")]
    ['single-shot']
    """
    return list(_shipped(dataset))


@cache
def _shipped(dataset: str) -> tuple[Protocol, ...]:
    return tuple(_parse(entry) for entry in sorted(_folder(dataset), key=lambda entry: entry.name))


def find_protocol(dataset: str, name: str) -> Protocol:
    """Return a protocol by name, by id, or from a JSON file of one's own.

    Parameters
    ----------
    dataset : str
        The dataset that a bare name belongs to.
    name : str
        ``transfer-all``, ``occluded-reid/transfer-all``, the same with ``@`` and its digest, or a path to a ``.json``.

    Raises
    ------
    UnknownNameError
        If there is none of that name.
    ProtocolError
        If it belongs to another dataset, or the digest is of other rules.
    """
    if name.endswith(".json"):
        return require_dataset(_parse(Path(name)), dataset)
    bare, _, digest = name.partition("@")
    owner, _, short = bare.rpartition("/")
    if owner and owner != dataset:
        raise ProtocolError(
            f"{name} is a protocol of {owner}.", f"Expected one of {dataset}.", f"occreid-prepare info {dataset}"
        )
    for protocol in protocols(dataset):
        if protocol.name == short:
            if digest and not protocol.id.endswith(f"@{digest}"):
                raise ProtocolError(
                    f"{name}: this version's rules are {protocol.id}.",
                    "The digests differ, so the rules do, and scores would not compare.",
                )
            return protocol
    others = sorted(_owners(short) - {dataset})
    if others:
        raise ProtocolError(
            f"{short} is a protocol of {', '.join(others)}.", f"Expected one of {dataset}.",
            f"occreid-prepare info {dataset}",
        )  # fmt: skip
    raise UnknownNameError.of(
        f"protocol of {dataset}", name, [p.name for p in protocols(dataset)], f"occreid-prepare info {dataset}"
    )


def require_dataset(protocol: Protocol, dataset: str) -> Protocol:
    """Return a protocol of `dataset`, or raise if it is one of another set."""
    if protocol.dataset != dataset:
        raise ProtocolError(
            f"{protocol.id} is a protocol of {protocol.dataset}.", f"The manifest is of {dataset}.",
            f"occreid-prepare info {dataset}",
        )  # fmt: skip
    return protocol


def _folder(dataset: str) -> Iterator[Traversable]:
    folder = resources.files(PACKAGE).joinpath("protocols", dataset)
    if folder.is_dir():
        yield from (entry for entry in folder.iterdir() if entry.name.endswith(".json"))


def _owners(name: str) -> set[str]:
    folder = resources.files(PACKAGE).joinpath("protocols")
    return {entry.name for entry in folder.iterdir() if entry.joinpath(f"{name}.json").is_file()}


def _parse(entry: Traversable | Path) -> Protocol:
    """Return the protocol in a file, or raise `ManifestError` saying which rule is wrong."""
    try:
        rules = json.loads(entry.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{entry}: not a protocol file.", f"The reader says: {error}.") from error
    fault = fault_of(rules)
    if fault:
        raise ManifestError(f"{entry.name}: not a protocol.", fault, "see docs/reference/protocols.md")
    return Protocol(rules)
