"""Members of zip archives, encrypted ones included."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ArchiveError, MissingReaderError, PasswordError
from .member import PASSWORD_HELP, Member, Sink, pour_stream, reading


def zip_members(path: Path, password: bytes | None) -> Iterator[Member]:
    """Yield the members of a zip archive in stored order; pour one before asking for the next."""
    with reading(path), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        _refuse_overlap(path, infos, archive.start_dir)
        reader = _aes_reader(path, infos)
        for info in infos:
            name = _zip_name(info)
            yield Member(
                name, _zip_kind(info, name), info.file_size,
                lambda sink, info=info: _pour_zip(path, reader or archive, info, password, sink),  # type: ignore[misc]
            )  # fmt: skip


def require_exact(path: Path) -> None:
    """Raise unless a zip begins with its first member and ends with its list.

    A reader takes bytes before or behind it for none of its business; to a download they are another file.
    """
    with reading(path), zipfile.ZipFile(path) as archive:
        first = min((info.header_offset for info in archive.infolist()), default=0)
        tail = 22 + len(archive.comment)  # the end record and its comment
    with path.open("rb") as stream:
        stream.seek(-tail, os.SEEK_END)
        ended = stream.read(4) == b"PK\5\6"
    if first or not ended:
        place = "before its first member" if first else "behind its end"
        raise ArchiveError(f"{path.name}: other bytes stand {place}.", "Expected a zip and nothing else.")


def _zip_name(info: zipfile.ZipInfo) -> str:
    """Return the stored name: UTF-8 if it reads so, else code page 437, the zip format's own."""
    name = info.orig_filename
    if info.flag_bits & 0x800:
        return name
    try:
        return name.encode("cp437").decode("utf-8")
    except UnicodeError:
        return name


def _zip_kind(info: zipfile.ZipInfo, name: str) -> str:
    mode = info.external_attr >> 16
    form = stat.S_IFMT(mode)
    if name.endswith("/") and form in (0, stat.S_IFDIR):
        return "folder"
    return "file" if form in (0, stat.S_IFREG) else "symbolic link" if stat.S_ISLNK(mode) else "special file"


def _refuse_overlap(path: Path, infos: list[zipfile.ZipInfo], end: int) -> None:
    """Refuse members that share stored bytes: one small block then unpacks to any size."""
    spans = sorted((info.header_offset, info.header_offset + 30 + info.compress_size, info) for info in infos)
    starts = [span[0] for span in spans[1:]] + [end]
    for (_, stop, info), start in zip(spans, starts, strict=True):
        if stop > start:
            raise ArchiveError(
                f"{path.name}: members overlap at {info.orig_filename!r}.", "Expected each to have bytes of its own."
            )


def _aes_reader(path: Path, infos: list[zipfile.ZipInfo]) -> Any:
    """Return a reader of AES-encrypted members where there are any."""
    if not any(info.compress_type == 99 for info in infos):
        return None
    try:
        import pyzipper
    except ImportError as error:
        raise MissingReaderError(
            f"{path.name}: encrypted with AES, which needs a reader that is not installed.",
            "",
            'pip install "occluded-datasets[aes]"',
        ) from error
    return pyzipper.AESZipFile(path)


def _pour_zip(path: Path, archive: Any, info: zipfile.ZipInfo, password: bytes | None, sink: Sink) -> None:
    if info.flag_bits & 1 and not password:
        raise PasswordError(f"{path.name}: {info.orig_filename} is encrypted.", "No password was given.", PASSWORD_HELP)
    target = info if isinstance(archive, zipfile.ZipFile) else info.filename
    try:
        stream = archive.open(target, pwd=password)
    except RuntimeError as error:
        if "password" not in str(error).lower():
            raise
        raise PasswordError(
            f"{path.name}: the password does not open {info.orig_filename}.", "", PASSWORD_HELP
        ) from error
    with stream:
        try:
            pour_stream(stream, sink)
        except (zipfile.BadZipFile, zlib.error) as error:
            if not info.flag_bits & 1:
                raise
            raise PasswordError(
                f"{path.name}: {info.orig_filename} does not read with this password.",
                f"Either the password is wrong or the archive is damaged ({error}).",
                PASSWORD_HELP,
            ) from error
