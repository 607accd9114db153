"""The packed store: what is written, what is read, and what is refused."""

from __future__ import annotations

import copy
import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storekit import small

from occluded_datasets.errors import ImageError, InputError, StorageError, UsageError
from occluded_datasets.files import exclusive
from occluded_datasets.hashing import pixel_digest
from occluded_datasets.images import RESIZE
from occluded_datasets.manifest import Manifest, image_refs, read_image
from occluded_datasets.store import Store, pack, packing

SIZE = (16, 8)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of sixty pictures of one size."""
    return small(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Return a set of pictures of three sizes."""
    return small(tmp_path_factory.mktemp("mixed"), 2, ((24, 12), (10, 6), (16, 8)))


@pytest.fixture
def loose(made: Manifest, tmp_path: Path) -> Manifest:
    """Return a copy of the set that a test may damage."""
    from occluded_datasets.library import load

    assert made.path
    shutil.copytree(made.path.parent, tmp_path / "loose")
    return load(tmp_path / "loose")


def from_files(manifest: Manifest, size: tuple[int, int] | None) -> np.ndarray[Any, Any]:
    """Return all pictures as files give them."""
    return np.stack([read_image(one, size) for one in image_refs(manifest)])


@pytest.mark.parametrize("size", [None, SIZE, (40, 30)], ids=str)
def test_file_and_stores_give_equal_bytes(made: Manifest, tmp_path: Path, size: tuple[int, int] | None) -> None:
    """At native size, smaller and larger: files, packed pixels and packed files are one picture."""
    want = from_files(made, size)
    pixels = Store.open(pack(made, tmp_path / "pixels", size).path)
    encoded = Store.open(pack(made, tmp_path / "encoded", encoded=True).path)
    everyone = np.arange(len(made))
    assert (pixels.images == want).all()
    assert (pixels.gather(everyone, size=size) == want).all()
    assert (encoded.gather(everyone, size=size) == want).all()
    assert [pixel_digest(encoded.picture(index)) for index in everyone] == made.frame["pixel_sha256"].tolist()
    assert (pixels.picture(3) == want[3]).all()
    assert (encoded.picture(3, size) == want[3]).all()
    assert pixels.verify() == encoded.verify() == []


def test_sizes_that_differ(mixed: Manifest, tmp_path: Path) -> None:
    """One map holds one size: the message names both ways out, and both work."""
    with pytest.raises(UsageError, match=r"3 sizes.*24x12.*--size 256x128, or --encoded"):
        pack(mixed, tmp_path / "store")
    assert not list(tmp_path.iterdir())
    want = from_files(mixed, SIZE)
    encoded = Store.open(pack(mixed, tmp_path / "encoded", encoded=True).path)
    assert (Store.open(pack(mixed, tmp_path / "store", SIZE).path).images == want).all()
    assert (encoded.gather(range(len(mixed)), size=SIZE) == want).all()
    with pytest.raises(UsageError, match="3 sizes"):
        encoded.gather([0, 1, 2])
    assert encoded.gather([]).shape == (0, 0, 0, 3)


def test_the_index_and_the_header(made: Manifest, tmp_path: Path) -> None:
    """All that a training set needs of a row is in the index; terms and kernel are in the header."""
    store = Store.open(pack(made, tmp_path / "store", SIZE).path)
    frame, index = made.frame, store.index
    assert [name.decode() for name in index["image_id"]] == frame["image_id"].tolist()
    assert [row.tobytes().hex() for row in index["sha256"]] == frame["sha256"].tolist()
    assert [row.tobytes().hex() for row in index["pixel_sha256"]] == frame["pixel_sha256"].tolist()
    assert index["pid"].tolist() == frame["pid"].tolist()
    assert set(index["camid"].tolist()) == {-1}
    header = json.loads((tmp_path / "store" / "store.json").read_bytes())
    assert header["resize"] == RESIZE
    assert header["redistributable"] is False
    assert header["terms"] == made.header["terms"]
    assert header["withdrawn_parent"] is False
    assert (header["manifest_fingerprint"], header["size"]) == (made.fingerprint, list(SIZE))
    raw = np.load(tmp_path / "store" / "pixels.npy", mmap_mode="r", allow_pickle=False)
    assert (raw == store.images).all()
    assert repr(store) == f"<Store partial-reid: 60 pictures, pixels, 16x8, {made.fingerprint[:16]}>"


