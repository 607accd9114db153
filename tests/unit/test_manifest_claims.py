"""What a manifest claims of its rows is derived from the rows and the catalog, whatever its header says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import occluded_datasets as od
from occluded_datasets.errors import UsageError
from occluded_datasets.exporters import export
from occluded_datasets.manifest import Manifest, claims, header_bytes, read, write
from occluded_datasets.store import pack
from occluded_datasets.twin import twin

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the manifest of the whole Partial-REID twin."""
    home = tmp_path_factory.mktemp("claims")
    return Path(od.build("partial-reid", twin("partial-reid", home / "twin").tree, home / "data").manifest)


def relabelled(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with all pids 1."""
    return frame.assign(pid=1)


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with the pids of two identities exchanged: every count stays."""
    return frame.assign(pid=frame["pid"].replace({1: 2, 2: 1}))


CHANGES: dict[str, tuple[Change, str]] = {
    "relabelled": (relabelled, "different"),
    "two identities exchanged": (swapped, "different"),
    "another body": (lambda frame: frame.assign(body="full"), "different"),
    "first row left out": (lambda frame: frame.iloc[1:], "subset"),
    "one identity left out": (lambda frame: frame[frame["pid"] != 7], "subset"),
    "another order": (lambda frame: frame.sample(frac=1, random_state=0), "complete"),
    "a renumbered index": (lambda frame: frame.set_index(frame.index + 5), "complete"),
}


def test_a_frame_is_the_callers_own(built: Path) -> None:
    """Nothing that is done to a frame, in place or not, changes the manifest that it came from."""
    manifest = od.load(built)
    before = manifest.frame.copy()
    frame = manifest.frame
    frame["pid"] = 1
    frame.loc[0, "body"] = "unknown"
    frame.index = frame.index[::-1]
    frame.pop("camid")
    pd.testing.assert_frame_equal(manifest.frame, before)
    assert (manifest.fingerprint, manifest.verdict) == (od.load(built).fingerprint, "complete")


def test_a_frame_that_is_given_is_copied(built: Path) -> None:
    """A manifest does not follow the frame that it was made from."""
    frame = od.load(built).frame
    made = od.load(built).with_rows(frame)
    frame["pid"] = 1
    assert made.frame["pid"].nunique() == 60


@pytest.mark.parametrize(("change", "verdict"), CHANGES.values(), ids=list(CHANGES))
def test_claims_follow_the_rows(built: Path, change: Change, verdict: str) -> None:
    """Verdict, fingerprint and number of identities are those of the rows, not of the header they came with."""
    manifest = od.load(built)
    made = manifest.with_rows(change(manifest.frame))
    same = verdict == "complete"
    assert made.verdict == verdict
    assert (made.fingerprint == manifest.fingerprint) == same
    assert f"{len(made)} rows, {made.frame['pid'].nunique()} identities, {verdict}" in repr(made)


@pytest.mark.parametrize(("change", "verdict"), CHANGES.values(), ids=list(CHANGES))
def test_writing_claims_what_the_rows_support(built: Path, tmp_path: Path, change: Change, verdict: str) -> None:
    """A written manifest says of its rows what they are, and its readers find the same."""
    manifest = od.load(built)
    write(manifest.with_rows(change(manifest.frame)), tmp_path / "manifest.csv")
    assert json.loads((tmp_path / "manifest.json").read_bytes())["verdict"] == verdict
    assert read(tmp_path / "manifest.csv").verdict == verdict


@pytest.mark.parametrize(("change", "verdict"), [one for one in CHANGES.values() if one[1] != "complete"])
def test_an_edited_header_claims_nothing(built: Path, tmp_path: Path, change: Change, verdict: str) -> None:
    """Who writes ``complete`` into a header gets the verdict of the rows all the same."""
    manifest = od.load(built)
    write(manifest.with_rows(change(manifest.frame)), tmp_path / "manifest.csv")
    header = json.loads((tmp_path / "manifest.json").read_bytes())
    (tmp_path / "manifest.json").write_bytes(header_bytes({**header, "verdict": "complete"}))
    assert read(tmp_path / "manifest.csv").verdict == verdict


def test_a_header_can_say_less_than_the_rows(built: Path) -> None:
    """A verdict that rests on more than names, a published list for one, is not made better by them."""
    manifest = od.load(built)
    said = Manifest(manifest.frame, {**manifest.header, "verdict": "subset"}, manifest.path)
    assert said.verdict == "subset"


def test_a_twin_is_known_by_its_tree(built: Path) -> None:
    """A header without the mark of a twin does not make a twin's score one of a real set."""
    manifest = od.load(built)
    silent = {name: value for name, value in manifest.header.items() if name != "twin"}
    for header in (silent, {**silent, "twin": False, "reference": claims.SAME_PIXELS}):
        made = Manifest(manifest.frame, header, manifest.path)
        assert (made.twin, made.reference) == (True, claims.DRAWN)


def test_rows_of_the_verified_copy_are_no_twin(make_manifest: Callable[..., Manifest], monkeypatch: Any) -> None:
    """The fingerprint of the copy that the catalog was verified on decides, whatever a header says."""
    rows = [{"image_id": "partial-reid/whole_body_images/001_001", "pid": "1", "role": "gallery"}]
    manifest = make_manifest(rows, twin=True, reference="none known")
    assert (manifest.twin, manifest.reference) == (True, claims.DRAWN)
    monkeypatch.setattr(claims, "_verified", lambda dataset, variant: {manifest.fingerprint})
    again = make_manifest(rows, twin=True, reference="none known")
    assert (again.twin, again.reference) == (False, claims.SAME_PIXELS)
    other = again.with_rows(again.frame.assign(pid=2))
    assert claims.reference("partial-reid", "full", {}, other.fingerprint, twin=False) == claims.OTHER_PIXELS


def test_a_withdrawn_parent_is_known_to_the_catalog(make_manifest: Callable[..., Manifest]) -> None:
    """A set, its lineage, or one whose images its rows show: the header need not say it."""
    plain = make_manifest([{"image_id": "a"}])
    assert not plain.withdrawn_parent
    assert make_manifest([{"image_id": "a"}], withdrawn_parent=True).withdrawn_parent
    assert make_manifest([{"image_id": "a"}], "p-dukemtmc-reid", withdrawn_parent=False).withdrawn_parent
    assert make_manifest([{"image_id": "a", "root": "dukemtmc-reid"}], "simulated").withdrawn_parent
    lineage = [{"parent": "dukemtmc-reid", "relation": "its pictures", "withdrawn": "", "fingerprint": None}]
    assert make_manifest([{"image_id": "a"}], "simulated", lineage=lineage).withdrawn_parent


def test_a_set_of_no_catalog_keeps_its_word_for_its_own_rows(make_manifest: Callable[..., Manifest]) -> None:
    """Of a simulated set, the header's verdict holds for the rows that it was written with, and for no others."""
    made = make_manifest([{"image_id": "a"}, {"image_id": "b"}], "simulated")
    assert made.verdict == "complete"
    assert made.with_rows(made.frame.iloc[:1]).verdict == "different"
    assert made.with_rows(made.frame.iloc[::-1]).verdict == "complete"


def test_what_is_made_of_rows_claims_what_they_support(built: Path, tmp_path: Path) -> None:
    """A store and an export say twin of a twin, whatever its header says, and a store is of the very table."""
    manifest = od.load(built)
    silent = Manifest(manifest.frame, {**manifest.header, "twin": False}, manifest.path)
    packed = pack(silent, tmp_path / "store", (32, 16))
    export(silent, "tuples", tmp_path / "lists", "transfer-all-occluded-probe")
    for place in (tmp_path / "store" / "store.json", tmp_path / "lists" / "export.json"):
        assert json.loads(place.read_bytes())["twin"] is True
    assert not packed.unchanged
    assert pack(silent, tmp_path / "store", (32, 16)).unchanged
    turned = silent.with_rows(manifest.frame.iloc[::-1])
    assert (turned.fingerprint, turned.table_sha256 == manifest.table_sha256) == (manifest.fingerprint, False)
    with pytest.raises(UsageError, match="another store is published here"):
        pack(turned, tmp_path / "store", (32, 16))


def test_a_score_is_of_the_rows_that_were_scored(built: Path) -> None:
    """The record of changed rows has their fingerprint and verdict, and does not compare with the true ones."""
    manifest = od.load(built)
    features = {name: [index + 1.0, 1.0] for index, name in enumerate(manifest.frame["image_id"])}
    protocol = "transfer-all-occluded-probe"
    true = od.evaluate(manifest, protocol, features)
    made = manifest.with_rows(relabelled(manifest.frame))
    false = od.evaluate(made, protocol, features)
    assert false.record["map"] == 1.0
    assert false.record["fingerprint"] == made.fingerprint != true.record["fingerprint"]
    assert (true.record["verdict"], false.record["verdict"]) == ("complete", "different")
    found = od.compare(true, false)
    assert found.kind == "not comparable"
    assert any("pictures or labels" in reason for reason in found.reasons)
