"""The rows of a manifest, held in a few arrays that all worker processes share: 150 bytes a row, once."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ProtocolError, UsageError
from ..manifest import IGNORED_ROLES, ImageRef, Manifest, image_refs
from ..occlusion.sets.rows import PREFIX
from ..protocol import Protocol, protocols
from ..protocol import split as split_rows
from ..store import Store, unhex
from .shared import Arrays

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

HELP = "see docs/tasks/train.md"
BODIES = ("full", "occluded", "partial", "unknown")
NEEDED = ("image_id", "root", "path", "pid", "camid", "body", "role", "sha256", "pixel_sha256")
SPLITS = ("train", "test", "all")
NO_CAMERA = -1
CHUNK = 50_000
"""Rows whose paths are looked up at once: a record of Python for each of a million would be 300 MB on the way."""


class StringArray(Arrays):
    """Many texts with few beginnings, in three arrays; reads like a list.

    Examples
    --------
    >>> texts = StringArray(["a/b/1.jpg", "a/b/2.jpg", "c"])
    >>> texts[1], texts[2], len(texts), len(texts.heads)
    ('a/b/2.jpg', 'c', 3, 2)
    """

    def __init__(self, texts: Iterable[str]) -> None:
        known: dict[str, int] = {}
        heads, ends, tails = array("I"), array("Q", [0]), bytearray()
        for text in texts:
            head, slash, tail = text.rpartition("/")
            heads.append(known.setdefault(head + slash, len(known)))
            tails += tail.encode()
            ends.append(len(tails))
        self.heads = list(known)
        self._head, self._tails = np.array(heads, np.uint32), np.array(tails, np.uint8)
        self._ends = np.array(ends, np.uint32 if len(tails) < 1 << 32 else np.uint64)

    def __len__(self) -> int:
        return len(self._head)

    def __getitem__(self, index: int) -> str:
        tail: bytes = self._tails[self._ends[index] : self._ends[index + 1]].tobytes()
        return f"{self.heads[self._head[index]]}{tail.decode()}"

    def many(self, at: npt.NDArray[np.int64]) -> list[str]:
        """Return the texts at some indices, from 0: a third of the time of one after the other."""
        tails, heads = self._tails.data, self.heads
        places = zip(self._head[at].tolist(), self._ends[at].tolist(), self._ends[at + 1].tolist(), strict=True)
        return [heads[head] + str(tails[start:end], "utf-8") for head, start, end in places]


class Digests(Arrays):
    """sha256 digests as bytes, shape (N, 32); an item is its hex."""

    def __init__(self, values: npt.NDArray[np.uint8]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> str:
        value: bytes = self.values[index].tobytes()
        return value.hex()


class DatasetRows(Arrays):
    """What training needs of each row, and where its image is: a file, or a place in a store.

    Attributes
    ----------
    image_ids : StringArray
        One a row.
    pids, camids : numpy.ndarray
        Shape (N,), int64 and int32; a row without a camera has -1.
    bodies : numpy.ndarray
        Shape (N,), uint8: places in `BODIES`.
    somebody : numpy.ndarray
        Shape (N,), bool: whether the pid stands for one person; junk and distractors do not.
    pixel_sha256 : Digests
        Of the image as published, whatever size it is read at.
    places : numpy.ndarray or None
        Shape (N,), int64: places in the store.
    roles : dict
        How many rows each role has.
    sets : frozenset of str
        The datasets that rows are of; a simulated row is of its source's.
    """

    def __init__(self, frame: pd.DataFrame, manifest: Manifest | None, store: Store | None) -> None:
        self.store = store
        self.image_ids: StringArray = _typed(frame, "image_id", lambda cells: StringArray(_plain(cells)))
        self.pids: npt.NDArray[np.int64] = _typed(frame, "pid", lambda cells: cells.astype("Int64").to_numpy(np.int64))
        self.camids = _cameras(frame)
        self.bodies: npt.NDArray[np.uint8] = _typed(frame, "body", _bodies)
        self.pixel_sha256: Digests = _typed(frame, "pixel_sha256", _digests)
        self.sha256 = _typed(frame, "sha256", _digests) if store is None else None
        self.somebody = ~frame["role"].isin(IGNORED_ROLES).to_numpy()
        self.roles = {str(role): int(count) for role, count in frame["role"].value_counts().items()}
        self.sets = frozenset(head.removeprefix(PREFIX).partition("/")[0] for head in self.image_ids.heads)
        self.paths = StringArray(_paths(manifest, frame)) if manifest else None
        self.places = None if store is None else self._find(store)

    @classmethod
    def of(cls, data: Any, manifest: Manifest | None, store: Any, root: Any, split: str | None = None) -> DatasetRows:
        """Return the rows of what a dataset was given.

        Parameters
        ----------
        data : Manifest, pandas.DataFrame, str or path
            A manifest, rows of one, a dataset's id, or the path of a manifest.
        manifest : Manifest, optional
            Where the images of rows are. It is used only where `data` is a DataFrame.
        store : Store or path, optional
            A packed store that holds the images.
        root : path, optional
            The data root, for a dataset's id.
        split : str, optional
            ``train``, ``test`` or ``all``. By default ``train`` of a manifest, and every row of a DataFrame.

        Raises
        ------
        UsageError
            If it is neither a manifest, its rows nor a name of one, has no row of the split, or the store is not of it.
        """
        from ..library import load

        if manifest is not None and not isinstance(manifest, Manifest):
            raise UsageError("manifest: expected a Manifest.", f"Found {type(manifest).__name__}.", "od.load(PATH)")
        if store is not None and not isinstance(store, (Store, str, os.PathLike)):
            raise UsageError("store: expected a Store or its path.", f"Found {type(store).__name__}.", HELP)
        opened = store if store is None or isinstance(store, Store) else Store.open(store)
        begin = "with your manifest m: "
        if isinstance(data, (str, Path)):
            begin = f"m = od.load({str(data)!r}{'' if root is None else f', {str(root)!r}'}); "
            data = load(data, root)
        if isinstance(data, Manifest):
            if opened is not None:
                opened.require_manifest(data.fingerprint, data.dataset)
            rows = _checked(_of_split(data, split or "train", begin))
            return cls(rows, data if opened is None or _placed(data) else None, opened)
        if not hasattr(data, "columns"):
            raise UsageError(
                "data: expected a manifest, rows of one, a dataset's id or a manifest's path.",
                f"Found {type(data).__name__}.",
                "for a split give its rows: ReidDataset(od.split(m, PROTOCOL).train, manifest=m)",
            )
        if manifest is None and opened is None:
            raise UsageError(
                "rows: where their pictures are is not known.",
                "Rows name a root and a path below it; the manifest knows the root.",
                "ReidDataset(rows, manifest=m), or give store=",
            )
        return cls(_checked(_rows_of(data, split)), manifest, opened)

    def _find(self, store: Store) -> npt.NDArray[np.int64]:
        at = store.find(self.pixel_sha256.values)
        missing = np.flatnonzero(at < 0)
        if len(missing):
            raise UsageError(
                f"{store.path}: the store is not of these rows.",
                f"Expected all {len(at):,} pictures in it, found {len(at) - len(missing):,}; the first that is not "
                f"there is {self.image_ids[int(missing[0])]}.",
                f"occreid-prepare pack MANIFEST --out {store.path} --replace",
            )
        return at

    def __len__(self) -> int:
        return len(self.pids)

    def picture(self, index: int) -> ImageRef:
        """Return where the file of a row is; of rows without a store."""
        if self.paths is None or self.sha256 is None:
            raise InputError(f"{self.image_ids[index]}: its file is not known here, only its place in a store.")
        return ImageRef(self.image_ids[index], self.paths[index], self.sha256[index])

    def path(self, index: int) -> str:
        """Return the file's path; where only a store is known, the image_id."""
        return (self.paths or self.image_ids)[index]


