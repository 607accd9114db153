"""Look through a folder or an archive, as a build would read it, and write down all that would stop the build.

Members are read in memory; only a zip inside an archive is spilled, to a temporary folder that is removed.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ..acquire import Limits, kind_of
from ..acquire.archives import looks_like, members
from ..acquire.member import Member, reading
from ..errors import ArchiveError, ImageError, MissingReaderError, PasswordError, UnsafeNameError
from ..hashing import key
from ..images import decode
from ..layouts import is_clutter, is_picture
from ..paths import safe_name
from ..scan import scan

SAMPLE = 3000
HEAD = 512
SALVAGED = 1 << 30
_LOCAL = b"PK\x03\x04"
_HEADER = struct.Struct("<26x2H")  # the lengths of name and extra field, at the end of a local header of 30 bytes


class Trouble(NamedTuple):
    """Something that stops a build: what kind, which file (empty: the whole copy), and what to say."""

    code: str
    name: str
    text: str


@dataclass(frozen=True)
class Listing:
    """The files of a copy by the names a build gives them, and what stops a build whatever they hold.

    Parameters
    ----------
    disk : mapping of str to str
        Of the files that lie in the folder itself: their name as it is spelled there.
    nested : tuple of str
        The zips inside that were opened.
    """

    kind: str
    names: tuple[str, ...]
    troubles: tuple[Trouble, ...] = ()
    disk: Mapping[str, str] = field(default_factory=dict)
    nested: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What reading the members says: unreadable images with why, the texts of name lists, images decoded."""

    troubles: tuple[Trouble, ...]
    unreadable: Mapping[str, str]
    lists: Mapping[str, str]
    decoded: int


def list_names(path: Path, password: bytes | None = None) -> Listing:
    """Return the names in an archive or folder, judged as `occluded_datasets.acquire.unpack` judges them.

    Raises
    ------
    ArchiveError
        If it is neither; damage inside one is a `Trouble`, and the names that can still be read are returned.
    """
    kind = kind_of(path)
    names: list[str] = []
    disk: dict[str, str] = {}
    troubles: list[Trouble] = []
    opened: list[str] = []
    with TemporaryDirectory() as folder:
        try:
            for member in _expanded(path, password, Path(folder), opened):
                name = _judged(member, troubles)
                if not name:
                    continue
                names.append(name)
                if member.path:
                    disk[name] = member.name
                if len(names) > Limits().members:
                    raise ArchiveError(f"{path.name}: over {Limits().members:,} files.")
        except ArchiveError as error:
            troubles.append(_stopped(error))
    if not names and kind == "zip":
        names = _salvaged(path)
    troubles += _collisions(names)
    return Listing(kind, tuple(names), tuple(troubles), disk, tuple(opened))


def contents(
    path: Path, found: Listing, pictures: Sequence[str], lists: Mapping[str, str], password: bytes | None = None
) -> Contents:
    """Return what is wrong inside the files of a copy.

    Every member of an archive is read to its checksum. Images are decoded: all in a folder, at most `SAMPLE` of an
    archive, chosen by key so that the same copy gets the same answer.

    Parameters
    ----------
    path : Path
        The folder or archive.
    found : Listing
        Its names, as of `list_names`.
    pictures : sequence of str
        Names of the images that matter.
    lists : mapping of str to str
        Names of the published name lists, by the name of the file that holds one.
    password : bytes, optional
        The archive's.
    """
    on_disk = [name for name in pictures if name in found.disk]
    archived = sorted(set(pictures).difference(on_disk), key=lambda name: key(0, "doctor", 0, name))[:SAMPLE]
    reader = _Reader(set(archived), set(lists).difference(found.disk), _allowed(path))
    if found.kind != "folder" or found.nested:
        reader.read(path, found.kind, password)
    texts = {
        name: (path / found.disk[name]).read_bytes().decode("utf-8", "replace") for name in set(lists) & set(found.disk)
    }
    texts |= reader.texts
    return Contents(
        tuple(reader.troubles),
        dict(_scanned(path, {found.disk[name]: name for name in on_disk})) | reader.unreadable,
        {lists[name]: text for name, text in texts.items()},
        len(on_disk) + reader.decoded,
    )


def _expanded(path: Path, password: bytes | None, folder: Path, opened: list[str]) -> Iterator[Member]:
    """Yield the members of a copy under the names that a build gives them, those of zips inside in their place."""
    for member in members(path, password):
        inner = _inner(path, member, folder)
        if inner is None:
            yield member
            continue
        opened.append(member.name)
        stored = [one.name for one in members(inner, password) if not is_clutter(one.name)]
        parent = member.name.rpartition("/")[0]
        beside = f"{parent}/" if parent else ""
        prefix = f"{member.name[: -len('.zip')]}/" if any("/" not in name for name in stored) else beside
        for one in members(inner, password):
            deeper = one.kind == "file" and one.name.lower().endswith(".zip") and not is_clutter(one.name)
            kind = "zip inside a zip inside the copy" if deeper else one.kind
            yield one._replace(name=prefix + one.name, kind=kind)
        if not member.path:
            inner.unlink()


def _inner(path: Path, member: Member, folder: Path) -> Path | None:
    """Return a readable file of the zip that a member is, or None if it is none."""
    if member.kind != "file" or not member.name.lower().endswith(".zip") or is_clutter(member.name):
        return None
    inner = Path(member.path) if member.path else folder / "inner.zip"
    if not member.path:
        left = _allowed(path)
        with inner.open("wb") as stream, reading(path):

            def sink(chunk: bytes) -> None:
                nonlocal left
                left -= len(chunk)
                _require_room(path, left)
                stream.write(chunk)

            member.pour(sink)
    with inner.open("rb") as head:
        return inner if head.read(4) == _LOCAL else None


