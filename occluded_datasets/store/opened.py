"""`Store`: a pack opened for reading; its memory is the page cache's, shared by every process that opens it."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError
from ..files import write_atomic
from ..images import decode, resize
from .layout import CHECKED, DATA, HEADER, INDEX, read_store_header

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

Stamp = dict[str, "str | int"]
AGAIN = "occreid-prepare pack MANIFEST --out STORE --replace"


class Store:
    """A packed store; made by `Store.open`.

    It pickles as its path, and as what it knows of its data file, and opens its maps again where it is unpickled, so
    worker processes share one copy in memory and read nothing twice.

    Attributes
    ----------
    path : Path
        Its folder.
    header : dict
        What ``store.json`` says: kind, size, resize, fingerprint of the manifest, terms.
    index : numpy.ndarray
        One record an image, in the manifest's order: image_id, sha256, pixel_sha256, pid, camid (-1: none), ...

    Examples
    --------
    >>> Store.open("/nowhere")
    Traceback (most recent call last):
    ...
    occluded_datasets.errors.InputError: /nowhere: no store is here. Expected store.json in it. Next: occreid-prepare \
pack MANIFEST --out STORE
    """

    def __init__(self, path: Path, header: dict[str, Any], index: npt.NDArray[Any], data: Pixels) -> None:
        self.path, self.header, self.index, self._data = path, header, index, data
        self._known: Stamp | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, check: bool = True) -> Store:
        """Return the store in the folder `path`, its header, index and images checked against their digests.

        The images are read once for each data file: ``.checked.json`` in the folder keeps the file's size, time of
        change and inode, and the file is read again if one of them is another. Where that cannot be written, as on a
        read-only disk, they are read at each call, and not by worker processes.

        Parameters
        ----------
        path : path
            The store's folder.
        check : bool
            False leaves the images to `verify`.

        Raises
        ------
        InputError
            If there is none, or its files are not those that its header vouches for.
        """
        store = cls(*_mapped(Path(path).absolute()))
        store._check()
        if check:
            store._require_whole(None)
        return store

    @classmethod
    def _reopened(cls, path: str, known: Stamp | None) -> Store:
        """Return a store in another process, which need not read again what this one has read."""
        store = cls(*_mapped(Path(path)))
        store._check()
        store._require_whole(known)
        return store

    def _check(self) -> None:
        """Raise unless the index is the header's and the data file has its length and form; no image is read."""
        digest = hashlib.sha256((self.path / INDEX).read_bytes()).hexdigest()
        if digest != self.header["index_sha256"]:
            raise InputError(
                f"{self.path / INDEX}: not the index that {HEADER} vouches for.",
                f"Expected sha256 {self.header['index_sha256']}, found {digest}.",
                AGAIN,
            )
        rows, form = int(self.header["rows"]), (len(self.index), *(self.size or ()), 3)
        pixels = self.kind != "pixels" or (self._data.shape == form and self._data.dtype == np.uint8)
        if rows != len(self.index) or not pixels:
            found = f"{self._data.dtype} of {self._data.shape} with {len(self.index)} rows"
            raise InputError(f"{self.path}: the store is damaged.", f"Expected {rows} of {form}, found {found}.", AGAIN)

    def _require_whole(self, known: Stamp | None) -> None:
        """Raise unless the images are those that were packed; `known` is a data file that was found to be whole."""
        stamp = self._stamp()
        if stamp in (known, self._remembered()):
            self._known = stamp
            return
        bad = self.verify()
        if bad:
            named = f"{', '.join(bad[:3])}{', ...' if len(bad) > 3 else ''}"
            raise InputError(
                f"{self._place}: {len(bad):,} of {len(self):,} images are not those that were packed.",
                f"Changed: {named}.",
                AGAIN,
            )

    @property
    def _place(self) -> Path:
        return self.path / DATA[self.kind]

    def _stamp(self) -> Stamp:
        """Return what tells this very data file, as it is now, from any other."""
        status = self._place.stat()
        return {
            "index_sha256": self.header["index_sha256"],
            "size": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino,
        }  # fmt: skip

    def _remembered(self) -> object:
        try:
            return json.loads((self.path / CHECKED).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reopened, (str(self.path), self._known)

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.index)

    def __repr__(self) -> str:
        """Return one line: kind, size, rows and of which manifest."""
        size = "x".join(map(str, self.size)) if self.size else "sizes as published"
        return f"<Store {self.header['dataset']}: {len(self)} pictures, {self.kind}, {size}, {self.fingerprint[:16]}>"

    @property
    def kind(self) -> str:
        """``pixels`` or ``encoded``."""
        return str(self.header["kind"])

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of its images; None for files as they are."""
        found = self.header["size"]
        return (int(found[0]), int(found[1])) if found else None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the manifest that it was made from."""
        return str(self.header["manifest_fingerprint"])

    @property
    def images(self) -> Pixels:
        """All images, a read-only memory map of shape (N, H, W, 3), uint8, RGB.

        Raises
        ------
        UsageError
            If it keeps files and no pixels.
        """
        if self.kind != "pixels":
            raise UsageError(f"{self.path}: it keeps files and no pixels.", "", "gather(indices, size=(H, W))")
        return self._data

    def encoded(self, index: int) -> bytes:
        """Return the file of an image, as it was packed; of a store of files alone."""
        if self.kind != "encoded":
            raise UsageError(f"{self.path}: it keeps pixels and no files.", "", "images or gather(indices)")
        row = self.index[index]
        start = int(row["offset"])
        return self._data[start : start + int(row["length"])].tobytes()

    def picture(self, index: int, size: tuple[int, int] | None = None) -> Pixels:
        """Return one image, shape (H, W, 3), as an array of its own, at `size` (height, width) if that is given.

        Raises
        ------
        UsageError
            If the store has pixels of another size.
        ImageError
            If a packed file cannot be decoded: the store is damaged.
        """
        if self.kind == "encoded":
            pixels = decode(self.encoded(index), self.index[index]["image_id"].decode())
            return pixels if size is None else resize(pixels, size)
        self.require_size(size)
        return np.array(self._data[index])

    def gather(self, indices: npt.ArrayLike, out: Pixels | None = None, size: tuple[int, int] | None = None) -> Pixels:
        """Return the images at `indices`, shape (B, H, W, 3), uint8, in that order.

        Parameters
        ----------
        indices : array of int
            Shape (B,); from 0, or counted from the end.
        out : numpy.ndarray, optional
            Where to write them, shape (B, H, W, 3), uint8, C-contiguous.
        size : tuple of int, optional
            Height and width; needed where files of several sizes are kept.

        Raises
        ------
        IndexError
            If an index is out of range.
        UsageError
            If there is no one size.
        """
        rows = np.asarray(indices, np.int64).reshape(-1)
        rows = np.where(rows < 0, rows + len(self), rows)
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"indices: the store has {len(self)} pictures")
        if self.kind == "pixels":
            self.require_size(size)
            # Bounds are checked, and only in this mode does NumPy write to `out` without a copy between.
            taken: Pixels = np.take(np.asarray(self._data), rows, axis=0, out=out, mode="clip")
            return taken
        sizes = {size} if size else {(int(row["height"]), int(row["width"])) for row in self.index[rows]}
        if len(sizes) > 1:
            raise UsageError(f"{self.path}: pictures of {len(sizes)} sizes.", "", "give size=(H, W)")
        if out is None:
            out = np.empty((len(rows), *(sizes.pop() if sizes else (0, 0)), 3), np.uint8)
        for number, row in enumerate(rows):
            out[number] = self.picture(int(row), size)
        return out

    def require_size(self, size: tuple[int, int] | None) -> None:
        """Raise unless the store can give images of `size`: pixels are not resized again, the bytes would differ."""
        if self.kind == "pixels" and size is not None and size != self.size:
            raise UsageError(
                f"{self.path}: its pictures have another size.",
                f"Expected {size[0]}x{size[1]}, found {'x'.join(map(str, self.size or ()))}.",
                f"occreid-prepare pack MANIFEST --size {size[0]}x{size[1]} --out STORE",
            )

    def find(self, pixel_sha256: Pixels) -> npt.NDArray[np.int64]:
        """Return where the images with these pixels are, shape (M,); -1 where there is none.

        Parameters
        ----------
        pixel_sha256 : numpy.ndarray
            Shape (M, 32), uint8: of the images as published, whatever size the store has.
        """
        own = np.ascontiguousarray(self.index["pixel_sha256"])
        short, wanted = own.view("<u8")[:, 0], np.ascontiguousarray(pixel_sha256).view("<u8")[:, 0]
        order = np.argsort(short, kind="stable")
        at = order[np.minimum(np.searchsorted(short[order], wanted), len(order) - 1)]
        return np.where((own[at] == pixel_sha256).all(axis=1), at, -1).astype(np.int64)

    def require_manifest(self, fingerprint: str, dataset: str = "") -> None:
        """Raise unless the store was made from the manifest with this fingerprint.

        Raises
        ------
        UsageError
            If it is stale or of another manifest.
        """
        if fingerprint != self.fingerprint:
            raise UsageError(
                f"{self.path}: the store is not of this manifest{f' of {dataset}' if dataset else ''}.",
                f"Expected fingerprint {fingerprint[:16]}, found {self.fingerprint[:16]} ({self.header['dataset']}).",
                f"occreid-prepare pack MANIFEST --out {self.path} --replace",
            )

    def verify(self) -> list[str]:
        """Return the image_ids of images whose bytes are no more those that were packed; reads everything.

        Raises
        ------
        InputError
            If the index itself is another.
        """
        stamp = self._stamp()
        self._check()
        raw = np.memmap(self._place, np.uint8, "r")
        bad = []
        for row in self.index:
            start = int(row["offset"])
            found = hashlib.sha256(raw[start : start + int(row["length"])].data).digest()
            if found != row["stored_sha256"].tobytes():
                bad.append(row["image_id"].decode())
        self._known = None if bad else stamp
        with suppress(OSError):  # on a read-only disk nothing is remembered
            if bad:
                (self.path / CHECKED).unlink()
            else:
                write_atomic(self.path / CHECKED, json.dumps(stamp).encode())
        return bad


def _mapped(folder: Path) -> tuple[Path, dict[str, Any], npt.NDArray[Any], Pixels]:
    """Return a store's folder, its header, and the maps of its index and its data file, which has its length."""
    header = read_store_header(folder)
    place = folder / DATA[header["kind"]]
    try:
        size = place.stat().st_size
        if size != header["data_bytes"]:
            raise InputError(
                f"{folder}: the store is damaged.",
                f"Expected {place.name} of {header['data_bytes']} bytes, found {size}.",
                AGAIN,
            )
        index = np.load(folder / INDEX, mmap_mode="r", allow_pickle=False)
        if header["kind"] == "pixels":
            return folder, header, index, np.load(place, mmap_mode="r", allow_pickle=False)
        return folder, header, index, np.memmap(place, np.uint8, "r")
    except (OSError, ValueError) as error:
        raise InputError(f"{folder}: the store is damaged.", f"The reader says: {error}.", AGAIN) from error
