"""`ReidDataset`: the images of a manifest for PyTorch, from files or from a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, MissingPackageError, UnknownNameError, UsageError
from ..images import to_pillow
from ..manifest import Manifest, read_image
from ..occlusion.training.visits import VisitCounter, whole
from .buffers import Buffers
from .images import channels_first
from .labels import NO_LABEL, label_map, read_label_map, require_same, write_label_map
from .rows import BODIES, HELP, SPLITS, DatasetRows, Digests
from .shared import Arrays

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from ..store import Store

    Pixels = npt.NDArray[np.uint8]

KINDS = ("tensor", "image", "pil", "array")
"""What an image is given as: a uint8 tensor or ``tv_tensors.Image`` (3, H, W), one of PIL, an array (H, W, 3)."""

ON_ERROR = ("raise", "skip")
SKIPPED = 100_000
"""Different images that can be skipped before that is an error itself."""


class ReidDataset(Arrays):
    """A map-style dataset of a manifest's rows.

    A sample is a mapping: ``image``, ``pid`` as published, ``label`` (-1 where the pid stands for no one), ``camid``
    (-1 where there is no real one), ``body``, ``image_id`` and ``index``; or, as torchreid has it, the tuple (image,
    label, camid, path). Files are held against their sha256 as they are read. Rows are held in arrays that workers
    share, forked or spawned, and a store is opened anew in each.

    Parameters
    ----------
    data : Manifest, pandas.DataFrame, str or path
        A manifest, rows of one (those of ``od.split``, with ``manifest=`` beside them), a dataset's id, or the path of
        a manifest.
    transform : callable, optional
        Given the image; what it returns is the sample's ``image``.
    store : Store or path, optional
        Read images from there instead of from files.
    size : tuple of int, optional
        Height and width to resize to; by default the images' own. The bytes are the same from files and stores.
    as_tuple : bool
        Give tuples.
    on_error : str
        ``raise`` on an image that is missing, changed or damaged; ``skip`` leaves it out of its batch, and `skipped`
        counts it. A single ``dataset[index]`` always raises.
    kind : str, optional
        One of ``tensor``, ``image``, ``pil`` and ``array``: what the image is given as. By default ``pil`` to a
        transform, else ``tensor``.
    manifest : Manifest, optional
        Which knows where the images of rows are.
    labels : mapping or path, optional
        The label map that the labels must be: of a checkpoint, say.
    root : path, optional
        The data root for a dataset's id.
    split : str, optional
        Which rows: ``train``, the default of a manifest, so that no test identity is learned; ``test``; or ``all``.
        Rows that are given as a DataFrame are taken as they are, and only those of the split where it is given too.

    Raises
    ------
    UsageError
        If the store is of another manifest, the label map another, or there is no row of the split: a set that
        publishes no split says which calls have rows.

    Examples
    --------
    >>> import occluded_datasets as od, tempfile
    >>> from occluded_datasets.twin import twin
    >>> folder = tempfile.mkdtemp()
    >>> tree = twin("partial-reid", folder + "/twin", ids=2).tree
    >>> built = od.build("partial-reid", tree, folder, allow_subset=True)
    >>> every = ReidDataset("partial-reid", size=(128, 64), kind="array", root=folder, split="all")
    >>> len(every), every[20]["image"].shape, every[20]["body"], every.label_map
    (30, (128, 64, 3), 'full', {1: 0, 2: 1})
    >>> m = od.load("partial-reid", folder)
    >>> ReidDataset(od.split(m, "afpb-nshot-1").train, manifest=m, kind="array")
    <ReidDataset: 10 images of the rows given (1 identity; roles: 5 gallery, 5 probe), from files>
    """

    def __init__(
        self,
        data: Manifest | pd.DataFrame | str | os.PathLike[str],
        transform: Callable[[Any], Any] | None = None,
        store: Store | str | os.PathLike[str] | None = None,
        size: tuple[int, int] | None = None,
        as_tuple: bool = False,
        on_error: str = "raise",
        *,
        kind: str | None = None,
        manifest: Manifest | None = None,
        labels: Mapping[int, int] | str | os.PathLike[str] | None = None,
        root: str | os.PathLike[str] | None = None,
        split: str | None = None,
    ) -> None:
        kind = kind or ("pil" if transform else "tensor")
        for what, value, known in (("kind", kind, KINDS), ("on_error", on_error, ON_ERROR)):
            if value not in known:
                raise UnknownNameError.of(what, str(value), known, HELP)
        if split is not None and split not in SPLITS:
            raise UnknownNameError(f"Unknown split {split!r}.", f"Expected one of {', '.join(SPLITS)}.", HELP)
        if kind in {"tensor", "image"}:
            require_torch(f"kind={kind!r}")
        if transform is not None and not callable(transform):
            raise UsageError("transform: expected a function of a picture.", f"Found {transform!r}.", HELP)
        size = None if size is None else _pair(size)
        self._rows = DatasetRows.of(data, manifest, store, root, split)
        self._chosen = _chosen(data, split)
        self.size = size if self._rows.store is None else self._rows.store.size or size
        if self._rows.store is not None:
            self._rows.store.require_size(size)
        self.transform, self.as_tuple, self.kind, self.on_error = transform, as_tuple, kind, on_error
        self.label_map = label_map(self._rows.pids[self._rows.somebody])
        if labels is not None:
            given = labels if isinstance(labels, Mapping) else read_label_map(labels)
            require_same(given, self.label_map, "labels" if isinstance(labels, Mapping) else str(labels))
        self.labels = self._labels()
        self._buffers = Buffers()
        self._skipped = VisitCounter(min(len(self), SKIPPED)) if on_error == "skip" else None

    def _labels(self) -> npt.NDArray[np.int64]:
        known = np.array(sorted(self.label_map), np.int64)
        if not len(known):
            return np.full(len(self), NO_LABEL, np.int64)
        found = np.searchsorted(known, self._rows.pids)
        return np.where(self._rows.somebody, found, NO_LABEL).astype(np.int64)

    @property
    def store(self) -> Store | None:
        """The store that images come from, if they do."""
        return self._rows.store

    @property
    def sets(self) -> frozenset[str]:
        """The datasets that its rows are of; a simulated row is of its source's."""
        return self._rows.sets

    @property
    def pids(self) -> npt.NDArray[np.int64]:
        """The identities as published, shape (N,)."""
        return self._rows.pids

    def pid_of(self, index: int) -> int:
        """Return the identity at `index`, as published: a pool of other people leaves it out."""
        return int(self._rows.pids[index])

    @property
    def camids(self) -> npt.NDArray[np.int32]:
        """The cameras, shape (N,); -1 where there is none."""
        return self._rows.camids

    @property
    def bodies(self) -> npt.NDArray[np.uint8]:
        """Places in ``("full", "occluded", "partial", "unknown")``, shape (N,)."""
        return self._rows.bodies

    @property
    def pixel_sha256(self) -> Digests:
        """By index, the digest of the image as published: so `od.torch.occlude` need not hash."""
        return self._rows.pixel_sha256

    @property
    def skipped(self) -> dict[str, int]:
        """How often each unreadable image was left out, by image_id, in all worker processes together."""
        counts = self._skipped.state()["counts"] if self._skipped else []
        return {self._rows.image_ids[index]: count for index, count in counts}

    def skip(self, index: int) -> bool:
        """Count an image that cannot be read, and return whether it may be left out."""
        if self._skipped is not None:
            self._skipped.meet(index)
        return self._skipped is not None

    def save_labels(self, path: str | os.PathLike[str]) -> None:
        """Write the label map, by custom as ``label_map.json`` beside a checkpoint."""
        write_label_map(self.label_map, path)

    def tuples(self, *, views: bool = False) -> list[tuple[Any, ...]]:
        """Return (path, label, camid) a row; with `views` the (path, label, camid, view) of TransReID and CLIP-ReID.

        There cameras count from 0, as an embedding needs them (0 where there is none), and the view is 0. Labels are
        these rows' own: for probe and gallery take `occluded_datasets.exporters.parts_of`, which keeps pids.
        """
        camids: npt.NDArray[Any] = self.camids
        if views:
            camids = np.searchsorted(np.unique(camids[camids >= 0]), np.maximum(camids, 0))
        facts = zip(self.labels.tolist(), camids.tolist(), strict=True)
        return [(self._rows.path(index), *own, *((0,) if views else ())) for index, own in enumerate(facts)]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        """Return one line: images, the split, identities, roles, and where the images come from."""
        place = f"from {self.store!r}" if self.store else "from files"
        roles = ", ".join(f"{count:,} {role or 'without a role'}" for role, count in sorted(self._rows.roles.items()))
        people = f"{len(self.label_map):,} identit{'y' if len(self.label_map) == 1 else 'ies'}"
        return f"<ReidDataset: {len(self):,} images of {self._chosen} ({people}; roles: {roles}), {place}>"

    def __getitem__(self, index: int) -> Any:
        """Return the sample at `index`."""
        index = whole_index(index, len(self))
        return self._sample(index, self.pixels(index))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return several samples, their images gathered at once; the fetcher of PyTorch calls this."""
        found, pictures = self._read(whole_indices(indices, len(self)))
        return [self._sample(index, pixels) for index, pixels in zip(found, pictures, strict=True)]

    def batch(self, indices: Sequence[int]) -> Any:
        """Return a batch: the same as collating the samples, without making them one by one where that can be.

        Returns
        -------
        dict or list
            ``image``: uint8, (B, 3, H, W), in channels-last memory; ``pid``, ``label``, ``camid`` and ``index``: int64,
            (B,); ``body`` and ``image_id``: lists. With a transform, another kind or tuples: what ``default_collate``
            makes of the samples.
        """
        torch = require_torch("batch")
        if not self.batched:
            return torch.utils.data.default_collate(self.__getitems__(indices))
        found, pictures = self.gathered(indices)
        return {"image": torch.from_numpy(pictures).permute(0, 3, 1, 2), **self.facts(found)}

    @property
    def batched(self) -> bool:
        """Whether `batch` makes a batch as a whole: its work is then outside Python, and threads can share it."""
        return not (self.transform or self.as_tuple) and self.kind in {"tensor", "image"}

    def gathered(self, indices: Sequence[int]) -> tuple[npt.NDArray[np.int64], Pixels]:
        """Return the indices that could be read, from 0, shape (B,), and their images, shape (B, H, W, 3)."""
        found, pictures = self._read(whole_indices(indices, len(self)))
        return np.array(found, np.int64), _stacked(pictures)

    def facts(self, at: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Return what a batch of the rows `at` says of them beside their images."""
        torch, rows = require_torch("batch"), self._rows
        return {
            "pid": torch.from_numpy(rows.pids[at]),
            "label": torch.from_numpy(self.labels[at]),
            "camid": torch.from_numpy(rows.camids[at].astype(np.int64)),
            "body": [BODIES[body] for body in rows.bodies[at].tolist()],
            "image_id": rows.image_ids.many(at),
            "index": torch.from_numpy(at),
        }

    def pixels(self, index: int) -> Pixels:
        """Return the pixels of a row, shape (H, W, 3), at the dataset's size.

        Raises
        ------
        InputError
            If the image is missing, changed or damaged; it is named.
        """
        rows = self._rows
        if rows.store is not None and rows.places is not None:
            return rows.store.picture(int(rows.places[index]), self.size)
        return read_image(rows.picture(index), self.size)

    def _read(self, indices: list[int]) -> tuple[list[int], Pixels | list[Pixels]]:
        """Return the indices that could be read, and their images."""
        rows = self._rows
        if rows.store is not None and rows.places is not None and rows.store.kind == "pixels":
            places = rows.places[indices]
            return indices, rows.store.gather(
                places, self._buffers.empty((len(places), *rows.store.images.shape[1:]), np.uint8)
            )
        found, pictures = [], []
        for index in indices:
            try:
                pictures.append(self.pixels(index))
            except InputError:
                if not self.skip(index):
                    raise
            else:
                found.append(index)
        if not found:
            raise InputError(
                f"None of {len(indices)} pictures of a batch can be read.",
                f"The first is {rows.image_ids[indices[0]]}." if indices else "",
                "occreid-prepare verify MANIFEST --full",
            )
        return found, pictures

    def _sample(self, index: int, pixels: Pixels) -> Any:
        image = _as(self.kind, pixels)
        image = self.transform(image) if self.transform else image
        rows = self._rows
        label, camid = int(self.labels[index]), int(rows.camids[index])
        if self.as_tuple:
            return image, label, camid, rows.path(index)
        return {
            "image": image,
            "pid": int(rows.pids[index]),
            "label": label,
            "camid": camid,
            "body": BODIES[rows.bodies[index]],
            "image_id": rows.image_ids[index],
            "index": index,
        }


