"""Loading what was built: by id, by path, and with the roots that its rows name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import occluded_datasets as od
from occluded_datasets.errors import UnknownNameError, UsageError
from occluded_datasets.manifest import Manifest, write

A = {"image_id": "a", "pid": "1"}
B = {"image_id": "b", "pid": "2", "root": "market-1501", "path": "raw/b.jpg"}
Make = Callable[..., Manifest]


@pytest.fixture
def home(make_manifest: Make, tmp_path: Path) -> Path:
    """Return a data root with a published set."""
    write(make_manifest([A]), tmp_path / "partial-reid" / "manifest.csv")
    return tmp_path


@pytest.mark.parametrize("inner", ["", "manifest.csv"])
def test_a_manifest_is_loaded_by_path(home: Path, inner: str) -> None:
    """The table or the folder that holds it, as text or as a path."""
    place = home / "partial-reid" / inner
    for path in (place, str(place)):
        assert od.load(path).dataset == "partial-reid"


def test_a_folder_with_parquet_is_loaded(make_manifest: Make, tmp_path: Path) -> None:
    """A folder whose table is Parquet is a manifest's folder too."""
    write(make_manifest([A]), tmp_path / "manifest.parquet")
    assert len(od.load(tmp_path)) == 1


def test_a_manifest_is_loaded_by_id(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the root that is said, else below ``$OCCREID_ROOT``."""
    assert len(od.load("partial-reid", root=home)) == 1
    monkeypatch.setenv("OCCREID_ROOT", str(home))
    assert od.load("partial-reid").path == home / "partial-reid" / "manifest.csv"


def test_what_was_not_built_says_how_to_build_it(home: Path) -> None:
    """A known set without a manifest is a usage error with the command; an unknown one is told its nearest name."""
    with pytest.raises(UsageError, match="occreid-prepare build market-1501 --raw PATH"):
        od.load("market-1501", root=home)
    with pytest.raises(UnknownNameError, match="Did you mean partial-reid"):
        od.load("partialreid", root=home)


def test_named_roots_are_found_below_the_data_root(make_manifest: Make, home: Path) -> None:
    """A root is the published set of the fingerprint that the manifest names, else what the user says, else unknown."""
    parent = make_manifest([{"image_id": "m", "pid": "7"}], "market-1501")
    write(parent, home / "market-1501" / "manifest.csv")
    for name, known in (("right", parent.fingerprint), ("wrong", "0" * 64)):
        write(make_manifest([A, B], roots={"market-1501": known}), home / name / "manifest.csv")
    assert od.load(home / "right", root=home).file("b") == home / "market-1501" / "raw" / "b.jpg"
    assert od.load(home / "right", root=home).file("a") == home / "right" / "raw" / "a.jpg"
    with pytest.raises(UsageError, match="--source market-1501=PATH"):
        od.load(home / "wrong", root=home).file("b")
    said = od.load(home / "wrong", root=home, sources={"market-1501": home / "x"})
    assert said.file("b") == home / "x" / "raw" / "b.jpg"
