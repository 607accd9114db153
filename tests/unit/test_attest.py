"""Attestations: what is in them, what two of them say of each other, and what is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occluded_datasets.errors import InputError
from occluded_datasets.manifest import Manifest, attest, attestation_text, compare_attestations, read_attestation, write
from occluded_datasets.manifest.difference_sketch import LENGTH, difference, sketch

Make = Callable[..., Manifest]
Row = dict[str, str]
FOLDERS = {"occluded_body_images": "occluded", "partial_body_images": "partial", "whole_body_images": "full"}


def rows(folders: tuple[str, ...] = tuple(FOLDERS), people: int = 4, each: int = 3) -> list[Row]:
    """Return the rows of a small Partial-REID: folders, identities and pictures an identity."""
    return [
        {
            "image_id": f"partial-reid/{folder}/{pid:03d}_{number:03d}", "pid": str(pid), "body": FOLDERS[folder],
            "role": "gallery" if folder.startswith("whole") else "probe",
            "pixel_sha256": hashlib.sha256(f"{folder} {pid} {number}".encode()).hexdigest(),
        }
        for folder in folders for pid in range(1, people + 1) for number in range(1, each + 1)
    ]  # fmt: skip


def changed(number: int, **cells: str) -> list[Row]:
    """Return the rows with other cells in one of them."""
    made = rows()
    made[number] = {**made[number], **cells}
    return made


def renamed() -> list[Row]:
    """Return the rows with other names of all pictures of a part."""
    return [
        {**row, "image_id": row["image_id"].replace("whole_body_images/0", "whole_body_images/x")} for row in rows()
    ]


OTHER = "f" * 64
# my rows, their rows -> verdict, the one that lies within, and what is said of each part that is not the same
CASES: dict[str, tuple[list[Row], list[Row], str, str, dict[str, tuple[str, int | None, int | None]]]] = {
    "same": (rows(), rows()[::-1], "same", "", {}),
    "other names": (
        rows(), renamed(), "same pixels, other names", "", {"whole_body_images": ("same pixels, other names", 0, 0)},
    ),
    "a picture lost": (
        rows()[1:], rows(), "subset", "mine", {"occluded_body_images": ("mine lacks pictures", 0, 1)},
    ),
    "they lost pictures of two parts": (
        rows(), rows()[5:-2], "subset", "theirs", {
            "occluded_body_images": ("theirs lacks pictures", 5, 0), "whole_body_images": ("theirs lacks pictures", 2, 0),
        },
    ),
    "a part lost": (
        rows(("occluded_body_images", "whole_body_images")), rows(), "subset", "mine",
        {"partial_body_images": ("not in mine", 0, 12)},
    ),
    "a part and a picture of another lost": (
        rows(), rows(("occluded_body_images", "whole_body_images"))[1:], "subset", "theirs", {
            "partial_body_images": ("not in theirs", 12, 0), "occluded_body_images": ("theirs lacks pictures", 1, 0),
        },
    ),
    "each lost another": (rows()[1:], rows()[:-1], "different", "", {
        "occluded_body_images": ("mine lacks pictures", 0, 1), "whole_body_images": ("theirs lacks pictures", 1, 0),
    }),
    "other pixels": (rows(), changed(0, pixel_sha256=OTHER), "different", "", {
        "occluded_body_images": ("same names and labels, other pixels", 1, 1),
    }),
    "another identity": (rows(), changed(0, pid="99"), "different", "", {
        "occluded_body_images": ("same pixels, other labels", 1, 1),
    }),
    "another camera": (rows(), changed(0, camid="3", camid_source="filename"), "different", "", {
        "occluded_body_images": ("same pixels, other labels", 1, 1),
    }),
    "other pixels and names": (rows(), changed(0, pixel_sha256=OTHER, image_id="partial-reid/occluded_body_images/z"),
                               "different", "", {"occluded_body_images": ("different", 1, 1)}),
    "a larger set": (rows(), rows(people=90), "different", "", dict.fromkeys(FOLDERS, ("different", None, None))),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_two_copies_say_of_each_other(make_manifest: Make, case: str) -> None:
    """Same, same pixels with other names, subset and of whom, or different, and in which parts."""
    mine, theirs, verdict, within, parts = CASES[case]
    found = compare_attestations(attest(make_manifest(mine)), attest(make_manifest(theirs)))
    assert (found.verdict, found.within, found.same) == (verdict, within, verdict == "same")
    said = {name: (part.verdict, part.only_mine, part.only_theirs) for name, part in found.parts.items()}
    assert said == {**dict.fromkeys(sorted(said), ("same", 0, 0)), **parts}


@pytest.mark.parametrize("case", CASES)
def test_the_other_way_round(make_manifest: Make, case: str) -> None:
    """The order of the two changes who lies within whom and nothing else."""
    mine, theirs, verdict, within, _ = CASES[case]
    found = compare_attestations(attest(make_manifest(theirs)), attest(make_manifest(mine)))
    assert (found.verdict, found.within) == (verdict, {"mine": "theirs", "theirs": "mine", "": ""}[within])


def test_groups_and_notes(make_manifest: Make) -> None:
    """The bodies and roles that differ are named, and what the headers say otherwise."""
    mine, theirs = attest(make_manifest(rows()[1:])), attest(make_manifest(rows()))
    found = compare_attestations({**mine, "verdict": "subset"}, {**theirs, "verdict": "complete"})
    assert found.groups == {"body": ("occluded",), "split": ("",), "role": ("probe",)}
    assert found.notes == ("verdict: mine is subset, theirs is complete",)
    cameras = compare_attestations(
        attest(make_manifest(rows())), attest(make_manifest(changed(0, camid="3", camid_source="filename")))
    )
    invented = "verdict: mine is subset, theirs is different"  # the set has no cameras
    assert cameras.notes == (invented, "equal fingerprints, other cameras")


def test_an_attestation_in_full(make_manifest: Make) -> None:
    """Every field of a one-picture set, its digests by hand."""
    pixel = "a" * 64
    row = {"image_id": "partial-reid/whole_body_images/001_001", "pid": "1", "role": "gallery", "pixel_sha256": pixel}
    manifest = make_manifest([row])
    said = attest(manifest)
    part = said["parts"]["whole_body_images"]

    def digest(text: str) -> str:
        return hashlib.sha256(hashlib.sha256(text.encode()).digest()).hexdigest()

    whole = {
        "rows": 1,
        "identities": 1,
        "pixels": digest(pixel),
        "labels": digest(f"full||gallery|1||none|{pixel}"),
        "named_pixels": digest(f"{row['image_id']}|{pixel}"),
        "named_labels": digest(f"{row['image_id']}|full||gallery|1||none"),
    }
    assert {key: said[key] for key in whole} == whole
    assert part == {**whole, "sketch": part["sketch"]}
    assert said["groups"] == {"body": {"full": whole}, "split": {"": whole}, "role": {"gallery": whole}}
    assert set(said) == {
        *whole, "kind", "schema", "tool_version", "dataset", "variant", "verdict", "fingerprint", "parents", "parts",
        "groups",
    }  # fmt: skip
    assert (said["kind"], said["schema"], said["fingerprint"]) == (
        "occluded-datasets attestation", 1, manifest.fingerprint,
    )  # fmt: skip


def test_nothing_leaks(make_manifest: Make) -> None:
    """No name, path, root, file digest or pixel digest of a picture stands in it; folders unknown to us neither."""
    secret = [
        {
            "image_id": f"private/john-smith/{number}", "path": f"raw/home/{number}.jpg", "group": f"visit{number}",
            "pixel_sha256": hashlib.sha256(b"p%d" % number).hexdigest(), "sha256": hashlib.sha256(b"f%d" % number).hexdigest(),
        }
        for number in range(3)
    ]  # fmt: skip
    text = attestation_text(attest(make_manifest(secret, "private")))
    for row in secret:
        assert not any(value in text for value in row.values())
    for word in ("john", "home", "visit"):
        assert word not in text
    assert list(json.loads(text)["parts"]) == [""]


def test_the_order_of_rows_does_not_matter(make_manifest: Make) -> None:
    """Equal tables give equal bytes."""
    assert attestation_text(attest(make_manifest(rows()))) == attestation_text(attest(make_manifest(rows()[::-1])))


def test_the_commands(make_manifest: Make, tmp_path: Path, command: Callable[..., Any]) -> None:
    """``attest`` prints the file, ``compare-attestations`` exits 0 for the same copy and 1 for any other."""
    for name, made in (("mine", rows()), ("theirs", rows()[1:]), ("named", renamed())):
        write(make_manifest(made), tmp_path / name / "manifest.csv")
        said = command("attest", tmp_path / name / "manifest.csv")
        assert said.code == 0
        (tmp_path / f"{name}.json").write_text(said.out, "utf-8")
    assert command("attest", tmp_path / "mine", "--json").json() == read_attestation(tmp_path / "mine.json")
    same = command("compare-attestations", tmp_path / "mine.json", tmp_path / "mine.json")
    assert (same.code, same.out.splitlines()[0]) == (0, "same")
    less = command("compare-attestations", tmp_path / "mine.json", tmp_path / "theirs.json")
    assert (less.code, less.out.splitlines()[0]) == (1, "subset: theirs lies within the other")
    assert "occluded_body_images: theirs lacks pictures, 12 and 11 pictures (1 in mine alone, 0 in theirs)" in less.out
    named = command("compare-attestations", tmp_path / "mine.json", tmp_path / "named.json", "--json")
    assert (named.code, named.json()["verdict"], named.json()["same"]) == (1, "same pixels, other names", False)


def edited(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], bytes]:
    """Return a function from an attestation to the text of one that was changed."""

    def make(said: dict[str, Any]) -> bytes:
        change(said)
        return json.dumps(said).encode()

    return make


FOREIGN: dict[str, tuple[Callable[[dict[str, Any]], bytes], str]] = {
    "empty": (lambda said: b"", "the reader says"),
    "no JSON": (lambda said: b"\xff\xfe{", "the reader says"),
    "deep": (lambda said: b"[" * 200_000, "the reader says"),
    "a list": (lambda said: b"[]", "kind 'occluded-datasets attestation'"),
    "a manifest header": (lambda said: b'{"schema_version": 1}', "kind 'occluded-datasets attestation'"),
    "a later schema": (edited(lambda said: said.update(schema=2)), "Expected schema 1, found '2'"),
    "no fingerprint": (edited(lambda said: said.pop("fingerprint")), "fingerprint: expected 64 hex digits"),
    "a number for a name": (edited(lambda said: said.update(dataset=3)), "dataset: expected a word"),
    "a terminal's code": (edited(lambda said: said.update(variant="\x1b[2J")), "variant: expected a word"),
    "no parts": (edited(lambda said: said.pop("parts")), "parts: expected an object"),
    "no groups": (edited(lambda said: said.pop("groups")), "groups.body: expected an object"),
    "a part that is none": (edited(lambda said: said["parts"].update(x=1)), "parts, x: expected an object"),
    "true for a count": (edited(lambda said: said.update(rows=True)), "the whole: rows: expected a whole number"),
    "a negative count": (edited(lambda said: said.update(identities=-1)), "the whole: identities"),
    "a short digest": (
        edited(lambda said: said["parts"]["whole_body_images"].update(pixels="ab")),
        "parts, whole_body_images: pixels: expected 64 hex digits",
    ),
    "a short sketch": (
        edited(lambda said: said["parts"]["whole_body_images"].update(sketch="ab")), "sketch: expected 5760 hex digits",
    ),
    "parts that do not add up": (
        edited(lambda said: said["parts"]["whole_body_images"].update(rows=11)), "parts: expected 36 rows in all, found 35",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FOREIGN)
def test_a_foreign_file_is_refused_with_its_fault(
    make_manifest: Make, tmp_path: Path, command: Callable[..., Any], case: str
) -> None:
    """What somebody else sent is checked to the last field: exit 2 and the field, never a traceback."""
    make, fault = FOREIGN[case]
    path = tmp_path / "theirs.json"
    path.write_bytes(make(attest(make_manifest(rows()))))
    with pytest.raises(InputError) as raised:
        read_attestation(path)
    assert fault in str(raised.value)
    assert raised.value.next_command == "occreid-prepare attest MANIFEST > FILE"
    assert command("compare-attestations", path, path).code == 2


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing there, a folder, or more than any attestation has."""
    with pytest.raises(InputError, match="No such file"):
        read_attestation(tmp_path / "none.json")
    with pytest.raises(InputError, match="directory"):
        read_attestation(tmp_path)
    with (tmp_path / "large.json").open("wb") as stream:
        stream.truncate((1 << 24) + 1)
    with pytest.raises(InputError, match="too large"):
        read_attestation(tmp_path / "large.json")