def whole_index(item: Any, count: int) -> int:
    """Return an index from 0 to `count`, of one that may count from the end."""
    if isinstance(item, bool) or not hasattr(item, "__index__"):
        raise UsageError(f"index: expected a whole number, found {item!r}.")
    index = int(item.__index__())
    if not -count <= index < count:
        raise IndexError(f"index {index}: the dataset has {count} samples")
    return index % count


def whole_indices(items: Sequence[Any], count: int) -> list[int]:
    """Return what `whole_index` makes of each."""
    if {*map(type, items)} == {int} and min(items) >= 0 and max(items) < count:
        return list(items)
    return [whole_index(item, count) for item in items]


def require_torch(what: str) -> Any:
    """Return PyTorch.

    Raises
    ------
    MissingPackageError
        If it is not installed, with the line that installs it.
    """
    try:
        import torch
        import torch.utils.data
    except ImportError as error:
        raise MissingPackageError(
            f"{what}: torch is not installed.", "It is optional.", 'pip install "occluded-datasets[torch]"'
        ) from error
    return torch


def _chosen(data: Any, split: str | None) -> str:
    """Return in words which rows were taken."""
    own = hasattr(data, "columns")
    if split == "all" or (own and split is None):
        return "the rows given" if own else "every split"
    return f"the split {split or 'train'}"


def _pair(size: Any) -> tuple[int, int]:
    try:
        height, width = size
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"size {size!r}: expected (height, width).", "", "ReidDataset(..., size=(256, 128))"
        ) from error
    return whole(height, "size: height", least=1), whole(width, "size: width", least=1)


def _as(kind: str, pixels: Pixels) -> Any:
    if kind == "array":
        return pixels
    if kind == "pil":
        return to_pillow(pixels)
    tensor = require_torch("tensors").from_numpy(channels_first(pixels))
    if kind == "tensor":
        return tensor
    from torchvision import tv_tensors

    return tv_tensors.Image(tensor)


def _stacked(pictures: Pixels | list[Pixels]) -> Pixels:
    sizes = {one.shape for one in pictures} if isinstance(pictures, list) else set()
    if len(sizes) > 1:
        shown = ", ".join(f"{height}x{width}" for height, width, _ in sorted(sizes)[:3])
        raise UsageError("A batch needs pictures of one size.", f"Found {shown}.", "ReidDataset(..., size=(256, 128))")
    return np.stack(pictures) if isinstance(pictures, list) else pictures
