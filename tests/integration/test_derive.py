"""A set made of its parent's pictures by published name lists, on a twin of the parent."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import occluded_datasets as od
from occluded_datasets.catalog import Source
from occluded_datasets.errors import IncompleteError, InputError, UsageError
from occluded_datasets.prepare import derive
from occluded_datasets.protocol import split
from occluded_datasets.report import contact_sheet

Run = Callable[..., Any]
Names = dict[str, list[str]]
SET = "occluded-dukemtmc"
ALL = ("train.list", "query.list", "gallery.list")


@pytest.fixture(scope="module")
def duke(cheap_tree: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a twin of DukeMTMC-reID: a raw tree of a few identities."""
    return cheap_tree("dukemtmc-reid", None, 4, tmp_path_factory.mktemp("duke"))


def names_of(tree: Path) -> Names:
    """Return lists as the authors made theirs: a gallery picture stands in for a query, and stays in the gallery."""
    train, query, gallery = (
        sorted(path.name for path in (tree / folder).iterdir())
        for folder in ("bounding_box_train", "query", "bounding_box_test")
    )
    return {"train.list": train[:-2], "query.list": [*query[1:], gallery[0]], "gallery.list": gallery}


def write(folder: Path, names: Names, end: str = "\n", last: bool = True) -> list[Path]:
    """Write lists below `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, lines in names.items():
        (folder / name).write_bytes((end.join(lines) + end * last).encode())
        paths.append(folder / name)
    return paths


@pytest.fixture
def names(duke: Path, monkeypatch: pytest.MonkeyPatch) -> Names:
    """Return lists over the twin and make them the published ones: their digests are the catalog's pins."""
    from occluded_datasets.catalog import occluded_dukemtmc

    made = names_of(duke)
    texts = {name: "".join(f"{line}\n" for line in lines) for name, lines in made.items()}
    sources = tuple(Source(name, sha256=hashlib.sha256(text.encode()).hexdigest()) for name, text in texts.items())
    monkeypatch.setattr(occluded_dukemtmc, "DATASET", replace(occluded_dukemtmc.DATASET, sources=sources))
    return made


@pytest.fixture
def parent(duke: Path, tmp_path: Path) -> od.Manifest:
    """Return the built parent."""
    return od.load(od.build("dukemtmc-reid", duke, tmp_path / "data", allow_subset=True).manifest)


def test_rows_refer_to_the_parent_and_nothing_is_copied(names: Names, parent: od.Manifest, tmp_path: Path) -> None:
    """Labels come from the lists, facts of the pictures from the parent, whose fingerprint the lineage carries."""
    lists = write(tmp_path / "lists", names)
    built = derive(SET, [parent.path], tmp_path / "data", lists=lists, allow_subset=True)
    made = od.load(SET, root=tmp_path / "data")
    assert made.header["roots"] == {"dukemtmc-reid": parent.fingerprint}
    (link,) = made.header["lineage"]
    assert (link["parent"], link["fingerprint"]) == ("dukemtmc-reid", parent.fingerprint)
    assert made.header["withdrawn_parent"] is True
    assert [(one["name"], one["kind"], one["published"]) for one in made.header["archives"]] == [
        (name, "list", True) for name in ALL
    ]
    assert set(made.frame["root"]) == {"dukemtmc-reid"}
    assert made.frame.groupby("role").size().to_dict() == {
        "gallery": len(names["gallery.list"]), "probe": len(names["query.list"]), "train": len(names["train.list"]),
    }  # fmt: skip
    assert made.frame.groupby("role")["body"].unique().map(list).to_dict() == {
        "gallery": ["unknown"], "probe": ["occluded"], "train": ["unknown"],
    }  # fmt: skip
    by_path = parent.frame.set_index("path")
    for key in ("sha256", "pixel_sha256", "bytes", "pid", "camid"):
        assert made.frame[key].tolist() == by_path.loc[made.frame["path"], key].tolist()
    assert built.rows == sum(map(len, names.values()))
    left = [path.name for path in (tmp_path / "data" / SET).rglob("*") if path.is_file()]
    assert not [name for name in left if name.endswith(".jpg")]


