"""Protocols are data, their ids are digests of their rules, and draws are by key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from occluded_datasets import catalog
from occluded_datasets.errors import ManifestError, OccludedDatasetsError, ProtocolError, UnknownNameError
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import Protocol, find_protocol, protocols, split

IDS = [
    "dukemtmc-reid/standard@a3ca0cb6",
    "market-1501/standard@18c2a117",
    "occluded-dukemtmc/standard@14f56103",
    "occluded-market/standard@5372dfbf",
    "occluded-reid/afpb-nshot-1@a46b3432",
    "occluded-reid/afpb-nshot-2@c4ac81d1",
    "occluded-reid/afpb-nshot-5@86090f8a",
    "occluded-reid/transfer-all@5fc0ca18",
    "p-dukemtmc-reid/afpb-nshot-1@27db2b30",
    "p-dukemtmc-reid/afpb-nshot-2@f544a50e",
    "p-dukemtmc-reid/supervised@158c88e9",
    "p-dukemtmc-reid/transfer@15aa3b08",
    "p-ethz/afpb-nshot-1@1fd4d06b",
    "p-ethz/afpb-nshot-2@b6854238",
    "p-ethz/afpb-nshot-5@152a85df",
    "p-ethz/transfer-all@6f7196ec",
    "partial-ilids/single-shot@0df51cf1",
    "partial-reid/afpb-nshot-1@9d9f3ffe",
    "partial-reid/afpb-nshot-2@a1b2e7fa",
    "partial-reid/afpb-nshot-5@aad8a40e",
    "partial-reid/single-shot-occluded-probe@9447018e",
    "partial-reid/single-shot-partial-probe@2a700ce2",
    "partial-reid/transfer-all-occluded-probe@364ef166",
    "partial-reid/transfer-all-partial-probe@8d794d4b",
]

Make = Callable[..., Manifest]


def shipped(name: str) -> Protocol:
    """Return a protocol that ships, by ``dataset/name`` with or without its digest."""
    return find_protocol(name.partition("/")[0], name)


def variation(of: str = "partial-reid/transfer-all-occluded-probe", **rules: Any) -> Protocol:
    """Return a shipped protocol with some rules changed."""
    return Protocol({**shipped(of).rules, **rules})


def four_people() -> list[dict[str, str]]:
    """Return rows of four identities with two occluded and two full-body pictures each."""
    return [
        {
            "image_id": f"partial-reid/{folder}/{pid:03d}_{index:03d}",
            "pid": str(pid),
            "body": body,
            "role": role,
            "pixel_sha256": hashlib.sha256(f"{body} {pid} {index}".encode()).hexdigest(),
        }
        for folder, body, role in (("occluded", "occluded", "probe"), ("whole", "full", "gallery"))
        for pid in (1, 2, 3, 4)
        for index in (1, 2)
    ]


def by_key(prefix: str, items: list[Any]) -> list[Any]:
    """Return `items` by ascending sha256 of ``prefix|item``: the definition, written out once more."""
    return sorted(items, key=lambda item: hashlib.sha256(f"{prefix}|{item}".encode()).digest())


def test_these_protocols_ship_and_no_other() -> None:
    """Today's ids: a rule that changes must change this table."""
    assert sorted(protocol.id for dataset in catalog.ids() for protocol in protocols(dataset)) == IDS


@pytest.mark.parametrize("name", IDS)
def test_an_id_finds_its_protocol(name: str) -> None:
    """An id, its name and its bare name find the same rules, which say where they come from."""
    dataset, _, rest = name.partition("/")
    found = find_protocol(dataset, name)
    assert found.id == name
    assert found == find_protocol(dataset, name.partition("@")[0]) == find_protocol(dataset, rest.partition("@")[0])
    assert found.rules["title"]
    assert found.rules["sources"]


def test_words_are_outside_the_id() -> None:
    """A better title, note or source is the same protocol."""
    plain = shipped("occluded-reid/transfer-all")
    assert Protocol({**plain.rules, "title": "x", "notes": "x", "sources": ["x"]}).id == plain.id


