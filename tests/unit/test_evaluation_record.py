"""From manifest, protocol and features to a record: every rule and every number of the audit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import occluded_datasets as od
from occluded_datasets.errors import FeatureError, ProtocolError
from occluded_datasets.evaluation import FeatureFile, Matrix
from occluded_datasets.evaluation.record.digests import canonical, rows_sha256, sidecar
from occluded_datasets.evaluation.scoring.statistics import resamples
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import Protocol, find_protocol, split

Make = Callable[..., Manifest]
PLAIN = "transfer-all-occluded-probe"


def own(**rules: Any) -> Protocol:
    """Return the plain protocol with some rules changed."""
    return Protocol({**find_protocol("partial-reid", PLAIN).rules, "name": "own", **rules})


def picture(name: str, pid: int, body: str = "full", **cells: str) -> dict[str, str]:
    """Return a manifest row."""
    return {"image_id": name, "pid": str(pid), "body": body, **cells}


def small(people: int = 3, shots: int = 2) -> list[dict[str, str]]:
    """Return rows of some people with as many occluded as full-body pictures."""
    return [
        picture(f"{body[:1]}{pid}_{shot}", pid, body)
        for body in ("occluded", "full")
        for pid in range(1, people + 1)
        for shot in range(shots)
    ]


def random(manifest: Manifest, seed: int = 0, length: int = 8) -> np.ndarray:
    """Return random features in manifest order."""
    return np.random.default_rng(seed).standard_normal((len(manifest), length))


def test_one_probe_by_hand(make_manifest: Make) -> None:
    """Gallery at 10, 20, 30 and 40 degrees, matches second and fourth: AP 1/2, rank-1 0, rank-3 1."""
    rows = [picture("p", 1, "occluded"), *(picture(f"g{i}", pid) for i, pid in enumerate((2, 1, 3, 1)))]
    angles = np.radians([0, 10, 20, 30, 40])
    score = od.evaluate(make_manifest(rows), PLAIN, np.column_stack([np.cos(angles), np.sin(angles)]), order="manifest")
    record = score.record
    assert (record["map"], record["map_trapezoid"], record["minp"]) == (0.5, round((1 / 4 + 5 / 12) / 2, 6), 0.5)
    assert record["cmc"] == {"1": 0.0, "3": 1.0, "5": 1.0, "10": 1.0, "20": 1.0}
    assert record["intervals"]["map"] == [0.5, 0.5]
    assert score.per_probe.iloc[0].tolist() == ["p", 1, 0.5, pytest.approx(1 / 3), 2.0, 0.5, 0.0, 1]
    assert (record["tie_bounds"], record["draws"], record["rerank"]) == (None, None, "none")


def test_constant_features_score_chance(make_manifest: Make) -> None:
    """3 people with 2 pictures of 6: rank-1 is 1/3 exactly, rank-5 is certain, and the ends are 0 and 1."""
    manifest = make_manifest(small())
    record = od.evaluate(manifest, PLAIN, np.ones((len(manifest), 3)), order="manifest").record
    assert record["cmc"]["1"] == round(1 / 3, 6)
    assert record["cmc"]["3"] == round(1 - (4 * 3 * 2) / (6 * 5 * 4), 6)
    assert record["cmc"]["5"] == 1
    ends = record["tie_bounds"]
    assert (ends["pessimistic"]["cmc"]["1"], ends["optimistic"]["cmc"]["1"]) == (0, 1)
    assert ends["pessimistic"]["map"] == round((1 / 5 + 2 / 6) / 2, 6)
    assert ends["optimistic"]["map"] == 1
    assert record["audit"]["ties"] == 6


def test_random_features_score_their_expectation(make_manifest: Make) -> None:
    """Random features lie within five standard errors of what constant features score."""
    manifest = make_manifest(small(20, 5))
    chance = od.evaluate(manifest, PLAIN, np.ones((len(manifest), 1)), order="manifest", bootstrap=0).record
    runs = [
        od.evaluate(manifest, PLAIN, random(manifest, seed, 16), order="manifest", bootstrap=0).record
        for seed in range(12)
    ]
    for name in ("map", "map_trapezoid", "minp"):
        values = np.array([run[name] for run in runs])
        assert abs(values.mean() - chance[name]) < 5 * values.std(ddof=1) / np.sqrt(len(values))


def camera_rows() -> list[dict[str, str]]:
    """Return market rows: two probes, gallery with same-camera matches, a distractor and junk."""
    real = {"camid_source": "filename"}
    return [
        picture("p1", 1, role="probe", camid="1", **real),
        picture("p2", 2, role="probe", camid="2", **real),
        picture("a", 1, role="gallery", camid="1", **real),
        picture("b", 1, role="gallery", camid="2", **real),
        picture("c", 2, role="gallery", camid="2", **real),
        picture("d", 0, role="distractor", camid="1", **real),
        picture("e", -1, role="junk", camid="3", **real),
    ]


def test_camera_rule_junk_and_pairs(make_manifest: Make) -> None:
    """Own-camera matches go, p2 is left without one and dropped, junk is outside, pairs are scored."""
    manifest = make_manifest(camera_rows(), "market-1501")
    angle = {"p1": 0, "p2": 50, "a": 1, "b": 30, "c": 51, "d": 20, "e": 2}
    features = {name: [np.cos(np.radians(v)), np.sin(np.radians(v))] for name, v in angle.items()}
    score = od.evaluate(manifest, "standard", features)
    audit = score.record["audit"]
    assert (audit["probes"], audit["gallery"], audit["dropped_probes"]) == (2, 4, 1)
    assert (audit["removed_same_camera"], audit["removed_same_group"], audit["removed_junk"]) == (2, 0, 1)
    assert audit["rows_outside_protocol"] == 1
    assert score.record["map"] == 0.5  # the distractor at 20 degrees is nearer than the match at 30
    assert score.per_probe["counted"].tolist() == [1, 0]
    assert score.per_probe["ap"].isna().tolist() == [False, True]
    pair = {"probe_camera": 1, "gallery_camera": 2, "probes": 1, "map": 1.0}
    assert [{key: row[key] for key in pair} for row in score.record["camera_pairs"]] == [pair]


def test_group_rule(make_manifest: Make) -> None:
    """Gallery rows cut from the probe's photo are gone for it."""
    rows = [
        picture("p", 1, "occluded", group="photo"), picture("a", 1, group="photo"), picture("b", 2, group="photo"),
        picture("c", 1), picture("d", 3),
    ]  # fmt: skip
    manifest = make_manifest(rows)
    features = np.array([[1, 0], [1, 0.1], [1, 0.2], [1, 0.3], [1, 0.4]])
    assert od.evaluate(manifest, PLAIN, features, order="manifest").record["map"] == round((1 + 2 / 3) / 2, 6)
    record = od.evaluate(manifest, own(group_rule="same-group-removed"), features, order="manifest").record
    assert (record["map"], record["audit"]["removed_same_group"]) == (1.0, 2)