def test_a_picture_may_be_query_and_gallery(names: Names, parent: od.Manifest, tmp_path: Path) -> None:
    """The authors moved gallery pictures to the query and kept them: two rows of one file, one a role."""
    derive(SET, [parent.path], tmp_path / "data", lists=write(tmp_path / "l", names), allow_subset=True)
    frame = od.load(SET, root=tmp_path / "data").frame
    (twice,) = frame.loc[frame.duplicated("path", keep=False)].groupby("path")
    assert twice[1]["role"].tolist() == ["gallery", "probe"]


def test_derived_pictures_are_shown(names: Names, parent: od.Manifest, tmp_path: Path) -> None:
    """A contact sheet reads the parent's files; a set derived of a twin is one."""
    derive(SET, [parent.path], tmp_path / "data", lists=write(tmp_path / "l", names), allow_subset=True)
    made = od.load(SET, root=tmp_path / "data")
    assert contact_sheet(made, tmp_path / "sheet.png").is_file()
    assert made.header["twin"] is parent.header["twin"]


def test_the_whole_chain_from_the_command_line(duke: Path, names: Names, command: Run, tmp_path: Path) -> None:
    """A raw parent is built on the way; verify, split, load and pictures work on what is derived."""
    lists = write(tmp_path / "lists", names)
    root, options = tmp_path / "data", [word for path in lists for word in ("--list", path)]
    refused = command("build", SET, "--from-parent", duke, *options, "--root", root)
    assert refused.code == 1
    assert not (root / SET).exists()
    made = command("build", SET, "--from-parent", duke, *options, "--root", root, "--allow-subset", "--json")
    assert made.code == 0, made.err
    assert made.json()["verdict"] == "subset"
    table = root / SET / "manifest.csv"
    assert made.json()["manifest"] == str(table)
    assert command("verify", table).code == 0
    assert command("verify", table, "--full", "--json").json()["checked"] > 0
    assert command("split", table, "--protocol", "standard", "--out", tmp_path / "split").code == 0
    manifest = od.load(table)
    assert manifest.file(manifest.frame["image_id"][0]).is_file()
    assert len(split(manifest, "standard").probe) == len(names["query.list"])
    said = command("build", SET, "--from-parent", duke, *options, "--root", root, "--allow-subset")
    assert "(unchanged)" in said.out
    assert "nothing copied" in said.out
    assert command("doctor", root / SET).code == 0
    plain = command("build", SET, "--root", root)
    assert (plain.code, "--from-parent PATH" in plain.err) == (2, True)
    picture = manifest.file(manifest.frame["image_id"][0])
    data = picture.read_bytes()
    picture.unlink()  # a hard link of the twin's: the twin keeps its own
    picture.write_bytes(data + b"\0")
    assert command("verify", table).code == 1


@pytest.mark.parametrize(("end", "last"), [("\r\n", True), ("\r\n", False), ("\n", False)])
def test_line_ends_do_not_matter(names: Names, parent: od.Manifest, tmp_path: Path, end: str, last: bool) -> None:
    """A list that some system converted is still the published one, and gives the same set."""
    plain = derive(SET, [parent.path], tmp_path / "data", lists=write(tmp_path / "a", names), allow_subset=True)
    other = derive(
        SET, [parent.path.parent], tmp_path / "other", lists=write(tmp_path / "b", names, end, last), allow_subset=True
    )
    assert other.fingerprint == plain.fingerprint
    header = json.loads((tmp_path / "other" / SET / "manifest.json").read_text("utf-8"))
    assert [one["published"] for one in header["archives"]] == [True] * 3


def test_another_text_is_refused_unless_it_is_accepted(
    names: Names, parent: od.Manifest, tmp_path: Path, command: Run
) -> None:
    """A list is judged by its digest; what is taken all the same is written down as not the published one."""
    lists = write(tmp_path / "lists", {**names, "query.list": names["query.list"][:-1]})
    with pytest.raises(InputError, match=r"query\.list is not the published query\.list.*--accept-unpinned-lists"):
        derive(SET, [parent.path], tmp_path / "data", lists=lists, allow_subset=True)
    options = [word for path in lists for word in ("--list", path)]
    made = command(
        "build", SET, "--from-parent", parent.path, *options, "--root", tmp_path / "data", "--allow-subset",
        "--accept-unpinned-lists",
    )  # fmt: skip
    assert made.code == 0
    header = od.load(SET, root=tmp_path / "data").header
    assert {one["name"]: one["published"] for one in header["archives"]} == {
        "train.list": True, "query.list": False, "gallery.list": True,
    }  # fmt: skip


