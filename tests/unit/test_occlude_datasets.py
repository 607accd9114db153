"""`od.torch.occlude`: anybody's dataset, with views beside its own samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

import occluded_datasets as od
from occluded_datasets.errors import UnknownNameError, UsageError
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.occlusion import Simulator

PICTURE = np.random.default_rng(5).integers(0, 256, (64, 32, 3), dtype=np.uint8)


@pytest.fixture
def torch() -> Any:
    """Return PyTorch, or skip."""
    return pytest.importorskip("torch", reason="PyTorch is not installed")


class Pictures:
    """Ten pictures in the shape of torchreid's samples."""

    def __init__(self, kind: str = "tuple", pil: bool = True) -> None:
        values = np.random.default_rng(1).integers(0, 256, (10, 32, 16, 3), dtype=np.uint8)
        self.pixels, self.kind, self.pil = values, kind, pil

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Any:
        image = Image.fromarray(self.pixels[index]) if self.pil else self.pixels[index]
        if self.kind == "dict":
            return {"img": image, "pid": index // 2}
        return {"tuple": (image, index // 2), "list": [image, index // 2], "bare": image}[self.kind]


@pytest.mark.parametrize(("kind", "image"), [("tuple", 0), ("list", 0), ("dict", "img"), ("bare", 0)])
def test_a_dataset_keeps_its_samples(kind: str, image: int | str) -> None:
    """A tuple or list gets one more item, a dict one more key; the sample's own picture stays clean."""
    data = Pictures(kind)
    sample = od.torch.occlude(data, "afpb", seed=7, image=image)[3]
    if kind == "dict":
        assert list(sample) == ["img", "pid", "occlusion"]
        extra, own = sample["occlusion"], sample["img"]
    else:
        assert type(sample) is (list if kind == "list" else tuple)
        *_, extra = sample
        own = sample[0]
    want = Simulator("afpb", seed=7)(data.pixels[3])
    assert (np.asarray(own) == data.pixels[3]).all()
    assert (np.asarray(extra["clean"]) == data.pixels[3]).all()
    assert (np.asarray(extra["occluded"]) == want.image).all()
    assert (np.asarray(extra["mask"]) == want.mask).all()
    assert extra["fraction"] == pytest.approx((want.mask > 0).mean(), abs=1e-6)
    assert extra["record"]["key"] == pixel_digest(data.pixels[3])
    assert type(extra["record"]) is dict


def test_views_can_be_chosen_and_put_in_place() -> None:
    """`into` makes a plain training set of it: no default collation stumbles over a picture of PIL."""
    data = Pictures("dict")
    out = od.torch.occlude(data, "afpb", 7, views=("occluded",), image="img", into="occluded", transform=as_arrays)[2]
    assert sorted(out["occlusion"]) == ["fraction", "occluded", "record"]
    assert (out["img"] == Simulator("afpb", seed=7)(data.pixels[2]).image).all()


def as_arrays(views: dict[str, Any]) -> dict[str, Any]:
    """Return views as arrays."""
    return {name: np.asarray(view) for name, view in views.items()}


def test_samples_can_be_collated(torch: Any) -> None:
    """The views and the record of a batch go through PyTorch's default collation."""
    data = od.torch.occlude(Pictures(pil=False), "afpb", p=0.5)
    images, pids, extra = torch.utils.data.default_collate([data[index] for index in range(10)])
    assert images.shape == extra["occluded"].shape == (10, 32, 16, 3)
    assert extra["mask"].shape == (10, 32, 16)
    assert pids.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(extra["record"]["boxes"]) == 10
    assert extra["fraction"].dtype == torch.float64


def test_one_crop_of_all_views(torch: Any) -> None:
    """A transform of the views moves clean, occluded and mask alike."""
    v2 = pytest.importorskip("torchvision.transforms.v2", reason="torchvision is not installed")
    tv = pytest.importorskip("torchvision.tv_tensors", reason="torchvision is not installed")
    flip = v2.Compose([v2.RandomHorizontalFlip(p=1)])
    data = [(tv.Image(torch.from_numpy(PICTURE.transpose(2, 0, 1).copy())), 1)]
    plain, flipped = (od.torch.occlude(data, "afpb", transform=one)[0][-1] for one in (None, flip))
    for view in ("clean", "occluded", "mask"):
        assert torch.equal(plain[view].flip(-1), flipped[view])


def test_keys_may_be_given_or_offered() -> None:
    """A key function or the dataset's own pixel_sha256 saves hashing, and gives the same pictures."""
    data = Pictures(pil=False)
    digests = [pixel_digest(one) for one in data.pixels]
    by_hash = [od.torch.occlude(data)[index][-1]["occluded"].tobytes() for index in range(10)]
    by_function = [
        od.torch.occlude(data, key=digests.__getitem__)[index][-1]["occluded"].tobytes() for index in range(10)
    ]
    data.pixel_sha256 = digests  # type: ignore[attr-defined]
    offered = [od.torch.occlude(data)[index][-1]["occluded"].tobytes() for index in range(10)]
    assert by_hash == by_function == offered
    data.pixel_sha256 = ["offered"] * 10  # type: ignore[attr-defined]
    assert od.torch.occlude(data)[0][-1]["record"]["key"] == "offered"
    other = od.torch.occlude(data, key=lambda index: "another")[0][-1]
    assert other["record"]["key"] == "another"


def test_an_index_counts_for_itself() -> None:
    """The n-th visit of an index is its n-th version, from either end; a twin at another index has the same ones."""
    data = [(PICTURE, 0), (PICTURE.copy(), 1)]
    occluded = od.torch.occlude(data)
    versions = [[occluded[index][-1]["occluded"].tobytes() for _ in range(2)] for index in (0, 1)]
    assert versions[0] == versions[1]
    assert versions[0][0] != versions[0][1]
    assert occluded[-1][-1]["record"]["occurrence"] == 2
    for index in (2, -3):
        with pytest.raises(IndexError):
            occluded[index]


def test_a_state_of_what_was_delivered() -> None:
    """Indices that were received are the state, whatever was loaded ahead."""
    data = od.torch.occlude(Pictures(pil=False), seed=3)
    data.set_epoch(2)
    for index in (0, 1, 1, 2, 3):
        data[index]
    other = od.torch.occlude(Pictures(pil=False), seed=3)
    other.load_state_dict(data.state_dict(delivered=[0, 1, 1]))
    assert [other[index][-1]["record"]["occurrence"] for index in (0, 1, 2, 3)] == [1, 2, 0, 0]
    assert other.epoch == 2


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"views": ("clean", "ocluded")}, UnknownNameError, "Did you mean occluded"),
        ({"views": ("mask",), "into": "occluded"}, UsageError, "into='occluded': expected one of the views"),
        ({"recipe": "afbp"}, UnknownNameError, "Did you mean afpb"),
        ({"seed": -1}, UsageError, "seed: expected"),
    ],
)
def test_wrong_options_are_said_at_once(options: dict[str, Any], error: type[Exception], says: str) -> None:
    """A wrong view, recipe or seed is an error when the dataset is wrapped."""
    with pytest.raises(error, match=says):
        od.torch.occlude(Pictures(), **options)


def test_wrong_datasets_and_samples_are_said() -> None:
    """An iterable set, a place without a picture, and a sample that is normalised already."""
    with pytest.raises(UsageError, match="expected one with __getitem__ and __len__"):
        od.torch.occlude(iter([1]))
    with pytest.raises(UsageError, match=r"image=5: not in the sample, a tuple with 2 items"):
        od.torch.occlude(Pictures(), image=5)[0]
    with pytest.raises(UsageError, match=r"image='image': not in the sample, a dict with keys \['img', 'pid'\]"):
        od.torch.occlude(Pictures("dict"), image="image")[0]
    with pytest.raises(UsageError, match="Found a float32 array"):
        od.torch.occlude([(PICTURE / np.float32(255), 1)])[0]
