"""Samplers: what is in a batch, and that (seed, epoch) alone decides it, on every rank and after a resume."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from occluded_datasets.errors import UsageError
from occluded_datasets.hashing import key
from occluded_datasets.torch.samplers import EpochSampler, RandomIdentitySampler


def people(*counts: int, hidden: int = 0, nobody: int = 0, cameras: Sequence[int] = ()) -> Any:
    """Return a set whose person n has `counts[n]` pictures, the first `hidden` of each occluded, `cameras` in turn."""
    labels = [*np.repeat(range(len(counts)), counts), *[-1] * nobody]
    bodies = [min(1, max(0, hidden - turn)) for count in counts for turn in range(count)] + [0] * nobody
    camids = [cameras[turn % len(cameras)] if cameras else -1 for count in counts for turn in range(count)]
    pixels = [key(0, "pixels", 0, index).hex() for index in range(len(labels))]
    return SimpleNamespace(
        labels=np.array(labels), bodies=np.array(bodies, np.uint8), camids=np.array(camids + [-1] * nobody),
        pixel_sha256=pixels,
    )  # fmt: skip


def run(sampler: EpochSampler, epoch: int = 0) -> list[list[int]]:
    """Return the batches of an epoch."""
    sampler.set_epoch(epoch)
    return list(sampler)


def test_batches_are_people_with_pictures() -> None:
    """Different people, so many pictures each, none in two groups; nobody is in none."""
    data = people(9, 8, 4, 4, 7, nobody=6)
    for epoch in range(5):
        batches = run(RandomIdentitySampler(data, 3, 2, 7, rank=0, world=1), epoch)
        assert len(batches) == len(RandomIdentitySampler(data, 3, 2, 7, rank=0, world=1))
        for batch in batches:
            assert list(Counter(data.labels[batch].tolist()).values()) == [2, 2, 2]
            assert len(set(batch)) == 6
        used = [index for batch in batches for index in batch]
        assert len(used) == len(set(used))
        assert min(data.labels[used]) == 0


def test_batches_are_in_no_order_of_images() -> None:
    """Identities with many images are met all through an epoch: whoever deals them first does not train on them first."""
    data = people(*range(2, 42))
    counts = np.arange(2, 42)
    ends: list[list[float]] = [[], []]
    for epoch in range(20):
        means = [
            counts[data.labels[batch]].mean()
            for batch in run(RandomIdentitySampler(data, 4, 2, 7, rank=0, world=1), epoch)
        ]
        tenth = len(means) // 10
        ends[0] += means[:tenth]
        ends[1] += means[-tenth:]
    assert abs(np.mean(ends[0]) - np.mean(ends[1])) < 1
    assert np.mean(ends[0]) > 20


def test_a_person_with_one_picture_repeats_it() -> None:
    """They are four times in their group, and once in an epoch."""
    data = people(1, 4, 4)
    [batch] = run(RandomIdentitySampler(data, 3, 4, rank=0, world=1))
    assert Counter(batch)[0] == 4


def test_seed_and_epoch_alone_decide() -> None:
    """Equal for equal ones, other for others."""
    data = people(*[8] * 6)
    first = run(RandomIdentitySampler(data, 2, 2, 7, rank=0, world=1), 3)
    assert first == run(RandomIdentitySampler(data, 2, 2, 7, rank=0, world=1), 3)
    assert first != run(RandomIdentitySampler(data, 2, 2, 7, rank=0, world=1), 4)
    assert first != run(RandomIdentitySampler(data, 2, 2, 8, rank=0, world=1), 3)


@pytest.mark.parametrize("kind", ["people", "cameras", "all"])
def test_ranks_share_nothing_and_leave_nothing(kind: str) -> None:
    """1, 2 and 4 ranks: the same multiset an epoch, disjoint, as many batches each; 3 ranks: less than one round left."""
    data = people(*[8] * 16, cameras=range(4))

    def parts(world: int, epoch: int) -> list[list[list[int]]]:
        def sampler(rank: int) -> EpochSampler:
            if kind == "all":
                return EpochSampler(data, 8, 7, rank=rank, world=world)
            return RandomIdentitySampler(data, 4, 2, 7, camera_aware=kind == "cameras", rank=rank, world=world)

        return [run(sampler(rank), epoch) for rank in range(world)]

    for epoch in range(3):
        [alone] = parts(1, epoch)
        whole = sorted(index for batch in alone for index in batch)
        for world in (2, 3, 4):
            found = parts(world, epoch)
            assert len({len(own) for own in found}) == 1
            used = sorted(index for own in found for batch in own for index in batch)
            assert len(used) == len(set(used))
            if world != 3:
                assert used == whole
            assert len(used) > len(whole) - world * 8


def test_body_aware() -> None:
    """Each group of a person who has both has both; a person who has not gives what there is."""
    data = people(8, 8, 8, 8, 3, hidden=3)
    data.bodies[:8] = 0
    for epoch in range(5):
        batches = run(RandomIdentitySampler(data, 2, 4, 7, body_aware=True, rank=0, world=1), epoch)
        for batch in batches:
            for group in (batch[:4], batch[4:]):
                bodies = data.bodies[group]
                if data.labels[group[0]] == 0:
                    assert not bodies.any()
                elif data.labels[group[0]] < 4:
                    assert 0 < (bodies == 1).sum() < 4
        used = [index for batch in batches for index in batch if data.labels[index] < 4]
        assert len(used) == len(set(used))
    with pytest.raises(UsageError, match="2 or more instances"):
        RandomIdentitySampler(data, 2, 1, body_aware=True, rank=0, world=1)


CAMERAS = [(0, 1, 2, 3, 4), (0, 0, 0, 0, 0, 1), (0, 0, 0, 1, 1, 2), (3,), (0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)]


@pytest.mark.parametrize("cameras", CAMERAS, ids=str)
@pytest.mark.parametrize("instances", [2, 3, 4])
def test_camera_aware(cameras: Sequence[int], instances: int) -> None:
    """Each group has as many cameras as it can hold; nothing is repeated; every epoch is as long, in another order."""
    data = people(23, 11, 11, 2, 1, nobody=4, cameras=cameras)
    epochs = []
    for epoch in range(5):
        sampler = RandomIdentitySampler(data, 1, instances, 7, camera_aware=True, rank=0, world=1)
        batches = run(sampler, epoch)
        for group in batches:
            [label] = set(data.labels[group].tolist())
            own = data.camids[data.labels == label]
            assert len(set(data.camids[group].tolist())) == min(instances, len(set(own.tolist())))
            assert len(group) == instances
            assert len(set(group)) == min(instances, len(own))
        assert max(Counter(index for group in batches for index in set(group)).values()) == 1
        epochs.append(batches)
    assert len({len(batches) for batches in epochs}) == 1
    assert epochs[0] != epochs[1]


def test_camera_aware_makes_as_many_groups_as_can_be() -> None:
    """Of seven pictures, five of one camera: two pairs of different cameras, never three; a plain sampler makes three."""
    data = people(7, cameras=(0, 0, 0, 0, 0, 1, 2))
    assert len(RandomIdentitySampler(data, 1, 2, camera_aware=True, rank=0, world=1)) == 2
    assert len(RandomIdentitySampler(data, 1, 2, rank=0, world=1)) == 3


def test_every_two_cameras_meet() -> None:
    """The order of cameras changes with the epoch, so that none is kept from meeting another."""
    data = people(9, cameras=(0, 0, 0, 1, 1, 1, 2, 2, 2))
    met = {
        tuple(sorted(data.camids[group].tolist()))
        for epoch in range(20)
        for group in run(RandomIdentitySampler(data, 1, 2, camera_aware=True, rank=0, world=1), epoch)
    }
    assert met == {(0, 1), (0, 2), (1, 2)}


def test_no_real_camera() -> None:
    """Refused with the number of pictures that have none; nobody's pictures do not count; nor does it go with bodies."""
    for data, count in ((people(4, 4), "8 of 8"), (people(4, 4, nobody=2, cameras=(1, 2, -1, 2)), "2 of 8")):
        with pytest.raises(UsageError, match=f"camera_aware: {count} pictures have no real camera"):
            RandomIdentitySampler(data, 2, 2, camera_aware=True, rank=0, world=1)
    pairs = SimpleNamespace(train=people(4, 4, nobody=2, cameras=(1, 2)))
    assert len(RandomIdentitySampler(pairs, 2, 2, camera_aware=True, rank=0, world=1)) == 2
    with pytest.raises(UsageError, match="body_aware and camera_aware: expected one of the two"):
        RandomIdentitySampler(pairs, 2, 2, body_aware=True, camera_aware=True, rank=0, world=1)
    with pytest.raises(UsageError, match="2 or more instances"):
        RandomIdentitySampler(pairs, 2, 1, camera_aware=True, rank=0, world=1)


