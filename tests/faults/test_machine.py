"""Faults of the machine, for real where the platform lets: disks that fill, read-only folders, two runs, odd clocks."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from pathlib import Path

import pytest
import server as play
from faultkit import RUNNER, Sandbox
from fetchkit import IMPATIENT, Site
from tinyset import ID

from occluded_datasets.acquire import agreements
from occluded_datasets.acquire import pins as judge
from occluded_datasets.errors import FetchError, StorageError
from occluded_datasets.manifest import read, verify

YEAR = 365 * 86400
Disk = Callable[..., Path]


@pytest.mark.parametrize("size", ["1m", "3m", "5m"])
def test_a_disk_too_small_for_a_download(site: Site, disk: Disk, size: str) -> None:
    """It is said before the first byte, nothing stays, and with room the same call succeeds."""
    disk(f"size={size}", site.root)
    for _ in range(2):
        with pytest.raises(StorageError, match="no room"):
            site.fetch()
        assert not site.target.exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(site.root)], check=True)
    site.heals()


def test_a_disk_that_fills_during_a_download(site: Site, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the room that was there is gone on the way, the disk's refusal is typed and no part stays to fill it."""
    monkeypatch.setattr("occluded_datasets.acquire.download.RESERVE", 0)
    disk(f"size={len(site.truth) // 1024 + 600}k", site.root)
    eaten: list[Path] = []

    def eats(stage: str, done: int, total: int) -> None:
        if done > 1 << 21 and not eaten:
            eaten.append(site.root / "other")
            eaten[0].write_bytes(bytes(1 << 20))

    with pytest.raises(StorageError, match="disk is full"):
        site.fetch(progress=eats)
    assert eaten
    assert not site.target.exists()
    eaten[0].unlink()
    site.heals()


def test_a_disk_that_fills_while_a_copy_is_adopted(site: Site, disk: Disk, truth_file: Path) -> None:
    """A copy got by hand needs its room too."""
    disk("size=2m", site.root)
    with pytest.raises(StorageError, match="disk is full"):
        site.fetch(by_hand=truth_file)
    assert not site.target.exists()
    subprocess.run(["mount", "-o", "remount,size=64m", str(site.root)], check=True)
    assert site.fetch(by_hand=truth_file).how == "by hand"


def test_a_read_only_disk(site: Site, disk: Disk) -> None:
    """Nothing can be fetched onto it; what is there already is found."""
    disk("size=64m", site.root)
    subprocess.run(["mount", "-o", "remount,ro", str(site.root)], check=True)
    with pytest.raises(StorageError, match="read-only"):
        site.fetch()
    subprocess.run(["mount", "-o", "remount,rw", str(site.root)], check=True)
    site.heals()
    subprocess.run(["mount", "-o", "remount,ro", str(site.root)], check=True)
    assert site.fetch().how == "already there"


def test_two_builds_at_once(box: Sandbox) -> None:
    """Of three processes each builds the right set or says that another is at work; none hurts another."""
    box.plant_good()
    command = [sys.executable, RUNNER, "build", ID, "--raw", box.raw, "--root", box.root]
    pipe = subprocess.PIPE
    runs = [subprocess.Popen([*map(str, command)], stdout=pipe, stderr=pipe, text=True) for _ in range(3)]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    assert any(code == 0 for _, code in ends), ends
    assert all(code == 0 or (code == 2 and "another run is at work" in text) for text, code in ends), ends
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_a_clock_that_jumps(site: Site, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    """Neither a part nor a record from what seems another year keeps the right file away or lets a wrong one in."""
    site.server.plays(play.stalls)
    with pytest.raises(FetchError):
        site.fetch(policy=IMPATIENT)
    for path in site.target.parent.iterdir():
        os.utime(path, (time.time() - jump, time.time() - jump))
    jumped(monkeypatch, jump)
    site.heals()
    assert "Range" in site.server.asked[0][1]
    monkeypatch.undo()
    os.utime(site.target, (time.time() + jump, time.time() + jump))
    assert site.fetch().how == "already there"
    site.target.write_bytes(site.truth[:9999] + bytes([site.truth[9999] ^ 1]) + site.truth[10000:])
    os.utime(site.target, (time.time() + jump, time.time() + jump))
    site.server.plays(play.flipped)
    with pytest.raises(FetchError):
        site.fetch()


def jumped(patch: pytest.MonkeyPatch, seconds: int) -> None:
    """Let this process think that it is another year; the clock of the machine is not ours to set."""
    real = time.time

    class Then(datetime):
        @classmethod
        def now(cls, tz: timezone | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(real() + seconds, tz)

    patch.setattr(time, "time", lambda: real() + seconds)
    for module in (agreements, judge):
        patch.setattr(module, "datetime", Then)


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_a_date_to_come_back_at(site: Site, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    """A server's date that our clock takes for next year is an answer, not a wait; one long past is no wait."""
    now = format_datetime(datetime.now(timezone.utc), usegmt=True)
    site.server.plays(play.whole(b"busy", 503, Retry_After=now), play.good)
    jumped(monkeypatch, jump)
    if jump > 0:
        site.is_true(site.fetch())
        return
    with pytest.raises(FetchError, match="come back after"):
        site.fetch()
    site.heals()


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_a_build_under_another_clock(box: Sandbox, jump: int) -> None:
    """Files from what seems another year are neither trusted for it nor refused."""
    box.publish()
    box.plant_good()
    when = time.time() + jump
    os.utime(box.raw, (when, when))
    assert box.build().fingerprint == box.fingerprint
    os.utime(box.home / "raw" / "Tiny" / "whole_body_images" / "001_001.jpg", (when, when))
    picture = box.home / "raw" / "Tiny" / "whole_body_images" / "001_002.jpg"
    data = picture.read_bytes()
    picture.write_bytes(data[:-1] + b"\0")
    os.utime(picture, (when, when))
    assert not verify(read(box.home / "manifest.csv")).ok
    assert box.build().fingerprint == box.fingerprint
    box.assert_good()
