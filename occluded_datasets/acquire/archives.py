"""Read foreign archives member by member: zip, tar (plain, gzip, bzip2, xz), rar, and plain folders.

Nothing here writes. Names come out as stored; `unpack` judges them.
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from lzma import LZMAError
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ArchiveError, MissingReaderError, OccludedDatasetsError, PasswordError, UsageError
from ..files import storage_errors
from ..hashing import CHUNK
from ..scan import walk

SNIFF = 512
TAIL = 1 << 24
Sink = Callable[[bytes], None]
_PASSWORD_HELP = "put the password into a file and add --password-file FILE"
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


@dataclass(frozen=True)
class Limits:
    """What an archive may hold, counted on real bytes: members, bytes a member, bytes in all, and the ratio."""

    members: int = 250_000
    member_bytes: int = 1 << 30
    total_bytes: int = 1 << 36
    ratio: int = 200
    ratio_from: int = 1 << 26


class Member(NamedTuple):
    """A member as stored: `kind` is ``file``, ``folder`` or the name of what is refused; `pour` sends its bytes."""

    name: str
    kind: str
    size: int
    pour: Callable[[Sink], None]
    path: str = ""


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
    with storage_errors(str(path)), path.open("rb") as stream:
        head = stream.read(SNIFF)
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[257:262] == b"ustar":
        return "tar"
    raise ArchiveError(
        f"{path}: not an archive.",
        f"Expected a zip, tar or rar file or a folder, found {looks_like(head)}.",
        f"occreid-prepare doctor '{path}'",
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
    readers = {"folder": _folder, "zip": _zip, "tar": _tar, "rar": _rar}
    yield from readers[kind_of(path)](path, password)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a reader raises on damaged input into `ArchiveError`."""
    try:
        yield
    except (OccludedDatasetsError, GeneratorExit, MemoryError):
        raise
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):
            raise
        raise _damaged(path, error) from error
    except (
        zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError, EOFError, ValueError, NotImplementedError,
        RuntimeError, KeyError, IndexError, OverflowError, TypeError, AttributeError,
    ) as error:  # fmt: skip
        raise _damaged(path, error) from error
    except Exception as error:
        if type(error).__module__ in ("struct", "_struct"):
            raise _damaged(path, error) from error
        raise


def _damaged(path: Path, error: Exception) -> ArchiveError:
    return ArchiveError(
        f"{path.name}: the archive is damaged or was cut off.",
        f"The reader says: {error}.",
        "get the archive again, then run the same command",
    )


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
        _pour_stream(stream, sink)


def _pour_stream(stream: Any, sink: Sink) -> None:
    while chunk := stream.read(CHUNK):
        sink(chunk)


def _pour_nothing(sink: Sink) -> None:
    del sink


def _zip(path: Path, password: bytes | None) -> Iterator[Member]:
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
        raise PasswordError(
            f"{path.name}: {info.orig_filename} is encrypted.", "No password was given.", _PASSWORD_HELP
        )
    target = info if isinstance(archive, zipfile.ZipFile) else info.filename
    try:
        stream = archive.open(target, pwd=password)
    except RuntimeError as error:
        if "password" not in str(error).lower():
            raise
        raise PasswordError(
            f"{path.name}: the password does not open {info.orig_filename}.", "", _PASSWORD_HELP
        ) from error
    with stream:
        try:
            _pour_stream(stream, sink)
        except (zipfile.BadZipFile, zlib.error) as error:
            if not info.flag_bits & 1:
                raise
            raise PasswordError(
                f"{path.name}: {info.orig_filename} does not read with this password.",
                f"Either the password is wrong or the archive is damaged ({error}).",
                _PASSWORD_HELP,
            ) from error


def _tar(path: Path, password: bytes | None) -> Iterator[Member]:
    del password
    with reading(path), tarfile.open(path, "r:*", errors="surrogateescape", tarinfo=_TarInfo) as archive:
        for info in archive:
            name = _tar_name(info.name)
            if name == ".":
                continue
            kind = "file" if info.isreg() else "folder" if info.isdir() else _tar_kind(info)
            yield Member(name, kind, info.size, lambda sink, info=info: _pour_stream(archive.extractfile(info), sink))  # type: ignore[misc]
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


def _rar(path: Path, password: bytes | None) -> Iterator[Member]:
    try:
        from unrar.cffi import unrarlib
    except ImportError as error:
        raise MissingReaderError(
            f"{path.name}: a rar archive, which needs a reader that is not installed.",
            "",
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
        raise PasswordError(f"{path.name}: encrypted.", f"The reader says: {error}.", _PASSWORD_HELP) from error
    except unrarlib.BadRarFile as error:
        raise _damaged(path, error) from error


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
            "",
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
        raise PasswordError(f"{path.name}: encrypted.", found.get(code, either), _PASSWORD_HELP)
    if code != expected:
        raise _damaged(path, ValueError(f"code {code}, expected {expected}"))
