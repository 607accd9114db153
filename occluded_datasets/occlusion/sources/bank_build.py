"""Build a bank: cut out, write aside, and put in its place whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ...errors import UsageError
from ...files import exclusive, remove_tree, storage_errors, sync_folder, write_atomic
from .bank import Bank
from .bank_file import INDEX, PIXELS, BankEntry, entry_of, index_bytes
from .bank_inputs import BY_FOLDER, Given, cut_out, from_folder, from_manifest, refused_pictures, require_class
from .pyramid import pyramid

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...manifest import Manifest

    Pixels = npt.NDArray[np.uint8]

Told = Callable[[int, int], None]
Item = tuple[BankEntry, "Sequence[Pixels]"]
"""An entry, whose offset is not yet known, and its levels."""


class Stated(NamedTuple):
    """What whoever builds a bank says of its images."""

    licence: str = ""
    source: str = ""


def build_bank(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    kind: str = BY_FOLDER,
    licence: str = "",
    source_note: str = "",
    refuse: Iterable[Manifest] = (),
    replace: bool = False,
    progress: Told | None = None,
) -> Bank:
    """Build a bank from a folder of cut-outs, or of images with masks, and return it opened.

    Parameters
    ----------
    source : path
        RGBA images, or images with masks: ``NAME_mask.png`` beside ``NAME.jpg``, or ``masks/NAME.png``.
    out : path
        The folder of the bank: ``bank.bin`` and ``bank.json``.
    kind : str
        ``folder``: the first folder below `source` is the class; anything else is the class of all.
    licence, source_note : str
        Written down for every item.
    refuse : iterable of Manifest
        An image whose pixels are those of a test-side row of one of these is an error.
    replace : bool
        Whether another bank may be replaced.
    progress : callable, optional
        Called with (items done, items in all).

    Raises
    ------
    BankError
        If a source cannot be used.
    ImageError
        If an image is damaged, or has neither transparency nor a mask.
    UsageError
        If something else is at `out`.
    StorageError
        If the disk refuses; what was at `out` is kept.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from occluded_datasets.images import encode
    >>> disc = np.zeros((40, 20, 4), np.uint8)
    >>> disc[5:35, 5:15] = 255
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     home = Path(folder, "cutouts", "post")
    ...     home.mkdir(parents=True)
    ...     _ = (home / "white.png").write_bytes(encode(disc, ".png"))
    ...     bank = build_bank(home.parent, Path(folder, "bank"), licence="CC0-1.0")
    ...     bank[0].id, bank[0].kind, bank[0].coverage
    ('white', 'post', 300)
    """
    if kind != BY_FOLDER:
        require_class(kind)
    given = from_folder(Path(source), kind)
    return _build(given, Path(out), Stated(licence, source_note), refused_pictures(refuse), replace, progress)


def build_person_bank(
    manifest: Manifest,
    masks: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    licence: str = "",
    refuse: Iterable[Manifest] = (),
    replace: bool = False,
    progress: Told | None = None,
) -> Bank:
    """Build a bank of the people in a manifest's training rows, and return it opened.

    Parameters
    ----------
    manifest : Manifest
        Rows of split ``train`` alone are taken; its own test-side images are refused.
    masks : path
        A folder with the mask of each image: its path with the suffix ``.png``. Rows without one are left out.
    out, licence, refuse, replace, progress
        As for `build_bank`.

    Raises
    ------
    BankError, ImageError, UsageError, StorageError
        As `build_bank`.

    Examples
    --------
    >>> build_person_bank(od.load("market-1501"), "masks", "people")  # doctest: +SKIP
    """
    given = from_manifest(manifest, Path(masks))
    stated = Stated(licence, manifest.dataset)
    return _build(given, Path(out), stated, refused_pictures([manifest, *refuse]), replace, progress)


def write_drawn_bank(out: str | os.PathLike[str], *, replace: bool = False) -> Bank:
    """Write the drawn bank into a folder, and return it opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_drawn_bank(Path(folder, "bank")).hash == Bank.drawn().hash
    True
    """
    bank = Bank.drawn()
    return publish(Path(out), ((entry, bank[at].levels) for at, entry in enumerate(bank.entries)), replace=replace)


def _build(
    given: Sequence[Given], out: Path, stated: Stated, refused: dict[str, str], replace: bool, progress: Told | None
) -> Bank:
    def items() -> Iterator[Item]:
        for number, one in enumerate(given, 1):
            base, sha256 = cut_out(one, refused)
            levels = pyramid(base)
            entry = entry_of(one.id, one.kind, base, 0, sha256=sha256, pid=one.pid, **stated._asdict())
            yield entry, levels
            if progress:
                progress(number, len(given))

    return publish(out, items(), replace=replace)


def publish(out: Path, items: Iterable[Item], *, replace: bool) -> Bank:
    """Write items, sorted by id, aside and put them in their place; the same bank is left as it is.

    Raises
    ------
    UsageError
        If another bank, or anything else, is at `out`.
    StorageError
        If the disk refuses; what was at `out` is kept.
    """
    out = out.absolute()
    staging, old = (out.with_name(f".{out.name}.{end}") for end in ("part", "old"))
    with (
        storage_errors(str(out), out / INDEX),
        _only_if_done(out.parent),
        exclusive(out.with_name(f".{out.name}.lock")),
    ):
        if old.exists() and not out.exists():  # killed between the two renames of a replacement
            os.replace(old, out)
        remove_tree(old)
        _require_bank(out)
        remove_tree(staging)
        try:
            _write(staging, items)
            if _same(staging, out):
                return Bank.open(out)
            _require_free(out, replace)
            _move(staging, out, old)
        finally:
            remove_tree(staging)
    return Bank.open(out)


@contextmanager
def _only_if_done(folder: Path) -> Iterator[None]:
    """Leave no empty folder behind that was not there before."""
    existed = [parent for parent in (folder, *folder.parents) if parent.exists()]
    try:
        yield
    finally:
        for parent in (folder, *folder.parents):
            if parent in existed:
                break
            with suppress(OSError):
                parent.rmdir()


def _write(staging: Path, items: Iterable[Item]) -> None:
    staging.mkdir(parents=True)
    entries: list[BankEntry] = []
    sha256, offset = hashlib.sha256(), 0
    with (staging / PIXELS).open("wb") as stream:
        for entry, levels in items:
            entries.append(entry._replace(offset=offset))
            offset += entry.size
            for level in levels:
                sha256.update(level.data)
                stream.write(level.data)
        stream.flush()
        os.fsync(stream.fileno())
    write_atomic(staging / INDEX, index_bytes(entries, sha256.hexdigest()))


def _same(staging: Path, out: Path) -> bool:
    with suppress(OSError):
        same_size = (out / PIXELS).stat().st_size == (staging / PIXELS).stat().st_size
        return same_size and (out / INDEX).read_bytes() == (staging / INDEX).read_bytes()
    return False


def _require_bank(out: Path) -> None:
    """Raise if something other than a bank, or an empty folder, is at `out`."""
    strange = not out.is_dir() if out.exists() else False
    if strange or (out.is_dir() and {path.name for path in out.iterdir()} - {INDEX, PIXELS}):
        raise UsageError(f"{out} is there and is no bank.", "It is never replaced.", "choose another --out")


def _require_free(out: Path, replace: bool) -> None:
    if not replace and out.is_dir() and any(out.iterdir()):
        raise UsageError(
            f"{out}: another bank is here.", "It is replaced only when asked.", "add --replace, or choose another --out"
        )


def _move(staging: Path, out: Path, old: Path) -> None:
    if out.exists():
        os.replace(out, old)
    try:
        os.replace(staging, out)
    except BaseException:
        if old.exists():
            os.replace(old, out)
        raise
    sync_folder(out.parent)
    remove_tree(old)
