"""`od.torch`: one picture, or a sample in anybody's list of transforms, with the pixels of the simulator."""

from __future__ import annotations

import copy
import json
import pickle
import sys
from collections import Counter
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

import occluded_datasets as od
from occluded_datasets.errors import UsageError
from occluded_datasets.occlusion import Simulator

PICTURE = np.random.default_rng(5).integers(0, 256, (64, 32, 3), dtype=np.uint8)
WANT = Simulator("afpb", seed=7)(PICTURE)


@pytest.fixture
def torch() -> Any:
    """Return PyTorch, or skip."""
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def tv(torch: Any) -> Any:
    """Return torchvision's tensors with a meaning, or skip."""
    return pytest.importorskip("torchvision.tv_tensors", reason="torchvision is not installed")


@pytest.fixture
def v2(tv: Any) -> Any:
    """Return torchvision's transforms, or skip."""
    return pytest.importorskip("torchvision.transforms.v2", reason="torchvision is not installed")


def first(tensor: np.ndarray) -> np.ndarray:
    """Return pixels with channels first."""
    return np.ascontiguousarray(tensor.transpose(2, 0, 1))


def test_pil_and_numpy_give_the_simulators_pixels() -> None:
    """PIL in gives PIL out, an array an array; what was given is left as it is. No PyTorch is needed."""
    before = PICTURE.copy()
    out = od.torch.Occlude("afpb", seed=7)(Image.fromarray(PICTURE))
    assert isinstance(out, Image.Image)
    assert (np.asarray(out) == WANT.image).all()
    assert (od.torch.Occlude("afpb", seed=7)(PICTURE) == WANT.image).all()
    assert (before == PICTURE).all()


def test_tensors_give_the_simulators_pixels(torch: Any, tv: Any) -> None:
    """A tensor gives a tensor, an image of torchvision an image; contiguous, on the same device."""
    plain = torch.from_numpy(first(PICTURE))
    for given in (plain, tv.Image(plain), plain.permute(1, 2, 0).contiguous().permute(2, 0, 1)):
        out = od.torch.Occlude("afpb", seed=7)(given)
        assert type(out) is type(given)
        assert out.is_contiguous()
        assert (out.numpy() == first(WANT.image)).all()
        assert (given.numpy() == first(PICTURE)).all()


def test_the_mask_comes_on_request(torch: Any, tv: Any) -> None:
    """The occlusion in the picture's own type: PIL in mode L, an array, a tensor, a `tv_tensors.Mask`."""
    occlude = od.torch.Occlude("afpb", seed=7, masks=True)

    def mask(value: Any) -> Any:
        occlude.set_epoch(0)
        return occlude(value)[1]

    plain = torch.from_numpy(first(PICTURE))
    assert (np.asarray(mask(Image.fromarray(PICTURE))) == WANT.mask).all()
    assert mask(Image.fromarray(PICTURE)).mode == "L"
    assert (mask(PICTURE) == WANT.mask).all()
    assert (mask(plain).numpy() == WANT.mask).all()
    assert isinstance(mask(tv.Image(plain)), tv.Mask)


def test_a_repeat_and_an_epoch_are_other_versions() -> None:
    """A picture met twice is occluded otherwise; so is one in another epoch; and an epoch can be had again."""
    occlude = od.torch.Occlude("afpb", seed=7)

    def epoch(number: int) -> list[bytes]:
        occlude.set_epoch(number)
        return [occlude(PICTURE).tobytes() for _ in range(3)]

    zero, one = epoch(0), epoch(1)
    assert len({*zero, *one}) == 6
    assert epoch(0) == zero
    assert occlude(PICTURE).tobytes() not in {*zero, *one}, "without set_epoch the count goes on"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))], ids=["deep", "pickle"])
def test_copies_count_for_themselves(copied: Callable[[Any], Any]) -> None:
    """A deep copy or a pickle goes on from the same place, and apart."""
    occlude = od.torch.Occlude("afpb", seed=7, p=0.9)
    occlude(PICTURE)
    other = copied(occlude)
    assert (other(PICTURE) == occlude(PICTURE)).all()