def _typed(frame: pd.DataFrame, name: str, convert: Callable[[pd.Series[Any]], Any]) -> Any:
    """Return a column converted: rows of a manifest are right, those that a user put together may not be."""
    try:
        return convert(frame[name])
    except (ValueError, TypeError, AttributeError) as error:
        raise UsageError(
            f"rows: {name}: a cell is not of its column's type.",
            f"The reader says: {str(error).rstrip('.')}.",
            "give rows as od.load and od.split return them",
        ) from error


def _cameras(frame: pd.DataFrame) -> npt.NDArray[np.int32]:
    """Return the real cameras, -1 where there is none: a number that nobody recorded is none."""
    cameras = _typed(frame, "camid", lambda cells: cells.astype("Int64").fillna(NO_CAMERA).to_numpy(np.int32))
    invented = (frame["camid_source"] == "none").to_numpy() if "camid_source" in frame.columns else False
    return np.where(invented, np.int32(NO_CAMERA), cameras)


def _bodies(cells: pd.Series[Any]) -> npt.NDArray[np.uint8]:
    found = np.zeros(len(cells), np.uint8)
    for place, body in enumerate(BODIES):
        found[(cells == body).to_numpy(bool)] = place + 1
    if not found.all():
        raise ValueError(f"{cells.iloc[int(np.argmin(found))]!r} is none of {', '.join(BODIES)}")
    return found - np.uint8(1)


