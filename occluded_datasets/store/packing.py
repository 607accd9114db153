"""`pack`: read, check, resize, write side by side; what is done is kept, what is published is whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError, UsageError
from ..files import exclusive, put_back, remove_tree, storage_errors, swap_in, write_atomic
from ..hashing import pixel_digest
from ..images import decode, resize
from ..manifest import ImageRef, Manifest, image_refs, read_bytes
from ..scan import SHARD, Progress, cores
from .layout import HEADER, INDEX, StorePlan, index_of, read_store_header, same_plan, store_header, store_plan
from .opened import Store

DONE = ".done"
"""Below the staging folder: the digests of each shard that is written."""
REPLACE = "add --replace, or choose another --out"


class Packed(NamedTuple):
    """What `pack` published: where, of which kind, and how much of it an earlier, killed run had done."""

    path: str
    kind: str
    size: tuple[int, int] | None
    rows: int
    bytes: int
    resumed: int
    unchanged: bool
    manifest_fingerprint: str


class Shard(NamedTuple):
    """Neighbouring rows, the file that their bytes go to, and the one that says they are there."""

    data: str
    marker: str
    offset: int
    lengths: list[int]
    pictures: list[ImageRef]
    pixels: list[str]
    size: tuple[int, int] | None


def pack(
    manifest: Manifest,
    out: str | os.PathLike[str],
    size: tuple[int, int] | None = None,
    *,
    encoded: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    replace: bool = False,
    progress: Progress | None = None,
) -> Packed:
    """Write the images of every row of `manifest` into one store, and return what was written.

    Each file's sha256 and each image's pixel_sha256 are checked on the way. Work goes on in a hidden folder beside
    `out` that becomes `out` by one rename; after a kill the same call goes on where it was. The bytes do not depend on
    `workers`.

    Parameters
    ----------
    manifest : Manifest
        Its roots must be known on this machine.
    out : path
        The store's folder.
    size : tuple of int, optional
        Height and width of all images; by default their own, if they have but one.
    encoded : bool
        Keep the files' bytes instead of pixels: smaller, and decoded each time.
    workers : int, optional
        Threads; by default the cores this process may use.
    executor : concurrent.futures.Executor, optional
        Who does the work instead; its processes must see the same disk.
    replace : bool
        Put it in the place of another store.
    progress : callable, optional
        Called with (images done, images in all).

    Raises
    ------
    UsageError
        If the images have several sizes and none was given, or something else is at `out`.
    InputError
        If an image is missing, changed or damaged; it is named, and nothing is published.
    StorageError
        If the disk refuses, or another run packs to `out`.

    Examples
    --------
    >>> import occluded_datasets as od, tempfile
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> built = od.build("partial-reid", tree, folder, allow_subset=True)
    >>> done = pack(od.load("partial-reid", folder), folder + "/store", (128, 64))
    >>> done.kind, done.rows, done.size
    ('pixels', 30, (128, 64))
    """
    target = Path(out).absolute()
    if workers is not None and workers < 1:
        raise UsageError(f"workers {workers}: too few.", "Expected 1 or more.")
    plan = store_plan(manifest, size, encoded=encoded)
    stage = target.with_name(f".{target.name}.packing")
    with storage_errors(str(out), target / HEADER), exclusive(stage.with_name(f"{stage.name}.lock")):
        put_back([(stage, target)])
        unchanged = _published(target, plan, replace)
        resumed = 0
        if not unchanged:
            resumed = _fill(stage, plan, manifest, _Crew(executor, workers, progress))
            _publish(stage, target)
    kept = (plan.facts["kind"], plan.size, len(manifest), plan.bytes)
    return Packed(str(out), *kept, resumed, unchanged, manifest.fingerprint)


class _Crew(NamedTuple):
    """Who does the work, and who is told."""

    executor: Executor | None
    workers: int | None
    progress: Progress | None


def _published(target: Path, plan: StorePlan, replace: bool) -> bool:
    """Return whether this very store is there and whole; raise if something else is."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return False
    if not (target / HEADER).is_file():
        raise UsageError(f"{target} is there and is no store.", "It is never replaced.", "choose another --out")
    try:
        header = read_store_header(target)
        if same_plan(header, plan):
            Store.open(target)
            return True
    except InputError as error:
        if not replace:
            raise UsageError(error.what, error.why, REPLACE) from error
        return False
    if not replace:
        raise _taken(target, plan, header)
    return False


def _taken(target: Path, plan: StorePlan, header: dict[str, Any]) -> UsageError:
    size = "x".join(map(str, header.get("size") or ())) or "no one size"
    return UsageError(
        f"{target}: another store is published here.",
        f"Expected {plan.facts['kind']} of {plan.facts['dataset']}, fingerprint "
        f"{plan.facts['manifest_fingerprint'][:16]}; found {header.get('kind')} of {header.get('dataset')}, {size}, "
        f"fingerprint {str(header.get('manifest_fingerprint'))[:16]}.",
        REPLACE,
    )


def _whole(folder: Path, plan: StorePlan) -> bool:
    data = folder / plan.data
    return (folder / INDEX).is_file() and data.is_file() and data.stat().st_size == plan.bytes


