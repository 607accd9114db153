"""The simulator's promises on single pictures: keyed, exact, as large as asked for, and where the prior says."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occluded_datasets.errors import InputError, UsageError
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import encode
from occluded_datasets.occlusion import Pool, Recipe, Simulator, presets
from occluded_datasets.occlusion.recipes.keys import PPM, Key
from occluded_datasets.occlusion.recipes.placement import named_priors, parse_prior, place
from occluded_datasets.occlusion.recipes.recipe import OCCLUDERS, POOLED
from occluded_datasets.occlusion.sources.bank import Cutout
from occluded_datasets.occlusion.sources.occluders import CONTENT, cut
from occluded_datasets.occlusion.sources.pool import PoolImage

RECTANGLES = sorted(set(CONTENT) - set(POOLED) - {"random-erasing"})
PRIORS = sorted(named_priors())


def picture(seed: int = 0, width: int = 64, height: int = 128) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a smooth synthetic picture."""
    rows, columns = np.mgrid[0:height, 0:width]
    planes = [(rows * (seed + 2) + columns * step) % 256 for step in (1, 3, 5)]
    return np.stack(planes, axis=2).astype(np.uint8)


def oval(width: int, height: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return an oval mask, shape (height, width)."""
    rows, columns = np.mgrid[0:height, 0:width]
    inside = ((2 * rows + 1 - height) / height) ** 2 + ((2 * columns + 1 - width) / width) ** 2 <= 1
    return np.where(inside, 255, 0).astype(np.uint8)


class Shelf(list[Any]):
    """A bank made by hand."""

    hash = "0" * 64


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Return a pool of three identities with two pictures each."""
    people: dict[int, list[PoolImage]] = {}
    for number in range(6):
        pixels = picture(10 + number)
        data = encode(pixels, ".png")
        (tmp_path / f"{number}.png").write_bytes(data)
        source = PoolImage(f"set/{number}", number % 3, str(tmp_path / f"{number}.png"), hashlib.sha256(data).hexdigest(),
                        pixel_digest(pixels))  # fmt: skip
        people.setdefault(number % 3, []).append(source)
    return Pool("set", people)


@pytest.fixture
def shelf() -> Shelf:
    """Return a bank of an oval and of a low wide thing."""
    return Shelf([cut("oval-0", "umbrella", picture(3, 90, 90), oval(90, 90)),
                  cut("low-0", "car", picture(4, 120, 40), oval(120, 40))])  # fmt: skip


# -- the simulator --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(OCCLUDERS))
def test_a_call_changes_nothing_but_its_answer(kind: str, pool: Pool, shelf: Shelf) -> None:
    """The picture given is left alone; the mask is 0 or 255; outside the mask rectangles leave every pixel."""
    sim = Simulator(kind, seed=3, pool=pool, bank=shelf)
    image = picture()
    before = image.copy()
    for copy in range(12):
        out = sim(image, copy=copy, pid=0)
        assert (image == before).all()
        assert out.image.shape == image.shape
        assert set(np.unique(out.mask)) <= {0, 255}
        assert (out.mask > 0).any() == bool(out.record.boxes)
        assert round(1_000_000 * (out.mask > 0).mean()) == pytest.approx(out.record.realised, abs=1)
        if kind in RECTANGLES:
            assert (out.image[out.mask == 0] == before[out.mask == 0]).all()
            x, y, w, h = out.record.boxes[0]
            assert (out.mask[y : y + h, x : x + w] == 255).all()
            assert w * h == (out.mask > 0).sum()


@pytest.mark.parametrize("name", presets())
def test_single_batch_and_any_order_are_one(name: str, pool: Pool, shelf: Shelf) -> None:
    """A picture is the same alone, in a batch, in another order and in a subset; a renamed key is another picture."""
    sim = Simulator(name, seed=3, pool=pool, bank=shelf)
    images = np.stack([picture(number) for number in range(8)])
    keys = [pixel_digest(image) for image in images]
    done = sim.batch(images, keys, list(range(8)), pids=[0] * 8)
    for at in (5, 0, 7):
        alone = sim(images[at], copy=at, pid=0)
        assert (alone.image == done.images[at]).all()
        assert (alone.mask == done.masks[at]).all()
        assert alone.record == done.records[at]
    back = Simulator(name, seed=3, pool=pool, bank=shelf).batch(images[::-1], keys[::-1], list(range(7, -1, -1)),
                                                                pids=[0] * 8)  # fmt: skip
    assert (back.images[::-1] == done.images).all()


def test_seed_copy_and_occurrence_make_other_pictures() -> None:
    """Each is a part of the key."""
    image = picture()
    calls = [Simulator("noise", 1)(image), Simulator("noise", 2)(image), Simulator("noise", 1)(image, copy=1),
             Simulator("noise", 1)(image, occurrence=1)]  # fmt: skip
    assert len({pixel_digest(call.image) for call in calls}) == 4


def test_ten_thousand_requests_are_uniform_and_met() -> None:
    """Requested fractions fill ten bins evenly (5 sigma), rectangles realise each within 0.01."""
    sim = Simulator(Recipe.of("constant", fraction=(0.1, 0.6), placement="uniform"), seed=9)
    image = picture(width=48, height=96)
    records = [sim(image, key=f"{number:064x}").record for number in range(10_000)]
    requested = np.array([record.requested for record in records]) / PPM
    realised = np.array([record.realised for record in records]) / PPM
    bins = np.histogram(requested, bins=10, range=(0.1, 0.6))[0]
    assert abs(bins - 1000).max() <= 5 * np.sqrt(1000 * 0.9)
    assert abs(requested - realised).max() <= 0.01
    assert not any(record.note for record in records)
    boxes = np.array([record.boxes[0] for record in records])
    play = 48 - boxes[:, 2]
    share = ((boxes[:, 0] + 0.5) / (play + 1))[play >= 8]
    thirds = np.histogram(share, bins=[0, 1 / 3, 2 / 3, 1])[0] / len(share)
    assert abs(thirds - 1 / 3).max() < 0.03


def test_placements_follow_their_prior() -> None:
    """Components are taken by their weights: half lower body, three tenths at a side, two tenths anywhere."""
    prior = parse_prior(named_priors()["lower-side-uniform"])
    found = Counter()  # type: ignore[var-annotated]
    for number in range(10_000):
        words = Key(2, str(number)).words("shape")
        at = place(prior, "noise", words[4], words[5], words[6])
        found["side" if at.u in (0, PPM) else "other"] += 1
    assert abs(found["side"] / 10_000 - 0.3) < 0.02


def test_classes_have_places_of_their_own(shelf: Shelf) -> None:
    """A car touches the ground, an umbrella need not."""
    sim = Simulator(Recipe.of("bank", shadow=0, feather=0, fraction=(0.1, 0.12)), seed=1, bank=shelf)
    low: dict[str, set[bool]] = {"car": set(), "umbrella": set()}
    for copy in range(60):
        record = sim(picture(), copy=copy).record
        box = record.boxes[0]
        low["car" if record.occluders == ("low-0",) else "umbrella"].add(box.y + box.h == 128)
    assert low["car"] == {True}
    assert False in low["umbrella"]


def test_silhouettes_reach_what_they_can(shelf: Shelf) -> None:
    """A cut-out is sized until its solid pixels are what was asked for, within 0.01, or the record says it cannot be."""
    for placement in ("lower-body", "by-class"):
        sim = Simulator(Recipe.of("bank", placement=placement, fraction=(0.1, 0.7)), seed=4, bank=shelf)
        for copy in range(150):
            record = sim(picture(), copy=copy).record
            assert (abs(record.requested - record.realised) <= 10_000) == (record.note == "")
            assert record.note in ("", "unreachable")


def test_the_same_identity_never_occludes_itself(pool: Pool) -> None:
    """Whatever the draw, and every other identity does come up."""
    for kind in ("person", "strip", "other-background"):
        sim = Simulator(kind, seed=5, pool=pool)
        for pid in (0, 1, 2):
            whose = {
                int(sim(picture(), copy=copy, pid=pid).record.occluders[0].split("/")[1]) % 3 for copy in range(40)
            }
            assert whose == {0, 1, 2} - {pid}


def test_a_changed_pool_picture_is_named(pool: Pool) -> None:
    """An occluder is what its manifest vouches for, or an error with both hashes."""
    for sources in pool.people.values():
        for source in sources:
            Path(source.file).write_bytes(encode(picture(99), ".png"))
    with pytest.raises(InputError, match=r"changed since its manifest was built.*Expected sha256 [0-9a-f]{64}, found"):
        Simulator("strip", pool=pool)(picture())


def test_fraction_of_the_person() -> None:
    """With a mask the fraction is of the person's pixels: each is met within 0.02 of a small person."""
    person = np.zeros((128, 64), np.uint8)
    person[20:120, 18:46] = oval(28, 100)
    sim = Simulator(Recipe.of("noise", of="person", fraction=(0.1, 0.7)), seed=6)
    for copy in range(100):
        out = sim(picture(), copy=copy, person=person)
        hidden = (out.mask[person > 0] > 0).mean()
        assert round(PPM * hidden) == pytest.approx(out.record.realised, abs=1)
        assert abs(out.record.realised - out.record.requested) <= 20_000
    with pytest.raises(UsageError, match="came without a mask"):
        sim(picture())


def test_partial_crops_keep_a_band() -> None:
    """The kept box is recorded, the picture is that band at the full size, and the mask is what was lost."""
    out = Simulator("partial-crop", seed=2)(picture())
    x, y, w, h = out.record.boxes[0]
    assert (x, w) == (0, 64)
    assert (out.mask[y : y + h] == 0).all()
    assert (out.mask > 0).sum() == 64 * (128 - h)


def test_random_erasing_is_the_published_distribution() -> None:
    """Half the pictures are left; areas are uniform over 2 to 40 %, aspects within 0.3 to 1 / 0.3."""
    sim = Simulator("random-erasing", seed=8)
    image = picture(width=128, height=128)
    records = [sim(image, key=f"{number:064x}").record for number in range(3000)]
    done = [record for record in records if record.boxes]
    assert abs(len(done) / 3000 - 0.5) < 0.04
    aspects = np.array([record.boxes[0].h / record.boxes[0].w for record in done])
    assert aspects.min() > 0.25
    assert aspects.max() < 3.8
    requested = np.array([record.requested for record in done]) / PPM
    assert 0.02 <= requested.min() < 0.03
    assert 0.35 < requested.max() <= 0.4


def test_stages_move_what_they_should(shelf: Shelf) -> None:
    """Feather, colour match and shadow each change the picture; the mask of a rectangle stays."""
    plain = Simulator("noise", seed=1)(picture())
    for stage in ("feather", "colour_match", "shadow"):
        other = Simulator(Recipe.of("noise", **{stage: 0.3}), seed=1)(picture())
        assert (other.mask == plain.mask).all(), stage
        assert (other.image != plain.image).any(), stage
        assert other.record.boxes == plain.record.boxes
    dark = Simulator(Recipe.of("noise", shadow=0.5), seed=1)(np.full((128, 64, 3), 200, np.uint8))
    outside = dark.image[dark.mask == 0]
    assert outside.min() < 200
    assert outside.max() == 200


@pytest.mark.parametrize(
    "bad",
    [np.zeros((128, 64), np.uint8), np.zeros((128, 64, 4), np.uint8), np.zeros((128, 64, 3), np.float32), "a.jpg"],
    ids=["grey", "rgba", "float", "text"],
)
def test_what_is_no_picture_is_refused(bad: Any) -> None:
    """Type and shape are named."""
    with pytest.raises(UsageError, match=r"Expected a uint8 array of shape \(H, W, 3\), found"):
        Simulator()(bad)


def test_a_picture_too_small_is_refused() -> None:
    """Below eight pixels nothing can stand in front."""
    with pytest.raises(UsageError, match="7x128 pixels are too few"):
        Simulator()(np.zeros((128, 7, 3), np.uint8))


def test_missing_pool_and_empty_bank_are_refused(shelf: Shelf) -> None:
    """A simulator that could not work is not made."""
    for kind in POOLED:
        with pytest.raises(UsageError, match="cut from other training pictures"):
            Simulator(kind)
    with pytest.raises(UsageError, match="nothing to choose from"):
        Simulator("bank", bank=Shelf())
    with pytest.raises(UsageError, match=r"Expected items of boat, found car, umbrella"):
        Simulator(Recipe.of("bank", options={"kinds": ["boat"]}), bank=shelf)
    with pytest.raises(UsageError, match="seed"):
        Simulator(seed=-1)


def test_batches_of_mixed_size_or_length_are_refused() -> None:
    """One array needs one size, and one key a picture."""
    with pytest.raises(UsageError, match="pictures of one size"):
        Simulator().batch([picture(), picture(width=60)])
    with pytest.raises(UsageError, match="keys: expected 2"):
        Simulator().batch([picture(), picture()], keys=["a"])


def test_a_bank_of_people_never_gives_the_same_identity() -> None:
    """A cut-out of the person who is to be occluded is passed over; a bank of nobody else is refused."""
    people = Shelf(Cutout(f"p-{pid}", "person", one.levels, one.coverage, pid) for pid, one in
                   ((pid, cut(str(pid), "person", picture(pid, 40, 80), oval(40, 80))) for pid in (0, 1, 2)))  # fmt: skip
    sim = Simulator(Recipe.of("bank", placement="lower-body"), seed=3, bank=people)
    found = {sim(picture(), copy=copy, pid=1).record.occluders[0] for copy in range(30)}
    assert found == {"p-0", "p-2"}
    with pytest.raises(UsageError, match="nothing but identity 1"):
        Simulator("bank", bank=Shelf(people[1:2]))(picture(), pid=1)
