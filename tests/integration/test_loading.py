"""`loader` and `PairedOcclusionDataset`: one multiset of pictures and occlusions, however it is loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import places_of, small

from occluded_datasets.errors import InputError, UsageError
from occluded_datasets.manifest import Manifest, image_refs
from occluded_datasets.occlusion import Simulator
from occluded_datasets.scan import cores
from occluded_datasets.store import Store

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from occluded_datasets.torch import Loader, PairedOcclusionDataset, ReidDataset, loader, normalized  # noqa: E402

SIZE = (16, 8)
Seen = list[tuple[str, ...]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of 120 pictures of eight people."""
    return small(tmp_path_factory.mktemp("set"), 8)


@pytest.fixture(scope="module")
def places(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store | None]:
    """Return where pictures can come from."""
    return places_of(made, tmp_path_factory.mktemp("stores"), SIZE)


def batches_of(made: Manifest, store: Store | None, *, paired: bool, **given: Any) -> Loader:
    """Return a loader of a fresh dataset."""
    data: Any = ReidDataset(made, split="all", store=store, size=SIZE)
    if paired:
        data = PairedOcclusionDataset(data, "afpb", seed=7, p=growing)
    return loader(data, identities=2, instances=2, seed=3, **given)


def growing(epoch: int) -> float:
    """Return a probability that grows with the epoch; a function that spawned workers can be told."""
    return min(1.0, 0.5 + epoch / 4)


def seen(batch: dict[str, Any]) -> Seen:
    """Return (image_id, digests of all pictures) of each sample of a batch."""
    views = [name for name in ("image", "clean", "occluded", "mask") if name in batch]
    return [
        (name, *(hashlib.sha256(np.ascontiguousarray(batch[view][number].numpy())).hexdigest() for view in views))
        for number, name in enumerate(batch["image_id"])
    ]


def epoch_of(batches: Loader, epoch: int) -> Seen:
    """Return what an epoch brings, in order."""
    batches.set_epoch(epoch)
    return [one for batch in batches for one in seen(batch)]


@pytest.mark.parametrize("paired", [False, True], ids=["plain", "paired"])
@pytest.mark.parametrize("place", ["files", "pixels", "encoded"])
@pytest.mark.parametrize(("workers", "start"), [(0, None), (1, "fork"), (2, "fork"), (2, "spawn")], ids=str)
def test_the_same_for_any_workers(
    made: Manifest, places: dict[str, Store | None], paired: bool, place: str, workers: int, start: str | None
) -> None:
    """0, 1 and 2 workers, forked and spawned, from files and both stores, two epochs: equal, in order."""
    want = batches_of(made, places["files"], paired=paired, workers=0)
    options = {"multiprocessing_context": start} if start else {}
    found = batches_of(made, places[place], paired=paired, workers=workers, **options)
    first = epoch_of(want, 0)
    assert epoch_of(found, 0) == first
    second = epoch_of(want, 1)
    assert epoch_of(found, 1) == second != first


@pytest.mark.parametrize("paired", [False, True], ids=["plain", "paired"])
@pytest.mark.parametrize("workers", [0, 2])
def test_resumed_in_the_middle(made: Manifest, places: dict[str, Store | None], paired: bool, workers: int) -> None:
    """Stopped after three batches with workers that loaded ahead: the rest is what it would have been."""
    whole = epoch_of(batches_of(made, places["pixels"], paired=paired), 1)
    stopped = batches_of(made, places["pixels"], paired=paired, workers=workers)
    stopped.set_epoch(1)
    begun: Seen = []
    for number, batch in enumerate(stopped):
        begun += seen(batch)
        if number == 2:
            break
    state = stopped.state_dict()
    resumed = batches_of(made, places["pixels"], paired=paired, workers=0)
    resumed.load_state_dict(state)
    assert resumed.state_dict() == state
    assert begun + [one for batch in resumed for one in seen(batch)] == whole
    with pytest.raises(UsageError, match="not of this loader"):
        batches_of(made, places["pixels"], paired=not paired).load_state_dict(state)


