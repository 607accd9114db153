"""What a store vouches for is checked when it is used: header, index, and each picture once."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import small

from occluded_datasets.errors import InputError, UsageError
from occluded_datasets.manifest import Manifest
from occluded_datasets.store import Store, is_store, opened, pack
from occluded_datasets.store.layout import CHECKED, HEADER, INDEX, header_digest

SIZE = (16, 8)
KINDS: dict[str, dict[str, Any]] = {"pixels.npy": {"size": SIZE}, "encoded.bin": {"encoded": True}}
Harm = Callable[[Path], object]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of sixty pictures of one size."""
    return small(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def packed(made: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a store of each kind, named as its data file is."""
    folder = tmp_path_factory.mktemp("packed")
    for name, options in KINDS.items():
        pack(made, folder / name, **options)
    return folder


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, packed: Path, tmp_path: Path) -> Path:
    """Return a copy of a store of each kind, which a test may harm; its data file is ``<store>/<its name>``."""
    return Path(shutil.copytree(packed / request.param, tmp_path / request.param))


def flip(store: Path, row: int = 9, keep_time: bool = False) -> str:
    """Flip a bit of a picture, and return its name."""
    data = store / store.name
    status, record = data.stat(), np.load(store / INDEX)[row]
    with data.open("r+b") as stream:
        stream.seek(int(record["offset"]) + int(record["length"]) // 2)
        byte = stream.read(1)[0]
        stream.seek(-1, 1)
        stream.write(bytes([byte ^ 4]))
    if keep_time:
        os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    return str(record["image_id"].decode())


def rewrite(store: Path, **facts: Any) -> None:
    """Write a header that says other things and vouches for them."""
    header = {**json.loads((store / HEADER).read_bytes()), **facts}
    (store / HEADER).write_text(json.dumps({**header, "header_sha256": header_digest(header)}))


def reindex(store: Path, rows: slice) -> None:
    index = np.load(store / INDEX)
    np.save(store / INDEX, index[rows])


def never(self: Store) -> list[str]:
    raise AssertionError("the pictures were read again")


def test_a_changed_picture_is_refused(made: Manifest, store: Path) -> None:
    """A flipped bit: opening names the picture, `pack` does not call it unchanged, and --replace mends it."""
    assert Store.open(store).verify() == []
    assert pack(made, store, **KINDS[store.name]).unchanged
    name = flip(store)
    with pytest.raises(InputError, match=rf"1 of 60 images are not those .*Changed: {re.escape(name)}\. Next"):
        Store.open(store)
    assert Store.open(store, check=False).verify() == [name]
    with pytest.raises(UsageError, match=rf"1 of 60 .*{re.escape(name)}.*add --replace"):
        pack(made, store, **KINDS[store.name])
    assert not pack(made, store, **KINDS[store.name], replace=True).unchanged
    assert Store.open(store).verify() == []


INDEX_HARM: dict[str, tuple[Harm, str]] = {
    "another order": (lambda store: reindex(store, slice(None, None, -1)), "not the index"),
    "rows dropped": (lambda store: reindex(store, slice(0, 40)), "not the index"),
    "a bit": (lambda store: (store / INDEX).write_bytes((store / INDEX).read_bytes()[:-1] + b"\1"), "not the index"),
    "gone": (lambda store: (store / INDEX).unlink(), "No such file"),
    "data a byte short": (lambda store: os.truncate(store / store.name, (store / store.name).stat().st_size - 1),
                          r"Expected (pixels\.npy|encoded\.bin) of \d+ bytes, found \d+"),
    "data a byte long": (lambda store: (store / store.name).write_bytes((store / store.name).read_bytes() + b"x"), r"of \d+ bytes, found \d+"),
    "data gone": (lambda store: (store / store.name).unlink(), "No such file"),
}  # fmt: skip


@pytest.mark.parametrize("harm", INDEX_HARM)
def test_a_harmed_index_or_length_is_refused(made: Manifest, store: Path, harm: str) -> None:
    """However it is harmed, it is not opened, with or without its pictures read, nor called unchanged by `pack`."""
    Store.open(store)  # what is remembered of the pictures must not stand in for the index
    act, message = INDEX_HARM[harm]
    act(store)
    for check in (True, False):
        with pytest.raises(InputError, match=message):
            Store.open(store, check=check)
    with pytest.raises(UsageError, match=f"{message}.*add --replace"):
        pack(made, store, **KINDS[store.name])


def test_an_index_that_is_vouched_for_must_have_the_rows(store: Path) -> None:
    """Fewer rows with a digest of their own are still not the rows that the header counts."""
    reindex(store, slice(0, 40))
    rewrite(store, index_sha256=hashlib.sha256((store / INDEX).read_bytes()).hexdigest())
    with pytest.raises(InputError, match=r"Expected 60 of \(40, .*with 40 rows"):
        Store.open(store, check=False)


@pytest.mark.parametrize(("old", "new"), [(b"|u1", b"|i1"), (b"16, 8, 3", b"8, 16, 3"), (b"(60, 16", b"(16, 60")])
def test_pixels_of_another_form_are_refused(packed: Path, tmp_path: Path, old: bytes, new: bytes) -> None:
    """A head of pixels.npy that gives the same bytes another type or shape: the pictures would be others."""
    store = Path(shutil.copytree(packed / "pixels.npy", tmp_path / "pixels.npy"))
    data = (store / "pixels.npy").read_bytes()
    assert old in data[:128]
    (store / "pixels.npy").write_bytes(data[:128].replace(old, new) + data[128:])
    with pytest.raises(InputError, match=r"Expected 60 of \(60, 16, 8, 3\), found"):
        Store.open(store, check=False)


@pytest.mark.parametrize(
    ("name", "value"),
    [("manifest_fingerprint", "0" * 64), ("dataset", "occluded-reid"), ("size", [8, 16]), ("twin", True),
     ("terms", {}), ("redistributable", True), ("index_sha256", "0" * 64), ("new", 1)],
)  # fmt: skip
def test_an_edited_header_is_refused(made: Manifest, store: Path, name: str, value: object) -> None:
    """Any other word in store.json: not opened, not unchanged; the same words in another order are the same header."""
    header = json.loads((store / HEADER).read_bytes())
    (store / HEADER).write_text(json.dumps(dict(reversed(header.items()))))
    assert Store.open(store).header == header
    (store / HEADER).write_text(json.dumps({**header, name: value}))
    with pytest.raises(InputError, match=r"store\.json: changed since the store was packed\. Expected sha256"):
        Store.open(store)
    with pytest.raises(UsageError, match=r"changed since the store was packed.*add --replace"):
        pack(made, store, **KINDS[store.name])


def test_a_store_of_before_is_read(store: Path) -> None:
    """A header without a digest of its own is one of an earlier version."""
    header = json.loads((store / HEADER).read_bytes())
    del header["header_sha256"]
    (store / HEADER).write_text(json.dumps(header))
    assert len(Store.open(store)) == 60


def test_pictures_are_read_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second opening reads no picture; nor does one that comes by pickle."""
    first = Store.open(store)
    monkeypatch.setattr(Store, "verify", never)
    assert len(Store.open(store)) == len(pickle.loads(pickle.dumps(first))) == 60


def _copied(store: Path) -> None:
    shutil.copy2(store / store.name, store / "other")
    os.replace(store / "other", store / store.name)


def _longer(store: Path) -> None:
    stamp = json.loads((store / CHECKED).read_bytes())
    (store / CHECKED).write_text(json.dumps({**stamp, "size": stamp["size"] + 1}))


def _other_index(store: Path) -> None:
    stamp = json.loads((store / CHECKED).read_bytes())
    (store / CHECKED).write_text(json.dumps({**stamp, "index_sha256": "0" * 64}))


@pytest.mark.parametrize(
    "change",
    [
        _copied,
        _longer,
        _other_index,
        lambda store: os.utime(store / store.name, ns=(1, 1)),
        lambda store: (store / CHECKED).write_text("[" * 100_000),
        lambda store: (store / CHECKED).write_bytes(b"\xff"),
        lambda store: (store / CHECKED).unlink(),
    ],
    ids=["inode", "size", "index", "time", "deep", "rubbish", "gone"],
)
def test_what_is_remembered_is_of_this_very_file(store: Path, monkeypatch: pytest.MonkeyPatch, change: Harm) -> None:
    """Another size, time or inode, or nothing to read: the pictures are read again, and then remembered again."""
    Store.open(store)
    change(store)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "verify", never)
        with pytest.raises(AssertionError, match="read again"):
            Store.open(store)
    Store.open(store)
    monkeypatch.setattr(Store, "verify", never)
    Store.open(store)


def test_a_place_that_cannot_be_written(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a read-only disk a store opens and is checked each time, by workers only if its data changed."""

    def refuses(path: Path, data: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(opened, "write_atomic", refuses)
    first = pickle.dumps(Store.open(store))
    assert not (store / CHECKED).exists()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "verify", never)
        assert len(pickle.loads(first)) == 60
        with pytest.raises(AssertionError, match="read again"):
            Store.open(store)
    flip(store)
    for again in (lambda: pickle.loads(first), lambda: Store.open(store)):
        with pytest.raises(InputError, match="1 of 60 images"):
            again()


def test_verify_reads_whatever_is_remembered(store: Path) -> None:
    """A bit that rots without a change of time is found by `verify`, and from then on by every opening."""
    Store.open(store)
    name = flip(store, keep_time=True)
    store_opened = Store.open(store)  # which is what verify is for
    assert store_opened.verify() == [name]
    assert not (store / CHECKED).exists()
    with pytest.raises(InputError, match="1 of 60 images"):
        Store.open(store)


def test_verify_on_the_command_line(command: Callable[..., Any], store: Path) -> None:
    """A folder with a store in it is verified as one: exit 0, or 1 with the names of what changed, or 2 in words."""
    assert is_store(store)
    whole = command("verify", store)
    assert (whole.code, whole.err) == (0, "")
    assert "a store of partial-reid, 60 images checked (full), as packed" in whole.out
    names = sorted(flip(store, row) for row in range(12))
    harmed = command("verify", store, "--json")
    assert harmed.code == 1
    assert {**harmed.json(), "changed": sorted(harmed.json()["changed"])} == {
        "store": str(store), "dataset": "partial-reid", "ok": False, "mode": "full", "checked": 60, "changed": names,
        "fingerprint": Store.open(store, check=False).fingerprint,
    }  # fmt: skip
    shown = command("verify", store)
    assert shown.code == 1
    assert f"changed: {names[0]}" in shown.out
    assert "changed: 2 more" in shown.out
    assert f"Next: occreid-prepare pack MANIFEST --out {store} --replace" in shown.out
    reindex(store, slice(None, None, -1))
    broken = command("verify", store)
    assert broken.code == 2
    assert "not the index that store.json vouches for" in broken.err