def _fill(stage: Path, plan: StorePlan, manifest: Manifest, crew: _Crew) -> int:
    """Make the staging folder whole, its header last; return how many rows an earlier run had done."""
    if (stage / HEADER).is_file() and same_plan(read_store_header(stage), plan) and _whole(stage, plan):
        return len(manifest)
    _prepare(stage, plan)
    stored: list[str] = []
    resumed = 0
    with _pool(crew) as pool:
        for digests, before in pool.map(pack_shard, list(_shards(stage, plan, manifest))):
            stored += digests
            resumed += before
            if crew.progress:
                crew.progress(len(stored), len(manifest))
    stream = io.BytesIO()
    np.save(stream, index_of(plan, manifest, stored), allow_pickle=False)
    write_atomic(stage / INDEX, stream.getvalue())
    with (stage / plan.data).open("r+b") as data:
        os.fsync(data.fileno())
    header = store_header(plan, manifest, hashlib.sha256(stream.getvalue()).hexdigest())
    write_atomic(stage / HEADER, (json.dumps(header, indent=2, sort_keys=True) + "\n").encode())
    return resumed


def _prepare(stage: Path, plan: StorePlan) -> None:
    """Go on with what a run of the same plan left; else begin anew."""
    note = stage / DONE / "plan.json"
    facts = json.dumps(plan.facts, sort_keys=True).encode()
    if not note.is_file() or note.read_bytes() != facts or not _sized(stage / plan.data, plan):
        remove_tree(stage)
        (stage / DONE).mkdir(parents=True)
        with (stage / plan.data).open("wb") as stream:
            stream.write(plan.prefix)
            stream.truncate(plan.bytes)
        write_atomic(note, facts)


def _sized(data: Path, plan: StorePlan) -> bool:
    return data.is_file() and data.stat().st_size == plan.bytes


def _shards(stage: Path, plan: StorePlan, manifest: Manifest) -> Iterator[Shard]:
    pictures, pixels = image_refs(manifest), manifest.frame["pixel_sha256"].tolist()
    for start in range(0, len(pictures), SHARD):
        rows = slice(start, start + SHARD)
        marker = str(stage / DONE / f"{start // SHARD:06d}.json")
        lengths = plan.lengths[rows].tolist()
        own = (int(plan.offsets[start]), lengths, pictures[rows], pixels[rows], plan.size)
        yield Shard(str(stage / plan.data), marker, *own)


def pack_shard(shard: Shard) -> tuple[list[str], int]:
    """Return the sha256 of what stands in the data file for each row, and how many rows stood there before."""
    with open(shard.data, "r+b") as stream:
        stream.seek(shard.offset)
        found = _remembered(shard.marker)
        # The marker may have outlived its bytes, after a power cut: they are hashed, which costs little.
        if found and found == [hashlib.sha256(stream.read(length)).hexdigest() for length in shard.lengths]:
            return found, len(found)
        # Plain writes, no memory map: a full disk is an error of a write, but a crash of a map.
        stream.seek(shard.offset)
        digests = []
        for picture, pixels, length in zip(shard.pictures, shard.pixels, shard.lengths, strict=True):
            content = payload(picture, pixels, shard.size)
            if len(content) != length:
                raise _changed(picture, "bytes", str(length), str(len(content)))
            stream.write(content)
            digests.append(hashlib.sha256(content).hexdigest())
    write_atomic(Path(shard.marker), json.dumps(digests).encode())
    return digests, 0


def payload(picture: ImageRef, pixel_sha256: str, size: tuple[int, int] | None) -> bytes | memoryview:
    """Return the bytes that a store holds for an image, after its pixels were checked.

    Parameters
    ----------
    picture : ImageRef
        Where the image's file is, and the sha256 of its bytes.
    pixel_sha256 : str
        The digest that its decoded pixels must have, in hex.
    size : tuple of int or None
        Height and width of the pixels to store; None stores the file unchanged.

    Returns
    -------
    bytes or memoryview
        The file; or the pixels at `size`, uint8, height * width * 3 bytes.

    Raises
    ------
    InputError
        If the file cannot be read, or its bytes or pixels have another digest.
    ImageError
        If it cannot be decoded.
    """
    data = read_bytes(picture)
    pixels = decode(data, picture.image_id)
    found = pixel_digest(pixels)
    if found != pixel_sha256:
        raise _changed(picture, "pixel_sha256", pixel_sha256, found)
    return data if size is None else np.ascontiguousarray(resize(pixels, size)).reshape(-1).data


def _changed(picture: ImageRef, what: str, expected: str, found: str) -> InputError:
    return InputError(
        f"{picture.image_id}: {picture.path} is not the picture that its manifest vouches for.",
        f"Expected {what} {expected}, found {found}.",
        "occreid-prepare verify MANIFEST --full, then build the set again",
    )


def _remembered(marker: str) -> list[str]:
    try:
        found = json.loads(Path(marker).read_bytes())
    except (OSError, ValueError):
        return []
    return [str(one) for one in found] if isinstance(found, list) else []


def _publish(stage: Path, target: Path) -> None:
    """Put the whole folder in its place; killed in between, the same command goes on."""
    remove_tree(stage / DONE)
    for part in stage.glob(".*.part"):  # of a write that a killed run began
        part.unlink()
    swap_in([(stage, target)])


@contextmanager
def _pool(crew: _Crew) -> Iterator[Any]:
    """Yield what maps a function over shards, in order; an error or interrupt waits for no shard that is not begun."""
    if crew.executor is not None:
        yield crew.executor
        return
    pool = ThreadPoolExecutor(crew.workers or cores())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