OTHER: dict[str, Any] = {
    "train": {"split": ["train"]}, "validation": {"body": ["full"]}, "probe": {"body": ["partial"]},
    "gallery": {"body": ["full", "unknown"]}, "junk": {}, "test_identities": "half", "probe_shots": 1,
    "gallery_shots": 1, "draws": 2, "seed": 1, "set_distance": "cosine-of-normalised-mean",
    "camera_rule": "same-camera-removed", "group_rule": "same-group-removed", "max_rank": 5, "unanswerable": "error",
    "schema": 2,
}  # fmt: skip


@pytest.mark.parametrize("rule", OTHER)
def test_every_rule_is_inside_the_id(rule: str) -> None:
    """Another rule is another protocol, whatever the rule."""
    plain = shipped("partial-reid/transfer-all-occluded-probe")
    assert plain.rules[rule] != OTHER[rule]
    assert variation(**{rule: OTHER[rule]}).id != plain.id
    assert set(OTHER) | {"title", "notes", "sources", "dataset", "name"} == set(plain.rules)


def test_an_id_is_worked_out_by_hand() -> None:
    """First 8 digits of the sha256 of the rules as JSON with sorted keys and no spaces."""
    text = (
        '{"camera_rule":"none","dataset":"partial-ilids","draws":1,"gallery":{"body":["full"]},"gallery_shots":1,'
        '"group_rule":"none","junk":{"role":["junk"]},"max_rank":3,"name":"single-shot","probe":{"body":["partial"]},'
        '"probe_shots":null,"schema":1,"seed":0,"set_distance":"none","test_identities":"all","train":null,'
        '"unanswerable":"drop-and-count","validation":null}'
    )
    assert json.loads(text) == {
        name: value
        for name, value in shipped("partial-ilids/single-shot").rules.items()
        if name not in ("title", "notes", "sources")
    }
    assert hashlib.sha256(text.encode()).hexdigest()[:8] == "0df51cf1"


def test_single_shot_draws_are_by_key(make_manifest: Make) -> None:
    """Each draw takes the first gallery picture of each identity by sha256 of ``0|gallery|draw|pixels``."""
    rows = four_people()
    draws = split(make_manifest(rows), "single-shot-occluded-probe").draws
    assert len(draws) == 4000
    assert set(draws["role"]) == {"gallery"}
    for draw in (0, 1, 2, 999):
        own = draws[draws["draw"] == draw]
        for pid, name in zip(own["pid"], own["image_id"], strict=True):
            pictures = {r["pixel_sha256"]: r["image_id"] for r in rows if r["pid"] == str(pid) and r["body"] == "full"}
            assert name == pictures[by_key(f"0|gallery|{draw}", list(pictures))[0]]


def test_half_and_n_shot_draws_are_by_key(make_manifest: Make) -> None:
    """The first two of four pids by ``0|half|0|pid`` are tested; probe and gallery are drawn apart."""
    rows = four_people()
    made = split(make_manifest(rows), "afpb-nshot-1")
    test = sorted(by_key("0|half|0", [1, 2, 3, 4])[:2])
    assert sorted(set(made.probe["pid"])) == sorted(set(made.gallery["pid"])) == test
    assert sorted(set(made.train["pid"])) == sorted({1, 2, 3, 4} - set(test))
    assert (len(made.train), len(made.probe), len(made.gallery), len(made.draws)) == (8, 4, 4, 4000)
    for role, body in (("probe", "occluded"), ("gallery", "full")):
        for pid in test:
            own = {r["pixel_sha256"]: r["image_id"] for r in rows if r["pid"] == str(pid) and r["body"] == body}
            found = made.draws[(made.draws["role"] == role) & (made.draws["pid"] == pid)]
            assert found["image_id"].tolist()[:5] == [own[by_key(f"0|{role}|{n}", list(own))[0]] for n in range(5)]


