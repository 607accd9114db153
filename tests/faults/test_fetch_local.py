"""The named cases of fetching that this machine plays: disk, kills, locks, what lies there already."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import server as play
from faultkit import in_child, is_an_answer
from fetchkit import NAME, Site
from killkit import KILLS, Tally

from occluded_datasets.acquire import download
from occluded_datasets.acquire.fetch import _Fetch
from occluded_datasets.errors import FetchError, StorageError

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from types import SimpleNamespace
from fetchkit import Site
import occluded_datasets.acquire.fetch, requests
from occluded_datasets.errors import OccludedDatasetsError
site = Site(Path(sys.argv[2]), SimpleNamespace(payload=Path(sys.argv[4]).read_bytes()), sys.argv[5] == "pinned")
print("up", flush=True)
try:
    site.fetch(sys.argv[3])
except OccludedDatasetsError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def child(site: Site, payload: Path) -> subprocess.Popen[str]:
    """Start a fetch in a process of its own and return it once it has begun."""
    pin = "pinned" if site.pinned else "bare"
    command = [sys.executable, "-c", CHILD, Path(__file__).parent, site.path, site.server.url(), payload, pin]
    pipe = subprocess.PIPE
    process = subprocess.Popen([*map(str, command)], stdout=pipe, stderr=pipe, text=True)
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    return process


@pytest.mark.kills
@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")
def test_kill_mid_download(site: Site, truth_file: Path) -> None:
    """Killed at any moment, the same call brings the right file, with no cleaning by hand."""
    chance, tally = random.Random(3), Tally(f"fetch, {'with a pin' if site.pinned else 'without a pin'}")

    def healed() -> None:
        if site.target.exists():
            assert site.target.read_bytes() == site.truth
        site.heals()

    for _ in range((KILLS + 1) // 2):  # the other half is the same without, or with, a pin
        site.server.plays(play.pauses(0.004))
        process = child(site, truth_file)
        moment = chance.uniform(0, 0.25)
        time.sleep(moment)
        process.kill()
        died = process.wait() == -signal.SIGKILL
        process.communicate()
        tally.judge(died, moment, healed)
        for path in site.target.parent.iterdir():
            path.unlink()
    tally.close()


def test_two_processes(site: Site, truth_file: Path) -> None:
    """Of two fetches at once each brings the right file or says that another is at work."""
    site.server.plays(play.pauses(0.004))
    runs = [child(site, truth_file) for _ in range(3)]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    assert any(code == 0 for _, code in ends), ends
    assert all(code == 0 or "StorageError" in text for text, code in ends), ends
    site.heals()


def test_two_processes_without_a_lock(site: Site) -> None:
    """Correctness does not rest on the lock: another run that clears our part away costs an error, no wrong file."""

    def thief(h: play.Handler) -> None:
        play.half_length(h)
        for part in site.target.parent.glob(".*.part*"):
            part.unlink()

    site.server.plays(thief, play.good)
    site.is_true(site.fetch())


def test_stale_lock(site: Site) -> None:
    """A lock file that nobody holds stops nobody."""
    site.target.parent.mkdir(parents=True)
    (site.target.parent / ".lock").write_text("12345")
    site.heals()


def test_umask_mode(site: Site) -> None:
    """The file has the mode that the user's umask asks for, not the one of a temporary file."""
    if os.name != "posix":
        pytest.skip("modes are POSIX")
    before = os.umask(0o027)
    try:
        site.heals()
    finally:
        os.umask(before)
    assert stat.S_IMODE(site.target.stat().st_mode) == 0o640


