"""Batches made as a whole, and by threads: what the samples one by one are, and nobody's once they are given."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import places_of, small

from occluded_datasets.errors import InputError
from occluded_datasets.manifest import Manifest, image_refs
from occluded_datasets.occlusion import Pool, Recipe
from occluded_datasets.occlusion.engine import simulator
from occluded_datasets.occlusion.sources.pool import PoolImage
from occluded_datasets.store import Store

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from occluded_datasets.torch import (  # noqa: E402
    PairedOcclusionDataset,
    ReidDataset,
    buffers,
    loader,
    normalized,
    normalizing,
)

SIZE = (32, 16)
PLACES = ("files", "pixels", "encoded")


@pytest.fixture(autouse=True)
def _every_buffer_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let small batches take the memory of earlier ones, as large ones do."""
    monkeypatch.setattr(buffers, "LEAST", 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of sixty pictures of four people."""
    return small(tmp_path_factory.mktemp("set"), 4)


@pytest.fixture(scope="module")
def places(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store | None]:
    """Return where pictures can come from."""
    return places_of(made, tmp_path_factory.mktemp("stores"), SIZE)


def pool_of(made: Manifest) -> Pool:
    """Return a pool of the set's own people, so that each must be known and kept from occluding himself."""
    people: dict[int, list[PoolImage]] = {}
    facts = zip(image_refs(made), made.frame["pid"], made.frame["pixel_sha256"], strict=True)
    for one, pid, pixels in facts:
        people.setdefault(int(pid), []).append(PoolImage(one.image_id, int(pid), one.path, one.sha256, pixels))
    return Pool(made.dataset, people)


def require_equal(found: Any, wanted: Any, where: str = "batch") -> None:
    """Raise unless two batches are equal in keys, order, types and every bit."""
    assert type(found) is type(wanted), where
    if isinstance(wanted, dict):
        assert list(found) == list(wanted), where
        for name, value in wanted.items():
            require_equal(found[name], value, f"{where}[{name!r}]")
    elif isinstance(wanted, torch.Tensor):
        assert found.dtype == wanted.dtype, where
        assert torch.equal(found, wanted), where
    else:
        assert found == wanted, where


def one_by_one(batches: Any, epoch: int) -> list[Any]:
    """Return an epoch's batches made of single samples."""
    batches.set_epoch(epoch)
    data, collate = batches.dataset, torch.utils.data.default_collate
    return [collate([data[index] for index in indices]) for indices in batches.sampler]


def whole(batches: Any, epoch: int) -> list[Any]:
    """Return an epoch's batches as they are loaded."""
    batches.set_epoch(epoch)
    return list(batches)


@pytest.mark.parametrize("compiled", [False, True], ids=["plain", "compiled"])
@pytest.mark.parametrize("recipe", ["", "afpb", "mixed"])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("threads", [0, 3])
def test_a_batch_is_its_samples(
    made: Manifest, places: dict[str, Store | None], place: str, recipe: str, threads: int, compiled: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Every bit and every record, from anywhere, in two epochs, each person's few pictures met again and again."""
    if compiled:
        pytest.importorskip("numba")
    monkeypatch.setattr(simulator, "PATIENCE", 0 if compiled else 1 << 40)

    def fresh(place: str, threads: int) -> Any:
        data: Any = ReidDataset(made, split="all", store=places[place], size=SIZE)
        if recipe:
            data = PairedOcclusionDataset(data, recipe, 7, p=0.8, pool=pool_of(made))
        return loader(data, identities=2, instances=9, seed=3, threads=threads)

    with monkeypatch.context() as plain:
        plain.setattr(simulator, "_kernel", lambda: None)
        wanted = [batch for epoch in (0, 1) for batch in one_by_one(fresh("files", 0), epoch)]
    batches = fresh(place, threads)
    found = [batch for epoch in (0, 1) for batch in whole(batches, epoch)]
    assert len(found) == len(wanted) > 2
    for short, long in zip(found, wanted, strict=True):
        require_equal(short, long)


@pytest.mark.parametrize("threads", [0, 2])
@pytest.mark.parametrize("place", PLACES)
def test_a_held_batch_is_never_written_to_again(
    made: Manifest, places: dict[str, Store | None], place: str, threads: int
) -> None:
    """All batches of two epochs held, as bytes and as floats: none changes, none shares memory with another."""
    data = PairedOcclusionDataset(ReidDataset(made, split="all", store=places[place], size=SIZE), seed=7)
    held, copies = [], []
    for batches in (loader(data, 8, threads=threads), loader(data, 8, threads=threads, normalize=True)):
        for epoch in range(2):
            batches.set_epoch(epoch)
            for batch in batches:
                held.append([batch[view] for view in ("clean", "occluded", "mask")])
                copies.append([one.clone() for one in held[-1]])
    for views, before in zip(held, copies, strict=True):
        assert all(torch.equal(one, old) for one, old in zip(views, before, strict=True))
    starts = [one.untyped_storage().data_ptr() for views in held for one in views]
    assert len(set(starts)) == len(starts) == 4 * 8 * 3


def test_a_batch_may_be_written_to(made: Manifest, places: dict[str, Store | None]) -> None:
    """What a step does in place reaches neither the store nor a later batch."""
    assert places["pixels"]
    before = np.array(places["pixels"].images)
    for data in (
        plain := ReidDataset(made, split="all", store=places["pixels"]),
        PairedOcclusionDataset(plain, views=["occluded"]),
    ):
        for batch in loader(data, 8):
            batch.get("image", batch.get("occluded")).zero_()
    assert (places["pixels"].images == before).all()


def test_views_can_be_left_out(made: Manifest, places: dict[str, Store | None]) -> None:
    """Occlusion as augmentation: the occluded picture alone, the same one."""
    plain = ReidDataset(made, split="all", store=places["pixels"])
    for pair, batch in zip(
        loader(PairedOcclusionDataset(plain, seed=7), 16),
        loader(PairedOcclusionDataset(plain, seed=7, views=("occluded",)), 16),
        strict=True,
    ):
        assert not {"clean", "mask"} & set(batch)
        require_equal(batch, {name: value for name, value in pair.items() if name not in ("clean", "mask")})


def test_a_skipped_picture_takes_no_others_visit(tmp_path: Path) -> None:
    """Where one of a batch cannot be read, the rest are the versions that they would have been."""
    loose = small(tmp_path, 2)
    sound = PairedOcclusionDataset(ReidDataset(loose, split="all", size=SIZE), seed=7)
    order = [3, 11, 3, 11, 5, 3]
    wanted = sound.batch(order)
    Path(image_refs(loose)[11].path).write_bytes(b"\xff\xd8\xff")
    found = PairedOcclusionDataset(ReidDataset(loose, split="all", size=SIZE, on_error="skip"), seed=7).batch(order)
    kept = [0, 2, 4, 5]
    assert found["index"].tolist() == [3, 3, 5, 3]
    assert torch.equal(found["occluded"], wanted["occluded"][kept])
    assert found["record"]["occurrence"].tolist() == [0, 1, 0, 2]


def test_threads_end_with_the_loop(made: Manifest, tmp_path: Path) -> None:
    """After a whole epoch, a break and an error no thread of the loader is left."""

    def left() -> list[str]:
        return [one.name for one in threading.enumerate() if one.name.startswith("occluded-datasets")]

    batches = loader(ReidDataset(made, split="all", size=SIZE), 4, threads=2)
    for number, _ in enumerate(batches):
        if number == 0:
            assert left()
            break
    del _
    assert not left()
    loose = small(tmp_path, 1)
    Path(image_refs(loose)[7].path).unlink()
    with pytest.raises(InputError, match="cannot be read"):
        list(loader(ReidDataset(loose, split="all", size=SIZE), 2, threads=2))
    assert not left()


def test_normalising_has_one_result(
    made: Manifest, places: dict[str, Store | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By table, by channel, as another device does it, and compiled: the same bits."""
    plain = next(iter(loader(ReidDataset(made, split="all", store=places["pixels"]), 6)))["image"]
    figures = normalizing.IMAGENET
    want = normalized({"image": plain}, *figures)["image"]
    make = normalizing.Normalizer(*figures)
    assert torch.equal(make._computed(plain), want)
    assert torch.equal(make._looked_up(plain.contiguous()), want)
    assert make._looked_up(plain.contiguous()).is_contiguous()
    exact = (plain.double() / 255 - torch.tensor(figures[0]).view(3, 1, 1)) / torch.tensor(figures[1]).view(3, 1, 1)
    assert torch.allclose(want.double(), exact, rtol=0, atol=1e-6)
    pytest.importorskip("numba")
    monkeypatch.setattr(normalizing, "PATIENCE", 0)
    values = torch.arange(256, dtype=torch.uint8).repeat(3, 1).view(1, 3, 16, 16)
    for one in (plain, values.to(memory_format=torch.channels_last)):
        made_ = normalizing.Normalizer(*figures)
        assert torch.equal(made_({"image": one})["image"], normalizing.Normalizer(*figures)._computed(one))
        assert made_._done == len(one)


def test_recipes_are_met_by_their_probability(made: Manifest, places: dict[str, Store | None]) -> None:
    """A curriculum by epoch holds in whole batches too: nothing in the first, all in the second."""
    recipe = Recipe.of("afpb")
    data = PairedOcclusionDataset(ReidDataset(made, split="all", store=places["pixels"]), recipe, p=float)
    batches = loader(data, 20, threads=2)
    for epoch in (0, 1):
        for batch in whole(batches, epoch):
            assert (batch["fraction"] > 0).tolist() == [epoch == 1] * 20
