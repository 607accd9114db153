"""`register_torchreid`: then torchreid's ``ImageDataManager`` as always."""

from __future__ import annotations

import copy
import os
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from ...errors import MissingPackageError, UsageError
from ...exporters.parts import PARTS, Parts, parts_of
from .arguments import manifest_of, require_files

if TYPE_CHECKING:
    from ...manifest import Manifest
    from ...protocol import Protocol

INSTALL = 'pip install "occluded-datasets[torchreid]"'
LAYOUTS = ("torchreid.reid.data.datasets", "torchreid.data.datasets")
"""Where its datasets are: in the package of the index, and in the project of GitHub."""

NOBODY = ("", 0, 0)
"""Stands in an empty part while torchreid looks at its first row to count columns."""


def register_torchreid(
    dataset: str,
    manifest: Manifest | str | os.PathLike[str] | None = None,
    protocol: str | Protocol | None = None,
    *,
    name: str | None = None,
    draw: int | None = None,
    root: str | os.PathLike[str] | None = None,
) -> Any:
    """Register a manifest with torchreid and return the class: a source of training rows, a target, or both.

    Training pids become labels 0, 1, ... in ascending order of pid; the others stay as published. Where nobody recorded
    a camera, the class invents them (probes 0, gallery 1, training 0), says so in `cameras` and in the printed summary,
    and torchreid's same-camera filter removes nothing. torchreid's ``root`` is not used: the manifest knows its files.

    Parameters
    ----------
    dataset : str
        The dataset's id.
    manifest : Manifest or path, optional
        By default the one that was built below the data root.
    protocol : str or Protocol, optional
        By name, id or ``.json`` file; may be left out where one is obvious.
    name : str, optional
        What torchreid calls it; by default the dataset's id. A name registered here before is replaced.
    draw : int, optional
        Which draw, where the protocol has several.
    root : path, optional
        The data root.

    Returns
    -------
    type
        A subclass of torchreid's ``ImageDataset``; `protocol`, `cameras`, `parts` and `notes` are its attributes.

    Raises
    ------
    MissingPackageError
        If torchreid, or one of the packages that it forgets to ask for, is not installed.
    ProtocolError
        If the protocol has a rule that torchreid cannot follow.
    UsageError
        If the manifest is of another dataset, or torchreid has a dataset of that name.

    Examples
    --------
    >>> register_torchreid("partial-reid", "data/partial-reid", "transfer-all-occluded-probe")  # doctest: +SKIP
    >>> torchreid.data.ImageDataManager(sources="market1501", targets="partial-reid")  # doctest: +SKIP
    """
    home = find_torchreid()
    given = manifest_of(dataset, manifest, root)
    parts = parts_of(given, protocol, draw=draw)
    require_files(parts)
    chosen = name or dataset
    known = vars(home.registry)["__image_datasets"]
    if chosen in known and not issubclass(known[chosen], Bridge):
        raise UsageError(
            f"{chosen}: torchreid has a dataset of that name.",
            f"It is {known[chosen].__module__}.{known[chosen].__name__}.",
            f"give another: name='{chosen}-occluded'",
        )
    known.pop(chosen, None)
    made = class_of(home.base, chosen, parts)
    home.registry.register_image_dataset(chosen, made)
    return made


class Home(NamedTuple):
    """torchreid as it is installed: the module that keeps its datasets, and the class they inherit from."""

    registry: Any
    base: Any


def find_torchreid() -> Home:
    """Return torchreid.

    Raises
    ------
    MissingPackageError
        With what is missing and the line that installs it.
    """
    fault: ImportError | None = None
    for layout in LAYOUTS:
        try:
            return Home(import_module(layout), import_module(f"{layout}.dataset").ImageDataset)
        except ImportError as error:
            if fault is None or not _its_own(error):
                fault = error
    absent = isinstance(fault, ModuleNotFoundError) and fault.name == "torchreid"
    raise MissingPackageError(
        f"register_torchreid: torchreid {'is not installed' if absent else 'cannot be imported'}.",
        "It is optional." if absent else f"The system says: {fault}. It does not ask for all that it needs.",
        INSTALL,
    ) from fault


