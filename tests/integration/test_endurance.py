"""Two hundred epochs keep no memory, no open file and no shared segment; what does keep one is caught."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from storekit import small

from occluded_datasets.manifest import Manifest
from occluded_datasets.store import pack

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from occluded_datasets.torch import Loader, PairedOcclusionDataset, ReidDataset, loader  # noqa: E402

SIZE = (16, 8)
SETTLED, EPOCHS = 40, 200
GROWTH = 4 << 20
"""Bytes that 160 epochs of 30 pictures may add in all processes together: less than a kilobyte a picture."""


class Held(NamedTuple):
    """What a process and its workers hold: bytes of memory, open files, mapped shared segments."""

    memory: int
    files: int
    segments: int


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of thirty pictures, and a store beside it."""
    folder = tmp_path_factory.mktemp("set")
    manifest = small(folder, 2)
    pack(manifest, folder / "pixels", SIZE)
    return manifest


class Leaking(ReidDataset):
    """A dataset that keeps something of each batch."""

    what = ""

    def batch(self, indices: Any) -> Any:
        """Return the batch, and keep what is said."""
        if self.what == "memory":
            kept: Any = [bytes([number]) * 4096 for number in indices]
        else:
            kept = os.open(__file__, os.O_RDONLY) if self.what == "files" else torch.ones(1).share_memory_()
        self.__dict__.setdefault("kept", []).append(kept)
        return super().batch(indices)


def held(batches: Loader) -> Held:
    """Return what this process and the loader's workers hold; memory that no file backs, shared pages counted once."""
    gc.collect()
    iterator = batches._inner._iterator
    places = [Path("/proc/self"), *(Path(f"/proc/{one.pid}") for one in getattr(iterator, "_workers", ()))]
    memory = files = segments = 0
    for place in places:
        rollup = dict(line.split()[:2] for line in (place / "smaps_rollup").read_text().splitlines()[1:])
        memory += (int(rollup["Pss_Anon:"]) + int(rollup["Pss_Shmem:"])) << 10
        files += len(os.listdir(place / "fd"))
        segments += (place / "maps").read_text().count("/dev/shm/")
    return Held(memory, files, segments)


def grown(data: Any, **makers: int) -> Held:
    """Return what 160 epochs add to what 40 left."""
    batches = loader(data, 10, **makers)

    def epochs(first: int, last: int) -> Held:
        for epoch in range(first, last):
            batches.set_epoch(epoch)
            assert sum(1 for _ in batches) == 3
        return held(batches)

    settled, later = epochs(0, SETTLED), epochs(SETTLED, EPOCHS)
    return Held(*(after - before for before, after in zip(settled, later, strict=True)))


def too_much(found: Held) -> set[str]:
    """Return what grew beyond its limit."""
    # Batches on their way are a segment and a file each, and one more or less may be alive when it is counted.
    limits = Held(GROWTH, 2, 2)
    return {name for name, own, limit in zip(Held._fields, found, limits, strict=True) if own > limit}


@pytest.fixture(autouse=True)
def told() -> None:
    """Skip where the system does not tell."""
    rollup = Path("/proc/self/smaps_rollup")
    if not rollup.exists() or "Pss_Shmem:" not in rollup.read_text():
        pytest.skip("no Pss_Shmem in /proc/self/smaps_rollup")


@pytest.mark.parametrize("makers", [{"workers": 0}, {"workers": 2}, {"threads": 2}], ids=str)
@pytest.mark.parametrize("kind", ["files", "pairs"])
def test_nothing_is_left_behind(made: Manifest, kind: str, makers: dict[str, int]) -> None:
    """From files alone, and pairs from a store; in this process, its threads, and workers that live through all epochs."""
    assert made.path
    if kind == "files":
        data: Any = ReidDataset(made, split="all", size=SIZE)
    else:
        data = PairedOcclusionDataset(
            ReidDataset(made, split="all", store=made.path.parents[2] / "pixels"), "afpb", seed=7
        )
    found = grown(data, **makers)
    assert not too_much(found), found


@pytest.mark.parametrize(("what", "workers"), [("memory", 2), ("files", 0), ("segments", 0)])
def test_a_leak_is_caught(made: Manifest, what: str, workers: int) -> None:
    """Four kilobytes a picture in a worker, a file a batch, a segment a batch: each is seen."""
    assert made.path
    data = Leaking(made, split="all", store=made.path.parents[2] / "pixels")
    data.what = what
    assert what in too_much(grown(data, workers=workers))
    for one in getattr(data, "kept", []):
        if what == "files":
            os.close(one)
