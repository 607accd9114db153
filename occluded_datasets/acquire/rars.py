"""Members of rar archives, by an optional reader that embeds UnRAR."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import MissingReaderError, PasswordError
from .member import PASSWORD_HELP, Member, Sink, damaged


def rar_members(path: Path, password: bytes | None) -> Iterator[Member]:
    """Yield the members of a rar archive in stored order; pour one before asking for the next."""
    try:
        from unrar.cffi import unrarlib
    except ImportError as error:
        raise MissingReaderError(
            f"{path.name}: a rar archive, which needs a reader that is not installed.",
            "Expected unrar2-cffi.",
            'pip install "occluded-datasets[rar]", or unpack it and name the folder as --raw',
        ) from error
    word = _ascii(path, password)
    with _reading_rar(path), unrarlib.RarArchive.open_for_processing(os.fspath(path), pwd=word) as archive:
        for header in archive.iterate_headers():
            poured: list[bool] = []
            size = header.UnpSize + (header.UnpSizeHigh << 32)
            yield Member(
                header.FileNameW, _rar_kind(header, unrarlib), size,
                lambda sink, header=header, poured=poured: _pour_rar(path, header, poured, sink),  # type: ignore[misc]
            )  # fmt: skip
            if not poured:
                header.skip()
        _require_rar_end(path, archive, unrarlib, bool(password))


@contextmanager
def _reading_rar(path: Path) -> Iterator[None]:
    """Turn what the rar library raises into our errors."""
    from unrar.cffi import unrarlib

    try:
        yield
    except unrarlib.BadRarPassword as error:
        raise PasswordError(f"{path.name}: encrypted.", f"The reader says: {error}.", PASSWORD_HELP) from error
    except unrarlib.BadRarFile as error:
        raise damaged(path, error) from error


def _rar_kind(header: Any, unrarlib: Any) -> str:
    if header.Flags & unrarlib.FLAGS_RHDF_DIRECTORY:
        return "folder"
    if header.headerDataEx.RedirType:
        return "symbolic link"
    mode = header.headerDataEx.FileAttr if header.HostOS == 3 else 0  # 3: written on Unix, the attributes are a mode
    form = stat.S_IFMT(mode)
    return "file" if form in (0, stat.S_IFREG) else "special file"


def _ascii(path: Path, password: bytes | None) -> str | None:
    try:
        return password.decode("ascii") if password else None
    except UnicodeDecodeError as error:
        raise PasswordError(
            f"{path.name}: its password has characters outside ASCII, which the rar reader cannot take.",
            "Expected ASCII alone.",
            "unpack it by hand and name the folder as --raw",
        ) from error


def _pour_rar(path: Path, header: Any, poured: list[bool], sink: Sink) -> None:
    """Send a member's bytes to `sink`; what `sink` raises stops the library and is raised after it has returned."""
    from unrar.cffi._unrarlib import ffi, lib

    faults: list[BaseException] = []

    def answer(message: int, address: int, size: int) -> int:
        if message in (0, 3):  # another volume: 0 in `size` asks for one that is missing, and would ask for ever
            return 1 if size else -1
        try:
            if message == lib.UCM_PROCESSDATA:
                sink(bytes(ffi.buffer(ffi.cast("char *", address), size)))
        except BaseException as error:  # an exception must not cross the C library
            faults.append(error)
        return -1 if faults else 1

    poured.append(True)
    handle = ffi.new_handle(answer)
    lib.RARSetCallbackPtr(header.handle, lib.PyUNRARCALLBACKStub, handle)
    code = lib.RARProcessFileW(header.handle, lib.C_RAR_TEST, ffi.NULL, ffi.NULL)
    lib.RARSetCallbackPtr(header.handle, ffi.NULL, ffi.NULL)
    if faults:
        raise faults[0]
    _require_rar_code(path, code, 0, bool(header.Flags & 4))  # 4: this member is encrypted


def _require_rar_end(path: Path, archive: Any, unrarlib: Any, locked: bool) -> None:
    """Raise unless the headers ended because the archive did (code 10), not because one is broken."""
    from unrar.cffi._unrarlib.lib import RARReadHeaderEx

    _require_rar_code(path, RARReadHeaderEx(archive.handle, unrarlib.RARHeaderDataEx()), 10, locked)


def _require_rar_code(path: Path, code: int, expected: int, locked: bool = False) -> None:
    if code in (22, 24) or (locked and code == 12):
        found = {22: "No password was given.", 24: "The password is not its own."}
        either = "Either the password is wrong or the archive is damaged."
        raise PasswordError(f"{path.name}: encrypted.", found.get(code, either), PASSWORD_HELP)
    if code != expected:
        raise damaged(path, ValueError(f"code {code}, expected {expected}"))
