"""The manifest: its columns, its bytes, its fingerprint, and what it refuses."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from occluded_datasets.errors import ManifestError, UsageError
from occluded_datasets.manifest import COLUMNS, SIMULATED, Manifest, from_frame, read, to_text, write

ORDER = [
    "image_id", "root", "path", "pid", "camid", "camid_source", "body", "split", "role", "group", "width",
    "height", "bytes", "sha256", "pixel_sha256", "visible_fraction", "visibility_source",
]  # fmt: skip
SIMULATED_ORDER = [
    "source_image_id", "occluders", "boxes", "requested_fraction", "occluded_fraction", "level", "copy",
    "mask_path", "mask_sha256", "key",
]  # fmt: skip
Make = Callable[..., Manifest]
Row = dict[str, str]

A, B, C = ({"image_id": name, "pid": str(pid)} for pid, name in enumerate("abc", start=1))


def simulated(**cells: str) -> Row:
    """Return a row of a simulated set, with some cells changed."""
    return {
        "image_id": "s/1", "source_image_id": "a", "occluders": "bin;car", "boxes": "1:2:3:4;0:0:64:128",
        "requested_fraction": "0.300000", "occluded_fraction": "0.312500", "level": "", "copy": "0",
        "mask_path": "masks/1.png", "mask_sha256": "0" * 64, "key": "f" * 64, **cells,
    }  # fmt: skip


def test_the_columns_and_their_order() -> None:
    """The contract of every reader: names and order are fixed."""
    assert [column.name for column in COLUMNS] == ORDER
    assert [column.name for column in SIMULATED] == SIMULATED_ORDER


def test_the_types_of_a_frame(make_manifest: Make) -> None:
    """Whole numbers stay whole, nulls are nulls, text is text."""
    frame = make_manifest([{**A, "camid": "3", "visible_fraction": "1.000000"}, B]).frame
    kinds = {name: str(frame[name].dtype) for name in ("pid", "camid", "width", "visible_fraction", "body", "group")}
    assert kinds == {
        "pid": "int64", "camid": "Int64", "width": "int64", "visible_fraction": "float64", "body": "object",
        "group": "object",
    }  # fmt: skip
    assert frame["camid"].tolist()[0] == 3
    assert frame["camid"].isna().tolist() == [False, True]
    assert frame["group"].tolist() == [None, None]


def test_canonical_csv(make_manifest: Make, tmp_path: Path) -> None:
    """UTF-8, no mark, line feeds, quotes only where needed, six decimals."""
    rows = [{**A, "image_id": 'a,"é"', "path": "raw/é.jpg", "visible_fraction": "0.250000"}]
    write(make_manifest(rows), tmp_path / "manifest.csv")
    header, row, end = (tmp_path / "manifest.csv").read_bytes().decode().split("\n")
    assert header == ",".join(ORDER)
    assert row.startswith('"a,""é""",,raw/é.jpg,1,,none,full,,,,64,128,1000,')
    assert row.endswith(",0.250000,unknown")
    assert end == ""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("rows", [[], [A, B, C], [simulated()], [{**A, "x_b": "", "x_a": "00123"}]], ids=len)
def test_writing_what_was_read_gives_identical_bytes(
    make_manifest: Make, tmp_path: Path, rows: list[Row], suffix: str
) -> None:
    """Table and header survive, own facts and roots included, as CSV and as Parquet."""
    first, second = tmp_path / f"manifest{suffix}", tmp_path / "again" / f"manifest{suffix}"
    write(make_manifest(rows, roots={"market-1501": "f" * 64}, tool_version="0.0.1", own={"ü": [1.5, None]}), first)
    write(read(first), second)
    assert second.read_bytes() == first.read_bytes()
    assert second.with_suffix(".json").read_bytes() == first.with_suffix(".json").read_bytes()
    assert read(second).header["own"] == {"ü": [1.5, None]}
    assert read(second).header["tool_version"] == "0.0.1"


def test_parquet_and_csv_are_one_table(make_manifest: Make, tmp_path: Path) -> None:
    """The header of either vouches for the canonical text, so both have one hash and one fingerprint."""
    manifest = make_manifest([A, {**B, "camid": "2", "group": "g"}, {**C, "visible_fraction": "0.125000"}])
    headers = []
    for suffix in (".csv", ".parquet"):
        write(manifest, tmp_path / suffix[1:] / f"manifest{suffix}")
        headers.append(json.loads((tmp_path / suffix[1:] / "manifest.json").read_bytes()))
    assert headers[0] == headers[1]
    data = (tmp_path / "csv" / "manifest.csv").read_bytes()
    assert headers[0]["table_sha256"] == hashlib.sha256(data).hexdigest()
    assert to_text(from_frame(read(tmp_path / "parquet" / "manifest.parquet").frame)).encode() == data


