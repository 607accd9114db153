"""Samplers: what is in a batch, and that (seed, epoch) alone decides it, on every rank and after a resume."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from occluded_datasets.errors import UsageError
from occluded_datasets.hashing import key
from occluded_datasets.torch.samplers import EpochSampler, RandomIdentitySampler


def people(*counts: int, hidden: int = 0, nobody: int = 0) -> Any:
    """Return a set whose person n has `counts[n]` pictures, the first `hidden` of each occluded."""
    labels = [*np.repeat(range(len(counts)), counts), *[-1] * nobody]
    bodies = [min(1, max(0, hidden - turn)) for count in counts for turn in range(count)] + [0] * nobody
    pixels = [key(0, "pixels", 0, index).hex() for index in range(len(labels))]
    return SimpleNamespace(labels=np.array(labels), bodies=np.array(bodies, np.uint8), pixel_sha256=pixels)


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


@pytest.mark.parametrize("kind", ["people", "all"])
def test_ranks_share_nothing_and_leave_nothing(kind: str) -> None:
    """1, 2 and 4 ranks: the same multiset an epoch, disjoint, as many batches each; 3 ranks: less than one round left."""
    data = people(*[8] * 16)

    def parts(world: int, epoch: int) -> list[list[list[int]]]:
        def sampler(rank: int) -> EpochSampler:
            if kind == "all":
                return EpochSampler(data, 8, 7, rank=rank, world=world)
            return RandomIdentitySampler(data, 4, 2, 7, rank=rank, world=world)

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
        RandomIdentitySampler(data, 2, 2, 7, rank=0, world=2),
        EpochSampler(data, 4, 7, rank=0, world=1),
    ):
        with pytest.raises(UsageError, match=r"not of this sampler.*Expected"):
            wrong.load_state_dict(state)
    with pytest.raises(UsageError, match="not of this sampler"):
        sampler.load_state_dict({**state, "received": "3"})


def test_what_cannot_be() -> None:
    """Fewer people than a batch needs, no batch for a rank, a rank outside of the world."""
    for call, message in (
        (lambda: RandomIdentitySampler(people(4, 4), 16, 4, rank=0, world=1), "Expected 16 or more, found 2"),
        (lambda: RandomIdentitySampler(people(nobody=5), 1, 1, rank=0, world=1), "found 0"),
        (lambda: RandomIdentitySampler(people(4, 4), 2, 4, rank=0, world=2), "fewer batches than the 2 ranks"),
        (lambda: RandomIdentitySampler(people(4, 4), 0, 4), "too few"),
        (lambda: EpochSampler(people(4), 0), "batch_size 0"),
        (lambda: EpochSampler(people(1), 1, rank=0, world=2), "fewer than the 2 ranks"),
        (lambda: EpochSampler(people(4), 1, rank=2, world=2), "the rank below the world"),
        (lambda: EpochSampler(people(4), 1, rank=0), "expected both"),
    ):
        with pytest.raises(UsageError, match=message):
            call()