def _digests(cells: pd.Series[Any]) -> Digests:
    return Digests(unhex(_plain(cells)))


def _plain(cells: pd.Series[Any]) -> Any:
    """Return a column as an array of Python's objects: columns of strings are slow to walk through."""
    return cells.to_numpy(object)


def _paths(manifest: Manifest, frame: pd.DataFrame) -> Iterator[str]:
    columns = frame[["image_id", "root", "path", "sha256"]]
    for start in range(0, len(frame), CHUNK):
        part = columns.iloc[start : start + CHUNK].astype(object)
        yield from (picture.path for picture in image_refs(manifest, part))


def _placed(manifest: Manifest) -> bool:
    """Return whether the roots are known: a store needs them not, so it is no error if they are not."""
    try:
        for name in set(manifest.frame["root"]):
            manifest.root(str(name))
    except UsageError:
        return False
    return True


def _of_split(manifest: Manifest, split: str, begin: str) -> pd.DataFrame:
    """Return a manifest's rows of a split; without any, an error whose next step is calls that have rows."""
    frame = manifest.frame
    rows = frame if split == "all" else frame[frame["split"] == split]
    if len(rows) or frame.empty:
        return rows
    known = [name for name in SPLITS if (frame["split"] == name).any()]
    found = f"the split {known[0]} alone" if known else "no row with a split"
    calls = [f'ReidDataset(m, split="{name}")' for name in known]
    calls += _training_calls(manifest) if split == "train" else []
    raise UsageError(
        f"{manifest.dataset}: no row is of the split {split}.",
        f"Expected one or more of {len(frame):,}, found {found}.",
        begin + " or ".join([*calls, 'ReidDataset(m, split="all")']),
    )


def _training_calls(manifest: Manifest) -> list[str]:
    """Return the calls that give a protocol's training rows, once where several protocols train on the same."""
    calls: dict[tuple[str, ...], str] = {}
    for protocol in protocols(manifest.dataset):
        if protocol.rules["train"] is None:
            continue  # it trains elsewhere
        try:
            once = Protocol({**protocol.rules, "draws": 1})  # draws choose probe and gallery alone, and take seconds
            names = (*split_rows(manifest, once).train["image_id"],)
        except ProtocolError:
            continue  # this copy cannot answer it
        if names:
            calls.setdefault(names, f'ReidDataset(od.split(m, "{protocol.name}").train, manifest=m)')
    return list(calls.values())


def _rows_of(frame: pd.DataFrame, split: str | None) -> pd.DataFrame:
    """Return rows that a user chose, as they are; those of a split, where that is asked for too."""
    if split is None or split == "all":
        return frame
    if "split" not in frame.columns:
        raise UsageError("rows: they lack split.", f"split={split!r} chooses rows by that column.", "leave split= out")
    rows = frame[frame["split"] == split]
    if rows.empty and len(frame):
        raise UsageError(
            f"rows: none of {len(frame):,} is of the split {split}.",
            "Expected one or more.",
            "leave split= out to take the rows as they are",
        )
    return rows


def _checked(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise UsageError(f"rows: they lack {', '.join(missing)}.", "Expected rows of a manifest.", HELP)
    if frame.empty:
        raise UsageError(
            "rows: there are none.",
            "Expected one or more; a protocol that trains on another set has no train rows.",
            "occreid-prepare info DATASET",
        )
    return frame
