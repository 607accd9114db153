"""Views, their labels and their augmentation: keyed by pixels, so the same wherever they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import occluded_datasets as od  # noqa: E402
from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.data import Batches, augmented, draws, shuffled, training_rows  # noqa: E402
from occluded_datasets.errors import UsageError  # noqa: E402
from occluded_datasets.manifest import Manifest  # noqa: E402
from occluded_datasets.store import pack  # noqa: E402
from occluded_datasets.twin import twin  # noqa: E402

BASE = Config(
    backbone="tiny", weights="none", height=64, width=32, identities=3, instances=2, train_protocol="afpb-nshot-1",
    occlusion="afpb-wide",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    """Return a twin of eight identities and its store."""
    folder = tmp_path_factory.mktemp("afpb")
    tree = twin("partial-reid", folder / "raw", ids=8).tree
    manifest = od.load(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)
    pack(manifest, folder / "store", BASE.size)
    return manifest, folder / "store"


def first(made: tuple[Manifest, Path], epoch: int = 0, **changes: Any) -> Any:
    """Return the first batch of an epoch."""
    config = Config.of(changes, BASE)
    batches = Batches(training_rows(made[0], config), made[0], config, made[1], torch.device("cpu"))
    return next(batches.epoch(epoch))


def test_an_occluded_view_keeps_its_identity_and_is_labelled_occluded(made: tuple[Manifest, Path]) -> None:
    """First views in the first half, second ones in the second: same people, hidden by what is put in front."""
    batch = first(made)
    half = len(batch.labels) // 2
    assert batch.labels[:half].tolist() == batch.labels[half:].tolist()
    assert batch.hidden[half:].tolist() == [1] * half
    bodies = training_rows(made[0], BASE)["body"].isin(("occluded", "partial")).mean()
    config = Config.of({"occlusion": "clean"}, BASE)
    batches = Batches(training_rows(made[0], config), made[0], config, made[1], torch.device("cpu"))
    own = torch.cat([one.hidden for one in batches.epoch(0)]).float().mean().item()
    assert own == pytest.approx(bodies, abs=0.1)  # the set has pictures of both kinds itself


def test_people_in_front_are_of_the_training_rows(made: tuple[Manifest, Path]) -> None:
    """Of other identities than the picture's, and never of one that is held out."""
    config = Config.of({"occlusion": "person"}, BASE)
    rows = training_rows(made[0], config)
    batches = Batches(rows, made[0], config, made[1], torch.device("cpu"))
    assert batches.pool is not None
    assert set(batches.pool.pids) == set(rows["pid"]) < set(made[0].frame["pid"])
    owner = dict(zip(made[0].frame["image_id"], made[0].frame["pid"], strict=True))
    for raw in batches.loader:
        for occluder, pid in zip(raw["occluders"], raw["pid"].tolist(), strict=True):
            assert owner[occluder] in set(rows["pid"]) - {pid}
    assert Batches(rows, made[0], BASE, made[1], torch.device("cpu")).pool is None


def test_a_clean_second_view_has_the_labels_of_the_first(made: tuple[Manifest, Path]) -> None:
    """Only the crop and the mirroring differ."""
    batch = first(made, occlusion="clean")
    half = len(batch.labels) // 2
    assert batch.hidden[:half].tolist() == batch.hidden[half:].tolist()
    assert not torch.equal(batch.pictures[:half], batch.pictures[half:])
    still = first(made, occlusion="clean", flip=False, pad=0)
    assert torch.equal(still.pictures[:half], still.pictures[half:])


def test_arms_share_pictures_order_crops_and_boxes(made: tuple[Manifest, Path]) -> None:
    """Noise differs from the simulator inside its boxes alone; what differs between arms is what they name."""
    content, noise, clean = (
        first(made, occlusion=one, pad=0, flip=False, obc_weight=0.0)
        for one in ("afpb-wide", "afpb-wide-noise", "clean")
    )
    half = len(content.labels) // 2
    assert torch.equal(content.pictures[:half], noise.pictures[:half])
    assert torch.equal(content.pictures[:half], clean.pictures[:half])
    outside = (noise.pictures[half:] == clean.pictures[half:]).all(dim=1)
    assert torch.equal(
        content.pictures[half:].permute(0, 2, 3, 1)[outside], clean.pictures[half:].permute(0, 2, 3, 1)[outside]
    )
    assert 0.1 < 1 - outside.float().mean() < 0.4