def test_unanswerable_probes(make_manifest: Make) -> None:
    """Dropped and counted, or refused by the protocol naming them, or nothing is left at all."""
    rows = [*small(2, 1), picture("lost", 9, "occluded")]
    manifest = make_manifest(rows)
    record = od.evaluate(manifest, PLAIN, random(manifest), order="manifest").record
    assert (record["audit"]["dropped_probes"], record["audit"]["probes"]) == (1, 3)
    with pytest.raises(ProtocolError, match="1 probes"):
        od.evaluate(manifest, own(unanswerable="error"), random(manifest), order="manifest")
    cameras = [{**row, "camid": "1", "camid_source": "filename"} for row in small(2, 1)]
    manifest = make_manifest(cameras)
    with pytest.raises(ProtocolError, match=r"2 of 2 probes have no true match left: o1_0, o2_0\. There is nothing"):
        od.evaluate(manifest, own(camera_rule="same-camera-removed"), random(manifest), order="manifest")


def test_a_gallery_smaller_than_the_ranks(make_manifest: Make) -> None:
    """Two pictures in the gallery: every rank from 3 on is within what is there."""
    manifest = make_manifest(small(2, 1))
    record = od.evaluate(manifest, PLAIN, np.array([[1, 0], [0, 1], [0, 1], [1, 0]]), order="manifest").record
    assert record["cmc"] == {"1": 0.0, "3": 1.0, "5": 1.0, "10": 1.0, "20": 1.0}


