"""Processes of a distributed run: together they receive what one process would, from anywhere, by any workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import small

from occluded_datasets.manifest import Manifest, read
from occluded_datasets.store import Store, pack

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from occluded_datasets.torch import Loader, PairedOcclusionDataset, ReidDataset, loader  # noqa: E402

SIZE = (16, 8)
EPOCH = 1
SHAPES: dict[str, dict[str, Any]] = {"people": {"identities": 2, "instances": 2}, "all": {"batch_size": 6}}
WAYS: list[tuple[str, int, str | None, bool]] = [
    ("files", 0, None, False),
    ("files", 1, "fork", True),
    ("files", 2, "spawn", False),
    ("encoded", 2, "fork", False),
    ("encoded", 0, None, True),
    ("pixels", 0, None, False),
    ("pixels", 2, "fork", True),
]
"""Place, workers, how they start, and whether the epoch is stopped in its middle and resumed."""

Seen = list[list[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of 120 pictures of eight people: 28 batches of two pairs, 20 of six, so 4 ranks leave none out."""
    folder = tmp_path_factory.mktemp("set")
    manifest = small(folder, 8)
    pack(manifest, folder / "pixels", SIZE)
    pack(manifest, folder / "encoded", encoded=True)
    return manifest


def loader_of(manifest: Manifest, folder: Path, shape: str, place: str, workers: int, start: str | None) -> Loader:
    """Return a loader of pairs whose rank is the process's own."""
    store = None if place == "files" else Store.open(folder / place)
    data = PairedOcclusionDataset(ReidDataset(manifest, split="all", store=store, size=SIZE), "afpb", seed=7, p=0.8)
    options = {"multiprocessing_context": start} if start else {}
    return loader(data, workers=workers, seed=3, **SHAPES[shape], **options)


def seen(batches: Iterator[Any], count: int | None = None) -> Seen:
    """Return (image_id, digests of picture and mask, record of the occlusion) of each sample."""
    found: Seen = []
    for _ in range(10**6 if count is None else count):
        batch = next(batches, None)
        if batch is None:
            break
        for number, name in enumerate(batch["image_id"]):
            views = [np.ascontiguousarray(batch[view][number].numpy()) for view in ("clean", "occluded", "mask")]
            record = {what: values[number] for what, values in batch["record"].items()}
            found.append([name, *(hashlib.sha256(view).hexdigest() for view in views), str(record)])
    return found


def epoch_of(manifest: Manifest, folder: Path, shape: str, place: str, workers: int, start: str | None,
             resumed: bool) -> Seen:  # fmt: skip
    """Return what this rank receives in an epoch, interrupted after two batches if it is `resumed`."""
    first = loader_of(manifest, folder, shape, place, workers, start)
    first.set_epoch(EPOCH)
    if not resumed:
        return seen(iter(first))
    begun = seen(iter(first), 2)
    state = json.loads(json.dumps(first.state_dict()))
    second = loader_of(manifest, folder, shape, place, workers, start)
    second.load_state_dict(state)
    return begun + seen(iter(second))


def rank_of(rank: int, world: int, manifest: Path, folder: Path, meeting: Path, out: Path) -> None:
    """Write what one process of a distributed run receives, in every way."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=world)
    opened, found = read(manifest), {}
    for shape in SHAPES:
        for way in WAYS[: len(WAYS) if shape == "people" else 2]:
            found[f"{shape} {way}"] = epoch_of(opened, folder, shape, *way)
    lengths: list[Any] = [None] * world
    torch.distributed.all_gather_object(lengths, [len(one) for one in found.values()])
    (out / f"{rank}.json").write_text(json.dumps({"seen": found, "lengths": lengths}))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_bring_the_same_multiset(made: Manifest, tmp_path: Path, world: int) -> None:
    """Gloo processes on files and both stores, 0, 1 and 2 workers, forked and spawned, resumed: one multiset each."""
    assert made.path
    folder = made.path.parents[2]
    whole = {shape: sorted(seen(iter(_begun(loader_of(made, folder, shape, "files", 0, None))))) for shape in SHAPES}
    assert {shape: len(own) for shape, own in whole.items()} == {"people": 112, "all": 120}
    torch.multiprocessing.spawn(rank_of, (world, made.path, folder, tmp_path / "meeting", tmp_path), nprocs=world)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world)]
    for rank in told:
        assert rank["lengths"] == [told[0]["lengths"][0]] * world
    for way in told[0]["seen"]:
        together = sorted(one for rank in told for one in rank["seen"][way])
        assert together == whole[way.split()[0]], way


def _begun(batches: Loader) -> Loader:
    batches.set_epoch(EPOCH)
    return batches
