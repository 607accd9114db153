"""Archives nobody thought of: random names and mutated headers are refused by a typed error, or stay inside."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import hostile
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from occluded_datasets.acquire import member_names, unpack
from occluded_datasets.errors import OccludedDatasetsError
from occluded_datasets.images import encode
from occluded_datasets.paths import safe_name

SEGMENTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "a", "A", "con", "x.zip", "é", "e\u0301", "a\\b", "C:", "~", "__MACOSX", "ﬁ", "fi"]
    ),
    st.text(max_size=8),
)
NAMES = st.builds(lambda parts, lead: lead + "/".join(parts), st.lists(SEGMENTS, min_size=1, max_size=5),
                  st.sampled_from(["", "/", "//", "./", "\\"]))  # fmt: skip
KINDS = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE,
                         tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE])  # fmt: skip
FILES = {f"T/{number}.jpg": encode(np.full((8, 8, 3), number, np.uint8), ".jpg") for number in range(3)}


def contained_or_refused(data: bytes) -> None:
    """Unpack below a folder of its own: nothing beside it appears, or a typed error comes."""
    with tempfile.TemporaryDirectory() as place:
        path, folder = Path(place, "in", "archive"), Path(place, "in", "out")
        folder.mkdir(parents=True)
        path.write_bytes(data)
        refusal = "none"
        try:
            found = unpack(path, folder)
        except OccludedDatasetsError as error:
            refusal = error.what
        else:
            assert all(safe_name(name) == name and (folder / name).is_file() for name in found.names)
        with suppress(OccludedDatasetsError):
            member_names(path)
        assert refusal
        assert sorted(os.listdir(place)) == ["in"]
        assert sorted(os.listdir(path.parent)) == ["archive", "out"]
        assert not any(entry.is_symlink() for entry in folder.rglob("*"))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(NAMES, min_size=1, max_size=4))
@example(["../../x"])
def test_a_zip_of_any_names_stays_inside(names: list[str]) -> None:
    """Whatever the names say, every file written is inside."""
    names = [name for name in names if name.isprintable() or "\0" not in name]
    try:
        data = hostile.zipped(*((name, b"x") for name in names), files={})
    except (UnicodeEncodeError, ValueError):
        return
    contained_or_refused(data)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAMES, KINDS, NAMES), min_size=1, max_size=4))
def test_a_tar_of_any_names_and_kinds_stays_inside(entries: list[tuple[str, bytes, str]]) -> None:
    """Whatever the names, kinds and targets say, every file written is inside and none is a link."""
    try:
        data = hostile.tarred(*(hostile.tar_entry(name, kind, target) for name, kind, target in entries), files={})
    except (UnicodeEncodeError, ValueError):
        return
    contained_or_refused(data)


@cache
def plain(kind: str) -> bytes:
    """Return a small good archive."""
    if kind.startswith("zip"):
        return hostile.zipped(files=FILES, method=zipfile.ZIP_DEFLATED)
    if kind.startswith("rar"):
        return hostile.rarred(files=FILES, format=kind)
    if kind == "pax":
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
            info = tarfile.TarInfo("T/" + "é" * 90 + ".txt")
            info.pax_headers = {"comment": "x" * 300}
            archive.addfile(info)
        return stream.getvalue()
    return hostile.tarred(files=FILES, mode=f"w:{kind[3:]}")


@pytest.mark.parametrize("kind", ["zip", "tar", "targz", "tarbz2", "tarxz", "pax", "rar50", "rar30"])
def test_a_mutated_header_is_a_typed_error_or_harmless(kind: str) -> None:
    """No struct.error, UnicodeDecodeError, RecursionError, MemoryError or hang comes out of a reader."""
    data = plain(kind)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), min_size=1, max_size=5),
           st.integers(0, len(data)))  # fmt: skip
    def run(changes: list[tuple[int, int]], cut: int) -> None:
        bad = bytearray(data)
        for at, value in changes:
            bad[at] = value
        contained_or_refused(bytes(bad))
        contained_or_refused(bytes(bad[:cut]))

    run()


CRAFTED: dict[str, Callable[[], bytes]] = {
    "zip_comment_of_zips": lambda: hostile.zipped(files={}) * 50,
    "zip_prefix": lambda: b"PK\x03\x04" + bytes(200) + hostile.zipped(files=FILES),
    "zip_central_flipped": lambda: hostile.flipped(hostile.zipped(files=FILES), -30 % len(hostile.zipped(files=FILES))),
    "zip_unknown_method": lambda: hostile.zipped(files=FILES, spoil=lambda archive: setattr(archive.filelist[0], "compress_type", 77)),
    "zip_version_99": lambda: hostile.zipped(files=FILES, spoil=lambda archive: setattr(archive.filelist[0], "extract_version", 99)),
    "zip_strong_encryption": lambda: hostile.zipped(files=FILES, spoil=lambda archive: setattr(archive.filelist[0], "flag_bits", 0x40)),
    "zip_offset_negative": lambda: hostile.zipped(files=FILES, spoil=lambda archive: setattr(archive.filelist[0], "header_offset", 2**31)),
    "tar_pax_bomb": lambda: hostile.tarred(hostile.tar_entry("a", tarfile.XHDTYPE, size=1 << 40), files={}),
    "tar_longname_chain": lambda: b"".join(
        hostile.tar_entry("a", tarfile.GNUTYPE_LONGNAME).tobuf() for _ in range(5000)),
    "tar_negative_size": lambda: hostile.tarred(files=FILES).replace(b"00000000", b"\xff" * 8, 1),
    "rar_magic_alone": lambda: b"Rar!\x1a\x07\x01\x00",
    "rar_magic_old": lambda: b"Rar!\x1a\x07\x00" + b"\xff" * 600,
    "gzip_of_nothing": lambda: gzip.compress(b""),
    "gzip_of_zeros": lambda: gzip.compress(bytes(1 << 25)),
    "xz_memory": lambda: b"\xfd7zXZ\x00" + os.urandom(600),
}  # fmt: skip


@pytest.mark.parametrize("case", CRAFTED)
def test_a_crafted_archive_is_a_typed_error_or_harmless(case: str) -> None:
    """Headers that ask for too much, lie about places, or nest without end."""
    if case.startswith("rar"):
        pytest.importorskip("unrar.cffi", reason="unrar2-cffi, which reads rar archives, is not installed")
    contained_or_refused(CRAFTED[case]())