def load(occlude: Any, pictures: list[np.ndarray], queue: Any) -> None:
    """Occlude pictures in another process."""
    queue.put([(int(picture[0, 0, 0]), occlude(picture).tobytes()) for picture in pictures])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_make_one_epoch_together(method: str) -> None:
    """Two processes that share the work make what one makes: each repeat is met once, whoever meets it."""
    pictures = [np.full((32, 16, 3), value, np.uint8) for value in (1, 2, 1, 1, 3, 2, 1, 4)]
    occlude = od.torch.Occlude("random-erasing", seed=7, p=1.0)
    alone = Counter((int(picture[0, 0, 0]), occlude(picture).tobytes()) for picture in pictures)
    context = get_context(method)
    queue = context.Queue()
    occlude.set_epoch(0)
    workers = [context.Process(target=load, args=(occlude, pictures[half::2], queue)) for half in range(2)]
    for worker in workers:
        worker.start()
    together = Counter(one for _ in workers for one in queue.get(timeout=60))
    for worker in workers:
        worker.join()
    assert together == alone
    assert len(alone) == len(pictures)


def test_a_state_resumes() -> None:
    """What comes after `load_state_dict` is what would have come."""
    occlude = od.torch.Occlude("afpb", seed=7)
    occlude.set_epoch(3)
    occlude(PICTURE)
    state = json.loads(json.dumps(occlude.state_dict()))
    other = od.torch.Occlude("afpb", seed=7)
    other.load_state_dict(state)
    assert other.epoch == 3
    assert (other(PICTURE) == occlude(PICTURE)).all()


def test_it_says_what_it_is() -> None:
    """A printed list of transforms names the recipe with its digest."""
    recipe = od.occlusion.Recipe.of("afpb").id
    assert repr(od.torch.Occlude("afpb", seed=7, p=0.5)) == f"Occlude('{recipe}', seed=7, p=0.5)"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.zeros((64, 32, 3), np.float32), r"a float32 array \(64, 32, 3\).*before ToTensor"),
        (np.zeros((64, 32), np.uint8), r"a uint8 array \(64, 32\)"),
        (np.zeros((3, 64, 32), np.uint8), r"a uint8 array \(3, 64, 32\)"),
        (Image.new("L", (32, 64)), r'mode L.*convert\("RGB"\)'),
        ("picture.jpg", r"Found builtins.str"),
        (None, r"NoneType"),
        ((1, "a"), r"none in a sample of type tuple"),
    ],
    ids=lambda value: "" if isinstance(value, str) and "Found" not in value else type(value).__name__,
)
def test_what_is_no_picture_is_refused(value: Any, found: str) -> None:
    """The message says what is taken, what was found, and what to do."""
    with pytest.raises(UsageError, match=found):
        od.torch.Occlude("afpb")(value)


def test_tensors_of_floats_and_batches_are_refused(torch: Any) -> None:
    """Behind ToTensor it is too late; a batch is for OccludeBatch."""
    with pytest.raises(UsageError, match=r"a torch.float32 tensor \(3, 64, 32\).*before ToTensor"):
        od.torch.Occlude("afpb")(torch.zeros(3, 64, 32))
    with pytest.raises(UsageError, match=r"a torch.uint8 tensor \(2, 3, 64, 32\)"):
        od.torch.Occlude("afpb")(torch.zeros(2, 3, 64, 32, dtype=torch.uint8))


def test_in_a_list_of_torchreid(torch: Any) -> None:
    """`RandomErasing` out, `Occlude` in front: the tensor is that of the occluded picture."""
    pytest.importorskip("torchvision", reason="torchvision is not installed")
    from torchvision.transforms import Compose, Normalize, RandomHorizontalFlip, Resize, ToTensor

    norm = Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
    steps = [Resize((64, 32)), RandomHorizontalFlip(p=0), ToTensor(), norm]
    out = Compose([od.torch.Occlude("afpb", seed=7), *steps])(Image.fromarray(PICTURE))
    assert torch.equal(out, Compose(steps)(Image.fromarray(WANT.image)))


