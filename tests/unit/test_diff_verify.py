"""What changed between two manifests, and between a manifest and its files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from occluded_datasets.images import encode
from occluded_datasets.manifest import STAT_FILE, Manifest, diff, read, stat_text, verify, write
from occluded_datasets.scan import scan_file

Make = Callable[..., Manifest]
Row = dict[str, str]
A = {"image_id": "a", "pid": "1", "pixel_sha256": "a" * 64, "sha256": "1" * 64}
B = {"image_id": "b", "pid": "2", "pixel_sha256": "b" * 64, "sha256": "2" * 64}
C = {"image_id": "c", "pid": "3", "pixel_sha256": "c" * 64, "sha256": "3" * 64}
NOTHING: dict[str, list[object]] = {
    "added": [], "removed": [], "changed": [], "relabelled": [], "renamed": [], "reencoded": [],
}  # fmt: skip

CASES: dict[str, tuple[list[Row], list[Row], dict[str, object]]] = {
    "nothing": ([A, B], [B, A], {}),
    "added": ([A], [A, B], {"added": ["b"]}),
    "removed": ([A, B], [A], {"removed": ["b"]}),
    "changed": ([A], [{**A, "pixel_sha256": "d" * 64, "sha256": "4" * 64}], {"changed": ["a"]}),
    "relabelled": (
        [A, B],
        [{**A, "pid": "9", "body": "partial"}, B],
        {"relabelled": [("a", "body", "full", "partial"), ("a", "pid", "1", "9")]},
    ),
    "camera": ([A], [{**A, "camid": "2", "camid_source": "filename"}], {"relabelled": [("a", "camid", "", "2")]}),
    "renamed": ([A, B], [A, {**B, "image_id": "z"}], {"renamed": [("b", "z")]}),
    "renamed and relabelled": (
        [A],
        [{**A, "image_id": "z", "role": "probe"}],
        {"renamed": [("a", "z")], "relabelled": [("z", "role", "", "probe")]},
    ),
    "re-encoded": ([A], [{**A, "sha256": "9" * 64}], {"reencoded": ["a"]}),
    "renamed and re-encoded": (
        [A], [{**A, "image_id": "z", "sha256": "9" * 64}], {"renamed": [("a", "z")], "reencoded": ["z"]},
    ),
    "swapped names": (
        [A, B],
        [{**A, "image_id": "b"}, {**B, "image_id": "a"}],
        {"changed": ["a", "b"], "relabelled": [("a", "pid", "1", "2"), ("b", "pid", "2", "1")]},
    ),
    "copies renamed": (
        [A, {**A, "image_id": "b"}],
        [{**A, "image_id": "y"}, {**A, "image_id": "z"}, {**A, "image_id": "zz"}],
        {"renamed": [("a", "y"), ("b", "z")], "added": ["zz"]},
    ),
    "one of each": ([A, B], [A, C], {"removed": ["b"], "added": ["c"]}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_diff_says_what_happened_to_each_picture(make_manifest: Make, case: str) -> None:
    """By name and by pixels; a picture of another name is renamed, not one removed and one added."""
    before, after, said = CASES[case]
    found = diff(make_manifest(before), make_manifest(after))
    assert found._asdict() == {**NOTHING, **said}
    assert found.same is (not set(said) - {"reencoded"})


@pytest.fixture
def built(make_manifest: Make, tmp_path: Path) -> Path:
    """Return the path of a manifest of three pictures that are there, and what a build left beside it."""
    rows = []
    for number, name in enumerate("abc"):
        path = tmp_path / "raw" / "part" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(np.full((8, 4, 3), 40 * number, np.uint8), ".png"))
        fact = scan_file(str(tmp_path), f"raw/part/{name}.png")
        rows.append(
            {
                "image_id": name, "path": fact.name, "width": str(fact.width), "height": str(fact.height),
                "bytes": str(fact.bytes), "sha256": fact.sha256, "pixel_sha256": fact.pixel_sha256,
            }
        )  # fmt: skip
    write(make_manifest(rows), tmp_path / "manifest.csv")
    (tmp_path / STAT_FILE).write_text(stat_text(tmp_path), "utf-8")
    return tmp_path / "manifest.csv"


@pytest.mark.parametrize("full", [False, True])
def test_an_untouched_copy_is_as_built(built: Path, full: bool) -> None:
    """Every file is checked and nothing is wrong."""
    found = verify(read(built), full)
    assert found.ok
    assert (found.checked, found.mode) == (3, "full" if full else "size and time")


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _other(path: Path) -> None:
    path.write_bytes(encode(np.full((8, 4, 3), 99, np.uint8), ".png"))


def _same_size_and_time(path: Path) -> None:
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _reencode(path: Path) -> None:
    status = path.stat()
    path.write_bytes(path.read_bytes()[:-12] + b"\0\0\0\4tEXtk\0vv\x10\x8a\xd0\xf5" + path.read_bytes()[-12:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def _link_folder(path: Path) -> None:
    path.parent.rename(path.parent.parent / "moved")
    path.parent.symlink_to(path.parent.parent / "moved")


ALL = ("raw/part/a.png", "raw/part/b.png", "raw/part/c.png")
B_ALONE = ("raw/part/b.png",)
HARM: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...], bool, bool]] = {
    # what was done, where it is listed, which paths, whether the fast and the full check see it
    "removed": (lambda path: path.unlink(), "missing", B_ALONE, True, True),
    "emptied": (lambda path: path.write_bytes(b""), "changed", B_ALONE, True, True),
    "another picture": (_other, "changed", B_ALONE, True, True),
    "another time, the same bytes": (_touch, "changed", B_ALONE, False, False),
    "a bit, same size and time": (_same_size_and_time, "changed", B_ALONE, False, True),
    "a text chunk": (_reencode, "changed", B_ALONE, True, True),
    "a link": (_link, "refused", B_ALONE, True, True),
    "a linked folder": (_link_folder, "refused", ALL, True, True),
}


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("harm", HARM)
def test_verify_names_what_is_wrong(built: Path, harm: str, full: bool) -> None:
    """Missing, changed and linked files are listed by path; the fast check looks at size and time,
    and at the bytes of what has another time; the full one at all bytes.
    """
    change, where, paths, fast_sees, full_sees = HARM[harm]
    change(built.parent / "raw" / "part" / "b.png")
    found = verify(read(built), full)
    listed = {name: getattr(found, name) for name in ("missing", "changed", "refused")}
    expected = paths if (full_sees if full else fast_sees) else ()
    assert listed == {"missing": (), "changed": (), "refused": (), where: expected}
    assert found.ok is (not expected)