def _judged(member: Member, troubles: list[Trouble]) -> str:
    """Return the name of a file to read, or an empty string; add what is wrong with the member."""
    try:
        name = safe_name(member.name.removesuffix("/") if member.kind == "folder" else member.name)
    except UnsafeNameError as error:
        troubles.append(Trouble("unsafe-name", member.name, error.what.removesuffix(".")))
        return ""
    if is_clutter(name) or member.kind == "folder":
        return ""
    if member.kind != "file":
        code = "link" if member.kind.endswith("link") else "special-file"
        troubles.append(Trouble(code, name, f"{name} is a {member.kind}"))
        return ""
    return name


def _stopped(error: ArchiveError) -> Trouble:
    if isinstance(error, PasswordError):
        return Trouble("encrypted", "", f"{error.what} {error.why}".strip())
    if isinstance(error, MissingReaderError):
        return Trouble("no-reader", "", f"{error.what} Install it: {error.next_command}")
    return Trouble("damaged", "", f"{error.what} {error.why}".strip().rstrip(".") + "; get it again")


def _salvaged(path: Path) -> list[str]:
    """Return the names in the local headers of a zip whose directory cannot be read, such as half a download."""
    names: dict[str, None] = {}
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = min(len(data), SALVAGED)
        at = data.find(_LOCAL, 0, end)
        while at >= 0 and at + 30 <= end:
            length = _HEADER.unpack(data[at : at + 30])[0]
            name = data[at + 30 : at + 30 + length].decode("utf-8", "replace")
            if name and not name.endswith("/") and not is_clutter(name) and name.isprintable():
                names[name] = None
            at = data.find(_LOCAL, at + 4, end)
    return list(names)


def _collisions(names: Iterable[str]) -> Iterator[Trouble]:
    """Yield the names that meet another one on some file system."""
    taken: dict[str, tuple[str, bool]] = {}
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield Trouble("same-name", name, f"{name} is there twice")
        seen.add(name)
        folders = [name[:at] for at, letter in enumerate(name) if letter == "/"]
        for part, is_file in [*((folder, False) for folder in folders), (name, True)]:
            spelled, was_file = taken.setdefault(part.casefold(), (part, is_file))
            if (spelled, was_file) != (part, is_file):
                how = "differ by case alone" if spelled != part else "are a file and a folder"
                yield Trouble("same-name", name, f"{spelled} and {part} {how}")
                break


def _allowed(path: Path) -> int:
    """Return how many bytes an archive may unpack to."""
    limits = Limits()
    size = path.stat().st_size if path.is_file() else limits.total_bytes
    return min(limits.total_bytes, max(limits.ratio_from, limits.ratio * size))


def _require_room(path: Path, left: int) -> None:
    if left < 0:
        raise ArchiveError(f"{path.name}: it unpacks to far more than pictures do.", f"Limit: {Limits().ratio} times.")


def _scanned(folder: Path, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (name, why) of the images of a folder that cannot be decoded; `names` is keyed by those on disk."""
    for _, bad in scan(folder, list(names)):
        for stored, _ in bad:
            yield names[stored], _why((folder / stored).read_bytes(), names[stored])


def _why(data: bytes, name: str) -> str:
    """Return why the bytes of an image do not decode; empty if they do."""
    try:
        decode(data, name)
    except ImageError as error:
        looks = looks_like(data[:HEAD])
        if "picture" in looks or looks.startswith("bytes"):
            return error.what.removeprefix(f"{name}: ").rstrip(".")
        return looks
    return ""


class _Reader:
    """Pours every member of an archive, decodes the chosen images and keeps the texts of name lists."""

    def __init__(self, chosen: set[str], lists: set[str], allowed: int) -> None:
        self.chosen, self.lists, self.left = chosen, lists, allowed
        self.troubles: list[Trouble] = []
        self.unreadable: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        self.decoded = 0

    def read(self, path: Path, kind: str, password: bytes | None) -> None:
        """Read the whole archive; damage to one member of a zip does not hide the others."""
        with TemporaryDirectory() as folder:
            try:
                for member in _expanded(path, password, Path(folder), []):
                    name = "" if member.path else _judged(member, [])
                    if not name:
                        continue
                    try:
                        self._take(path, member._replace(name=name))
                    except PasswordError:
                        raise
                    except ArchiveError as error:
                        if kind not in ("zip", "folder") or self.left < 0:
                            raise
                        text = f"{member.name} does not read back: {error.why.rstrip('.')}"
                        self.troubles.append(Trouble("damaged", member.name, text))
            except ArchiveError as error:
                self.troubles.append(_stopped(error))

    def _take(self, path: Path, member: Member) -> None:
        data = bytearray()
        size = 0
        keep = member.name in self.chosen or member.name in self.lists

        def sink(chunk: bytes) -> None:
            nonlocal size
            size += len(chunk)
            self.left -= len(chunk)
            _require_room(path, self.left)
            if keep:
                data.extend(chunk)

        with reading(path):
            member.pour(sink)
        if size != member.size:
            raise ArchiveError(f"{member.name}: {size} bytes.", f"Its header says {member.size} bytes, found {size}.")
        if member.name in self.lists:
            self.texts[member.name] = data.decode("utf-8", "replace")
        elif keep and is_picture(member.name):
            self.decoded += 1
            why = _why(bytes(data), member.name)
            if why:
                self.unreadable[member.name] = why
