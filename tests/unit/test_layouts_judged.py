"""Refusals that name the file, verdicts against what is declared, and which set a tree is."""

from __future__ import annotations

import pytest

from occluded_datasets.catalog import get, ids
from occluded_datasets.catalog.files import published_files
from occluded_datasets.errors import LayoutError
from occluded_datasets.layouts import compare_with_declared, guess, judge_copy, missing_from_list, parse_tree
from occluded_datasets.twin.plan import plan

REFUSED: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "two encodings": (
        "occluded-reid",
        ["o/occluded_body_images/001/001_01.tif", "o/occluded_body_images/001/001_01.jpg"],
        ("occluded_body_images/001/001_01.tif", "occluded_body_images/001/001_01.jpg", "--extension .tif"),
    ),
    "two encodings, two cases": (
        "partial-reid", ["whole_body_images/001_001.JPG", "whole_body_images/001_001.png"], ("001_001.JPG", "001_001.png"),
    ),
    "identity and folder disagree": (
        "occluded-reid", ["occluded_body_images/002/001_01.tif"], ("identity 1", "identity 2", "002/001_01.tif", "--ignore"),
    ),
    "unknown picture": (
        "partial-reid", ["whole_body_images/001_001.jpg", "whole_body_images/1_1.jpg"], ("unknown file whole_body_images/1_1.jpg",),
    ),
    "picture in an unknown folder": (
        "partial-reid", ["whole_body_images/001_001.jpg", "others/001_001.jpg"], ("unknown file others/001_001.jpg",),
    ),
    "digits of another script": (
        "partial-reid",
        ["whole_body_images/001_001.jpg", "whole_body_images/\u0660\u0660\u0662_001.jpg"],
        ("unknown file whole_body_images/\u0660\u0660\u0662_001.jpg",),
    ),
    "unknown file of another kind": (
        "partial-reid", ["whole_body_images/001_001.jpg", "model.bin", "b.bin"], ("unknown file model.bin and 1 more", "*.bin"),
    ),
    "two copies side by side": (
        "partial-reid", ["a/whole_body_images/001_001.jpg", "b/whole_body_images/001_001.jpg"], ("below a/", "below b/"),
    ),
    "one copy inside another": (
        "partial-reid", ["whole_body_images/001_001.jpg", "old/whole_body_images/001_002.jpg"], ("below ./", "below old/"),
    ),
    "one picture under two spellings": (
        "partial-reid",
        ["whole_body_images/001_001.jpg", "whole/001_001.jpg"],
        ("partial-reid/whole_body_images/001_001", "whole/001_001.jpg"),
    ),
    "one picture with and without zeros": (
        "partial-ilids", ["Probe/7.jpg", "Probe/007.jpg"], ("Probe/007.jpg and Probe/7.jpg are both partial-ilids/Probe/7",),
    ),
    "nothing": ("p-ethz", [], ("no picture of the set", "occluded_body_images/, whole_body_images/", "found no file")),
    "texts alone": ("p-ethz", ["Readme.txt"], ("no picture of the set", "found no file")),
    "something else": ("p-ethz", ["a/b.png", "c.png"], ("no picture of the set", "found 2 other files, the first is a/b.png")),
    "cameras beyond the set's": (
        "market-1501", ["query/0001_c1s1_001051_00.jpg", "query/0001_c7s1_001051_00.jpg"], ("0001_c7s1_001051_00.jpg",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_tree_that_is_not_the_sets_is_refused(kind: str) -> None:
    """The error names the set and every file it is about."""
    dataset, names, words = REFUSED[kind]
    with pytest.raises(LayoutError) as refused:
        parse_tree(names, get(dataset))
    message = str(refused.value)
    assert message.startswith(f"{dataset}: ")
    for word in words:
        assert word in message


PARTIAL = [f"{folder}/{pid:03d}_{n:03d}.jpg" for folder in ("occluded_body_images", "partial_body_images",
           "whole_body_images") for pid in range(1, 61) for n in range(1, 6)]  # fmt: skip


@pytest.mark.parametrize("listed", [False, True], ids=["by numbering", "by published list"])
@pytest.mark.parametrize(
    ("gone", "more", "kind", "missing", "extra", "sentence"),
    [
        ([], [], "complete", (), (), "partial-reid: 900 of 900 images, 60 of 60 identities."),
        (
            ["occluded_body_images/017_003.jpg"], [], "subset", ("occluded_body_images/017_003",), (),
            "partial-reid: 299 of 300 images in occluded_body_images (missing 017_003.jpg).",
        ),
        (
            PARTIAL[600:603], [], "subset", ("whole_body_images/001_001", "whole_body_images/001_002", "whole_body_images/001_003"),
            (), "partial-reid: 297 of 300 images in whole_body_images (missing 001_001.jpg and 2 more).",
        ),
        (
            [], ["whole_body_images/061_001.jpg"], "superset", (), ("whole_body_images/061_001",),
            "partial-reid: 301 of 300 images in whole_body_images (extra 061_001.jpg).",
        ),
        (
            ["whole_body_images/001_001.jpg"], ["whole_body_images/001_006.jpg"], "different",
            ("whole_body_images/001_001",), ("whole_body_images/001_006",),
            "partial-reid: 300 of 300 images in whole_body_images (missing 001_001.jpg, extra 001_006.jpg).",
        ),
    ],
)  # fmt: skip
def test_verdicts_by_name(
    listed: bool,
    gone: list[str],
    more: list[str],
    kind: str,
    missing: tuple[str, ...],
    extra: tuple[str, ...],
    sentence: str,
) -> None:
    """What a copy is, with the first missing and extra names: equal counts with other names are different."""
    facts = get("partial-reid")
    names = sorted({*PARTIAL, *more} - set(gone))
    files = [file.name for file in published_files("partial-reid")] if listed else []
    verdict = compare_with_declared(parse_tree(names, facts).rows, facts, facts.variant(), files)
    assert verdict.kind == kind
    assert verdict.missing == tuple(f"partial-reid/{name}" for name in missing)
    assert verdict.extra == tuple(f"partial-reid/{name}" for name in extra)
    assert verdict.sentence == sentence


def judged(changes: dict[str, int]) -> tuple[str, str]:
    """Return kind and sentence for the names of DukeMTMC-reID with some taken from a part (-1) or added (+1)."""
    facts = get("dukemtmc-reid")
    names = [picture.name for picture in plan(facts, facts.variant(), None, 0)]
    for folder, change in changes.items():
        own = [name for name in names if f"/{folder}/" in name]
        if change < 0:
            names.remove(own[0])
        else:
            names.append(own[0].rpartition("_f")[0] + "_f9999999.jpg")
    verdict = compare_with_declared(parse_tree(names, facts).rows, facts, facts.variant())
    return verdict.kind, verdict.sentence


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        ({}, "complete", "dukemtmc-reid: 36411 of 36411 images"),
        ({"query": -1}, "subset", "2227 of 2228 images in query"),
        ({"query": 1}, "superset", "2229 of 2228 images in query"),
        ({"query": -1, "bounding_box_test": 1}, "different", "17662 of 17661 images in bounding_box_test"),
    ],
    ids=str,
)
def test_verdicts_by_count(changes: dict[str, int], kind: str, said: str) -> None:
    """Where no list of names is known, declared counts decide."""
    found, sentence = judged(changes)
    assert found == kind
    assert said in sentence