def test_single_shot_draws_by_hand(make_manifest: Make) -> None:
    """Each draw's scores by a loop over the table of draws; mean and deviation over draws."""
    manifest = make_manifest(small(4, 3))
    features = random(manifest, 3)
    name = "single-shot-occluded-probe"
    score = od.evaluate(manifest, name, features, order="manifest")
    done = split(manifest, name)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    place = {row: index for index, row in enumerate(manifest.frame["image_id"])}
    firsts, inverse = [], []
    for _, drawn in done.draws.groupby("draw"):
        gallery = drawn["image_id"].tolist()
        hits, precision = [], []
        for probe, pid in zip(done.probe["image_id"], done.probe["pid"], strict=True):
            values = unit[place[probe]] @ unit[[place[one] for one in gallery]].T
            rank = 1 + (values > values[drawn["pid"].tolist().index(pid)]).sum()
            hits.append(rank == 1)
            precision.append(1 / rank)
        firsts.append(np.mean(hits))
        inverse.append(np.mean(precision))
    record = score.record
    assert record["draws"]["count"] == 1000
    assert record["cmc"]["1"] == pytest.approx(np.mean(firsts), abs=1e-6)
    assert record["map"] == pytest.approx(np.mean(inverse), abs=1e-6)
    assert record["draws"]["std"]["map"] == pytest.approx(np.std(inverse, ddof=1), abs=1e-6)
    assert score.per_probe["counted"].tolist() == [1000] * 12


def test_sets_by_hand(make_manifest: Make) -> None:
    """N shots: normalise, average, normalise, cosine, one decision an identity; a short set gives all it has."""
    rows = [row for row in small(6, 3) if row["image_id"] not in ("f2_1", "f2_2")]
    manifest = make_manifest(rows)
    features = random(manifest, 4)
    score = od.evaluate(manifest, "afpb-nshot-2", features, order="manifest")
    done = split(manifest, "afpb-nshot-2")
    unit = dict(zip(manifest.frame["image_id"], features / np.linalg.norm(features, axis=1)[:, None], strict=True))
    people = sorted(set(done.probe["pid"]))
    firsts, by_person = [], dict.fromkeys(people, 0.0)
    for _, drawn in done.draws.groupby("draw"):
        means = {}
        for (role, pid), own_rows in drawn.groupby(["role", "pid"]):
            mean = np.mean([unit[name] for name in own_rows["image_id"]], axis=0)
            means[role, pid] = mean / np.linalg.norm(mean)
        hits = []
        for pid in people:
            values = {other: means["probe", pid] @ means["gallery", other] for other in people}
            hits.append(max(values, key=values.__getitem__) == pid)
            by_person[pid] += 1 / (1 + sum(value > values[pid] for value in values.values())) / 1000
        firsts.append(np.mean(hits))
    record = score.record
    assert record["cmc"]["1"] == pytest.approx(np.mean(firsts), abs=1e-6)
    assert record["draws"]["std"]["cmc"]["1"] == pytest.approx(np.std(firsts, ddof=1), abs=1e-6)
    assert score.per_probe["ap"].tolist() == pytest.approx(list(by_person.values()), abs=1e-9)
    assert score.per_probe["pid"].tolist() == people
    assert record["audit"]["identities_short_of_shots"] == done.short
    assert (record["audit"]["decisions"], record["intervals"]["identities"]) == (3, 3)


def test_sets_need_plain_vectors(make_manifest: Make) -> None:
    """Parts, a matrix and the Euclidean distance are another set distance, so another protocol; nor may sets cancel."""
    manifest = make_manifest(small(2, 1))
    done = split(manifest, "afpb-nshot-1")
    names = [tuple(part["image_id"]) for part in (done.probe, done.gallery)]
    for features, how in (
        (np.ones((4, 2, 3)), {"order": "manifest"}),
        (Matrix(names[0], names[1], np.ones((len(names[0]), len(names[1])))), {}),
        (random(manifest), {"distance": "euclidean", "order": "manifest"}),
    ):
        with pytest.raises(ProtocolError, match="sets are compared by cosine-of-normalised-mean"):
            od.evaluate(manifest, "afpb-nshot-1", features, **how)
    manifest = make_manifest(small(2, 2))
    signs = np.where(np.arange(len(manifest)) % 2, 1.0, -1.0)[:, None]
    with pytest.raises(FeatureError, match="cancel out: identity"):
        od.evaluate(manifest, "afpb-nshot-2", signs, order="manifest")


def test_buckets(make_manifest: Make) -> None:
    """Tenths of the occluded fraction; 0.3 begins the fourth, 1.0 is in the last, the unknown stand apart."""
    seen = {"a": "0.700000", "b": "0.710000", "c": "0.000000", "d": ""}
    rows = [picture(name, 1, "occluded", visible_fraction=value) for name, value in seen.items()]
    manifest = make_manifest([*rows, picture("g", 1), picture("h", 2)])
    buckets = od.evaluate(manifest, PLAIN, random(manifest), order="manifest").record["buckets"]
    assert [(row["from"], row["to"], row["probes"]) for row in buckets] == [
        (0.2, 0.3, 1), (0.3, 0.4, 1), (0.9, 1.0, 1), (None, None, 1),
    ]  # fmt: skip
    plain = make_manifest(small())
    assert od.evaluate(plain, PLAIN, random(plain), order="manifest").record["buckets"] == []