def test_pairs_are_the_simulators(made: Manifest, places: dict[str, Store | None]) -> None:
    """Clean, occluded, mask, fraction, body and occluders of one picture, in a mapping that collates."""
    data = PairedOcclusionDataset(ReidDataset(made, split="all", store=places["pixels"]), "bank", seed=7)
    pair, pixels = data[9], places["pixels"].images[9]  # type: ignore[union-attr]
    want = Simulator("bank", seed=7)(pixels, made.frame["pixel_sha256"][9])
    assert (pair["clean"].numpy() == pixels.transpose(2, 0, 1)).all()
    assert (pair["occluded"].numpy() == want.image.transpose(2, 0, 1)).all()
    assert (pair["mask"].numpy() == want.mask).all()
    assert pair["occluders"] == ";".join(want.record.occluders)
    assert pair["body"] == made.frame["body"][9]
    batch = next(iter(loader(data, batch_size=5)))
    assert set(batch) >= {"clean", "occluded", "mask", "fraction", "label", "body", "pid", "camid", "image_id"}
    assert batch["fraction"].shape == (5,)
    with pytest.raises(UsageError, match="with transform= or as_tuple="):
        PairedOcclusionDataset(ReidDataset(made, split="all", as_tuple=True))


def test_normalize(made: Manifest, places: dict[str, Store | None]) -> None:
    """uint8 by default; floats of ImageNet's figures or one's own, where the batch is."""
    data = ReidDataset(made, split="all", store=places["pixels"])
    plain = next(iter(loader(data, 6)))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    want = (plain["image"].double() / 255 - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    for floats in (next(iter(loader(data, 6, normalize=True))), normalized(plain, mean, std)):
        assert floats["image"].dtype == torch.float32
        assert torch.allclose(floats["image"].double(), want, atol=1e-5)
        assert torch.equal(floats["label"], plain["label"])
    other = normalized({"image": plain["image"].contiguous()}, mean, std)
    assert torch.equal(other["image"], normalized(plain, mean, std)["image"])
    assert plain["image"].is_contiguous(memory_format=torch.channels_last)
    assert normalized(plain, mean, std)["image"].is_contiguous(memory_format=torch.channels_last)
    pairs = next(iter(loader(PairedOcclusionDataset(data), 6, normalize=((0, 0, 0), (1, 1, 1)))))
    assert (pairs["clean"].dtype, pairs["occluded"].dtype, pairs["mask"].dtype) == (
        torch.float32, torch.float32, torch.uint8,
    )  # fmt: skip


def test_auto_workers(made: Manifest, places: dict[str, Store | None]) -> None:
    """Two threads where a batch is gathered whole, none where it is occluded too; else processes."""
    plain = [ReidDataset(made, split="all", store=store, size=SIZE) for store in places.values()]
    for data, threads in (*((one, 2) for one in plain), *((PairedOcclusionDataset(one), 0) for one in plain)):
        assert (loader(data).workers, loader(data).threads) == (0, min(threads, cores()))
        assert (loader(data, threads=1).workers, loader(data, threads=1).threads) == (0, 1)
        assert (loader(data, workers=2).workers, loader(data, workers=2).threads) == (2, 0)
    assert loader(plain[0], prefetch_factor=3).workers > 0
    for data in (
        ReidDataset(made, split="all", size=SIZE, kind="array"),
        ReidDataset(made, split="all", transform=np.asarray, size=SIZE),
        PairedOcclusionDataset(plain[0], transform=dict),
    ):
        assert (loader(data).workers > 0, loader(data).threads) == (True, 0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"workers": -1}, "workers -1"),
        ({"workers": "many"}, "workers 'many'"),
        ({"batch_size": 65, "identities": 4, "instances": 2}, "Found 4 x 2 = 8"),
        ({"identities": 9, "instances": 2}, "Expected 9 or more, found 8"),
        ({"normalize": (1, 2)}, "three numbers each"),
        ({"normalize": ((0, 0, 0), (1, 1, 0))}, "three numbers each"),
        ({"threads": -1}, "threads -1: expected None or 0"),
        ({"threads": 1, "workers": 1}, "without worker processes. Found workers=1"),
        ({"body_aware": True}, "give identities= and instances="),
        ({"camera_aware": True}, "camera_aware: .*give identities= and instances="),
        ({"rank": 2, "world": 2}, "rank 2, world 2: expected the rank below the world"),
        ({"identities": 2.0}, "identities: expected a whole number"),
        ({"seed": "a"}, "seed: expected a whole number"),
        ({"identities": 2, "body_aware": True, "camera_aware": True}, "expected one of the two"),
    ],
)
def test_mistakes(made: Manifest, given: dict[str, Any], message: str) -> None:
    """What does not go together is said before anything is loaded."""
    with pytest.raises(UsageError, match="as_tuple=True"):
        loader(ReidDataset(made, split="all", size=SIZE, as_tuple=True), normalize=True)
    with pytest.raises(UsageError, match="Found list"):
        loader([1, 2, 3])
    with pytest.raises(UsageError, match=message):
        loader(ReidDataset(made, split="all", size=SIZE), **given)