def test_golden_draws(make_manifest: Make) -> None:
    """The draws of the four people never change, on any machine."""
    draws = split(make_manifest(four_people()), "afpb-nshot-1").draws
    text = "\n".join(" ".join(map(str, row)) for row in draws.itertuples(index=False))
    assert (
        hashlib.sha256(text.encode()).hexdigest() == "036c4c41f3a92f55afb5c9b3689631d2b7fd4116f30c5145efeabac04caedb72"
    )


def test_an_odd_number_is_halved_downwards(make_manifest: Make) -> None:
    """Of three identities one is tested."""
    made = split(make_manifest([row for row in four_people() if row["pid"] != "4"]), "afpb-nshot-1")
    assert sorted(set(made.probe["pid"])) == by_key("0|half|0", [1, 2, 3])[:1]


def test_renamed_pictures_are_drawn_alike(make_manifest: Make) -> None:
    """Equal fingerprints give equal draws: names, paths and the order of rows play no part."""
    rows = four_people()
    names = {row["pixel_sha256"]: row["image_id"] for row in rows}
    renamed = [{**row, "image_id": f"partial-reid/z/{99 - n}", "path": f"raw/{n}.png"} for n, row in enumerate(rows)]
    back = {row["image_id"]: row["pixel_sha256"] for row in renamed}
    a, b = make_manifest(rows), make_manifest(renamed[::-1])
    assert a.fingerprint == b.fingerprint
    for name in ("afpb-nshot-1", "afpb-nshot-2", "single-shot-occluded-probe"):
        assert split(a, name).draws["image_id"].tolist() == [
            names[back[image]] for image in split(b, name).draws["image_id"]
        ]


def test_fewer_pictures_than_shots_are_all_given_and_counted(make_manifest: Make) -> None:
    """Two pictures where five are asked for: both, once a draw, and 2 identities x 2 sides are short."""
    made = split(make_manifest(four_people()), "afpb-nshot-5")
    assert made.short == 4
    assert len(made.draws) == 1000 * 2 * 2 * 2
    assert not made.draws.duplicated().any()
    assert split(make_manifest(four_people()), "afpb-nshot-2").short == 0


@pytest.mark.parametrize("name", ["single-shot-occluded-probe", "transfer-all-occluded-probe"])
def test_a_transfer_protocol_trains_elsewhere(make_manifest: Make, name: str) -> None:
    """Train is a table with all columns and no row; every probe and gallery row is used, in name order."""
    made = split(make_manifest(four_people()[::-1]), name)
    assert made.train.empty
    assert list(made.train.columns) == list(made.probe.columns)
    assert (len(made.probe), len(made.gallery)) == (8, 8)
    assert made.probe["image_id"].is_monotonic_increasing
    assert made.gallery["image_id"].is_monotonic_increasing


def test_junk_is_left_out_and_distractors_stay(make_manifest: Make) -> None:
    """On Market-1501 rows of pid -1 are no gallery, rows of pid 0 are."""
    camera = {"camid": "1", "camid_source": "filename", "split": "test"}
    rows = [
        {"image_id": "a", "pid": "5", "role": "probe", **camera},
        {"image_id": "b", "pid": "5", "role": "gallery", **camera, "camid": "2"},
        {"image_id": "c", "pid": "0", "role": "distractor", **camera},
        {"image_id": "d", "pid": "-1", "role": "junk", **camera},
        {"image_id": "e", "pid": "9", "role": "train", **camera, "split": "train"},
    ]
    made = split(make_manifest(rows, "market-1501"), "standard")
    parts = {name: getattr(made, name)["image_id"].tolist() for name in ("train", "probe", "gallery")}
    assert parts == {"train": ["e"], "probe": ["a"], "gallery": ["b", "c"]}


