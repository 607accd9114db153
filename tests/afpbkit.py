"""A twin, its store and a config that trains in a second."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import occluded_datasets as od
from occluded_datasets.afpb.config import Config
from occluded_datasets.manifest import Manifest
from occluded_datasets.store import pack
from occluded_datasets.twin import twin

CONFIG = Config(
    backbone="tiny", weights="none", height=32, width=16, occlusion="afpb-wide", train_protocol="afpb-nshot-1",
    identities=2, instances=2, epochs=2, pad=2, lr=1e-2,
)  # fmt: skip


class Small(NamedTuple):
    """A manifest and its store."""

    manifest: Manifest
    store: Path


def small(folder: Path, ids: int = 8, dataset: str = "partial-reid", variant: str | None = None) -> Small:
    """Return a twin that is built and packed at the config's size."""
    tree = twin(dataset, folder / "raw", ids=ids, variant=variant).tree
    built = od.build(dataset, tree, folder / "data", variant=variant, allow_subset=True)
    manifest = od.load(built.manifest)
    pack(manifest, folder / "store", CONFIG.size)
    return Small(manifest, folder / "store")
