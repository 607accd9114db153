"""Any table of valid cells survives CSV, Parquet and the data frame."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from occluded_datasets.errors import ManifestError
from occluded_datasets.manifest import from_frame, read, read_header, to_frame, to_text, validate, write
from occluded_datasets.manifest.table import from_parquet, from_text, to_parquet

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda t: t[0] not in "=+-@"
)
QUOTED = st.sampled_from(
    ['a,"b"', '"', "a;b", " lead", "é 图片", "NA", "nan", "None", "null", "1e5", "0123", "a\u2028b", "\ufeffx"]
)
HEX = st.text("0123456789abcdef", min_size=64, max_size=64)
FRACTION = st.just("") | st.integers(0, 10**6).map(lambda n: f"{n / 10**6:.6f}")


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str]]:
    """Draw rows of a manifest with awkward text, nulls and numbers."""
    names = draw(st.lists(TEXT | QUOTED, max_size=6, unique=True))
    extra = draw(st.lists(st.from_regex(r"x_[a-z0-9_]{1,8}", fullmatch=True), max_size=2, unique=True))
    return [
        {
            "image_id": name,
            "path": f"raw/{number}.jpg",
            "pid": str(draw(st.integers(-1, 10**17))),
            "camid": draw(st.just("") | st.integers(0, 10**8).map(str)),
            "body": draw(st.sampled_from(["full", "occluded", "partial", "unknown"])),
            "role": draw(st.sampled_from(["", "probe", "gallery", "junk"])),
            "group": draw(st.just("") | TEXT | QUOTED),
            "width": str(draw(st.integers(1, 10**5))),
            "visible_fraction": draw(FRACTION),
            "pixel_sha256": draw(HEX),
            **{key: draw(st.just("") | TEXT | QUOTED) for key in extra},
        }
        for number, name in enumerate(names)
    ]


@settings(deadline=None, max_examples=30)
@given(rows=tables())
def test_any_table_survives(make_texts: Callable[..., Any], make_manifest: Callable[..., Any], rows: Any) -> None:
    """CSV, Parquet and frame give the same cells back, and writing twice gives the same bytes."""
    texts = make_texts(rows)
    validate(texts)
    text = to_text(texts)
    assert from_text(text.encode(), "m") == texts
    frame = to_frame(texts)
    assert from_frame(frame) == texts
    assert from_parquet(to_parquet(frame), "m") == texts
    assert to_parquet(to_frame(from_frame(frame))) == to_parquet(frame)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".csv", ".parquet"):
            first, again = Path(folder) / f"a{suffix}", Path(folder) / f"b{suffix}"
            write(make_manifest(rows), first)
            write(read(first), again)
            assert again.read_bytes() == first.read_bytes()
            assert again.with_suffix(".json").read_bytes() == first.with_suffix(".json").read_bytes()


A, B = {"image_id": "a", "pid": "1"}, {"image_id": "b", "pid": "2"}


@pytest.fixture
def written(make_manifest: Callable[..., Any], tmp_path: Path) -> Path:
    """Return the path of a small manifest on disk."""
    write(make_manifest([A, B]), tmp_path / "manifest.csv")
    return tmp_path / "manifest.csv"


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "found a byte order mark"),
    "carriage returns": (lambda data: data.replace(b"\n", b"\r\n"), "found carriage returns"),
    "not UTF-8": (lambda data: data.replace(b"raw/b", b"raw/\xff"), "is not UTF-8"),
    "empty": (lambda data: b"", "the file is empty"),
    "a column is missing": (lambda data: data.replace(b",camid,", b",", 1), "Missing: camid"),
    "columns in another order": (lambda data: data.replace(b"pid,camid", b"camid,pid", 1), "Found, in this order"),
    "an unknown column": (lambda data: data.replace(b"visibility_source", b"visibility_source,note"), "Found, in this"),
    "a short row": (lambda data: data[: data.rindex(b",")] + b"\n", "row 2: expected 17 cells, found 16"),
    "an open quote": (lambda data: data + b'"', "not a CSV"),
    "another label": (lambda data: data.replace(b"full", b"partial", 1), "not the table its header vouches for"),
    "a row less": (lambda data: b"\n".join(data.split(b"\n")[:2]) + b"\n", "Expected rows 2, found 1"),
    "no final newline": (lambda data: data[:-1], "not the table its header vouches for"),
    "quotes added": (lambda data: data.replace(b"unknown", b'"unknown"', 1), "not the table its header vouches for"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_table_is_refused(written: Path, kind: str) -> None:
    """Whatever happened to the file, the error says what was expected and found."""
    change, why = DAMAGE[kind]
    before = written.read_bytes()
    written.write_bytes(change(before))
    assert written.read_bytes() != before
    with pytest.raises(ManifestError) as refused:
        read(written)
    assert why in str(refused.value)


HEADERS: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no JSON": (lambda data: data[:-20], "not a manifest header"),
    "no object": (lambda data: b"[]", "Expected a JSON object with schema_version"),
    "a later schema": (lambda data: data.replace(b'"schema_version": 1', b'"schema_version": 9'), "pip install --upgrade"),
    "an earlier schema": (lambda data: data.replace(b'"schema_version": 1', b'"schema_version": 0'), "build the set again"),
    "roots of another kind": (
        lambda data: data.replace(b'"rows"', b'"roots": 5, "rows"'), "roots: expected names with fingerprints",
    ),
    "no rows": (lambda data: data.replace(b'"rows"', b'"lines"'), "the header lacks rows"),
    "another fingerprint": (
        lambda data: data.replace(b'"fingerprint": "', b'"fingerprint": "0'), "Expected fingerprint 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", HEADERS)
def test_a_damaged_header_is_refused(written: Path, kind: str) -> None:
    """A header of another kind, version or table is an error with the way out."""
    change, why = HEADERS[kind]
    header = written.with_suffix(".json")
    header.write_bytes(change(header.read_bytes()))
    with pytest.raises(ManifestError) as refused:
        read(written)
    assert why in str(refused.value)


def test_a_missing_header_or_table_is_refused(written: Path) -> None:
    """The error names the file that is not there."""
    written.unlink()
    with pytest.raises(ManifestError, match=r"manifest\.csv: cannot be read"):
        read(written)
    written.with_suffix(".json").unlink()
    with pytest.raises(ManifestError, match="there is no manifest header"):
        read_header(written.with_suffix(".json"))


@pytest.mark.parametrize("data", [b"", b"PAR1", b"image_id\n"], ids=repr)
def test_a_file_that_is_no_parquet_is_refused(written: Path, data: bytes) -> None:
    """No reader's own error comes through."""
    written.with_suffix(".parquet").write_bytes(data)
    with pytest.raises(ManifestError, match="not a readable Parquet file"):
        read(written.with_suffix(".parquet"))