def test_one_view_has_each_picture_once(made: tuple[Manifest, Path]) -> None:
    """Occlusion none."""
    assert len(first(made, occlusion="none").labels) == 6


def test_another_epoch_is_another_draw_and_the_same_epoch_the_same(made: tuple[Manifest, Path]) -> None:
    """A function of seed, pixels and epoch."""
    one, same, other = first(made), first(made), first(made, epoch=1)
    assert torch.equal(one.pictures, same.pictures)
    assert not torch.equal(one.pictures, other.pictures)


def test_an_epoch_taken_up_in_the_middle_goes_on_the_same(made: tuple[Manifest, Path]) -> None:
    """Visits are counted as if the steps before had been taken."""
    rows = training_rows(made[0], BASE)
    whole = list(Batches(rows, *made[:1], BASE, made[1], torch.device("cpu")).epoch(2))
    rest = list(Batches(rows, *made[:1], BASE, made[1], torch.device("cpu")).epoch(2, steps=3))
    assert len(rest) == len(whole) - 3 > 0
    assert all(torch.equal(a.pictures, b.pictures) for a, b in zip(whole[3:], rest, strict=True))


def test_augmentation_draws_are_spread_and_keyed() -> None:
    """Half mirrored, every shift as often, a repeated picture drawn anew."""
    found = draws([f"{number:064x}" for number in range(4000)], 0, 0, 0, 2)
    assert abs(found[:, 0].mean() - 0.5) < 0.04
    assert np.bincount(found[:, 1], minlength=5).min() > 700
    assert found[:, 1:].max() == 4
    twice = draws(["ab", "cd", "ab"], 0, 0, 0, 50)
    assert not np.array_equal(twice[0], twice[2])
    assert np.array_equal(draws(["cd", "ab"], 0, 0, 0, 50)[1], twice[0])


def test_a_crop_moves_the_picture_and_fills_with_black() -> None:
    """Down 0 of pad 1: the picture moves down by one, the first row is black."""
    one = torch.arange(1, 7, dtype=torch.uint8).view(1, 1, 2, 3)
    assert augmented(one, np.array([[0, 0, 1]]), 1, flip=True)[0, 0].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert augmented(one, np.array([[1, 1, 2]]), 1, flip=True)[0, 0].tolist() == [[2, 1, 0], [5, 4, 0]]


def test_shuffled_labels_are_a_permutation_that_breaks_people(made: tuple[Manifest, Path]) -> None:
    """As many of each, elsewhere."""
    labels = np.repeat(np.arange(20), 5)
    found = shuffled(labels, [f"{number:064x}" for number in range(100)], 0)
    assert np.array_equal(np.bincount(found), np.bincount(labels))
    assert (found == labels).mean() < 0.2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"train_protocol": "transfer-all-occluded-probe"}, "no training rows"),
        ({"hold_out": "market-1501-occ-v1-dev", "train_protocol": ""}, "is made of market-1501"),
    ],
)
def test_a_set_without_training_rows_is_refused(
    made: tuple[Manifest, Path], changes: dict[str, Any], words: str
) -> None:
    """The message names the set and the option that mends it."""
    with pytest.raises(UsageError, match=words):
        training_rows(made[0], Config.of(changes, BASE))


def test_obc_without_anything_occluded_is_refused(made: tuple[Manifest, Path]) -> None:
    """The labels would all be 0."""
    manifest = made[0]
    rows = training_rows(manifest, BASE)
    config = Config.of({"occlusion": "clean"}, BASE)
    with pytest.raises(UsageError, match="undefined here"):
        Batches(rows[rows["body"] == "full"].reset_index(drop=True), manifest, config, made[1], torch.device("cpu"))
