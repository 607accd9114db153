"""Whether a file is the one its authors published: by its pins, else by its first-seen record and its own checksums."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from .._version import __version__
from ..catalog.spec import Source
from ..errors import FetchError, InputError, MissingReaderError, PasswordError
from ..files import write_atomic
from ..hashing import CHUNK, file_digests
from .archives import SNIFF, kind_of, looks_like, members
from .member import Limits, reading
from .zips import require_exact

_KINDS = {".zip": "zip", ".rar": "rar", ".tar": "tar", ".tgz": "tar", ".gz": "tar", ".bz2": "tar", ".xz": "tar"}


@dataclass(frozen=True)
class Seen:
    """A file as it was first seen, where its authors publish no hash."""

    name: str
    bytes: int
    sha256: str
    git_blob: str
    url: str
    date: str
    tool_version: str


@dataclass(frozen=True)
class CheckedFile:
    """What a file was found to be: its size and digests, by what it was told, and what the user should know."""

    bytes: int
    sha256: str
    git_blob: str
    pin: str
    notes: tuple[str, ...] = ()


def is_pinned(source: Source) -> bool:
    """Return whether the catalogue knows a hash of the whole file."""
    return bool(source.sha256 or source.git_blob or source.md5)


def record_path(target: Path) -> Path:
    """Return where the first-seen record of a file stands."""
    return target.with_name(f"{target.name}.first-seen.json")


def read_seen(target: Path) -> Seen | None:
    """Return the first-seen record of a file; None where there is none.

    Raises
    ------
    FetchError
        If it is there and does not read as one.
    """
    path = record_path(target)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        record = json.loads(data)
        found = Seen(**{field.name: record[field.name] for field in fields(Seen)})
        if len(found.sha256) == 64 and type(found.bytes) is int:
            return found
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise FetchError(
        f"{path}: the first-seen record cannot be read.", "Expected the JSON that fetch wrote.", f"move {path} away"
    )


def was_first_seen(path: Path, sha256: str) -> bool:
    """Return whether a first-seen record beside `path` says that this is the file."""
    with suppress(FetchError):
        seen = read_seen(path)
        return seen is not None and seen.sha256 == sha256
    return False


def write_seen(target: Path, found: CheckedFile, url: str) -> None:
    """Write the first-seen record of a file, unless there is one.

    Parameters
    ----------
    target : Path
        The file; its record is written beside it.
    found : CheckedFile
        Size and digests of the file, as of `check_download`.
    url : str
        The address that it came from; empty for a file that was not downloaded.
    """
    if not record_path(target).exists():
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        seen = Seen(target.name, found.bytes, found.sha256, found.git_blob, url, now, __version__)
        write_atomic(record_path(target), (json.dumps(asdict(seen), indent=1) + "\n").encode())


def check_download(source: Source, path: Path, target: Path, url: str) -> CheckedFile:
    """Return what the file at `path`, which is to be `target`, is.

    Parameters
    ----------
    source : Source
        What the catalogue knows of the file: its name, size and hashes.
    path : Path
        The file to check.
    target : Path
        Where the file belongs; its first-seen record lies beside it. It may be `path` itself.
    url : str
        What error messages call the file: its address, or the path that it was copied from; empty for `path`.

    Returns
    -------
    CheckedFile
        With the pin ``pinned`` where the catalogue knows a hash of the whole file, else ``first-seen``.

    Raises
    ------
    FetchError
        If it is not the published file, not the one first seen, no file of its kind, or damaged.
    """
    where = url or str(path)
    _require_kind(source, path, where)
    size = path.stat().st_size
    if source.bytes is not None and size != source.bytes:
        raise _other(source, where, f"Expected {source.bytes:,} bytes, found {size:,}.")
    sha256, blob = file_digests(path)
    notes = _require_pins(source, path, sha256, blob, where)
    if is_pinned(source):
        return CheckedFile(size, sha256, blob, "pinned", tuple(notes))
    seen = read_seen(target)
    if seen is not None and seen.sha256 != sha256:
        raise FetchError(
            f"{where}: not the {source.name} that was first seen.",
            f"Expected sha256 {seen.sha256}, seen on {seen.date}; found {sha256}.",
            f"if its authors say that they replaced it, move {record_path(target)} away and run the command again",
        )
    if seen is None:
        notes += _read_to_the_end(source, path, where)
        notes.append(
            f"no hash of {source.name} is published: sha256 {sha256} is recorded as the first seen, and another is "
            "refused later"
        )
    return CheckedFile(size, sha256, blob, "first-seen", tuple(notes))


def _require_kind(source: Source, path: Path, where: str) -> None:
    """Raise unless the first bytes are those of the file's kind: an archive by its name, else no page or error."""
    with path.open("rb") as stream:
        head = stream.read(SNIFF)
    expected = _KINDS.get(Path(source.name).suffix.lower(), "")
    what = looks_like(head)
    if not expected:
        if not head or what.startswith(("a web page", "a Git LFS", "JSON")):
            raise _other(source, where, f"Found {what}.")
        return
    try:
        found = kind_of(path)
    except InputError as error:
        raise _other(source, where, f"Expected a {expected} archive, found {what}.") from error
    if found != expected:
        raise _other(source, where, f"Expected a {expected} archive, found a {found} one.")


def _require_pins(source: Source, path: Path, sha256: str, blob: str, where: str) -> list[str]:
    """Raise unless every hash the authors vouch for is met; return what a third party's says otherwise."""
    found = {"git blob id": (source.git_blob, blob), "sha256": (source.sha256, sha256), "md5": (source.md5, "")}
    if source.md5:
        found["md5"] = (source.md5, _md5(path))
    wrong = {name: pair for name, pair in found.items() if pair[0] and pair[0] != pair[1]}
    notes = []
    if source.git_blob and source.sha256_from and wrong.keys() == {"sha256"}:
        expected, got = wrong.pop("sha256")
        notes.append(f"sha256 {got} is not the {expected} said by {source.sha256_from}; the git blob id is right")
    for name, (expected, got) in wrong.items():
        raise _other(source, where, f"Expected {name} {expected}, found {got}.")
    return notes


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read_to_the_end(source: Source, path: Path, where: str) -> list[str]:
    """Raise unless every member's own checksum is met; return why that could not be seen."""
    if Path(source.name).suffix.lower() not in _KINDS:
        return []
    left = [Limits().total_bytes]

    def sink(data: bytes) -> None:
        left[0] -= len(data)
        if left[0] < 0:
            raise _other(source, where, f"Its members hold over {Limits().total_bytes:,} bytes.")

    try:
        if kind_of(path) == "zip":
            require_exact(path)
        for number, member in enumerate(members(path)):
            if number > Limits().members:
                raise _other(source, where, f"It has over {Limits().members:,} members.")
            if member.kind == "file":
                with reading(path):
                    member.pour(sink)
    except (PasswordError, MissingReaderError) as error:
        return [f"its inner checksums were not tried: {error.what}"]
    except InputError as error:
        raise _other(source, where, f"{error.what} {error.why}") from error
    return []


def _other(source: Source, where: str, why: str) -> FetchError:
    return FetchError(
        f"{where}: not the published {source.name}.",
        f"{why} Nothing was published.",
        "run the command again later, or get the file by hand from its authors and add --from PATH",
    )
