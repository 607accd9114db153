"""What reaches a loss: one meaning for each label, and a label for each image, however datasets are wrapped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import small

import occluded_datasets as od
from occluded_datasets.errors import UsageError
from occluded_datasets.manifest import Manifest
from occluded_datasets.torch.checks import held, sample_labels

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

from torch.utils.data import ConcatDataset, Subset  # noqa: E402

from occluded_datasets.torch import (  # noqa: E402
    EpochSampler,
    PairedOcclusionDataset,
    RandomIdentitySampler,
    ReidDataset,
    loader,
    occlude,
)

SIZE = (16, 8)
TWO = "it joins datasets whose labels mean different identities"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of sixty images of four identities."""
    return small(tmp_path_factory.mktemp("set"))


def part(made: Manifest, *pids: int, **given: Any) -> ReidDataset:
    """Return the dataset of some identities."""
    return ReidDataset(made.frame[made.frame["pid"].isin(pids)], manifest=made, size=SIZE, **given)


def other_set(made: Manifest, *pids: int) -> ReidDataset:
    """Return the same pids as another set would have them."""
    rows = made.frame[made.frame["pid"].isin(pids)]
    names = rows["image_id"].str.replace("partial-reid/", "other-reid/")
    return ReidDataset(rows.assign(image_id=names), manifest=made, size=SIZE)


def shown(data: Any) -> Any:
    """Return a dataset occluded."""
    return occlude(data, image="image")


JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "concat": lambda one, two: ConcatDataset([one, two]),
    "subset of concat": lambda one, two: Subset(ConcatDataset([one, two]), [0, 1]),
    "concat of subsets": lambda one, two: ConcatDataset([Subset(one, [0]), Subset(two, [0])]),
    "concat in concat": lambda one, two: ConcatDataset([one, ConcatDataset([one, two])]),
    "pairs": lambda one, two: ConcatDataset([PairedOcclusionDataset(one), PairedOcclusionDataset(two)]),
    "occluded": lambda one, two: ConcatDataset([shown(one), shown(two)]),
}
USERS: dict[str, Callable[[Any], Any]] = {
    "loader": lambda data: loader(data, 4),
    "loader in order": lambda data: loader(data, 4, shuffle=False),
    "groups": lambda data: loader(data, identities=2, instances=2),
    "EpochSampler": lambda data: EpochSampler(data, 4),
    "RandomIdentitySampler": lambda data: RandomIdentitySampler(data, 2, 2),
    "occlude": shown,
}


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("join", JOINS)
def test_two_numberings_are_refused(made: Manifest, join: str, user: str) -> None:
    """Label 0 of one is another identity than label 0 of the other: neither order nor occlusion is made of them."""
    message = (
        rf"dataset: {TWO}\. .*label 0 is pid 1 of partial-reid in one and pid 3 of partial-reid in another\. Next: "
    )
    with pytest.raises(UsageError, match=message):
        USERS[user](JOINS[join](part(made, 1, 2), part(made, 3, 4)))


@pytest.mark.parametrize("user", USERS)
def test_two_sets_of_equal_pids_are_two_numberings(made: Manifest, user: str) -> None:
    """Pid 1 of one set is not pid 1 of another, though the label maps are equal."""
    message = rf"{TWO}.*label 0 is pid 1 of partial-reid in one and pid 1 of other-reid in another"
    with pytest.raises(UsageError, match=message):
        USERS[user](ConcatDataset([part(made, 1, 2), other_set(made, 1, 2)]))


def test_a_map_that_is_longer_is_another(made: Manifest) -> None:
    """Also where the labels that both have agree."""
    with pytest.raises(UsageError, match=r"label 2 is no identity in one and pid 3 of partial-reid in another"):
        shown(ConcatDataset([part(made, 1, 2), part(made, 1, 2, 3)]))


@pytest.mark.parametrize("join", JOINS)
def test_parts_with_one_numbering_are_joined(made: Manifest, join: str) -> None:
    """Parts of one set with the same label map are occluded; an order needs one dataset, and says that instead."""
    whole = part(made, 1, 2)
    data = JOINS[join](whole, part(made, 1, 2, labels=whole.label_map))
    samples = occlude(data, image="clean" if join == "pairs" else "image")
    assert samples[0]["occlusion"]["occluded"].shape == (3, *SIZE)
    assert len(samples) == len(data)
    for user in ("loader", "RandomIdentitySampler"):
        with pytest.raises(UsageError, match=r"a sampler needs its pixel_sha256\. Found (ConcatDataset|Subset)\. Next"):
            USERS[user](data)