@pytest.mark.parametrize("source", ["", "none"])
def test_a_camera_rule_over_invented_cameras_is_refused(make_manifest: Make, source: str) -> None:
    """Rows without a real camera cannot be judged by it, whether the number or its source is missing."""
    cell = {"camid": "1", "camid_source": "none"} if source else {"camid": "", "camid_source": "filename"}
    rows = [{**row, **cell} for row in four_people()]
    with pytest.raises(ProtocolError, match="without a real camera"):
        split(make_manifest(rows), variation(camera_rule="same-camera-removed"))


def test_probes_without_an_answer_are_counted_or_refused(make_manifest: Make) -> None:
    """A probe whose identity has no gallery picture is counted; a protocol may refuse it."""
    rows = [row for row in four_people() if (row["pid"], row["body"]) != ("4", "full")]
    assert split(make_manifest(rows), "transfer-all-occluded-probe").unanswerable == 2
    with pytest.raises(ProtocolError, match="2 probes have no picture"):
        split(make_manifest(rows), variation(unanswerable="error"))


def test_what_a_manifest_cannot_answer_is_refused(make_manifest: Make) -> None:
    """A protocol of another set, of a body the manifest lacks, or of another version's rules."""
    manifest = make_manifest(four_people())
    with pytest.raises(ProtocolError, match="no probe picture"):
        split(manifest, "transfer-all-partial-probe")
    with pytest.raises(ProtocolError, match="a protocol of market-1501"):
        split(manifest, shipped("market-1501/standard"))
    with pytest.raises(ProtocolError, match="supervised is a protocol of p-dukemtmc-reid"):
        split(manifest, "supervised")
    with pytest.raises(ProtocolError, match="The digests differ"):
        split(manifest, "afpb-nshot-1@00000000")
    with pytest.raises(UnknownNameError, match="Did you mean afpb-nshot-1"):
        split(manifest, "afpb-nshot1")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"draws": -1}, "draws: expected a whole number"),
        ({"draws": True}, "draws: expected a whole number"),
        ({"seed": None}, "seed: expected a whole number"),
        ({"gallery_shots": "1"}, "gallery_shots: expected a whole number"),
        ({"schema": 2}, "schema: expected one of"),
        ({"camera_rule": "same"}, "camera_rule: expected one of"),
        ({"probe": None}, "probe: expected a filter"),
        ({"probe": {"pid": [1]}}, "probe: expected a filter"),
        ({"probe": {"body": "occluded"}}, "probe: expected a filter"),
        ({"probe": {"body": ["hidden"]}}, "probe: expected a filter"),
        ({"name": 5}, "name: expected"),
        ({"surprise": 1}, "unknown: ['surprise']"),
    ],
    ids=str,
)
def test_a_protocol_of_ones_own_is_checked(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    """A rule that cannot be is named, before any row is looked at."""
    rules = {**shipped("partial-reid/transfer-all-occluded-probe").rules, **change}
    (tmp_path / "own.json").write_text(json.dumps(rules), "utf-8")
    with pytest.raises(ManifestError) as refused:
        find_protocol("partial-reid", str(tmp_path / "own.json"))
    assert why in str(refused.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b"\xff", None], ids=repr)
def test_a_file_that_is_no_protocol_is_refused(tmp_path: Path, data: bytes | None) -> None:
    """No traceback for a file of something else, nor for one that is not there."""
    if data is not None:
        (tmp_path / "own.json").write_bytes(data)
    with pytest.raises(OccludedDatasetsError, match=r"own\.json"):
        find_protocol("partial-reid", str(tmp_path / "own.json"))


def test_a_protocol_of_ones_own_works(make_manifest: Make, tmp_path: Path) -> None:
    """A JSON file with other rules splits and has its own id."""
    own = variation(name="mine", gallery_shots=1, draws=3, seed=5)
    (tmp_path / "own.json").write_text(json.dumps(dict(own.rules)), "utf-8")
    made = split(make_manifest(four_people()), str(tmp_path / "own.json"))
    assert made.protocol.id == own.id
    assert len(made.draws) == 3 * 4
