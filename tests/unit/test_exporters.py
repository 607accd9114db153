"""Exports: the rows of a protocol as another code base reads them, or an error; whole, or not at all."""

from __future__ import annotations

import ast
import csv
import glob
import json
import os.path as osp
import re
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import occluded_datasets as od
from occluded_datasets.errors import InputError, ProtocolError, UnknownNameError, UsageError
from occluded_datasets.exporters import Parts, default_protocol, export, parts_of
from occluded_datasets.exporters.parts import PARTS
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import Protocol, find_protocol

Sets = Callable[..., Manifest]
IDENTITIES = 6


def wanted(parts: Parts) -> set[tuple[str, int, str]]:
    """Return (path, pid, part) of every row."""
    return {(row.path, row.pid, name) for name in PARTS for row in parts.part(name)}


def test_parts_are_the_rows_of_the_split(built: Sets) -> None:
    """By (image_id, pid, part); labels are places among the sorted training pids."""
    made = built("p-dukemtmc-reid")
    done, parts = od.split(made, "supervised"), parts_of(made, "supervised")
    for name, frame in (("train", done.train), ("query", done.probe), ("gallery", done.gallery)):
        own = [(row.image_id, row.pid) for row in parts.part(name)]
        assert own == list(zip(frame["image_id"], frame["pid"], strict=True))
        assert len(own) > 0
        assert all(Path(row.path) == made.file(row.image_id) for row in parts.part(name))
    people = sorted(set(done.train["pid"]))
    assert {row.label for row in parts.train} == set(range(len(people)))
    assert all(people[row.label] == row.pid for row in parts.train)
    assert {row.label for row in (*parts.query, *parts.gallery)} == {-1}
    assert parts.tuples("query", views=True)[0] == (parts.query[0].path, parts.query[0].pid, 0, 0)
    assert parts.tuples("train")[0] == (parts.train[0].path, parts.train[0].label, 0)


def test_invented_cameras_never_meet(built: Sets) -> None:
    """No probe shares its camera with a gallery picture, and it is said that they are invented."""
    parts = parts_of(built("occluded-reid"))
    assert ({row.camid for row in parts.query}, {row.camid for row in parts.gallery}) == ({0}, {1})
    assert {row.camera for row in (*parts.query, *parts.gallery)} == {None}
    assert parts.invented == ("query", "gallery")
    assert "cameras are invented (query 0, gallery 1)" in parts.notes[0]


def test_recorded_cameras_are_kept(built: Sets) -> None:
    """They count from 0, those of the training part first; junk is out, distractors stay and are nobody."""
    made = built("market-1501")
    parts = parts_of(made)
    assert parts.invented == ()
    camera = dict(zip(made.frame["image_id"], made.frame["camid"], strict=True))
    rows = [row for name in PARTS for row in parts.part(name)]
    assert all(row.camera == camera[row.image_id] for row in rows)
    assert len({(row.camid, row.camera) for row in rows}) == len({row.camera for row in rows}) > 1
    assert sorted({row.camid for row in parts.train}) == list(range(len({row.camera for row in parts.train})))
    assert 0 in {row.pid for row in parts.gallery}
    assert -1 not in {row.pid for row in rows}
    assert 0 in parts.nobody


def test_a_training_part_alone_is_a_source(built: Sets) -> None:
    """Market-1501's training part has no probe; another set under test has."""
    parts = parts_of(built("market-1501", "train-only"))
    assert len(parts.train) > 0
    assert parts.query == parts.gallery == ()
    assert parts.notes == ("this copy is a training part alone: there is nothing to test on",)


def test_the_default_is_what_is_obvious() -> None:
    """One protocol that draws nothing; else the names are listed."""
    names = {one: default_protocol(one).name for one in ("occluded-reid", "p-ethz", "partial-ilids", "market-1501")}
    assert list(names.values()) == ["transfer-all", "transfer-all", "single-shot", "standard"]
    for dataset in ("partial-reid", "p-dukemtmc-reid"):
        with pytest.raises(ProtocolError, match=r"which protocol\?.*afpb-nshot-1, .*protocol=NAME"):
            default_protocol(dataset)
    with pytest.raises(ProtocolError, match="no protocol ships for it"):
        default_protocol("mars")


