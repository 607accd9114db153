"""`loader` and the options of PyTorch's loader: each is honoured or refused by name, and `shuffle=False` is row order."""

from __future__ import annotations

import json
from inspect import signature
from typing import Any

import numpy as np
import pytest
from storekit import places_of, small

import occluded_datasets as od
from occluded_datasets.errors import UnknownNameError, UsageError
from occluded_datasets.manifest import Manifest
from occluded_datasets.store import Store

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from occluded_datasets.torch import EpochSampler, PairedOcclusionDataset, ReidDataset, loader  # noqa: E402
from occluded_datasets.torch.loading import HONOURED, OF_PROCESSES, REFUSED  # noqa: E402

SIZE = (16, 8)
PROTOCOL = "transfer-all-occluded-probe"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of 60 images of four identities."""
    return small(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def places(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Store | None]:
    """Return where images can come from."""
    return places_of(made, tmp_path_factory.mktemp("stores"), SIZE)


def names(batches: Any) -> list[list[str]]:
    """Return the image_ids of each batch."""
    return [batch["image_id"] for batch in batches]


def perfect(batches: Any) -> np.ndarray[Any, Any]:
    """Return a feature a row, in the order in which rows come, that tells identities apart."""
    pids = np.concatenate([batch["pid"].numpy() for batch in batches])
    return np.eye(int(pids.max()) + 1)[pids]


@pytest.mark.parametrize("paired", [False, True], ids=["plain", "paired"])
@pytest.mark.parametrize("place", ["files", "pixels", "encoded"])
@pytest.mark.parametrize("given", [{"workers": 0}, {"workers": 2}, {"threads": 2}, {}], ids=str)
def test_without_shuffle_rows_come_in_order(
    made: Manifest, places: dict[str, Store | None], place: str, paired: bool, given: dict[str, int]
) -> None:
    """Every row once, in the manifest's order, the last batch smaller; the same in a later epoch and whoever makes it."""
    data: Any = ReidDataset(made, split="all", store=places[place], size=SIZE)
    data = PairedOcclusionDataset(data, seed=7) if paired else data
    batches = loader(data, 7, shuffle=False, seed=3, **given)  # type: ignore[arg-type]
    for epoch in (0, 1):
        batches.set_epoch(epoch)
        found = names(batches)
        assert [name for batch in found for name in batch] == list(made.frame["image_id"])
        assert [len(batch) for batch in found] == [7] * 8 + [4]
    assert len(batches) == 9


def test_features_in_row_order_score_what_they_are_worth(made: Manifest) -> None:
    """Perfect features stacked without shuffle score 1; stacked in the shuffled order, which is the default, they do not."""
    data = ReidDataset(made, split="all", size=SIZE)
    ordered, shuffled = loader(data, 64, shuffle=False, workers=0), loader(data, 64, workers=0)
    assert od.evaluate(made, PROTOCOL, perfect(ordered)).record["cmc"]["1"] == 1
    assert od.evaluate(made, PROTOCOL, perfect(shuffled)).record["cmc"]["1"] < 0.6
    assert names(shuffled) == names(loader(data, 64, workers=0, shuffle=True)) != names(ordered)


@pytest.mark.parametrize("world", [1, 2, 3, 7, 60])
def test_without_shuffle_ranks_share_the_rows(made: Manifest, world: int) -> None:
    """Their shares, one behind the other, are all rows in order: none twice, none left out, sizes at most one apart."""
    data = ReidDataset(made, split="all", size=SIZE)
    shares = [
        [index for batch in loader(data, 4, shuffle=False, rank=rank, world=world).sampler for index in batch]
        for rank in range(world)
    ]
    assert [index for share in shares for index in share] == list(range(60))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    with pytest.raises(UsageError, match="60 pictures: fewer than the 61 ranks"):
        loader(data, 4, shuffle=False, rank=0, world=61)


@pytest.mark.parametrize("workers", [0, 2])
def test_row_order_is_resumed(made: Manifest, places: dict[str, Store | None], workers: int) -> None:
    """After three batches the rest follows; a state of the shuffled order is refused, and the other way round."""

    def fresh(**given: Any) -> Any:
        return loader(ReidDataset(made, split="all", store=places["pixels"]), 7, workers=workers, **given)

    stopped = fresh(shuffle=False)
    begun = [batch["image_id"] for _, batch in zip(range(3), stopped, strict=False)]
    state = json.loads(json.dumps(stopped.state_dict()))
    resumed = fresh(shuffle=False)
    resumed.load_state_dict(state)
    assert [name for batch in [*begun, *names(resumed)] for name in batch] == list(made.frame["image_id"])
    with pytest.raises(UsageError, match=r"Expected \{'shuffle': True\}, found \{'shuffle': False\}"):
        fresh().load_state_dict(state)
    other = fresh().state_dict()
    with pytest.raises(UsageError, match=r"Expected \{'shuffle': False\}, found \{'shuffle': True\}"):
        fresh(shuffle=False).load_state_dict(other)
    del other["sampler"]["shuffle"]  # as an earlier version wrote it, which only shuffled
    fresh().load_state_dict(other)
    with pytest.raises(UsageError, match="not of this sampler"):
        fresh(shuffle=False).load_state_dict(other)