def test_in_a_compose_of_torchvision(torch: Any, tv: Any, v2: Any) -> None:
    """The image is occluded, masks and boxes are carried along, and the occlusion follows a flip."""
    whole = v2.Compose(
        [
            v2.ToImage(),
            od.torch.Occlude("afpb", seed=7, masks=True),
            v2.RandomHorizontalFlip(p=1),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    person = tv.Mask(torch.ones(64, 32, dtype=torch.uint8))
    box = tv.BoundingBoxes([[1, 2, 11, 22]], format="XYXY", canvas_size=(64, 32))
    sample = {"image": Image.fromarray(PICTURE), "person": person, "box": box, "pid": 5}
    out = whole(sample)
    assert torch.equal((out["image"] * 255).round().byte().flip(-1), torch.from_numpy(first(WANT.image)))
    assert torch.equal(out["occlusion"].flip(-1).byte(), torch.from_numpy(WANT.mask))
    assert out["box"].tolist() == [[21, 2, 31, 22]]
    assert torch.equal(out["person"].byte(), person)
    assert out["pid"] == 5


def test_several_arguments_stay_several(torch: Any, tv: Any, v2: Any) -> None:
    """`Compose(image, label)` gives an image and a label, and with masks one more."""
    image = tv.Image(torch.from_numpy(first(PICTURE)))
    label = torch.tensor(4)
    out, same = v2.Compose([od.torch.Occlude("afpb", seed=7)])(image, label)
    assert (out.numpy() == first(WANT.image)).all()
    assert same is label
    assert len(od.torch.Occlude("afpb", seed=7, masks=True)(image, label)) == 3


class Pair(NamedTuple):
    """A sample of somebody's."""

    image: Any
    rest: dict[str, Any]


def test_structures_keep_their_types() -> None:
    """Lists, tuples, named tuples and mappings, nested as they are; a second picture is one more picture."""
    other = PICTURE[::-1].copy()
    images = (Image.fromarray(PICTURE), Image.fromarray(other))
    out = od.torch.Occlude("afpb", seed=7)([Pair(images[0], {"more": images[1], "pid": 3})])
    assert isinstance(out, list)
    assert isinstance(out[0], Pair)
    assert out[0].rest["pid"] == 3
    assert (np.asarray(out[0].image) == WANT.image).all()
    assert (np.asarray(out[0].rest["more"]) == Simulator("afpb", seed=7)(other).image).all()


def test_labels_are_no_pictures() -> None:
    """Beside a picture, a label array and a mask of PIL are left alone; one picture in two places is met once."""
    label, mask = np.array(3), Image.new("L", (32, 64))
    same, out = od.torch.Occlude("afpb", seed=7)((label, PICTURE))
    assert same is label
    assert (out == WANT.image).all()
    image = Image.fromarray(PICTURE)
    occlude = od.torch.Occlude("afpb", seed=7)
    one, left, two = occlude((image, mask, image))
    assert left is mask
    assert one is two
    assert (np.asarray(one) == WANT.image).all()


def test_a_picture_that_is_cut_does_not_slide_under_its_boxes(torch: Any, tv: Any) -> None:
    """`partial-crop` moves pixels: with masks or boxes in the sample it is refused, without them it works."""
    occlude = od.torch.Occlude("partial-crop")
    image = tv.Image(torch.from_numpy(first(PICTURE)))
    with pytest.raises(UsageError, match=r"moves the picture under its masks and boxes.*od\.occlusion\.transform"):
        occlude(image, tv.Mask(torch.zeros(64, 32)))
    assert occlude(image, 3)[0].shape == (3, 64, 32)


def test_without_pytorch_a_batch_says_what_to_install(python: Callable[..., str], tmp_path: Path) -> None:
    """Tensors need PyTorch, and the message has the line that installs it; pictures of PIL go on without."""
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')")
    code = (
        "import occluded_datasets as od\nfrom PIL import Image\n"
        "print(od.torch.Occlude('afpb')(Image.new('RGB', (32, 64))).size)\n"
        "try:\n    od.torch.OccludeBatch('afpb')\n"
        "except od.OccludedDatasetsError as error:\n    print(type(error).__name__, error)"
    )
    size, said = python(code, tmp_path).splitlines()
    assert size == "(32, 64)"
    assert said.startswith("MissingPackageError OccludeBatch: torch is not installed.")
    assert said.endswith('pip install "torch>=2.1"')


def test_pictures_of_pil_load_no_pytorch(python: Callable[..., str]) -> None:
    """A pipeline without tensors does not pay for PyTorch."""
    code = (
        "import occluded_datasets as od, sys\nfrom PIL import Image\n"
        "od.torch.Occlude('afpb')(Image.new('RGB', (32, 64)))\nprint('torch' in sys.modules)"
    )
    assert python(code) == "False"
    assert sys.modules[od.torch.__name__] is od.torch
