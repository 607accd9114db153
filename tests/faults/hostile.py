"""Builders of archives: good ones, and every hostile or broken kind."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from copy import copy
from functools import cache
from typing import Any

import pytest
from faultkit import tree

TREE: dict[str, bytes] = tree()
MIDDLE, LAST = (name for name in TREE if name.endswith(".bmp"))
Extra = tuple[Any, bytes]


def zipped(*extra: Extra, files: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED,
           spoil: Callable[[zipfile.ZipFile], object] | None = None) -> bytes:  # fmt: skip
    """Return a zip of the set and `extra` members; `spoil` changes its list before that is written."""
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w", method) as archive:
        warnings.simplefilter("ignore")
        for name, data in [*(TREE if files is None else files).items(), *extra]:
            archive.writestr(name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name), data, method)
        if spoil:
            spoil(archive)
    return stream.getvalue()


def tarred(*extra: tarfile.TarInfo | Extra, mode: str = "w", files: dict[str, bytes] | None = None) -> bytes:
    """Return a tar of the set and `extra` members; a TarInfo alone has no bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode, format=tarfile.GNU_FORMAT, errors="surrogateescape") as archive:  # type: ignore[call-overload]
        for entry in [*(TREE if files is None else files).items(), *extra]:
            name, data = entry if isinstance(entry, tuple) else (entry, b"")
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def rarred(*extra: tuple[str, bytes], files: dict[str, bytes] | None = None, link: str = "", **options: Any) -> bytes:
    """Return a rar of the set and `extra` members, or skip the test where nothing can write one."""
    rars = pytest.importorskip("rars", reason="rars, which writes rar archives, is not installed")
    pytest.importorskip("unrar.cffi", reason="unrar2-cffi, which reads rar archives, is not installed")
    builder = rars.RarBuilder(**options)
    for name, data in [*(TREE if files is None else files).items(), *extra]:
        builder.add_bytes(data, name)
    if link:
        builder.add_unix_symlink("Tiny/link", link.encode())
    return bytes(builder.to_bytes())


def rar_renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    """Return a rar 5 archive with a member's name changed to one of equal length, its checksum made right."""
    at, out = 8, bytearray(data)
    while at < len(data):
        size, start = _vint(data, at + 4)
        kind, place = _vint(data, start)
        flags, place = _vint(data, place)
        if flags & 1:
            _, place = _vint(data, place)
        stored = _vint(data, place)[0] if flags & 2 else 0
        header = data[at + 4 : start + size]
        if old in header and kind in (2, 3):
            header = header.replace(old, new)
            out[at : start + size] = struct.pack("<I", zlib.crc32(header)) + header
        at = start + size + stored
    return bytes(out)


def _vint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if not data[at - 1] & 128:
            return value, at


def zip_link(name: str, target: str) -> Extra:
    """Return a symbolic link as a Unix zip holds it."""
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info, target.encode()


def tar_entry(name: str, kind: bytes, target: str = "", **fields: Any) -> tarfile.TarInfo:
    """Return a member that is no regular file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def lying(size: int) -> Callable[[zipfile.ZipFile], None]:
    """Return what makes a zip's list say that its last member unpacks to `size` bytes."""

    def spoil(archive: zipfile.ZipFile) -> None:
        archive.filelist[-1].file_size = size

    return spoil


@cache
def zeros() -> bytes:
    """Return 80 MiB of nothing: over what any archive of this size may unpack to."""
    return bytes(80 << 20)


@cache
def bomb() -> bytes:
    """Return a zip that is 1,000 times smaller than what it unpacks to."""
    return zipped(("x/notes.txt", zeros()), files={}, method=zipfile.ZIP_DEFLATED)


def overlapping() -> bytes:
    """Return a zip one member of which lies, header and all, in the stored bytes of another."""
    inner = zipped(files={"Tiny/b.txt": b"b" * 4096})
    section = inner[: inner.index(b"PK\x01\x02")]

    def spoil(archive: zipfile.ZipFile) -> None:
        outer = archive.filelist[-1]
        hidden = copy(zipfile.ZipFile(io.BytesIO(inner)).infolist()[0])
        hidden.header_offset = outer.header_offset + 30 + len(outer.filename)
        archive.filelist.append(hidden)

    return zipped(("Tiny/a.txt", section), spoil=spoil)


def flipped(data: bytes, at: int) -> bytes:
    """Return `data` with one bit the other way."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def crypted(password: bytes = b"secret") -> bytes:
    """Return a zip whose last member, a note, is encrypted in the old way (ZipCrypto)."""
    text = b"please cite us" * 10
    check = zlib.crc32(text)
    data = _zipcrypto(bytes(11) + bytes([check >> 24]) + text, password)

    def spoil(archive: zipfile.ZipFile) -> None:
        info = archive.filelist[-1]
        info.flag_bits |= 1
        info.CRC, info.file_size = check, len(text)

    return zipped(("Tiny/Readme.txt", data), spoil=spoil)


def _zipcrypto(data: bytes, password: bytes) -> bytes:
    table = [_crc_entry(byte) for byte in range(256)]
    keys = [0x12345678, 0x23456789, 0x34567890]

    def update(byte: int) -> None:
        keys[0] = table[(keys[0] ^ byte) & 255] ^ (keys[0] >> 8)
        keys[1] = ((keys[1] + (keys[0] & 255)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = table[(keys[2] ^ (keys[1] >> 24)) & 255] ^ (keys[2] >> 8)

    for byte in password:
        update(byte)
    out = bytearray()
    for byte in data:
        word = (keys[2] | 2) & 0xFFFF
        out.append(byte ^ ((word * (word ^ 1)) >> 8) & 255)
        update(byte)
    return bytes(out)


def _crc_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0xEDB88320 if byte & 1 else 0)
    return byte


def aes(password: bytes = b"secret") -> bytes:
    """Return a zip of the set encrypted with AES, or skip the test."""
    pyzipper = pytest.importorskip("pyzipper", reason="pyzipper, which writes AES zips, is not installed")
    stream = io.BytesIO()
    with pyzipper.AESZipFile(stream, "w", encryption=pyzipper.WZ_AES) as archive:
        archive.setpassword(password)
        for name, data in TREE.items():
            archive.writestr(name, data)
    return stream.getvalue()


def member_offset(data: bytes, number: int) -> int:
    """Return where the header of a tar's member begins."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return archive.getmembers()[number].offset


def without(*names: str) -> dict[str, bytes]:
    """Return the set without some of its pictures."""
    return {name: data for name, data in TREE.items() if name not in names}


def replaced(name: str, data: bytes) -> dict[str, bytes]:
    """Return the set with other bytes under one name."""
    return {**TREE, name: data}


def names(prefix: str, count: int) -> Iterable[Extra]:
    """Yield many empty text members."""
    return ((f"{prefix}{number}.txt", b"") for number in range(count))