def test_lists_are_found_beside_the_parent_and_by_content(
    names: Names, parent: od.Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the parent, in the working folder, or under another name if the text is the published one."""
    renamed = write(tmp_path / "x", {"my-queries.txt": names["query.list"]})
    write(parent.path.parent.parent, {"train.list": names["train.list"]})
    write(tmp_path / "cwd" / "Occluded_Duke", {"gallery.list": names["gallery.list"]})
    monkeypatch.chdir(tmp_path / "cwd")
    built = derive(SET, [parent.path], tmp_path / "data", lists=renamed, allow_subset=True)
    assert built.rows == sum(map(len, names.values()))


def test_a_list_that_is_nowhere_says_where_it_is_published(names: Names, parent: od.Manifest, tmp_path: Path) -> None:
    """The error has the place of the lists and the option; nothing is left behind."""
    with pytest.raises(UsageError, match=r"https://github\.com/lightas/Occluded-DukeMTMC-Dataset.*--list train\.list"):
        derive(SET, [parent.path], tmp_path / "new", allow_subset=True)
    assert not (tmp_path / "new").exists()
    strange = write(tmp_path, {"strange.txt": ["0001_c1_f0000001.jpg"]})
    with pytest.raises(UsageError, match="is none of its name lists"):
        derive(SET, [parent.path], tmp_path / "new", lists=strange)


def test_names_that_the_parent_lacks_are_said(duke: Path, names: Names, tmp_path: Path) -> None:
    """A parent that lost pictures makes a subset, with the first missing names of each list."""
    tree = tmp_path / "less"
    shutil.copytree(duke, tree)
    gone = [names["train.list"][1], names["gallery.list"][2]]
    (tree / "bounding_box_train" / gone[0]).unlink()
    (tree / "bounding_box_test" / gone[1]).unlink()
    less = od.build("dukemtmc-reid", tree, tmp_path / "data", allow_subset=True).manifest
    lists = write(tmp_path / "lists", names)
    with pytest.raises(IncompleteError, match=f"train.list lists 1 \\(first {gone[0]}\\)"):
        derive(SET, [less], tmp_path / "data", lists=lists)
    assert not (tmp_path / "data" / SET).exists()
    derive(SET, [less], tmp_path / "data", lists=lists, allow_subset=True)
    said = od.load(SET, root=tmp_path / "data").header["verdict_detail"]
    assert (said["missing"], said["first_missing"]) == (2, gone)


@pytest.mark.parametrize("bad", ["../0001_c1_f0000001.jpg", "readme.html", "0001_c9_f0000001.jpg", "=cmd"])
def test_what_is_no_name_of_the_set_is_refused(names: Names, parent: od.Manifest, tmp_path: Path, bad: str) -> None:
    """A list is data of strangers: an entry that is unsafe or no name of the set is an error with its place."""
    lists = write(tmp_path / "lists", {**names, "train.list": [names["train.list"][0], bad]})
    with pytest.raises(InputError, match=r"train\.list name 2: .* is no name of bounding_box_train"):
        derive(SET, [parent.path], tmp_path / "data", lists=lists, accept_unpinned_lists=True, allow_subset=True)


def test_a_parent_of_another_set_is_refused(names: Names, cheap_tree: Run, tmp_path: Path) -> None:
    """By its manifest, and by its tree when it is raw."""
    tree = cheap_tree("market-1501", None, 4, tmp_path / "m")
    built = od.build("market-1501", tree, tmp_path / "data", allow_subset=True)
    lists = write(tmp_path / "lists", names)
    with pytest.raises(UsageError, match=r"a manifest of market-1501\. Expected one of dukemtmc-reid"):
        derive(SET, [built.manifest], tmp_path / "data", lists=lists)
    with pytest.raises(InputError, match="It looks like market-1501"):
        derive(SET, [tree], tmp_path / "data", lists=lists, allow_subset=True)
    with pytest.raises(UsageError, match=r"nowhere: there is no such file or folder\..*--from-parent"):
        derive(SET, [tmp_path / "nowhere"], tmp_path / "data", lists=lists)
    with pytest.raises(UsageError, match="it is not made of another set's pictures"):
        derive("partial-reid", [built.manifest], tmp_path / "data")


def test_a_parent_that_changed_is_refused(
    duke: Path, names: Names, parent: od.Manifest, tmp_path: Path, command: Run
) -> None:
    """Rows of one copy are never read from another: the error has both fingerprints."""
    derive(SET, [parent.path], tmp_path / "data", lists=write(tmp_path / "lists", names), allow_subset=True)
    tree = tmp_path / "less"
    shutil.copytree(duke, tree)
    (tree / "query" / names["query.list"][0]).unlink()
    other = od.build("dukemtmc-reid", tree, tmp_path / "data", allow_subset=True, replace=True)
    for place in ((), ("--source", f"dukemtmc-reid={tmp_path / 'data' / 'dukemtmc-reid'}")):
        said = command("verify", SET, "--root", tmp_path / "data", *place)
        assert said.code == 2
        assert f"Expected fingerprint {parent.fingerprint[:16]}, found {other.fingerprint[:16]}" in said.err


def test_a_parent_that_moved_is_named(names: Names, parent: od.Manifest, tmp_path: Path, command: Run) -> None:
    """Outside the data root it is not found; ``--source`` says where it is, and the build says that it is needed."""
    lists = write(tmp_path / "lists", names)
    options = [word for path in lists for word in ("--list", path)]
    root = tmp_path / "elsewhere"
    made = command("build", SET, "--from-parent", parent.path.parent, *options, "--root", root, "--allow-subset")
    assert "add --source dukemtmc-reid=PATH" in made.out
    assert "--source dukemtmc-reid=PATH" in command("verify", SET, "--root", root).err
    place = f"dukemtmc-reid={parent.path.parent}"
    assert command("verify", SET, "--root", root, "--source", place).code == 0


def test_a_copy_with_its_own_pictures_is_not_replaced_unasked(
    duke: Path, names: Names, parent: od.Manifest, cheap_tree: Run, tmp_path: Path
) -> None:
    """A set that was built from a raw copy stays until ``--replace``; the other way round too."""
    tree = cheap_tree(SET, None, 4, tmp_path / "o", lists=False)
    od.build(SET, tree, tmp_path / "data", allow_subset=True)
    lists = write(tmp_path / "lists", names)
    with pytest.raises(UsageError, match="--replace"):
        derive(SET, [parent.path], tmp_path / "data", lists=lists, allow_subset=True)
    assert od.load(SET, root=tmp_path / "data").header["roots"] == {}
    derive(SET, [parent.path], tmp_path / "data", lists=lists, allow_subset=True, replace=True)
    assert od.load(SET, root=tmp_path / "data").header["roots"]


def test_a_dry_run_writes_nothing(duke: Path, names: Names, parent: od.Manifest, tmp_path: Path) -> None:
    """It counts and judges; a parent that is not built yet cannot be judged without writing."""
    lists = write(tmp_path / "lists", names)
    plan = derive(SET, [parent.path], tmp_path / "new", lists=lists, dry_run=True)
    assert (plan.rows, plan.verdict, plan.fingerprint) == (sum(map(len, names.values())), "subset", "")
    with pytest.raises(UsageError, match="A dry run writes nothing"):
        derive(SET, [duke], tmp_path / "new", lists=lists, dry_run=True)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "options",
    [("--list", "train.list"), ("--accept-unpinned-lists",), ("--from-parent", "x", "--raw", "y"),
     ("--from-parent", "x", "--extension", ".jpg")],
)  # fmt: skip
def test_the_two_ways_of_building_do_not_mix(command: Run, options: tuple[str, ...]) -> None:
    """An option that would be ignored is a usage error."""
    said = command("build", SET, *options)
    assert said.code == 2
    assert "--from-parent" in said.err
