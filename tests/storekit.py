"""What the tests of the store and of the loaders share: a small set on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import occluded_datasets as od
from occluded_datasets.catalog import get
from occluded_datasets.images import encode
from occluded_datasets.manifest import Manifest
from occluded_datasets.store import Store, pack


def small(folder: Path, ids: int = 4, sizes: tuple[tuple[int, int], ...] = ((24, 12),)) -> Manifest:
    """Return a built Partial-REID of `ids` identities, small noise under each name, sizes taken in turn."""
    noise = np.random.default_rng(3)
    tree = folder / "Partial-REID_Dataset"
    for part in get("partial-reid").parts:
        (tree / part.folder).mkdir(parents=True)
        stems = [stem for stem in part.numbering.names() if int(stem[:3]) <= ids]  # type: ignore[union-attr]
        for number, stem in enumerate(stems):
            pixels = noise.integers(0, 256, (*sizes[number % len(sizes)], 3), np.uint8)
            (tree / part.folder / f"{stem}.jpg").write_bytes(encode(pixels, ".jpg"))
    built = od.build("partial-reid", tree, folder / "data", allow_subset=True)
    return od.load(built.manifest)


def places_of(made: Manifest, folder: Path, size: tuple[int, int]) -> dict[str, Store | None]:
    """Return where a set's pictures can come from: its files, and a store of pixels and one of files."""
    return {
        "files": None,
        "pixels": Store.open(pack(made, folder / "pixels", size).path),
        "encoded": Store.open(pack(made, folder / "encoded", encoded=True).path),
    }
