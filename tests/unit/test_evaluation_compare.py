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
from occluded_datasets.evaluation.record.declared import declared, parse
from occluded_datasets.evaluation.record.digests import canonical, own_digest
from occluded_datasets.evaluation.scoring.statistics import resamples
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
    return od.evaluate(manifest, protocol, values, **{"order": "manifest", "declare": ALL, "bootstrap": 20, **how})


def test_comparable(make_manifest: Make) -> None:
    """Other features under the same conditions, all of them stated."""
    first, second = scored(make_manifest), scored(make_manifest, 1)
    empty = {"kind": "comparable", "reasons": [], "models": [], "difference": None}
    assert od.compare(first, second).to_dict() == empty


@pytest.mark.parametrize(
    ("a", "b", "reasons"),
    [
        ({"seed": "unstated"}, {"seed": "unstated"}, ("Neither states seed.",)),
        ({"seed": "unstated"}, {}, ("A does not state seed.",)),
        ({}, {"flip_test": "unstated", "seed": "unstated"}, ("B does not state flip_test, seed.",)),
        ({"seed": "unstated"}, {"flip_test": "unstated"}, ("A does not state seed.", "B does not state flip_test.")),
    ],
)
def test_undeclared(make_manifest: Make, a: dict[str, Any], b: dict[str, Any], reasons: tuple[str, ...]) -> None:
    """A condition that one side or both do not state is no agreement: the two are not comparable yet."""
    found = od.compare(scored(make_manifest, declare={**ALL, **a}), scored(make_manifest, declare={**ALL, **b}))
    assert (found.kind, found.reasons, found.comparable) == ("undeclared", reasons, False)


def test_nothing_declared_is_undeclared(make_manifest: Make) -> None:
    """Two runs that say nothing of themselves are not comparable; a stated difference weighs more."""
    silent = scored(make_manifest, declare={})
    assert od.compare(silent, silent).kind == "undeclared"
    one, other = (scored(make_manifest, declare={"pretraining": value}) for value in ("CLIP", "none"))
    found = od.compare(one, other)
    assert found.kind == "same protocol, other conditions"
    assert found.reasons[0] == "declared pretraining: CLIP and none."
    assert found.reasons[1].startswith("Neither states training_sets, ")


def test_what_differs_between_models_is_named(make_manifest: Make) -> None:
    """Weights, backbone and every parameter: a comparison of models is about them, so the verdict stays."""
    config = {"lr": 0.1, "epochs": 2, "size": [128, 64]}
    one = {"sha256": "a" * 64, "backbone": "resnet18", "config_sha256": "1" * 64, "config": config}
    other = {**one, "sha256": "b" * 64, "config_sha256": "2" * 64, "config": {**config, "lr": 0.2, "obc": 1}}
    found = od.compare(scored(make_manifest, model=one), scored(make_manifest, model=other))
    assert found.kind == "comparable"
    assert found.models == (
        "model config lr: 0.1 and 0.2.",
        "model config obc: unstated and 1.",
        f"model config_sha256: {'1' * 16} and {'2' * 16}.",
        f"model sha256: {'a' * 16} and {'b' * 16}.",
    )
    assert od.compare(scored(make_manifest, model=one), scored(make_manifest, model=dict(one))).models == ()
    assert (
        "model backbone: unstated and resnet18."
        in od.compare(scored(make_manifest), scored(make_manifest, model=one)).models
    )


def test_a_record_changed_by_hand_is_refused(make_manifest: Make, tmp_path: Path) -> None:
    """Another number, another condition, in the file or in memory; with a digest made to fit, the sidecar speaks."""
    score, place = scored(make_manifest), tmp_path / "a.json"
    score.write(place)
    record = json.loads(place.read_bytes())
    for change in (
        {"map": 0.999999},
        {"declared": {**ALL, "seed": 2}},
        {"chance": {**record["chance"], "above": True}},
    ):
        changed = {**record, **change}
        if changed == record:
            continue
        place.write_bytes(canonical(changed))
        with pytest.raises(RecordError, match=r"a\.json: The record was changed after it was written"):
            od.compare(place, score)
        with pytest.raises(RecordError, match="changed after it was written"):
            od.compare(changed, score)
    for change, why in (({"map": 0.999999}, "its map is not"), ({"minp": 0.123}, "its minp is not"),
                        ({"cmc": {**record["cmc"], "1": 0.0}}, "its rank-1 is not")):  # fmt: skip
        place.write_bytes(canonical(sealed({**record, **change})))
        with pytest.raises(RecordError, match=why):
            od.compare(place, score)
    place.write_bytes(canonical(record))
    assert od.compare(place, score).comparable
    (tmp_path / "a.per_probe.csv").unlink()
    assert od.compare(place, score).comparable


@pytest.mark.parametrize("protocol", ["afpb-nshot-1", "single-shot-occluded-probe", PLAIN])
def test_every_protocols_record_is_shown_by_its_sidecar(make_manifest: Make, tmp_path: Path, protocol: str) -> None:
    """What evaluate wrote is read back, whatever was drawn."""
    scored(make_manifest, protocol=protocol).write(tmp_path / "a.json")
    assert od.compare(tmp_path / "a.json", tmp_path / "a.json").comparable


def test_the_command_says_undeclared(make_manifest: Make, tmp_path: Path, command: Callable[..., Any]) -> None:
    """Exit 1 with the conditions by name; 0 once all are stated on both sides."""
    scored(make_manifest, declare={}).write(tmp_path / "a.json")
    scored(make_manifest).write(tmp_path / "b.json")
    ran = command("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert ran.code == 1
    assert ran.out.splitlines()[0] == "undeclared"
    for name in CONDITIONS:
        assert name in ran.out
    assert command("compare", tmp_path / "b.json", tmp_path / "b.json").code == 0


def test_a_score_changed_in_memory_is_refused(make_manifest: Make) -> None:
    """A number that was put into the record of a score compares as little as one in a file."""
    score = scored(make_manifest)
    forged = od.evaluation.Score({**score.record, "map": 0.999999}, score.per_probe)
    with pytest.raises(RecordError, match="changed after it was written"):
        od.compare(forged, score)


def test_help_lists_every_condition(command: Callable[..., Any]) -> None:
    """What --declare takes can be read from the help of evaluate."""
    shown = " ".join(command("evaluate", "--help").out.split())
    assert [name for name in CONDITIONS if name not in shown] == []


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record with the digest of its content."""
    return {**record, "sha256": own_digest(record)}


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
    ranked = sealed({**plain.record, "rerank": "k-reciprocal"})
    assert od.compare(plain, ranked).reasons == ("One is re-ranked and one is not: none and k-reciprocal.",)
    assert od.compare(ranked, ranked).kind == "comparable"
    both = od.compare(plain, sealed({**ranked, "distance": "euclidean"})).reasons
    assert (len(both), both[1]) == (2, "distance: cosine and euclidean.")
    assert od.compare(ranked, sealed({**ranked, "rerank": "other"})).kind == "same protocol, other conditions"


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
