"""Whether two scores may stand side by side: every reason, and the paired difference."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import occluded_datasets as od
from occluded_datasets.errors import RecordError, UnknownNameError
from occluded_datasets.evaluation import CONDITIONS
from occluded_datasets.evaluation.declared import declared, parse
from occluded_datasets.evaluation.statistics import resamples
from occluded_datasets.manifest import Manifest

PLAIN = "transfer-all-occluded-probe"
ALL = {**dict.fromkeys(CONDITIONS, "none"), "seed": 1}
Make = Callable[..., Manifest]


def rows(**cells: str) -> list[dict[str, str]]:
    """Return six people with two pictures a side, and a partial one each."""
    return [
        {"image_id": f"{body}{pid}_{shot}", "pid": str(pid), "body": body, **cells}
        for body in ("occluded", "full", "partial")
        for pid in range(1, 7)
        for shot in range(2)
    ]


def scored(make: Make, seed: int = 0, protocol: str = PLAIN, cells: dict[str, str] | None = None, **how: Any) -> Any:
    """Return the score of random features."""
    manifest = make(rows(**(cells or {})))
    values = np.random.default_rng(seed).standard_normal((len(manifest), 5))
    return od.evaluate(manifest, protocol, values, **{"declare": ALL, "bootstrap": 20, **how})


def test_comparable(make_manifest: Make) -> None:
    """Other features under the same conditions; what neither states is said."""
    first, second = scored(make_manifest), scored(make_manifest, 1)
    assert od.compare(first, second).to_dict() == {"kind": "comparable", "reasons": [], "difference": None}
    silent = od.compare(
        scored(make_manifest, declare={**ALL, "seed": "unstated"}),
        scored(make_manifest, declare={**ALL, "seed": "unstated"}),
    )
    assert (silent.kind, silent.reasons) == ("comparable", ("Neither states seed.",))


def test_not_comparable(make_manifest: Make) -> None:
    """Another protocol, other pictures, other cameras alone, re-ranked against not."""
    plain = scored(make_manifest)
    other = od.compare(plain, scored(make_manifest, protocol="transfer-all-partial-probe"))
    assert other.kind == "not comparable"
    assert other.reasons[0].startswith("The protocols differ: partial-reid/transfer-all-occluded-probe@364ef166 and")
    cameras = od.compare(plain, scored(make_manifest, cells={"camid": "1", "camid_source": "documented"}))
    assert (cameras.kind, cameras.reasons[0][:35]) == ("not comparable", "The rows differ in cameras or group")
    pixels = scored(make_manifest, cells={"pixel_sha256": "a" * 64})
    assert "pictures or labels" in od.compare(plain, pixels).reasons[0]
    ranked = {**plain.record, "rerank": "k-reciprocal"}
    assert od.compare(plain, ranked).reasons == ("One is re-ranked and one is not: none and k-reciprocal.",)
    assert od.compare(ranked, ranked).kind == "comparable"
    both = od.compare(plain, {**ranked, "distance": "euclidean"}).reasons
    assert (len(both), both[1]) == (2, "distance: cosine and euclidean.")
    assert od.compare(ranked, {**ranked, "rerank": "other"}).kind == "same protocol, other conditions"


def test_other_conditions(make_manifest: Make) -> None:
    """Declared differences and another distance, each in a sentence."""
    plain = scored(make_manifest)
    other = od.compare(plain, scored(make_manifest, distance="euclidean", declare={**ALL, "pretraining": "CLIP"}))
    assert other.kind == "same protocol, other conditions"
    assert other.reasons == ("declared pretraining: none and CLIP.", "distance: cosine and euclidean.")


def test_paired_by_hand(make_manifest: Make, tmp_path: Path) -> None:
    """The difference and its interval, by a plain loop over identities; from files as from scores."""
    first, second = scored(make_manifest), scored(make_manifest, 1)
    for name, score in (("a", first), ("b", second)):
        score.write(tmp_path / f"{name}.json")
    found = od.compare(tmp_path / "a.json", tmp_path / "b.json", paired=True)
    again = od.compare(first, second, paired=True)
    assert found == again
    change = (second.per_probe["ap"] - first.per_probe["ap"]).groupby(first.per_probe["pid"]).apply(list).tolist()
    means = [
        np.mean([value for person in drawn for value in change[person]]) for drawn in resamples(6, 1000, 0).tolist()
    ]
    difference = (found.difference or {})["map"]
    assert difference["difference"] == pytest.approx(np.mean(np.concatenate(change)), abs=2e-6)
    assert difference["interval"] == pytest.approx(np.quantile(means, [0.025, 0.975]).tolist(), abs=2e-6)
    same = od.compare(first, first, paired=True).difference or {}
    assert same["rank_1"] == {"difference": 0, "interval": [0, 0]}
    assert (same["identities"], same["probes"]) == (6, 12)


def test_pairing_needs_the_sidecar(make_manifest: Make, tmp_path: Path) -> None:
    """Missing, changed, or of another protocol: said, not guessed."""
    score = scored(make_manifest)
    score.write(tmp_path / "a.json")
    beside = tmp_path / "a.per_probe.csv"
    with pytest.raises(RecordError, match="bare record cannot be paired"):
        od.compare(score.record, score, paired=True)
    with pytest.raises(RecordError, match=r"cannot be paired\. The protocols differ"):
        od.compare(score, scored(make_manifest, protocol="transfer-all-partial-probe"), paired=True)
    beside.write_bytes(beside.read_bytes() + b"\n")
    with pytest.raises(RecordError, match="not those of the record"):
        od.compare(tmp_path / "a.json", score, paired=True)
    beside.unlink()
    with pytest.raises(RecordError, match="are not there"):
        od.compare(tmp_path / "a.json", score, paired=True)


def test_what_is_no_record(make_manifest: Make, tmp_path: Path) -> None:
    """Missing, no JSON, another schema: the file is named."""
    score, place = scored(make_manifest), tmp_path / "a.json"
    with pytest.raises(RecordError, match=r"a\.json: there is no score record"):
        od.compare(place, score)
    for text, why in (("{", "not a score record"), ("[]", "Expected a JSON object"), ('{"schema": 9}', "of schema 9")):
        place.write_text(text)
        with pytest.raises(RecordError, match=why):
            od.compare(place, score)


def test_declarations_are_parsed(tmp_path: Path) -> None:
    """Options and files, the later one winning; plain JSON values are taken as such."""
    place = tmp_path / "said.json"
    place.write_text(json.dumps({"seed": 1, "training_sets": ["market-1501 ab12"]}))
    assert parse([str(place), "seed=2", "pretraining=ImageNet", "flip_test=false", 'extra_inputs={"a":1}']) == {
        "seed": 2, "training_sets": ["market-1501 ab12"], "pretraining": "ImageNet", "flip_test": False,
        "extra_inputs": '{"a":1}',
    }  # fmt: skip
    with pytest.raises(RecordError, match="no declaration"):
        parse(["nothing"])
    place.write_text("[]")
    with pytest.raises(RecordError, match="Expected a JSON object"):
        parse([str(place)])
    with pytest.raises(UnknownNameError, match="condition 'sead'"):
        declared(parse(["sead=1"]))
