"""Members of tar archives, plain or compressed."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ArchiveError
from ..hashing import CHUNK
from .member import Member, pour_stream, reading

TAIL = 1 << 24


def tar_members(path: Path, password: bytes | None) -> Iterator[Member]:
    """Yield the members of a tar archive in stored order; pour one before asking for the next."""
    del password
    with reading(path), tarfile.open(path, "r:*", errors="surrogateescape", tarinfo=_TarInfo) as archive:
        for info in archive:
            name = _tar_name(info.name)
            if name == ".":
                continue
            kind = "file" if info.isreg() else "folder" if info.isdir() else _tar_kind(info)
            yield Member(name, kind, info.size, lambda sink, info=info: pour_stream(archive.extractfile(info), sink))  # type: ignore[misc]
        _drain(path, archive.fileobj)


class _TarInfo(tarfile.TarInfo):
    """Headers as tarfile reads them, but a broken or missing one is an error where tarfile ends the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> _TarInfo:
        """Return the header in one block."""
        try:
            return super().frombuf(buf, encoding, errors)  # type: ignore[arg-type]
        except tarfile.HeaderError as error:
            if bytes(buf) == bytes(tarfile.BLOCKSIZE):
                raise
            raise tarfile.ReadError(str(error)) from error


def _drain(path: Path, stream: Any) -> None:
    """Read what follows the last member, so that the checksum of a compressed stream is met."""
    left = TAIL
    while chunk := stream.read(CHUNK):
        left -= len(chunk)
        if left < 0:
            raise ArchiveError(f"{path.name}: over {TAIL} bytes follow the end of the archive.")


def _tar_name(name: str) -> str:
    """Return the name without a leading ``./``: UTF-8 if it reads so, else code page 437 as for zip."""
    name = name.removeprefix("./")
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode("utf-8", "surrogateescape").decode("cp437")
    return name


def _tar_kind(info: tarfile.TarInfo) -> str:
    return "symbolic link" if info.issym() else "hard link" if info.islnk() else "special file"
