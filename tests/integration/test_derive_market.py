"""Occluded-Market on twins of its two parents: its catalog file is all the code there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.errors import InputError, UsageError
from occluded_datasets.prepare import derive

Run = Callable[..., Any]
SET = "occluded-market"


@pytest.fixture(scope="module")
def root(cheap_tree: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with builds of both parents' twins."""
    folder = tmp_path_factory.mktemp("parents")
    for name, ids in (("market-1501", 4), ("mars", 1)):
        tree = cheap_tree(name, None, ids, folder / name)
        od.build(name, tree, folder / "data", allow_subset=True)
    return folder / "data"


def names_of(root: Path, dataset: str, part: str) -> list[str]:
    frame = od.load(dataset, root=root).frame
    return sorted(Path(path).name for path in frame["path"] if f"/{part}/" in path)


def in_list(mars: str) -> str:
    """Return how the lists spell a name of MARS: 0001C1T0002F003.jpg is 0001_c1s0002_003.jpg."""
    return f"{mars[:4]}_c{mars[5]}s{mars[7:11]}_{mars[12:]}"


def write(folder: Path, lists: dict[str, list[str]]) -> list[Path]:
    """Write lists as they are published: CRLF, no last line end."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in lists.items():
        (folder / name).write_bytes("\r\n".join(lines).encode())
    return [folder / name for name in lists]


@pytest.fixture
def lists(root: Path) -> dict[str, list[str]]:
    """Return lists over the twins: a relabelled frame, a frame of MARS's test folder, a name with two extensions."""
    frames, test = names_of(root, "mars", "bbox_train"), names_of(root, "mars", "bbox_test")
    gallery = names_of(root, "market-1501", "bounding_box_test")
    gallery = [name for name in gallery if not name.startswith("-1")]
    return {
        "train_market.list": names_of(root, "market-1501", "bounding_box_train")[:5],
        "train_mars.list": [*map(in_list, frames[:6]), f"0777_c{frames[7][5]}s0009_007.jpg*{in_list(frames[7])}"],
        "query_market.list": names_of(root, "market-1501", "query")[:3],
        "query_mars.list": [in_list(test[0])],
        "test.list": [f"{gallery[0]}.jpg", *gallery[1:]],
    }


def test_it_is_made_of_both(root: Path, lists: dict[str, list[str]], tmp_path: Path) -> None:
    """Every list entry is a row of the right parent's picture; a relabelled one has the new identity."""
    parents = [root / "mars", root / "market-1501"]
    built = derive(SET, parents, tmp_path / "data", lists=write(tmp_path / "l", lists), allow_subset=True)
    assert built.rows == sum(map(len, lists.values()))
    made = od.load(SET, root=tmp_path / "data")
    assert set(made.header["roots"]) == {"mars", "market-1501"}
    assert {link["parent"]: link["fingerprint"] for link in made.header["lineage"]} == made.header["roots"]
    rows = made.frame.set_index("image_id")
    relabelled = lists["train_mars.list"][-1].partition("*")
    row = rows.loc[f"{SET}/occluded_train/{relabelled[0][:-4]}"]
    assert (row["pid"], row["root"]) == (777, "mars")
    assert in_list(Path(row["path"]).name) == relabelled[2]
    assert (f"{SET}/bounding_box_test/{lists['test.list'][0][:-8]}" in rows.index) is True
    assert made.frame.groupby("role").size().to_dict().keys() >= {"train", "probe", "gallery"}
    assert made.frame.loc[made.frame["role"] == "probe", "root"].tolist().count("mars") == 1
    assert {one["name"]: one["published"] for one in made.header["archives"]} == dict.fromkeys(lists)
    assert made.header["withdrawn_parent"] is False
    assert not list((tmp_path / "data" / SET).rglob("*.jpg"))
    assert od.protocols(SET)[0].name == "standard"


def test_one_parent_is_not_enough(root: Path, lists: dict[str, list[str]], tmp_path: Path) -> None:
    """The one that was not named is said; a list in the other's spelling has its place."""
    paths = write(tmp_path / "l", lists)
    with pytest.raises(UsageError, match="its parent mars was not named"):
        derive(SET, [root / "market-1501"], tmp_path / "data", lists=paths, allow_subset=True)
    wrong = write(tmp_path / "w", {**lists, "test.list": lists["train_mars.list"]})
    with pytest.raises(InputError, match=r"test\.list name 1"):
        derive(SET, [root / "mars", root / "market-1501"], tmp_path / "data", lists=wrong, allow_subset=True)


def test_lists_come_from_a_pinned_commit() -> None:
    """No hash of a list is known, so its address names the commit; what is first seen is recorded."""
    for source in catalog.get(SET).sources:
        assert "/raw/f4de885e23b80b2079c1fd844fb2466ec2e04c17/" in source.urls[0]
        assert (source.sha256, source.git_blob) == ("", "")
