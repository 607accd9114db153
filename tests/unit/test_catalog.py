"""The catalog says what the facts say: every number, pin and name as a literal."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from occluded_datasets import catalog
from occluded_datasets.catalog.files import published_files
from occluded_datasets.catalog.spec import Count, Dataset, Form, check
from occluded_datasets.errors import UnknownNameError

IDS = [
    "occluded-reid", "p-dukemtmc-reid", "p-ethz", "partial-reid", "partial-ilids", "occluded-dukemtmc",
    "occluded-market", "market-1501", "dukemtmc-reid", "mars",
]  # fmt: skip

# part: images, identities, certainty, body, role, split
PARTS: dict[str, dict[str, tuple[int | None, int | None, str, str, str, str]]] = {
    "occluded-reid": {
        "occluded_body_images": (1000, 200, "documented", "occluded", "probe", ""),
        "whole_body_images": (1000, 200, "documented", "full", "gallery", ""),
    },
    "p-dukemtmc-reid": {
        "train/occluded_body_images": (2647, 665, "documented", "occluded", "train", "train"),
        "train/whole_body_images": (10280, 665, "documented", "full", "train", "train"),
        "test/occluded_body_images": (2163, 634, "documented", "occluded", "probe", "test"),
        "test/whole_body_images": (9053, 634, "documented", "full", "gallery", "test"),
    },
    "p-ethz": {
        "occluded_body_images": (None, 85, "inferred", "occluded", "probe", ""),
        "whole_body_images": (None, 85, "inferred", "full", "gallery", ""),
    },
    "partial-reid": {
        "occluded_body_images": (300, 60, "verified-on-copy", "occluded", "probe", ""),
        "partial_body_images": (300, 60, "verified-on-copy", "partial", "probe", ""),
        "whole_body_images": (300, 60, "verified-on-copy", "full", "gallery", ""),
    },
    "partial-ilids": {
        "Probe": (119, 119, "documented", "partial", "probe", ""),
        "Gallery": (119, 119, "documented", "full", "gallery", ""),
        "partial_iLIDS_Probe_nocrop": (119, 119, "documented", "occluded", "", ""),
    },
    "occluded-dukemtmc": {
        "bounding_box_train": (15618, 702, "documented", "unknown", "train", "train"),
        "query": (2210, 519, "documented", "occluded", "probe", "test"),
        "bounding_box_test": (17661, 1110, "documented", "unknown", "gallery", "test"),
    },
    "occluded-market": {
        "occluded_train": (9287, None, "documented", "unknown", "train", "train"),
        "occluded_query": (2343, None, "documented", "occluded", "probe", "test"),
        "bounding_box_test": (15913, None, "documented", "unknown", "gallery", "test"),
    },
    "mars": {
        "bbox_train": (509914, 625, "documented", "unknown", "train", "train"),
        "bbox_test": (None, None, "inferred", "unknown", "gallery", "test"),
    },
    "market-1501": {
        "bounding_box_train": (12936, 751, "verified-on-copy", "full", "train", "train"),
        "query": (3368, 750, "documented", "full", "probe", "test"),
        "bounding_box_test": (15913, None, "documented", "full", "gallery", "test"),
    },
    "dukemtmc-reid": {
        "bounding_box_train": (16522, 702, "documented", "unknown", "train", "train"),
        "query": (2228, 702, "documented", "unknown", "probe", "test"),
        "bounding_box_test": (17661, 1110, "documented", "unknown", "gallery", "test"),
    },
}

# images, identities, certainty
VARIANTS = {
    ("occluded-reid", "full"): (2000, 200, "documented"),
    ("p-dukemtmc-reid", "full"): (24143, 1299, "documented"),
    ("p-ethz", "full"): (3897, 85, "documented"),
    ("partial-reid", "full"): (900, 60, "verified-on-copy"),
    ("partial-ilids", "full"): (357, 119, "documented"),
    ("partial-ilids", "probe-gallery"): (238, 119, "documented"),
    ("occluded-dukemtmc", "full"): (35489, None, "documented"),
    ("occluded-market", "full"): (27543, None, "documented"),
    ("mars", "full"): (None, None, "inferred"),
    ("market-1501", "full"): (32217, None, "documented"),
    ("market-1501", "train-only"): (12936, 751, "verified-on-copy"),
    ("dukemtmc-reid", "full"): (36411, None, "documented"),
}

# status, kind, cameras, withdrawn parent, extension, top folder
STATUS = {
    "occluded-reid": ("open download", "target", "none", False, ".tif", "Occluded_REID"),
    "p-dukemtmc-reid": ("open download", "target", "none", True, ".jpg", "P-DukeMTMC-reid"),
    "p-ethz": ("open download", "target", "none", False, ".png", "P_ETHZ"),
    "partial-reid": ("open download", "target", "none", False, ".jpg", "Partial-REID_Dataset"),
    "partial-ilids": ("by form", "neighbour", "none", False, ".jpg", "Partial_iLIDS"),
    "occluded-dukemtmc": ("withdrawn", "neighbour", "filename", True, ".jpg", "Occluded_Duke"),
    "occluded-market": ("by form", "neighbour", "filename", False, ".jpg", "Occluded_Market"),
    "mars": ("by form", "parent", "filename", False, ".jpg", "MARS"),
    "market-1501": ("by form", "parent", "filename", False, ".jpg", "Market-1501-v15.09.15"),
    "dukemtmc-reid": ("withdrawn", "parent", "filename", True, ".jpg", "DukeMTMC-reID"),
}

COMMIT = "61e54da27fc1999dd68ce5681f251220beb0fc64"
# source: sha256, git blob id, md5
PINS = {
    "Occluded_REID.zip": (
        "1c8854e02db775da6a51399df4b7e02c299804850dff9985451d610fc8c6d57d", "e19c5d821fe61953cfadd92fa01bbaac72a2da1e", "",
    ),
    "P-DukeMTMC-reid.zip": ("", "cad961ef2242c98cad0f7d3361cb2ddec2c690ca", ""),
    "P_ETHZ.zip": ("", "bcfdccefe944ffbd5aec6c9af9e030417e8912a6", ""),
    "Partial-REID_Dataset.rar": ("", "", ""),
    "Partial_iLIDS.zip": ("", "", ""),
    "train.list": ("dadffee79d8601545ca2217a38406c1cb6dab39d0b4b0c6370c8486738dee059", "", ""),
    "query.list": ("fb5e1b1a749a0ab8602414bc9159e7a03216c2bdc519b5a4e513e05e3f612333", "", ""),
    "gallery.list": ("0393fa86344ef4c220a5589aaad409f3adda1e14e39fc8425c80e90196065fca", "", ""),
    **dict.fromkeys(
        ("train_market.list", "train_mars.list", "query_market.list", "query_mars.list", "test.list", "MARS.zip"), ("", "", "")
    ),
    "Market-1501-v15.09.15.zip": ("", "", "65005ab7d12ec1c44de4eeafe813e68a"),
    "DukeMTMC-reID.zip": ("", "", "2f93496f9b516d1ee5ef51c1d5e7d601"),
}  # fmt: skip


def every() -> list[Dataset]:
    """Return all records."""
    return [catalog.get(dataset) for dataset in catalog.ids()]


def test_these_sets_are_known() -> None:
    """The four sets first, then neighbours and parents."""
    assert catalog.ids() == IDS


@pytest.mark.parametrize("dataset", IDS)
def test_parts(dataset: str) -> None:
    """Folder, numbers with their certainty, body, role and split of each part."""
    found = {
        p.folder: (p.count.images, p.count.identities, p.count.certainty, p.body, p.role, p.split)
        for p in catalog.get(dataset).parts
    }
    assert found == PARTS[dataset]


def test_variants() -> None:
    """Totals and their certainty; the first variant is the whole set."""
    found = {(d.id, v.name): dataclasses.astuple(v.count) for d in every() for v in d.variants}
    assert found == VARIANTS
    assert {d.variant().name for d in every()} == {"full"}


@pytest.mark.parametrize(("dataset", "variant"), VARIANTS)
def test_parts_add_up(dataset: str, variant: str) -> None:
    """Where every part is known, the total is their sum."""
    facts = catalog.get(dataset)
    counts = [facts.part(folder).count.images for folder in facts.variant(variant).parts]
    if None not in counts:
        assert sum(count or 0 for count in counts) == facts.variant(variant).count.images


def test_status() -> None:
    """Where each set stands, what it is to the mission, and whether its names carry cameras."""
    found = {d.id: (d.status, d.kind, d.camid_source, d.withdrawn_parent, d.extension, d.tree) for d in every()}
    assert found == STATUS


def test_pins() -> None:
    """Hashes of the published files, and none where none is known."""
    assert {s.name: (s.sha256, s.git_blob, s.md5) for d in every() for s in d.sources} == PINS
    assert catalog.get("occluded-reid").sources[0].sha256_from == "one third-party dataset card"


def test_links_are_pinned_and_official() -> None:
    """Archives of the authors' repository are named by commit; nothing withdrawn has a link to pictures."""
    for dataset, name in (
        ("occluded-reid", "Occluded_REID.zip"), ("p-dukemtmc-reid", "P-DukeMTMC-reid.zip"), ("p-ethz", "P_ETHZ.zip"),
    ):  # fmt: skip
        (url,) = catalog.get(dataset).sources[0].urls
        assert url.endswith(f"/tinajia2012/ICME2018_Occluded-Person-Reidentification_datasets/raw/{COMMIT}/{name}")
    urls = [url for d in every() if d.status == "withdrawn" for s in d.sources for url in s.urls]
    assert [url.rsplit("/", 1)[-1] for url in urls] == ["train.list", "query.list", "gallery.list"]
    (rar,) = catalog.get("partial-reid").sources[0].urls
    assert rar == "http://isee.sysu.edu.cn/files/resource/Partial-REID_Dataset.rar"


