"""Builds of a whole set, killed at random moments and healed by the same command."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from faultkit import remove
from hostile import zipped
from killkit import KILLS, Tally

from occluded_datasets.catalog import get
from occluded_datasets.images import encode
from occluded_datasets.manifest import read, verify
from occluded_datasets.prepare import build

START = "import sys\nfrom occluded_datasets import prepare\nprint('up', flush=True)\n"
RUN = START + "from occluded_datasets.cli import main\nmain(sys.argv[1:])\n"
pytestmark = [pytest.mark.kills, pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a zip of all 900 names of Partial-REID, small noise under each."""
    noise = np.random.default_rng(5)
    files = {
        f"Partial-REID_Dataset/{part.folder}/{stem}.jpg": encode(noise.integers(0, 256, (32, 16, 3), np.uint8), ".jpg")
        for part in get("partial-reid").parts
        for stem in part.numbering.names()  # type: ignore[union-attr]
    }
    path = tmp_path_factory.mktemp("raw") / "Partial-REID_Dataset.zip"
    path.write_bytes(zipped(files=files))
    return path


def test_random_kills_are_healed(archive: Path, tmp_path: Path) -> None:
    """Killed at any moment, the same command gives the clean build's manifest to the byte."""
    began = time.monotonic()
    build("partial-reid", archive, tmp_path / "clean")
    length = time.monotonic() - began
    expected = (tmp_path / "clean" / "partial-reid" / "manifest.csv").read_bytes()
    header = (tmp_path / "clean" / "partial-reid" / "manifest.json").read_bytes()
    chance, tally = random.Random(11), Tally("unpack and build")
    home = tmp_path / "root" / "partial-reid"
    command = [sys.executable, "-c", RUN, "build", "partial-reid", "--raw", archive, "--root", tmp_path / "root"]

    def healed() -> None:
        if (home / "manifest.json").exists():
            assert verify(read(home / "manifest.csv"), full=True).ok
        build("partial-reid", archive, tmp_path / "root", replace=True)
        assert (home / "manifest.csv").read_bytes() == expected
        assert (home / "manifest.json").read_bytes() == header
        assert verify(read(home / "manifest.csv"), full=True).ok
        assert len(list(home.iterdir())) == 5

    for number in range(KILLS):
        process = subprocess.Popen([*map(str, command), "--replace"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout
        process.stdout.readline()
        moment = chance.uniform(0, length * 1.5)
        time.sleep(moment)
        process.kill()
        died = process.wait() == -signal.SIGKILL
        process.stdout.close()
        tally.judge(died, moment, healed)
        if number % 2:
            remove(home)
        else:
            os.utime(archive)  # the source looks new: the next run replaces this build
    tally.close()
