"""`Store`: a pack opened for reading; its memory is the page cache's, shared by every process that opens it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, UsageError
from ..images import decode, resize
from .layout import HEADER, INDEX, read_header

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

AGAIN = "occreid-prepare pack MANIFEST --out STORE --replace"


class Store:
    """A packed store; made by `Store.open`.

    It pickles as its path and opens its maps again where it is unpickled, so worker processes share one copy in memory.

    Attributes
    ----------
    path : Path
        Its folder.
    header : dict
        What ``store.json`` says: kind, size, resize, fingerprint of the manifest, terms.
    index : numpy.ndarray
        One record a picture, in the manifest's order: image_id, sha256, pixel_sha256, pid, camid (-1: none), ...

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

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Store:
        """Return the store in the folder `path`; nothing is read but its header.

        Raises
        ------
        InputError
            If there is none, or its files are not those that its header vouches for.
        """
        folder = Path(path).absolute()
        header = read_header(folder)
        try:
            index = np.load(folder / INDEX, mmap_mode="r", allow_pickle=False)
            data = np.memmap(folder / str(header["data"]), np.uint8, "r")
            if header["kind"] == "pixels":
                data = np.load(folder / str(header["data"]), mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder}: the store is damaged.", f"The reader says: {error}.", AGAIN) from error
        store = cls(folder, header, index, data)
        store._check()
        return store

    def _check(self) -> None:
        size = (self.path / str(self.header["data"])).stat().st_size
        expected = {"bytes": self.header["data_bytes"], "rows": self.header["rows"]}
        found = {"bytes": size, "rows": len(self.index)}
        if expected != found or (self.kind == "pixels" and len(self._data) != len(self.index)):
            raise InputError(f"{self.path}: the store is damaged.", f"Expected {expected}, found {found}.", AGAIN)

    def __reduce__(self) -> tuple[Any, ...]:
        return Store.open, (str(self.path),)

    def __len__(self) -> int:
        """Return the number of pictures."""
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
        """Height and width of its pictures; None for files as they are."""
        found = self.header["size"]
        return (int(found[0]), int(found[1])) if found else None

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the manifest that it was made from."""
        return str(self.header["manifest_fingerprint"])

    @property
    def images(self) -> Pixels:
        """All pictures, a read-only memory map of shape (N, H, W, 3), uint8, RGB.

        Raises
        ------
        UsageError
            If it keeps files and no pixels.
        """
        if self.kind != "pixels":
            raise UsageError(f"{self.path}: it keeps files and no pixels.", "", "gather(indices, size=(H, W))")
        return self._data

    def encoded(self, index: int) -> bytes:
        """Return the file of a picture, as it was packed; of a store of files alone."""
        if self.kind != "encoded":
            raise UsageError(f"{self.path}: it keeps pixels and no files.", "", "images or gather(indices)")
        row = self.index[index]
        start = int(row["offset"])
        return self._data[start : start + int(row["length"])].tobytes()

    def picture(self, index: int, size: tuple[int, int] | None = None) -> Pixels:
        """Return one picture, shape (H, W, 3), as an array of its own, at `size` (height, width) if that is given.

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
        """Return the pictures at `indices`, shape (B, H, W, 3), uint8, in that order.

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
        """Raise unless the store can give pictures of `size`: pixels are not resized again, the bytes would differ."""
        if self.kind == "pixels" and size is not None and size != self.size:
            raise UsageError(
                f"{self.path}: its pictures have another size.",
                f"Expected {size[0]}x{size[1]}, found {'x'.join(map(str, self.size or ()))}.",
                f"occreid-prepare pack MANIFEST --size {size[0]}x{size[1]} --out STORE",
            )

    def find(self, pixel_sha256: Pixels) -> npt.NDArray[np.int64]:
        """Return where the pictures with these pixels are, shape (M,); -1 where there is none.

        Parameters
        ----------
        pixel_sha256 : numpy.ndarray
            Shape (M, 32), uint8: of the pictures as published, whatever size the store has.
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
        """Return the image_ids of pictures whose bytes are no more those that were packed; reads everything.

        Raises
        ------
        InputError
            If the index itself is another.
        """
        digest = hashlib.sha256((self.path / INDEX).read_bytes()).hexdigest()
        if digest != self.header["index_sha256"]:
            raise InputError(
                f"{self.path / INDEX}: not the index that {HEADER} vouches for.",
                f"Expected sha256 {self.header['index_sha256']}, found {digest}.",
                AGAIN,
            )
        raw = np.memmap(self.path / str(self.header["data"]), np.uint8, "r")
        bad = []
        for row in self.index:
            start = int(row["offset"])
            found = hashlib.sha256(raw[start : start + int(row["length"])].data).digest()
            if found != row["stored_sha256"].tobytes():
                bad.append(row["image_id"].decode())
        return bad