def test_disk_full(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room before, and none left on the way: a StorageError, no part that fills the disk, and nothing published."""
    usage = shutil.disk_usage(site.path)
    for patch in (
        lambda m: m.setattr(download.shutil, "disk_usage", lambda path: usage._replace(free=1 << 20)),
        lambda m: m.setattr(download.os, "fsync", raises(errno.ENOSPC)),
    ):
        with monkeypatch.context() as patched:
            patch(patched)
            with pytest.raises(StorageError) as caught:
                site.fetch()
            is_an_answer(caught.value, "disk")
        assert not site.target.exists()
        assert not list(site.target.parent.glob(".*.part"))
    site.heals()


def raises(code: int) -> Callable[..., Any]:
    """Return a function that fails as the system does."""

    def fail(*_: Any) -> None:
        raise OSError(code, os.strerror(code), "a file")

    return fail


def test_readonly_dir(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be written to is a StorageError; a file that is there is still found."""
    site.heals()
    kept = site.target.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("occluded_datasets.acquire.fetch.exclusive", raises(errno.EROFS))
        assert site.fetch(offline=True).how == "already there"
        os.rename(site.target, site.path / "away")
        with pytest.raises(StorageError, match="read-only"):
            site.fetch()
    site.target.parent.mkdir(parents=True, exist_ok=True)
    os.rename(site.path / "away", site.target)
    assert site.target.read_bytes() == kept


def test_readonly_dir_for_real(site: Site) -> None:
    """The same with a folder whose mode forbids it."""
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    site.target.parent.mkdir(parents=True)
    site.target.parent.chmod(0o555)
    try:
        with pytest.raises(StorageError, match="permission"):
            site.fetch()
    finally:
        site.target.parent.chmod(0o755)
    site.heals()


@pytest.mark.parametrize("act", [play.flipped, play.half_length, play.whole(b"no", 404)])
def test_existing_good_file_kept(site: Site, act: play.Act) -> None:
    """A file that is right is not asked for again, and no server can spoil it."""
    site.heals()
    before = site.target.stat()
    site.server.plays(act)
    assert site.fetch().how == "already there"
    assert (site.server.asked, site.target.stat()) == ([], before)


def test_a_spoilt_file_is_replaced(site: Site) -> None:
    """A file that is no longer what was published is found out, and fetched again; a fault then leaves it alone."""
    site.heals()
    spoilt = bytearray(site.truth)
    spoilt[9999] ^= 1
    site.target.write_bytes(spoilt)
    site.server.plays(play.whole(b"no", 404))
    with pytest.raises(FetchError, match="404"):
        site.fetch()
    with pytest.raises(FetchError, match="offline"):
        site.fetch(offline=True)
    result = site.heals()
    assert any("what lay there" in note for note in result.notes)


def test_offline_complete(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the file is there no socket is opened; before, --offline says what is missing, and opens none either."""
    with monkeypatch.context() as patched:
        patched.setattr(socket, "socket", raises(errno.ENETDOWN))
        with pytest.raises(FetchError, match="offline") as caught:
            site.fetch(offline=True)
        assert NAME in str(caught.value)
    site.heals()
    monkeypatch.setattr(socket, "socket", raises(errno.ENETDOWN))
    assert site.fetch(offline=True).how == "already there"
    assert site.fetch().how == "already there"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"url": 1}', b'{"url":"","validator":"x","total":-1}', b"\xff"])
def test_a_sidecar_that_is_none(site: Site, text: bytes) -> None:
    """Whatever a sidecar holds, the file is right."""
    site.target.parent.mkdir(parents=True)
    part = site.target.parent / f".{NAME}.0123456789abcdef.part"
    part.write_bytes(b"PK\x03\x04 something")
    part.with_name(f"{part.name}.json").write_bytes(text)
    site.heals()


def test_ctrl_c(site: Site) -> None:
    """Interrupted, nothing is published and the same call goes on."""

    def interrupted(stage: str, done: int, total: int) -> None:
        if done > 1 << 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        site.fetch(progress=interrupted)
    assert not site.target.exists()
    site.heals()
    assert "Range" in site.server.asked[0][1]


def test_killed_before_the_rename(site: Site) -> None:
    """A file that was whole but not yet named is judged and named by the next run."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_Fetch, "_publish", lambda *args: os._exit(9))
        assert in_child_quietly(site) == 9
    assert not site.target.exists()
    site.heals()


def in_child_quietly(site: Site) -> int:
    """Run the fetch in a forked process."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return in_child(site.fetch)