def test_terms_allow_no_copies() -> None:
    """No set may be handed on, and each says what it asks and where that stands."""
    for facts in every():
        assert not facts.terms.redistributable
        assert facts.terms.text
        assert facts.terms.source
    for dataset in ("occluded-reid", "p-dukemtmc-reid", "p-ethz"):
        text = catalog.get(dataset).terms.text
        for words in ("non-commercial", "1804.02792", "signed form", "further distribution in any form"):
            assert words in text


def test_lineage() -> None:
    """Who was made from whom, and that the parent was withdrawn."""
    found = {d.id: [(link.parent, "2019" in link.withdrawn) for link in d.lineage] for d in every() if d.lineage}
    assert found == {
        "p-dukemtmc-reid": [("dukemtmc-reid", True)],
        "p-ethz": [("ethz", False)],
        "occluded-dukemtmc": [("dukemtmc-reid", True)],
        "occluded-market": [("market-1501", False), ("mars", False)],
    }


def test_published_files() -> None:
    """Two sets ship names, sizes and hashes of every file; neither holds a pixel."""
    lists = {d.id: published_files(v.files) for d in every() for v in d.variants if v.files}
    assert {dataset: len(files) for dataset, files in lists.items()} == {"partial-reid": 900, "market-1501": 12936}
    for files in lists.values():
        names = [file.name for file in files]
        assert names == sorted(set(names))
        assert all(re.fullmatch(r"[0-9a-f]{64}", file.sha256) and file.bytes > 500 for file in files)
    assert lists["partial-reid"][0].name == "occluded_body_images/001_001.jpg"