def test_the_fingerprint_by_hand(make_manifest: Make) -> None:
    """sha256 over the ascending row digests sha256(``body|split|role|pid|pixel_sha256``), nulls empty."""
    rows = [
        {"image_id": "a", "pid": "1", "body": "full", "role": "gallery", "pixel_sha256": "1" * 64},
        {"image_id": "b", "pid": "1", "body": "occluded", "role": "probe", "pixel_sha256": "2" * 64},
        {"image_id": "c", "pid": "-1", "body": "unknown", "split": "test", "role": "junk", "pixel_sha256": "3" * 64},
    ]
    texts = ("full||gallery|1|" + "1" * 64, "occluded||probe|1|" + "2" * 64, "unknown|test|junk|-1|" + "3" * 64)
    digests = sorted(hashlib.sha256(text.encode()).digest() for text in texts)
    by_hand = hashlib.sha256(digests[0] + digests[1] + digests[2]).hexdigest()
    assert (
        make_manifest(rows).fingerprint == by_hand == "b8e23b9b2ed79d02102e8b8ef19f76a08f5d11a2b2a9579a04e48eea1414e493"
    )


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"image_id": "z"}, True),
        ({"path": "raw/deep/z.png"}, True),
        ({"bytes": "7", "sha256": "e" * 64}, True),
        ({"group": "g"}, True),
        ({"camid": "2", "camid_source": "filename"}, True),
        ({"x_note": "n"}, True),
        ({"pid": "9"}, False),
        ({"body": "occluded"}, False),
        ({"split": "train"}, False),
        ({"role": "probe"}, False),
        ({"pixel_sha256": "e" * 64}, False),
    ],
    ids=str,
)
def test_what_the_fingerprint_looks_at(make_manifest: Make, change: Row, same: bool) -> None:
    """Names, places, encodings and extra columns play no part; labels and pixels do."""
    plain = [A, B, {**C, "pixel_sha256": "c" * 64}]
    more = {"x_note": ""} if "x_note" in change else {}
    changed = [{**A, **more}, {**B, **more}, {**plain[2], **change}]
    assert (make_manifest(changed).fingerprint == make_manifest(plain).fingerprint) is same


def test_the_order_of_rows_plays_no_part(make_manifest: Make) -> None:
    """A table sorted otherwise has the same fingerprint and another table hash."""
    one, other = make_manifest([A, B, C]), make_manifest([C, A, B])
    assert one.fingerprint == other.fingerprint
    assert one.header["table_sha256"] != other.header["table_sha256"]


def test_the_header_counts(make_manifest: Make) -> None:
    """Rows, identities and counts by split, role and body, nulls under the empty name."""
    header = make_manifest([{**A, "role": "probe"}, {**B, "pid": "1"}, {**C, "body": "partial"}]).header
    assert (header["schema_version"], header["rows"], header["identities"]) == (1, 3, 2)
    assert header["counts"] == {"split": {"": 3}, "role": {"": 2, "probe": 1}, "body": {"full": 2, "partial": 1}}


def test_junk_and_distractors_are_no_identities(make_manifest: Make) -> None:
    """Market-1501's pid -1 and 0 stand for no one person."""
    rows = [{**A, "role": "gallery"}, {**B, "pid": "-1", "role": "junk"}, {**C, "pid": "0", "role": "distractor"}]
    assert make_manifest(rows).header["identities"] == 1