def test_a_draw_is_chosen(built: Sets) -> None:
    """One of a thousand, by number; its rows are those of the draw."""
    made = built("partial-reid")
    done, parts = od.split(made, "afpb-nshot-1"), parts_of(made, "afpb-nshot-1", draw=7)
    own = done.draws[done.draws["draw"] == 7]
    for name, role in (("query", "probe"), ("gallery", "gallery")):
        assert sorted(row.image_id for row in parts.part(name)) == sorted(own.loc[own["role"] == role, "image_id"])
    assert "draw 7 of 1,000: its score is not that of the protocol" in parts.notes
    assert len(parts_of(made, "single-shot-occluded-probe", draw=0).gallery) == 6
    assert parts_of(built("partial-ilids")).draw == 0


def _without_camera_rule() -> Protocol:
    return Protocol({**find_protocol("market-1501", "standard").rules, "camera_rule": "none"})


@pytest.mark.parametrize(
    ("dataset", "protocol", "draw", "message"),
    [
        ("partial-reid", "afpb-nshot-1", None, r"which of its draws\? Expected one of 0 to 999.*draw=0 \(--draw 0\)"),
        ("partial-reid", "afpb-nshot-1", 1000, "no draw 1000"),
        ("partial-reid", "afpb-nshot-2", 0, "compares sets of pictures"),
        ("partial-reid", "transfer-all-partial-probe", 0, "draws nothing"),
        ("partial-reid", "transfer-all", None, "is a protocol of occluded-reid"),
        ("partial-reid", "transfer-al", None, "Unknown protocol"),
        ("market-1501", _without_camera_rule(), None, "removes no gallery picture by camera.*probe and gallery pic"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_those_loaders_cannot_follow(built: Sets, dataset: str, protocol: Any, draw: Any, message: str) -> None:
    """A rule that they would break in silence is an error that says what to do."""
    with pytest.raises((ProtocolError, UnknownNameError), match=message):
        parts_of(built(dataset), protocol, draw=draw)


def test_the_group_rule_is_refused(make_manifest: Callable[..., Manifest]) -> None:
    """A simulated probe's own photo would stay in the gallery."""
    rows = [{"image_id": f"s/{body}", "body": body, "group": "p1"} for body in ("occluded", "full")]
    with pytest.raises(ProtocolError, match=r"own photo \(1 photos\).*evaluate MANIFEST --protocol source-gallery"):
        parts_of(make_manifest(rows, "simulated"))


# What fast-reid's classes do, written anew from JDAI-CV/fast-reid at 1cf580b6 and 10b04b75:
# projects/PartialReID/partialreid/partial_dataset.py (process_test), fastreid/data/datasets/market1501.py and
# dukemtmcreid.py (process_dir).
def _sides(query: str, gallery: str) -> dict[str, str]:
    return {"query": query, "gallery": gallery}


MARKET = {"train": "bounding_box_train", "query": "query", "gallery": "bounding_box_test"}
CLASSES = {
    "partial-reid": ("transfer-all-partial-probe", "Partial_REID", _sides("partial_body_images", "whole_body_images")),
    "occluded-reid": ("transfer-all", "OccludedREID", _sides("query", "gallery")),
    "partial-ilids": ("single-shot", "PartialiLIDS", _sides("query", "gallery")),
    "market-1501": ("standard", "Market-1501-v15.09.15", MARKET),
    "dukemtmc-reid": ("standard", "DukeMTMC-reID", MARKET),
}


def their_reading(dataset: str, root: str, top: str, folders: dict[str, str]) -> list[tuple[str, int, int, str]]:
    """Return (path, pid, camid, part) as fast-reid's class of the set reads a tree."""
    named = folders is MARKET
    pattern = re.compile(r"([-\d]+)_c(\d)" if named else r"([-\d]+)_(\d*)")
    found = []
    for part, folder in folders.items():
        for path in glob.glob(osp.join(root, top, folder, "*.jpg")):
            match = pattern.search(path)
            assert match
            pid, camid = map(int, match.groups())
            if dataset == "market-1501":
                if pid == -1:
                    continue
                assert 0 <= pid <= 1501
                assert 1 <= camid <= 6
            found.append((path, pid, camid - named, part))
    return found


@pytest.mark.parametrize("dataset", CLASSES)
def test_fast_reids_own_class_reads_our_rows(built: Sets, tmp_path: Path, dataset: str) -> None:
    """(picture, pid, part) are the protocol's; the same-camera filter removes what the protocol removes."""
    protocol, top, folders = CLASSES[dataset]
    made = built(dataset)
    parts = parts_of(made, protocol)
    done = export(made, "fast-reid", tmp_path / "sets", protocol)
    read = their_reading(dataset, str(tmp_path / "sets"), top, folders)
    names = {(part, osp.realpath(path)): (pid, camid) for path, pid, camid, part in read}
    assert len(names) == len(read) == len(wanted(parts))
    own = {Path(row.path).stat().st_ino: row for name in PARTS for row in parts.part(name)}
    back = [(own[Path(path).stat().st_ino], pid, camid, part) for path, pid, camid, part in read]
    assert {(row.path, pid, part) for row, pid, _, part in back} == wanted(parts)
    for row, _, camid, _ in back:
        assert camid == (row.camid if row.camera is None else row.camera - 1)
    assert done.linked == len(read)
    assert (done.copied, done.unchanged) == (0, False)


class TheirDataset:
    """The contract of ImageDataset's constructor in JDAI-CV/fast-reid, fastreid/data/datasets/bases.py at 10b04b75."""

    _junk_pids: Sequence[int] = ()

    def __init__(
        self, train: Any, query: Any, gallery: Any, transform: Any = None, mode: str = "train",
        combineall: bool = False, verbose: bool = True, **kwargs: Any,
    ) -> None:  # fmt: skip
        self.train, self.query, self.gallery = train, query, gallery
        if combineall:
            left = [row for row in [*query, *gallery] if row[1] not in self._junk_pids]
            self.train = [*train, *((path, f"{self.dataset_name}_test_{pid}", cam) for path, pid, cam in left)]  # type: ignore[attr-defined]


@pytest.fixture
def fastreid(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Put a stand-in of fast-reid's registry and base class where its modules are; return what was registered."""
    known: dict[str, Any] = {}
    modules = {name: types.ModuleType(name) for name in ("fastreid", "fastreid.data", "fastreid.data.datasets")}
    bases = types.ModuleType("fastreid.data.datasets.bases")
    bases.ImageDataset = TheirDataset  # type: ignore[attr-defined]
    registry = types.SimpleNamespace(register=lambda: lambda made: known.setdefault(made.__name__, made))
    modules["fastreid.data.datasets"].DATASET_REGISTRY = registry  # type: ignore[attr-defined]
    for name, module in {**modules, bases.__name__: bases}.items():
        monkeypatch.setitem(sys.modules, name, module)
    return known


def test_the_class_in_the_tree(built: Sets, tmp_path: Path, fastreid: dict[str, Any]) -> None:
    """It registers itself, runs on the Python that fast-reid needs, and reads the rows wherever the folder was moved."""
    made = built("p-dukemtmc-reid")
    done = export(made, "fast-reid", tmp_path / "sets", "supervised")
    home = Path(done.path).rename(tmp_path / "moved")
    file = home / "p_dukemtmc_reid_supervised.py"
    ast.parse(file.read_text(), feature_version=(3, 6))
    exec(compile(file.read_text(), str(file), "exec"), {"__file__": str(file), "__name__": "x"})
    dataset = fastreid[done.reader](root="anywhere", combineall=False)
    parts = parts_of(made, "supervised")
    inode = {Path(row.path).stat().st_ino: row for name in PARTS for row in parts.part(name)}
    for name in PARTS:
        rows = [(inode[Path(path).stat().st_ino], pid, camid) for path, pid, camid in getattr(dataset, name)]
        if name == "train":
            assert rows == [(row, f"p-dukemtmc-reid_{row.pid}", "p-dukemtmc-reid_0") for row in parts.train]
        else:
            assert rows == [(row, row.pid, row.camid) for row in parts.part(name)]


def test_dataset_class(built: Sets, fastreid: dict[str, Any]) -> None:
    """Where fast-reid imports, a class without a tree: the same lists, named by dataset and protocol."""
    from occluded_datasets.torch.bridges import dataset_class

    made = built("market-1501")
    cls = dataset_class("market-1501", made)
    assert (cls.__name__, cls.cameras) == ("Market1501Standard", "as recorded")
    data = cls(root="anywhere", combineall=True)
    parts = parts_of(made)
    assert data.query == [(row.path, row.pid, row.camid) for row in parts.query]
    assert data.train[0] == (parts.train[0].path, f"market-1501_{parts.train[0].pid}", "market-1501_0")
    assert not {pid for _, pid, _ in data.train} & {"market-1501_test_0"}
    assert len(data.train) > len(parts.train)
    with pytest.raises(UsageError, match=r"The manifest is of market-1501. Expected one of occluded-reid"):
        dataset_class("occluded-reid", made)


def test_dataset_class_without_fast_reid(built: Sets) -> None:
    """The way that works is named."""
    from occluded_datasets.torch.bridges import dataset_class

    with pytest.raises(UsageError, match=r"fast-reid pins an old PyTorch.*export MANIFEST --to fast-reid"):
        dataset_class("market-1501", built("market-1501"))


def test_tuples(built: Sets, tmp_path: Path, command: Callable[..., Any]) -> None:
    """Lists of four with absolute paths; nothing is copied, and the table says what the lists cannot."""
    made = built("partial-reid")
    out = tmp_path / "lists"
    said = command("export", made.path, "--to", "tuples", "--protocol", "transfer-all-occluded-probe", "--out", out)
    assert (said.code, said.err) == (0, "")
    assert "cameras invented for query, gallery" in said.out
    assert "not redistributable" in said.out
    lists = json.loads((out / "tuples.json").read_bytes())
    parts = parts_of(made, "transfer-all-occluded-probe")
    assert {name: [tuple(row) for row in rows] for name, rows in lists.items()} == {
        name: parts.tuples(name, views=True) for name in PARTS
    }
    with (out / "rows.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["path"], int(row["pid"]), row["part"]) for row in rows} == wanted(parts)
    assert {row["camera"] for row in rows} == {""}
    record = json.loads((out / "export.json").read_bytes())
    assert (record["redistributable"], record["fingerprint"]) == (False, made.fingerprint)
    assert sorted(path.name for path in out.iterdir()) == ["export.json", "rows.csv", "tuples.json"]


def test_the_command(built: Sets, tmp_path: Path, command: Callable[..., Any]) -> None:
    """``--json`` gives one object; the same again changes nothing, another protocol is refused until it may replace."""
    made = built("partial-reid")
    say = ("export", made.path, "--to", "fast-reid", "--out", tmp_path / "sets")
    first = command(*say, "--protocol", "transfer-all-partial-probe", "--json").json()
    assert first["rows"] == {"train": 0, "query": 30, "gallery": 30}
    assert (first["reader"], Path(first["path"]).name, first["unchanged"]) == ("PartialREID", "Partial_REID", False)
    assert command(*say, "--protocol", "transfer-all-partial-probe", "--json").json() == {
        **first, "unchanged": True, "linked": 0,
    }  # fmt: skip
    lists = ("export", made.path, "--to", "tuples", "--out", Path(first["path"]))
    refused = command(*lists, "--protocol", "transfer-all-partial-probe")
    assert refused.code == 2
    assert "it is of partial-reid/transfer-all-partial-probe@" in refused.err
    assert "--replace" in refused.err
    assert command(*lists, "--protocol", "transfer-all-partial-probe", "--replace").code == 0
    assert sorted(path.name for path in Path(first["path"]).iterdir()) == ["export.json", "rows.csv", "tuples.json"]
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["Partial_REID"]
    assert command(*say).code == 2
    assert command("export", made.path, "--to", "fastreid", "--out", tmp_path / "sets").code == 2


def test_places_that_are_refused(built: Sets, tmp_path: Path) -> None:
    """Nothing foreign is replaced, nothing is put into a raw tree, no path that the class would misread is used."""
    made = built("partial-reid")
    assert made.path
    say = ("fast-reid", "transfer-all-partial-probe")
    (tmp_path / "foreign" / "Partial_REID").mkdir(parents=True)
    (tmp_path / "foreign" / "Partial_REID" / "mine.txt").write_text("mine")
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "Partial_REID").symlink_to(tmp_path / "foreign" / "Partial_REID")
    (tmp_path / "raw").symlink_to(made.path.parent / "raw")
    cases = {
        tmp_path / "foreign": "is there and is no export",
        tmp_path / "file": "is no folder",
        made.path.parent / "raw": "the tree as published is here",
        tmp_path / "raw": "the tree as published is here",
        tmp_path / "2024_sets": "would read '2024_' of this path as pid and camera",
    }
    for out, message in cases.items():
        with pytest.raises(UsageError, match=message):
            export(made, say[0], out, say[1])
    assert [path.name for path in (tmp_path / "foreign" / "Partial_REID").iterdir()] == ["mine.txt"]
    assert not (tmp_path / "2024_sets").exists()
    (tmp_path / "free" / "Partial_REID").mkdir(parents=True)
    (tmp_path / "free" / ".Partial_REID.exporting").mkdir()  # of a run that was killed
    assert export(made, say[0], tmp_path / "free", say[1]).linked == 60
    assert [path.name for path in (tmp_path / "free").iterdir()] == ["Partial_REID"]


def test_a_changed_picture_ends_it(tmp_path: Path, cheap_tree: Callable[..., Path]) -> None:
    """It is named, nothing is published, and an export that lost a picture is not taken for whole."""
    tree = cheap_tree("occluded-reid", None, 3, tmp_path)
    made = od.load(od.build("occluded-reid", tree, tmp_path / "data", allow_subset=True, copy=True).manifest)
    done = export(made, "fast-reid", tmp_path / "sets", copy=True)
    assert (done.linked, done.copied) == (0, 30)
    assert any(".tif files are called .jpg" in note for note in done.notes)
    lost = next((Path(done.path) / "query").iterdir())
    assert lost.stat().st_nlink == 1
    lost.unlink()
    with pytest.raises(UsageError, match="it is damaged"):
        export(made, "fast-reid", tmp_path / "sets")
    parts = parts_of(made)
    Path(parts.query[3].path).write_bytes(b"other")
    with pytest.raises(InputError, match=parts.query[3].image_id):
        export(made, "fast-reid", tmp_path / "sets", replace=True)
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["OccludedREID"]
    Path(parts.query[3].path).unlink()
    with pytest.raises(InputError, match="picture is not there"):
        export(made, "tuples", tmp_path / "lists")
    assert not (tmp_path / "lists").exists()


def test_what_is_read_back_is_held_against_the_rows(
    built: Sets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree that fast-reid would misread is never published."""
    from occluded_datasets.exporters.fastreid import Native

    made = built("partial-reid")
    for name, message in ((lambda self, row: f"7_{row.camid}_{row.image_id[-7:]}.jpg", "PartialREID reads back"),
                          (lambda self, row: f"{row.pid}_5_{row.image_id[-7:]}.jpg", "by camera")):  # fmt: skip
        monkeypatch.setattr(Native, "name_of", name)
        with pytest.raises(InputError, match=message):
            export(made, "fast-reid", tmp_path / "sets", "transfer-all-partial-probe")
        assert [path.name for path in (tmp_path / "sets").iterdir()] == []


def test_a_protocol_of_ones_own(built: Sets, tmp_path: Path) -> None:
    """A file with the name of ours and other rules never goes to fast-reid's own class."""
    rules = {**find_protocol("partial-reid", "transfer-all-partial-probe").rules, "probe": {"body": ["occluded"]}}
    done = export(built("partial-reid"), "fast-reid", tmp_path / "sets", Protocol(rules))
    assert done.reader == "PartialReidTransferAllPartialProbe"
    assert Path(done.path).name == "partial-reid-transfer-all-partial-probe"
