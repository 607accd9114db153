"""A built twin that several tests occlude."""

from __future__ import annotations

from pathlib import Path

import pytest

import occluded_datasets as od
from occluded_datasets.manifest import Manifest
from occluded_datasets.twin import twin


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with the training part of Market-1501's twin, 12 identities."""
    folder = tmp_path_factory.mktemp("data")
    drawn = twin("market-1501", folder / "twin", ids=12, variant="train-only", workers=1)
    od.build("market-1501", drawn.tree, folder, variant="train-only", allow_subset=True)
    return folder


@pytest.fixture(scope="module")
def source(home: Path) -> Manifest:
    """Return the manifest of that set."""
    return od.load("market-1501", home)