HEX = "64 hex digits"
FAULTS: list[tuple[list[Row], str]] = [
    ([A, {**B, "image_id": "a"}], "rows 1 and 2 have the same image_id 'a'"),
    ([A, {**B, "path": "raw/a.jpg"}], "rows 1 and 2 have the same path 'raw/a.jpg'"),
    ([A, {**B, "image_id": "=1+1"}], "row 2, image_id: expected text that no spreadsheet runs"),
    ([{**A, "image_id": "+a"}], "row 1, image_id"),
    ([{**A, "image_id": "-a"}], "row 1, image_id"),
    ([{**A, "image_id": "@a"}], "row 1, image_id"),
    ([{**A, "image_id": ""}], "row 1, image_id"),
    ([{**A, "image_id": "a\ud800"}], "row 1, image_id"),
    ([{**A, "group": "=g"}], "row 1, group"),
    ([{**A, "x_note": "=n"}], "row 1, x_note"),
    ([{**A, "path": "../a.jpg"}], "row 1, path: Unsafe name '../a.jpg'"),
    ([{**A, "path": "/a.jpg"}], "row 1, path: Unsafe name"),
    ([{**A, "path": "http://host/a.jpg"}], "row 1, path: Unsafe name"),
    ([{**A, "path": "e\u0301.jpg"}], "row 1, path: 'e\u0301.jpg' is not in Unicode form NFC"),
    ([{**A, "root": "market-1501"}], "row 1, root: 'market-1501' is not among the roots"),
    ([A, B, {**C, "pid": "-2"}], "row 3, pid: expected an integer, -1 or more, found '-2'"),
    ([{**A, "pid": "01"}], "row 1, pid"),
    ([{**A, "camid": "-1"}], "row 1, camid"),
    ([{**A, "camid_source": "guess"}], "row 1, camid_source"),
    ([{**A, "body": "whole"}], "row 1, body: expected full, occluded, partial or unknown, found 'whole'"),
    ([{**A, "split": "val"}], "row 1, split"),
    ([{**A, "role": "query"}], "row 1, role"),
    ([{**A, "width": "0"}], "row 1, width"),
    ([{**A, "sha256": "A" * 64}], f"row 1, sha256: expected {HEX}"),
    ([{**A, "pixel_sha256": "0" * 63}], f"row 1, pixel_sha256: expected {HEX}"),
    ([{**A, "visible_fraction": "1.500000"}], "row 1, visible_fraction: expected empty or a fraction"),
    ([{**A, "visible_fraction": "0.5"}], "row 1, visible_fraction"),
    ([{**A, "visibility_source": ""}], "row 1, visibility_source"),
    ([{**A, "split": "train"}, {**B, "pid": "1", "split": "test"}], "rows 1 and 2: identity 1 is in train and in test"),
    ([simulated(occluders="=bin")], "row 1, occluders: expected ids joined by ;"),
    ([simulated(level="@x")], "row 1, level"),
    ([simulated(boxes="1:2:64:4")], "row 1, boxes: 1:2:64:4 is outside the picture of 64x128"),
    ([simulated(boxes="1:2:0:4")], "row 1, boxes: 1:2:0:4 is outside"),
    ([simulated(boxes="1,2,3,4")], "row 1, boxes: expected x:y:w:h joined by ;"),
    ([simulated(mask_path="../m.png")], "row 1, mask_path: Unsafe name"),
]


@pytest.mark.parametrize(("rows", "why"), FAULTS, ids=[why[:40] for _, why in FAULTS])
def test_a_broken_cell_is_named_by_row(make_texts: Callable[..., Any], rows: list[Row], why: str) -> None:
    """Rows count from 1 below the header, and the column and what was found are said."""
    from occluded_datasets.manifest import validate

    with pytest.raises(ManifestError) as refused:
        validate(make_texts(rows), "manifest.csv")
    assert why in str(refused.value)
    assert str(refused.value).startswith("manifest.csv: row")


def test_many_faults_are_cut_short(make_texts: Callable[..., Any]) -> None:
    """The first five are listed, and that there are more."""
    from occluded_datasets.manifest import validate

    with pytest.raises(ManifestError) as refused:
        validate(make_texts([{**A, "image_id": f"={n}"} for n in range(9)]))
    assert str(refused.value).count("row ") == 5
    assert "(and more)" in str(refused.value)


@pytest.mark.parametrize(
    ("column", "values"),
    [("pid", [1.5, 2.0]), ("width", [float("nan"), 1.0]), ("pid", ["x", "2"]), ("visible_fraction", [-0.5, 1.0])],
    ids=str,
)
def test_a_frame_with_other_values_is_not_written(
    make_manifest: Make, tmp_path: Path, column: str, values: list[Any]
) -> None:
    """A value that its column cannot hold is an error, never rounded, and nothing is written."""
    manifest = make_manifest([A, B])
    frame = manifest.frame.assign(**{column: values})
    with pytest.raises(ManifestError, match=column):
        write(Manifest(frame, manifest.header), tmp_path / "manifest.csv")
    assert list(tmp_path.iterdir()) == []


def test_whole_floats_and_numpy_numbers_are_numbers(make_manifest: Make) -> None:
    """What pandas makes of an int column on a merge is read back as the integer it is."""
    frame = make_manifest([A, B]).frame
    changed = frame.assign(pid=[1.0, 2.0], camid=[np.int64(3), pd.NA], visible_fraction=[np.float32(0.5), None])
    texts = from_frame(changed)
    assert (texts["pid"], texts["camid"], texts["visible_fraction"]) == (["1", "2"], ["3", ""], ["0.500000", ""])


def test_a_picture_is_found_only_below_known_roots(make_manifest: Make, tmp_path: Path) -> None:
    """A row's file is below its own folder or a root whose place was said."""
    rows = [A, {**B, "root": "market-1501", "path": "raw/b.jpg"}]
    made = make_manifest(rows, roots={"market-1501": "f" * 64})
    write(made, tmp_path / "manifest.csv")
    assert read(tmp_path / "manifest.csv").file("a") == tmp_path / "raw" / "a.jpg"
    with pytest.raises(UsageError, match="--source market-1501=PATH"):
        read(tmp_path / "manifest.csv").file("b")
    there = read(tmp_path / "manifest.csv", {"market-1501": tmp_path / "market"})
    assert there.file("b") == tmp_path / "market" / "raw" / "b.jpg"
    with pytest.raises(UsageError, match="no picture 'z'"):
        there.file("z")
