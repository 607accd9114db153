"""Builds that are killed, interrupted, run out of disk or meet each other, at every step where something changes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faultkit import Sandbox, failing_at, in_child, no_space, remove, snapshot
from hostile import flipped, tarred
from tinyset import ID

from occluded_datasets.errors import OccludedDatasetsError, StorageError
from occluded_datasets.files import exclusive
from occluded_datasets.manifest import read, verify
from occluded_datasets.prepare import build, workspace

UNPACK = sys.modules["occluded_datasets.acquire.unpack"]
BUILD = sys.modules["occluded_datasets.prepare.build"]


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt() -> None:
    raise KeyboardInterrupt


@contextmanager
def failing(place: object, name: str, call: int, fault: Callable[[], object]) -> Iterator[None]:
    """Let the n-th call of one function fail."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, failing_at(getattr(place, name), call, fault))
        yield


def killed(box: Sandbox, place: object, name: str, call: int) -> bool:
    """Run a build that kills itself at a call, and say whether it came to that."""

    def run() -> None:
        with failing(place, name, call, kill):
            box.build()

    return in_child(run) == -signal.SIGKILL


KILLS = {
    "kill_mid": (UNPACK._Writer, "take", 4),
    "kill_mid_picture": (UNPACK, "reading", 4),
    "kill_last_member": (UNPACK._Writer, "take", 8),
    "kill_before_unpacked_marker": (workspace.Workspace, "mark_staged", 1),
    "kill_mid_scan": (BUILD, "build_table", 1),
    "kill_before_publication": (workspace.Workspace, "publish", 1),
    "kill_between_rename_and_marker": (workspace, "sync_folder", 1),
}


@pytest.mark.parametrize("case", KILLS)
@pytest.mark.parametrize("published", [False, True], ids=["first", "again"])
def test_a_killed_build_is_healed_by_the_same_command(box: Sandbox, case: str, published: bool) -> None:
    """SIGKILL leaves nothing that the same command does not put right, to the byte."""
    if published:
        box.publish()
    box.plant_good()
    assert killed(box, *KILLS[case])
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


@pytest.mark.parametrize("published", [False, True], ids=["first", "again"])
def test_a_kill_at_any_rename_is_healed(box: Sandbox, published: bool) -> None:
    """Whichever rename is the last one done, what is published is whole or absent, and the same command heals it."""
    reached = 0
    for call in range(1, 40):
        if published:
            box.publish()
        box.plant_good()
        if not killed(box, os, "replace", call):
            break
        reached += 1
        if (box.home / "manifest.json").exists():
            assert verify(read(box.home / "manifest.csv"), full=True).ok
        assert box.build().fingerprint == box.fingerprint
        box.assert_good()
        if not published:
            remove(box.root)
    assert reached >= 9


@pytest.mark.parametrize("fault", [no_space, interrupt], ids=["disk_full", "ctrl_c"])
@pytest.mark.parametrize("published", [False, True], ids=["first", "again"])
def test_a_failure_at_any_rename_undoes_everything(box: Sandbox, fault: Callable[[], None], published: bool) -> None:
    """A disk that fills or a Ctrl-C at any rename leaves what was there before, to the byte."""
    if published:
        box.publish()
    box.plant_good()
    before = snapshot(box.path)
    expected = StorageError if fault is no_space else KeyboardInterrupt
    for call in range(1, 40):
        try:
            with failing(os, "replace", call, fault):
                box.build()
            break
        except expected:
            assert snapshot(box.path) == before
    assert call >= 9
    box.assert_good()


@pytest.mark.parametrize("published", [False, True], ids=["first", "again"])
def test_disk_full_by_file_size(box: Sandbox, published: bool) -> None:
    """A file that may not grow is a typed error; nothing half-written stays."""
    resource = pytest.importorskip("resource", reason="this system has no limit on the size of files")
    if published:
        box.publish()
    box.plant_good()
    before = snapshot(box.path)

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        box.build()

    assert in_child(run) == 2
    assert snapshot(box.path) == before
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