def digests(first: int, last: int) -> list[bytes]:
    """Return made-up row digests."""
    return [hashlib.sha256(str(number).encode()).digest() for number in range(first, last)]


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (0, 1), (40, 40), (80, 0), (0, 75)])
def test_a_sketch_counts_what_differs(a: int, b: int) -> None:
    """In a set as large as the largest, up to about 80 differences come apart exactly."""
    whole = digests(0, 20_000)
    mine, theirs = sketch(whole + digests(100_000, 100_000 + a)), sketch(whole + digests(200_000, 200_000 + b))
    assert len(mine) == LENGTH == 5760
    assert difference(mine, theirs) == (a, b)


def test_more_differences_are_not_guessed() -> None:
    """Beyond what a sketch holds the answer is that it cannot be said."""
    assert difference(sketch(digests(0, 5000)), sketch(digests(2000, 7000))) is None


@given(st.lists(st.integers(0, 9), max_size=30), st.lists(st.integers(0, 9), max_size=30))
def test_copies_of_one_picture_are_counted(a: list[int], b: list[int]) -> None:
    """Sets with copies: the sketch says the differences of the counts."""
    mine, theirs = ([bytes([number]) * 32 for number in numbers] for numbers in (a, b))
    alone = sum(max(0, a.count(n) - b.count(n)) for n in range(10))
    other = sum(max(0, b.count(n) - a.count(n)) for n in range(10))
    assert difference(sketch(mine), sketch(theirs)) in ((alone, other), None)
    assert difference(sketch(mine[:5]), sketch(mine[:2])) == (len(mine[:5]) - len(mine[:2]), 0)


@given(st.randoms(use_true_random=False), st.lists(st.binary(), max_size=9))
def test_made_up_sketches_end(random: Random, some: list[bytes]) -> None:
    """Whatever stands in two sketches, an answer comes."""
    noise = random.getrandbits(4 * LENGTH).to_bytes(LENGTH // 2, "big").hex()
    difference(noise, sketch(some))
    difference(noise[:96] + sketch(some)[96:], sketch(some))
