"""Trees that a test may break, and a doctor that is taken at its word."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doctorkit import See, Trees, state

import occluded_datasets as od


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory, cheap_tree: Callable[..., Path]) -> Trees:
    """Return a function from a dataset to its whole tree with the true names, written once."""
    made: dict[str, Path] = {}

    def original(dataset: str) -> Path:
        if dataset not in made:
            made[dataset] = cheap_tree(dataset, None, 200, tmp_path_factory.mktemp(dataset))
        return made[dataset]

    return original


@pytest.fixture
def tree(originals: Trees, tmp_path: Path) -> Trees:
    """Return a function from a dataset to a copy of its tree that a test may break."""

    def copy(dataset: str) -> Path:
        source = originals(dataset)
        return Path(shutil.copytree(source, tmp_path / "in" / source.name, copy_function=os.link))

    return copy


@pytest.fixture
def see(command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> See:
    """Return a function that has a path diagnosed, checks that nothing changed, and runs the next command.

    `verdict` is what the built manifest must say; `file` takes the place of the placeholder FILE.
    """
    monkeypatch.setenv("OCCREID_ROOT", str(tmp_path / "nothing"))
    monkeypatch.delenv("OCCREID_ARCHIVE_PASSWORD", raising=False)

    def run(path: object, code: int, dataset: str | None, file: str = "FILE") -> dict[str, Any]:
        out = tmp_path / f"out {len(list(tmp_path.glob('out *')))}"
        before = state(tmp_path)
        said = command("doctor", path, "--json")
        assert said.code == code, said.out + said.err
        assert state(tmp_path) == before
        found: dict[str, Any] = said.json()
        assert found["dataset"] == dataset
        assert found["ok"] is (code == 0)
        words = shlex.split(found["next_command"])
        assert words[0] == "occreid-prepare"
        words = [file if word == "FILE" else word for word in words[1:]]
        rooted = words[0] in ("build", "verify", "split")
        done = command(*words, *(["--root", out] if rooted else []))
        assert done.code == 0, done.err
        if words[0] == "build":
            assert od.load(found["dataset"], out).verdict == found["verdict"]
            assert (found["verdict"] == "complete") or code
        return found

    return run
