"""Read foreign archives member by member: zip, tar (plain, gzip, bzip2, xz), rar, and plain folders.

Nothing here writes. Names come out as stored; `unpack` judges them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from ..errors import ArchiveError, UsageError
from ..files import storage_errors
from ..scan import walk
from .member import Member, Sink, pour_stream
from .rars import rar_members
from .tars import tar_members
from .zips import zip_members

SNIFF = 512
_MAGIC = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x1f\x8b", "tar"),
    (b"BZh", "tar"),
    (b"\xfd7zXZ\x00", "tar"),
)
_NOT_ARCHIVES = (
    (b"version https://git-lfs", "a Git LFS pointer, a few lines of text that stand for the real file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive, which is not read here"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"\x89PNG", "a PNG picture"),
    (b"%PDF", "a PDF"),
    (b"{", "JSON, perhaps an error message of a server"),
)


def kind_of(path: Path) -> str:
    """Return ``folder``, ``zip``, ``tar`` or ``rar`` by content, whatever the file is called.

    Raises
    ------
    UsageError
        If nothing is there.
    ArchiveError
        If it is none of them; the message says what it looks like.
    """
    if path.is_dir():
        return "folder"
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder.", "", "check the path after --raw")
    if not path.is_file():
        raise ArchiveError(f"{path}: neither a file nor a folder.")
    with storage_errors(str(path), reading=True), path.open("rb") as stream:
        head = stream.read(SNIFF)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    raise ArchiveError(
        f"{path}: not an archive.",
        f"Expected a zip, tar or rar file or a folder, found {looks_like(head)}.",
        f"occreid-prepare doctor {shlex.quote(str(path))}",
    )


def looks_like(head: bytes) -> str:
    """Return in words what a file that begins with `head` seems to be."""
    if not head:
        return "an empty file"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<":
        return "a web page (HTML or XML), perhaps a quota or log-in page saved under the archive's name"
    for magic, words in _NOT_ARCHIVES:
        if text.startswith(magic):
            return words
    return f"bytes that begin with {head[:8].hex(' ')}"


def member_names(path: Path, password: bytes | None = None) -> list[str]:
    """Return the names of all files in an archive or folder, as stored, without unpacking."""
    return [member.name for member in members(path, password) if member.kind == "file"]


def members(path: Path, password: bytes | None = None) -> Iterator[Member]:
    """Yield the members of an archive or folder in stored order; pour one before asking for the next.

    Raises
    ------
    ArchiveError
        If the archive is damaged, encrypted without its password, or needs a reader that is not installed.
    """
    readers = {"folder": _folder, "zip": zip_members, "tar": tar_members, "rar": rar_members}
    yield from readers[kind_of(path)](path, password)


def _folder(path: Path, password: bytes | None) -> Iterator[Member]:
    del password
    for name, entry in walk(path):
        if entry.is_file(follow_symlinks=False):
            size = entry.stat(follow_symlinks=False).st_size
            yield Member(name, "file", size, lambda sink, source=entry.path: _pour_path(source, sink), entry.path)  # type: ignore[misc]
        else:
            kind = "symbolic link" if entry.is_symlink() else "special file"
            yield Member(name, kind, 0, _pour_nothing)


def _pour_path(path: str, sink: Sink) -> None:
    with open(path, "rb") as stream:
        pour_stream(stream, sink)


def _pour_nothing(sink: Sink) -> None:
    del sink
