"""What several tests share: cheap twins, hand-written manifests and the command line."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.manifest import Manifest, header_of, to_frame, to_text
from occluded_datasets.twin.plan import plan

ROOT = Path(__file__).resolve().parents[1]


class Ran(NamedTuple):
    """What a command left: its exit status and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return the one JSON object on stdout."""
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are as wide as they like, whatever terminal the tests run in."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Return a function that runs ``occreid-prepare`` with arguments, in this process."""
    from occluded_datasets.cli import main

    return _runner(main, capsys)


@pytest.fixture
def afpb(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Return a function that runs ``occreid-afpb`` with arguments, in this process."""
    from occluded_datasets.cli.afpb import main

    return _runner(main, capsys)


def _runner(main: Callable[[list[str]], None], capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Ran(int(left.value.code or 0), said.out, said.err)

    return run


@pytest.fixture(scope="session")
def python() -> Callable[..., str]:
    """Return a function that runs a line of Python in a fresh interpreter and returns what it prints."""
    import subprocess

    def run(code: str, *path: Path) -> str:
        places = os.pathsep.join(map(str, (*path, ROOT)))
        env = {**os.environ, "PYTHONPATH": places, "PYTHONWARNINGS": "error"}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture(scope="session")
def cheap_tree() -> Callable[..., Path]:
    """Return a function that writes the twin of a set with pictures of a few pixels, and returns its top folder.

    Names, folders, formats and lists are the twin's; pixels are noise by name, so that a suite over every set costs
    no rendering.
    """
    import numpy as np

    from occluded_datasets.images import encode

    def write(dataset: str, variant: str | None, ids: int, out: Path, lists: bool = True) -> Path:
        facts = catalog.get(dataset)
        chosen = facts.variant(variant)
        pictures = plan(facts, chosen, ids, 0)
        for picture in pictures:
            path = out / picture.name
            path.parent.mkdir(parents=True, exist_ok=True)
            noise = hashlib.sha256(picture.name.encode()).digest() * 12
            pixels = np.frombuffer(noise, np.uint8)[:384].reshape(16, 8, 3)
            path.write_bytes(encode(np.ascontiguousarray(pixels), path.suffix))
        for name, folder in facts.lists if lists else ():
            own = [picture.name.split("/", 1)[1] for picture in pictures if f"/{folder}/" in picture.name]
            (out / facts.tree / name).write_bytes("\r\n".join(own).encode())
        (out / facts.tree / "Readme.txt").write_bytes(b"A twin.\r\n")
        (out / facts.tree / ".DS_Store").write_bytes(b"\0")
        return out / facts.tree

    return write


@pytest.fixture(scope="module")
def built(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cheap_tree: Callable[..., Path]
) -> Callable[..., Manifest]:
    """Return a function that gives a set of as many identities as the test's module says, built once."""
    known: dict[tuple[str, str | None], Manifest] = {}

    def make(dataset: str, variant: str | None = None) -> Manifest:
        if (dataset, variant) not in known:
            folder = tmp_path_factory.mktemp("set")
            tree = cheap_tree(dataset, variant, request.module.IDENTITIES, folder)
            done = od.build(dataset, tree, folder / "data", variant, allow_subset=True)
            known[dataset, variant] = od.load(done.manifest)
        return known[dataset, variant]

    return make


DEFAULTS = {
    "image_id": "",
    "root": "",
    "path": "",
    "pid": "1",
    "camid": "",
    "camid_source": "none",
    "body": "full",
    "split": "",
    "role": "",
    "group": "",
    "width": "64",
    "height": "128",
    "bytes": "1000",
    "sha256": "",
    "pixel_sha256": "",
    "visible_fraction": "",
    "visibility_source": "unknown",
}


def _texts(rows: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """Return the columns of a table whose rows say what differs from `DEFAULTS`."""
    full = []
    for row in rows:
        name = row["image_id"]
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        full.append({**DEFAULTS, "path": f"raw/{name}.jpg", "sha256": digest, "pixel_sha256": digest, **row})
    names = list(full[0]) if full else list(DEFAULTS)
    order = [name for name in DEFAULTS if name in names] + [name for name in names if name not in DEFAULTS]
    return {name: [row[name] for row in full] for name in order}


@pytest.fixture(scope="session")
def make_texts() -> Callable[[Sequence[dict[str, str]]], dict[str, list[str]]]:
    """Return a function from rows, each a mapping of what differs from a plain row, to a table of text."""
    return _texts


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    """Return a function from such rows to a `Manifest` in memory."""

    def make(rows: Sequence[dict[str, str]], dataset: str = "partial-reid", **facts: Any) -> Manifest:
        texts = _texts(rows)
        said = {"dataset": dataset, "variant": "full", "verdict": "complete", **facts}
        return Manifest(to_frame(texts), header_of(texts, to_text(texts), said))

    return make
