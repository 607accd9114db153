"""A whole record against plain loops over probes: every mean, interval, bucket, split and camera pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.errors import FeatureError
from occluded_datasets.evaluation import FeatureFile
from occluded_datasets.evaluation.scoring import counts as ranking
from occluded_datasets.evaluation.scoring.statistics import resamples
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import Protocol, find_protocol

RULES = {**find_protocol("partial-reid", "transfer-all-occluded-probe").rules, "name": "plain",
         "camera_rule": "same-camera-removed", "group_rule": "same-group-removed"}  # fmt: skip
METRICS = ("map", "map_trapezoid", "minp")
RANKS = (1, 3, 5, 10, 20)


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    """Return nine identities under three cameras, some images in groups, two splits, fractions from 0.05 to 1."""
    rng = np.random.default_rng(5)
    rows = []
    for pid in range(1, 10):
        for number in range(6):
            body = "occluded" if number < 2 else "full"
            seen = "" if pid == 9 else f"{1 - min(1, 0.05 + 0.12 * (pid - 1) + 0.05 * number):.6f}"
            rows.append({
                "image_id": f"{body}{pid}_{number}", "pid": str(pid), "body": body, "camid": str(rng.integers(3)),
                "camid_source": "filename", "group": f"photo{pid}" if number in (0, 2) else "",
                "split": "test" if pid % 2 else "", "visible_fraction": seen if body == "occluded" else "1.000000",
            })  # fmt: skip
    return make_manifest(rows)


def judged(hits: list[int]) -> list[float]:
    """Return AP, trapezoid AP, INP and a hit by rank of the ranks of the true matches."""
    ap = np.mean([(at + 1) / rank for at, rank in enumerate(hits)])
    sloped = np.mean([((at + 1) / rank + (at / (rank - 1) if rank > 1 else 1)) / 2 for at, rank in enumerate(hits)])
    return [float(ap), float(sloped), len(hits) / hits[-1], *(float(hits[0] <= rank) for rank in RANKS)]


class Plain:
    """The protocol by hand: of each probe its eight numbers, and by camera of the match."""

    def __init__(self, manifest: Manifest, vectors: np.ndarray) -> None:
        frame = manifest.frame.sort_values("image_id", ignore_index=True)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        unit = dict(zip(manifest.frame["image_id"], unit, strict=True))
        probes, gallery = frame[frame["body"] == "occluded"], frame[frame["body"] == "full"]
        self.pids: list[int] = []
        self.values: list[list[float]] = []
        self.rows: list[Any] = []
        self.pairs: dict[tuple[int, int], list[list[float]]] = {}
        for probe in probes.itertuples():
            left = [
                other
                for other in gallery.itertuples()
                if not (other.pid == probe.pid and other.camid == probe.camid)
                and not (probe.group is not None and other.group == probe.group)
            ]
            order = sorted(left, key=lambda other: -float(unit[probe.image_id] @ unit[other.image_id]))
            hits = [rank for rank, other in enumerate(order, 1) if other.pid == probe.pid]
            if not hits:
                continue
            self.pids.append(probe.pid)
            self.values.append(judged(hits))
            self.rows.append(probe)
            for camera in sorted({other.camid for other in order if other.pid == probe.pid}):
                own = [other for other in order if other.camid == camera]
                ranks = [rank for rank, other in enumerate(own, 1) if other.pid == probe.pid]
                self.pairs.setdefault((probe.camid, camera), []).append(judged(ranks))


def numbers(row: Any) -> list[float]:
    """Return the eight numbers of a record or of a row in it."""
    return [*(row[name] for name in METRICS), *(row["cmc"][str(rank)] for rank in RANKS)]


@pytest.mark.parametrize("cells", [ranking.CELLS, 64, 8])
def test_a_record_is_what_plain_loops_find(manifest: Manifest, monkeypatch: Any, cells: int) -> None:
    """In one block and in many, every number of the record is the loop's, on more than one of everything."""
    monkeypatch.setattr(ranking, "CELLS", cells)
    vectors = np.random.default_rng(2).standard_normal((len(manifest), 3))
    score = od.evaluate(manifest, Protocol(RULES), vectors, order="manifest", bootstrap=50, seed=4)
    record, plain = score.record, Plain(manifest, vectors)
    values = np.array(plain.values)
    assert record["audit"]["removed_same_camera"] > 3
    assert record["audit"]["removed_same_group"] > 3
    assert numbers(record) == pytest.approx(values.mean(axis=0).tolist(), abs=1e-6)
    people = sorted(set(plain.pids))
    drawn = resamples(len(people), 50, 4)
    means = [
        np.concatenate([values[np.array(plain.pids) == people[one]] for one in draw]).mean(axis=0)
        for draw in drawn.tolist()
    ]
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    for at, pair in enumerate(numbers(record["intervals"])):
        assert pair == pytest.approx([low[at], high[at]], abs=2e-6)
    found = {(row["probe_camera"], row["gallery_camera"]): row for row in record["camera_pairs"]}
    assert found.keys() == plain.pairs.keys()
    for pair, own in plain.pairs.items():
        assert found[pair]["probes"] == len(own)
        assert numbers(found[pair]) == pytest.approx(np.mean(own, axis=0).tolist(), abs=1e-6)
    for row in record["splits"]:
        own = values[[probe.split == row["split"] for probe in plain.rows]]
        assert (row["probes"], len(record["splits"])) == (len(own), 2)
        assert numbers(row) == pytest.approx(own.mean(axis=0).tolist(), abs=1e-6)


