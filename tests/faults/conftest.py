"""The sandbox of every attack and the clean build it is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faultkit
import hostile
import pytest
import tinyset

from occluded_datasets import catalog
from occluded_datasets.prepare import build


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Register the tiny set for one test."""
    tinyset.register()
    yield
    catalog.unregister(tinyset.ID)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``good.zip`` and ``root``, a build of it."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "good.zip").write_bytes(hostile.zipped())
    tinyset.register()
    build(tinyset.ID, folder / "good.zip", folder / "root")
    return folder


@pytest.fixture
def box(tmp_path: Path, good: Path) -> faultkit.Sandbox:
    """Return a fresh sandbox: an inbox, a victim outside the root, and no root yet."""
    from occluded_datasets.manifest import read

    for name in ("inbox", "outside"):
        (tmp_path / "sandbox" / name).mkdir(parents=True)
    (tmp_path / "sandbox" / "outside" / "victim.txt").write_text("as it was")
    table = good / "root" / tinyset.ID / "manifest.csv"
    return faultkit.Sandbox(tmp_path / "sandbox", good, table.read_bytes(), read(table).fingerprint)