def test_what_is_left_out() -> None:
    """Ten pictures on four ranks: two wait, other ones in another epoch; 3 ranks of 7 batches: one batch waits."""
    data = people(*[5, 5])
    left = []
    for epoch in range(6):
        parts = [run(EpochSampler(data, 3, 7, rank=rank, world=4), epoch) for rank in range(4)]
        used = [index for part in parts for batch in part for index in batch]
        assert [[len(batch) for batch in part] for part in parts] == [[2]] * 4
        left.append(frozenset(range(10)) - {*used})
        assert len(left[-1]) == 2
    assert len(set(left)) > 1
    groups = people(*[14] * 2)
    parts = [run(RandomIdentitySampler(groups, 2, 2, 7, rank=rank, world=3)) for rank in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
    assert len(run(RandomIdentitySampler(groups, 2, 2, 7, rank=0, world=1))) == 7


def test_resumed_in_the_middle() -> None:
    """The rest of the epoch follows, then whole ones; a state of another sampler is refused."""
    data = people(*[8] * 6)
    sampler = RandomIdentitySampler(data, 2, 2, 7, rank=0, world=1)
    whole = run(sampler, 2)
    state = sampler.state_dict(3)
    other = RandomIdentitySampler(data, 2, 2, 7, rank=0, world=1)
    other.load_state_dict(state)
    assert other.epoch == 2
    assert list(other) == whole[3:]
    assert list(other) == whole
    for wrong in (
        RandomIdentitySampler(data, 2, 2, 8, rank=0, world=1),
        RandomIdentitySampler(data, 2, 2, 7, body_aware=True, rank=0, world=1),
        RandomIdentitySampler(people(*[8] * 6, cameras=(1,)), 2, 2, 7, camera_aware=True, rank=0, world=1),
        RandomIdentitySampler(people(*[8] * 5, 7, nobody=1), 2, 2, 7, rank=0, world=2),
        RandomIdentitySampler(data, 2, 2, 7, rank=0, world=2),
        EpochSampler(data, 4, 7, rank=0, world=1),
    ):
        with pytest.raises(UsageError, match=r"not of this sampler.*Expected"):
            wrong.load_state_dict(state)
    shuffled = people(*[8] * 6)
    shuffled.pixel_sha256 = shuffled.pixel_sha256[::-1]
    with pytest.raises(UsageError, match=r"Expected \{'set'"):
        RandomIdentitySampler(shuffled, 2, 2, 7, rank=0, world=1).load_state_dict(state)
    for wrong_state, message in (
        ({**state, "received": "3"}, "received: expected a whole number"),
        ({**state, "received": -1}, "received: expected a whole number of 0 or more, found -1"),
        ({**state, "epoch": None}, "epoch: expected a whole number"),
        ({**state, "received": 99}, "Expected 12 batches or fewer, found 99"),
        ([], "Found list"),
    ):
        with pytest.raises(UsageError, match=message):
            other.load_state_dict(wrong_state)
    assert list(other) == whole


def test_a_state_is_ready_for_json() -> None:
    """And of an aware sampler says so."""
    data = people(*[8] * 6, cameras=(1, 2))
    state = RandomIdentitySampler(data, 2, 2, np.int64(7), camera_aware=True, rank=0, world=1).state_dict(3)
    assert json.loads(json.dumps(state)) == state
    assert (state["camera_aware"], state["body_aware"], state["received"]) == (True, False, 3)


def test_what_cannot_be() -> None:
    """Fewer people than a batch needs, no batch for a rank, a rank outside of the world."""
    for call, message in (
        (lambda: RandomIdentitySampler(people(4, 4), 16, 4, rank=0, world=1), "Expected 16 or more, found 2"),
        (lambda: RandomIdentitySampler(people(nobody=5), 1, 1, rank=0, world=1), "found 0"),
        (lambda: RandomIdentitySampler(people(4, 4), 2, 4, rank=0, world=2), "fewer batches than the 2 ranks"),
        (lambda: RandomIdentitySampler(people(4, 4), 0, 4), "identities: expected .* of 1 or more, found 0"),
        (lambda: RandomIdentitySampler(people(4, 4), 2, 2.0), "instances: expected a whole number"),  # type: ignore[arg-type]
        (lambda: RandomIdentitySampler(people(4, 4), "2", 2), "identities: expected a whole number"),  # type: ignore[arg-type]
        (lambda: RandomIdentitySampler([1, 2], 2, 2), "expected a ReidDataset or .* Found list"),
        (lambda: EpochSampler([1, 2], 2), "needs its pixel_sha256. Found list"),
        (lambda: EpochSampler(people(4), 0), "batch_size: expected a whole number of 1 or more, found 0"),
        (lambda: EpochSampler(people(4), True), "batch_size: expected a whole number"),
        (lambda: EpochSampler(people(4), 2, -1), "seed: expected a whole number of 0 or more, found -1"),
        (lambda: EpochSampler(people(4), 2, rank=0, world=1).set_epoch("1"), "epoch: expected"),  # type: ignore[arg-type]
        (lambda: EpochSampler(people(4), 2, rank=0, world=1).set_epoch(-1), "epoch: expected .*, found -1"),
        (lambda: EpochSampler(people(4), 2, rank=0, world=1).state_dict(-1), "received: expected"),
        (lambda: EpochSampler(people(4), 1, rank=-1, world=2), "rank: expected a whole number of 0 or more"),
        (lambda: EpochSampler(people(4), 1, rank=0, world=0), "world: expected a whole number of 1 or more"),
        (lambda: EpochSampler(people(4), 1, rank="0", world=2), "rank: expected a whole number"),  # type: ignore[arg-type]
        (lambda: EpochSampler(people(1), 1, rank=0, world=2), "fewer than the 2 ranks"),
        (lambda: EpochSampler(people(4), 1, rank=2, world=2), "the rank below the world"),
        (lambda: EpochSampler(people(4), 1, rank=0), "expected both"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