@pytest.mark.parametrize("given", [{"workers": 0}, {"workers": 2}, {"threads": 2}], ids=str)
def test_a_bad_picture_is_named_or_counted(tmp_path: Path, given: dict[str, int]) -> None:
    """In the middle of an epoch, through worker processes and threads too."""
    loose = small(tmp_path, 2)
    name = loose.frame["image_id"][11]
    Path(image_refs(loose)[11].path).write_bytes(b"\xff\xd8\xff")
    with pytest.raises(InputError, match=name):
        epoch_of(loader(ReidDataset(loose, split="all"), 7, **given), 0)
    for data in (plain := ReidDataset(loose, split="all", on_error="skip"), PairedOcclusionDataset(plain)):
        assert len(epoch_of(loader(data, 7, **given), 0)) == 29
    assert plain.skipped == {name: 2}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("paired", [False, True], ids=["plain", "paired"])
def test_a_picture_that_vanishes_in_mid_epoch(tmp_path: Path, paired: bool, workers: int) -> None:
    """Gone after the first batch was received: named by image_id and path; or left out and counted."""
    loose = small(tmp_path, 4)

    def begun(on_error: str) -> tuple[ReidDataset, Loader, Any, str]:
        plain = ReidDataset(loose, split="all", size=SIZE, on_error=on_error)
        batches = loader(PairedOcclusionDataset(plain, seed=7) if paired else plain, 4, workers=workers, seed=3)
        delivered = iter(batches)
        next(delivered)
        return plain, batches, delivered, str(image_refs(loose)[batches.sampler.batches()[-1][1]].path)

    _, _, delivered, path = begun("raise")
    name = next(one.image_id for one in image_refs(loose) if one.path == path)
    Path(path).rename(tmp_path / "gone")
    said = rf"{name}: its picture cannot be read.*{path}.*No such file.*verify MANIFEST"
    with pytest.raises(InputError, match=said) as told:
        list(delivered)
    assert "Traceback" not in str(told.value)
    (tmp_path / "gone").rename(path)
    data, _, delivered, path = begun("skip")
    Path(path).unlink()
    assert sum(len(batch["index"]) for batch in delivered) == 60 - 4 - 1
    assert data.skipped == {name: 1}


def test_few_pictures(made: Manifest) -> None:
    """A person with one picture has it repeated in one group an epoch; one person alone cannot be two of a batch."""
    frame = made.frame
    rows = frame[(frame["pid"] == 2) | ((frame["pid"] == 1) & ~frame["pid"].duplicated())]
    data = ReidDataset(rows, manifest=made, size=SIZE)
    [batch] = loader(data, identities=2, instances=4, workers=0)
    counts = {label: batch["image_id"][4 * at : 4 * at + 4] for at, label in enumerate(batch["label"][::4].tolist())}
    assert (len(set(counts[0])), len(set(counts[1]))) == (1, 4)
    with pytest.raises(UsageError, match=r"identities=2: .* fewer people\. Expected 2 or more, found 1\. Next"):
        loader(ReidDataset(frame[frame["pid"] == 2], manifest=made), identities=2, instances=2)


def test_camera_aware(made: Manifest) -> None:
    """Through the loader, of pairs as well; a set that publishes no camera is refused."""
    rows = made.frame.assign(camid=[number % 3 for number in range(len(made))], camid_source="filename")
    for data in (plain := ReidDataset(rows, manifest=made, size=SIZE), PairedOcclusionDataset(plain, "afpb", seed=7)):
        for batch in loader(data, identities=2, instances=3, camera_aware=True, workers=0):
            assert [sorted(group.tolist()) for group in batch["camid"].reshape(2, 3)] == [[0, 1, 2]] * 2
    with pytest.raises(UsageError, match="120 of 120 pictures have no real camera"):
        loader(ReidDataset(made, split="all"), identities=2, instances=2, camera_aware=True)
