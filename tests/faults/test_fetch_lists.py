"""Name lists brought from their published place: pinned, after agreement, and never when offline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import server as play
from server import Server

import occluded_datasets as od
from occluded_datasets.acquire.fetch import fetch
from occluded_datasets.catalog import Source, occluded_dukemtmc
from occluded_datasets.errors import FetchError
from occluded_datasets.prepare import derive

SET = "occluded-dukemtmc"
FLAGS = ("--accept-terms", "--accept-withdrawn-parent")
Run = Callable[..., Any]


@pytest.fixture
def parent(cheap_tree: Run, tmp_path: Path) -> Path:
    """Return the manifest of a small parent."""
    tree = cheap_tree("dukemtmc-reid", None, 4, tmp_path / "duke")
    return Path(od.build("dukemtmc-reid", tree, tmp_path / "data", allow_subset=True).manifest)


@pytest.fixture
def lists(parent: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Have lists over the parent published on the local server, their pins in the catalogue."""
    frame = od.load(parent).frame
    texts = {
        file: "".join(f"{Path(path).name}\n" for path in frame.loc[frame["role"] == role, "path"]).encode()
        for file, role in (("train.list", "train"), ("query.list", "probe"), ("gallery.list", "gallery"))
    }
    sources = tuple(
        Source(file, (server.url(f"/{file}"),), sha256=hashlib.sha256(text).hexdigest()) for file, text in texts.items()
    )
    monkeypatch.setattr(occluded_dukemtmc, "DATASET", replace(occluded_dukemtmc.DATASET, sources=sources))
    server.plays(lambda h: play.sends(texts[h.path[1:]])(h))
    return texts


def test_lists_are_fetched_and_built(
    parent: Path, lists: dict[str, bytes], server: Server, command: Run, tmp_path: Path
) -> None:
    """One line: the lists come from their place once, by hash, after both agreements; later nothing is asked."""
    build_it = ["build", SET, "--from-parent", parent, "--root", tmp_path / "data", "--allow-subset"]
    refused = command(*build_it, "--json")
    assert (refused.code, server.asked) == (2, [])
    assert f"--from-parent {parent} --root {tmp_path / 'data'} --accept-terms" in refused.json()["error"]["next"]
    offline = command(*build_it, "--offline")
    assert (offline.code, server.asked) == (2, [])
    assert "train.list is not there" in offline.err
    made = command(*build_it, *FLAGS, "--json")
    assert made.code == 0, made.err
    assert sorted(path for path, _ in server.asked) == sorted(f"/{file}" for file in lists)
    held = tmp_path / "data" / "archives" / SET
    assert {path.name: path.read_bytes() for path in held.iterdir()} == lists
    header = od.load(SET, root=tmp_path / "data").header
    assert [one["published"] for one in header["archives"]] == [True] * 3
    assert header["withdrawn_parent"] is True
    server.plays(play.whole(b"no", 404))
    assert "(unchanged)" in command(*build_it, "--offline").out
    assert server.asked == []


def test_a_dry_run_fetches_nothing(
    parent: Path, lists: dict[str, bytes], server: Server, command: Run, tmp_path: Path
) -> None:
    """What a dry run lacks it says."""
    said = command("build", SET, "--from-parent", parent, "--root", tmp_path / "data", "--dry-run", *FLAGS)
    assert (said.code, server.asked) == (2, [])
    assert "--list train.list" in said.err


@pytest.mark.parametrize(
    ("act", "says"),
    [(play.whole(b"0001_c1_f0000001.jpg\n"), "sha256"), (play.whole(b"<html>gone"), "web page"),
     (play.whole(b"no", 404), "404"), (play.whole(b""), "empty")],
    ids=["another_list", "page", "gone", "empty"],
)  # fmt: skip
def test_what_is_no_list_is_refused(
    lists: dict[str, bytes], parent: Path, server: Server, tmp_path: Path, act: play.Act, says: str
) -> None:
    """Nothing is built and nothing kept; the next command names a copy got by hand; then the right lists do."""

    def bring(file: str) -> Path:
        options = {"accept_terms": True, "accept_withdrawn_parent": True}
        return Path(fetch(SET, tmp_path / "data", file=file, **options).path)  # type: ignore[arg-type]

    server.plays(act)
    with pytest.raises(FetchError, match=says) as caught:
        derive(SET, [parent], tmp_path / "data", bring=bring, allow_subset=True)
    assert caught.value.next_command
    assert not (tmp_path / "data" / "archives").exists()
    assert not (tmp_path / "data" / SET).exists()
    server.plays(lambda h: play.sends(lists[h.path[1:]])(h))
    assert derive(SET, [parent], tmp_path / "data", bring=bring, allow_subset=True).verdict == "subset"


def test_the_set_itself_is_never_fetched(lists: dict[str, bytes], server: Server, command: Run, tmp_path: Path) -> None:
    """The lists are all that its authors still give: fetch says how they are used, and asks nothing."""
    said = command("fetch", SET, "--root", tmp_path / "data", *FLAGS, "--json")
    assert (said.code, server.asked) == (1, [])
    assert "--from-parent PATH" in said.json()["error"]["next"]
