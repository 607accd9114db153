"""`od.torch.OccludeBatch`: the bytes of NumPy on tensors; and nobody is occluded by himself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.errors import UsageError
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.occlusion import Pool, Simulator, presets

PICTURE = np.random.default_rng(5).integers(0, 256, (64, 32, 3), dtype=np.uint8)


@pytest.fixture
def torch() -> Any:
    """Return PyTorch, or skip."""
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    """Return the pool of a small twin's training people."""
    from occluded_datasets.twin import twin

    root = tmp_path_factory.mktemp("twin")
    made = twin("market-1501", root / "raw", ids=8, variant="train-only")
    od.build("market-1501", made.tree, root=root, variant="train-only", allow_subset=True)
    return Pool.of(od.load("market-1501", root=root))


def test_nobody_occludes_himself(pool: Pool) -> None:
    """A transform is told no identity; a picture of the pool is known by its pixels."""
    occlude = od.torch.Occlude("person", seed=1, pool=pool)
    data = [pool.pixels(one) for own in pool.people.values() for one in own]
    owners = [one.pid for own in pool.people.values() for one in own]
    names = {one.image_id: one.pid for own in pool.people.values() for one in own}
    for pid, picture in zip(owners, data, strict=True):
        for _ in range(5):
            record = occlude._occlude(picture).record
            assert {names[name] for name in record.occluders}.isdisjoint({pid})
    other = owners[-1]
    for options in ({"key": str}, {}):  # a pid that is given holds, also for a picture that the pool knows
        wrapped = od.torch.occlude(data, "person", 1, pool=pool, pid=lambda index: other, **options)
        drawn = {names[wrapped[0][-1]["record"]["occluders"]] for _ in range(60)}
        assert other not in drawn
        assert owners[0] in drawn


@pytest.mark.parametrize("preset", presets())
def test_a_batch_of_tensors_has_the_bytes_of_numpy(preset: str, torch: Any, pool: Pool) -> None:
    """Every preset, both memory formats, keys given or not: images, masks and records are those of the simulator."""
    if preset in ("bank", "mixed"):
        pytest.importorskip("occluded_datasets.occlusion.sources.bank", reason="there is no bank yet")
    pictures = np.stack([one for own in pool.people.values() for one in map(pool.pixels, own[:2])])
    keys = [pixel_digest(one) for one in pictures]
    options = {"copies": list(range(len(keys))), "occurrences": 2, "pids": [pool.pids[0]] * len(keys)}
    want = Simulator(preset, seed=9, pool=pool).batch(pictures, keys, **options)
    batch = od.torch.OccludeBatch(preset, seed=9, pool=pool)
    given = torch.from_numpy(pictures).permute(0, 3, 1, 2)
    for images in (given, given.contiguous()):
        before = images.clone()
        for named in (keys, None):
            out, masks, records = batch(images, named, **options)
            assert (out.permute(0, 2, 3, 1).numpy() == want.images).all()
            assert (masks.numpy() == want.masks).all()
            assert records == want.records
            assert out.stride() == images.stride()
        assert torch.equal(images, before)
    assert (want.images != pictures).any()


def test_what_is_no_batch_is_refused(torch: Any) -> None:
    """Floats, single pictures and arrays are named as what they are."""
    batch = od.torch.OccludeBatch("afpb")
    for wrong, found in (
        (torch.zeros(2, 3, 64, 32), r"torch.float32 \(2, 3, 64, 32\)"),
        (torch.zeros(3, 64, 32, dtype=torch.uint8), r"torch.uint8 \(3, 64, 32\)"),
        (torch.zeros(2, 1, 64, 32, dtype=torch.uint8), r"torch.uint8 \(2, 1, 64, 32\)"),
        (PICTURE, r"uint8 \(64, 32, 3\)"),
    ):
        with pytest.raises(UsageError, match=f"Expected a uint8 tensor .* found {found}"):
            batch(wrong)
