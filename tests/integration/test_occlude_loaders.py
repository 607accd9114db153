"""Training loops: an epoch is the same multiset of occluded pictures whoever loads them, and whenever it is resumed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.hashing import pixel_digest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from torch.utils.data import DataLoader, DistributedSampler  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")  # four workers on two cores are meant

COUNT = 24
PK = [3, 3, 7, 1, 1, 3, 9, 0, 23, 3, 9, 9, 12, 12, 5, 4, 3, 20, 1, 1, 0, 16, 16, 2]
"""A sampler of people and pictures repeats a picture within an epoch where a person has few."""


class Pictures:
    """Pictures of noise, through a transform."""

    def __init__(self, transform: Any = None) -> None:
        self.pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 32, 16, 3), dtype=np.uint8)
        self.transform = transform

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Any, int]:
        picture = self.pixels[index]
        return (self.transform(picture) if self.transform else picture), index


def subject(kind: str) -> tuple[Any, Any]:
    """Return a dataset that occludes, and what has its epoch."""
    if kind == "transform":
        occlude = od.torch.Occlude("afpb", seed=7, p=0.8)
        return Pictures(occlude), occlude
    data = od.torch.occlude(Pictures(), "afpb", seed=7, views=("occluded",), into="occluded", p=chance)
    return data, data


def chance(epoch: int) -> float:
    """Return a curriculum: later epochs occlude more."""
    return min(1.0, 0.6 + epoch / 5)


def seen(sample: Any) -> tuple[int, str]:
    """Return the index of a sample and the hash of its picture."""
    return int(sample[1]), hashlib.sha256(np.ascontiguousarray(sample[0]).tobytes()).hexdigest()


def as_list(samples: list[Any]) -> list[tuple[int, str]]:
    """Collate a batch to what it shows."""
    return [seen(sample) for sample in samples]


def loader(data: Any, workers: int, method: str | None = None, keep: bool = False, order: Any = PK) -> Any:
    """Return a loader of batches of three that fetches ahead."""
    return DataLoader(
        data,
        batch_size=3,
        sampler=order,
        num_workers=workers,
        collate_fn=as_list,
        multiprocessing_context=method,
        persistent_workers=keep,
    )


def flat(batches: Any) -> Iterator[tuple[int, str]]:
    """Yield what all batches show."""
    for batch in batches:
        yield from batch


@pytest.fixture(scope="module", params=["transform", "wrapper"])
def kind(request: pytest.FixtureRequest) -> str:
    """Return each way of occluding."""
    return str(request.param)


@pytest.fixture(scope="module")
def want(kind: str) -> list[Counter[tuple[int, str]]]:
    """Return two epochs as the main process alone loads them."""
    data, clock = subject(kind)
    return [epoch(data, clock, number, loader(data, 0)) for number in (0, 1)]


def epoch(data: Any, clock: Any, number: int, source: Any) -> Counter[tuple[int, str]]:
    """Return the multiset of one epoch."""
    clock.set_epoch(number)
    return Counter(flat(source))


def test_epochs_and_repeats_differ(want: list[Counter[tuple[int, str]]]) -> None:
    """The promise would be empty if all versions were one."""
    zero, one = want
    assert Counter(index for index, _ in zero.elements()) == Counter(PK)
    assert len({version for index, version in zero if index == 3}) >= 4
    assert len(zero & one) < 10


@pytest.mark.parametrize(
    ("workers", "method", "keep"),
    [
        (1, "fork", False),
        (2, "fork", False),
        (2, "fork", True),
        (4, "fork", True),
        (2, "spawn", False),
        (4, "spawn", True),
    ],
)
def test_an_epoch_is_the_same_for_any_workers(
    kind: str, want: list[Counter[tuple[int, str]]], workers: int, method: str, keep: bool
) -> None:
    """However many workers, forked or spawned, kept or started anew: the same multiset, and a new one an epoch."""
    data, clock = subject(kind)
    source = loader(data, workers, method, keep)
    assert [epoch(data, clock, number, source) for number in (0, 1)] == want


def test_without_set_epoch_a_second_epoch_is_another(kind: str, want: list[Counter[tuple[int, str]]]) -> None:
    """Whoever never calls it still gets new pictures, and the same ones in a second run."""
    runs = []
    for workers in (0, 2):
        data, _ = subject(kind)
        source = loader(data, workers, "fork" if workers else None)
        runs.append([Counter(flat(source)) for _ in range(2)])
    assert runs[0] == runs[1]
    assert runs[0][0] == want[0]
    assert len(runs[0][0] & runs[0][1]) < 10


@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_are_one_epoch(kind: str, workers: int) -> None:
    """Ranks that share no index make together what one process makes."""
    everything = list(range(COUNT))
    data, clock = subject(kind)
    alone = epoch(data, clock, 3, loader(data, 0, order=everything))
    together: Counter[tuple[int, str]] = Counter()
    for rank in range(2):
        data, clock = subject(kind)
        sampler = DistributedSampler(everything, num_replicas=2, rank=rank, shuffle=True, seed=1)
        sampler.set_epoch(3)
        together += epoch(data, clock, 3, loader(data, workers, "fork" if workers else None, order=sampler))
    assert together == alone


@pytest.mark.parametrize("workers", [0, 2])
def test_an_epoch_goes_on_in_its_middle(kind: str, want: list[Counter[tuple[int, str]]], workers: int) -> None:
    """After a kill, what was delivered and what follows are together the whole epoch, whatever was loaded ahead."""
    method = "fork" if workers else None
    data, clock = subject(kind)
    clock.set_epoch(1)
    batches = iter(loader(data, workers, method))
    before = [one for _ in range(3) for one in next(batches)]
    indices = [index for index, _ in before]
    named = indices if kind == "wrapper" else [pixel_digest(Pictures().pixels[index]) for index in indices]
    state = clock.state_dict(delivered=named)
    del batches
    data, clock = subject(kind)
    clock.load_state_dict(state)
    after = list(flat(loader(data, workers, method, order=PK[len(before) :])))
    assert Counter(before + after) == want[1]


def rank(number: int, queue: Any) -> None:
    """Load one rank's part in a process of its own, as torchrun starts it."""
    import torch.distributed as dist

    dist.init_process_group("gloo", store=dist.FileStore(queue[1], 2), rank=number, world_size=2)
    data, clock = subject("wrapper")
    sampler = DistributedSampler(data)
    for at in (0, 1):
        sampler.set_epoch(at)
        queue[0].put((at, epoch(data, clock, at, loader(data, 2, "fork", order=sampler))))
    dist.destroy_process_group()


def test_two_processes_of_gloo_are_one_epoch(tmp_path: Any) -> None:
    """Real ranks with workers of their own: together the epochs of one process."""
    context = torch.multiprocessing.get_context("spawn")
    queue = context.Queue()
    ranks = [context.Process(target=rank, args=(number, (queue, str(tmp_path / "store")))) for number in range(2)]
    for one in ranks:
        one.start()
    got = [queue.get(timeout=120) for _ in range(4)]
    for one in ranks:
        one.join()
    data, clock = subject("wrapper")
    for at in (0, 1):
        alone = epoch(data, clock, at, loader(data, 0, order=list(range(COUNT))))
        assert sum((count for number, count in got if number == at), Counter()) == alone