def test_intervals_resample_people(make_manifest: Make) -> None:
    """A plain transcription of the bootstrap over identities gives the same interval."""
    manifest = make_manifest(small(7, 3))
    score = od.evaluate(manifest, PLAIN, random(manifest, 1), order="manifest", bootstrap=200, seed=5)
    by_person = [rows["ap"].tolist() for _, rows in score.per_probe.groupby("pid")]
    means = []
    for drawn in resamples(7, 200, 5).tolist():
        values = [value for person in drawn for value in by_person[person]]
        means.append(sum(values) / len(values))
    assert score.record["intervals"]["map"] == pytest.approx(np.quantile(means, [0.025, 0.975]).tolist(), abs=1e-6)
    assert od.evaluate(manifest, PLAIN, random(manifest), order="manifest", bootstrap=0).record["intervals"] is None


def test_resamples_are_fixed() -> None:
    """The first draws of seed 0, as literals: no release of NumPy may change them."""
    drawn = resamples(5, 3, 0)
    assert drawn.tolist() == [[3, 0, 2, 2, 4], [2, 2, 0, 0, 0], [3, 4, 2, 1, 1]]
    many = np.bincount(resamples(4, 10000, 1).ravel(), minlength=4) / 40000
    assert np.abs(many - 0.25).max() < 0.01


def test_rows_sha256_by_hand(make_manifest: Make) -> None:
    """The digest as design says, and what changes it."""
    rows = [
        picture("p", 1, "occluded", group="x"),
        picture("g", 1, group="x"),
        picture("other", 2, "partial", group="x"),
    ]
    manifest = make_manifest(rows)
    pixels = manifest.frame["pixel_sha256"].tolist()
    least = min(pixels)
    texts = [
        f"{body}|||1|{own_pixels}||none|{least}" for body, own_pixels in (("occluded", pixels[0]), ("full", pixels[1]))
    ]
    whole = b"".join(sorted(hashlib.sha256(text.encode()).digest() for text in texts))
    done = split(manifest, PLAIN)
    assert rows_sha256(manifest, done.probe, done.gallery) == hashlib.sha256(whole).hexdigest()

    def digest(change: dict[str, str]) -> str:
        other = make_manifest(
            [{**row, "pixel_sha256": hashlib.sha256(row["image_id"].encode()).hexdigest(), **change} for row in rows]
        )
        parts = split(other, PLAIN)
        return rows_sha256(other, parts.probe, parts.gallery)

    plain = digest({})
    assert digest({"group": "y"}) == plain  # a group's name is only a name
    assert digest({"group": ""}) != plain
    assert digest({"camid": "1"}) != plain
    assert digest({"camid_source": "documented"}) != plain


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([1, 2]), st.integers(-20, 20),
    st.sampled_from(["cosine", "euclidean", "parts"]), st.booleans(),
)  # fmt: skip
def test_same_input_same_bytes(
    make_manifest: Make, seed: int, block: int, threads: int, power: int, distance: str, coarse: bool
) -> None:
    """Order of rows, tiles, threads and a power of two leave every byte of record and sidecar."""
    real = {"camid_source": "filename"}
    rows = [{**row, "camid": str(index % 3), **real} for index, row in enumerate(small(4, 3))]
    manifest = make_manifest(rows)
    rng = np.random.default_rng(seed)
    shape = (len(rows), 3, 4) if distance == "parts" else (len(rows), 6)
    values = rng.integers(1, 3, shape).astype(float) if coarse else rng.standard_normal(shape)
    seen = rng.random(shape[:2]) if distance == "parts" else None
    names = tuple(manifest.frame["image_id"])
    how: dict[str, Any] = {"distance": "cosine" if distance == "parts" else distance, "bootstrap": 20}
    rule = own(camera_rule="same-camera-removed")
    first = od.evaluate(manifest, rule, FeatureFile(names, values, seen), **how, threads=1)
    turn = rng.permutation(len(rows))
    other = FeatureFile(
        tuple(names[index] for index in turn), values[turn] * 2.0**power, None if seen is None else seen[turn]
    )
    turned = make_manifest([rows[index] for index in rng.permutation(len(rows))])
    second = od.evaluate(turned, rule, other, **how, block=block, threads=threads)
    assert canonical(first.record) == canonical(second.record)
    assert sidecar(first.per_probe) == sidecar(second.per_probe)
