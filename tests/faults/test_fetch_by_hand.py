"""Copies got by hand, what a build takes from a fetch, and the command line."""

from __future__ import annotations

import errno
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile
import pytest
import server as play
from fetchkit import ID, Site, catalogued
from server import Server
from test_fetch_local import raises

from occluded_datasets.errors import FetchError, UsageError
from occluded_datasets.prepare import build


def test_by_hand_file_wrong_hash(site: Site, truth_file: Path, tmp_path: Path) -> None:
    """A copy got by hand is adopted when it is the published file; else nothing changes, a good file least of all."""
    wrong = tmp_path / "outside" / "wrong.zip"
    wrong.write_bytes(hostile.zipped(("Tiny/more.txt", b"x")) if site.pinned else site.truth[:-9])
    for good_before in (False, True):
        with pytest.raises(FetchError) as caught:
            site.fetch(by_hand=wrong)
        assert "sha256" in str(caught.value) or not site.pinned
        assert "--raw" in caught.value.next_command
        assert site.target.exists() == good_before
        result = site.fetch(by_hand=truth_file)
        site.is_true(result)
        assert result.how == "by hand"
        assert truth_file.read_bytes() == site.truth
    assert site.server.asked == []


@pytest.mark.parametrize("what", ["folder", "nothing"])
def test_by_hand_is_a_file(site: Site, what: str) -> None:
    """A folder is built, not adopted."""
    with pytest.raises(UsageError, match="adopted"):
        site.fetch(by_hand=site.path / "outside" / ("" if what == "folder" else "none"))


def test_a_fetched_archive_is_built(site: Site) -> None:
    """Build takes what was fetched; the header says what was agreed to and how the archive is known."""
    with catalogued(site.server.url(), **site.pins), pytest.raises(UsageError, match=f"occreid-prepare fetch {ID}"):
        build(ID, root=site.root)
    site.heals()
    with catalogued(site.server.url(), **site.pins):
        built = build(ID, root=site.root)
    header = json.loads((site.root / ID / "manifest.json").read_bytes())
    assert built.verdict == "complete"
    assert header["agreement"]["terms"]["accepted_by"] == "--accept-terms"
    assert header["archives"][0]["pin"] == ("pinned" if site.pinned else "first-seen")


def test_command_line(site: Site, command: Callable[..., Any]) -> None:
    """One object with url, hops, bytes and hashes; without a terminal a missing agreement names its option."""
    flags = [] if site.pinned else ["--accept-unpinned"]
    with catalogued(site.server.url(), **site.pins):
        refused = command("fetch", ID, "--root", site.root, "--json", *flags)
        assert (refused.code, site.server.asked) == (2, [])
        assert "--accept-terms" in refused.json()["error"]["next"]
        ran = command("fetch", ID, "--root", site.root, "--json", "--accept-terms", *flags)
        again = command("fetch", ID, "--root", site.root, "--offline", *flags)
    record = ran.json()
    assert (ran.code, record["url"], record["hops"]) == (0, site.server.url(), [site.server.url()])
    assert (record["bytes"], record["pin"]) == (len(site.truth), "pinned" if site.pinned else "first-seen")
    assert (again.code, "already there" in again.out) == (0, True)


def test_git_blob_is_a_pin(tmp_path: Path, server: Server) -> None:
    """The id that git gives a file at a pinned commit is as good as a hash; a third party's sha256 is only a note."""
    import hashlib

    data = server.payload
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    site = Site(tmp_path, server, pinned=True)
    server.plays(play.flipped)
    pins = {"git_blob": blob, "sha256": "0" * 64, "sha256_from": "a card"}
    with pytest.raises(FetchError, match="git blob"):
        site.fetch(pins=pins)
    result = site.heals(pins=pins)
    assert any("a card" in note for note in result.notes)


def test_fetched_and_built_in_one_line(
    site: Site, command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Build without a raw copy fetches first; afterwards, and with --offline, it opens no socket."""
    flags = [] if site.pinned else ["--accept-unpinned"]
    build_it = ["build", ID, "--root", site.root, *flags]
    with catalogued(site.server.url(), **site.pins):
        refused = command(*build_it, "--json")
        assert (refused.code, site.server.asked) == (2, [])
        assert f"occreid-prepare build {ID} --root {site.root} --accept-terms" in refused.json()["error"]["next"]
        offline = command(*build_it, "--offline")
        assert (offline.code, site.server.asked, site.root.exists()) == (2, [], False)
        assert f"{site.target} is not there" in offline.err
        planned = command(*build_it, "--dry-run", "--accept-terms")
        assert (planned.code, site.server.asked, site.root.exists()) == (2, [], False)
        made = command(*build_it, "--accept-terms", "--json")
        assert (made.code, made.json()["verdict"], len(site.server.asked)) == (0, "complete", 1)
        monkeypatch.setattr(socket, "socket", raises(errno.ENETDOWN))
        again = command(*build_it)
        assert (again.code, "(unchanged)" in again.out) == (0, True)
        shutil.rmtree(site.root / ID)
        assert command(*build_it, "--offline", "--json").json()["verdict"] == "complete"


def test_a_set_that_cannot_be_had_is_said_by_build_too(command: Callable[..., Any], tmp_path: Path) -> None:
    """Exit 1 with whom to write to, and next commands that keep the data root."""
    said = command("build", "market-1501", "--root", tmp_path / "my data", "--json")
    assert (said.code, said.json()["error"]["exit_code"]) == (1, 1)
    assert "Write to the authors" in said.json()["error"]["why"]
    assert said.json()["error"]["next"].count(f"--root '{tmp_path / 'my data'}'") == 2
    assert list(tmp_path.iterdir()) == []


def test_next_commands_keep_the_root(site: Site, command: Callable[..., Any]) -> None:
    """Whatever a fetch says to run next is about the same data root."""
    place = f"--root {site.root}"
    with catalogued(site.server.url(), **site.pins):
        refused = command("fetch", ID, "--root", site.root, "--json")
        assert place in refused.json()["error"]["next"]
        site.server.plays(play.whole(b"no", 404))
        failed = command("fetch", ID, "--root", site.root, "--accept-terms", "--accept-unpinned", "--json")
        assert f"--from PATH {place}" in failed.json()["error"]["next"]
        site.server.plays(play.good)
        assert f"build {ID} {place}" in command("fetch", ID, "--root", site.root, "--accept-unpinned").out
