"""`dataset_class`: a manifest as fast-reid reads datasets, where fast-reid imports.

It pins an old PyTorch and its datasets an old Python; ``occreid-prepare export --to fast-reid`` needs neither.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...errors import MissingPackageError
from ...exporters.names import camel
from ...exporters.parts import Parts, parts_of
from .arguments import manifest_of, require_files

if TYPE_CHECKING:
    from ...manifest import Manifest
    from ...protocol import Protocol

BASES = "fastreid.data.datasets.bases"


def dataset_class(
    dataset: str,
    manifest: Manifest | str | os.PathLike[str] | None = None,
    protocol: str | Protocol | None = None,
    *,
    name: str | None = None,
    draw: int | None = None,
    base: Any = None,
    root: str | os.PathLike[str] | None = None,
) -> Any:
    """Return a class that fast-reid's ``DATASET_REGISTRY.register()`` takes.

    Its ``train`` is a list of (path, "<dataset>_<pid>", "<dataset>_<camid>"), its ``query`` and ``gallery`` of (path,
    pid, camid), as ``fastreid/data/datasets/market1501.py`` gives them. Cameras that nobody recorded are invented, and
    `cameras` says so. fast-reid's ``root`` is not used.

    Parameters
    ----------
    dataset, manifest, protocol, draw, root
        As of `register_torchreid`.
    name : str, optional
        The class's, by which a config's ``DATASETS`` names it; by default made of dataset and protocol.
    base : type, optional
        fast-reid's ``ImageDataset``, if it is elsewhere than ``fastreid.data.datasets.bases``.

    Raises
    ------
    MissingPackageError
        If fast-reid cannot be imported.
    ProtocolError
        If the protocol has a rule that fast-reid cannot follow.

    Examples
    --------
    >>> from fastreid.data.datasets import DATASET_REGISTRY  # doctest: +SKIP
    >>> DATASET_REGISTRY.register()(dataset_class("occluded-reid"))  # doctest: +SKIP
    """
    base = base or _base()
    parts = parts_of(manifest_of(dataset, manifest, root), protocol, draw=draw)
    require_files(parts)
    rows = {part: fastreid_tuples(parts, part, dataset) for part in ("train", "query", "gallery")}

    def start(self: Any, root: str = "datasets", **kwargs: Any) -> None:
        del root
        base.__init__(self, *(list(own) for own in rows.values()), **kwargs)

    return type(
        name or camel(dataset, parts.protocol.name),
        (base,),
        {
            "__init__": start,
            "__doc__": f"{parts.protocol.id}, as fast-reid reads it.",
            "dataset_name": dataset,
            "protocol": parts.protocol.id,
            "cameras": f"invented for {', '.join(parts.invented)}" if parts.invented else "as recorded",
            "notes": parts.notes,
            "_junk_pids": sorted(parts.nobody),
        },
    )


def fastreid_tuples(parts: Parts, part: str, dataset: str) -> list[tuple[str, Any, Any]]:
    """Return a part's rows as fast-reid's own datasets give them: training pids and cameras are text.

    Parameters
    ----------
    parts : Parts
        Training, query and gallery rows of a protocol.
    part : str
        ``train``, ``query`` or ``gallery``.
    dataset : str
        The name before training pids and cameras, so that those of two sets differ.

    Returns
    -------
    list of tuple
        (path, pid, camid) a row. Pid and camid are ``DATASET_NUMBER`` of the part train, else numbers.
    """
    rows = parts.part(part)
    if part == "train":
        return [(row.path, f"{dataset}_{row.pid}", f"{dataset}_{row.camid}") for row in rows]
    return [(row.path, row.pid, row.camid) for row in rows]


def _base() -> Any:
    try:
        return import_module(BASES).ImageDataset
    except ImportError as error:
        raise MissingPackageError(
            f"dataset_class: {BASES} cannot be imported.",
            f"The system says: {error}. fast-reid pins an old PyTorch.",
            "occreid-prepare export MANIFEST --to fast-reid --protocol NAME --out DIR",
        ) from error