def test_bytes_do_not_depend_on_who_packs(made: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, several, or an executor of the caller's: the same files."""
    monkeypatch.setattr(packing, "SHARD", 7)
    told: list[tuple[int, int]] = []
    pack(made, tmp_path / "one", SIZE, workers=1, progress=lambda *at: told.append(at))
    pack(made, tmp_path / "four", SIZE, workers=4)
    with ThreadPoolExecutor(2) as pool:
        pack(made, tmp_path / "pool", SIZE, executor=pool)
    files = {
        folder: {path.name: path.read_bytes() for path in (tmp_path / folder).iterdir()}
        for folder in ("one", "four", "pool")
    }
    assert files["one"] == files["four"] == files["pool"]
    assert sorted(files["one"]) == ["index.npy", "pixels.npy", "store.json"]
    assert told[-1] == (60, 60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["four", "one", "pool"]


def test_gather(made: Manifest, tmp_path: Path) -> None:
    """Any order, twice, from the end, into memory of the caller's; never outside."""
    store = Store.open(pack(made, tmp_path / "store", SIZE).path)
    out = np.zeros((3, *SIZE, 3), np.uint8)
    assert store.gather([5, -1, 5], out=out) is out
    assert (out == store.images[[5, 59, 5]]).all()
    assert type(store.gather([0])) is np.ndarray
    assert store.gather([]).shape == (0, *SIZE, 3)
    for wrong in ([60], [-61]):
        with pytest.raises(IndexError, match="60 pictures"):
            store.gather(wrong)
    with pytest.raises(UsageError, match=r"Expected 8x4, found 16x8. Next: occreid-prepare pack MANIFEST --size 8x4"):
        store.gather([0], size=(8, 4))
    with pytest.raises(UsageError, match="no files"):
        store.encoded(0)
    with pytest.raises(ValueError, match="read-only"):
        store.images[0] = 0


def test_files_are_kept_as_they_are(made: Manifest, tmp_path: Path) -> None:
    """An encoded store holds each file to the byte, and no pixels."""
    store = Store.open(pack(made, tmp_path / "store", encoded=True).path)
    want = [Path(one.path).read_bytes() for one in image_refs(made)]
    assert [store.encoded(index) for index in range(len(store))] == want
    assert (tmp_path / "store" / "encoded.bin").stat().st_size == sum(map(len, want))
    with pytest.raises(UsageError, match=r"gather\(indices, size="):
        store.images  # noqa: B018
    with pytest.raises(UsageError, match="as they are"):
        pack(made, tmp_path / "both", SIZE, encoded=True)


def seen(store: Store) -> tuple[str, int]:
    """Return what another process sees of a store."""
    return pixel_digest(store.picture(7)), len(store)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_store_travels_as_its_path(made: Manifest, tmp_path: Path, start: str) -> None:
    """A worker opens the maps again: nothing of the pictures is sent."""
    store = Store.open(pack(made, tmp_path / "store", SIZE).path)
    assert copy.deepcopy(store).images is not store.images
    assert len(str(store.__reduce__())) < 1000
    with multiprocessing.get_context(start).Pool(1) as pool:
        assert pool.apply(seen, (store,)) == seen(store)


def test_find_by_pixels(made: Manifest, tmp_path: Path) -> None:
    """A row finds its picture by its pixels, wherever it stands; an unknown one is -1."""
    store = Store.open(pack(made, tmp_path / "store", SIZE).path)
    wanted = np.array(store.index["pixel_sha256"][[9, 3]])
    assert store.find(wanted).tolist() == [9, 3]
    wanted[0, 31] ^= 1
    assert store.find(wanted).tolist() == [-1, 3]


def test_the_same_command_again_changes_nothing(made: Manifest, tmp_path: Path) -> None:
    """A store that is there is left alone; damaged, it is another one."""
    assert not pack(made, tmp_path / "store", SIZE).unchanged
    before = (tmp_path / "store" / "pixels.npy").stat().st_mtime_ns
    assert pack(made, tmp_path / "store", SIZE).unchanged
    assert (tmp_path / "store" / "pixels.npy").stat().st_mtime_ns == before
    (tmp_path / "store" / "pixels.npy").write_bytes(b"short")
    with pytest.raises(InputError, match="damaged"):
        Store.open(tmp_path / "store")
    with pytest.raises(UsageError, match=r"the store is damaged.*of 23168 bytes, found 5.*add --replace"):
        pack(made, tmp_path / "store", SIZE)
    assert not pack(made, tmp_path / "store", SIZE, replace=True).unchanged
    assert Store.open(tmp_path / "store").verify() == []


def test_another_store_is_never_replaced_unasked(made: Manifest, mixed: Manifest, tmp_path: Path) -> None:
    """Another manifest, size or kind: what, why, next; and anything else at that place is never touched."""
    pack(made, tmp_path / "store", SIZE)
    with pytest.raises(UsageError, match=r"another store.*Expected pixels of partial-reid.*add --replace"):
        pack(mixed, tmp_path / "store", SIZE)
    assert Store.open(tmp_path / "store").fingerprint == made.fingerprint
    pack(mixed, tmp_path / "store", SIZE, replace=True)
    store = Store.open(tmp_path / "store")
    assert store.fingerprint == mixed.fingerprint
    with pytest.raises(UsageError, match=r"not of this manifest.*Expected fingerprint .*pack MANIFEST --out"):
        store.require_manifest(made.fingerprint)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years")
    for replace in (False, True):
        with pytest.raises(UsageError, match="no store"):
            pack(made, tmp_path / "mine", SIZE, replace=replace)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "store"]


def hurt_missing(path: Path) -> None:
    """Let a picture vanish."""
    path.unlink()


def hurt_changed(path: Path) -> None:
    """Let a bit of a picture flip."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("hurt", "message"), [(hurt_missing, "cannot be read"), (hurt_changed, "changed since")], ids=["missing", "changed"]
)
@pytest.mark.parametrize("encoded", [False, True])
def test_a_bad_picture_is_named(
    loose: Manifest, tmp_path: Path, hurt: Callable[[Path], None], message: str, encoded: bool
) -> None:
    """A picture in the middle that is gone or damaged is named; nothing is published, and mending it is enough."""
    picture = image_refs(loose)[31]
    whole = Path(picture.path).read_bytes()
    hurt(Path(picture.path))
    with pytest.raises(InputError, match=f"{picture.image_id}.*{message}.*verify"):
        pack(loose, tmp_path / "store", encoded=encoded)
    assert not (tmp_path / "store").exists()
    Path(picture.path).write_bytes(whole)
    assert Store.open(pack(loose, tmp_path / "store", encoded=encoded).path).verify() == []


def test_pixels_are_checked_too(made: Manifest, tmp_path: Path) -> None:
    """A row whose file is right and whose pixel digest is not is refused."""
    frame = made.frame.copy()
    frame.loc[4, "pixel_sha256"] = "0" * 64
    wrong = Manifest(frame, made.header, made.path)
    with pytest.raises(InputError, match=rf"{frame.image_id[4]}.*Expected pixel_sha256 0000"):
        pack(wrong, tmp_path / "store", SIZE)


def test_a_damaged_file_in_a_store_is_named(made: Manifest, tmp_path: Path) -> None:
    """Bytes that rot in a store are found by `verify`, and by decoding."""
    store = Store.open(pack(made, tmp_path / "store", encoded=True).path)
    start, length = int(store.index["offset"][9]), int(store.index["length"][9])
    with (tmp_path / "store" / "encoded.bin").open("r+b") as stream:
        stream.seek(start)
        stream.write(bytes(length))
    name = made.frame["image_id"][9]
    assert store.verify() == [name]
    with pytest.raises(ImageError, match=name):
        store.picture(9)


def test_a_run_goes_on_where_one_ended(loose: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written and still whole is kept; a marker without its bytes is not believed; the result is the same."""
    monkeypatch.setattr(packing, "SHARD", 10)
    pack(loose, tmp_path / "whole", SIZE)
    picture = Path(image_refs(loose)[45].path)
    data = picture.read_bytes()
    picture.unlink()
    with pytest.raises(InputError):
        pack(loose, tmp_path / "store", SIZE, workers=1)
    picture.write_bytes(data)
    with (tmp_path / ".store.packing" / "pixels.npy").open("r+b") as stream:
        stream.seek(200)
        stream.write(b"a power cut")
    # Four shards before the lost picture, less the damaged one; the thread may have begun the last one meanwhile.
    assert pack(loose, tmp_path / "store", SIZE).resumed in {30, 40}
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "store" / path.name).read_bytes() == path.read_bytes()


