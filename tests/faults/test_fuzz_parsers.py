"""Texts nobody thought of: name lists, manifests, headers and sidecars give a typed error or what is right."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from occluded_datasets.acquire.agreements import LEDGER, read_ledger
from occluded_datasets.acquire.download import Sidecar
from occluded_datasets.acquire.pins import read_seen, record_path
from occluded_datasets.catalog import get
from occluded_datasets.errors import FetchError, InputError, ManifestError, UsageError
from occluded_datasets.manifest import attest, read, read_attestation, read_header, validate
from occluded_datasets.manifest.table import from_text
from occluded_datasets.paths import safe_name
from occluded_datasets.prepare import namelists, workspace

if TYPE_CHECKING:
    from faultkit import Sandbox

QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SLOW = settings(QUIET, max_examples=8)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip
DEEP = b"[" * 9000


def spoilt(text: bytes) -> st.SearchStrategy[bytes]:
    """Return bytes that are `text` but for a few places: cut, doubled, changed or with something put in."""
    place = st.integers(0, len(text))
    change = st.tuples(place, place, st.binary(max_size=6))

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        data = text
        for start, end, new in changes:
            first, last = min(start, end), min(max(start, end), min(start, end) + 40)
            data = data[:first] + new + data[last:]
        return data

    return st.one_of(st.lists(change, min_size=1, max_size=4).map(apply), st.binary(max_size=64))


def replaced(record: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return JSON that is `record` with some values exchanged, missing, or none of it."""
    some = st.dictionaries(st.sampled_from(sorted(record)), JSON, max_size=3)
    gone = st.sets(st.sampled_from(sorted(record)), max_size=2)
    mixed = st.builds(lambda new, less: {k: v for k, v in {**record, **new}.items() if k not in less}, some, gone)
    return st.one_of(mixed, JSON).map(lambda value: json.dumps(value).encode())


NAMES = [f"{pid:04d}_c{pid % 8 + 1}_f{frame:07d}.jpg" for pid in range(1, 4) for frame in range(3)]
LIST = "\r\n".join(NAMES).encode()


@QUIET
@given(spoilt(LIST))
@example(b"\xef\xbb\xbf" + LIST)
@example(LIST + b"\r\n\r\n")
@example(b"a/../" + LIST)
def test_a_name_list(tmp_path: Path, data: bytes) -> None:
    """Whatever a list holds: names that the set can have and that are safe, or a typed error with its place."""
    facts = replace(get("occluded-dukemtmc"), lists=(("query.list", "query"),), sources=())
    path = tmp_path / "query.list"
    path.write_bytes(data)
    try:
        (found,) = namelists.read_lists(facts, facts.variant(), [path], [])
    except InputError as error:
        said = error.what
        found = None
    if found is None:
        assert str(path) in said
        return
    assert all(safe_name(entry.name) == entry.name and entry.name.count("_c") == 1 for entry in found.entries)
    assert len(found.entries) + found.repeated == len([line for line in data.decode("utf-8-sig").splitlines() if line])


@pytest.fixture(scope="module")
def table(good: Path) -> tuple[bytes, dict[str, Any]]:
    """Return the table and the header of a good build."""
    home = next((good / "root").iterdir())
    return (home / "manifest.csv").read_bytes(), json.loads((home / "manifest.json").read_bytes())


def test_a_table(tmp_path: Path, table: tuple[bytes, dict[str, Any]]) -> None:
    """A changed table is refused before a file is opened; one that would pass on its own fails its header's hash."""
    (tmp_path / "manifest.json").write_text(json.dumps(table[1]))
    path = tmp_path / "manifest.csv"

    @QUIET
    @given(spoilt(table[0]))
    def run(data: bytes) -> None:
        with suppress(ManifestError):
            validate(from_text(data, "manifest.csv"), "manifest.csv")
        path.write_bytes(data)
        if data == table[0]:
            assert len(read(path)) == table[1]["rows"]
            return
        with pytest.raises(ManifestError):
            read(path)

    run()


def test_a_header(tmp_path: Path, table: tuple[bytes, dict[str, Any]]) -> None:
    """Whatever a header says, the table is read under a header that is true of it, or not at all."""
    path = tmp_path / "manifest.csv"
    path.write_bytes(table[0])

    @QUIET
    @given(replaced(table[1]))
    @example(DEEP)
    def run(data: bytes) -> None:
        (tmp_path / "manifest.json").write_bytes(data)
        with suppress(ManifestError):
            read_header(tmp_path / "manifest.json")
        try:
            manifest = read(path)
        except ManifestError:
            return
        assert (manifest.fingerprint, len(manifest)) == (table[1]["fingerprint"], table[1]["rows"])

    run()


