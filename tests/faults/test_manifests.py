"""Manifests from strangers: every cell is judged before a file is opened, and the row is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from faultkit import ID, Sandbox, cli

from occluded_datasets.errors import ManifestError, UnsafeNameError
from occluded_datasets.manifest import (
    COLUMNS,
    SIMULATED,
    Manifest,
    from_frame,
    header_of,
    read,
    to_frame,
    to_text,
    verify,
)
from occluded_datasets.manifest.table import from_text, to_parquet

Cells = dict[str, list[str]]
ROW = 3  # the row that the forger changes, counted from 1


def forge(box: Sandbox, change: Callable[[Cells], object], kind: str, **facts: object) -> Path:
    """Return a manifest with changed cells whose header vouches for it all the same, as a forger would write it."""
    box.publish()
    table = box.home / "manifest.csv"
    texts = from_text(table.read_bytes(), "manifest.csv")
    old = json.loads((box.home / "manifest.json").read_text())
    change(texts)
    text = to_text(texts)
    new = {**old, **header_of(texts, text, {}), **facts}
    if kind == "parquet":
        try:
            frame = to_frame(texts)
            kept = from_frame(frame) == texts
        except (ValueError, OverflowError, ManifestError):
            kept = False
        if not kept:
            pytest.skip("the types of Parquet cannot hold this fault")
        data = to_parquet(frame)
        table = table.with_suffix(".parquet")
        table.write_bytes(data)
    else:
        table.write_bytes(text.encode())
    table.with_suffix(".json").write_text(json.dumps(new))
    return table


def cell(column: str, value: str) -> Callable[[Cells], None]:
    def change(texts: Cells) -> None:
        texts[column][ROW - 1] = value

    return change


def simulated(**cells: str) -> Callable[[Cells], None]:
    """Return what makes the table that of a simulated set, with cells of one row given."""
    plain = {"source_image_id": "s", "copy": "0", "key": "0" * 64}

    def change(texts: Cells) -> None:
        for column in SIMULATED:
            texts[column.name] = [plain.get(column.name, "")] * len(texts["pid"])
        for name, value in cells.items():
            texts[name] = [*texts[name][: ROW - 1], value, *texts[name][ROW:]]

    return change


def leak(texts: Cells) -> None:
    texts["split"][:] = ["train"] * (ROW - 1) + ["test"] * (len(texts["pid"]) - ROW + 1)


def twice(key: str) -> Callable[[Cells], None]:
    return lambda texts: texts[key].__setitem__(ROW - 1, texts[key][0])


CELLS: dict[str, tuple[Callable[[Cells], object], str]] = {
    "row_dotdot": (cell("path", "raw/../../../outside/victim.txt"), f"row {ROW}, path.*'..'"),
    "row_absolute": (cell("path", "/etc/passwd"), f"row {ROW}, path.*absolute"),
    "row_url": (cell("path", "https://example.org/x.jpg"), f"row {ROW}, path.*colon"),
    "row_url_root": (cell("root", "https://example.org"), f"row {ROW}, root"),
    "row_backslash": (cell("path", "raw\\x.jpg"), f"row {ROW}, path.*backslash"),
    "row_unknown_root": (cell("root", "elsewhere"), f"row {ROW}, root: 'elsewhere' is not among the roots"),
    "row_not_nfc": (cell("path", "raw/e\u0301.jpg"), f"row {ROW}, path.*NFC"),
    "formula_cell": (cell("image_id", "=HYPERLINK(0)"), f"row {ROW}, image_id.*spreadsheet"),
    "formula_cell_at": (cell("image_id", "@SUM(1)"), f"row {ROW}, image_id.*spreadsheet"),
    "formula_cell_path": (cell("path", "=cmd|x"), f"row {ROW}, path.*spreadsheet"),
    "formula_cell_group": (cell("group", "+1"), f"row {ROW}, group.*spreadsheet"),
    "formula_cell_level": (simulated(level="-1+1"), f"row {ROW}, level.*spreadsheet"),
    "formula_cell_mask": (simulated(mask_path="-x"), f"row {ROW}, mask_path.*spreadsheet"),
    "duplicate_key": (twice("image_id"), f"rows 1 and {ROW} have the same image_id"),
    "duplicate_path": (twice("path"), f"rows 1 and {ROW} have the same path"),
    "box_outside_image": (simulated(boxes="0:0:8:17"), f"row {ROW}, boxes: 0:0:8:17 is outside"),
    "box_empty": (simulated(boxes="0:0:0:1"), f"row {ROW}, boxes"),
    "box_endless": (simulated(boxes=f"{'9' * 5000}:0:1:1"), f"row {ROW}, boxes"),
    "split_leak": (leak, "identity .* is in train and in test"),
    "pid_not_a_number": (cell("pid", "1e3"), f"row {ROW}, pid"),
    "pid_other_digits": (cell("pid", "\u0661"), f"row {ROW}, pid"),
    "pid_endless": (cell("pid", "9" * 30), f"row {ROW}, pid"),
    "control_character": (cell("image_id", "a\x1b[2J"), f"row {ROW}, image_id"),
    "width_zero": (cell("width", "0"), f"row {ROW}, width"),
    "hash_short": (cell("sha256", "00"), f"row {ROW}, sha256"),
    "role_unknown": (cell("role", "query"), f"row {ROW}, role"),
}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("case", CELLS)
def test_a_forged_cell_is_refused_by_row(box: Sandbox, case: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row and column are named, though the header vouches for the table, and no picture is opened."""
    change, says = CELLS[case]
    path = forge(box, change, kind)
    monkeypatch.setattr("occluded_datasets.images.decode", lambda *args: pytest.fail("a picture was opened"))
    with pytest.raises(ManifestError, match=says):
        read(path)