def test_every_option_of_pytorch_has_an_answer() -> None:
    """Each parameter of its loader is ours, honoured or refused: one that a later version adds fails here."""
    theirs = {*signature(torch.utils.data.DataLoader.__init__).parameters} - {"self"}
    ours = {"dataset", "batch_size", "shuffle"}
    assert ours <= {*signature(loader).parameters}
    assert theirs <= ours | HONOURED | {*REFUSED}
    assert not HONOURED & {*REFUSED}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_named(made: Manifest, name: str) -> None:
    """With the reason and what to write instead, whatever the value, rather than passed on and lost."""
    why, instead = REFUSED[name]
    for value in (None, False, [[0]]):
        with pytest.raises(UsageError) as told:
            loader(ReidDataset(made, split="all", size=SIZE), **{name: value})  # type: ignore[arg-type]
        assert (told.value.what, told.value.why, told.value.next_command) == (
            f"loader: {name}= is not taken.", why, instead,
        )  # fmt: skip


def test_what_to_write_instead_works(made: Manifest) -> None:
    """PyTorch's own loader takes the dataset, with a batch sampler and with a function that collates."""
    data = ReidDataset(made, split="all", size=SIZE)
    plain = torch.utils.data.DataLoader(data, batch_sampler=EpochSampler(data, 7, shuffle=False), collate_fn=len)
    assert list(plain) == [7] * 8 + [4]


@pytest.mark.parametrize(
    ("name", "near"),
    [("instance", "instances"), ("batchsize", "batch_size"), ("worker", "workers"), ("shufle", "shuffle")],
)
def test_an_unknown_option_is_refused(made: Manifest, name: str, near: str) -> None:
    """With the nearest one that there is."""
    with pytest.raises(UnknownNameError, match=rf"Unknown option of loader '{name}'\. Did you mean .*{near}"):
        loader(ReidDataset(made, split="all", size=SIZE), **{name: 2})  # type: ignore[arg-type]


def test_what_is_honoured_arrives(made: Manifest) -> None:
    """Options of worker processes start such processes, with these values; memory is pinned if that is asked for."""
    data = ReidDataset(made, split="all", size=SIZE)
    given = {
        "prefetch_factor": 3, "timeout": 60, "worker_init_fn": noted, "persistent_workers": True,
        "multiprocessing_context": torch.multiprocessing.get_context("fork"),
    }  # fmt: skip
    assert {*given} == OF_PROCESSES
    for name, value in given.items():
        batches = loader(data, 30, **{name: value})  # type: ignore[arg-type]
        assert batches.workers > 0
        assert getattr(batches._inner, name) == value
    assert not loader(data, workers=1, persistent_workers=False)._inner.persistent_workers
    assert loader(data, workers=2, threads=0, prefetch_factor=3)._inner.prefetch_factor == 3
    assert loader(data, workers=0, persistent_workers=False, timeout=0, prefetch_factor=None).workers == 0
    for threads in (0, 2):
        for pin in (False, True):
            batches = loader(data, 30, threads=threads, pin_memory=pin)
            assert batches._inner.pin_memory == pin
            assert batches._pins == (pin and torch.cuda.is_available())
    assert sum(len(batch["index"]) for batch in loader(data, 30, threads=2, pin_memory=True)) == 60


def noted(worker: int) -> None:
    """Do nothing when a worker begins."""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"prefetch_factor": 2, "workers": 0},
            r"prefetch_factor: it is of worker processes\. Found workers=0\. Next: ",
        ),
        ({"timeout": 5, "threads": 0}, "timeout: it is of worker processes. Found threads=0"),
        ({"worker_init_fn": noted, "threads": 2}, "worker_init_fn: it is of worker processes. Found threads=2"),
        ({"persistent_workers": True, "workers": 0}, "persistent_workers: it is of worker processes"),
        ({"multiprocessing_context": "fork", "workers": 0}, "multiprocessing_context: it is of worker processes"),
        ({"prefetch_factor": 0}, "prefetch_factor: expected a whole number of 1 or more, found 0"),
        ({"worker_init_fn": 3}, "worker_init_fn: expected a function"),
        ({"timeout": -1}, "loader: PyTorch refuses an option. It says: timeout option should be non-negative"),
        ({"multiprocessing_context": "nix"}, "PyTorch refuses an option. It says: .*'nix'"),
        ({"shuffle": None}, "shuffle None: expected True or False"),
        ({"shuffle": 0, "identities": 2}, "shuffle 0: expected True or False"),
        ({"batch_size": 64, "identities": True}, "identities: expected a whole number of 1 or more, found True"),
        ({"batch_size": 64, "instances": 0}, "instances: expected a whole number of 1 or more, found 0"),
        ({"shuffle": False, "identities": 2}, "shuffle=False and identities=: expected one of the two"),
        ({"shuffle": False, "instances": 2}, "shuffle=False and instances=: expected one"),
        ({"shuffle": False, "camera_aware": True}, "shuffle=False and camera_aware=: expected one"),
        (
            {"shuffle": False, "identities": 2, "instances": 2},
            r"identities=, instances=: expected one of the two\..*Next: leave out shuffle=False to train, or",
        ),
    ],
)
def test_what_contradicts(made: Manifest, given: dict[str, Any], message: str) -> None:
    """What cannot be honoured together is said before an image is read."""
    with pytest.raises(UsageError, match=message):
        loader(ReidDataset(made, split="all", size=SIZE), **given)


def test_another_type_than_a_flag() -> None:
    """The sampler itself refuses what is neither True nor False."""
    with pytest.raises(UsageError, match="shuffle 'no': expected True or False"):
        EpochSampler([1], 2, shuffle="no")  # type: ignore[arg-type]
