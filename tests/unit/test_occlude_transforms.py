"""`od.occlusion.transform`: named pictures, labels and keypoints in, a mapping out; no PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.errors import UsageError
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.occlusion import Simulator, transform

PICTURE = np.random.default_rng(5).integers(0, 256, (64, 32, 3), dtype=np.uint8)


def test_it_is_the_simulator_with_an_epoch_and_a_count() -> None:
    """The epoch is the copy, how often the picture was met is the occurrence, and both stand in the record."""
    t, sim = transform("afpb", seed=7), Simulator("afpb", seed=7)
    t.set_epoch(2)
    for occurrence in range(3):
        out, want = t(image=PICTURE), sim(PICTURE, copy=2, occurrence=occurrence)
        assert (out["image"] == want.image).all()
        assert (out["occlusion"] == want.mask).all()
        assert (out["record"]["copy"], out["record"]["occurrence"]) == (2, occurrence)
    assert out["record"]["key"] == pixel_digest(PICTURE)


def test_keypoints_are_flagged_and_never_deleted() -> None:
    """A point on an occluded pixel gets visibility 0; order, places and other flags stay."""
    t = transform("afpb", seed=7)
    points = np.array([[x + 0.5, y + 0.5, 2] for y in range(64) for x in range(32)])
    out = t(image=PICTURE, keypoints=points)
    hidden = out["occlusion"].ravel() > 0
    assert 0.2 < hidden.mean() < 0.3
    assert (out["keypoints"][:, :2] == points[:, :2]).all()
    assert (out["keypoints"][:, 2] == np.where(hidden, 0, 2)).all()
    assert (points[:, 2] == 2).all(), "what was given is left as it was"


def test_keypoints_without_flags_get_them() -> None:
    """(N, 2) in gives (N, 3) out; a point outside the picture, or not a number, is not called hidden."""
    nearly_all = od.occlusion.Recipe.of("afpb", fraction=(0.95, 0.95))
    out = transform(nearly_all, seed=7)(
        image=PICTURE, keypoints=[[-1, 40], [32, 40], [5, 64], [5, -1], [np.nan, 40], [5, 40]]
    )
    assert out["keypoints"][:, 2].tolist() == [1, 1, 1, 1, 1, 0]
    assert transform("afpb")(image=PICTURE, keypoints=[])["keypoints"].shape == (0, 3)


@pytest.mark.parametrize("points", [[1, 2], [[1], [2]], np.zeros((2, 4)), [["a", "b"]]])
def test_keypoints_of_another_shape_are_refused(points: Any) -> None:
    """The message says the two shapes."""
    with pytest.raises(UsageError, match=r"keypoints: expected"):
        transform("afpb")(image=PICTURE, keypoints=points)


def test_labels_are_untouched() -> None:
    """A label mask is that of the scene: what stands in front does not change it."""
    labels = np.arange(64 * 32).reshape(64, 32)
    out = transform("afpb")(image=PICTURE, mask=labels)
    assert out["mask"] is labels
    with pytest.raises(UsageError, match="mask: expected the picture's size"):
        transform("afpb")(image=PICTURE, mask=labels[:10])


def test_labels_and_keypoints_go_with_a_picture_that_is_cut() -> None:
    """`partial-crop` scales what it keeps: the pixel under a point and the label under it stay what they were."""
    labels = np.repeat(np.arange(64)[:, None], 32, axis=1)
    picture = np.dstack([labels.astype(np.uint8) * 4] * 3)
    points = np.array([[16.5, row + 0.5] for row in range(64)])
    out = transform("partial-crop", seed=1)(image=picture, mask=labels, keypoints=points)
    x, y, w, h = map(int, out["record"]["boxes"].split(":"))
    assert h < 64
    assert x <= 16 < x + w
    assert np.abs(out["mask"] * 4 - out["image"][..., 0].astype(int)).max() <= 4
    assert out["keypoints"][:, 2].tolist() == [float(y <= row < y + h) for row in range(64)]
    column, row = out["keypoints"][y : y + h, :2].astype(int).T
    assert (out["mask"][row, column] == np.arange(y, y + h)).all()


def test_a_persons_mask_is_what_the_fraction_is_of() -> None:
    """`person=` reaches recipes that need it; without it they say so."""
    recipe = od.occlusion.Recipe.of("afpb", of="person", fraction=(0.5, 0.5))
    person = np.zeros((64, 32), np.uint8)
    person[8:60, 8:24] = 255
    out = transform(recipe, seed=1)(image=PICTURE, person=person)
    assert abs((out["occlusion"][person > 0] > 0).mean() - 0.5) < 0.03
    with pytest.raises(UsageError, match="person=MASK"):
        transform(recipe, seed=1)(image=PICTURE)


def test_a_probability_replaces_the_recipes_by_key() -> None:
    """`p` is drawn by key, may hang on the epoch, and a higher one occludes the same pictures and more."""
    pictures = [np.full((16, 8, 3), value, np.uint8) for value in range(200)]

    def touched(p: Any, epoch: int = 0) -> set[int]:
        t = transform("afpb", seed=3, p=p)
        t.set_epoch(epoch)
        return {at for at, picture in enumerate(pictures) if t(image=picture)["occlusion"].any()}

    few, many = touched(0.3), touched(0.7)
    assert 40 < len(few) < 80
    assert 120 < len(many) < 160
    assert few < many
    assert (touched(0), touched(1)) == (set(), set(range(200)))
    assert touched(lambda epoch: min(1, epoch / 10), 3) != touched(lambda epoch: min(1, epoch / 10), 7)
    assert touched(lambda epoch: 0.0 if epoch < 5 else 1.0, 4) == set()
    assert touched(lambda epoch: 0.0 if epoch < 5 else 1.0, 5) == set(range(200))


@pytest.mark.parametrize("p", [-0.1, 1.1, "half", True, lambda epoch: 2])
def test_a_probability_is_one(p: Any) -> None:
    """A wrong probability is said when the transform is made, not in the middle of a training."""
    with pytest.raises(UsageError, match="p: expected a number from 0 to 1"):
        transform("afpb", p=p)


def test_a_state_of_another_recipe_is_refused() -> None:
    """A resume that would go on with other pictures is an error."""
    state = transform("afpb", seed=1).state_dict()
    with pytest.raises(UsageError, match="not of this transform"):
        transform("afpb", seed=2).load_state_dict(state)
    with pytest.raises(UsageError, match="not of this transform"):
        transform("random-erasing", seed=1).load_state_dict(state)
    with pytest.raises(UsageError, match="not whole"):
        transform("afpb", seed=1).load_state_dict({"recipe": state["recipe"], "seed": 1})
    with pytest.raises(UsageError, match="delivered: expected pixel_sha256"):
        transform("afpb", seed=1).state_dict(delivered=[3])


@pytest.mark.parametrize(
    "image", [None, PICTURE[..., 0], PICTURE.astype(np.float32), PICTURE[:4]], ids=["none", "grey", "floats", "tiny"]
)
def test_what_is_no_picture_is_refused(image: Any) -> None:
    """The simulator's own words reach the user."""
    with pytest.raises(UsageError, match=r"^image: "):
        transform("afpb")(image=image)


def test_a_view_of_a_larger_array_is_the_same_picture() -> None:
    """Strides do not matter: only pixels do."""
    wide = np.zeros((64, 64, 3), np.uint8)
    wide[:, ::2] = PICTURE
    assert (transform("afpb")(image=wide[:, ::2])["image"] == transform("afpb")(image=PICTURE)["image"]).all()


def test_it_works_inside_albumentations(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line makes it a member of `A.Compose`, beside whose other members the label mask is carried."""
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    albumentations = pytest.importorskip("albumentations", reason="albumentations is not installed")
    t = transform("afpb", seed=7)

    def occlude(image: np.ndarray, **_: Any) -> np.ndarray:
        return t(image=image)["image"]

    labels = np.zeros((64, 32), np.uint8)
    out = albumentations.Compose([albumentations.Lambda(image=occlude, p=1)])(image=PICTURE, mask=labels)
    assert (out["image"] == transform("afpb", seed=7)(image=PICTURE)["image"]).all()
    assert (out["mask"] == labels).all()
