"""Packs of a whole set, killed at random moments and healed by the same command."""

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
from killkit import KILLS, Tally

from occluded_datasets.catalog import get
from occluded_datasets.images import encode
from occluded_datasets.manifest import Manifest, read
from occluded_datasets.prepare import build
from occluded_datasets.store import Store, pack
from occluded_datasets.store.layout import CHECKED

START = "import sys\nfrom occluded_datasets import store\nprint('up', flush=True)\n"
RUN = START + "from occluded_datasets.cli import main\nmain(sys.argv[1:])\n"
pytestmark = [pytest.mark.kills, pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX")]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return Partial-REID under all its 900 names, noise under each."""
    noise, tree = np.random.default_rng(5), tmp_path_factory.mktemp("raw") / "Partial-REID_Dataset"
    for part in get("partial-reid").parts:
        (tree / part.folder).mkdir(parents=True)
        for stem in part.numbering.names():  # type: ignore[union-attr]
            pixels = noise.integers(0, 256, (64, 32, 3), np.uint8)
            (tree / part.folder / f"{stem}.jpg").write_bytes(encode(pixels, ".jpg"))
    return read(Path(build("partial-reid", tree, tree.parent / "data").manifest))


@pytest.mark.parametrize("options", [("--size", "256x128"), ("--encoded",)], ids=["pixels", "encoded"])
def test_random_kills_are_healed(manifest: Manifest, tmp_path: Path, options: tuple[str, ...]) -> None:
    """Killed at any moment, what is at the final path is absent or whole, and the same command makes it whole."""
    given: dict[str, object] = {"encoded": True} if options == ("--encoded",) else {"size": (256, 128)}
    began = time.monotonic()
    pack(manifest, tmp_path / "clean", **given)  # type: ignore[arg-type]
    length = time.monotonic() - began
    expected = {path.name: path.read_bytes() for path in (tmp_path / "clean").iterdir()}
    remove(tmp_path / "clean")
    chance, tally = random.Random(12), Tally(f"pack {options[0]}")
    out = tmp_path / "store"
    command = [sys.executable, "-c", RUN, "pack", str(manifest.path), "--out", str(out), *options]

    def healed() -> None:
        if out.exists():
            assert Store.open(out).verify() == []
        pack(manifest, out, **given)  # type: ignore[arg-type]
        assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != CHECKED} == expected
        assert [path.name for path in tmp_path.iterdir()] == ["store"]

    for _ in range(KILLS):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout
        process.stdout.readline()
        moment = chance.uniform(0, 0.3 + length * 1.5)
        time.sleep(moment)
        process.kill()
        died = process.wait() == -signal.SIGKILL
        process.stdout.close()
        tally.judge(died, moment, healed)
        remove(out)
    tally.close()