@pytest.mark.parametrize("dataset", IDS)
def test_every_record_is_consistent_and_json_ready(dataset: str) -> None:
    """`check` has nothing against it, its BibTeX is an entry, and it prints as JSON."""
    facts = catalog.get(dataset)
    assert check(facts) is facts
    assert json.loads(json.dumps(facts.to_dict()))["id"] == dataset
    assert re.match(r"@(inproceedings|misc)\{[\w-]+,\n.*\n\}$", facts.bibtex, re.DOTALL)
    assert not facts.year or str(facts.year) in facts.bibtex


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"id": "Partial_REID"}, "expected lower-case words"),
        ({"variants": (dataclasses.replace(catalog.get("partial-reid").variants[0], parts=("nowhere",)),)}, "unknown parts"),
        (
            {"parts": (dataclasses.replace(catalog.get("p-ethz").parts[0], forms=(Form(("a",), r"\d+"),)),), "variants": ()},
            "no group named pid",
        ),
    ],
    ids=["id", "variant", "pattern"],
)  # fmt: skip
def test_an_inconsistent_record_is_refused(change: dict[str, Any], why: str) -> None:
    """A wrong id, variant or pattern is found when the record is made, not when a build runs."""
    with pytest.raises(ValueError, match=why):
        check(dataclasses.replace(catalog.get("partial-reid"), **change))


@pytest.mark.parametrize(
    ("name", "meant"),
    [("partialreid", "partial-reid"), ("Ocluded-ReID", "occluded-reid"), ("market1501", "market-1501")],
)
def test_did_you_mean(name: str, meant: str) -> None:
    """A misspelt set or variant is answered with the one that was meant."""
    with pytest.raises(UnknownNameError, match=f"Did you mean {meant}"):
        catalog.get(name)
    with pytest.raises(UnknownNameError, match="Did you mean train-only"):
        catalog.get("market-1501").variant("trainonly")


def test_an_id_is_found_in_any_case() -> None:
    """Partial-REID is partial-reid."""
    assert catalog.get("Partial-REID").id == "partial-reid"


def test_inferred_numbers_are_never_printed(command: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """`list` and `info` say unknown where a number is inferred, and keep the tag in JSON."""
    facts = catalog.get("p-ethz")
    odd = tuple(dataclasses.replace(part, count=Count(7771, 7772, "inferred")) for part in facts.parts)
    guessed = dataclasses.replace(facts.variants[0], count=Count(7773, 7774, "inferred"))
    monkeypatch.setattr(
        "occluded_datasets.catalog.p_ethz.DATASET", dataclasses.replace(facts, parts=odd, variants=(guessed,))
    )
    for arguments in (("list",), ("info", "p-ethz")):
        said = command(*arguments)
        assert said.code == 0
        assert not re.search(r"7,?77\d", said.out)
        assert "inferred" not in said.out
        assert "unknown" in said.out
    assert command("info", "p-ethz", "--json").json()["parts"][0]["count"]["certainty"] == "inferred"


def test_documented_numbers_are_printed_with_their_tag(command: Callable[..., Any]) -> None:
    """A line of `list` has the numbers and how sure they are."""
    lines = {line.split()[0]: line for line in command("list").out.splitlines() if line.strip()}
    assert re.search(r"2,000\s+200\s+documented", lines["occluded-reid"])
    assert re.search(r"900\s+60\s+verified-on-copy", lines["partial-reid"])
    assert re.search(r"36,411\s+unknown\s+documented", lines["dukemtmc-reid"])
    rows = {row["id"]: row for row in command("list", "--json").json()["datasets"]}
    assert (rows["p-ethz"]["images"], rows["p-ethz"]["certainty"]) == (3897, "documented")