def test_buckets_have_their_bounds(manifest: Manifest) -> None:
    """The first tenth is from 0 to 0.1, the last to 1; what is not known has no bounds and is last."""
    vectors = np.random.default_rng(2).standard_normal((len(manifest), 3))
    record = od.evaluate(manifest, Protocol(RULES), vectors, order="manifest", bootstrap=0).record
    plain = Plain(manifest, vectors)
    fractions = np.array([1 - probe.visible_fraction for probe in plain.rows])
    assert (record["buckets"][0]["from"], record["buckets"][0]["to"]) == (0.0, 0.1)
    assert (record["buckets"][-1]["from"], record["buckets"][-1]["to"]) == (None, None)
    for row in record["buckets"]:
        known = row["from"] is not None
        rounded = np.round(fractions, 6)
        own = (rounded >= row["from"]) & ((rounded < row["to"]) | (row["to"] == 1)) if known else np.isnan(fractions)
        assert row["probes"] == own.sum()
        assert numbers(row) == pytest.approx(np.array(plain.values)[own].mean(axis=0).tolist(), abs=1e-6)
    assert sum(row["probes"] for row in record["buckets"]) == len(plain.rows)


def test_one_bad_part_is_enough(manifest: Manifest) -> None:
    """A visibility outside 0..1 is refused though the image's other parts are right; so is a zero part that is seen."""
    names = tuple(manifest.frame["image_id"])
    values, seen = np.ones((len(names), 2, 3)), np.ones((len(names), 2))
    for bad in (1.7, -1.0, np.nan):
        wrong = seen.copy()
        wrong[4, 1] = bad
        with pytest.raises(FeatureError, match=rf"outside 0\.\.1: {names[4]}\."):
            od.evaluate(manifest, Protocol(RULES), FeatureFile(names, values, wrong))
    values[6, 1] = 0
    for visibility in (None, seen):
        with pytest.raises(FeatureError, match=rf"only zeros in {names[6]}\."):
            od.evaluate(manifest, Protocol(RULES), FeatureFile(names, values, visibility))
    hidden = seen.copy()
    hidden[6, 1] = 0
    od.evaluate(manifest, Protocol(RULES), FeatureFile(names, values, hidden))