@pytest.mark.parametrize("size", ["1m", "3m", "4500k"])
def test_disk_full(box: Sandbox, disk: Callable[..., Path], size: str) -> None:
    """A small disk is a typed error whatever fills it, and is empty afterwards; with room the command succeeds."""
    disk(f"size={size}", box.root)
    box.raw.write_bytes(tarred())
    with pytest.raises(StorageError, match="disk is full"):
        box.build()
    assert snapshot(box.root) == {}
    subprocess.run(["mount", "-o", "remount,size=64m", str(box.root)], check=True)
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


def test_readonly_dir(box: Sandbox, disk: Callable[..., Path]) -> None:
    """A root that cannot be written to is a typed error."""
    disk("size=64m", box.root)
    box.plant_good()
    subprocess.run(["mount", "-o", "remount,ro", str(box.root)], check=True)
    with pytest.raises(StorageError, match="read-only"):
        box.build()
    subprocess.run(["mount", "-o", "remount,rw", str(box.root)], check=True)
    assert snapshot(box.root) == {}
    assert box.build().fingerprint == box.fingerprint


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT, errno.EMFILE, errno.ENOENT])
def test_a_refusal_of_the_disk_is_typed(box: Sandbox, code: int) -> None:
    """Whatever the disk says while a picture is unpacked becomes our error, and nothing stays."""

    def refuse() -> None:
        raise OSError(code, os.strerror(code), "a file")

    box.plant_good()
    before = snapshot(box.path)
    with failing(UNPACK._Writer, "_write", 5, refuse), pytest.raises(StorageError):
        box.build()
    assert snapshot(box.path) == before


@pytest.mark.parametrize("name", ["root", f"root/{ID}", f"root/{ID}/.building"])
def test_a_file_where_a_folder_should_be(box: Sandbox, name: str) -> None:
    """A file in the way is a typed error or, where it is our own staging, replaced."""
    box.plant_good()
    (box.path / name).parent.mkdir(parents=True, exist_ok=True)
    (box.path / name).write_text("in the way")
    if name.endswith(".building"):
        assert box.build().fingerprint == box.fingerprint
        return
    with pytest.raises(StorageError):
        box.build()
    assert (box.path / name).read_text() == "in the way"


def test_two_builds_at_once_do_not_hurt_each_other(box: Sandbox) -> None:
    """The second run is told that the first is at work, and touches neither its staging nor its lock."""
    box.plant_good()
    (box.home / ".building").mkdir(parents=True)
    (box.home / ".building" / "work").write_text("of the first")
    with exclusive(box.home / ".lock"):
        before = snapshot(box.root)
        for _ in range(2):
            with pytest.raises(StorageError, match="another run is at work"):
                box.build()
            assert snapshot(box.root) == before
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


def test_a_stale_lock_and_stale_parts_are_swept_up(box: Sandbox) -> None:
    """What killed runs leave does not stop the next one, nor does it stay."""
    box.publish()
    box.plant_good()
    for name in (".lock", ".manifest.csv.4711.part", ".building", ".old"):
        (box.home / name).mkdir() if name in {".building", ".old"} else (box.home / name).write_text("stale")
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


def test_a_torn_journal_is_no_obstacle(box: Sandbox) -> None:
    """A journal cut off in a character, or changed, is read as far as it is right."""
    box.plant_good()
    assert killed(box, BUILD, "build_table", 1)
    journal = box.home / ".building" / "scan.tsv"
    lines = journal.read_bytes()
    journal.write_bytes(flipped(lines, 3) + b"\xc3")
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


def test_a_bad_archive_after_a_kill_takes_nothing_of_the_good_one(box: Sandbox) -> None:
    """A staging folder that a killed build left is of that archive alone."""
    box.plant_good()
    assert killed(box, BUILD, "build_table", 1)
    box.raw.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(OccludedDatasetsError):
        box.build()
    assert not list(box.home.iterdir())


def test_a_kill_while_a_build_is_replaced_then_a_bad_archive(box: Sandbox) -> None:
    """Even if the next archive is bad, the build from before the kill comes back."""
    box.publish()
    before = snapshot(box.root)
    box.plant_good()
    for call in range(7, 13):
        assert killed(box, os, "replace", call)
        box.raw.write_bytes(b"PK\x03\x04 and no more")
        with pytest.raises(OccludedDatasetsError):
            build(ID, box.raw, box.root, replace=True)
        box.plant_good()
        assert snapshot(box.root) == before or verify(read(box.home / "manifest.csv"), full=True).ok
