"""Which identities training and test have in common: of simulated, derived, related and unknown sets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from occluded_datasets.errors import UsageError
from occluded_datasets.identities import declared_sets, joined_identities, shared_identities, shown_identities
from occluded_datasets.manifest import Manifest

Make = Callable[..., Manifest]
FROM_PARTIAL = [{"parent": "partial-reid", "relation": "its pictures", "withdrawn": "", "fingerprint": None}]


def some(make_manifest: Make, dataset: str, *pids: int, **facts: Any) -> Manifest:
    """Return a manifest with one image of each identity."""
    return make_manifest([{"image_id": f"i{pid}", "pid": str(pid)} for pid in pids], dataset, **facts)


def relation(make_manifest: Make, seen: list[dict[str, Any]], dataset: str, *pids: int, **facts: Any) -> Any:
    """Return what `shared_identities` says of such a test set."""
    test = some(make_manifest, dataset, *pids, **facts)
    return shared_identities(seen, test, test.frame)


def test_a_simulated_set_shows_its_sources_identities(make_manifest: Make) -> None:
    """The images of a simulated set are of the set it was made from, also when that was simulated itself."""
    lineage = [{**FROM_PARTIAL[0], "parent": "simulated"}, *FROM_PARTIAL]
    for links in (FROM_PARTIAL, lineage):
        made = some(make_manifest, "simulated", 3, 1, lineage=links)
        assert shown_identities(made) == [{"set": "partial-reid", "pids": [1, 3]}]
    assert shown_identities(some(make_manifest, "simulated", 1)) == [{"set": "unknown", "pids": [1]}]


def test_junk_and_distractors_show_nobody(make_manifest: Make) -> None:
    """A pid of junk or of a distractor stands for no one identity."""
    rows = [
        {"image_id": str(at), "pid": str(at), "role": role} for at, role in enumerate(("train", "junk", "distractor"))
    ]
    assert shown_identities(make_manifest(rows, "market-1501")) == [{"set": "market-1501", "pids": [0]}]


@pytest.mark.parametrize("turned", [False, True])
def test_a_simulated_copy_of_the_test_set_is_refused(make_manifest: Make, turned: bool) -> None:
    """Who trained on images made from the test set's identities, or tests on such, is told whose."""
    made = some(make_manifest, "simulated", 4, 5, lineage=FROM_PARTIAL)
    plain = some(make_manifest, "partial-reid", 5, 6)
    train, test = (plain, made) if turned else (made, plain)
    with pytest.raises(UsageError, match=r"partial-reid: 1 identities of the test rows were trained on.*pid 5"):
        shared_identities(shown_identities(train), test, test.frame)


def test_an_earlier_run_counts(make_manifest: Make) -> None:
    """What a model was started from has been seen too."""
    seen = joined_identities(
        shown_identities(some(make_manifest, "market-1501", 1)),
        shown_identities(some(make_manifest, "partial-reid", 6)),
    )
    with pytest.raises(UsageError, match="the first is pid 6"):
        relation(make_manifest, seen, "partial-reid", 6, 7)
    assert relation(make_manifest, seen, "partial-reid", 7)["relation"] == "same set"


@pytest.mark.parametrize(
    ("seen", "dataset", "expected"),
    [
        ([{"set": "market-1501", "pids": [1]}], "partial-reid", ("none", 0)),
        ([{"set": "partial-reid", "pids": [2]}], "partial-reid", ("same set", 0)),
        ([{"set": "partial-reid", "pids": None}], "partial-reid", ("unknown", None)),
        ([{"set": "market-1501", "pids": [2]}], "occluded-market", ("related set", None)),
        ([{"set": "dukemtmc-reid", "pids": [2]}], "p-dukemtmc-reid", ("related set", None)),
        ([{"set": "my-crowd", "pids": [2]}], "partial-reid", ("unknown", None)),
        ([{"set": "market-1501", "pids": [2]}], "my-crowd", ("unknown", None)),
        ([{"set": "my-crowd", "pids": [2]}], "my-crowd", ("same set", 0)),
        ([{"set": "market-1501", "pids": [2]}, {"set": "unknown", "pids": None}], "partial-reid", ("unknown", None)),
        ([{"set": "mars", "pids": [2]}, {"set": "unknown", "pids": None}], "market-1501", ("related set", None)),
        ([], "partial-reid", ("unknown", None)),
        (declared_sets("ImageNet"), "partial-reid", ("none", 0)),
        (declared_sets(["ImageNet", "a crowd"]), "partial-reid", ("unknown", None)),
        ([{"set": "mars", "pids": [2]}, {"set": "mars", "pids": None}], "mars", ("unknown", None)),
    ],
)
def test_the_gravest_relation_is_said(
    make_manifest: Make, seen: list[dict[str, Any]], dataset: str, expected: tuple[str, int | None]
) -> None:
    """What is not known reads ``unknown``, never ``none``."""
    found = relation(make_manifest, seen, dataset, 1)
    assert (found["relation"], found["identities"]) == expected
    assert (found["relation"] == "none") == ("no identity in common with" in found["text"])


def test_a_simulated_test_set_without_lineage_is_unknown(make_manifest: Make) -> None:
    """Equal pids of two sets that are both unknown are no identity in common."""
    seen = [{"set": "unknown", "pids": [1]}]
    assert relation(make_manifest, seen, "simulated", 2)["relation"] == "unknown"


def test_union_is_by_set(make_manifest: Make) -> None:
    """Sets are told once; a part of a set that is not known makes the whole not known."""
    one, other = [{"set": "mars", "pids": [2, 1]}], [{"set": "mars", "pids": [3]}, {"set": "a", "pids": [1]}]
    assert joined_identities(one, other) == [{"set": "a", "pids": [1]}, {"set": "mars", "pids": [1, 2, 3]}]
    assert joined_identities(one, [{"set": "mars", "pids": None}], other)[1] == {"set": "mars", "pids": None}


def test_a_declaration_names_sets() -> None:
    """Sets of the catalog are read by their ids; general image sets show no identity; the rest is unknown."""
    assert declared_sets("market-1501 0f3a") == [{"set": "market-1501", "pids": None}]
    assert [one["set"] for one in declared_sets(["ImageNet", "none"])] == ["imagenet", "none"]
    assert declared_sets(["Market-1501, train part", "LUPerson"]) == [
        {"set": "market-1501", "pids": None},
        {"set": "unknown", "pids": None},
    ]
