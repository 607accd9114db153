"""A protocol's numbers mean something, and rows of training are not scored without being asked for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.errors import ManifestError, ProtocolError, UnknownNameError, UsageError
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import Protocol, find_protocol, protocols, split

Make = Callable[..., Manifest]
PLAIN = "transfer-all-occluded-probe"
SETS = {"set_distance": "cosine-of-normalised-mean", "probe_shots": 1, "gallery_shots": 1, "draws": 2}


def own(folder: Path, base: str = PLAIN, **rules: Any) -> str:
    """Return the path of a protocol file with some rules changed."""
    path = folder / "own.json"
    path.write_text(json.dumps({**find_protocol("partial-reid", base).rules, "name": "own", **rules}))
    return str(path)


def people(make_manifest: Make, dataset: str = "partial-reid", splits: tuple[str, ...] = ("",)) -> Manifest:
    """Return four identities a split with an occluded and two full-body images each."""
    return make_manifest(
        [
            {"image_id": f"{name or 'x'}-{body}{pid}_{shot}", "pid": str(pid + 10 * at), "body": body, "split": name}
            for at, name in enumerate(splits)
            for pid in range(1, 5)
            for body, shot in (("occluded", 0), ("full", 0), ("full", 1))
        ],
        dataset,
    )


def random(manifest: Manifest) -> np.ndarray:
    """Return random features."""
    return np.random.default_rng(0).standard_normal((len(manifest), 4))


@pytest.mark.parametrize(("most", "ranks"), [(1, "1"), (2, "1"), (5, "1 3 5"), (10, "1 3 5 10"), (50, "1 3 5 10 20")])
def test_max_rank_limits_what_is_reported(make_manifest: Make, tmp_path: Path, most: int, ranks: str) -> None:
    """No rank above it is anywhere in the record or in the table; what is left is the same."""
    manifest = people(make_manifest)
    score = od.evaluate(manifest, own(tmp_path, max_rank=most), random(manifest), order="manifest")
    whole = od.evaluate(manifest, PLAIN, random(manifest), order="manifest")
    expected = ranks.split()

    def cmcs(value: Any) -> Any:
        """Yield every mapping of ranks in a record."""
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if name == "cmc":
                yield inner
            elif isinstance(inner, (dict, list)):
                yield from cmcs(inner)

    found = list(cmcs(score.record))
    assert len(found) > 2
    assert all(list(one) == expected for one in found)
    assert score.record["cmc"] == {rank: whole.record["cmc"][rank] for rank in expected}
    assert [line.split()[0] for line in score.table().splitlines() if line.strip().startswith("rank-")] == [
        f"rank-{rank}" for rank in expected
    ]
    score.write(tmp_path / "a.json")
    assert od.compare(tmp_path / "a.json", tmp_path / "a.json").kind == "undeclared"


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ({"max_rank": 0}, "max_rank: expected a whole number from 1 to 10,000, found 0"),
        ({"max_rank": 10**9}, "max_rank: expected"),
        ({"probe_shots": 0}, "probe_shots: expected a whole number from 1 to 10,000, or null, found 0"),
        ({"gallery_shots": 0}, "gallery_shots: expected"),
        ({"gallery_shots": 10**12}, "gallery_shots: expected"),
        ({"draws": 0}, "draws: expected a whole number from 1 to 10,000, found 0"),
        ({"gallery_shots": 1, "draws": 10**9}, "draws: expected a whole number from 1 to 10,000, found 1000000000"),
        ({"draws": 5}, "draws: expected 1 where there are no shots to draw, found 5"),
        ({"seed": 2**63}, "seed: expected"),
        (
            {**SETS, "camera_rule": "same-camera-removed-if-real"},
            "camera_rule: expected none, because sets are compared",
        ),
        ({**SETS, "group_rule": "same-group-removed"}, "group_rule: expected none, because sets are compared whole"),
        ({**SETS, "gallery_shots": None}, "gallery_shots: expected a number, because sets are drawn on both sides"),
        ({"seed": -1}, "seed: expected"),
        ({"max_rank": 5.0}, "max_rank: expected"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(tmp_path: Path, rules: dict[str, Any], why: str) -> None:
    """Each number of a file has a least and a greatest value, named in the error."""
    with pytest.raises(ManifestError, match=why):
        find_protocol("partial-reid", own(tmp_path, **rules))


def test_rules_in_memory_are_checked_too(make_manifest: Make) -> None:
    """A protocol that was put together in Python has the same limits as one of a file."""
    wrong = Protocol({**find_protocol("partial-reid", PLAIN).rules, "max_rank": 0})
    with pytest.raises(ProtocolError, match=r"not a protocol\. max_rank: expected a whole number from 1"):
        split(people(make_manifest), wrong)


def test_shipped_protocols_pass_and_keep_their_ids() -> None:
    """The limits refuse none of ours."""
    found = [protocol.id for dataset in [*od.list_datasets(), "simulated"] for protocol in protocols(dataset)]
    assert "partial-reid/transfer-all-occluded-probe@364ef166" in found
    assert "simulated/source-gallery@" in "".join(found)
    assert len(found) == len(set(found)) > 15


def test_training_rows_of_a_simulated_set_are_not_scored(make_manifest: Make) -> None:
    """By default neither probes nor gallery are of the split train, and the protocol's name says so; `all` widens."""
    manifest = people(make_manifest, "simulated", ("train", "test"))
    default, widened = (split(manifest, "source-gallery", rows=rows) for rows in ("test", "all"))
    assert split(manifest, "source-gallery").protocol.id == default.protocol.id
    assert default.protocol.name == "source-gallery-test"
    assert {*default.probe["split"], *default.gallery["split"]} == {"test"}
    assert (len(default.probe), len(default.gallery)) == (4, 8)
    assert widened.protocol.id == find_protocol("simulated", "source-gallery").id
    assert (len(widened.probe), len(widened.gallery)) == (8, 16)
    assert split(manifest, default.protocol).protocol.id == default.protocol.id
    with pytest.raises(UnknownNameError, match="rows"):
        split(manifest, "source-gallery", rows="train")