def test_an_attestation(tmp_path: Path, good: Path) -> None:
    """What another laboratory sends is checked field by field."""
    record = attest(read(next((good / "root").iterdir()) / "manifest.csv"))
    path = tmp_path / "theirs.json"

    @QUIET
    @given(replaced(record))
    @example(DEEP)
    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(InputError):
            assert read_attestation(path)["fingerprint"]

    run()


SEEN = {
    "name": "a.zip",
    "bytes": 3,
    "sha256": "0" * 64,
    "git_blob": "0" * 40,
    "url": "",
    "date": "",
    "tool_version": "",
}
SIDECARS: dict[str, tuple[dict[str, Any], Callable[[Path], object]]] = {
    "part": ({"url": "https://a/b", "validator": '"v1"', "total": 9}, lambda folder: Sidecar.read(folder / "file")),
    "first_seen": (SEEN, lambda folder: read_seen(folder / "a.zip")),
    "ledger": ({"schema": 1, "agreements": []}, read_ledger),
}


@pytest.mark.parametrize("kind", SIDECARS)
def test_a_sidecar(tmp_path: Path, kind: str) -> None:
    """A small file of ours that something changed is read as what it is, as nothing, or as a typed error."""
    record, reads = SIDECARS[kind]
    path = {"part": tmp_path / "file", "first_seen": record_path(tmp_path / "a.zip"), "ledger": tmp_path / LEDGER}[kind]

    @QUIET
    @given(st.one_of(replaced(record), spoilt(json.dumps(record).encode())))
    @example(DEEP)
    def run(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(FetchError, InputError):
            found = reads(tmp_path)
            assert kind != "part" or found is None or found.total > 0  # type: ignore[attr-defined]

    run()


OWN = (".build.json", ".stat.tsv", ".building/unpacked.json", ".building/scan.tsv", ".old/manifest.json")


@pytest.mark.parametrize("name", OWN)
def test_what_a_build_left_beside_its_tree(box: Sandbox, name: str) -> None:
    """Whatever the files hold that a killed build leaves, the same command builds the right set."""
    line = "Tiny/001_001.jpg\t16\t8\t10\t" + "0" * 64 + "\t" + "0" * 64 + "\t1\n"

    @SLOW
    @given(st.one_of(JSON.map(lambda value: json.dumps(value).encode()), spoilt(line.encode())))
    @example(DEEP)
    @example(b'{"source": {}, "skipped": 3}')
    @example(line.replace("16", "x").encode())
    @example(b"Tiny/\0\t1\t1\t1\tx\tx\t1\n")
    def run(data: bytes) -> None:
        box.publish()
        box.plant_good()
        (box.home / name).parent.mkdir(exist_ok=True)
        (box.home / name).write_bytes(data)
        os.utime(box.raw)
        if name == ".build.json":  # a tree that nothing says a build put there is never replaced
            with suppress(UsageError):
                box.build()
                box.assert_good()
            return
        assert box.build().fingerprint == box.fingerprint
        box.assert_good()

    run()


def test_a_journal(tmp_path: Path) -> None:
    """Of a journal only lines that are true of a file there are believed."""
    (tmp_path / "a.jpg").write_bytes(b"0123456789")
    status = (tmp_path / "a.jpg").stat()
    line = f"a.jpg\t16\t8\t{status.st_size}\t{'0' * 64}\t{'0' * 64}\t{status.st_mtime_ns}\n".encode()
    space = workspace.Workspace(tmp_path / "home")
    space.staging.mkdir(parents=True)

    @QUIET
    @given(spoilt(line * 2))
    @example(line.replace(b"16", b"x"))
    @example(b"a\0.jpg\t1\t1\t1\tx\tx\t1\n")
    def run(data: bytes) -> None:
        (space.staging / workspace.JOURNAL).write_bytes(data)
        found = space.journal(tmp_path)
        assert all(fact.bytes == status.st_size for fact in found.values())

    run()
    (space.staging / workspace.JOURNAL).write_bytes(line)
    assert list(space.journal(tmp_path)) == ["a.jpg"]
