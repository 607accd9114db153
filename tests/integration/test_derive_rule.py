"""The rule that a set is derived by is data: two parents, relabels and renamed pictures are a record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import occluded_datasets as od
from occluded_datasets import catalog
from occluded_datasets.catalog import Derivation, Picked
from occluded_datasets.catalog.spec import check
from occluded_datasets.errors import ManifestError, UsageError
from occluded_datasets.manifest import validate
from occluded_datasets.prepare import derive

Run = Callable[..., Any]


def write(folder: Path, names: dict[str, list[str]]) -> list[Path]:
    """Write lists below `folder`, in CRLF and without a last line end, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in names.items():
        (folder / name).write_bytes("\r\n".join(lines).encode())
    return [folder / name for name in names]


def test_the_published_lists_are_the_catalogs() -> None:
    """The lists, their pins, what each makes and where its pictures lie: literals of the facts."""
    facts = catalog.get("occluded-dukemtmc")
    assert facts.derivation == Derivation(
        "https://github.com/lightas/Occluded-DukeMTMC-Dataset",
        (
            Picked("train.list", "dukemtmc-reid", ("bounding_box_train",)),
            Picked("query.list", "dukemtmc-reid", ("query", "bounding_box_test")),
            Picked("gallery.list", "dukemtmc-reid", ("bounding_box_test",)),
        ),
    )
    assert {source.name: source.sha256[:8] for source in facts.sources} == {
        "train.list": "dadffee7", "query.list": "fb5e1b1a", "gallery.list": "0393fa86",
    }  # fmt: skip


def test_one_file_twice_in_one_role_is_refused(make_texts: Run) -> None:
    """In a parent's root too a file is one picture of one role."""
    row = {"path": "raw/a.jpg", "root": "p", "role": "probe"}
    validate(make_texts([{**row, "image_id": "a"}, {**row, "image_id": "b", "role": "gallery"}]), "m", ["p"])
    with pytest.raises(ManifestError, match="rows 1 and 2 have the same path"):
        validate(make_texts([{**row, "image_id": "a"}, {**row, "image_id": "b"}]), "m", ["p"])


@pytest.fixture
def market(cheap_tree: Run, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Return a set made of Market-1501 and DukeMTMC-reID, with relabels, and a folder of both parents' builds."""
    parts = tuple(
        replace(part, body=body) for part, body in
        zip(catalog.get("market-1501").parts, ("unknown", "occluded", "unknown"), strict=True)
    )  # fmt: skip
    made = replace(
        catalog.get("market-1501"), id="mixed", tree="Mixed", parts=parts, variants=(
            replace(catalog.get("market-1501").variants[0], count=catalog.Count(None, None, "inferred")),
        ),
        lists=(("query_a.list", "query"), ("query_b.list", "query"), ("test.list", "bounding_box_test")),
        derivation=Derivation("https://example.org/lists", (
            Picked("query_a.list", "market-1501", ("query",)),
            Picked("query_b.list", "dukemtmc-reid", ("query",),
                   (r"(?P<p>\d{4})_c(?P<c>\d)s1_(?P<f>\d{6})_00", "{p}_c{c}_f0{f}")),
            Picked("test.list", "market-1501", ("bounding_box_test",)),
        ), relabel="*"),
        sources=(),
    )  # fmt: skip
    for name in ("market-1501", "dukemtmc-reid"):
        od.build(name, cheap_tree(name, None, 3, tmp_path / name), tmp_path / "data", allow_subset=True)
    catalog.register(made)
    yield made.id, tmp_path / "data"
    catalog.unregister(made.id)


def test_a_record_says_it_all(market: tuple[str, Path], tmp_path: Path) -> None:
    """Two parents, CRLF without a last newline, ``.jpg.jpg``, ``new*old`` and renamed pictures: all in a record."""
    name, root = market
    parents = {one: od.load(one, root=root) for one in ("market-1501", "dukemtmc-reid")}
    first = {
        (one, role): Path(parent.frame.loc[parent.frame["role"] == role, "path"].iloc[0]).name
        for one, parent in parents.items()
        for role in ("probe", "gallery")
    }
    duke = first["dukemtmc-reid", "probe"]
    as_market = f"{duke[:7]}s1_{duke[10:16]}_00.jpg"
    lists = {
        "query_a.list": [first["market-1501", "probe"] + ".jpg"],
        "query_b.list": [f"1400_c3s1_000009_00.jpg*{as_market}"],
        "test.list": [first["market-1501", "gallery"]] * 2,
    }
    derive(name, [root / one for one in parents], root, lists=write(tmp_path / "l", lists),
           allow_different=True)  # fmt: skip
    made = od.load(name, root=root)
    assert made.header["roots"] == {one: parent.fingerprint for one, parent in parents.items()}
    assert made.header["skipped"] == {"names listed twice": 1}
    rows = {(row.root, row.role): row for row in made.frame.itertuples()}
    assert set(rows) == {("market-1501", "probe"), ("market-1501", "gallery"), ("dukemtmc-reid", "probe")}
    other = rows["dukemtmc-reid", "probe"]
    assert (other.image_id, other.pid, other.camid) == ("mixed/query/1400_c3s1_000009_00", 1400, 3)
    assert Path(other.path).name == duke
    assert [one["published"] for one in made.header["archives"]] == [None] * 3
    with pytest.raises(UsageError, match="its parent dukemtmc-reid was not named"):
        derive(name, [root / "market-1501"], root, lists=write(tmp_path / "l", lists))


def test_a_rule_over_a_list_that_is_none_is_refused() -> None:
    """A derivation speaks of the set's own lists."""
    facts = catalog.get("occluded-dukemtmc")
    wrong = replace(facts, derivation=Derivation("x", (Picked("other.list", "dukemtmc-reid", ("query",)),)))
    with pytest.raises(ValueError, match="a list that is not among its lists"):
        check(wrong)
