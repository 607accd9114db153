"""Features and matrices on disk and in memory: what is read, what is written, what is refused and how it is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import occluded_datasets as od
from occluded_datasets.errors import FeatureError
from occluded_datasets.evaluation import FeatureFile, Matrix, read_any, read_features, write_features, write_matrix
from occluded_datasets.evaluation.record.digests import canonical
from occluded_datasets.manifest import Manifest

PLAIN = "transfer-all-occluded-probe"
NAMES = ["o1", "o2", "g1", "g2"]


@pytest.fixture
def manifest(make_manifest: Callable[..., Manifest]) -> Manifest:
    """Return two people with one occluded and one full-body picture each, and a partial one outside the protocol."""
    rows = [{"image_id": name, "pid": name[1], "body": "occluded" if name[0] == "o" else "full"} for name in NAMES]
    return make_manifest([*rows, {"image_id": "x", "pid": "1", "body": "partial"}])


def features() -> np.ndarray:
    """Return features of the four pictures."""
    return np.array([[1, 0.1], [0.1, 1], [1, 0.2], [1, 0.9]], np.float32)


def map_of(manifest: Manifest, given: Any, **how: Any) -> Any:
    """Return the record without what names the file."""
    record = dict(od.evaluate(manifest, PLAIN, given, bootstrap=0, **how).record)
    return {**record, "sha256": None, "features": {**record["features"], "sha256": None}}


def test_every_way_to_give_features(manifest: Manifest, tmp_path: Path) -> None:
    """A file of either kind, a mapping, a pair, a table, an array in manifest order: one record."""
    values = features()
    write_features(tmp_path / "f.npz", NAMES, values)
    columns = {f"f{index}": values[:, index] for index in range(2)}
    pq.write_table(pa.table({"image_id": NAMES, **columns}), tmp_path / "wide.parquet")
    pq.write_table(pa.table({"image_id": NAMES, "features": list(values)}), tmp_path / "list.parquet")
    whole = dict(zip(NAMES, values, strict=True))
    ways = [tmp_path / "f.npz", str(tmp_path / "wide.parquet"), tmp_path / "list.parquet", whole, (NAMES, values)]
    records = [canonical(map_of(manifest, way)) for way in ways]
    assert len(set(records)) == 1
    bare = map_of(manifest, np.vstack([values, np.ones((1, 2))]), order="manifest")
    assert bare["audit"]["rows_outside_protocol"] == 1
    assert bare["map"] == map_of(manifest, whole)["map"]


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """No time is in the file, and what was written is read back."""
    for name in ("a.npz", "b.npz"):
        write_features(tmp_path / name, NAMES, features().reshape(4, 1, 2), np.ones((4, 1)), {"model": "histogram"})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    found = read_features(tmp_path / "a.npz")
    assert found.image_id == tuple(NAMES)
    assert np.array_equal(found.features[:, 0], features())
    assert found.visibility is not None
    assert (dict(found.header), len(found.sha256 or "")) == ({"model": "histogram"}, 64)
    with pytest.raises(FeatureError, match="unknown colour"):
        write_features(tmp_path / "c.npz", NAMES, features(), header={"colour": "blue"})
    with pytest.raises(FeatureError, match="Found 3 names, 4 features"):
        write_features(tmp_path / "c.npz", NAMES[:3], features())
    with pytest.raises(FeatureError, match="holds objects"):
        write_features(tmp_path / "c.npz", NAMES, np.array([[1], [2], [3], [None]], object))


def test_a_matrix_is_read_and_scored(manifest: Manifest, tmp_path: Path) -> None:
    """Distances and similarities by name, whatever the order; rows outside the protocol are counted."""
    values = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.5], [0.0, 0.0, 0.0]])
    matrix = Matrix(("o2", "o1", "x"), ("g1", "g2", "x"), values, "distance")
    write_matrix(tmp_path / "m.npz", matrix)
    assert read_any(tmp_path / "m.npz").values.tolist() == values.tolist()  # type: ignore[union-attr]
    record = map_of(manifest, tmp_path / "m.npz")
    assert (record["distance"], record["map"], record["audit"]["rows_outside_protocol"]) == ("given-distance", 1.0, 2)
    turned = map_of(manifest, Matrix(("o2", "o1"), ("g1", "g2"), -values[:2, :2], "similarity"))
    assert (turned["distance"], turned["map"]) == ("given-similarity", 1.0)
    with pytest.raises(FeatureError, match="holds a matrix"):
        read_features(tmp_path / "m.npz")


def test_another_fingerprint_is_refused(manifest: Manifest) -> None:
    """Unless it is said that the pictures are the same; the record keeps it."""
    good = FeatureFile(tuple(NAMES), features(), header={"manifest_fingerprint": manifest.fingerprint, "model": "m"})
    assert map_of(manifest, good)["features"]["fingerprint"] == "equal"
    assert map_of(manifest, good)["features"]["header"]["model"] == "m"
    other = FeatureFile(tuple(NAMES), features(), header={"manifest_fingerprint": "0" * 64})
    with pytest.raises(FeatureError, match="made from another manifest"):
        od.evaluate(manifest, PLAIN, other)
    assert map_of(manifest, other, any_fingerprint=True)["features"]["fingerprint"] == "overridden"
    assert map_of(manifest, (NAMES, features()))["features"]["fingerprint"] == "unstated"


def changed(row: int, value: Any) -> np.ndarray:
    """Return the features with one row replaced."""
    values = features()
    values[row] = value
    return values


PAIR = ("o1", "o2"), ("g1", "g2")
WRONG: dict[str, tuple[Any, str]] = {
    "missing": ((["o1", "g1", "g2"], features()[:3]), r"1 of 2 probe pictures are missing: o2"),
    "missing gallery": ((["o1", "o2"], features()[:2]), r"2 of 2 gallery pictures are missing: g1, g2"),
    "twice": (([*NAMES, "o1"], np.vstack([features(), features()[:1]])), "there twice: o1"),
    "unknown": (([*NAMES, "nobody"], np.vstack([features(), features()[:1]])), "does not know: nobody"),
    "nan": ((NAMES, changed(1, np.nan)), "NaN or infinity in o2"),
    "infinite": ((NAMES, changed(2, np.inf)), "NaN or infinity in g1"),
    "zero": ((NAMES, changed(3, 0)), "only zeros in g2"),
    "objects": ((NAMES, features().astype(object)), "type object is refused. Objects are never unpickled"),
    "text": ((NAMES, np.full((4, 2), "a")), "type <U1 is refused"),
    "complex": ((NAMES, features().astype(complex)), "type complex128 is refused"),
    "truth values": ((NAMES, features() > 0), "type bool is refused"),
    "one dimension": ((NAMES, np.ones(4)), r"wrong shape. Expected \(N, D\)"),
    "no length": ((NAMES, np.ones((4, 0))), "wrong shape"),
    "fewer rows": ((NAMES, features()[:3]), "Found 4 names, 3 rows"),
    "bare rows": (features(), "does not say which row is of which image.*order='manifest'"),
    "empty mapping": ({}, "empty mapping"),
    "odd vector": ({**dict(zip(NAMES, features(), strict=True)), "o2": [1.0]}, "Vectors differ in shape: o2"),
    "visibility shape": (FeatureFile(tuple(NAMES), features(), np.ones((4, 1))), "visibility has a wrong shape"),
    "visibility range": (FeatureFile(tuple(NAMES), np.ones((4, 1, 2)), np.array([[1], [2], [0], [1]])), "0..1: o2"),
    "visible zero part": (
        FeatureFile(tuple(NAMES), np.eye(8).reshape(4, 2, 8)[:, :, :2], np.ones((4, 2))),
        "zeros in o2",
    ),
    "matrix turned": (Matrix(PAIR[1], PAIR[0], np.ones((2, 2))), "wrong way round.*transpose"),
    "matrix turned shape": (Matrix(("o1", "o2", "x"), PAIR[1], np.ones((2, 3))), "wrong way round"),
    "matrix shape": (Matrix(*PAIR, np.ones((2, 5))), "of a wrong shape"),
    "matrix kind": (Matrix(*PAIR, np.ones((2, 2)), "near"), "kind 'near'"),
    "matrix missing": (Matrix(("o1",), PAIR[1], np.ones((1, 2))), "matrix: 1 of 2 probe pictures are missing: o2"),
    "matrix twice": (Matrix(("o1", "o1"), PAIR[1], np.ones((2, 2))), "matrix: pictures that are there twice: o1"),
    "matrix nan": (Matrix(*PAIR, np.array([[1, 2], [np.nan, 1]])), "first from o2 to g1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_name_the_pictures(manifest: Manifest, name: str) -> None:
    """Each fault is said with its pictures, before anything is scored."""
    given, why = WRONG[name]
    with pytest.raises(FeatureError, match=why):
        od.evaluate(manifest, PLAIN, given)


def test_long_lists_are_cut(make_manifest: Callable[..., Manifest]) -> None:
    """Five names and how many more."""
    rows = [{"image_id": f"g{pid}", "pid": str(pid)} for pid in range(1, 9)]
    manifest = make_manifest([{"image_id": "o1", "pid": "1", "body": "occluded"}, *rows])
    with pytest.raises(FeatureError, match="g1, g2, g3, g4, g5 and 3 more"):
        od.evaluate(manifest, PLAIN, {"o1": [1.0]})


def test_an_invisible_part_may_be_zero(manifest: Manifest) -> None:
    """A part that nobody sees needs no direction."""
    values = np.ones((4, 2, 3))
    values[0, 1] = 0
    seen = np.array([[1, 0], [1, 1], [1, 1], [1, 1]])
    assert map_of(manifest, FeatureFile(tuple(NAMES), values, seen))["audit"]["pairs_without_common_part"] == 0


def spoil(path: Path, **arrays: Any) -> Path:
    """Write an npz of anything."""
    np.savez(path, **arrays)
    return path


def test_files_that_are_none(manifest: Manifest, tmp_path: Path) -> None:
    """Missing, of something else, with objects, without an array, with a broken header."""
    place = tmp_path / "f.npz"
    names = np.array(NAMES)
    objects = np.array([[1, None]] * 4, object)
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: None, "there is no such file"),
        (lambda: place.write_bytes(b"hello"), "not a feature file"),
        (lambda: place.write_bytes(b""), "not a feature file"),
        (lambda: spoil(place, image_id=names, features=objects), "objects are never unpickled"),
        (lambda: spoil(place, image_id=names.astype(object), features=features()), "objects are never unpickled"),
        (lambda: spoil(place, features=features()), "lacks image_id"),
        (lambda: spoil(place, matrix=features()), "lacks probe_id, gallery_id, kind"),
        (lambda: spoil(place, image_id=np.arange(4), features=features()), "image_id is no list of text"),
        (lambda: spoil(place, image_id=names, features=features(), header=np.array("{")), "the header is no JSON"),
        (lambda: spoil(place, image_id=names, features=features(), header=np.array("[]")), "no JSON object"),
    ]
    for prepare, why in cases:
        prepare()
        with pytest.raises(FeatureError, match=why):
            od.evaluate(manifest, PLAIN, place)


def test_parquet_files_that_are_none(manifest: Manifest, tmp_path: Path) -> None:
    """Vectors of several lengths, a missing column, no names."""
    place = tmp_path / "f.parquet"
    for table, why in (
        ({"image_id": NAMES, "features": [[1.0], [1.0, 2.0], [1.0], [1.0]]}, "differ in length"),
        ({"image_id": NAMES, "f0": [1.0] * 4, "f2": [1.0] * 4}, "f0 to f1 are not all there"),
        ({"image_id": NAMES}, "lacks image_id or features"),
    ):
        pq.write_table(pa.table(table), place)
        with pytest.raises(FeatureError, match=why):
            od.evaluate(manifest, PLAIN, place)
    place.write_bytes(b"PAR1")
    with pytest.raises(FeatureError, match="not a feature file"):
        od.evaluate(manifest, PLAIN, place)


def test_the_record_names_no_place(manifest: Manifest, tmp_path: Path) -> None:
    """No path of this machine is in it, and the file's digest is."""
    write_features(tmp_path / "f.npz", NAMES, features())
    score = od.evaluate(manifest, PLAIN, tmp_path / "f.npz")
    text = canonical(score.record).decode()
    assert str(tmp_path) not in text
    assert json.loads(text)["features"]["sha256"] == read_features(tmp_path / "f.npz").sha256