BYTES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bom_crlf-bom": (lambda data: b"\xef\xbb\xbf" + data, "byte order mark"),
    "bom_crlf-crlf": (lambda data: data.replace(b"\n", b"\r\n"), "carriage returns"),
    "not_utf8": (lambda data: data.replace(b"Tiny", b"T\xefny", 1), "is not UTF-8"),
    "utf16": (lambda data: data.decode().encode("utf-16"), "UTF-8"),
    "nul_bytes": (lambda data: data.replace(b"Tiny", b"T\0ny", 1), "row|NUL"),
    "missing_column": (lambda data: data.replace(b",pid,", b",", 1), "Missing: pid"),
    "other_order": (lambda data: data.replace(b"image_id,root", b"root,image_id", 1), "in this order"),
    "unknown_column": (lambda data: data.replace(b"visibility_source\n", b"visibility_source,run\n", 1), "columns"),
    "short_row": (lambda data: data.replace(b",unknown\n", b"\n", 1), r"row \d+: expected"),
    "open_quote": (lambda data: data[:-40] + b'"', "not a CSV|expected"),
    "truncated_file": (lambda data: data[: len(data) // 2], "manifest.csv"),
    "truncated_at_a_row": (lambda data: data[: data.rindex(b"\n", 0, -1) + 1], "Expected rows 8, found 7"),
    "emptied": (lambda data: b"", "the file is empty"),
    "tampered_sha": (lambda data: data.replace(b",16,", b",17,", 1), "Expected table_sha256"),
    "tampered_pid": (lambda data: data.replace(b",2,,", b",3,,", 1), "not the table its header vouches for"),
}


@pytest.mark.parametrize("case", BYTES)
def test_changed_bytes_are_refused(box: Sandbox, case: str) -> None:
    """A table that is not canonical, whole, or the one its header vouches for is an error."""
    box.publish()
    change, says = BYTES[case]
    table = box.home / "manifest.csv"
    changed = change(table.read_bytes())
    assert changed != table.read_bytes()
    table.write_bytes(changed)
    with pytest.raises(ManifestError, match=says):
        read(table)


@pytest.mark.parametrize("step", [-1, 1, 2])
def test_a_flipped_or_cut_parquet_is_refused(box: Sandbox, step: int) -> None:
    """Any cut, and any flipped byte that changes a cell, is found."""
    whole = forge(box, lambda texts: None, "parquet")
    data = whole.read_bytes()
    good = read(whole).frame
    for at in range(0, len(data) - 1, len(data) // 60):
        whole.write_bytes(data[:at] if step < 0 else data[:at] + bytes([data[at] ^ step]) + data[at + 1 :])
        try:
            assert read(whole).frame.equals(good)
        except ManifestError:
            continue


HEADERS: dict[str, tuple[bytes, str]] = {
    "unknown_schema_version": (
        b'{"schema_version": 99, "tool_version": "9.0"}',
        "schema version 99 .written by version 9.0",
    ),
    "header_missing": (b"", "not a manifest header"),
    "header_list": (b"[1]", "not a manifest header"),
    "header_deep": (b"[" * 200_000, "not a manifest header"),
    "header_not_utf8": (b'{"schema_version": "\xff"}', "not a manifest header"),
    "header_endless_number": (b'{"schema_version": ' + b"9" * 5000 + b"}", "manifest"),
    "header_poor": (b'{"schema_version": 1}', "the header lacks rows"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_that_is_none_is_refused(box: Sandbox, case: str) -> None:
    """Damage, the future, and JSON that is no header are said to be so."""
    box.publish()
    data, says = HEADERS[case]
    (box.home / "manifest.json").write_bytes(data)
    with pytest.raises(ManifestError, match=says):
        read(box.home / "manifest.csv")


@pytest.mark.parametrize("roots", [5, "x", ["a"], None])
def test_roots_of_another_type_are_refused(box: Sandbox, roots: object) -> None:
    """A header whose roots are no names is an error, not a crash."""
    with pytest.raises(ManifestError):
        read(forge(box, lambda texts: None, "csv", roots=roots))


def test_a_parquet_with_an_infinite_pid_is_refused(box: Sandbox) -> None:
    """A number that is none does not crash the reader."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = forge(box, lambda texts: None, "parquet")
    table = pq.read_table(path)
    at = table.column_names.index("pid")
    pq.write_table(table.set_column(at, "pid", pa.array([float("inf")] * len(table))), path)
    with pytest.raises(ManifestError):
        read(path)


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX")
@pytest.mark.parametrize("where", ["file", "folder"])
def test_row_symlink_out(box: Sandbox, where: str) -> None:
    """A row whose file, or a folder on the way, became a link is refused and not opened, even if its bytes agree."""
    box.publish()
    manifest = read(box.home / "manifest.csv")
    path = manifest.frame["path"][0]
    inside = box.home / (path if where == "file" else path.rpartition("/")[0])
    inside.rename(box.outside / "moved")
    inside.symlink_to(box.outside / "moved")
    with pytest.raises(UnsafeNameError, match="symbolic link"):
        manifest.file(manifest.frame["image_id"][0])
    for full in (False, True):
        result = verify(manifest, full=full)
        assert path in result.refused
        assert not result.ok
    done = cli("verify", box.home / "manifest.csv", "--full")
    assert (done.returncode, "a link: " in done.stdout) == (1, True)


def test_a_frame_with_a_forged_path_opens_nothing(box: Sandbox) -> None:
    """A manifest made in memory obeys the same rule when a file is asked for."""
    box.publish()
    manifest = read(box.home / "manifest.csv")
    frame = manifest.frame.copy()
    frame.loc[0, "path"] = "../../outside/victim.txt"
    forged = Manifest(frame, manifest.header, manifest.path)
    with pytest.raises(UnsafeNameError):
        forged.file(frame["image_id"][0])
    assert verify(forged, full=True).refused == ("../../outside/victim.txt",)
    assert len(COLUMNS) == len(frame.columns)
    assert manifest.dataset == ID
