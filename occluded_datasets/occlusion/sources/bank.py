"""The bank of cut-outs that occluders are taken from: one memory map, shared by every process that reads it."""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import BankError
from .bank_file import DRAWN_LICENCE, PIXELS, REBUILD, BankEntry, bank_hash, entry_of, read_index
from .pyramid import base_level, level_sizes, pyramid

if TYPE_CHECKING:
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]


class Cutout(NamedTuple):
    """One thing to put in front.

    Attributes
    ----------
    id : str
        Unique in its bank; ``[a-z0-9._/-]+``.
    kind : str
        Its class, such as ``car``.
    levels : tuple of numpy.ndarray
        Premultiplied RGBA, shape (h, w, 4), uint8, read-only, largest first, each half of the one before.
    coverage : int
        Pixels of the first level with alpha 128 or more.
    pid : int, optional
        The identity, for cut-outs of persons.
    """

    id: str
    kind: str
    levels: tuple[npt.NDArray[np.uint8], ...]
    coverage: int
    pid: int | None = None


class Bank:
    """Cut-outs, sorted by id, read-only.

    A bank that was opened is one memory map: a forked worker shares it, a spawned one opens it again.

    Parameters
    ----------
    entries : sequence of BankEntry
        What is known of each item, sorted by id.
    pixels : numpy.ndarray
        Shape (N,), uint8: the levels of every item, one after another.
    folder : Path, optional
        Where it was read from; None for the drawn one.

    Attributes
    ----------
    hash : str
        The sha256 over the items' ids, classes and pixel digests: what a recipe records.

    Examples
    --------
    >>> bank = Bank.drawn()
    >>> bank[0].id, bank[0].kind, bank[0].levels[0].shape[2]
    ('bag-01', 'bag', 4)
    """

    def __init__(self, entries: Sequence[BankEntry], pixels: Pixels, folder: Path | None = None) -> None:
        self.entries, self.folder = tuple(entries), folder
        self.hash = bank_hash(self.entries)
        self._pixels = pixels
        self._items: list[Cutout | None] = [None] * len(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Cutout:
        """Return an item: views into the map, nothing is copied."""
        item = self._items[index]
        if item is None:
            item = self._items[index] = _cutout(self.entries[index], self._pixels)
        return item

    def __reduce__(self) -> tuple[Any, ...]:
        return (Bank.drawn, ()) if self.folder is None else (_reopened, (str(self.folder), self.hash))

    def kinds(self) -> tuple[str, ...]:
        """Return the classes of the items, sorted.

        Examples
        --------
        >>> Bank.drawn().kinds()[:3]
        ('bag', 'barrier', 'bench')
        """
        return tuple(sorted({entry.kind for entry in self.entries}))

    @property
    def redistributable(self) -> bool:
        """Whether every item is drawn, so that the bank may be given to anyone."""
        return all(entry.drawn for entry in self.entries)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Bank:
        """Return the bank in a folder, its files checked against their sizes and digest.

        Raises
        ------
        BankError
            If there is none, or it is damaged, or of another schema.

        Examples
        --------
        >>> Bank.open("/nowhere")
        Traceback (most recent call last):
        ...
        occluded_datasets.errors.BankError: /nowhere: no bank. Expected bank.json and bank.bin. Next: occreid-prepare \
bank build --from DIR --out /nowhere
        """
        return _opened(Path(folder).absolute(), str(folder), whole=True)

    @classmethod
    def drawn(cls) -> Bank:
        """Return the licence-free bank: cars, bushes, umbrellas and more, drawn once in a process.

        Examples
        --------
        >>> bank = Bank.drawn()
        >>> "umbrella" in bank.kinds(), bank.redistributable
        (True, True)
        """
        return _drawn()


def _cutout(entry: BankEntry, pixels: Pixels) -> Cutout:
    levels, at = [], entry.offset
    for width, height in level_sizes(entry.width, entry.height):
        size = width * height * 4
        levels.append(pixels[at : at + size].reshape(height, width, 4))
        at += size
    return Cutout(entry.id, entry.kind, tuple(levels), entry.coverage, entry.pid)


def _opened(folder: Path, name: str, *, whole: bool) -> Bank:
    entries = read_index(folder, name, whole=whole)
    try:
        with (folder / PIXELS).open("rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise BankError(f"{name}: {PIXELS} cannot be read.", f"The system says: {error}.", REBUILD) from error
    return Bank(entries, np.frombuffer(mapped, np.uint8), folder)


def _reopened(folder: str, expected: str) -> Bank:
    """Return a bank in a worker: as the parent checked it, so its pixels are not read again."""
    bank = _opened(Path(folder), folder, whole=False)
    if bank.hash != expected:
        raise BankError(f"{folder}: the bank was replaced.", f"Expected hash {expected}, found {bank.hash}.", REBUILD)
    return bank


@lru_cache(maxsize=1)
def _drawn() -> Bank:
    from ...drawn.things import things

    entries, parts, offset = [], [], 0
    for name, kind, picture in sorted(things(), key=lambda thing: thing[0]):
        levels = pyramid(base_level(picture))
        entries.append(entry_of(name, kind, levels[0], offset, licence=DRAWN_LICENCE, source="drawn"))
        parts += [level.ravel() for level in levels]
        offset += sum(level.size for level in levels)
    pixels = np.concatenate(parts)
    pixels.flags.writeable = False
    return Bank(entries, pixels)
