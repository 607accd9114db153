"""A tiny registered dataset, a sandbox, and the one judge of every attack: `holds_the_promise`."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from tinyset import ID, NUMBERS

from occluded_datasets.errors import OccludedDatasetsError
from occluded_datasets.hashing import CHUNK
from occluded_datasets.images import encode
from occluded_datasets.manifest import read, verify
from occluded_datasets.prepare import build

RUNNER = Path(__file__).with_name("runner.py")
ALLOWED = (1 << 26) + 8 * CHUNK  # what a build may write before any limit stops it


def tree() -> dict[str, bytes]:
    """Return the set: seven small JPEGs, and in the middle and at the end a BMP of more than two chunks."""
    files = {}
    noise = np.random.default_rng(7)
    for folder in ("occluded_body_images", "whole_body_images"):
        for number, stem in enumerate(NUMBERS.names()):
            big = number == 3
            pixels = noise.integers(0, 256, (1024, 768, 3) if big else (16, 8, 3), np.uint8)
            files[f"Tiny/{folder}/{stem}{'.bmp' if big else '.jpg'}"] = encode(pixels, ".bmp" if big else ".jpg")
    assert len(files["Tiny/whole_body_images/002_002.bmp"]) >= 2 * CHUNK
    return files


class Sandbox(NamedTuple):
    """Folders of one attack: nothing but `root` may ever change, and `root` only by a build that succeeds."""

    path: Path
    good: Path
    text: bytes
    fingerprint: str

    @property
    def root(self) -> Path:
        return self.path / "root"

    @property
    def home(self) -> Path:
        return self.root / ID

    @property
    def raw(self) -> Path:
        return self.path / "inbox" / "archive"

    @property
    def outside(self) -> Path:
        return self.path / "outside"

    def build(self, **options: Any) -> Any:
        return build(ID, self.raw, self.root, replace=True, **options)

    def plant_good(self) -> None:
        remove(self.raw)
        shutil.copy(self.good / "good.zip", self.raw)

    def publish(self) -> None:
        """Put a good build, made before, under the root."""
        remove(self.root)
        shutil.copytree(self.good / "root", self.root)

    def assert_good(self) -> None:
        """What is published is the clean build's to the byte, and nothing lies about."""
        assert (self.home / "manifest.csv").read_bytes() == self.text
        manifest = read(self.home / "manifest.csv")
        assert manifest.fingerprint == self.fingerprint
        assert verify(manifest, full=True).ok
        assert {path.name for path in self.home.iterdir()} == {
            "raw", "manifest.csv", "manifest.json", ".stat.tsv", ".build.json"
        }  # fmt: skip


def remove(path: Path) -> None:
    """Remove a file or a tree."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return every name below a folder with its kind, mode and bytes; links are not followed."""
    found: dict[str, tuple[object, ...]] = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = Path(place, name)
            key = path.relative_to(folder).as_posix()
            if path.is_symlink():
                found[key] = ("link", os.readlink(path))
            elif path.is_file():
                found[key] = ("file", path.stat().st_mode, hashlib.sha256(path.read_bytes()).hexdigest())
            else:
                found[key] = ("folder", path.stat().st_mode)
    return found


def written() -> int:
    """Return the bytes this process has written so far, where the system counts them."""
    try:
        lines = Path("/proc/self/io").read_text("ascii").splitlines()
    except OSError:
        return 0
    return int(next(line for line in lines if line.startswith("wchar")).split()[1])


def cli(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``occreid-prepare`` with the tiny set known to it, in a process of its own."""
    command = [sys.executable, str(RUNNER), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)


def in_child(action: Callable[[], object]) -> int:
    """Run `action` in a forked process and return how it ended: a signal is negative, a typed error 2, others 3."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    pid = os.fork()
    if not pid:
        code = 3
        try:
            action()
            code = 0
        except OccludedDatasetsError:
            code = 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_an_answer(error: OccludedDatasetsError, says: str = "") -> None:
    """A message says what, why and what to do next, exits other than 0, and is about this fault."""
    assert error.what
    assert error.why
    assert error.next_command
    assert error.exit_code != 0
    assert says.lower() in str(error).lower()


def holds_the_promise(box: Sandbox, plant: Callable[[], object], error: type, says: str = "", **options: Any) -> None:
    """The attack that `plant` puts at ``box.raw`` gets a typed error and changes nothing, with and without a good
    build before it, twice in a row; then the same command with the good archive succeeds.
    """
    for published in (False, True):
        if published:
            box.publish()
        remove(box.raw)
        plant()
        before = snapshot(box.path)
        for _ in range(2):
            count = written()
            with pytest.raises(error) as caught:
                box.build(**options)
            is_an_answer(caught.value, says)
            assert snapshot(box.path) == before
            assert written() - count <= ALLOWED
        if published:
            assert verify(read(box.home / "manifest.csv"), full=True).ok
        box.plant_good()
        assert box.build(**options).fingerprint == box.fingerprint
        box.assert_good()
        remove(box.root)


def holds_on_the_command_line(box: Sandbox, plant: Callable[[], object], error: type, says: str = "") -> None:
    """The same through ``occreid-prepare build --json``: one object, an exit status, no traceback, nothing changed."""
    remove(box.raw)
    plant()
    before = snapshot(box.path)
    done = cli("build", ID, "--raw", box.raw, "--root", box.root, "--json")
    record = json.loads(done.stdout)["error"]
    assert done.returncode == record["exit_code"] != 0
    assert record["type"] in {kind.__name__ for kind in (error, *error.__subclasses__())}
    assert says.lower() in f"{record['what']} {record.get('why', '')}".lower()
    assert "Traceback" not in done.stderr
    assert snapshot(box.path) == before


def failing_at(function: Callable[..., Any], call: int, fault: Callable[[], object]) -> Callable[..., Any]:
    """Return `function`, which at its n-th call does what `fault` does first."""
    calls = itertools.count(1)

    def run(*args: Any, **options: Any) -> Any:
        if next(calls) == call:
            fault()
        return function(*args, **options)

    return run


def no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")