def test_a_simulated_set_without_training_rows_is_scored_whole(make_manifest: Make) -> None:
    """Rows of no split, or of the test alone, are all tested on, under the protocol's own id."""
    for splits in (("",), ("test",)):
        manifest = people(make_manifest, "simulated", splits)
        done = split(manifest, "source-gallery")
        assert (done.protocol.name, len(done.probe)) == ("source-gallery", 4)


def test_a_set_of_training_rows_alone_says_what_to_do(make_manifest: Make) -> None:
    """Nothing to score by default is an error that counts the rows and names the option."""
    with pytest.raises(ProtocolError, match=r"12 of the split train\. Next: .*--rows all"):
        split(people(make_manifest, "simulated", ("train",)), "source-gallery")


def test_scores_are_told_by_split(make_manifest: Make) -> None:
    """Table and record say what each split scored; a mean over both is the probes' mean of them."""
    manifest = people(make_manifest, "simulated", ("train", "test"))
    score = od.evaluate(manifest, "source-gallery", random(manifest), order="manifest", rows="all")
    rows = {row["split"]: row for row in score.record["splits"]}
    assert {name: row["probes"] for name, row in rows.items()} == {"train": 4, "test": 4}
    assert score.record["map"] == pytest.approx((rows["train"]["map"] + rows["test"]["map"]) / 2, abs=2e-6)
    own_means = score.per_probe.groupby(score.per_probe["image_id"].str.partition("-")[0])["ap"].mean()
    assert rows["test"]["map"] == pytest.approx(own_means["test"], abs=1e-6)
    assert rows["train"]["map"] != rows["test"]["map"]
    assert "split train" in score.table()
    alone = od.evaluate(manifest, "source-gallery", random(manifest), order="manifest")
    assert [row["split"] for row in alone.record["splits"]] == ["test"]
    assert "split t" not in alone.table()


def test_training_sets_are_held_against_the_test(make_manifest: Make) -> None:
    """What is declared, or known, of training is related to the test set in the record and in the table."""
    manifest = people(make_manifest)

    def relation(**how: Any) -> str:
        """Return what the record says."""
        score = od.evaluate(manifest, PLAIN, random(manifest), order="manifest", bootstrap=0, **how)
        assert score.record["shared"]["text"] in score.table()
        return str(score.record["shared"]["relation"])

    assert relation() == "unstated"
    assert relation(declare={"training_sets": "market-1501 ab12"}) == "none"
    assert relation(declare={"training_sets": ["partial-reid"]}) == "unknown"
    assert relation(declare={"training_sets": "a crowd of our own"}) == "unknown"
    assert relation(seen=[{"set": "partial-reid", "pids": [99]}]) == "same set"
    assert relation(seen=[{"set": "unknown", "pids": None}]) == "unknown"
    with pytest.raises(UsageError, match="2 identities of the test rows were trained on"):
        relation(seen=[{"set": "partial-reid", "pids": [1, 2, 99]}])