def test_a_total_decides_where_parts_are_unknown() -> None:
    """P-ETHZ is judged by its 3,897 pictures of 85 identities; inferred numbers of parts are not looked at."""
    facts = get("p-ethz")
    names = [picture.name for picture in plan(facts, facts.variant(), None, 0)]
    verdict = compare_with_declared(parse_tree(names, facts).rows, facts, facts.variant())
    assert (verdict.kind, verdict.sentence) == ("complete", "p-ethz: 3897 of 3897 images, 85 of 85 identities.")
    less = compare_with_declared(parse_tree(names[:-1], facts).rows, facts, facts.variant())
    assert (less.kind, less.sentence) == ("subset", "p-ethz: 3896 of 3897 images, 85 of 85 identities.")
    assert {part.declared_images for part in verdict.parts} == {None}


def test_junk_is_not_counted() -> None:
    """Market-1501 is complete with or without its junk pictures."""
    facts = get("market-1501")
    names = [picture.name for picture in plan(facts, facts.variant(), None, 0)]
    for kept in (names, [name for name in names if "/-1_" not in name]):
        assert compare_with_declared(parse_tree(kept, facts).rows, facts, facts.variant()).kind == "complete"


def test_renamed_copies_are_judged_by_count() -> None:
    """Market-style names of all 2,000 pictures are the complete set."""
    facts = get("occluded-reid")
    names = [f"{folder}/{pid:04d}_{camera}_{50 * n:06d}_00.tif" for folder, camera in (("query", "c1s1"), ("gallery", "c3s3"))
             for pid in range(1, 201) for n in range(1, 6)]  # fmt: skip
    assert compare_with_declared(parse_tree(names, facts).rows, facts, facts.variant()).kind == "complete"


def test_published_lists_name_what_is_not_there() -> None:
    """Names of a list that no row stands for, whatever their extension."""
    facts = get("partial-ilids")
    rows = parse_tree(["Probe/1.png", "Gallery/2.jpg"], facts).rows
    assert missing_from_list(["Probe/1.jpg", "Probe/2.jpg"], facts.part("Probe"), rows) == ["Probe/2.jpg"]


def test_a_copy_that_lacks_listed_names_and_has_others_is_no_subset() -> None:
    """A missing listed name makes a complete copy a subset; one with more images than declared is different."""
    facts = get("partial-ilids")
    variant = facts.variant(None)
    names = [one.name for one in plan(facts, variant, None, 0)]
    lists = {name: "Elsewhere/never.jpg\n" for name, _ in facts.lists}
    assert lists
    more = [*names, *(f"{facts.tree}/Probe/{number}.jpg" for number in range(900, 905))]
    for tree, alone, listed in ((names, "complete", "subset"), (more, "superset", "different")):
        rows = parse_tree(tree, facts, variant).rows
        assert (judge_copy(rows, facts, variant).kind, judge_copy(rows, facts, variant, lists).kind) == (alone, listed)


PLANS = [(dataset, variant.name) for dataset in ids() for variant in get(dataset).variants]


@pytest.mark.parametrize("number", [None, 6], ids=["all", "6 ids"])
@pytest.mark.parametrize(("dataset", "variant"), PLANS)
def test_a_twins_names_are_known_for_what_they_are(dataset: str, variant: str, number: int | None) -> None:
    """The first guess is the set, the variant and the right verdict, for whole twins and small ones."""
    if dataset == "mars" and number is None:
        pytest.skip("half a million names of one form")
    facts = get(dataset)
    names = [picture.name for picture in plan(facts, facts.variant(variant), number, 0)]
    best = guess(names, map(get, ids()))[0]
    assert (best.dataset.id, best.variant.name) == (dataset, variant)
    assert best.verdict is not None
    assert best.verdict.kind == ("complete" if number is None else "subset")
    assert best.matched == best.pictures == len(names)
    assert best.refusal is None


def test_a_tree_of_nothing_known_has_no_guess() -> None:
    """Names that no set places give an empty list, not a wrong one."""
    assert guess(["a/b.jpg", "c.txt"], map(get, ids())) == []
