"""The sandbox of every attack and the clean build it is compared with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import faultkit
import hostile
import pytest
import tinyset
from fetchkit import Site
from server import Server, serving

from occluded_datasets import catalog
from occluded_datasets.hashing import CHUNK
from occluded_datasets.prepare import build


@pytest.fixture(autouse=True)
def tiny() -> Iterator[None]:
    """Register the tiny set for one test."""
    tinyset.register()
    yield
    catalog.unregister(tinyset.ID)


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with ``good.zip`` and ``root``, a build of it."""
    folder = tmp_path_factory.mktemp("good")
    (folder / "good.zip").write_bytes(hostile.zipped())
    tinyset.register()
    build(tinyset.ID, folder / "good.zip", folder / "root")
    return folder


@pytest.fixture
def box(tmp_path: Path, good: Path) -> faultkit.Sandbox:
    """Return a fresh sandbox: an inbox, a victim outside the root, and no root yet."""
    from occluded_datasets.manifest import read

    for name in ("inbox", "outside"):
        (tmp_path / "sandbox" / name).mkdir(parents=True)
    (tmp_path / "sandbox" / "outside" / "victim.txt").write_text("as it was")
    table = good / "root" / tinyset.ID / "manifest.csv"
    return faultkit.Sandbox(tmp_path / "sandbox", good, table.read_bytes(), read(table).fingerprint)


@pytest.fixture(scope="session")
def payload() -> bytes:
    """Return a zip of the tiny set, over two chunks long."""
    data = hostile.zipped()
    assert len(data) >= 2 * CHUNK
    return data


@pytest.fixture
def server(payload: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Return a server on 127.0.0.1 that no proxy stands before."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with serving(payload) as running:
        yield running


@pytest.fixture(params=[True, False], ids=["pinned", "bare"])
def site(request: pytest.FixtureRequest, tmp_path: Path, server: Server) -> Site:
    """Return a site whose file has a known hash, and one whose file has none."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "victim.txt").write_text("as it was")
    return Site(tmp_path, server, request.param)


@pytest.fixture
def truth_file(tmp_path: Path, payload: bytes) -> Path:
    """Return the right file, got by hand."""
    path = tmp_path / "outside" / "got-by-hand.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(payload)
    return path


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Return a function that mounts a small disk of its own at a folder, or skips the test."""
    places: list[Path] = []

    def mount(options: str, place: Path) -> Path:
        place.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except OSError as error:
            pytest.skip(f"mount cannot be run: {error}")
        if done.returncode:
            pytest.skip("mounting a disk is not permitted here")
        if place not in places:
            places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", str(place)], check=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of how many guards a case fails once they are off, and which are missed by all."""
    ends = {kind: [one for one in terminalreporter.getreports(kind) if "guards" in getattr(one, "keywords", ())]
            for kind in ("passed", "failed", "skipped")}  # fmt: skip
    whole = sum(map(len, ends.values()))
    if whole:
        terminalreporter.write_line(f"guards: {len(ends['passed'])} of {whole} switched off make a case fail")
        for one in ends["failed"] + ends["skipped"]:
            terminalreporter.write_line(f"  {one.outcome}: {one.nodeid}")