def _its_own(error: ImportError) -> bool:
    """Whether it is a module of torchreid that is not there: the other layout's may be."""
    return (error.name or "").partition(".")[0] == "torchreid"


class Bridge:
    """What a registered class adds to torchreid's ``ImageDataset``."""

    parts: ClassVar[Parts]
    protocol: ClassVar[str]
    cameras: ClassVar[str]
    notes: ClassVar[tuple[str, ...]]
    _junk_pids: ClassVar[list[int]]

    train: list[Any]
    query: list[Any]
    gallery: list[Any]

    def __init__(
        self, root: str = "", mode: str = "train", combineall: bool = False, verbose: bool = True, **kwargs: Any
    ) -> None:
        del root
        self._require_rows(mode, combineall)
        base: Any = super()
        rows = {part: self.parts.tuples(part) for part in PARTS}
        # torchreid looks at the first row of every part, also of those that are empty under a protocol.
        whole = {part: own or [NOBODY] for part, own in rows.items()}
        base.__init__(**whole, mode=mode, combineall=False, verbose=False, **kwargs)
        for part, own in rows.items():
            setattr(self, part, getattr(self, part) if own else [])
        self.combineall, self.verbose = combineall, verbose
        self._count()
        if combineall:
            base.combine_all()
            self._count()
        self.data = getattr(self, mode)
        if verbose:
            self.show_summary()

    def _require_rows(self, mode: str, combineall: bool) -> None:
        count = len(getattr(self.parts, mode)) if mode in PARTS else 1
        if not count and not (combineall and mode == "train"):
            raise UsageError(
                f"{type(self).__name__}: {self.protocol} has no {mode} rows in this manifest.",
                "It trains elsewhere." if mode == "train" else "The copy is a training part alone.",
                "name another of sources=" if mode == "train" else "name another of targets=",
            )

    def _count(self) -> None:
        """Count what is there now: torchreid counted the stand-ins, and forgets the cameras when it combines."""
        self.num_train_pids = len({row[1] for row in self.train})
        self.num_train_cams = len({row[2] for row in self.train})
        self.num_datasets = 1

    def show_summary(self) -> None:
        """Print torchreid's table, then what a reader of the scores should know."""
        base: Any = super()
        base.show_summary()
        print(f"  {self.protocol}; cameras: {self.cameras}")  # noqa: T201
        for note in self.notes:
            print(f"  note: {note}")  # noqa: T201

    def __add__(self, other: Any) -> Any:
        """Return both training parts as one dataset."""
        whole = copy.copy(self)
        spare = [self.train[0]] if self.train else []
        whole.query, whole.gallery = self.query or spare, self.gallery or spare
        base: Any = super(Bridge, whole)
        both = base.__add__(other)
        both.query, both.gallery = self.query, self.gallery
        return both

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a spawned worker process makes it again: the class is made at run time."""
        return _made_again, (type(self).__name__, self.parts, self.__dict__)


def class_of(base: Any, name: str, parts: Parts) -> Any:
    """Return the class of `parts`, on top of torchreid's ``ImageDataset``.

    Parameters
    ----------
    base : type
        torchreid's ``ImageDataset``.
    name : str
        The class's name.
    parts : Parts
        Training, query and gallery rows of a protocol.
    """
    return type(
        name,
        (Bridge, base),
        {
            "__doc__": f"{parts.protocol.id}, as torchreid reads it.",
            "parts": parts,
            "protocol": parts.protocol.id,
            "cameras": f"invented for {', '.join(parts.invented)}" if parts.invented else "as recorded",
            "notes": parts.notes,
            "_junk_pids": sorted(parts.nobody),
        },
    )


def _made_again(name: str, parts: Parts, state: dict[str, Any]) -> Any:
    made = class_of(find_torchreid().base, name, parts)
    dataset = made.__new__(made)
    dataset.__dict__.update(state)
    return dataset
