"""A ninth set from outside: one record, and everything works."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.catalog import Count, Dataset, Form, Part, Source, Terms, Variant
from occluded_datasets.errors import ManifestError
from occluded_datasets.twin import Twin, twin

NINTH = Dataset(
    id="ninth-set",
    title="Ninth",
    paper="Nobody: Nothing. 2026",
    year=2026,
    bibtex="@misc{ninth2026,\n  title = {Nothing},\n  year = {2026}\n}",
    status="by form",
    status_note="Ask nobody.",
    terms=Terms("None.", "this test"),
    sources=(Source("ninth.zip"),),
    tree="Ninth",
    parts=(
        Part("hidden", "occluded", "probe", "", (Form(("hidden",), r"(?P<pid>\d+)-(?P<x_shot>\d+)"),),
             Count(8, 4, "documented"), twin="{pid}-{index}", size=(16, 16, 32, 32)),
        Part("plain", "full", "gallery", "", (Form(("plain",), r"(?P<pid>\d+)-(?P<x_shot>\d+)"),),
             Count(8, 4, "documented"), twin="{pid}-{index}", size=(16, 16, 32, 32)),
    ),
    variants=(Variant("full", "all", ("hidden", "plain"), Count(16, 4, "documented")),),
    extension=".png",
)  # fmt: skip


@pytest.fixture
def ninth() -> Iterator[Dataset]:
    """Register the set for one test."""
    yield od.register(NINTH)
    catalog.unregister("ninth-set")


def test_a_registered_set_is_built_split_and_twinned(ninth: Dataset, tmp_path: Path) -> None:
    """About thirty lines of facts make twin, build, verify and a split by a protocol of one's own work."""
    assert od.list_datasets()[-1] == "ninth-set"
    assert od.info("ninth-set") is ninth
    made = rendered("ninth-set", tmp_path / "raw")
    assert (made.images, made.identities) == (16, 4)
    built = od.build("ninth-set", made.tree, tmp_path / "data")
    assert (built.rows, built.identities, built.verdict) == (16, 4, "complete")
    manifest = od.load("ninth-set", root=tmp_path / "data")
    assert set(manifest.frame["x_shot"]) >= {"1"}
    assert od.verify(manifest, full=True).ok
    rules = {
        "schema": 1, "dataset": "ninth-set", "name": "mine", "title": "mine", "notes": "", "sources": [], "train": None,
        "validation": None, "probe": {"body": ["occluded"]}, "gallery": {"body": ["full"]}, "junk": {},
        "test_identities": "all", "probe_shots": None, "gallery_shots": 1, "draws": 3, "seed": 0, "set_distance": "none",
        "camera_rule": "none", "group_rule": "none", "max_rank": 5, "unanswerable": "error",
    }  # fmt: skip
    (tmp_path / "mine.json").write_text(json.dumps(rules), "utf-8")
    split = od.split(manifest, str(tmp_path / "mine.json"))
    assert (len(split.probe), len(split.gallery), len(split.draws)) == (8, 8, 12)


def rendered(dataset: str, out: Path) -> Twin:
    """Return a real rendered twin; the function is imported where no module of its name can hide it."""
    return twin(dataset, out)


@pytest.mark.usefixtures("ninth")
def test_the_command_line_knows_a_registered_set(command: Callable[..., object], tmp_path: Path) -> None:
    """`list` and `info` show it, and an id is taken once only."""
    assert "ninth-set" in command("list").out  # type: ignore[attr-defined]
    assert "Ask nobody." in command("info", "ninth-set").out  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="is taken"):
        od.register(NINTH)


def test_a_set_in_the_package_cannot_be_replaced() -> None:
    """Facts that ship are not overwritten by a registration."""
    with pytest.raises(ValueError, match="'partial-reid' is taken"):
        od.register(catalog.get("partial-reid"))


def test_another_package_adds_a_set_by_entry_point(python: Callable[..., str], tmp_path: Path) -> None:
    """An installed package with an entry point in our group is found by every process."""
    info = tmp_path / "other_sets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-sets\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text("[occluded_datasets.catalog]\ntenth-set = other_sets:TENTH\n", "utf-8")
    (tmp_path / "other_sets.py").write_text(
        "import dataclasses\nfrom occluded_datasets.catalog import get\n"
        "TENTH = dataclasses.replace(get('partial-reid'), id='tenth-set', title='Tenth')\n",
        "utf-8",
    )
    code = "import occluded_datasets as od; print(od.list_datasets()[-1], od.info('tenth-set').title)"
    assert python(code, tmp_path) == "tenth-set Tenth"


def test_a_set_that_no_command_would_read_is_not_published(tmp_path: Path) -> None:
    """Identities of train that are tested too: refused when it is built, and an earlier build stays; without, built."""
    parts = tuple(replace(part, split="test") for part in NINTH.parts[:1]) + NINTH.parts[1:]
    fine = replace(NINTH, parts=parts)
    leaking = replace(NINTH, parts=(parts[0], replace(NINTH.parts[1], split="train")))
    catalog.register(fine)
    try:
        tree = rendered("ninth-set", tmp_path / "raw").tree
        built = od.build("ninth-set", tree, tmp_path / "data")
        before = {path: path.read_bytes() for path in sorted((tmp_path / "data").rglob("*")) if path.is_file()}
        catalog.unregister("ninth-set")
        catalog.register(leaking)
        for place, flags in ((tmp_path / "data", {"replace": True}), (tmp_path / "new", {})):
            with pytest.raises(ManifestError, match=r"identity 1 is in train and in test.*Nothing was published"):
                od.build("ninth-set", shutil.copytree(tree, tmp_path / f"raw-{place.name}"), place, **flags)
        assert not (tmp_path / "new" / "ninth-set" / "manifest.csv").exists()
        assert {path: path.read_bytes() for path in before} == before
        assert od.load(built.manifest).verdict != ""
    finally:
        catalog.unregister("ninth-set")