def test_what_the_message_says_to_do_works(made: Manifest) -> None:
    """Parts of one set joined as rows have one numbering."""
    import pandas as pd

    rows = pd.concat([made.frame[made.frame["pid"] == pid] for pid in (1, 3)])
    data = ReidDataset(rows, manifest=made, size=SIZE)
    assert data.label_map == {1: 0, 3: 1}
    assert sum(len(batch["label"]) for batch in loader(data, 8, workers=0)) == 30


@pytest.fixture(scope="module")
def unlabelled(made: Manifest) -> ReidDataset:
    """Return a dataset whose fifteen images of pid 2 are junk."""
    rows = made.frame.copy()
    rows.loc[rows["pid"] == 2, "role"] = "junk"
    return ReidDataset(rows, manifest=made, size=SIZE)


def test_nothing_without_a_label_is_trained_on(unlabelled: ReidDataset) -> None:
    """A shuffled order, pairs and occlusion refuse, with the number and the cure."""
    message = r"dataset: 15 of 60 images have no label\. .*Next: ReidDataset\(m, split=\"train\"\), or rows without"
    for make in (
        lambda: loader(unlabelled, 4),
        lambda: EpochSampler(unlabelled, 4),
        lambda: PairedOcclusionDataset(unlabelled),
        lambda: shown(unlabelled),
        lambda: shown(ConcatDataset([unlabelled])),
    ):
        with pytest.raises(UsageError, match=message):
            make()
    with pytest.raises(UsageError, match=r"shuffle=False, for features$"):
        loader(unlabelled, 4)
    with pytest.raises(UsageError, match="2 of 3 images have no label"):
        shown(Subset(unlabelled, [0, *np.flatnonzero(unlabelled.labels < 0)[:2]]))


def test_what_reaches_no_loss_is_taken(unlabelled: ReidDataset) -> None:
    """Features are made of every row in order; groups of one identity leave those rows out; so does a Subset."""
    batches = loader(unlabelled, 7, shuffle=False, workers=0)
    assert [index for batch in batches for index in batch["index"].tolist()] == list(range(60))
    for batch in loader(unlabelled, identities=2, instances=2, workers=0):
        assert batch["label"].min() >= 0
    known = np.flatnonzero(unlabelled.labels >= 0)
    assert len(shown(Subset(unlabelled, known.tolist()))) == 45


def test_rows_of_training_alone_are_the_cure(tmp_path: Path) -> None:
    """Of a set with junk and distractors, every row is refused and the default is not."""
    from occluded_datasets.twin import twin

    tree = twin("market-1501", tmp_path / "twin", ids=2, workers=1).tree
    m = od.load(od.build("market-1501", tree, tmp_path, allow_subset=True).manifest)
    count = int(m.frame["role"].isin(["junk", "distractor"]).sum())
    with pytest.raises(UsageError, match=f"{count} of {len(m)} images have no label"):
        loader(ReidDataset(m, split="all"), 4)
    assert len(PairedOcclusionDataset(ReidDataset(m))) == int((m.frame["split"] == "train").sum())
    assert len(loader(ReidDataset(m), 4)) > 0


class Theirs:
    """Somebody else's dataset, with names that ours use too."""

    label_map: dict[str, int] = {"cat": 0}  # noqa: RUF012
    labels = np.array([-1, -1])

    def __init__(self, **own: Any) -> None:
        self.__dict__.update(own)

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return np.full((32, 16, 3), index, np.uint8), index


def test_other_datasets_are_left_alone(unlabelled: ReidDataset) -> None:
    """Labels and maps that are not ours mean what their makers say, whatever their attributes are called."""
    for data in (
        Theirs(),
        Theirs(train=True, dataset="here", indices="some"),
        Theirs(dataset=Theirs(), indices=[7]),
        ConcatDataset([Theirs(), Theirs()]),
    ):
        assert not [*held(data)]
        assert not sample_labels(data).any()
        assert len(occlude(data)) == len(data)
    fewer = Theirs(dataset=unlabelled)  # which rows it gives is not known
    assert [*held(fewer)] == [unlabelled]
    assert sample_labels(fewer).tolist() == [0, 0]