def test_one_run_at_a_time(made: Manifest, tmp_path: Path) -> None:
    """A second run says so."""
    with exclusive(tmp_path / ".store.packing.lock"), pytest.raises(StorageError, match="another run"):
        pack(made, tmp_path / "store", SIZE)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "not a store's header"), ("[1]", "schema None"), ('{"schema_version": 9}', "schema 9"),
     ('{"schema_version": 1}', "lacks kind"), ('{"schema_version": 1, "kind": "zip", "rows": 1, "data_bytes": 1, '
      '"manifest_fingerprint": ""}', "a known kind")],
)  # fmt: skip
def test_what_is_no_store(tmp_path: Path, text: str, message: str) -> None:
    """A header that is none is one clear message."""
    (tmp_path / "store.json").write_text(text)
    with pytest.raises(InputError, match=message):
        Store.open(tmp_path)


def test_command(made: Manifest, command: Callable[..., Any], tmp_path: Path) -> None:
    """The command says what it packed, again that it is unchanged, and each mistake in one message."""
    out = tmp_path / "store"
    ran = command("pack", made.path, "--size", "16x8", "--out", out, "--workers", 2, "--json")
    assert (ran.code, ran.err) == (0, "")
    assert ran.json() == {
        "path": str(out), "kind": "pixels", "size": [16, 8], "rows": 60, "bytes": 60 * 384 + 128, "resumed": 0,
        "unchanged": False, "manifest_fingerprint": made.fingerprint,
    }  # fmt: skip
    again = command("pack", made.path, "--size", "16x8", "--out", out)
    assert again.code == 0
    assert "(unchanged)" in again.out
    assert "not redistributable" in again.out
    for mistake, message in (
        (("--size", "16"), "Expected HEIGHTxWIDTH"),
        (("--size", "16x8", "--encoded"), "leave out --size"),
        (("--size", "8x4"), "another store is published here"),
        (("--workers", "0"), "--workers"),
    ):
        ran = command("pack", made.path, "--out", out, *mistake)
        assert (ran.code, ran.out) == (2, ""), mistake
        assert message in ran.err
        assert "Traceback" not in ran.err
    ran = command("pack", tmp_path / "no.csv", "--out", out)
    assert ran.code == 2
